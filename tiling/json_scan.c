#include "tiling/json_scan.h"

#include "src/base/limits.h"

#include <string.h>

/* What jansson keeps for each on a 64-bit machine, allocator included; a string's own bytes are in the text already. */
#define OBJECT_BYTES 320
#define ARRAY_BYTES 160
#define VALUE_BYTES 40

static bool fail(mt_json_scan *scan, const char *wrong)
{
    scan->wrong = wrong;
    return false;
}

void mt_json_skip_space(mt_json_scan *scan)
{
    while (scan->at < scan->end && strchr(" \t\r\n", *scan->at) != NULL && *scan->at != '\0')
        scan->at++;
}

static bool skip_string(mt_json_scan *scan)
{
    for (scan->at++; scan->at < scan->end; scan->at++) {
        if (*scan->at == '\\')
            scan->at++;
        else if (*scan->at == '"') {
            scan->at++;
            return true;
        }
    }
    scan->at = scan->end; /* a backslash may have been the last byte */
    return fail(scan, "the text ends within a string");
}

/* A number or a word. */
static bool skip_plain(mt_json_scan *scan)
{
    const char *start = scan->at;

    while (scan->at < scan->end && strchr(",:]}[{\" \t\r\n", *scan->at) == NULL)
        scan->at++;
    return scan->at > start || fail(scan, "a value is wanted");
}

bool mt_json_skip_value(mt_json_scan *scan, int64_t *cost)
{
    int depth = 0;

    mt_json_skip_space(scan);
    do {
        if (scan->at >= scan->end)
            return fail(scan, "the text ends within a value");
        char c = *scan->at;
        if (c == '"') {
            if (!skip_string(scan))
                return false;
        } else if (depth == 0 && c != '[' && c != '{') {
            return skip_plain(scan);
        } else {
            depth += (c == '[' || c == '{') - (c == ']' || c == '}');
            if (cost != NULL)
                *cost += c == '{' ? OBJECT_BYTES : c == '[' ? ARRAY_BYTES : c == ',' ? VALUE_BYTES : 0;
            if (depth > MT_LIMIT_JSON_DEPTH)
                return fail(scan, "it nests too deep");
            scan->at++;
        }
    } while (depth > 0);
    return true;
}

bool mt_json_find_member(mt_json_scan *scan, const char *key)
{
    size_t n = strlen(key);

    for (scan->at++;;) {
        mt_json_skip_space(scan);
        if (scan->at >= scan->end || *scan->at != '"')
            return false; /* the end of the object, or what the parser will name */
        const char *name = scan->at + 1;
        if (!skip_string(scan))
            return false;
        bool found = (size_t)(scan->at - name) == n + 1 && memcmp(name, key, n) == 0;
        mt_json_skip_space(scan);
        if (scan->at >= scan->end || *scan->at != ':')
            return fail(scan, "':' is wanted after a name");
        scan->at++;
        mt_json_skip_space(scan);
        if (found)
            return true;
        if (!mt_json_skip_value(scan, NULL))
            return false;
        mt_json_skip_space(scan);
        if (scan->at >= scan->end || *scan->at != ',')
            return false;
        scan->at++;
    }
}

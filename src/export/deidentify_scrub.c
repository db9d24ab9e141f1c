#include "src/export/deidentify_scrub.h"

#include <string.h>

static size_t word(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

static size_t clear(uint8_t *bytes, size_t n)
{
    size_t written = 0;

    for (size_t i = 0; i < n; i++)
        written += bytes[i] != 0;
    memset(bytes, 0, n);
    return written;
}

/* What a decoder reads of an APPn. */
static int is_needed(uint8_t marker, const uint8_t *payload, size_t n)
{
    static const struct {
        uint8_t     marker;
        const char *name;
        size_t      bytes; /* of the segment that are looked at; the rest is cleared */
    } known[] = {{0xe0, "JFIF", 14}, {0xee, "Adobe", 12}, {0xe8, "mrfx", 5}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (marker == known[i].marker && n >= strlen(known[i].name) && memcmp(payload, known[i].name, strlen(known[i].name)) == 0)
            return (int)known[i].bytes;
    return 0;
}

/* The next marker from `at` on that is neither stuffed nor a restart; n: none. */
static size_t next_marker(const uint8_t *bytes, size_t at, size_t n)
{
    for (; at + 1 < n; at++)
        if (bytes[at] == 0xff && bytes[at + 1] != 0 && bytes[at + 1] != 0xff && (bytes[at + 1] < 0xd0 || bytes[at + 1] > 0xd7))
            return at;
    return n;
}

static size_t scrub_jpeg(uint8_t *bytes, size_t n)
{
    size_t cleared = 0;

    for (size_t at = next_marker(bytes, 2, n); at + 4 <= n && bytes[at + 1] != 0xd9; at = next_marker(bytes, at, n)) {
        uint8_t marker = bytes[at + 1];
        if (marker == 0xd8 || marker == 0x01) {
            at += 2;
            continue;
        }
        size_t length = word(bytes + at + 2);
        if (length < 2 || at + 2 + length > n)
            break;
        uint8_t *payload = bytes + at + 4;
        if (marker == 0xfe)
            cleared += clear(payload, length - 2);
        else if (marker >= 0xe0 && marker <= 0xef) {
            size_t kept = (size_t)is_needed(marker, payload, length - 2);
            kept = kept > length - 2 ? length - 2 : kept;
            cleared += clear(payload + kept, length - 2 - kept);
        }
        at += 2 + length;
    }
    return cleared;
}

/* Main header, then the header of each tile part. */
static size_t scrub_jp2k(uint8_t *bytes, size_t n)
{
    size_t cleared = 0, part = 0, part_bytes = 0;

    for (size_t at = 2; at + 4 <= n && bytes[at] == 0xff && bytes[at + 1] != 0xd9;) {
        uint8_t marker = bytes[at + 1];
        if (marker == 0x93) { /* its data: on to the next part */
            if (part_bytes < 14 || part + part_bytes <= at || part + part_bytes > n)
                break;
            at = part + part_bytes;
            continue;
        }
        size_t length = word(bytes + at + 2);
        if (length < 2 || at + 2 + length > n)
            break;
        if (marker == 0x90 && length == 10) {
            part = at;
            part_bytes = word(bytes + at + 6) << 16 | word(bytes + at + 8);
        }
        if (marker == 0x64 && length > 4)
            cleared += clear(bytes + at + 6, length - 4);
        at += 2 + length;
    }
    return cleared;
}

size_t mt_scrub_picture(uint8_t *bytes, size_t n)
{
    if (n >= 4 && bytes[0] == 0xff && bytes[1] == 0xd8)
        return scrub_jpeg(bytes, n);
    if (n >= 4 && bytes[0] == 0xff && bytes[1] == 0x4f && bytes[2] == 0xff && bytes[3] == 0x51)
        return scrub_jp2k(bytes, n);
    return 0;
}

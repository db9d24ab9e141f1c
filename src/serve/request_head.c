#include "src/serve/request_head.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

typedef struct span {
    const char *at;
    size_t      n;
} span;

typedef struct fields {
    bool    old; /* HTTP/1.0 */
    int     hosts, lengths, codings, n;
    bool    close, keep_alive;
    int64_t body;
} fields;

static bool is_token_char(unsigned char c)
{
    return isalnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_token_char((unsigned char)s.at[i]))
            return false;
    return s.n > 0;
}

static bool same_word(span s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.at, word, s.n) == 0;
}

/* The line at *at, without its CRLF; false where there is none.  A bare CR or LF in it makes it NULL. */
static bool take_line(const char **at, const char *end, span *line)
{
    const char *lf = memchr(*at, '\n', (size_t)(end - *at));

    if (lf == NULL)
        return false;
    *line = (span){*at, (size_t)(lf - *at)};
    if (line->n == 0 || line->at[line->n - 1] != '\r' || memchr(line->at, '\r', line->n - 1) != NULL)
        line->at = NULL;
    else
        line->n--;
    *at = lf + 1;
    return true;
}

static bool is_target(span s)
{
    if (s.n == 0 || s.at[0] != '/')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}#", c) != NULL)
            return false;
        if (c == '%' && (i + 2 >= s.n || !isxdigit((unsigned char)s.at[i + 1]) || !isxdigit((unsigned char)s.at[i + 2])))
            return false;
    }
    return true;
}

static int read_request_line(span line, fields *f)
{
    const char              *space = memchr(line.at, ' ', line.n), *last = space;
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE"};

    for (const char *c = space; c != NULL && c < line.at + line.n; c++)
        last = *c == ' ' ? c : last;
    if (space == NULL || last == space)
        return 400;
    span method = {line.at, (size_t)(space - line.at)}, target = {space + 1, (size_t)(last - space - 1)},
         version = {last + 1, (size_t)(line.at + line.n - last - 1)};
    if (!is_token(method) || version.n != 8 || memcmp(version.at, "HTTP/", 5) != 0)
        return 400;
    if (target.n > MT_REQUEST_TARGET_BYTES)
        return 414;
    if (!is_target(target))
        return 400;
    f->old = memcmp(version.at + 5, "1.0", 3) == 0;
    if (!f->old && memcmp(version.at + 5, "1.1", 3) != 0)
        return isdigit((unsigned char)version.at[5]) && version.at[6] == '.' && isdigit((unsigned char)version.at[7]) ? 505 : 400;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (method.n == strlen(methods[i]) && memcmp(method.at, methods[i], method.n) == 0)
            return 0;
    return 501;
}

static int read_length(span value, fields *f)
{
    if (value.n == 0 || value.n > 18)
        return value.n == 0 ? 400 : 413;
    for (size_t i = 0; i < value.n; i++) {
        if (!isdigit((unsigned char)value.at[i]))
            return 400;
        f->body = 10 * f->body + (value.at[i] - '0');
    }
    return f->body > MT_REQUEST_BODY_BYTES ? 413 : 0;
}

static bool is_host(span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.at[i]) && strchr(".-:[]_", s.at[i]) == NULL)
            return false;
    return s.n > 0;
}

static int read_field(span line, fields *f)
{
    const char *colon = memchr(line.at, ':', line.n);

    if (colon == NULL || ++f->n > MT_REQUEST_FIELDS)
        return colon == NULL ? 400 : 431;
    span name = {line.at, (size_t)(colon - line.at)}, value = {colon + 1, (size_t)(line.at + line.n - colon - 1)};
    while (value.n > 0 && (*value.at == ' ' || *value.at == '\t'))
        value.at++, value.n--;
    while (value.n > 0 && (value.at[value.n - 1] == ' ' || value.at[value.n - 1] == '\t'))
        value.n--;
    for (size_t i = 0; i < value.n; i++)
        if (((unsigned char)value.at[i] < ' ' && value.at[i] != '\t') || value.at[i] == 0x7f)
            return 400;
    if (!is_token(name)) /* a folded line begins with a blank and is none */
        return 400;
    if (same_word(name, "host"))
        return ++f->hosts > 1 || !is_host(value) ? 400 : 0;
    if (same_word(name, "transfer-encoding"))
        f->codings++;
    if (same_word(name, "content-length"))
        return ++f->lengths > 1 ? 400 : read_length(value, f);
    if (same_word(name, "connection")) {
        f->close |= same_word(value, "close");
        f->keep_alive |= same_word(value, "keep-alive");
    }
    return 0;
}

static int judge(const fields *f)
{
    if (f->codings > 0) /* with a length two servers may disagree where the next request begins */
        return f->lengths > 0 || f->old || f->codings > 1 ? 400 : 411;
    return f->hosts == 0 && !f->old ? 400 : 200;
}

int mt_request_head_read(const uint8_t *bytes, size_t n, mt_request_head *head)
{
    const char *at = (const char *)bytes, *end = at + (n < MT_REQUEST_HEAD_BYTES ? n : MT_REQUEST_HEAD_BYTES);
    fields      f = {0};
    span        line;

    if (n > 0 && !is_token_char(bytes[0])) /* also empty lines before the request, and what is no HTTP at all */
        return 400;
    for (bool first = true; take_line(&at, end, &line); first = false) {
        if (line.at == NULL)
            return 400;
        if (!first && line.n == 0) {
            *head = (mt_request_head){(size_t)(at - (const char *)bytes), f.body, f.old ? f.keep_alive : !f.close};
            return judge(&f);
        }
        int status = first ? read_request_line(line, &f) : read_field(line, &f);
        if (status != 0)
            return status;
    }
    return n >= MT_REQUEST_HEAD_BYTES ? 431 : 0;
}

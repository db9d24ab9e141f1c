/* The head of an HTTP/1.1 request, judged byte by byte before any server sees it (RFC 9112 sections 2.2, 3, 5 and 6).
 * Stricter than the standard where a browser never goes: bodies with a Content-Length alone, no folded lines, no bare LF, origin-form targets. */
#ifndef MT_REQUEST_HEAD_H
#define MT_REQUEST_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MT_REQUEST_HEAD_BYTES 16384
#define MT_REQUEST_TARGET_BYTES 4096
#define MT_REQUEST_BODY_BYTES 1048576
#define MT_REQUEST_FIELDS 100

typedef struct mt_request_head {
    size_t  bytes; /* of the head, the empty line included */
    int64_t body;  /* bytes that follow */
    bool    keeps; /* the client wants to ask again on this connection */
} mt_request_head;

/* What stands at the front of n bytes.  0: more is needed; 200: a whole head, *head is filled; else the status to refuse with: 400 malformed,
 * 411 a body of unknown length, 413 too large a body, 414 too long a target, 431 too large a head, 501 an unknown method or coding,
 * 505 another version. */
int mt_request_head_read(const uint8_t *bytes, size_t n, mt_request_head *head);

#endif

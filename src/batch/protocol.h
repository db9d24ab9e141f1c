/* What supervisor and worker both do: a line on the wire. */
#ifndef MT_PROTOCOL_H
#define MT_PROTOCOL_H

#include <microtome/error.h>

#include <jansson.h>

/* One line; takes the reference.  False when the other end is gone, or `object` is NULL (text that is not UTF-8). */
bool mt_protocol_write(int fd, json_t *object);

#endif

/* Sizes as people write them. */
#ifndef MT_SIZE_H
#define MT_SIZE_H

#include <microtome/api.h>

/* "1048576", "800M", "1.5g": bytes, with K, M, G or T as powers of 1024; from 1 to 1e15, whole.  False for anything else. */
bool mt_size_parse(const char *text, int64_t *bytes);

#endif

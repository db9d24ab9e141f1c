/* A result that another replaces is kept: OUT/superseded/<name>.<n>.h5, n from 1. */
#ifndef MT_SUPERSEDE_H
#define MT_SUPERSEDE_H

#include <microtome/error.h>

/* Move `target` out of the way, never over another file.  Returns "superseded/<name>.<n>.h5", free with g_free.  MT_ERROR_IO. */
char *mt_supersede(const char *out, const char *name, const char *target, GError **error);

#endif

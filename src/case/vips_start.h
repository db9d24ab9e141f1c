/* The one place that starts libvips: concurrency 1, no operation cache, untrusted loaders blocked, nothing printed. */
#ifndef MT_VIPS_START_H
#define MT_VIPS_START_H

#include <microtome/error.h>

/* Idempotent and thread-safe.  Also silences libtiff's handlers, which libvips and OpenSlide share. */
bool mt_vips_start(GError **error);
/* The last messages of libvips's error buffer in one line, "; " between; empties it.  Free with g_free. */
char *mt_vips_take_error(void);

#endif

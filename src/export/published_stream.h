/* A buffered text file that appears whole. */
#ifndef MT_PUBLISHED_STREAM_H
#define MT_PUBLISHED_STREAM_H

#include <microtome/error.h>

#include <stdio.h>

typedef struct mt_published_stream {
    FILE *out; /* write here; errors are found at the end */
    char *temporary;
    int   fd;
} mt_published_stream;

bool mt_published_stream_begin(mt_published_stream *stream, const char *path, GError **error);
/* Flush, sync and give it its name; when `ok` is false, or anything was not written, nothing is left. */
bool mt_published_stream_end(mt_published_stream *stream, const char *path, bool replace, bool ok, GError **error);

#endif

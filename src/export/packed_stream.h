/* A file that is written from one end to the other, packed by gzip where wanted, and appears whole.  The gzip header has neither a name nor
 * a time: equal bytes in give equal bytes out. */
#ifndef MT_PACKED_STREAM_H
#define MT_PACKED_STREAM_H

#include <microtome/error.h>

typedef struct mt_packed_stream mt_packed_stream;

mt_packed_stream *mt_packed_stream_begin(const char *target, bool gzip, GError **error);
bool              mt_packed_stream_write(mt_packed_stream *stream, const void *data, size_t bytes, GError **error);
/* Gives the file its name.  Free the stream in any case. */
bool mt_packed_stream_commit(mt_packed_stream *stream, bool replace, GError **error);
/* What was not committed is removed. */
void mt_packed_stream_free(mt_packed_stream *stream);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_packed_stream, mt_packed_stream_free)

#endif

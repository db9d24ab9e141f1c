/* A TIFF written front to back in one pass: tiles of all levels as they come, their directories at the end.
 * Little endian; classic or BigTIFF. */
#ifndef MT_TIFF_STREAM_H
#define MT_TIFF_STREAM_H

#include <microtome/error.h>

typedef struct mt_tiff_stream {
    const char *path; /* for messages */
    int         fd;
    bool        big;
    uint64_t    position;
} mt_tiff_stream;

/* One level of a pyramid, in tiles: YCbCr JPEG, or one deflated float32 a pixel. */
typedef struct mt_tiff_level {
    int64_t   width, height;
    int       tile_px;
    bool      reduced; /* not the full resolution */
    bool      floats;
    bool      full_colour; /* of JPEG: 4:4:4, otherwise 4:2:0 */
    double    px_per_cm;   /* 0: unknown */
    uint64_t *offsets, *counts;
    int64_t   n_tiles;
} mt_tiff_level;

bool mt_tiff_stream_begin(mt_tiff_stream *stream, GError **error);
/* Append bytes; *offset is where they stand. */
bool mt_tiff_stream_append(mt_tiff_stream *stream, const void *data, size_t bytes, uint64_t *offset, GError **error);
/* How the directories stand to each other and what the first one says. */
typedef struct mt_tiff_layout {
    bool        subifds;     /* the smaller levels are SubIFDs of the first, as OME-TIFF has them; else a chain */
    const char *description; /* ImageDescription of the first; NULL: none */
    const void *tables;      /* common JPEG tables */
    size_t      table_bytes;
} mt_tiff_layout;

/* The directories of n levels, and the header's link to the first. */
bool mt_tiff_stream_end(mt_tiff_stream *stream, const mt_tiff_level *levels, int n, const mt_tiff_layout *layout, GError **error);

#endif

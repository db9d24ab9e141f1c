/* Tiles of a TIFF as abbreviated JPEG streams: the tables stand once in the file, not in every tile. */
#ifndef MT_JPEG_TILE_H
#define MT_JPEG_TILE_H

#include <microtome/error.h>

typedef struct mt_jpeg_params {
    int  quality;     /* 1..100 */
    bool full_colour; /* 4:4:4, otherwise 4:2:0 */
} mt_jpeg_params;

typedef struct mt_jpeg_bytes {
    unsigned char *data; /* free() */
    unsigned long  size;
} mt_jpeg_bytes;

/* The quantisation and Huffman tables that every tile of these parameters is coded with. */
bool mt_jpeg_write_tables(const mt_jpeg_params *params, mt_jpeg_bytes *out, GError **error);
/* A tile of edge x edge RGB pixels whose rows are stride bytes apart. */
bool mt_jpeg_write_tile(const mt_jpeg_params *params, const uint8_t *rgb, size_t stride, int edge, mt_jpeg_bytes *out, GError **error);

#endif

/* <microtome/tile_reader.h>  Pixels of the grid's tiles at the wanted µm/px, bit-exact with Pillow's 8-bit resize.
 * One reader per thread: it owns the scratch memory. */
#ifndef MICROTOME_TILE_READER_H
#define MICROTOME_TILE_READER_H

#include <microtome/grid.h>

G_BEGIN_DECLS

typedef struct mt_tile_reader mt_tile_reader;

typedef enum mt_filter { MT_FILTER_BILINEAR, MT_FILTER_BICUBIC, MT_FILTER_LANCZOS, MT_FILTER_NEAREST } mt_filter;

/* Pixels of a tile: u8 with 1 or 3 channels, or f32 with 1 channel (16-bit and float cases). */
typedef struct mt_tile_pixels {
    mt_dtype dtype; /* MT_U8 or MT_F32 */
    int      channels;
    int64_t  width, height; /* tile_px x tile_px, or the whole plane */
    void    *data;          /* owned by the reader, valid until its next read */
} mt_tile_pixels;

MT_PUBLIC mt_tile_reader *mt_tile_reader_new(mt_case *c, const mt_grid *grid, mt_filter filter, GError **error);
MT_PUBLIC void            mt_tile_reader_free(mt_tile_reader *reader);
/* Read tile i.  False and MT_ERROR_INPUT when it cannot be decoded: the tile is invalid, the reader stays usable. */
MT_PUBLIC bool mt_tile_reader_read(mt_tile_reader *reader, int64_t i, mt_tile_pixels *pixels, GError **error);
/* Say that tile i will be read soon, in the order of need.  False: enough is on its way, say it again later. */
MT_PUBLIC bool mt_tile_reader_ahead(const mt_tile_reader *reader, int64_t i);
/* Seconds spent so far in decoding and in resampling. */
MT_PUBLIC void mt_tile_reader_seconds(const mt_tile_reader *reader, double *decode_s, double *resample_s);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_tile_reader, mt_tile_reader_free)

G_END_DECLS

#endif

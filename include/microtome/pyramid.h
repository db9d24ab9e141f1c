/* <microtome/pyramid.h>  Write a tiled pyramidal TIFF, of JPEG or of floats, from pixels that are made on demand.
 * OpenSlide 3.4.1 and later open the file as generic-tiff: every level is a plain directory of the file, each half the
 * size of the one before, down to one tile; with `subifds` the smaller ones hang below the first, as OME-TIFF wants it.  Memory stays bounded whatever the size of the image. */
#ifndef MICROTOME_PYRAMID_H
#define MICROTOME_PYRAMID_H

#include <microtome/error.h>

G_BEGIN_DECLS

/* Fill `rgb` (height x width x 3 bytes, or with `floats` height x width float32 of which NaN is none; rows contiguous) with the rectangle at (x, y) of level 0.  Called from several
 * threads at once, in any order, for rectangles that lie inside the image; equal pixels for equal coordinates whatever
 * the rectangle keep the file independent of the number of threads.  False with `error` set stops the writing. */
typedef bool (*mt_pyramid_render)(void *user, int64_t x, int64_t y, int64_t width, int64_t height, uint8_t *rgb, GError **error);

typedef struct mt_pyramid_params {
    int64_t     width, height; /* pixels of level 0, 1..10,000,000 each */
    double      mpp;           /* µm per pixel of level 0, written as pixels per cm; 0: unknown, no spacing that a reader would believe */
    int         tile_px;       /* edge of a stored tile, a multiple of 16 from 16 to 4096; 0: 256 */
    int         quality;       /* of JPEG, 1..100; 0: 80.  From 90 on colours are kept at full resolution */
    int         threads;       /* that call `render`, 1..64; 0: 2 */
    bool        floats;        /* one float32 a pixel, deflated, in place of JPEG; a smaller level has the mean of what is a number */
    bool        subifds;       /* OME-TIFF's pyramid; OpenSlide reads the first level alone */
    const char *description;   /* ImageDescription, UTF-8 (OME-XML); NULL: none */
    bool        replace;       /* write over an existing file; otherwise it is MT_ERROR_USAGE */
} mt_pyramid_params;

/* Write `path`; it appears whole or not at all.  MT_ERROR_RANGE for a parameter outside its range, MT_ERROR_USAGE when
 * the file exists, MT_ERROR_IO when it cannot be written; what `render` reports is passed on. */
MT_PUBLIC bool mt_pyramid_write(const char *path, const mt_pyramid_params *params, mt_pyramid_render render, void *user, GError **error);

G_END_DECLS

#endif

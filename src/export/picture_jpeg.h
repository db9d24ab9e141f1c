/* One tile of 8 bits as a whole JPEG (JFIF) file; the tiles inside a TIFF are jpeg_tile.h's. */
#ifndef MT_PICTURE_JPEG_H
#define MT_PICTURE_JPEG_H

#include <microtome/tile_reader.h>

/* From this quality on colour is kept at full resolution (4:4:4), below it is halved (4:2:0): fine chromatin is colour, too. */
#define MT_PICTURE_JPEG_FULL_COLOUR 90

/* quality 1..100 */
GBytes *mt_picture_jpeg(const mt_tile_pixels *pixels, int quality, GError **error);

#endif

/* A mask as a picture. */
#ifndef MT_MASK_PNG_H
#define MT_MASK_PNG_H

#include <microtome/mask.h>

/* The raster of `mask` as an 8-bit grey PNG, 255 = foreground.  Published whole; MT_ERROR_USAGE when `path` exists and not
 * `replace`. */
bool mt_mask_png_write(const mt_mask *mask, const char *path, bool replace, GError **error);

#endif

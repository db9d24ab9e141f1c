/* <microtome/mask_png.h>  A mask as a picture. */
#ifndef MICROTOME_MASK_PNG_H
#define MICROTOME_MASK_PNG_H

#include <microtome/mask.h>

G_BEGIN_DECLS

/* The raster of `mask` as an 8-bit grey PNG, 255 = foreground.  Published whole; MT_ERROR_USAGE when `path` exists and not
 * `replace`. */
MT_PUBLIC bool mt_mask_png_write(const mt_mask *mask, const char *path, bool replace, GError **error);
/* The same of an artefact that was looked for; MT_ERROR_RANGE of one that was not. */
MT_PUBLIC bool mt_mask_png_write_artefact(const mt_mask *mask, mt_artefact kind, const char *path, bool replace, GError **error);

G_END_DECLS

#endif

/* What the direct path takes from OpenSlide. */
#ifndef MT_SOURCE_OPENSLIDE_H
#define MT_SOURCE_OPENSLIDE_H

#include "src/case/source.h"
#include "src/case/tiff_directory.h"

/* OpenSlide's word for who made the file; NULL: not a slide. */
const char *mt_slide_vendor(const char *path);
/* The slide with all its levels, also those that OpenSlide misreads. */
mt_source *mt_slide_open(const char *path, GError **error);
/* The level's tiles are larger than its picture and not JPEG: OpenSlide 3.4.1 asks libtiff for a whole tile as a picture, gets
 * only the picture's width, and takes the rows apart at the wrong places; its pixels are partly memory never written.  NULL: no. */
bool mt_slide_level_is_misread(const mt_tiff_directory *directory);

#endif

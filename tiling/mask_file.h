/* Masks that come as files: a picture of the plane, or regions drawn by people. */
#ifndef MT_MASK_FILE_H
#define MT_MASK_FILE_H

#include "tiling/mask_private.h"

/* "file:PATH" or "model:FILE". */
bool mt_mask_method_is_external(const char *method);

/* MT_ERROR_USAGE unless the name ends as one of the types that are read. */
bool mt_mask_file_check_type(const char *path, GError **error);
/* The file in `folder` named after the case, by its id, then by its stem.  MT_ERROR_MISSING with the names looked for; MT_ERROR_INPUT
 * when there are two. */
char *mt_mask_file_search(const char *folder, const char *id, const char *case_path, GError **error);

/* What the file at `path` says of the case, method, hash and note filled in. */
bool mt_mask_file_find(const char *path, mt_case *c, mt_foreground *found, GError **error);

/* A picture: 8-bit or 1-bit gray of the whole plane, above 127 is foreground. */
bool mt_mask_image_find(const char *path, mt_case *c, mt_foreground *found, GError **error);
/* Regions: drawn ones joined, those of an ignored class cut out, on the raster of mt_tissue_overview. */
bool mt_mask_regions_find(const char *path, mt_case *c, mt_foreground *found, GError **error);

#endif

/* <microtome/folder_prune.h>  Results without what costs most room: features as float16, or none. */
#ifndef MICROTOME_FOLDER_PRUNE_H
#define MICROTOME_FOLDER_PRUNE_H

#include <microtome/result.h>

G_BEGIN_DECLS

typedef enum mt_prune { MT_PRUNE_F16, MT_PRUNE_NONE } mt_prune;

/* Write the result again and put it in the place of the old one, whole: coordinates, attention, scores and all else stay byte for byte,
 * headline and provenance say what was done.  One that is so already is left alone.  *before, *after: bytes.  The content is checked
 * first: MT_ERROR_INPUT for a damaged one; MT_ERROR_RANGE for a feature that float16 cannot hold. */
MT_PUBLIC bool mt_prune_result(const char *path, mt_prune keep, int64_t *before, int64_t *after, GError **error);

G_END_DECLS

#endif

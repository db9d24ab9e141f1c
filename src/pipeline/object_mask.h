/* A network's answer for the surroundings of an object, brought back to the case: the object's own mask. */
#ifndef MT_OBJECT_MASK_H
#define MT_OBJECT_MASK_H

#include "src/pipeline/object_crop.h"

/* probability: of each sample of the crop that it belongs to the object.  Where any voxel reaches one half, what hangs together nearest the
 * object's centre takes its place: sizes, diameters, box, centre; score and class stay.  `map` (NULL: none) of the planes: its voxels get
 * the value label + 1.  *cut: the mask reaches the crop's rim inside the case, so that there may be more of it. */
bool mt_object_mask_take(const mt_object_crop *crop, const float *probability, mt_objects *objects, mt_object *object, uint8_t *map,
                         bool *cut, GError **error);

#endif

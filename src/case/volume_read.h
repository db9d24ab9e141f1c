/* A case read whole: level 0 of every plane as float32. */
#ifndef MT_VOLUME_READ_H
#define MT_VOLUME_READ_H

#include "src/case/volume_turn.h"

#define MT_VOLUME_LIMIT_BYTES (INT64_C(8) << 30)

/* Axes in `order`, with the affine and the spacing (mm) for that order.  Lengths come from the affine; where its unit is unknown they are
 * so too (spacing_mm 0), unless the case was opened with its µm/px stated: then affine and spacing are in mm by that.  Three channels
 * for colour.  Planes are decoded by `threads` threads; the result does not depend on them.
 * limit_bytes: of the volume, 0 for MT_VOLUME_LIMIT_BYTES; MT_ERROR_MEMORY with the bytes wanted.  MT_ERROR_INPUT with the plane when a
 * sample is not finite, MT_ERROR_SPACING when the stated µm/px contradict the affine's proportions. */
mt_volume *mt_volume_read(mt_case *c, mt_volume_order order, int64_t limit_bytes, int threads, GError **error);

#endif

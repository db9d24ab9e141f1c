/* Copies of elements whose source lies at any strides: transpose, slice, expand, tile. */
#ifndef MT_STRIDED_H
#define MT_STRIDED_H

#include <microtome/tensor.h>

/* Fill the contiguous `target` (rank, shape) from `source`, element (0, .., 0) at index `start`, `stride` in elements, which
 * may be 0 or negative.  `size` is 1, 2, 4 or 8 bytes. */
void mt_copy_strided(void *target, const void *source, size_t size, int rank, const int64_t *shape, int64_t start, const int64_t *stride);
/* Strides of a contiguous shape. */
void mt_contiguous_strides(int rank, const int64_t *shape, int64_t *stride);

#endif

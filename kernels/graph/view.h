/* Where the elements of a value lie when it is a view on somebody's memory: dimensions and strides.
 * A dimension of the value may be cut into several parts with a stride each: (L, N*H, D) over memory laid out as (N, L, H, D)
 * has parts {L}, {N, H}, {D}.  So Reshape, Transpose and Slice seldom have to move data.  Pure arithmetic, no memory. */
#ifndef MT_VIEW_H
#define MT_VIEW_H

#include <microtome/tensor.h>

#define MT_VIEW_MAX 12

typedef struct mt_view {
    int     rank;                 /* of the value */
    int     parts[MT_MAX_RANK];   /* entries of dims that make up each dimension, >= 1 */
    int     n;                    /* sum of parts */
    int64_t dims[MT_VIEW_MAX];    /* product over the parts of a dimension = its size */
    int64_t strides[MT_VIEW_MAX]; /* in elements */
} mt_view;

/* Row-major and contiguous. */
void    mt_view_init(mt_view *view, int rank, const int64_t *shape);
int64_t mt_view_count(const mt_view *view);
int64_t mt_view_dim(const mt_view *view, int axis);
/* The first part of dimension `axis`. */
int mt_view_first(const mt_view *view, int axis);
/* Each returns false, and leaves `view` alone, when the result is no view of the same memory. */
bool mt_view_reshape(mt_view *view, int rank, const int64_t *shape);
bool mt_view_permute(mt_view *view, const int64_t *perm);
/* Elements start, start + step, ...; the first of them lies *offset elements further on. step >= 1. */
bool mt_view_slice(mt_view *view, int axis, int64_t start, int64_t length, int64_t step, int64_t *offset);
/* Join parts that follow each other in memory.  True when every dimension is one part. */
bool mt_view_join(mt_view *view);
/* Elements in row-major order without gaps: any code can read it as an array. */
bool mt_view_is_contiguous(const mt_view *view);
/* A permutation of a contiguous array: no gaps, no element twice. */
bool mt_view_is_dense(const mt_view *view);
/* Same cuts, strides of a dense array whose order in memory is that of `view`. */
void mt_view_densify(mt_view *view);
bool mt_view_equal(const mt_view *a, const mt_view *b);
/* Cut the dimensions of two views of one shape into the same parts; false when their cuts have no common refinement. */
bool mt_view_refine(mt_view *a, mt_view *b);
/* All dimensions before `axis` as one row index in the order of memory: rows `*count`, `*stride` elements apart.  False when
 * they do not lie evenly. */
bool mt_view_rows(const mt_view *view, int axis, int64_t *count, int64_t *stride);
/* The layout of a result whose rows lie in the order of `view`'s: dimensions before `axis` as in `view`, then one contiguous
 * row of the dimensions `tail`.  `view` must have passed mt_view_rows.  False when that makes too many parts. */
bool mt_view_like_rows(mt_view *result, const mt_view *view, int axis, int n_tail, const int64_t *tail);

#endif

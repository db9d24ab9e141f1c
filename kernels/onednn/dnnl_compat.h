/* The one place that knows which oneDNN this is: 2.6 (Debian 12) or 3.x.  Everything else here speaks through these. */
#ifndef MT_DNNL_COMPAT_H
#define MT_DNNL_COMPAT_H

#include <glib.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>

#include <microtome/tensor.h>

/* A memory descriptor that its holder frees; by value inside on 2.6, the library's own object on 3.x. */
typedef struct mt_md {
    dnnl_memory_desc_t desc;
} mt_md;

/* Of float32, bfloat16, int32, int8 or uint8; NULL for other types. */
mt_md *mt_md_new_strided(mt_dtype type, int n, const int64_t *dims, const int64_t *strides);
/* The library is to choose the layout. */
mt_md   *mt_md_new_any(mt_dtype type, int n, const int64_t *dims);
mt_dtype mt_md_type(const mt_md *md);
mt_md   *mt_md_copy(const mt_md *md);
void     mt_md_free(mt_md *md);
/* A copy of what a primitive descriptor says, NULL where it has none. */
mt_md *mt_md_of(const_dnnl_primitive_desc_t pd, dnnl_query_t what, int index);
size_t mt_md_bytes(const mt_md *md);
bool   mt_md_equal(const mt_md *a, const mt_md *b);
/* Dimensions and strides of a layout without blocks; false for one with blocks or padding. */
bool mt_md_strides(const mt_md *md, int *n, int64_t *dims, int64_t *strides);
/* A text that differs between any two layouts; free with g_free. */
char *mt_md_key(const mt_md *md);

dnnl_memory_t mt_memory_new(const mt_md *md, dnnl_engine_t engine, void *data);

/* Equal bits whatever the threads: newer versions split some sums among them unless told not to. */
void mt_attr_deterministic(dnnl_primitive_attr_t attr);

/* Post-ops. */
void mt_post_ops_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, float alpha, float beta);
void mt_post_ops_sum(dnnl_post_ops_t ops);
void mt_post_ops_binary(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, const mt_md *operand);

/* dst = as `type` scale * (dst - zero) + result. */
void mt_post_ops_sum_bytes(dnnl_post_ops_t ops, float scale, int32_t zero, mt_dtype type);
/* Results are multiplied with `n` scales, one or one a channel, before the post-ops; `axis` is the dimension of the channels in
 * the weights.  On 3.x they are an argument of the primitive, MT_SCALES_ARGUMENT, and the bias is not multiplied; on 2.6 it is. */
void mt_attr_scales(dnnl_primitive_attr_t attr, int axis, bool grouped, int64_t n, const float *scales);
#if DNNL_VERSION_MAJOR >= 3
#define MT_SCALES_ARGUMENT (DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS)
#else
#define MT_SCALES_ARGUMENT 0
#endif
/* The zero point of the source; false where it cannot be said once and for all. */
bool mt_attr_source_zero(dnnl_primitive_attr_t attr, int32_t zero);

/* Spatial parameters of convolutions and pooling, each of n - 2 numbers; dilations as ONNX counts them (1 = dense). */
typedef struct mt_spatial {
    dnnl_dims_t kernel, strides, dilations, begin, end;
} mt_spatial;

/* Primitive descriptors for forward inference; false when the library has no implementation. bias may be NULL. */
bool mt_pd_convolution(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *src, const mt_md *weights,
                       const mt_md *bias, const mt_md *dst, const mt_spatial *s);
bool mt_pd_deconvolution(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *src,
                         const mt_md *weights, const mt_md *bias, const mt_md *dst, const mt_spatial *s);
bool mt_pd_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *src, const mt_md *weights,
                  const mt_md *bias, const mt_md *dst);
bool mt_pd_pooling(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg, const mt_md *src,
                   const mt_md *dst, const mt_spatial *s);
/* Fixed statistics, scale and shift. */
bool mt_pd_batch_norm(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *data, float epsilon,
                      bool relu);
bool mt_pd_layer_norm(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *data, float epsilon,
                      bool scale, bool shift);
bool mt_pd_softmax(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, bool log, const mt_md *data, int axis);
bool mt_pd_eltwise(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg, const mt_md *data,
                   float alpha, float beta);
bool mt_pd_binary(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg, const mt_md *a,
                  const mt_md *b, const mt_md *dst);
bool mt_pd_reduction(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg, const mt_md *src,
                     const mt_md *dst);
bool mt_pd_resampling(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg, const mt_md *src,
                      const mt_md *dst);
/* dst NULL: the library chooses. */
bool mt_pd_concat(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *dst, int n, int axis,
                  const mt_md *const *srcs);
bool mt_pd_reorder(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *src, const mt_md *dst);

#endif

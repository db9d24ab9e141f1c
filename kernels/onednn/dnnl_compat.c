#include "kernels/onednn/dnnl_compat.h"

#define DONE(call) ((call) == dnnl_success)

/* Dilations as the library counts them: 0 is dense. */
static void library_dilations(const mt_spatial *s, dnnl_dim_t *dilations)
{
    for (int i = 0; i < DNNL_MAX_NDIMS; i++)
        dilations[i] = s->dilations[i] - 1;
}

static const struct {
    mt_dtype         type;
    dnnl_data_type_t library;
} types[] = {{MT_F32, dnnl_f32}, {MT_BF16, dnnl_bf16}, {MT_U8, dnnl_u8}, {MT_I8, dnnl_s8}, {MT_I32, dnnl_s32}};

static dnnl_data_type_t library_type(mt_dtype type)
{
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
        if (types[i].type == type)
            return types[i].library;
    return dnnl_data_type_undef;
}

static mt_dtype own_type(dnnl_data_type_t library)
{
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
        if (types[i].library == library)
            return types[i].type;
    return MT_DTYPE_NONE;
}

mt_md *mt_md_of(const_dnnl_primitive_desc_t pd, dnnl_query_t what, int index)
{
#if DNNL_VERSION_MAJOR >= 3
    const_dnnl_memory_desc_t found = dnnl_primitive_desc_query_md(pd, what, index);
    mt_md                    md = {(dnnl_memory_desc_t)(uintptr_t)found};
#else
    const dnnl_memory_desc_t *found = dnnl_primitive_desc_query_md(pd, what, index);
    mt_md                     md = {found == NULL ? (dnnl_memory_desc_t){0} : *found};
#endif
    return found == NULL || mt_md_bytes(&md) == 0 ? NULL : mt_md_copy(&md);
}

void mt_attr_deterministic(dnnl_primitive_attr_t attr)
{
#if MT_DNNL_HAS_DETERMINISTIC
    dnnl_primitive_attr_set_deterministic(attr, 1);
#else
    (void)attr;
#endif
}

void mt_post_ops_binary(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, const mt_md *operand)
{
#if DNNL_VERSION_MAJOR >= 3
    dnnl_post_ops_append_binary(ops, alg, operand->desc);
#else
    dnnl_post_ops_append_binary(ops, alg, &operand->desc);
#endif
}

#if DNNL_VERSION_MAJOR >= 3

#define DESC(md) ((md) == NULL ? NULL : (md)->desc)

static mt_md *wrap(dnnl_status_t status, dnnl_memory_desc_t desc)
{
    mt_md *md = status == dnnl_success ? g_new0(mt_md, 1) : NULL;

    if (md != NULL)
        md->desc = desc;
    return md;
}

mt_md *mt_md_new_strided(mt_dtype type, int n, const int64_t *dims, const int64_t *strides)
{
    dnnl_memory_desc_t desc = NULL;
    dnnl_status_t      status = dnnl_memory_desc_create_with_strides(&desc, n, dims, library_type(type), strides);

    return wrap(status, desc);
}

mt_md *mt_md_new_any(mt_dtype type, int n, const int64_t *dims)
{
    dnnl_memory_desc_t desc = NULL;
    dnnl_status_t      status = dnnl_memory_desc_create_with_tag(&desc, n, dims, library_type(type), dnnl_format_tag_any);

    return wrap(status, desc);
}

mt_md *mt_md_copy(const mt_md *md)
{
    dnnl_memory_desc_t desc = NULL;
    dnnl_status_t      status = md == NULL ? dnnl_invalid_arguments : dnnl_memory_desc_clone(&desc, md->desc);

    return wrap(status, desc);
}

void mt_md_free(mt_md *md)
{
    if (md != NULL)
        dnnl_memory_desc_destroy(md->desc);
    g_free(md);
}

size_t mt_md_bytes(const mt_md *md)
{
    return md == NULL ? 0 : dnnl_memory_desc_get_size(md->desc);
}

bool mt_md_equal(const mt_md *a, const mt_md *b)
{
    return a != NULL && b != NULL && dnnl_memory_desc_equal(a->desc, b->desc) != 0;
}

mt_dtype mt_md_type(const mt_md *md)
{
    dnnl_data_type_t type = dnnl_data_type_undef;

    dnnl_memory_desc_query(md->desc, dnnl_query_data_type, &type);
    return own_type(type);
}

/* The arrays of a descriptor. */
static const dnnl_dim_t *query_dims(const mt_md *md, dnnl_query_t what, int *n)
{
    const dnnl_dims_t *dims = NULL;

    *n = 0;
    dnnl_memory_desc_query(md->desc, dnnl_query_ndims_s32, n);
    dnnl_memory_desc_query(md->desc, what, &dims);
    return dims == NULL ? NULL : *dims;
}

static int query_blocks(const mt_md *md)
{
    int blocks = 0;

    dnnl_memory_desc_query(md->desc, dnnl_query_inner_nblks_s32, &blocks);
    return blocks;
}

bool mt_md_strides(const mt_md *md, int *n, int64_t *dims, int64_t *strides)
{
    const dnnl_dim_t  *d = query_dims(md, dnnl_query_dims, n), *p = query_dims(md, dnnl_query_padded_dims, n);
    const dnnl_dim_t  *s = query_dims(md, dnnl_query_strides, n);
    dnnl_format_kind_t kind = dnnl_format_kind_undef;

    dnnl_memory_desc_query(md->desc, dnnl_query_format_kind, &kind);
    if (kind != dnnl_blocked || query_blocks(md) != 0 || d == NULL || p == NULL || s == NULL)
        return false;
    for (int i = 0; i < *n; i++) {
        if (d[i] != p[i])
            return false;
        dims[i] = d[i];
        strides[i] = s[i];
    }
    return true;
}

char *mt_md_key(const mt_md *md)
{
    static const dnnl_query_t lists[] = {dnnl_query_dims, dnnl_query_padded_dims, dnnl_query_strides};
    GString                  *key = g_string_new("3");
    const dnnl_dims_t        *blocks = NULL, *indices = NULL;
    int                       n;

    for (size_t k = 0; k < G_N_ELEMENTS(lists); k++) {
        const dnnl_dim_t *d = query_dims(md, lists[k], &n);
        for (int i = 0; d != NULL && i < n; i++)
            g_string_append_printf(key, " %" G_GINT64_FORMAT, d[i]);
    }
    dnnl_memory_desc_query(md->desc, dnnl_query_inner_blks, &blocks);
    dnnl_memory_desc_query(md->desc, dnnl_query_inner_idxs, &indices);
    for (int i = 0; blocks != NULL && indices != NULL && i < query_blocks(md); i++)
        g_string_append_printf(key, " %" G_GINT64_FORMAT ":%" G_GINT64_FORMAT, (*indices)[i], (*blocks)[i]);
    g_string_append_printf(key, " %" G_GSIZE_FORMAT " %d", mt_md_bytes(md), (int)mt_md_type(md));
    return g_string_free(key, FALSE);
}

dnnl_memory_t mt_memory_new(const mt_md *md, dnnl_engine_t engine, void *data)
{
    dnnl_memory_t memory = NULL;

    return md != NULL && DONE(dnnl_memory_create(&memory, md->desc, engine, data)) ? memory : NULL;
}

void mt_post_ops_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, float alpha, float beta)
{
    dnnl_post_ops_append_eltwise(ops, alg, alpha, beta);
}

void mt_post_ops_sum(dnnl_post_ops_t ops)
{
    dnnl_post_ops_append_sum(ops, 1, 0, dnnl_f32);
}

void mt_post_ops_sum_bytes(dnnl_post_ops_t ops, float scale, int32_t zero, mt_dtype type)
{
    dnnl_post_ops_append_sum(ops, scale, zero, library_type(type));
}

void mt_attr_scales(dnnl_primitive_attr_t attr, int axis, bool grouped, int64_t n, const float *scales)
{
    (void)scales;
    dnnl_primitive_attr_set_scales_mask(attr, DNNL_ARG_WEIGHTS, n == 1 ? 0 : grouped ? 3 : axis == 0 ? 1 : 1 << axis);
}

bool mt_attr_source_zero(dnnl_primitive_attr_t attr, int32_t zero)
{
    (void)attr;
    return zero == 0;
}

bool mt_pd_convolution(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *src, const mt_md *weights,
                       const mt_md *bias, const mt_md *dst, const mt_spatial *s)
{
    dnnl_dims_t dilations;

    library_dilations(s, dilations);
    return DONE(dnnl_convolution_forward_primitive_desc_create(pd, engine, dnnl_forward_inference, dnnl_convolution_direct, DESC(src),
                                                               DESC(weights), DESC(bias), DESC(dst), s->strides, dilations, s->begin,
                                                               s->end, attr));
}

bool mt_pd_deconvolution(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *src,
                         const mt_md *weights, const mt_md *bias, const mt_md *dst, const mt_spatial *s)
{
    dnnl_dims_t dilations;

    library_dilations(s, dilations);
    return DONE(dnnl_deconvolution_forward_primitive_desc_create(pd, engine, dnnl_forward_inference, dnnl_deconvolution_direct, DESC(src),
                                                                 DESC(weights), DESC(bias), DESC(dst), s->strides, dilations, s->begin,
                                                                 s->end, attr));
}

bool mt_pd_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *src, const mt_md *weights,
                  const mt_md *bias, const mt_md *dst)
{
    return DONE(dnnl_matmul_primitive_desc_create(pd, engine, DESC(src), DESC(weights), DESC(bias), DESC(dst), attr));
}

bool mt_pd_pooling(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg, const mt_md *src,
                   const mt_md *dst, const mt_spatial *s)
{
    dnnl_dims_t dilations;

    library_dilations(s, dilations);
    return DONE(dnnl_pooling_forward_primitive_desc_create(pd, engine, dnnl_forward_inference, alg, DESC(src), DESC(dst), s->strides,
                                                           s->kernel, dilations, s->begin, s->end, attr));
}

bool mt_pd_batch_norm(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *data, float epsilon,
                      bool relu)
{
    unsigned flags = dnnl_use_global_stats | dnnl_use_scale | dnnl_use_shift | (relu ? dnnl_fuse_norm_relu : 0);

    return DONE(dnnl_batch_normalization_forward_primitive_desc_create(pd, engine, dnnl_forward_inference, DESC(data), DESC(data), epsilon,
                                                                       flags, attr));
}

bool mt_pd_layer_norm(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *data, float epsilon,
                      bool scale, bool shift)
{
    unsigned flags = (scale ? dnnl_use_scale : 0) | (shift ? dnnl_use_shift : 0);

    return DONE(dnnl_layer_normalization_forward_primitive_desc_create(pd, engine, dnnl_forward_inference, DESC(data), DESC(data), NULL,
                                                                       epsilon, flags, attr));
}

bool mt_pd_softmax(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, bool log, const mt_md *data, int axis)
{
    return DONE(dnnl_softmax_forward_primitive_desc_create(
        pd, engine, dnnl_forward_inference, log ? dnnl_softmax_log : dnnl_softmax_accurate, DESC(data), DESC(data), axis, attr));
}

bool mt_pd_eltwise(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg, const mt_md *data,
                   float alpha, float beta)
{
    return DONE(
        dnnl_eltwise_forward_primitive_desc_create(pd, engine, dnnl_forward_inference, alg, DESC(data), DESC(data), alpha, beta, attr));
}

bool mt_pd_binary(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg, const mt_md *a,
                  const mt_md *b, const mt_md *dst)
{
    return DONE(dnnl_binary_primitive_desc_create(pd, engine, alg, DESC(a), DESC(b), DESC(dst), attr));
}

bool mt_pd_reduction(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg, const mt_md *src,
                     const mt_md *dst)
{
    return DONE(dnnl_reduction_primitive_desc_create(pd, engine, alg, DESC(src), DESC(dst), 0, 0, attr));
}

bool mt_pd_resampling(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg, const mt_md *src,
                      const mt_md *dst)
{
    return DONE(dnnl_resampling_forward_primitive_desc_create(pd, engine, dnnl_forward_inference, alg, NULL, DESC(src), DESC(dst), attr));
}

bool mt_pd_concat(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *dst, int n, int axis,
                  const mt_md *const *srcs)
{
    g_autofree const_dnnl_memory_desc_t *list = g_new0(const_dnnl_memory_desc_t, n);

    for (int i = 0; i < n; i++)
        list[i] = srcs[i]->desc;
    return DONE(dnnl_concat_primitive_desc_create(pd, engine, DESC(dst), n, axis, list, attr));
}

bool mt_pd_reorder(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *src, const mt_md *dst)
{
    return DONE(dnnl_reorder_primitive_desc_create(pd, DESC(src), engine, DESC(dst), engine, attr));
}

#else /* 2.6 */

#define DESC(md) ((md) == NULL ? NULL : &(md)->desc)

/* Operation descriptor, then primitive descriptor. */
static bool create(dnnl_primitive_desc_t *pd, dnnl_status_t described, const_dnnl_op_desc_t op, dnnl_primitive_attr_t attr,
                   dnnl_engine_t engine)
{
    return described == dnnl_success && DONE(dnnl_primitive_desc_create(pd, op, attr, engine, NULL));
}

mt_md *mt_md_new_strided(mt_dtype type, int n, const int64_t *dims, const int64_t *strides)
{
    mt_md *md = g_new0(mt_md, 1);

    if (DONE(dnnl_memory_desc_init_by_strides(&md->desc, n, dims, library_type(type), strides)))
        return md;
    g_free(md);
    return NULL;
}

mt_md *mt_md_new_any(mt_dtype type, int n, const int64_t *dims)
{
    mt_md *md = g_new0(mt_md, 1);

    if (DONE(dnnl_memory_desc_init_by_tag(&md->desc, n, dims, library_type(type), dnnl_format_tag_any)))
        return md;
    g_free(md);
    return NULL;
}

mt_md *mt_md_copy(const mt_md *md)
{
    return md == NULL ? NULL : g_memdup2(md, sizeof *md);
}

void mt_md_free(mt_md *md)
{
    g_free(md);
}

size_t mt_md_bytes(const mt_md *md)
{
    return md == NULL ? 0 : dnnl_memory_desc_get_size(&md->desc);
}

bool mt_md_equal(const mt_md *a, const mt_md *b)
{
    return a != NULL && b != NULL && dnnl_memory_desc_equal(&a->desc, &b->desc) != 0;
}

mt_dtype mt_md_type(const mt_md *md)
{
    return own_type(md->desc.data_type);
}

bool mt_md_strides(const mt_md *md, int *n, int64_t *dims, int64_t *strides)
{
    const dnnl_memory_desc_t *d = &md->desc;

    if (d->format_kind != dnnl_blocked || d->format_desc.blocking.inner_nblks != 0 || d->offset0 != 0)
        return false;
    *n = d->ndims;
    for (int i = 0; i < d->ndims; i++) {
        if (d->dims[i] != d->padded_dims[i])
            return false;
        dims[i] = d->dims[i];
        strides[i] = d->format_desc.blocking.strides[i];
    }
    return true;
}

char *mt_md_key(const mt_md *md)
{
    return g_base64_encode((const guchar *)&md->desc, sizeof md->desc);
}

dnnl_memory_t mt_memory_new(const mt_md *md, dnnl_engine_t engine, void *data)
{
    dnnl_memory_t memory = NULL;

    return md != NULL && DONE(dnnl_memory_create(&memory, &md->desc, engine, data)) ? memory : NULL;
}

void mt_post_ops_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, float alpha, float beta)
{
    dnnl_post_ops_append_eltwise(ops, 1, alg, alpha, beta);
}

void mt_post_ops_sum(dnnl_post_ops_t ops)
{
    dnnl_post_ops_append_sum(ops, 1);
}

void mt_post_ops_sum_bytes(dnnl_post_ops_t ops, float scale, int32_t zero, mt_dtype type)
{
    dnnl_post_ops_append_sum_v3(ops, scale, zero, library_type(type));
}

void mt_attr_scales(dnnl_primitive_attr_t attr, int axis, bool grouped, int64_t n, const float *scales)
{
    (void)axis; /* of the weights: 2.6 scales the result, whose channels are dimension 1 */
    (void)grouped;
    dnnl_primitive_attr_set_output_scales(attr, n, n == 1 ? 0 : 2, scales);
}

bool mt_attr_source_zero(dnnl_primitive_attr_t attr, int32_t zero)
{
    return zero == 0 || DONE(dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_SRC, 1, 0, &zero));
}

bool mt_pd_convolution(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *src, const mt_md *weights,
                       const mt_md *bias, const mt_md *dst, const mt_spatial *s)
{
    dnnl_convolution_desc_t op;
    dnnl_dims_t dilations;

    library_dilations(s, dilations);
    return create(pd,
                  dnnl_dilated_convolution_forward_desc_init(&op, dnnl_forward_inference, dnnl_convolution_direct, DESC(src), DESC(weights),
                                                             DESC(bias), DESC(dst), s->strides, dilations, s->begin, s->end),
                  &op, attr, engine);
}

bool mt_pd_deconvolution(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *src,
                         const mt_md *weights, const mt_md *bias, const mt_md *dst, const mt_spatial *s)
{
    dnnl_deconvolution_desc_t op;
    dnnl_dims_t dilations;

    library_dilations(s, dilations);
    return create(pd,
                  dnnl_dilated_deconvolution_forward_desc_init(&op, dnnl_forward_inference, dnnl_deconvolution_direct, DESC(src),
                                                               DESC(weights), DESC(bias), DESC(dst), s->strides, dilations, s->begin,
                                                               s->end),
                  &op, attr, engine);
}

bool mt_pd_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *src, const mt_md *weights,
                  const mt_md *bias, const mt_md *dst)
{
    dnnl_matmul_desc_t op;

    return create(pd, dnnl_matmul_desc_init(&op, DESC(src), DESC(weights), DESC(bias), DESC(dst)), &op, attr, engine);
}

bool mt_pd_pooling(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg, const mt_md *src,
                   const mt_md *dst, const mt_spatial *s)
{
    dnnl_pooling_v2_desc_t op;
    dnnl_dims_t dilations;

    library_dilations(s, dilations);
    return create(pd,
                  dnnl_pooling_v2_forward_desc_init(&op, dnnl_forward_inference, alg, DESC(src), DESC(dst), s->strides, s->kernel,
                                                    dilations, s->begin, s->end),
                  &op, attr, engine);
}

bool mt_pd_batch_norm(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *data, float epsilon,
                      bool relu)
{
    dnnl_batch_normalization_desc_t op;
    unsigned flags = dnnl_use_global_stats | dnnl_use_scale | dnnl_use_shift | (relu ? (unsigned)dnnl_fuse_norm_relu : 0);

    return create(pd, dnnl_batch_normalization_forward_desc_init(&op, dnnl_forward_inference, DESC(data), epsilon, flags), &op, attr,
                  engine);
}

bool mt_pd_layer_norm(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *data, float epsilon,
                      bool scale, bool shift)
{
    dnnl_layer_normalization_desc_t op;
    unsigned flags = (scale ? (unsigned)dnnl_use_scale : 0) | (shift ? (unsigned)dnnl_use_shift : 0);

    return create(pd, dnnl_layer_normalization_forward_desc_init(&op, dnnl_forward_inference, DESC(data), NULL, epsilon, flags), &op, attr,
                  engine);
}

bool mt_pd_softmax(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, bool log, const mt_md *data, int axis)
{
    dnnl_softmax_v2_desc_t op;
    dnnl_alg_kind_t alg = log ? dnnl_softmax_log : dnnl_softmax_accurate;

    return create(pd, dnnl_softmax_v2_forward_desc_init(&op, dnnl_forward_inference, alg, DESC(data), DESC(data), axis), &op, attr, engine);
}

bool mt_pd_eltwise(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg, const mt_md *data,
                   float alpha, float beta)
{
    dnnl_eltwise_desc_t op;

    return create(pd, dnnl_eltwise_forward_desc_init(&op, dnnl_forward_inference, alg, DESC(data), alpha, beta), &op, attr, engine);
}

bool mt_pd_binary(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg, const mt_md *a,
                  const mt_md *b, const mt_md *dst)
{
    dnnl_binary_desc_t op;

    return create(pd, dnnl_binary_desc_init(&op, alg, DESC(a), DESC(b), DESC(dst)), &op, attr, engine);
}

bool mt_pd_reduction(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg, const mt_md *src,
                     const mt_md *dst)
{
    dnnl_reduction_desc_t op;

    return create(pd, dnnl_reduction_desc_init(&op, alg, DESC(src), DESC(dst), 0, 0), &op, attr, engine);
}

bool mt_pd_resampling(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg, const mt_md *src,
                      const mt_md *dst)
{
    dnnl_resampling_desc_t op;

    return create(pd, dnnl_resampling_forward_desc_init(&op, dnnl_forward_inference, alg, NULL, DESC(src), DESC(dst)), &op, attr, engine);
}

bool mt_pd_concat(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *dst, int n, int axis,
                  const mt_md *const *srcs)
{
    g_autofree dnnl_memory_desc_t *list = g_new0(dnnl_memory_desc_t, n);

    for (int i = 0; i < n; i++)
        list[i] = srcs[i]->desc;
    return DONE(dnnl_concat_primitive_desc_create(pd, DESC(dst), n, axis, list, attr, engine));
}

bool mt_pd_reorder(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_primitive_attr_t attr, const mt_md *src, const mt_md *dst)
{
    return DONE(dnnl_reorder_primitive_desc_create(pd, DESC(src), engine, DESC(dst), engine, attr));
}

#endif

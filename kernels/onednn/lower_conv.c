/* Convolution and its transpose. */
#include "kernels/onednn/quantised_product.h"

#include <string.h>

typedef struct convolution {
    const mt_node  *node;
    const mt_value *x, *w, *b, *y;
    bool            transposed;
    int             n_w; /* dimensions of the weights as the library counts them: one more with groups */
    int64_t         w_dims[MT_VIEW_MAX], w_strides[MT_VIEW_MAX]; /* where they lie in the tensor */
    mt_spatial      spatial;
    mt_quantised    bytes;
} convolution;

/* The library wants weights as (group,) output, input, kernel; Conv has (M, C/g, k..), ConvTranspose (C, M/g, k..). */
static void describe_weights(convolution *c)
{
    int64_t groups = mt_node_int(c->node, "group", 1), kernel = 1, rows = c->w->shape[0] / groups, columns = c->w->shape[1];
    int     n = 0, rank = c->w->rank;

    for (int i = 2; i < rank; i++)
        kernel *= c->w->shape[i];
    if (groups > 1) {
        c->w_dims[n] = groups;
        c->w_strides[n++] = rows * columns * kernel;
    }
    c->w_dims[n] = c->transposed ? columns : rows;
    c->w_strides[n++] = c->transposed ? kernel : columns * kernel;
    c->w_dims[n] = c->transposed ? rows : columns;
    c->w_strides[n++] = c->transposed ? columns * kernel : kernel;
    for (int i = 2; i < rank; i++) {
        kernel /= c->w->shape[i];
        c->w_dims[n] = c->w->shape[i];
        c->w_strides[n++] = kernel;
    }
    c->n_w = n;
}

/* ONNX adds output_padding at the end of the result: less padding there. */
static bool adjust_transposed(convolution *c)
{
    int            n = 0;
    const int64_t *extra = mt_node_ints(c->node, "output_padding", &n);

    if (mt_node_attr(c->node, "output_shape") != NULL || strncmp(mt_node_string(c->node, "auto_pad", "NOTSET"), "SAME", 4) == 0)
        return false;
    for (int i = 0; extra != NULL && i < n && i < 3; i++)
        c->spatial.end[i] -= extra[i];
    return true;
}

static bool is_padded(const mt_spatial *s, int n)
{
    for (int i = 0; i < n; i++)
        if (s->begin[i] != 0 || s->end[i] != 0)
            return true;
    return false;
}

static bool describe(convolution *c, const mt_node *node)
{
    int64_t groups = mt_node_int(node, "group", 1);

    *c = (convolution){.node = node, .x = mt_node_input(node, 0), .w = mt_node_input(node, 1), .b = mt_node_input(node, 2)};
    c->y = mt_node_output(node, 0);
    c->transposed = strcmp(node->op, "ConvTranspose") == 0;
    if (!mt_is_f32(c->x) || !mt_is_f32(c->w) || (c->b != NULL && !mt_is_f32(c->b)) || c->x->rank < 3 || c->x->rank > 5)
        return false;
    if (c->w->rank != c->x->rank || groups < 1 || c->w->shape[0] % groups != 0)
        return false;
    if (!mt_spatial_of(node, c->x->rank - 2, c->w->shape + 2, &c->spatial) || (c->transposed && !adjust_transposed(c)))
        return false;
    describe_weights(c);
    if (!c->transposed)
        mt_quantised_of(&c->bytes, node, 0, c->y->shape[1], c->b, is_padded(&c->spatial, c->x->rank - 2));
    return true;
}

static bool create(mt_lowering *l, const convolution *c, dnnl_primitive_attr_t attr, const mt_md *dst, dnnl_primitive_desc_t *pd)
{
    const mt_quantised *q = &c->bytes;
    const mt_md        *src = mt_lower_any(l, c->x->rank, c->x->shape);
    const mt_md        *weights = mt_lower_typed_any(l, q->is ? MT_I8 : mt_lower_type(l), c->n_w, c->w_dims);
    const mt_md        *bias = c->b == NULL && !q->is ? NULL : mt_lower_typed_md(l, MT_F32, 1, &c->y->shape[1], NULL);
    mt_dtype            type = q->is ? mt_quantised_result(q, l, c->node) : mt_lower_result_type(l, c->node);

    *pd = NULL;
    if (dst == NULL)
        dst = mt_lower_typed_any(l, type, c->y->rank, c->y->shape);
    if (c->transposed)
        return mt_pd_deconvolution(pd, mt_lower_engine(l), attr, src, weights, bias, dst, &c->spatial);
    return mt_pd_convolution(pd, mt_lower_engine(l), attr, src, weights, bias, dst, &c->spatial);
}

/* The sum in place was allowed because the source lies elsewhere: the primitive must read it from there. */
static bool reads(mt_lowering *l, const_dnnl_primitive_desc_t pd, const mt_md *src)
{
    return mt_same_layout(mt_lower_keep(l, mt_md_of(pd, dnnl_query_src_md, 0)), src);
}

/* The primitive with its posts, with a sum in place if possible, else with a binary post, else without; *fused says which. */
static bool choose(mt_lowering *l, const convolution *c, dnnl_primitive_desc_t *pd, mt_posts *posts, bool *fused, GError **error)
{
    dnnl_primitive_desc_t plain = NULL;
    const mt_md          *src, *dst;
    const mt_place       *x;

    *fused = false;
    if (!mt_posts_init(posts, l, c->node, MT_POSTS_MAX, NULL, NULL, NULL, false, error))
        return false;
    if (!create(l, c, posts->attr, NULL, &plain))
        return true; /* pd stays NULL */
    *pd = plain;
    if (mt_node_fused(c->node) == NULL)
        return true;
    src = mt_lower_keep(l, mt_md_of(plain, dnnl_query_src_md, 0));
    dst = mt_lower_keep(l, mt_md_of(plain, dnnl_query_dst_md, 0));
    x = mt_lower_as(l, c->x, src, error); /* the sum must not go into what is convolved */
    for (int attempt = 0; x != NULL && attempt < 2 && !*fused; attempt++) {
        mt_posts_clear(posts);
        if (!mt_posts_init(posts, l, c->node, 0, dst, NULL, x->buffer, attempt == 0, error))
            return false;
        *fused = create(l, c, posts->attr, dst, pd) && !mt_is_slow(*pd) && reads(l, *pd, src);
        if (!*fused && *pd != NULL)
            dnnl_primitive_desc_destroy(*pd);
    }
    if (*fused) {
        dnnl_primitive_desc_destroy(plain);
        return true;
    }
    *pd = plain;
    mt_posts_clear(posts);
    return x != NULL && mt_posts_init(posts, l, c->node, MT_POSTS_MAX, NULL, NULL, NULL, false, error);
}

/* The same for bytes: the posts are attributes or it is no product of bytes. */
static bool choose_bytes(mt_lowering *l, convolution *c, dnnl_primitive_desc_t *pd, mt_posts *posts, GError **error)
{
    dnnl_primitive_desc_t plain = NULL;
    const mt_place       *x;
    const mt_md          *src, *dst;
    bool                  fits = false;

    if (!mt_quantised_posts(posts, &c->bytes, l, c->node, MT_POSTS_MAX, NULL, NULL, NULL, false, &fits, error))
        return false;
    if (!create(l, c, posts->attr, NULL, &plain) || mt_is_slow(plain)) {
        if (plain != NULL)
            dnnl_primitive_desc_destroy(plain);
        return true;
    }
    src = mt_lower_keep(l, mt_md_of(plain, dnnl_query_src_md, 0));
    dst = mt_lower_keep(l, mt_md_of(plain, dnnl_query_dst_md, 0));
    dnnl_primitive_desc_destroy(plain);
    x = mt_lower_as(l, c->x, src, error);
    if (x == NULL)
        return false;
    for (int attempt = 0; attempt < 2 && *pd == NULL; attempt++) {
        mt_posts_clear(posts);
        if (!mt_quantised_posts(posts, &c->bytes, l, c->node, 0, dst, NULL, x->buffer, attempt == 0, &fits, error))
            return false;
        if (fits && create(l, c, posts->attr, dst, pd) && (mt_is_slow(*pd) || !reads(l, *pd, src))) {
            dnnl_primitive_desc_destroy(*pd);
            *pd = NULL;
        }
    }
    return true;
}

/* Packed once where constant, brought into shape at each run where computed. */
static bool place_weights(mt_lowering *l, const convolution *c, const mt_md *wanted, mt_place *place, GError **error)
{
    mt_dtype        type = c->bytes.is ? MT_I8 : c->w->constant != NULL ? MT_F32 : mt_lower_type(l);
    const mt_md    *from = mt_lower_typed_md(l, type, c->n_w, c->w_dims, c->w_strides);
    const mt_place *plain;

    if (c->bytes.is)
        return mt_lower_packed(l, c->bytes.weights, from, wanted, place, error);
    if (c->w->constant != NULL)
        return mt_lower_packed(l, c->w->constant, from, wanted, place, error);
    plain = mt_lower_plain(l, c->w, error);
    if (plain == NULL)
        return false;
    *place = mt_lower_new(l, wanted);
    return mt_lower_reorder(l, c->node->name, plain, from, place, wanted, error);
}

static bool emit(mt_lowering *l, const convolution *c, dnnl_primitive_desc_t pd, const mt_posts *posts, bool fused, GError **error)
{
    const mt_md    *src = mt_lower_keep(l, mt_md_of(pd, dnnl_query_src_md, 0)), *dst = mt_lower_keep(l, mt_md_of(pd, dnnl_query_dst_md, 0));
    const mt_md    *wanted = mt_lower_keep(l, mt_md_of(pd, dnnl_query_weights_md, 0));
    const mt_place *x = mt_lower_as(l, c->x, src, error), *b = NULL;
    mt_place        w, y;
    mt_primitive   *p;

    if (x == NULL || !place_weights(l, c, wanted, &w, error) ||
        (c->b != NULL && !c->bytes.is && (b = mt_lower_vector(l, c->b, error)) == NULL)) {
        dnnl_primitive_desc_destroy(pd);
        return false;
    }
    y = posts->sum != NULL ? *posts->sum : mt_lower_new(l, dst);
    p = mt_lower_primitive(l, c->node->name, pd, error);
    if (p == NULL)
        return false;
    mt_primitive_reads(p, DNNL_ARG_SRC, x, src);
    mt_primitive_reads(p, DNNL_ARG_WEIGHTS, &w, wanted);
    if (b != NULL)
        mt_primitive_reads(p, DNNL_ARG_BIAS, b, mt_lower_typed_md(l, MT_F32, 1, &c->y->shape[1], NULL));
    if (c->bytes.is)
        mt_quantised_bind(&c->bytes, l, p, 1);
    mt_posts_bind(posts, p);
    mt_primitive_writes(p, DNNL_ARG_DST, &y, dst);
    if (c->bytes.to_bytes) {
        y.quant = c->bytes.out;
        mt_lower_put(l, c->y, &y);
        return true;
    }
    return mt_posts_apart(l, c->node, fused ? MT_POSTS_MAX : 0, y, error);
}

static mt_lowered lower(mt_lowering *l, const mt_node *node, GError **error)
{
    convolution           c;
    dnnl_primitive_desc_t pd = NULL;
    mt_posts              posts = {0};
    bool                  fused, done;

    if (!describe(&c, node))
        return MT_NOT_HERE;
    if (c.transposed) {
        mt_lowered outcome = mt_lower_patches(l, node, &c.spatial, error);

        if (outcome != MT_NOT_HERE)
            return outcome;
    }
    if (c.bytes.is) {
        mt_dtype was = mt_lower_set_type(l, c.bytes.in.type);

        done = choose_bytes(l, &c, &pd, &posts, error);
        done = done && (pd == NULL || emit(l, &c, pd, &posts, true, error));
        mt_posts_clear(&posts);
        mt_lower_set_type(l, was);
        if (!done || pd != NULL)
            return done ? MT_LOWERED : MT_LOWER_FAILED;
        c.bytes = (mt_quantised){0};
    }
    done = choose(l, &c, &pd, &posts, &fused, error);
    if (done && pd == NULL) {
        mt_posts_clear(&posts);
        return MT_NOT_HERE;
    }
    if (!done && pd != NULL)
        dnnl_primitive_desc_destroy(pd);
    done = done && emit(l, &c, pd, &posts, fused, error);
    mt_posts_clear(&posts);
    return done ? MT_LOWERED : MT_LOWER_FAILED;
}

const mt_lower_entry mt_lower_conv[] = {{"Conv", lower, MT_STORE_ANY}, {"ConvTranspose", lower, MT_STORE_ANY}, {0}};

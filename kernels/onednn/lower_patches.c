/* A transposed convolution whose stride is its kernel writes each result once: one product for every position in the kernel,
 *   y[n, s h + a, s w + b, :] = x[n, h, w, :] W[:, :, a, b] + bias,
 * over channels-last memory, the results set apart by strides.  The upsampling step of U-Nets. */
#include "kernels/onednn/lower.h"

typedef struct patches {
    const mt_value *x, *w, *b, *y;
    int64_t         in, out, positions;              /* channels of x and y; elements of the kernel */
    int             n;                               /* spatial dimensions, 2 or 3 */
    int64_t         kernel[3], strides[MT_MAX_RANK]; /* of y in memory */
} patches;

static void channels_last(int rank, const int64_t *shape, int64_t *strides)
{
    int64_t stride = shape[1];

    strides[1] = 1;
    for (int i = rank - 1; i >= 2; i--) {
        strides[i] = stride;
        stride *= shape[i];
    }
    strides[0] = stride;
}

static bool has_only_functions(const mt_node *node)
{
    const mt_fused *fused = mt_node_fused(node);

    for (int i = 0; fused != NULL && i < fused->n; i++)
        if (fused->posts[i].kind != MT_POST_ACTIVATION)
            return false;
    return true;
}

static bool describe(patches *p, const mt_node *node, const mt_spatial *s)
{
    *p = (patches){.x = mt_node_input(node, 0), .w = mt_node_input(node, 1), .b = mt_node_input(node, 2), .y = mt_node_output(node, 0)};
    p->n = p->x->rank - 2;
    p->positions = 1;
    if (p->n < 2 || p->w->constant == NULL || mt_node_int(node, "group", 1) != 1 || !has_only_functions(node))
        return false;
    for (int i = 0; i < p->n; i++) {
        p->kernel[i] = s->kernel[i];
        p->positions *= s->kernel[i];
        if (s->kernel[i] != s->strides[i] || s->dilations[i] != 1 || s->begin[i] != 0 || s->end[i] != 0)
            return false;
    }
    p->in = p->w->shape[0];
    p->out = p->w->shape[1];
    channels_last(p->y->rank, p->y->shape, p->strides);
    return true;
}

/* Rows of pixels: (N D, H, W, channels), without D in two dimensions; images follow each other as evenly as their slices do. */
static void rows_of(const patches *p, int64_t *dims, const int64_t *strides, const int64_t *steps, int64_t channels, int64_t *view)
{
    int n = 0;

    dims[n] = p->x->shape[0] * p->x->shape[2];
    view[n++] = strides[2] * steps[0];
    for (int i = 1; i < p->n; i++) {
        dims[n] = p->x->shape[2 + i];
        view[n++] = strides[2 + i] * steps[i];
    }
    dims[n] = channels;
    view[n] = 1;
}

/* Where results of position `k` begin, in elements. */
static int64_t start_of(const patches *p, int64_t k)
{
    int64_t at = 0;

    for (int i = p->n - 1; i >= 0; i--) {
        at += k % p->kernel[i] * p->strides[2 + i];
        k /= p->kernel[i];
    }
    return at;
}

typedef struct layouts {
    const mt_md *src, *weights, *bias, *dst, *lying; /* the weights of one position as they lie in the tensor */
} layouts;

static void describe_products(const patches *p, mt_lowering *l, layouts *m)
{
    static const int64_t ones[] = {1, 1, 1};
    int64_t              x_strides[MT_MAX_RANK], dims[MT_MAX_RANK], strides[MT_MAX_RANK], wide[MT_MAX_RANK] = {1, 1, 1, 1};
    int                  rank = p->n + 1;

    channels_last(p->x->rank, p->x->shape, x_strides);
    rows_of(p, dims, x_strides, ones, p->in, strides);
    m->src = mt_lower_md(l, rank, dims, strides);
    rows_of(p, dims, p->strides, p->kernel, p->out, strides);
    m->dst = mt_lower_md(l, rank, dims, strides);
    wide[rank - 1] = p->out;
    m->bias = p->b == NULL ? NULL : mt_lower_typed_md(l, MT_F32, rank, wide, NULL);
    wide[rank - 2] = p->in;
    m->weights = mt_lower_md(l, rank, wide, NULL);
    for (int i = 0; i < rank; i++)
        strides[i] = p->in * p->out * p->positions;
    strides[rank - 2] = p->out * p->positions;
    strides[rank - 1] = p->positions;
    m->lying = mt_lower_typed_md(l, MT_F32, rank, wide, strides);
}

static bool add_product(const patches *p, mt_lowering *l, const mt_node *node, const layouts *m, dnnl_primitive_attr_t attr, int64_t k,
                        const mt_place *x, const mt_place *y, GError **error)
{
    dnnl_primitive_desc_t pd = NULL;
    mt_place              w, at = *y;
    const mt_place       *b = p->b == NULL ? NULL : mt_lower_vector(l, p->b, error);
    mt_primitive         *primitive;

    if ((p->b != NULL && b == NULL) || !mt_lower_packed_part(l, p->w->constant, k, m->lying, m->weights, &w, error))
        return false;
    if (!mt_pd_matmul(&pd, mt_lower_engine(l), attr, m->src, m->weights, m->bias, m->dst)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "oneDNN has this product no more");
        return false;
    }
    primitive = mt_lower_primitive(l, node->name, pd, error);
    if (primitive == NULL)
        return false;
    at.offset += (size_t)start_of(p, k) * mt_dtype_size(y->type);
    mt_primitive_reads(primitive, DNNL_ARG_SRC, x, m->src);
    mt_primitive_reads(primitive, DNNL_ARG_WEIGHTS, &w, m->weights);
    if (b != NULL)
        mt_primitive_reads(primitive, DNNL_ARG_BIAS, b, m->bias);
    mt_primitive_writes(primitive, DNNL_ARG_DST, &at, m->dst);
    return true;
}

/* Does the library have a fast product of these layouts? */
static bool is_fast(mt_lowering *l, const layouts *m, dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t pd = NULL;
    bool                  fast = mt_pd_matmul(&pd, mt_lower_engine(l), attr, m->src, m->weights, m->bias, m->dst) && !mt_is_slow(pd);

    if (pd != NULL)
        dnnl_primitive_desc_destroy(pd);
    return fast;
}

mt_lowered mt_lower_patches(mt_lowering *l, const mt_node *node, const mt_spatial *s, GError **error)
{
    patches         p;
    layouts         m;
    mt_posts        posts;
    int64_t         x_strides[MT_MAX_RANK];
    const mt_place *x;
    mt_place        y;
    bool            done = true;

    if (!describe(&p, node, s))
        return MT_NOT_HERE;
    describe_products(&p, l, &m);
    y = mt_lower_new(l, mt_lower_md(l, p.y->rank, p.y->shape, p.strides));
    MT_LOWER_TRY(mt_posts_init(&posts, l, node, 0, m.dst, NULL, NULL, false, error));
    if (!is_fast(l, &m, posts.attr)) {
        mt_posts_clear(&posts);
        return MT_NOT_HERE;
    }
    channels_last(p.x->rank, p.x->shape, x_strides);
    x = mt_lower_as(l, p.x, mt_lower_md(l, p.x->rank, p.x->shape, x_strides), error);
    for (int64_t k = 0; k < p.positions && done; k++)
        done = x != NULL && add_product(&p, l, node, &m, posts.attr, k, x, &y, error);
    mt_posts_clear(&posts);
    if (done)
        mt_lower_put(l, p.y, &y);
    return done ? MT_LOWERED : MT_LOWER_FAILED;
}

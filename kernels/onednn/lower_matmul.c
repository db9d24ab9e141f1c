/* Products of matrices.  With one matrix on the right, all leading dimensions of the left operand are rows of one product, in
 * the order in which they lie in memory; otherwise the product is batched. */
#include "kernels/onednn/quantised_product.h"

#include <string.h>

typedef struct product {
    const mt_node  *node;
    const mt_value *a, *b, *c, *y; /* c: vector or matrix to add, NULL */
    bool            trans_a, trans_b;
    int64_t         k, n;
    bool            bias;  /* c is a row that the primitive adds */
    int             first; /* first post that is not the bias */
    mt_quantised    bytes;
} product;

static bool is_row(const mt_value *value, int64_t n)
{
    int64_t count = 1;

    for (int i = 0; i < value->rank; i++)
        count *= value->shape[i];
    return mt_is_f32(value) && count == n && (n == 1 || value->shape[value->rank - 1] == n);
}

/* A vector that a pass has hung behind the product is its bias. */
static void find_bias(product *p)
{
    const mt_fused *fused = mt_node_fused(p->node);

    p->bias = p->c != NULL && is_row(p->c, p->n);
    if (p->c != NULL || fused == NULL || fused->n == 0 || fused->posts[0].kind != MT_POST_ADD)
        return;
    if (!is_row(mt_node_input(p->node, fused->posts[0].input), p->n))
        return;
    p->c = mt_node_input(p->node, fused->posts[0].input);
    p->bias = true;
    p->first = 1;
}

static bool describe(product *p, const mt_node *node)
{
    bool gemm = strcmp(node->op, "Gemm") == 0;

    *p = (product){.node = node, .a = mt_node_input(node, 0), .b = mt_node_input(node, 1), .y = mt_node_output(node, 0)};
    p->c = gemm ? mt_node_input(node, 2) : NULL;
    p->trans_a = gemm && mt_node_int(node, "transA", 0) != 0;
    p->trans_b = gemm && mt_node_int(node, "transB", 0) != 0;
    if (!mt_is_f32(p->a) || !mt_is_f32(p->b) || (p->c != NULL && !mt_is_f32(p->c)) || p->a->rank < 2 || p->b->rank < 2)
        return false;
    if (gemm && (mt_node_float(node, "alpha", 1) != 1 || (p->c != NULL && mt_node_float(node, "beta", 1) != 1)))
        return false;
    p->k = p->b->shape[p->b->rank - (p->trans_b ? 1 : 2)];
    p->n = p->b->shape[p->b->rank - (p->trans_b ? 2 : 1)];
    find_bias(p);
    if (p->b->rank == 2 && !p->trans_a && (p->c == NULL || p->bias))
        mt_quantised_of(&p->bytes, node, p->trans_b ? 0 : 1, p->n, p->c, false);
    return true;
}

/* The left operand as rows: a view whose last dimension is k, and rows `count`, `stride` apart, where one of stride and the
 * last dimension's stride is 1. */
static bool rows_of(const mt_view *lying, bool trans, mt_view *view, int64_t *count, int64_t *stride)
{
    int last;

    *view = *lying;
    if (trans && !mt_view_permute(view, (int64_t[]){1, 0}))
        return false;
    mt_view_join(view);
    last = view->rank - 1;
    if (view->parts[last] != 1 || !mt_view_rows(view, last, count, stride))
        return false;
    if (*count == 1)
        *stride = view->dims[view->n - 1];
    return view->strides[view->n - 1] == 1 ? *stride >= view->dims[view->n - 1] : *stride == 1 && view->strides[view->n - 1] >= *count;
}

static const mt_place *place_rows(mt_lowering *l, const product *p, mt_view *view, int64_t *count, int64_t *stride, GError **error)
{
    const mt_place *a = mt_lower_strided(l, p->a, error);

    if (a == NULL || rows_of(&a->view, p->trans_a, view, count, stride))
        return a;
    a = mt_lower_plain(l, p->a, error);
    if (a != NULL)
        rows_of(&a->view, p->trans_a, view, count, stride);
    return a;
}

/* The right operand, computed or constant, as it lies in a row-major tensor. */
static const mt_md *right_md(mt_lowering *l, const product *p)
{
    mt_dtype type = p->bytes.is ? MT_I8 : p->b->constant != NULL ? MT_F32 : mt_lower_type(l);

    return mt_lower_typed_md(l, type, 2, (int64_t[]){p->k, p->n}, p->trans_b ? (int64_t[]){1, p->k} : (int64_t[]){p->n, 1});
}

static bool place_right(mt_lowering *l, const product *p, const mt_md *wanted, mt_place *place, GError **error)
{
    const mt_place *plain;

    if (p->bytes.is)
        return mt_lower_packed(l, p->bytes.weights, right_md(l, p), wanted, place, error);
    if (p->b->constant != NULL)
        return mt_lower_packed(l, p->b->constant, right_md(l, p), wanted, place, error);
    plain = mt_lower_plain(l, p->b, error);
    if (plain == NULL)
        return false;
    *place = *plain;
    return true;
}

typedef struct candidate {
    dnnl_primitive_desc_t pd;
    mt_posts              posts;
    bool                  fused;
} candidate;

/* Tries the posts with a sum in place, as a binary post, then without posts. */
static bool choose(mt_lowering *l, const product *p, const mt_md *src, const mt_md *weights, const mt_md *dst, const mt_view *view,
                   const mt_buffer *source, candidate *c, GError **error)
{
    const mt_md *bias = p->bias ? mt_lower_typed_md(l, MT_F32, 2, (int64_t[]){1, p->n}, NULL) : NULL;
    bool         any = mt_node_fused(p->node) != NULL && (p->c == NULL || p->bias);

    *c = (candidate){0};
    for (int attempt = any ? 0 : 2; attempt < 3; attempt++) {
        mt_posts_clear(&c->posts);
        if (!mt_posts_init(&c->posts, l, p->node, attempt == 2 ? MT_POSTS_MAX : p->first, dst, view, source, attempt == 0, error))
            return false;
        c->fused = attempt < 2;
        if (mt_pd_matmul(&c->pd, mt_lower_engine(l), c->posts.attr, src, weights, bias, dst)) {
            if (attempt == 2 || !mt_is_slow(c->pd))
                return true;
            dnnl_primitive_desc_destroy(c->pd);
        }
        c->pd = NULL;
    }
    return true;
}

/* The same for bytes: c->pd stays NULL where the posts cannot be attributes. */
static bool choose_bytes(mt_lowering *l, product *p, const mt_md *src, const mt_md *weights, const mt_md *dst, const mt_view *view,
                         const mt_buffer *source, candidate *c, GError **error)
{
    const mt_md *bias = mt_lower_typed_md(l, MT_F32, 2, (int64_t[]){1, p->n}, NULL);
    bool         fits;

    *c = (candidate){.fused = true};
    for (int attempt = 0; attempt < 2 && c->pd == NULL; attempt++) {
        mt_posts_clear(&c->posts);
        if (!mt_quantised_posts(&c->posts, &p->bytes, l, p->node, p->first, dst, view, source, attempt == 0, &fits, error))
            return false;
        if (fits && mt_pd_matmul(&c->pd, mt_lower_engine(l), c->posts.attr, src, weights, bias, dst) && mt_is_slow(c->pd)) {
            dnnl_primitive_desc_destroy(c->pd);
            c->pd = NULL;
        }
    }
    return true;
}

/* What Gemm adds where it is no row, then the posts. */
static bool finish(mt_lowering *l, const product *p, const candidate *c, const mt_place *y, GError **error)
{
    if (p->bytes.to_bytes) {
        mt_place place = *y;

        place.quant = p->bytes.out;
        mt_lower_put(l, p->y, &place);
        return true;
    }
    if (p->c != NULL && !p->bias)
        return mt_lower_arithmetic(l, p->node, dnnl_binary_add, y, p->c, false, 0, error);
    return mt_posts_apart(l, p->node, c->fused ? MT_POSTS_MAX : p->first, *y, error);
}

static bool emit(mt_lowering *l, const product *p, candidate *c, const mt_place *a, const mt_md *src, const mt_place *b,
                 const mt_md *weights, const mt_place *y, const mt_md *dst, GError **error)
{
    bool            own_bias = p->bias && !p->bytes.is;
    const mt_place *bias = own_bias ? mt_lower_vector(l, p->c, error) : NULL;
    mt_primitive   *primitive;

    if (own_bias && bias == NULL) {
        dnnl_primitive_desc_destroy(c->pd);
        return false;
    }
    primitive = mt_lower_primitive(l, p->node->name, c->pd, error);
    if (primitive == NULL)
        return false;
    mt_primitive_reads(primitive, DNNL_ARG_SRC, a, src);
    mt_primitive_reads(primitive, DNNL_ARG_WEIGHTS, b, weights);
    if (bias != NULL)
        mt_primitive_reads(primitive, DNNL_ARG_BIAS, bias, mt_lower_typed_md(l, MT_F32, 2, (int64_t[]){1, p->n}, NULL));
    if (p->bytes.is)
        mt_quantised_bind(&p->bytes, l, primitive, 2);
    mt_posts_bind(&c->posts, primitive);
    mt_primitive_writes(primitive, DNNL_ARG_DST, y, dst);
    return finish(l, p, c, y, error);
}

static mt_lowered lower_rows(mt_lowering *l, product *p, GError **error)
{
    mt_view         view, result;
    int64_t         count, stride;
    const mt_place *a = place_rows(l, p, &view, &count, &stride, error);
    mt_dtype        type = p->bytes.is ? mt_quantised_result(&p->bytes, l, p->node) : mt_lower_result_type(l, p->node);
    const mt_md    *src, *weights, *dst;
    candidate       c;
    mt_place        b, y;
    bool            done;

    if (a == NULL)
        return MT_LOWER_FAILED;
    if (!mt_view_like_rows(&result, &view, view.rank - 1, 1, &p->n))
        return MT_NOT_HERE;
    src = mt_lower_md(l, 2, (int64_t[]){count, p->k}, (int64_t[]){stride, view.strides[view.n - 1]});
    dst = mt_lower_typed_md(l, type, 2, (int64_t[]){count, p->n}, NULL);
    weights = p->bytes.is ? mt_lower_typed_any(l, MT_I8, 2, (int64_t[]){p->k, p->n}) : right_md(l, p);
    if (!p->bytes.is && p->b->constant != NULL)
        weights = mt_lower_any(l, 2, (int64_t[]){p->k, p->n});
    MT_LOWER_TRY(p->bytes.is ? choose_bytes(l, p, src, weights, dst, &result, a->buffer, &c, error)
                             : choose(l, p, src, weights, dst, &result, a->buffer, &c, error));
    if (c.pd == NULL) {
        mt_posts_clear(&c.posts);
        return MT_NOT_HERE;
    }
    weights = mt_lower_keep(l, mt_md_of(c.pd, dnnl_query_weights_md, 0));
    if (!place_right(l, p, weights, &b, error)) {
        dnnl_primitive_desc_destroy(c.pd);
        mt_posts_clear(&c.posts);
        return MT_LOWER_FAILED;
    }
    y = c.posts.sum != NULL ? *c.posts.sum : mt_lower_new_typed(l, type, &result);
    y.view = result;
    done = emit(l, p, &c, a, src, &b, weights, &y, dst, error);
    mt_posts_clear(&c.posts);
    return done ? MT_LOWERED : MT_LOWER_FAILED;
}

/* One part per dimension, rows or columns contiguous. */
static bool is_matrix_stack(const mt_view *view)
{
    int n = view->n;

    return n == view->rank && ((view->strides[n - 1] == 1 && view->strides[n - 2] >= view->dims[n - 1]) ||
                               (view->strides[n - 2] == 1 && view->strides[n - 1] >= view->dims[n - 2]));
}

/* The operand as the library sees it: as many dimensions as the result has. */
static const mt_place *place_stack(mt_lowering *l, const mt_value *value, int rank, bool plain, const mt_md **md, GError **error)
{
    const mt_place *place = plain ? mt_lower_plain(l, value, error) : mt_lower_strided(l, value, error);
    mt_view         view;
    int64_t         dims[MT_MAX_RANK], strides[MT_MAX_RANK];
    int             skipped = rank - value->rank;

    if (place == NULL)
        return NULL;
    view = place->view;
    mt_view_join(&view);
    if (!plain && !is_matrix_stack(&view))
        return place_stack(l, value, rank, true, md, error);
    for (int i = rank - 1; i >= 0; i--) {
        dims[i] = i < skipped ? 1 : view.dims[i - skipped];
        strides[i] = i < skipped ? dims[i + 1] * strides[i + 1] : view.strides[i - skipped];
    }
    *md = mt_lower_md(l, rank, dims, strides);
    return place;
}

static mt_lowered lower_batch(mt_lowering *l, const product *p, GError **error)
{
    const mt_md *src, *weights, *dst = mt_lower_md(l, p->y->rank, p->y->shape, NULL);
    candidate    c = {0};
    mt_place     y;
    bool         done;

    if (p->bias && p->first == 0)
        return MT_NOT_HERE;
    for (int plain = 0; plain < 2; plain++) {
        product         bare = *p;
        const mt_place *a = place_stack(l, p->a, p->y->rank, plain, &src, error);
        const mt_place *b = a == NULL ? NULL : place_stack(l, p->b, p->y->rank, plain, &weights, error);

        if (b == NULL)
            return MT_LOWER_FAILED;
        bare.bias = false;
        bare.c = NULL;
        bare.first = 0;
        MT_LOWER_TRY(choose(l, &bare, src, weights, dst, NULL, a->buffer, &c, error));
        if (c.pd != NULL && (plain == 1 || !mt_is_slow(c.pd))) {
            mt_view_init(&y.view, p->y->rank, p->y->shape);
            y = c.posts.sum != NULL ? *c.posts.sum : mt_lower_new_view(l, &y.view);
            done = emit(l, &bare, &c, a, src, b, weights, &y, dst, error);
            mt_posts_clear(&c.posts);
            return done ? MT_LOWERED : MT_LOWER_FAILED;
        }
        if (c.pd != NULL)
            dnnl_primitive_desc_destroy(c.pd);
        mt_posts_clear(&c.posts);
    }
    return MT_NOT_HERE;
}

static mt_lowered lower(mt_lowering *l, const mt_node *node, GError **error)
{
    product p;

    if (!describe(&p, node))
        return MT_NOT_HERE;
    if (p.bytes.is) {
        mt_dtype   was = mt_lower_set_type(l, p.bytes.in.type);
        mt_lowered outcome = lower_rows(l, &p, error);

        mt_lower_set_type(l, was);
        if (outcome != MT_NOT_HERE)
            return outcome;
        p.bytes = (mt_quantised){0};
    }
    return p.b->rank == 2 ? lower_rows(l, &p, error) : lower_batch(l, &p, error);
}

const mt_lower_entry mt_lower_matmul[] = {{"Gemm", lower, MT_STORE_ANY}, {"MatMul", lower, MT_STORE_ANY}, {0}};

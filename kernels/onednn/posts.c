/* What is fused behind a node: as attributes of its primitive where the library can, as steps of their own where not. */
#include "kernels/onednn/lower.h"

#include <string.h>

dnnl_alg_kind_t mt_library_function(const mt_activation *f, float *alpha, float *beta)
{
    *alpha = (float)f->alpha;
    *beta = (float)f->beta;
    switch (f->function) {
    case MT_FN_RELU:
        return dnnl_eltwise_relu;
    case MT_FN_LINEAR:
        return dnnl_eltwise_linear;
    case MT_FN_CLIP:
        return dnnl_eltwise_clip;
    case MT_FN_SIGMOID:
        return dnnl_eltwise_logistic;
    case MT_FN_TANH:
        return dnnl_eltwise_tanh;
    case MT_FN_ELU:
        return dnnl_eltwise_elu;
    case MT_FN_SWISH:
        return dnnl_eltwise_swish;
    case MT_FN_HARDSWISH: /* 3.x takes the slope and shift, 2.6 ignores them */
        *alpha = 1.0f / 6;
        *beta = 0.5f;
        return dnnl_eltwise_hardswish;
    case MT_FN_GELU_ERF:
        return dnnl_eltwise_gelu_erf;
    case MT_FN_GELU_TANH:
        return dnnl_eltwise_gelu_tanh;
    case MT_FN_MISH:
        return dnnl_eltwise_mish;
    case MT_FN_SOFTPLUS: /* 3.x takes the slope, 2.6 ignores it */
        *alpha = 1;
        return dnnl_eltwise_soft_relu;
    case MT_FN_EXP:
        return dnnl_eltwise_exp;
    case MT_FN_LOG:
        return dnnl_eltwise_log;
    case MT_FN_SQRT:
        return dnnl_eltwise_sqrt;
    case MT_FN_ABS:
        return dnnl_eltwise_abs;
    case MT_FN_SQUARE:
        return dnnl_eltwise_square;
    default:
        return dnnl_eltwise_pow;
    }
}

static bool same_shape(const mt_value *a, const mt_value *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, (size_t)a->rank * sizeof a->shape[0]) == 0;
}

/* The descriptor of an operand that is broadcast: a row under rows, else dimensions aligned to the right of the result's. */
static const mt_md *vector_md(mt_lowering *l, const mt_value *operand, const mt_value *out, bool rows)
{
    mt_dtype type = operand->constant != NULL ? MT_F32 : mt_lower_type(l);
    int64_t  dims[MT_MAX_RANK], count = 1;
    int      skipped = out->rank - operand->rank;

    for (int i = 0; i < operand->rank; i++)
        count *= operand->shape[i];
    if (rows)
        return mt_lower_typed_md(l, type, 2, (int64_t[]){1, count}, NULL);
    for (int i = 0; i < out->rank; i++)
        dims[i] = i < skipped ? 1 : operand->shape[i - skipped];
    return mt_lower_typed_md(l, type, out->rank, dims, NULL);
}

static bool add_operand(mt_posts *posts, dnnl_post_ops_t ops, mt_lowering *l, const mt_node *node, const mt_post *post, const mt_md *dst,
                        const mt_view *view, const mt_buffer *source, bool sum, GError **error)
{
    const mt_value *operand = mt_node_input(node, post->input), *out = mt_node_output(node, 0);
    bool            full = same_shape(operand, out);
    const mt_place *place;
    mt_dtype        was = mt_lower_set_type(l, mt_md_type(dst));
    const mt_md    *md = full ? dst : vector_md(l, operand, out, view != NULL);

    if (full)
        place = view != NULL ? mt_lower_like(l, operand, view, error) : mt_lower_as(l, operand, dst, error);
    else
        place = operand->constant != NULL ? mt_lower_vector(l, operand, error) : mt_lower_plain(l, operand, error);
    mt_lower_set_type(l, was);
    if (place == NULL)
        return false;
    if (full && sum && post->kind == MT_POST_ADD && dnnl_post_ops_len(ops) == 0 && place->buffer != source &&
        place->type == mt_md_type(dst) && mt_lower_dies(l, place)) {
        mt_post_ops_sum(ops);
        posts->sum = place;
        return true;
    }
    posts->args[posts->n] = DNNL_ARG_ATTR_MULTIPLE_POST_OP(dnnl_post_ops_len(ops)) | DNNL_ARG_SRC_1;
    posts->places[posts->n] = place;
    posts->mds[posts->n++] = md;
    mt_post_ops_binary(ops, post->kind == MT_POST_ADD ? dnnl_binary_add : dnnl_binary_mul, md);
    return true;
}

bool mt_posts_init(mt_posts *posts, mt_lowering *l, const mt_node *node, int first, const mt_md *dst, const mt_view *view,
                   const mt_buffer *source, bool sum, GError **error)
{
    const mt_fused *fused = mt_node_fused(node);
    dnnl_post_ops_t ops = NULL;
    bool            done = true;
    float           alpha, beta;

    *posts = (mt_posts){.attr = mt_lower_attr()};
    if (first >= mt_node_float_posts(node) || dnnl_post_ops_create(&ops) != dnnl_success)
        return true;
    for (int i = first; i < mt_node_float_posts(node) && done; i++) {
        const mt_post *post = &fused->posts[i];

        if (post->kind == MT_POST_ACTIVATION) {
            dnnl_alg_kind_t alg = mt_library_function(&post->activation, &alpha, &beta);
            mt_post_ops_eltwise(ops, alg, alpha, beta);
        } else {
            done = add_operand(posts, ops, l, node, post, dst, view, source, sum, error);
        }
    }
    dnnl_primitive_attr_set_post_ops(posts->attr, ops);
    dnnl_post_ops_destroy(ops);
    return done;
}

void mt_posts_clear(mt_posts *posts)
{
    if (posts->attr != NULL)
        dnnl_primitive_attr_destroy(posts->attr);
    posts->attr = NULL;
}

void mt_posts_bind(const mt_posts *posts, mt_primitive *p)
{
    for (int i = 0; i < posts->n; i++)
        mt_primitive_reads(p, posts->args[i], posts->places[i], posts->mds[i]);
}

static mt_place like(mt_lowering *l, const mt_place *place)
{
    return place->strided ? mt_lower_new_view(l, &place->view) : mt_lower_new(l, place->md);
}

bool mt_posts_apart(mt_lowering *l, const mt_node *node, int first, mt_place place, GError **error)
{
    const mt_fused *fused = mt_node_fused(node);
    int             last = fused == NULL ? 0 : fused->n;

    mt_lower_set_type(l, place.type);
    for (int i = MIN(first, mt_node_float_posts(node)); i < last; i++) {
        const mt_post *post = &fused->posts[i];
        mt_place       to;

        if (post->kind == MT_POST_QUANTISE) /* the value is put as it is: who wants bytes has them made */
            break;
        if (post->kind != MT_POST_ACTIVATION) /* takes the rest along */
            return mt_lower_arithmetic(l, node, post->kind == MT_POST_ADD ? dnnl_binary_add : dnnl_binary_mul, &place,
                                       mt_node_input(node, post->input), false, i + 1, error);
        to = like(l, &place);
        if (!mt_lower_function(l, node->name, &post->activation, &place, &to, error))
            return false;
        place = to;
    }
    mt_lower_put(l, mt_node_output(node, 0), &place);
    return true;
}

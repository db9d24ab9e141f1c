#include "kernels/onednn/quantised_product.h"

#include "kernels/graph/match.h"
#include "kernels/onednn/lowering_private.h"
#include "src/base/alloc.h"

#include <string.h>

/* The scales of int8 weights without zero points: one for all, or one for each of `channels` along `axis`. */
static bool read_weights(mt_quantised *q, const mt_node *dequantize)
{
    const mt_value *bytes = mt_node_input(dequantize, 0), *scale = mt_node_input(dequantize, 1), *zero = mt_node_input(dequantize, 2);
    int64_t         axis = mt_node_int(dequantize, "axis", 1), n;

    if (bytes->constant == NULL || bytes->dtype != MT_I8 || scale->constant == NULL || scale->dtype != MT_F32)
        return false;
    if (zero != NULL && zero->constant == NULL)
        return false;
    for (int64_t i = 0; zero != NULL && i < mt_tensor_count(zero->constant); i++)
        if (((const int8_t *)zero->constant->data)[i] != 0)
            return false;
    n = mt_tensor_count(scale->constant);
    axis += axis < 0 ? bytes->rank : 0;
    if (scale->rank > 1 || (n != 1 && (n != q->channels || axis != q->axis)) || bytes->shape[q->axis] != q->channels)
        return false;
    q->weights = bytes->constant;
    q->w_scales = scale->constant->data;
    q->w_each = n != 1;
    for (int64_t i = 0; i < n; i++)
        if (!(q->w_scales[i] > 0))
            return false;
    return true;
}

void mt_quantised_of(mt_quantised *q, const mt_node *node, int axis, int64_t channels, const mt_value *bias, bool padded)
{
    const mt_value *x = mt_node_input(node, 0), *w = mt_node_input(node, 1);
    const mt_node  *dequantize = mt_made_by(w, "DequantizeLinear");

    *q = (mt_quantised){.bias = bias, .channels = channels, .axis = axis, .unit = 1};
    if (dequantize == NULL || !mt_value_quant(x, &q->in) || (bias != NULL && !mt_is_vector(bias, channels)))
        return;
    if (!read_weights(q, dequantize))
        return;
    q->to_bytes = mt_node_fused(node) != NULL && mt_node_float_posts(node) < mt_node_fused(node)->n;
    if (q->to_bytes)
        mt_value_quant(mt_node_output(node, 0), &q->out);
    q->folds_zero = q->in.zero != 0 && !padded;
    q->grouped = mt_node_int(node, "group", 1) > 1;
    q->is = true;
}

mt_dtype mt_quantised_result(const mt_quantised *q, const mt_lowering *l, const mt_node *node)
{
    return q->to_bytes ? q->out.type : mt_lower_result_type(l, node);
}

static float scale_of(const mt_quantised *q, int64_t channel)
{
    return q->in.scale * q->w_scales[q->w_each ? channel : 0];
}

/* Sums of the weights of each channel, over all other dimensions; made once, in the order of memory. */
static bool sum_weights(mt_quantised *q, mt_lowering *l, GError **error)
{
    const mt_tensor *w = q->weights;
    const int8_t    *at = w->data;
    int64_t          inner = 1, outer = 1;

    if (q->sums != NULL)
        return true;
    q->sums = mt_alloc(q->channels, sizeof *q->sums, error);
    if (q->sums == NULL)
        return false;
    g_ptr_array_add(l->runtime->packed, q->sums);
    for (int i = 0; i < w->rank; i++)
        *(i < q->axis ? &outer : &inner) *= i == q->axis ? 1 : w->shape[i];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t c = 0; c < q->channels; c++)
            for (int64_t i = 0; i < inner; i++)
                q->sums[c] += *at++;
    return true;
}

/* Bias, then scales, each one a channel, in the unit of the posts. */
static float *make_numbers(mt_quantised *q, mt_lowering *l, GError **error)
{
    float       *numbers = q->folds_zero && !sum_weights(q, l, error) ? NULL : mt_alloc(2 * q->channels, sizeof(float), error);
    const float *bias = q->bias == NULL ? NULL : q->bias->constant->data;
    bool         bias_is_scaled = MT_SCALES_ARGUMENT == 0;

    if (numbers == NULL)
        return NULL;
    g_ptr_array_add(l->runtime->packed, numbers);
    for (int64_t c = 0; c < q->channels; c++) {
        double scale = scale_of(q, c), b = bias == NULL ? 0 : bias[c];

        if (q->folds_zero)
            b -= scale * q->in.zero * (double)q->sums[c];
        b += q->shift;
        numbers[c] = (float)(bias_is_scaled ? b / scale : b / q->unit);
        numbers[q->channels + c] = (float)(scale / q->unit);
    }
    q->numbers = (mt_place){.type = MT_F32, .strided = true};
    q->numbers.buffer = mt_session_constant(l->session, numbers, (size_t)(2 * q->channels) * sizeof(float));
    return numbers;
}

static const mt_value *operand_of(const mt_node *node, const mt_post *post)
{
    return post->kind == MT_POST_ADD || post->kind == MT_POST_MUL ? mt_node_input(node, post->input) : NULL;
}

/* Functions that do not care for the unit, and at most one sum with bytes of the result's kind: then the posts may run in the
 * unit of the result, or of the operand where that is added by itself. */
static bool is_homogeneous(const mt_quantised *q, const mt_node *node, int first, mt_quant *operand)
{
    const mt_fused *fused = mt_node_fused(node);

    operand->scale = 0;
    for (int i = first; i < mt_node_float_posts(node); i++) {
        const mt_post *post = &fused->posts[i];

        if (post->kind == MT_POST_ACTIVATION && post->activation.function != MT_FN_RELU)
            return false;
        if (post->kind == MT_POST_MUL || (post->kind == MT_POST_ADD && operand->scale > 0))
            return false;
        if (post->kind == MT_POST_ADD && (!mt_value_quant(operand_of(node, post), operand) || operand->type != q->out.type))
            return false;
    }
    return q->to_bytes;
}

static void append_linear(dnnl_post_ops_t ops, float alpha, float beta)
{
    if (alpha != 1 || beta != 0)
        mt_post_ops_eltwise(ops, dnnl_eltwise_linear, alpha, beta);
}

typedef struct builder {
    mt_posts       *posts;
    mt_quantised   *q;
    mt_lowering    *l;
    const mt_node  *node;
    const mt_md    *dst;
    const mt_view  *view;
    dnnl_post_ops_t ops;
} builder;

/* The operand where and as the result will lie. */
static const mt_place *place_operand(const builder *b, const mt_value *operand, GError **error)
{
    mt_dtype        was = mt_lower_set_type(b->l, mt_md_type(b->dst));
    const mt_place *place = b->view != NULL ? mt_lower_like(b->l, operand, b->view, error) : mt_lower_as(b->l, operand, b->dst, error);

    mt_lower_set_type(b->l, was);
    return place;
}

static bool append_sum(builder *b, const mt_value *operand, const mt_quant *bytes, const mt_buffer *source, bool sum, bool *fits,
                       GError **error)
{
    const mt_place *place = place_operand(b, operand, error);

    if (place == NULL)
        return false;
    if (sum && dnnl_post_ops_len(b->ops) == 0 && place->buffer != source && mt_lower_dies(b->l, place)) {
        if (mt_is_quantised(place->type))
            mt_post_ops_sum_bytes(b->ops, bytes->scale / b->q->unit, bytes->zero, place->type);
        else
            mt_post_ops_sum(b->ops);
        b->posts->sum = place;
        return true;
    }
    if (mt_is_quantised(place->type) && (sum || b->q->unit != bytes->scale || (bytes->zero != 0 && b->q->shift == 0))) {
        *fits = false; /* the next attempt takes the operand's unit; a linear function before the sum comes out wrong in 2.6 */
        return true;
    }
    b->posts->args[b->posts->n] = DNNL_ARG_ATTR_MULTIPLE_POST_OP(dnnl_post_ops_len(b->ops)) | DNNL_ARG_SRC_1;
    b->posts->places[b->posts->n] = place;
    b->posts->mds[b->posts->n++] = b->dst;
    mt_post_ops_binary(b->ops, dnnl_binary_add, b->dst);
    return true;
}

/* The posts one by one; false with *fits where one of them is no attribute. */
static bool append_posts(builder *b, int first, const mt_buffer *source, bool sum, bool *fits, GError **error)
{
    const mt_fused *fused = mt_node_fused(b->node);
    const mt_value *out = mt_node_output(b->node, 0);
    dnnl_alg_kind_t alg;
    float           alpha, beta;

    for (int i = first; i < mt_node_float_posts(b->node); i++) {
        const mt_post  *post = &fused->posts[i];
        const mt_value *operand = operand_of(b->node, post);
        mt_quant        bytes = {.scale = 1};

        if (operand == NULL) {
            alg = mt_library_function(&post->activation, &alpha, &beta);
            mt_post_ops_eltwise(b->ops, alg, alpha, beta);
            continue;
        }
        *fits = post->kind == MT_POST_ADD && mt_same_shape(operand, out);
        if (*fits && mt_is_quantised(mt_md_type(b->dst)))
            *fits = mt_value_quant(operand, &bytes) && bytes.type == b->q->out.type;
        if (!*fits)
            return true;
        if (!append_sum(b, operand, &bytes, source, sum, fits, error))
            return false;
        if (!*fits)
            return true;
    }
    return true;
}

/* In which unit the posts run. */
static float choose_unit(const mt_quantised *q, const mt_node *node, int first, bool sum)
{
    mt_quant operand;

    if (!is_homogeneous(q, node, first, &operand))
        return 1;
    return sum || !(operand.scale > 0) ? q->out.scale : operand.scale;
}

/* The zero point of an operand that is added first of all. */
static float choose_shift(const mt_quantised *q, const mt_node *node, int first)
{
    mt_quant operand;

    if (!q->to_bytes || first >= mt_node_float_posts(node) || mt_node_fused(node)->posts[first].kind != MT_POST_ADD)
        return 0;
    if (!mt_value_quant(operand_of(node, &mt_node_fused(node)->posts[first]), &operand) || operand.type != q->out.type)
        return 0;
    return -operand.scale * (float)operand.zero;
}

bool mt_quantised_posts(mt_posts *posts, mt_quantised *q, mt_lowering *l, const mt_node *node, int first, const mt_md *dst,
                        const mt_view *view, const mt_buffer *source, bool sum, bool *fits, GError **error)
{
    builder b = {.posts = posts, .q = q, .l = l, .node = node, .dst = dst, .view = view};
    bool    done;
    float  *numbers;

    *fits = true;
    *posts = (mt_posts){.attr = mt_lower_attr()};
    q->unit = choose_unit(q, node, first, sum);
    q->shift = sum ? 0 : choose_shift(q, node, first);
    numbers = make_numbers(q, l, error);
    if (numbers == NULL || dnnl_post_ops_create(&b.ops) != dnnl_success)
        return false;
    mt_attr_scales(posts->attr, q->axis, q->grouped, q->channels, numbers + q->channels);
    if (q->in.zero != 0 && !q->folds_zero)
        *fits = mt_attr_source_zero(posts->attr, q->in.zero);
    done = append_posts(&b, first, source, sum, fits, error);
    if (q->to_bytes && dst != NULL)
        append_linear(b.ops, q->unit / q->out.scale, (float)q->out.zero);
    dnnl_primitive_attr_set_post_ops(posts->attr, b.ops);
    dnnl_post_ops_destroy(b.ops);
    return done;
}

void mt_quantised_bind(const mt_quantised *q, mt_lowering *l, mt_primitive *p, int bias_rank)
{
    const mt_md *md = bias_rank == 1 ? mt_lower_typed_md(l, MT_F32, 1, &q->channels, NULL)
                                     : mt_lower_typed_md(l, MT_F32, 2, (int64_t[]){1, q->channels}, NULL);
    mt_place     scales = q->numbers;

    mt_primitive_reads(p, DNNL_ARG_BIAS, &q->numbers, md);
    scales.offset = (size_t)q->channels * sizeof(float);
    if (MT_SCALES_ARGUMENT != 0)
        mt_primitive_reads(p, MT_SCALES_ARGUMENT, &scales, mt_lower_typed_md(l, MT_F32, 1, &q->channels, NULL));
}

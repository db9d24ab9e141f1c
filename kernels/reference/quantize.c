/* Integer arithmetic: QuantizeLinear and its kin, and the products and convolutions of quantised tensors. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/float8.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/window.h"

#include <math.h>
#include <string.h>

/* Scale and zero point: one for all, one for each entry of an axis, or one for each block of `block` entries of it. */
typedef struct {
    const mt_tensor *scale, *zero;
    int64_t          inner; /* elements behind the axis */
    int64_t          length, block, blocks;
    bool             single;
} quantiser;

static quantiser make_quantiser(const mt_tensor *scale, const mt_tensor *zero, const mt_tensor *x, const mt_node *node)
{
    int64_t   block = mt_node_int(node, "block_size", 0), axis = mt_node_int(node, "axis", 1);
    quantiser q = {.scale = scale, .zero = zero, .single = mt_tensor_count(scale) == 1 && block == 0, .inner = 1, .length = 1};

    if (q.single)
        return q;
    axis = axis < 0 ? axis + x->rank : axis;
    q.inner = mt_product_of(x->shape, (int)axis + 1, x->rank);
    q.length = x->shape[axis];
    q.block = MAX(block, 1);
    q.blocks = block > 0 ? scale->shape[axis] : q.length;
    if (block == 0) /* the same vector whatever stands in front of and behind the axis */
        q.blocks = 0;
    return q;
}

/* Where the scale and zero point of element i stand. */
static int64_t entry_of(const quantiser *q, int64_t i)
{
    if (q->single)
        return 0;
    int64_t along = i / q->inner % q->length;
    if (q->blocks == 0)
        return along;
    return (i / q->inner / q->length * q->blocks + along / q->block) * q->inner + i % q->inner;
}

static double scale_at(const quantiser *q, int64_t i)
{
    return mt_element_double(q->scale, entry_of(q, i));
}

static double zero_at(const quantiser *q, int64_t i)
{
    return q->zero == NULL ? 0 : (double)mt_element_int(q->zero, entry_of(q, i));
}

/* Blocks: the shape of the data, but for the axis, which has one entry for `block` elements. */
static bool fits_blocks(const mt_value *x, const mt_value *scale, int axis, int64_t block)
{
    bool fits = scale->rank == x->rank && block > 0;

    for (int i = 0; i < x->rank && fits; i++) {
        int64_t wanted = i == axis && x->shape[i] >= 0 ? x->shape[i] / block + (x->shape[i] % block != 0) : x->shape[i];
        fits = wanted < 0 || scale->shape[i] < 0 || wanted == scale->shape[i];
    }
    return fits;
}

static bool check_scale(const mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *scale = mt_node_input(node, 1), *zero = mt_node_input(node, 2);
    int64_t         n = mt_value_count(scale), m = zero == NULL ? n : mt_value_count(zero), block = mt_node_int(node, "block_size", 0);
    int             axis = 0;
    bool            single = block == 0 && (scale->rank == 0 || n == 1);

    if (!single && !mt_want_axis(node, mt_node_int(node, "axis", 1), x->rank, &axis, error))
        return false;
    bool fits = block == 0 ? scale->rank <= 1 : fits_blocks(x, scale, axis, block);
    fits = fits && (block != 0 || scale->rank == 0 || n <= 1 || x->shape[axis] < 0 || n == x->shape[axis]);
    if (fits && (n < 0 || m < 0 || n == m))
        return true;
    mt_node_error(node, error,
                  "a scale and zero point for all, one for each entry of the axis, or one for each block of it, are supported");
    return false;
}

static bool infer_quantize(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *zero = mt_node_input(node, 2);
    int64_t         wanted = mt_node_int(node, "output_dtype", 0);
    mt_dtype        dtype = zero != NULL ? zero->dtype : (wanted > 0 && wanted < 100 ? mt_dtype_from_onnx((int32_t)wanted) : MT_U8);

    if (!mt_want_inputs(node, 2, 3, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT | MT_TYPE_BIT(MT_I32), error) ||
        !mt_want_type(node, 1, MT_TYPES_FLOAT, error) || !check_scale(node, error))
        return false;
    if (!(MT_TYPE_BIT(dtype) & (MT_TYPES_BYTE | MT_TYPE_BIT(MT_I16) | MT_TYPE_BIT(MT_U16) | MT_TYPES_FLOAT8 | MT_TYPES_NIBBLE))) {
        mt_node_error(node, error, "quantising to %s is not supported", mt_dtype_name(dtype));
        return false;
    }
    mt_set_output(node, 0, dtype, x->rank, x->shape);
    return true;
}

/* One scale for all, float32 to uint8.  Rounding x before the zero point is added or after is the same, and so is clipping first:
 * the bounds are whole.  NaN gives the lower bound's 0, as the slow way does. */
static bool quantize_bytes(const quantiser *q, const mt_tensor *x, mt_tensor *y)
{
    const float  magic = 12582912.0f; /* 1.5 x 2^23: adding and taking it away rounds to even */
    const float *in = x->data;
    uint8_t     *out = y->data;
    int64_t      count = mt_tensor_count(y);

    if (!q->single || x->dtype != MT_F32 || q->scale->dtype != MT_F32 || y->dtype != MT_U8)
        return false;
    float scale = (float)scale_at(q, 0), zero = (float)zero_at(q, 0), low = -zero, high = 255 - zero;
    for (int64_t i = 0; i < count; i++) {
        float value = in[i] / scale;

        value = value > low ? value : low;
        value = value < high ? value : high;
        out[i] = (uint8_t)(int32_t)(((value + magic) - magic) + zero);
    }
    return true;
}

static bool run_quantize(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    quantiser q = make_quantiser(inputs[1], node->inputs->len > 2 ? inputs[2] : NULL, inputs[0], node);
    int64_t   count = mt_tensor_count(outputs[0]);

    (void)error;
    bool wraps = mt_dtype_is_float8(outputs[0]->dtype) && mt_node_int(node, "saturate", 1) == 0;
    if (quantize_bytes(&q, inputs[0], outputs[0]))
        return true;
    for (int64_t i = 0; i < count; i++) {
        /* Division in float32, as other engines do: it decides ties. */
        double value = (double)((float)mt_element_double(inputs[0], i) / (float)scale_at(&q, i));

        if (!mt_dtype_is_float(outputs[0]->dtype))
            value = nearbyint(value) + zero_at(&q, i);
        mt_store_doubles(outputs[0], i, 1, &value);
        if (wraps)
            ((uint8_t *)outputs[0]->data)[i] = mt_float8_encode(outputs[0]->dtype, value, false);
    }
    return true;
}

static bool infer_dequantize(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);

    if (!mt_want_inputs(node, 2, 3, error) || !mt_want_type(node, 0, MT_TYPES_INT | MT_TYPES_FLOAT8 | MT_TYPES_NIBBLE, error) ||
        !mt_want_same_type(node, 0, 2, error) || !mt_want_type(node, 1, MT_TYPES_FLOAT, error) || !check_scale(node, error))
        return false;
    mt_set_output(node, 0, mt_node_input(node, 1)->dtype, x->rank, x->shape);
    return true;
}

/* Bytes to float32, a stretch of one scale at a time: the product of 9 bits and 24 is rounded once, as in double. */
static bool dequantize_bytes(const quantiser *q, const mt_tensor *x, mt_tensor *y)
{
    int64_t count = mt_tensor_count(y), stretch = q->single ? count : q->inner;
    float  *out = y->data;

    if (q->blocks > 0 || (x->dtype != MT_U8 && x->dtype != MT_I8) || y->dtype != MT_F32 || q->scale->dtype != MT_F32)
        return false;
    for (int64_t first = 0; first < count; first += stretch) {
        float   scale = (float)scale_at(q, first);
        int32_t zero = (int32_t)zero_at(q, first);

        if (x->dtype == MT_U8)
            for (int64_t i = first; i < first + stretch; i++)
                out[i] = (float)((int32_t)((const uint8_t *)x->data)[i] - zero) * scale;
        else
            for (int64_t i = first; i < first + stretch; i++)
                out[i] = (float)((int32_t)((const int8_t *)x->data)[i] - zero) * scale;
    }
    return true;
}

static bool run_dequantize(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    quantiser q = make_quantiser(inputs[1], node->inputs->len > 2 ? inputs[2] : NULL, inputs[0], node);
    int64_t   count = mt_tensor_count(outputs[0]);

    (void)error;
    if (dequantize_bytes(&q, inputs[0], outputs[0]))
        return true;
    for (int64_t i = 0; i < count; i++) {
        bool   floats = mt_dtype_is_float8(inputs[0]->dtype); /* their zero point is 0 */
        double value = (floats ? mt_element_double(inputs[0], i) : (double)mt_element_int(inputs[0], i) - zero_at(&q, i)) * scale_at(&q, i);

        mt_store_doubles(outputs[0], i, 1, &value);
    }
    return true;
}

static bool infer_dynamic(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);

    if (!mt_want_inputs(node, 1, 1, error) || !mt_want_type(node, 0, MT_TYPE_BIT(MT_F32), error))
        return false;
    mt_set_output(node, 0, MT_U8, x->rank, x->shape);
    mt_set_output(node, 1, MT_F32, 0, NULL);
    mt_set_output(node, 2, MT_U8, 0, NULL);
    return true;
}

/* The range of the data, widened to hold 0, spread over 0 .. 255; in float32, as the format defines it. */
static bool run_dynamic(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const float *x = inputs[0]->data;
    int64_t      count = mt_tensor_count(inputs[0]);
    float        low = 0, high = 0;

    (void)error;
    for (int64_t i = 0; i < count; i++) {
        low = MIN(low, x[i]);
        high = MAX(high, x[i]);
    }
    float scale = (high - low) / 255, zero = scale == 0 ? 0 : nearbyintf(CLAMP(-low / scale, 0, 255));
    for (int64_t i = 0; i < count && outputs[0] != NULL; i++) {
        double value = scale == 0 ? 0 : nearbyintf(x[i] / scale) + zero;
        mt_store_doubles(outputs[0], i, 1, &value);
    }
    const double results[] = {0, scale, zero};
    for (guint k = 1; k < MIN(node->outputs->len, 3); k++)
        if (outputs[k] != NULL)
            mt_store_doubles(outputs[k], 0, 1, &results[k]);
    return true;
}

/* Batches in front of the left factor; the right one has the same or none. */
static bool infer_product(mt_node *node, int right, mt_dtype dtype, GError **error)
{
    const mt_value *a = mt_node_input(node, 0), *b = mt_node_input(node, right);
    int64_t         shape[MT_MAX_RANK];

    if (!mt_want_type(node, 0, MT_TYPES_BYTE, error) || !mt_want_type(node, right, MT_TYPES_BYTE, error) ||
        !mt_want_rank(node, 0, 2, MT_MAX_RANK, error) || !mt_want_rank(node, right, 2, MT_MAX_RANK, error))
        return false;
    int64_t columns = a->shape[a->rank - 1], rows = b->shape[b->rank - 2];
    bool    fits = (columns < 0 || rows < 0 || columns == rows) && (b->rank == 2 || b->rank == a->rank);
    for (int i = 0; i < b->rank - 2; i++)
        fits = fits && (a->shape[i] < 0 || b->shape[i] < 0 || a->shape[i] == b->shape[i]);
    if (!fits) {
        g_autofree char *left = mt_shape_to_string(a->rank, a->shape), *other = mt_shape_to_string(b->rank, b->shape);
        mt_node_error(node, error, "shapes %s and %s cannot be multiplied", left, other);
        return false;
    }
    memcpy(shape, a->shape, sizeof shape);
    shape[a->rank - 1] = b->shape[b->rank - 1];
    mt_set_output(node, 0, dtype, a->rank, shape);
    return true;
}

/* Entry i of a zero point or scale that may be one for all. */
static int64_t zero_of(const mt_tensor *zero, int64_t i)
{
    return zero == NULL ? 0 : mt_element_int(zero, mt_tensor_count(zero) > 1 ? i : 0);
}

static double scale_of(const mt_tensor *scale, int64_t i)
{
    return mt_element_double(scale, mt_tensor_count(scale) > 1 ? i : 0);
}

/* A vector of one entry, or of `n`. */
static bool want_entries(const mt_node *node, int input, int64_t n, GError **error)
{
    const mt_value *value = mt_node_input(node, input);
    int64_t         count = value == NULL ? 1 : mt_value_count(value);

    if (count == 1 || count < 0 || n < 0 || count == n)
        return true;
    mt_node_error(node, error, "input '%s' has %" G_GINT64_FORMAT " entries, 1 or %" G_GINT64_FORMAT " are needed", value->name, count, n);
    return false;
}

static int64_t dot(const mt_tensor *a, const mt_tensor *b, int64_t row, int64_t column, const mt_tensor *a_zero, const mt_tensor *b_zero)
{
    int64_t depth = b->shape[b->rank - 2], n = b->shape[b->rank - 1], sum = 0, az = zero_of(a_zero, row), bz = zero_of(b_zero, column);
    int64_t batch = b->rank > 2 ? row / a->shape[a->rank - 2] * depth * n : 0;

    for (int64_t k = 0; k < depth; k++)
        sum += (mt_element_int(a, row * depth + k) - az) * (mt_element_int(b, batch + k * n + column) - bz);
    return sum;
}

static bool infer_matmul_integer(mt_node *node, GError **error)
{
    const mt_value *a = mt_node_input(node, 0), *b = mt_node_input(node, 1);

    if (!mt_want_inputs(node, 2, 4, error) || !infer_product(node, 1, MT_I32, error))
        return false;
    return want_entries(node, 2, a->rank == 2 ? a->shape[0] : 1, error) && want_entries(node, 3, b->shape[b->rank - 1], error);
}

static bool run_matmul_integer(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    int64_t n = inputs[1]->shape[inputs[1]->rank - 1], count = mt_tensor_count(outputs[0]);

    (void)error;
    for (int64_t i = 0; i < count; i++) {
        int64_t sum =
            dot(inputs[0], inputs[1], i / n, i % n, node->inputs->len > 2 ? inputs[2] : NULL, node->inputs->len > 3 ? inputs[3] : NULL);
        mt_store_ints(outputs[0], i, 1, &sum);
    }
    return true;
}

/* a, scale, zero, b, scale, zero, scale of y, zero of y */
static bool infer_qlinear_matmul(mt_node *node, GError **error)
{
    if (!mt_want_inputs(node, 8, 8, error) || !mt_want_type(node, 7, MT_TYPES_BYTE, error) ||
        !infer_product(node, 3, mt_node_input(node, 7)->dtype, error))
        return false;
    const mt_value *b = mt_node_input(node, 3);
    int64_t         n = b->shape[b->rank - 1];
    for (int i = 1; i < 8; i++)
        if (i != 3 && (!want_entries(node, i, i == 4 || i == 5 ? n : 1, error)))
            return false;
    return true;
}

static bool run_qlinear_matmul(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    int64_t n = inputs[3]->shape[inputs[3]->rank - 1], count = mt_tensor_count(outputs[0]);

    (void)node, (void)error;
    for (int64_t i = 0; i < count; i++) {
        double factor = scale_of(inputs[1], 0) * scale_of(inputs[4], i % n) / scale_of(inputs[6], 0);
        double value =
            nearbyint((double)dot(inputs[0], inputs[3], i / n, i % n, inputs[2], inputs[5]) * factor) + (double)zero_of(inputs[7], 0);

        mt_store_doubles(outputs[0], i, 1, &value);
    }
    return true;
}

/* Where the inputs of the two integer convolutions stand; -1: not there. */
typedef struct {
    int w, x_zero, w_zero, x_scale, w_scale, y_scale, y_zero, bias;
} conv_places;

static const conv_places integer_places = {1, 2, 3, -1, -1, -1, -1, -1}, qlinear_places = {3, 2, 5, 1, 4, 6, 7, 8};

static const conv_places *places_of(const mt_node *node)
{
    return strcmp(node->op, "ConvInteger") == 0 ? &integer_places : &qlinear_places;
}

static bool infer_integer_conv(mt_node *node, GError **error)
{
    const conv_places *at = places_of(node);
    bool               quantised = at->y_zero >= 0;
    int64_t            group = mt_node_int(node, "group", 1), shape[MT_MAX_RANK];
    mt_window          window;

    if (!mt_want_inputs(node, quantised ? 8 : 2, quantised ? 9 : 4, error) || !mt_want_type(node, 0, MT_TYPES_BYTE, error) ||
        !mt_want_type(node, at->w, MT_TYPES_BYTE, error) || !mt_want_rank(node, 0, 3, 5, error) ||
        !mt_want_type(node, at->y_zero, MT_TYPES_BYTE, error))
        return false;
    const mt_value *x = mt_node_input(node, 0), *w = mt_node_input(node, at->w);
    if (w->rank != x->rank || group < 1 || w->shape[0] < 0 || w->shape[1] < 0 || w->shape[0] % group != 0 ||
        (x->shape[1] >= 0 && (x->shape[1] % group != 0 || x->shape[1] / group != w->shape[1]))) {
        mt_node_error(node, error, "data, weights and group %" G_GINT64_FORMAT " do not fit", group);
        return false;
    }
    if (!want_entries(node, at->x_zero, 1, error) || !want_entries(node, at->w_zero, w->shape[0], error) ||
        !want_entries(node, at->w_scale, w->shape[0], error) || !want_entries(node, at->x_scale, 1, error) ||
        !want_entries(node, at->y_scale, 1, error) || !want_entries(node, at->y_zero, 1, error) ||
        (mt_node_input(node, at->bias) != NULL && mt_value_count(mt_node_input(node, at->bias)) != w->shape[0]) ||
        !mt_window_read(node, x->rank - 2, x->shape + 2, w->shape + 2, &window, error)) {
        if (error != NULL && *error == NULL)
            mt_node_error(node, error, "the bias does not fit the weights");
        return false;
    }
    shape[0] = x->shape[0];
    shape[1] = w->shape[0];
    for (int i = 0; i < window.dims; i++)
        shape[i + 2] = window.out[i];
    mt_set_output(node, 0, quantised ? mt_node_input(node, at->y_zero)->dtype : MT_I32, x->rank, shape);
    return true;
}

/* One output of an integer convolution; pads hold the zero point, so they add nothing. */
static int64_t conv_at(const mt_window *v, const mt_tensor *x, const mt_tensor *w, int64_t plane, int64_t channel, int64_t place,
                       int64_t x_zero, int64_t w_zero)
{
    int64_t o[] = {place / (v->out[1] * v->out[2]), place / v->out[2] % v->out[1], place % v->out[2]}, sum = 0;
    int64_t taps = v->kernel[0] * v->kernel[1] * v->kernel[2], channels = w->shape[1], size = v->in[0] * v->in[1] * v->in[2];

    for (int64_t t = 0; t < taps; t++) {
        int64_t k[] = {t / (v->kernel[1] * v->kernel[2]), t / v->kernel[2] % v->kernel[1], t % v->kernel[2]}, at = 0;
        bool    inside = true;

        for (int i = 0; i < 3; i++) {
            int64_t position = o[i] * v->stride[i] - v->pad[i] + k[i] * v->dilation[i];
            inside = inside && position >= 0 && position < v->in[i];
            at = at * v->in[i] + position;
        }
        for (int64_t c = 0; inside && c < channels; c++)
            sum +=
                (mt_element_int(x, (plane + c) * size + at) - x_zero) * (mt_element_int(w, (channel * channels + c) * taps + t) - w_zero);
    }
    return sum;
}

static const mt_tensor *input_at(const mt_node *node, const mt_tensor *const *inputs, int i)
{
    return i >= 0 && (guint)i < node->inputs->len ? inputs[i] : NULL;
}

static bool run_integer_conv(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const conv_places *at = places_of(node);
    const mt_tensor   *x = inputs[0], *w = inputs[at->w], *bias = input_at(node, inputs, at->bias),
                    *w_zero = input_at(node, inputs, at->w_zero);
    int64_t   group = mt_node_int(node, "group", 1), filters = w->shape[0], x_zero = zero_of(input_at(node, inputs, at->x_zero), 0);
    mt_window v;

    if (!mt_window_read(node, x->rank - 2, x->shape + 2, w->shape + 2, &v, error))
        return false;
    mt_window_widen(&v);
    int64_t size = mt_product_of(v.out, 0, 3), count = mt_tensor_count(outputs[0]);
    for (int64_t i = 0; i < count; i++) {
        int64_t filter = i / size % filters, plane = (i / size / filters * group + filter / (filters / group)) * w->shape[1];
        int64_t sum =
            conv_at(&v, x, w, plane, filter, i % size, x_zero, zero_of(w_zero, filter)) + (bias != NULL ? mt_element_int(bias, filter) : 0);

        if (at->y_zero < 0) {
            mt_store_ints(outputs[0], i, 1, &sum);
            continue;
        }
        double factor = scale_of(inputs[at->x_scale], 0) * scale_of(inputs[at->w_scale], filter) / scale_of(inputs[at->y_scale], 0);
        double value = nearbyint((double)sum * factor) + (double)zero_of(inputs[at->y_zero], 0);
        mt_store_doubles(outputs[0], i, 1, &value);
    }
    return true;
}

const mt_operator mt_family_quantize[] = {
    {"QuantizeLinear", 10, 21, infer_quantize, run_quantize},      {"DequantizeLinear", 10, 21, infer_dequantize, run_dequantize},
    {"DynamicQuantizeLinear", 11, 21, infer_dynamic, run_dynamic}, {"MatMulInteger", 10, 21, infer_matmul_integer, run_matmul_integer},
    {"ConvInteger", 10, 21, infer_integer_conv, run_integer_conv}, {"QLinearMatMul", 10, 21, infer_qlinear_matmul, run_qlinear_matmul},
    {"QLinearConv", 10, 21, infer_integer_conv, run_integer_conv}, {NULL, 0, 0, NULL, NULL},
};

/* Operators that ONNX lacks; the graph passes make them.
 *   mt.Activation  attributes function, alpha, beta (kernels/graph/activation.h)
 *   mt.Attention   inputs q (.., L, D), kt (.., D, S), v (.., S, E), mask broadcast to (.., L, S) or none; attribute scale:
 *                  softmax(scale q kt + mask) v
 *   mt.Requantize  attributes scale, zero, unsigned: a float32 as it comes back from bytes, (clamp(round(x / scale) + zero) - zero)
 *                  * scale */
#include "kernels/graph/activation.h"
#include "kernels/reference/families.h"
#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

static bool infer_activation(mt_node *node, GError **error)
{
    const mt_value *in = mt_node_input(node, 0);
    mt_value       *out = mt_node_output(node, 0);

    if (in == NULL || out == NULL || (in->dtype != MT_F32 && in->dtype != MT_DTYPE_NONE)) {
        mt_node_error(node, error, "it needs one float32 input");
        return false;
    }
    out->dtype = in->dtype;
    out->rank = in->rank;
    memcpy(out->shape, in->shape, sizeof out->shape);
    return true;
}

static bool run_activation(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    mt_activation f[MT_ACTIVATIONS_MAX];
    const float  *x = inputs[0]->data;
    float        *y = outputs[0]->data;
    int           input, n = mt_node_activations(node, f, &input);

    (void)error;
    for (int64_t i = 0; i < mt_tensor_count(outputs[0]); i++) {
        double v = x[i];
        for (int k = 0; k < n; k++)
            v = mt_activation_apply(&f[k], v);
        y[i] = (float)v;
    }
    return true;
}

/* Half to even, as QuantizeLinear rounds. */
static bool run_requantize(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    bool         whole = mt_node_int(node, "unsigned", 1) != 0;
    double       zero = (double)mt_node_int(node, "zero", 0), low = whole ? 0 : -128, high = whole ? 255 : 127;
    float        scale = (float)mt_node_float(node, "scale", 1);
    const float *x = inputs[0]->data;
    float       *y = outputs[0]->data;

    (void)error;
    for (int64_t i = 0; i < mt_tensor_count(outputs[0]); i++)
        y[i] = (float)(CLAMP(nearbyint(x[i] / scale) + zero, low, high) - zero) * scale;
    return true;
}

static bool infer_attention(mt_node *node, GError **error)
{
    const mt_value *q = mt_node_input(node, 0), *v = mt_node_input(node, 2);
    mt_value       *out = mt_node_output(node, 0);

    if (q == NULL || v == NULL || mt_node_input(node, 1) == NULL || out == NULL || q->rank < 2 || v->rank != q->rank) {
        mt_node_error(node, error, "it needs q, kt and v of one rank");
        return false;
    }
    out->dtype = q->dtype;
    out->rank = q->rank;
    memcpy(out->shape, q->shape, sizeof out->shape);
    out->shape[q->rank - 1] = v->shape[q->rank - 1];
    return true;
}

/* Element of `mask`, broadcast over the scores, for matrix `batch`, row i, column k. */
static double mask_at(const mt_tensor *mask, const mt_tensor *q, int64_t batch, int64_t i, int64_t k)
{
    int64_t index = 0, stride = 1;

    for (int axis = mask->rank - 1; axis >= 0; axis--) {
        int     own = axis + q->rank - mask->rank;
        int64_t at = own == q->rank - 1 ? k : own == q->rank - 2 ? i : batch % q->shape[own];

        if (own < q->rank - 2)
            batch /= q->shape[own];
        index += (mask->shape[axis] == 1 ? 0 : at) * stride;
        stride *= mask->shape[axis];
    }
    return ((const float *)mask->data)[index];
}

static void softmax(double *row, int64_t n)
{
    double most = -INFINITY, sum = 0;

    for (int64_t k = 0; k < n; k++)
        most = fmax(most, row[k]);
    for (int64_t k = 0; k < n; k++)
        sum += row[k] = exp(row[k] - most);
    for (int64_t k = 0; k < n; k++)
        row[k] /= sum;
}

static bool run_attention(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *q = inputs[0], *mask = node->inputs->len > 3 ? inputs[3] : NULL;
    int64_t          l = q->shape[q->rank - 2], d = q->shape[q->rank - 1];
    int64_t          s = inputs[1]->shape[q->rank - 1], e = inputs[2]->shape[q->rank - 1];
    double           scale = mt_node_float(node, "scale", 1), *row = mt_alloc(s + e, sizeof *row, error);

    if (row == NULL)
        return false;
    for (int64_t r = 0; l * d > 0 && r < mt_tensor_count(q) / d; r++) {
        const float *qr = (const float *)q->data + r * d, *kt = (const float *)inputs[1]->data + r / l * d * s;
        const float *v = (const float *)inputs[2]->data + r / l * s * e;

        for (int64_t k = 0; k < s; k++) {
            row[k] = 0;
            for (int64_t i = 0; i < d; i++)
                row[k] += (double)qr[i] * kt[i * s + k];
            row[k] = row[k] * scale + (mask == NULL ? 0 : mask_at(mask, q, r / l, r % l, k));
        }
        softmax(row, s);
        memset(row + s, 0, (size_t)e * sizeof *row);
        for (int64_t k = 0; k < s; k++)
            for (int64_t i = 0; i < e; i++)
                row[s + i] += row[k] * v[k * e + i];
        for (int64_t i = 0; i < e; i++)
            ((float *)outputs[0]->data)[r * e + i] = (float)row[s + i];
    }
    mt_free(row);
    return true;
}

const mt_operator mt_family_fused[] = {
    {"mt.Activation", 0, 0, infer_activation, run_activation},
    {"mt.Attention", 0, 0, infer_attention, run_attention},
    {"mt.Requantize", 0, 0, infer_activation, run_requantize},
    {NULL, 0, 0, NULL, NULL},
};

/* Signals: the three windows, and the discrete Fourier transform by its definition, sums in double. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "src/base/alloc.h"
#include "src/base/limits.h"

#include <math.h>
#include <string.h>

static bool read_type(const mt_node *node, mt_dtype *dtype, GError **error)
{
    int64_t wanted = mt_node_int(node, "output_datatype", 1);

    *dtype = wanted > 0 && wanted < 1000 ? mt_dtype_from_onnx((int32_t)wanted) : MT_DTYPE_NONE;
    if (*dtype != MT_DTYPE_NONE && (MT_TYPES_NUMBER & MT_TYPE_BIT(*dtype)) != 0)
        return true;
    mt_node_error(node, error, "output_datatype %" G_GINT64_FORMAT " is not supported", wanted);
    return false;
}

static bool infer_window(mt_node *node, GError **error)
{
    const mt_value *size = mt_node_input(node, 0);
    int64_t         n = -1;
    mt_dtype        dtype;

    if (!mt_want_inputs(node, 1, 1, error) || !mt_want_type(node, 0, MT_TYPES_INDEX, error) || !mt_want_rank(node, 0, 0, 1, error) ||
        !read_type(node, &dtype, error))
        return false;
    if (size->constant != NULL && mt_tensor_count(size->constant) == 1)
        n = mt_element_int(size->constant, 0);
    if (size->constant != NULL && (n < 0 || n > MT_LIMIT_TENSOR_BYTES)) {
        mt_node_error(node, error, "a window of %" G_GINT64_FORMAT " is out of range", n);
        return false;
    }
    mt_set_output(node, 0, dtype, 1, &n);
    return true;
}

static bool run_window(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    int64_t n = outputs[0]->shape[0];
    double  period = (double)(mt_node_int(node, "periodic", 1) != 0 ? n : n - 1), a[3] = {0.5, 0.5, 0};

    (void)inputs, (void)error;
    if (strcmp(node->op, "HammingWindow") == 0) {
        a[0] = 25.0 / 46.0;
        a[1] = 1 - a[0];
    }
    if (strcmp(node->op, "BlackmanWindow") == 0) {
        a[0] = 0.42;
        a[2] = 0.08;
    }
    for (int64_t i = 0; i < n; i++) {
        double angle = period > 0 ? 2 * G_PI * (double)i / period : G_PI, value = a[0] - a[1] * cos(angle) + a[2] * cos(2 * angle);
        mt_store_doubles(outputs[0], i, 1, &value);
    }
    return true;
}

/* The axis is an attribute (1) up to opset 19, then an input (-2). */
static mt_list_state read_dft_axis(const mt_node *node, const mt_tensor *const *inputs, int rank, int *axis, GError **error)
{
    int64_t       value = node->opset < 20 ? 1 : -2;
    int           n;
    mt_list_state state = mt_node_list(node, inputs, node->opset < 20 ? -1 : 2, node->opset < 20 ? "axis" : NULL, &value, 1, &n, error);

    if (state == MT_LIST_BAD || state == MT_LIST_OPEN)
        return state;
    if (!mt_want_axis(node, value, rank, axis, error))
        return MT_LIST_BAD;
    if (*axis < rank - 1)
        return MT_LIST_KNOWN;
    mt_node_error(node, error, "the last axis holds the real and imaginary parts, it cannot be transformed");
    return MT_LIST_BAD;
}

static bool infer_dft(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    bool            half = mt_node_int(node, "onesided", 0) != 0, inverse = mt_node_int(node, "inverse", 0) != 0;
    int64_t         length = -1, shape[MT_MAX_RANK];
    int             axis = 0, n;

    if (!mt_want_inputs(node, 1, 3, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) ||
        !mt_want_rank(node, 0, 2, MT_MAX_RANK, error))
        return false;
    mt_list_state axis_state = read_dft_axis(node, NULL, x->rank, &axis, error);
    if (axis_state == MT_LIST_BAD)
        return false;
    mt_list_state state = mt_node_list(node, NULL, 1, NULL, &length, 1, &n, error);
    if (state == MT_LIST_BAD)
        return false;
    if (state == MT_LIST_ABSENT)
        length = x->shape[axis];
    int64_t parts = x->shape[x->rank - 1];
    if ((half && inverse) || (parts >= 0 && parts != 1 && parts != 2) || (state == MT_LIST_KNOWN && length < 1) ||
        length > MT_LIMIT_TENSOR_BYTES) {
        mt_node_error(node, error, "a last axis of 1 or 2, a positive length, and not both of onesided and inverse are supported");
        return false;
    }
    for (int i = 0; i < x->rank; i++)
        shape[i] = axis_state == MT_LIST_OPEN ? -1 : x->shape[i];
    shape[axis] = length < 0 || axis_state == MT_LIST_OPEN ? -1 : (half ? length / 2 + 1 : length);
    shape[x->rank - 1] = 2;
    mt_set_output(node, 0, x->dtype, x->rank, shape);
    return true;
}

typedef struct {
    int64_t length, in, out; /* of the transform; elements there are of it; elements wanted */
    double *row;             /* in complex ones */
    double *turns;           /* cos, sin of k / length of a turn */
} dft_plan;

static void transform_row(const dft_plan *p, int64_t k, double *re, double *im)
{
    int64_t n = MIN(p->in, p->length);

    *re = *im = 0;
    for (int64_t i = 0, at = 0; i < n; i++, at = (at + k) % p->length) {
        double c = p->turns[2 * at], s = p->turns[2 * at + 1], a = p->row[2 * i], b = p->row[2 * i + 1];

        *re += a * c - b * s;
        *im += a * s + b * c;
    }
}

static void transform_all(const dft_plan *p, const mt_tensor *x, mt_tensor *y, int axis, double scale)
{
    int64_t parts = x->shape[x->rank - 1], inner = mt_product_of(x->shape, axis + 1, x->rank - 1);
    int64_t rows = mt_product_of(x->shape, 0, axis) * inner;

    for (int64_t r = 0; r < rows; r++) {
        int64_t source = r / inner * p->in * inner + r % inner, target = r / inner * p->out * inner + r % inner;

        for (int64_t i = 0; i < p->in; i++)
            for (int64_t k = 0; k < 2; k++)
                p->row[2 * i + k] = k < parts ? mt_element_double(x, (source + i * inner) * parts + k) : 0;
        for (int64_t k = 0; k < p->out; k++) {
            double value[2];

            transform_row(p, k, &value[0], &value[1]);
            value[0] *= scale;
            value[1] *= scale;
            mt_store_doubles(y, (target + k * inner) * 2, 2, value);
        }
    }
}

static bool run_dft(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    bool             inverse = mt_node_int(node, "inverse", 0) != 0;
    int              axis, n;
    dft_plan         p = {0};

    if (read_dft_axis(node, inputs, x->rank, &axis, error) != MT_LIST_KNOWN)
        return false;
    p.length = p.in = x->shape[axis];
    p.out = outputs[0]->shape[axis];
    if (mt_node_list(node, inputs, 1, NULL, &p.length, 1, &n, error) == MT_LIST_BAD)
        return false;
    if (p.length < 1)
        return true;
    p.row = mt_alloc(p.in, 2 * sizeof *p.row, error);
    p.turns = p.row == NULL ? NULL : mt_alloc(p.length, 2 * sizeof *p.turns, error);
    for (int64_t k = 0; k < p.length && p.turns != NULL; k++) {
        double angle = (inverse ? 2 : -2) * G_PI * (double)k / (double)p.length;
        p.turns[2 * k] = cos(angle);
        p.turns[2 * k + 1] = sin(angle);
    }
    if (p.turns != NULL)
        transform_all(&p, x, outputs[0], axis, inverse ? 1 / (double)p.length : 1);
    bool ok = p.turns != NULL;
    mt_free(p.row);
    mt_free(p.turns);
    return ok;
}

const mt_operator mt_family_signal[] = {
    {"BlackmanWindow", 17, 21, infer_window, run_window},
    {"DFT", 17, 21, infer_dft, run_dft},
    {"HammingWindow", 17, 21, infer_window, run_window},
    {"HannWindow", 17, 21, infer_window, run_window},
    {NULL, 0, 0, NULL, NULL},
};

/* Softmax, LogSoftmax, Hardmax.  Up to opset 12 everything from the axis on is one row, from 13 on only the axis. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

static bool read_axis(const mt_node *node, int rank, int *axis, GError **error)
{
    if (rank == 0) {
        *axis = 0;
        return true;
    }
    return mt_want_axis(node, mt_node_int(node, "axis", node->opset < 13 ? MIN(1, rank - 1) : -1), rank, axis, error);
}

static bool infer_softmax(mt_node *node, GError **error)
{
    int axis;

    if (!mt_want_inputs(node, 1, 1, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) ||
        !read_axis(node, mt_node_input(node, 0)->rank, &axis, error))
        return false;
    mt_set_like_input(node);
    return true;
}

static void softmax_row(double *x, int64_t n, bool log_of_it)
{
    double top = -INFINITY, sum = 0;

    for (int64_t i = 0; i < n; i++)
        top = x[i] > top || isnan(x[i]) ? x[i] : top;
    for (int64_t i = 0; i < n; i++)
        sum += exp(x[i] - top);
    for (int64_t i = 0; i < n; i++)
        x[i] = log_of_it ? x[i] - top - log(sum) : exp(x[i] - top) / sum;
}

static void hardmax_row(double *x, int64_t n)
{
    int64_t best = 0;

    for (int64_t i = 1; i < n; i++)
        best = x[i] > x[best] ? i : best;
    for (int64_t i = 0; i < n; i++)
        x[i] = i == best;
}

static bool run_softmax(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    bool             hard = strcmp(node->op, "Hardmax") == 0, log_of_it = strcmp(node->op, "LogSoftmax") == 0;
    int              axis;

    if (!read_axis(node, x->rank, &axis, error))
        return false;
    int     end = node->opset < 13 ? x->rank : MIN(axis + 1, x->rank);
    int64_t n = mt_product_of(x->shape, axis, end), inner = mt_product_of(x->shape, end, x->rank),
            rows = mt_product_of(x->shape, 0, axis) * inner;
    double *row = mt_alloc(n, sizeof *row, error);
    if (row == NULL)
        return false;
    for (int64_t r = 0; r < rows && n > 0; r++) {
        int64_t start = r / inner * n * inner + r % inner;

        for (int64_t i = 0; i < n; i += MT_RUN)
            mt_load_doubles(x, start + i * inner, inner, (int)MIN(MT_RUN, n - i), row + i);
        if (hard)
            hardmax_row(row, n);
        else
            softmax_row(row, n, log_of_it);
        for (int64_t i = 0; i < n; i += inner == 1 ? MT_RUN : 1)
            mt_store_doubles(outputs[0], start + i * inner, inner == 1 ? (int)MIN(MT_RUN, n - i) : 1, row + i);
    }
    mt_free(row);
    return true;
}

const mt_operator mt_family_softmax[] = {
    {"Softmax", 1, 21, infer_softmax, run_softmax},
    {"LogSoftmax", 1, 21, infer_softmax, run_softmax},
    {"Hardmax", 1, 21, infer_softmax, run_softmax},
    {NULL, 0, 0, NULL, NULL},
};

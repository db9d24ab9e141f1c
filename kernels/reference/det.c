/* Det: determinants by elimination with pivots, in double. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "src/base/alloc.h"

#include <math.h>

static bool infer_det(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);

    if (!mt_want_inputs(node, 1, 1, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) ||
        !mt_want_rank(node, 0, 2, MT_MAX_RANK, error))
        return false;
    int64_t a = x->shape[x->rank - 2], b = x->shape[x->rank - 1];
    if (a >= 0 && b >= 0 && a != b) {
        mt_node_error(node, error, "a matrix of %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT " has no determinant", a, b);
        return false;
    }
    mt_set_output(node, 0, x->dtype, x->rank - 2, x->shape);
    return true;
}

static double determinant(double *m, int64_t n)
{
    double result = 1;

    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;

        for (int64_t i = k + 1; i < n; i++)
            if (fabs(m[i * n + k]) > fabs(m[pivot * n + k]))
                pivot = i;
        if (m[pivot * n + k] == 0)
            return 0;
        for (int64_t j = k; j < n && pivot != k; j++) {
            double held = m[k * n + j];
            m[k * n + j] = m[pivot * n + j];
            m[pivot * n + j] = held;
        }
        result *= pivot == k ? m[k * n + k] : -m[k * n + k];
        for (int64_t i = k + 1; i < n; i++) {
            double factor = m[i * n + k] / m[k * n + k];

            for (int64_t j = k; j < n; j++)
                m[i * n + j] -= factor * m[k * n + j];
        }
    }
    return result;
}

static bool run_det(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    int64_t n = inputs[0]->shape[inputs[0]->rank - 1], size = n * n, count = mt_tensor_count(outputs[0]);
    double *m = mt_alloc(size, sizeof *m, error);

    (void)node;
    if (m == NULL)
        return false;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t at = 0; at < size; at += MT_RUN)
            mt_load_doubles(inputs[0], i * size + at, 1, (int)MIN(MT_RUN, size - at), m + at);
        double value = determinant(m, n);
        mt_store_doubles(outputs[0], i, 1, &value);
    }
    mt_free(m);
    return true;
}

const mt_operator mt_family_det[] = {
    {"Det", 11, 21, infer_det, run_det},
    {NULL, 0, 0, NULL, NULL},
};

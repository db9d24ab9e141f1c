/* Operators whose result is an order or a place: TopK, NonZero. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/strided.h"
#include "src/base/alloc.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
    double  value;
    int64_t whole; /* the value of an integer, which a double may not hold */
    int64_t index;
} ranked;

/* Largest first; of equals the first in the input.  NaN ranks above everything. */
static int compare_largest(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    if (isnan(x->value) || isnan(y->value)) {
        if (isnan(x->value) != isnan(y->value))
            return isnan(x->value) ? -1 : 1;
    } else if (x->value != y->value) {
        return x->value > y->value ? -1 : 1;
    }
    if (x->whole != y->whole)
        return x->whole > y->whole ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static int compare_smallest(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    if (isnan(x->value) || isnan(y->value)) {
        if (isnan(x->value) != isnan(y->value))
            return isnan(x->value) ? 1 : -1;
    } else if (x->value != y->value) {
        return x->value < y->value ? -1 : 1;
    }
    if (x->whole != y->whole)
        return x->whole < y->whole ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static bool infer_top_k(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    int64_t         k, shape[MT_MAX_RANK];
    int             axis, n;

    if (!mt_want_inputs(node, 1, 2, error) || !mt_want_type(node, 0, MT_TYPES_NUMBER, error) ||
        !mt_want_axis(node, mt_node_int(node, "axis", -1), x->rank, &axis, error))
        return false;
    mt_list_state state = mt_node_list(node, NULL, node->opset < 10 ? -1 : 1, "k", &k, 1, &n, error);
    if (state == MT_LIST_BAD)
        return false;
    if (state == MT_LIST_ABSENT || (state == MT_LIST_KNOWN && (n != 1 || k < 0 || (x->shape[axis] >= 0 && k > x->shape[axis])))) {
        mt_node_error(node, error, "k is missing or more than the axis has");
        return false;
    }
    for (int i = 0; i < x->rank; i++)
        shape[i] = i != axis ? x->shape[i] : (state == MT_LIST_KNOWN ? k : -1);
    mt_set_output(node, 0, x->dtype, x->rank, shape);
    mt_set_output(node, 1, MT_I64, x->rank, shape);
    return true;
}

static void store_ranked(const mt_tensor *x, const ranked *best, mt_tensor *values, mt_tensor *indices, int64_t at)
{
    if (values != NULL && mt_dtype_is_float(x->dtype))
        mt_store_doubles(values, at, 1, &best->value);
    else if (values != NULL)
        mt_store_ints(values, at, 1, &best->whole);
    if (indices != NULL)
        mt_store_ints(indices, at, 1, &best->index);
}

static bool run_top_k(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    mt_tensor       *values = outputs[0], *indices = node->outputs->len > 1 ? outputs[1] : NULL;
    bool             floats = mt_dtype_is_float(x->dtype), largest = mt_node_int(node, "largest", 1) != 0;
    int              axis;

    if (!mt_want_axis(node, mt_node_int(node, "axis", -1), x->rank, &axis, error))
        return false;
    int64_t n = x->shape[axis], k = (values != NULL ? values : indices)->shape[axis], inner = mt_product_of(x->shape, axis + 1, x->rank);
    int64_t rows = mt_product_of(x->shape, 0, axis) * inner;
    ranked *row = mt_alloc(n, sizeof *row, error);
    if (row == NULL)
        return false;
    for (int64_t r = 0; r < rows; r++) {
        int64_t start = r / inner * n * inner + r % inner, target = r / inner * k * inner + r % inner;

        for (int64_t i = 0; i < n; i++)
            row[i] = (ranked){
                .value = mt_element_double(x, start + i * inner), .whole = floats ? 0 : mt_element_int(x, start + i * inner), .index = i};
        qsort(row, (size_t)n, sizeof *row, largest ? compare_largest : compare_smallest);
        for (int64_t i = 0; i < k; i++)
            store_ranked(x, &row[i], values, indices, target + i * inner);
    }
    mt_free(row);
    return true;
}

static int64_t count_nonzero(const mt_tensor *x)
{
    int64_t count = mt_tensor_count(x), found = 0;

    for (int64_t i = 0; i < count; i++)
        found += mt_element_double(x, i) != 0;
    return found;
}

/* Its shape is data, so it is known for constants only. */
static bool infer_nonzero(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);

    if (!mt_want_inputs(node, 1, 1, error))
        return false;
    int64_t shape[] = {MAX(x->rank, 1), x->constant != NULL ? count_nonzero(x->constant) : -1};
    mt_set_output(node, 0, MT_I64, 2, shape);
    return true;
}

static bool run_nonzero(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    int64_t          count = mt_tensor_count(x), n = outputs[0]->shape[1], found = 0;

    (void)node, (void)error;
    for (int64_t i = 0; i < count && found < n; i++) {
        int64_t rest = i;

        if (mt_element_double(x, i) == 0)
            continue;
        for (int k = MAX(x->rank, 1) - 1; k >= 0; k--) {
            int64_t size = x->rank > 0 ? x->shape[k] : 1, index = rest % size;
            mt_store_ints(outputs[0], k * n + found, 1, &index);
            rest /= size;
        }
        found++;
    }
    return true;
}

const mt_operator mt_family_order[] = {
    {"TopK", 1, 21, infer_top_k, run_top_k},
    {"NonZero", 9, 21, infer_nonzero, run_nonzero},
    {NULL, 0, 0, NULL, NULL},
};

/* Gradients of what only moves elements. */
#include "kernels/graph/gradient_rules.h"

#include <string.h>

#define X mt_node_input(node, 0)

static void of_reshape(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give(r, X, mt_reverse_reshape(r, dy[0], X->rank, X->shape));
}

static void of_expand(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give_narrowed(r, X, dy[0], mt_node_output(node, 0));
}

static void of_transpose(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    int64_t        back[MT_MAX_RANK];
    int            n, rank = X->rank;
    const int64_t *perm = mt_node_ints(node, "perm", &n);

    for (int i = 0; i < rank; i++)
        back[n == rank ? perm[i] : rank - 1 - i] = i;
    mt_reverse_give(r, X, mt_reverse_permute(r, dy[0], rank, back));
}

/* Elements start .. end-1 along an axis. */
static mt_value *part(mt_reverse *r, mt_value *value, int64_t axis, int64_t start, int64_t end)
{
    return REVERSE_OP(r, "Slice", value, mt_reverse_list(r, &start, 1), mt_reverse_list(r, &end, 1), mt_reverse_list(r, &axis, 1));
}

static void of_concat(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    int64_t axis = mt_reverse_axis(mt_node_output(node, 0), mt_node_int(node, "axis", 1)), start = 0;

    for (guint i = 0; i < node->inputs->len; i++) {
        mt_value *input = mt_node_input(node, (int)i);
        int64_t   end = start + input->shape[axis];

        if (mt_reverse_wants(r, input))
            mt_reverse_give(r, input, part(r, dy[0], axis, start, end));
        start = end;
    }
}

static void of_split(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    g_autofree mt_value **parts = g_new0(mt_value *, node->outputs->len + 1);

    for (guint i = 0; i < node->outputs->len; i++)
        parts[i] = dy[i] != NULL ? dy[i] : mt_reverse_zeros(r, mt_node_output(node, (int)i));
    mt_value *whole = mt_reverse_op(r, "Concat", (int)node->outputs->len, parts);
    mt_reverse_int(whole, "axis", mt_reverse_axis(X, mt_node_int(node, "axis", 0)));
    mt_reverse_give(r, X, whole);
}

/* A list of integers that is known now: input i, or the attribute of old opsets. */
static const int64_t *list_of(const mt_node *node, int i, const char *name, int *n)
{
    const mt_value *value = mt_node_input(node, i);

    *n = 0;
    if (value == NULL)
        return mt_node_ints(node, name, n);
    if (value->constant == NULL || value->constant->dtype != MT_I64)
        return NULL;
    *n = (int)mt_tensor_count(value->constant);
    return value->constant->data;
}

/* Zeros before and after the part that was taken, in steps of 1. */
static void of_slice(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    const mt_value *y = mt_node_output(node, 0);
    int             n, n_axes, n_steps;
    const int64_t  *starts = list_of(node, 1, "starts", &n), *axes = list_of(node, 3, "axes", &n_axes);
    const int64_t  *steps = list_of(node, 4, "", &n_steps);
    int64_t         pads[2 * MT_MAX_RANK] = {0};
    bool            plain = starts != NULL && n <= MT_MAX_RANK && (mt_node_input(node, 4) == NULL || steps != NULL);

    for (int i = 0; i < n_steps; i++)
        plain = plain && steps[i] == 1;
    if (!plain || (axes == NULL && mt_node_input(node, 3) != NULL) || node->opset < 11) {
        mt_reverse_refuse(r, node, "starts are computed, steps are not 1, or the opset is below 11");
        return;
    }
    for (int i = 0; i < n; i++) {
        int64_t axis = mt_reverse_axis(X, axes != NULL ? axes[i] : i), size = X->shape[axis];
        int64_t start = CLAMP(starts[i] < 0 ? starts[i] + size : starts[i], 0, size);

        pads[axis] = start;
        pads[X->rank + axis] = size - start - y->shape[axis];
    }
    mt_reverse_give(r, X, REVERSE_OP(r, "Pad", dy[0], mt_reverse_list(r, pads, 2 * X->rank)));
}

static int64_t product(const int64_t *shape, int n)
{
    int64_t count = 1;

    for (int i = 0; i < n; i++)
        count *= shape[i];
    return count;
}

/* 1 at the index of each row: (rows, depth). */
static mt_value *one_hot(mt_reverse *r, mt_value *indices, int64_t rows, int64_t depth, const mt_value *like)
{
    mt_value *off = mt_reverse_reshape(r, mt_reverse_number(r, like, 0), 1, (int64_t[]){1});
    mt_value *on = mt_reverse_reshape(r, mt_reverse_number(r, like, 1), 1, (int64_t[]){1});
    mt_value *range = REVERSE_OP(r, "Concat", off, on);

    mt_reverse_int(range, "axis", 0);
    return REVERSE_OP(r, "OneHot", mt_reverse_reshape(r, indices, 1, &rows), mt_reverse_list(r, &depth, 1), range);
}

/* A row may have been taken several times: a product with ones and zeros adds them in a fixed order. */
static void of_gather(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_value *indices = mt_node_input(node, 1);
    int       axis = (int)mt_reverse_axis(X, mt_node_int(node, "axis", 0));
    int64_t   before = product(X->shape, axis), after = product(X->shape + axis + 1, X->rank - axis - 1);
    int64_t   taken = product(indices->shape, indices->rank);

    mt_value *chosen = one_hot(r, indices, taken, X->shape[axis], X);
    mt_value *rows = mt_reverse_reshape(r, dy[0], 3, (int64_t[]){before, taken, after});
    mt_value *sums = REVERSE_OP(r, "MatMul", mt_reverse_permute(r, chosen, 2, (int64_t[]){1, 0}), rows);
    mt_reverse_give(r, X, mt_reverse_reshape(r, sums, X->rank, X->shape));
}

const mt_gradient_rule mt_gradients_views[] = {
    {"Concat", of_concat},
    {"Expand", of_expand},
    {"Flatten", of_reshape},
    {"Gather", of_gather},
    {"Reshape", of_reshape},
    {"Slice", of_slice},
    {"Split", of_split},
    {"Squeeze", of_reshape},
    {"Transpose", of_transpose},
    {"Unsqueeze", of_reshape},
    {0},
};

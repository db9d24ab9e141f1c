/* MatMul with broadcast batches, and Gemm. */
#include "kernels/reference/broadcast.h"
#include "kernels/reference/families.h"
#include "kernels/reference/product.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/widen.h"
#include "src/base/alloc.h"

#include <string.h>

static bool refuse_shapes(const mt_node *node, GError **error)
{
    const mt_value  *a = mt_node_input(node, 0), *b = mt_node_input(node, 1);
    g_autofree char *left = mt_shape_to_string(a->rank, a->shape), *right = mt_shape_to_string(b->rank, b->shape);

    mt_node_error(node, error, "shapes %s and %s cannot be multiplied", left, right);
    return false;
}

/* A vector on the left is a row, on the right a column; the 1 is dropped from the output again. */
static bool infer_matmul(mt_node *node, GError **error)
{
    const mt_value *a = mt_node_input(node, 0), *b = mt_node_input(node, 1);
    mt_value        left = {0}, right = {0};
    int64_t         shape[MT_MAX_RANK];
    int             rank = 0;

    if (!mt_want_inputs(node, 2, 2, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) || !mt_want_same_type(node, 0, 1, error) ||
        !mt_want_rank(node, 0, 1, MT_MAX_RANK, error) || !mt_want_rank(node, 1, 1, MT_MAX_RANK, error))
        return false;
    int64_t k = a->shape[a->rank - 1], depth = b->shape[b->rank == 1 ? 0 : b->rank - 2];
    if (k >= 0 && depth >= 0 && k != depth)
        return refuse_shapes(node, error);
    left.rank = MAX(a->rank - 2, 0);
    right.rank = MAX(b->rank - 2, 0);
    memcpy(left.shape, a->shape, sizeof left.shape);
    memcpy(right.shape, b->shape, sizeof right.shape);
    if (!mt_broadcast_join(node, &left, &rank, shape, error) || !mt_broadcast_join(node, &right, &rank, shape, error))
        return false;
    if (a->rank > 1)
        shape[rank++] = a->shape[a->rank - 2];
    if (b->rank > 1)
        shape[rank++] = b->shape[b->rank - 1];
    mt_set_output(node, 0, a->dtype, rank, shape);
    return true;
}

typedef struct {
    int64_t      m, n, k;
    const float *a;
    int64_t      a_row, a_column;
    const float *b; /* rows contiguous */
    float       *y;
    const float *c; /* added, NULL for none */
    int64_t      c_row, c_column;
    double       alpha, beta;
    double      *sums;
} product;

static void store_tile(const product *p, int64_t i0, int rows, int64_t j0, int columns)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            double sum = p->alpha * p->sums[i * MT_PRODUCT_COLUMNS + j];

            if (p->c != NULL)
                sum += p->beta * p->c[(i0 + i) * p->c_row + (j0 + j) * p->c_column];
            p->y[(i0 + i) * p->n + j0 + j] = (float)sum;
        }
}

static void multiply(const product *p)
{
    for (int64_t j = 0; j < p->n; j += MT_PRODUCT_COLUMNS)
        for (int64_t i = 0; i < p->m; i += MT_PRODUCT_ROWS) {
            int rows = (int)MIN(MT_PRODUCT_ROWS, p->m - i), columns = (int)MIN(MT_PRODUCT_COLUMNS, p->n - j);

            mt_product_tile(p->a + i * p->a_row, p->a_row, p->a_column, p->b + j, p->n, rows, p->k, columns, p->sums);
            store_tile(p, i, rows, j, columns);
        }
}

/* Views of the operands whose rank is 2 at least, and the batch dimensions of the output. */
static void multiply_batches(product *p, const mt_tensor *a, const mt_tensor *b, mt_tensor *y)
{
    int              a_batch = MAX(a->rank - 2, 0), b_batch = MAX(b->rank - 2, 0), rank = MAX(a_batch, b_batch);
    mt_tensor        left = {.rank = a_batch}, right = {.rank = b_batch}, out = {.rank = rank};
    const mt_tensor *pair[] = {&left, &right};
    mt_broadcast     batches;

    memcpy(left.shape, a->shape, sizeof left.shape);
    memcpy(right.shape, b->shape, sizeof right.shape);
    for (int i = 0; i < rank; i++)
        out.shape[i] = y->shape[i];
    mt_broadcast_begin(&batches, &out, pair, 2);
    int64_t count = mt_product_of(batches.shape, 0, batches.rank);
    for (int64_t n = 0; n < count; n++) {
        product one = *p;
        int64_t rest = n, at[2] = {0, 0};

        for (int i = batches.rank - 1; i >= 0; rest /= batches.shape[i], i--)
            for (int k = 0; k < 2; k++)
                at[k] += rest % batches.shape[i] * batches.stride[k][i];
        one.a += at[0] * p->m * p->k;
        one.b += at[1] * p->k * p->n;
        one.y += n * p->m * p->n;
        multiply(&one);
    }
}

static bool matmul_floats(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *a = inputs[0], *b = inputs[1];
    product p = {.m = a->rank > 1 ? a->shape[a->rank - 2] : 1, .k = a->shape[a->rank - 1], .n = b->rank > 1 ? b->shape[b->rank - 1] : 1};

    (void)node;
    p.a = a->data;
    p.a_row = p.k;
    p.a_column = 1;
    p.b = b->data;
    p.y = outputs[0]->data;
    p.alpha = 1;
    p.sums = mt_alloc(MT_PRODUCT_ROWS, MT_PRODUCT_COLUMNS * sizeof *p.sums, error);
    if (p.sums == NULL)
        return false;
    multiply_batches(&p, a, b, outputs[0]);
    mt_free(p.sums);
    return true;
}

static bool run_matmul(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    return mt_run_widened(node, inputs, outputs, matmul_floats, error);
}

static bool infer_gemm(mt_node *node, GError **error)
{
    const mt_value *a = mt_node_input(node, 0), *b = mt_node_input(node, 1), *c = mt_node_input(node, 2);
    bool            flip_a = mt_node_int(node, "transA", 0) != 0, flip_b = mt_node_int(node, "transB", 0) != 0;

    if (!mt_want_inputs(node, 2, 3, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) || !mt_want_same_type(node, 0, 1, error) ||
        !mt_want_same_type(node, 0, 2, error) || !mt_want_rank(node, 0, 2, 2, error) || !mt_want_rank(node, 1, 2, 2, error) ||
        !mt_want_rank(node, 2, 0, 2, error))
        return false;
    int64_t shape[] = {a->shape[flip_a ? 1 : 0], b->shape[flip_b ? 0 : 1]}, k = a->shape[flip_a ? 0 : 1], depth = b->shape[flip_b ? 1 : 0];
    if (k >= 0 && depth >= 0 && k != depth)
        return refuse_shapes(node, error);
    for (int i = 0; c != NULL && i < c->rank; i++) {
        int64_t wanted = shape[2 - c->rank + i];
        if (c->shape[i] > 1 && wanted >= 0 && c->shape[i] != wanted) {
            mt_node_error(node, error, "input '%s' does not broadcast to the product", c->name);
            return false;
        }
    }
    mt_set_output(node, 0, a->dtype, 2, shape);
    return true;
}

/* A transposed B is turned once, so that the product reads rows. */
static float *turn(const float *b, int64_t k, int64_t n, GError **error)
{
    float *turned = mt_alloc(k * n, sizeof *turned, error);

    for (int64_t j = 0; turned != NULL && j < n; j++)
        for (int64_t i = 0; i < k; i++)
            turned[i * n + j] = b[j * k + i];
    return turned;
}

static bool gemm_floats(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *a = inputs[0], *b = inputs[1], *c = node->inputs->len > 2 ? inputs[2] : NULL;
    bool             flip_a = mt_node_int(node, "transA", 0) != 0, flip_b = mt_node_int(node, "transB", 0) != 0;
    product          p = {.m = outputs[0]->shape[0], .n = outputs[0]->shape[1], .k = a->shape[flip_a ? 0 : 1]};
    float           *turned = NULL;

    p.alpha = mt_node_float(node, "alpha", 1);
    p.beta = mt_node_float(node, "beta", 1);
    p.a = a->data;
    p.a_row = flip_a ? 1 : p.k;
    p.a_column = flip_a ? p.m : 1;
    p.y = outputs[0]->data;
    if (c != NULL) {
        p.c = c->data;
        p.c_column = c->rank >= 1 && c->shape[c->rank - 1] > 1 ? 1 : 0;
        p.c_row = c->rank == 2 && c->shape[0] > 1 ? c->shape[1] : 0;
    }
    if (flip_b && (turned = turn(b->data, p.k, p.n, error)) == NULL)
        return false;
    p.b = flip_b ? turned : b->data;
    p.sums = mt_alloc(MT_PRODUCT_ROWS, MT_PRODUCT_COLUMNS * sizeof *p.sums, error);
    if (p.sums != NULL)
        multiply(&p);
    bool ok = p.sums != NULL;
    mt_free(p.sums);
    mt_free(turned);
    return ok;
}

static bool run_gemm(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    return mt_run_widened(node, inputs, outputs, gemm_floats, error);
}

const mt_operator mt_family_matmul[] = {
    {"MatMul", 1, 21, infer_matmul, run_matmul},
    {"Gemm", 6, 21, infer_gemm, run_gemm},
    {NULL, 0, 0, NULL, NULL},
};

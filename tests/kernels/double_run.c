#include "tests/kernels/double_run.h"

#include "kernels/reference/operator.h"

#include <string.h>

static mt_tensor *widened(const mt_tensor *tensor)
{
    mt_tensor *wide;

    if (tensor->dtype != MT_F32)
        return mt_tensor_ref((mt_tensor *)(uintptr_t)tensor);
    wide = mt_tensor_new(MT_F64, tensor->rank, tensor->shape, NULL);
    for (int64_t i = 0; i < mt_tensor_count(tensor); i++)
        ((double *)wide->data)[i] = ((const float *)tensor->data)[i];
    return wide;
}

static int64_t count_of(const int64_t *shape, int n)
{
    int64_t count = 1;

    for (int i = 0; i < n; i++)
        count *= shape[i];
    return count;
}

/* y += a b with strides of rows and columns. */
static void multiply(double *y, const double *a, int64_t a_row, int64_t a_column, const double *b, int64_t b_row, int64_t b_column,
                     const int64_t *mnk)
{
    for (int64_t i = 0; i < mnk[0]; i++)
        for (int64_t j = 0; j < mnk[1]; j++)
            for (int64_t k = 0; k < mnk[2]; k++)
                y[i * mnk[1] + j] += a[i * a_row + k * a_column] * b[k * b_row + j * b_column];
}

static void run_gemm(const mt_node *node, const mt_tensor *const *in, mt_tensor *y)
{
    bool             ta = mt_node_int(node, "transA", 0) != 0, tb = mt_node_int(node, "transB", 0) != 0;
    const mt_tensor *a = in[0], *b = in[1], *c = node->inputs->len > 2 ? in[2] : NULL;
    int64_t          mnk[] = {y->shape[0], y->shape[1], a->shape[ta ? 0 : 1]};
    double          *out = y->data;

    multiply(out, a->data, ta ? 1 : mnk[2], ta ? mnk[0] : 1, b->data, tb ? 1 : mnk[1], tb ? mnk[2] : 1, mnk);
    for (int64_t i = 0; i < mnk[0] * mnk[1]; i++) {
        int64_t row = c != NULL && c->rank == 2 && c->shape[0] > 1 ? i / mnk[1] : 0;
        int64_t columns = c != NULL && c->rank > 0 ? c->shape[c->rank - 1] : 1, column = columns > 1 ? i % mnk[1] : 0;

        out[i] *= mt_node_float(node, "alpha", 1);
        if (c != NULL)
            out[i] += mt_node_float(node, "beta", 1) * ((const double *)c->data)[row * columns + column];
    }
}

/* Batches of one operand, of both, or none. */
static void run_matmul(const mt_tensor *const *in, mt_tensor *y)
{
    const mt_tensor *a = in[0], *b = in[1];
    int64_t          mnk[] = {y->shape[y->rank - 2], y->shape[y->rank - 1], a->shape[a->rank - 1]};
    int64_t          a_batches = count_of(a->shape, a->rank - 2), b_batches = count_of(b->shape, b->rank - 2);

    for (int64_t n = 0; n < count_of(y->shape, y->rank - 2); n++)
        multiply((double *)y->data + n * mnk[0] * mnk[1], (const double *)a->data + n % a_batches * mnk[0] * mnk[2], mnk[2], 1,
                 (const double *)b->data + n % b_batches * mnk[2] * mnk[1], mnk[1], 1, mnk);
}

static void run_node(const mt_node *node, const mt_tensor *const *in, mt_tensor **out)
{
    g_autoptr(GError) error = NULL;

    if (strcmp(node->op, "Gemm") == 0)
        run_gemm(node, in, out[0]);
    else if (strcmp(node->op, "MatMul") == 0)
        run_matmul(in, out[0]);
    else
        node->kernel->run(node, in, out, &error);
    g_assert_no_error(error);
}

static void step(const mt_node *node, GHashTable *values)
{
    const mt_tensor *in[16] = {NULL};
    mt_tensor       *out[4] = {NULL};

    for (guint i = 0; i < node->inputs->len; i++) {
        mt_value *value = node->inputs->pdata[i];
        if (value != NULL && value->constant != NULL && !g_hash_table_contains(values, value))
            g_hash_table_insert(values, value, widened(value->constant));
        in[i] = value != NULL ? g_hash_table_lookup(values, value) : NULL;
    }
    for (guint i = 0; i < node->outputs->len; i++) {
        const mt_value *value = node->outputs->pdata[i];
        out[i] = value != NULL ? mt_tensor_new(value->dtype == MT_F32 ? MT_F64 : value->dtype, value->rank, value->shape, NULL) : NULL;
    }
    run_node(node, in, out);
    for (guint i = 0; i < node->outputs->len; i++)
        if (out[i] != NULL)
            g_hash_table_insert(values, node->outputs->pdata[i], out[i]);
}

GHashTable *double_run(mt_graph *bound, mt_tensor *const *inputs)
{
    GHashTable *values = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)mt_tensor_unref);

    for (guint i = 0; i < bound->inputs->len; i++)
        g_hash_table_insert(values, bound->inputs->pdata[i], mt_tensor_ref(inputs[i]));
    for (guint i = 0; i < bound->nodes->len; i++)
        step(bound->nodes->pdata[i], values);
    for (guint i = 0; i < bound->outputs->len; i++) {
        mt_value *value = bound->outputs->pdata[i];
        if (!g_hash_table_contains(values, value))
            g_hash_table_insert(values, value, widened(value->constant));
    }
    return values;
}

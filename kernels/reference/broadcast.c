#include "kernels/reference/broadcast.h"

#include "kernels/reference/element.h"

bool mt_broadcast_join(const mt_node *node, const mt_value *value, int *rank, int64_t *shape, GError **error)
{
    int     joined = MAX(*rank, value->rank);
    int64_t result[MT_MAX_RANK];

    for (int i = 1; i <= joined; i++) {
        int64_t a = i <= *rank ? shape[*rank - i] : 1, b = i <= value->rank ? value->shape[value->rank - i] : 1;

        if (a != b && a != 1 && b != 1 && a >= 0 && b >= 0) {
            g_autofree char *left = mt_shape_to_string(*rank, shape), *right = mt_shape_to_string(value->rank, value->shape);
            mt_node_error(node, error, "shapes %s and %s do not broadcast", left, right);
            return false;
        }
        /* Open beside 1 stays open; open beside n > 1 must turn out to be n or 1, so it is n. */
        result[joined - i] = a < 0 || b < 0 ? (a > 1 || b > 1 ? MAX(a, b) : (a == 0 || b == 0 ? 0 : -1)) : (a == 1 ? b : a);
    }
    *rank = joined;
    for (int i = 0; i < joined; i++)
        shape[i] = result[i];
    return true;
}

static void set_strides(mt_broadcast *b, int k, const mt_tensor *operand, int rank)
{
    int64_t stride = 1;

    for (int i = rank - 1, j = operand->rank - 1; i >= 0; i--, j--) {
        int64_t size = j >= 0 ? operand->shape[j] : 1;

        b->stride[k][i] = size == 1 ? 0 : stride;
        stride *= size;
    }
}

static bool can_join(const mt_broadcast *b, int i)
{
    for (int k = 0; k < b->n; k++)
        if (b->stride[k][i] != b->stride[k][i + 1] * b->shape[i + 1])
            return false;
    return true;
}

static void join_dimensions(mt_broadcast *b)
{
    for (int i = b->rank - 2; i >= 0; i--) {
        if (!can_join(b, i))
            continue;
        b->shape[i + 1] *= b->shape[i];
        for (int j = i; j < b->rank - 1; j++) {
            b->shape[j] = b->shape[j + 1];
            for (int k = 0; k < b->n; k++)
                b->stride[k][j] = b->stride[k][j + 1];
        }
        b->rank--;
    }
}

void mt_broadcast_begin(mt_broadcast *b, const mt_tensor *output, const mt_tensor *const *operands, int n)
{
    *b = (mt_broadcast){.n = n, .rank = MAX(output->rank, 1)};
    b->shape[0] = 1;
    for (int i = 0; i < output->rank; i++)
        b->shape[i] = output->shape[i];
    for (int k = 0; k < n; k++)
        set_strides(b, k, operands[k], b->rank);
    join_dimensions(b);
}

/* Where each operand's row starts; rows are counted over all dimensions but the last. */
static void row_starts(const mt_broadcast *b, int64_t row, int64_t *start)
{
    for (int k = 0; k < b->n; k++)
        start[k] = 0;
    for (int i = b->rank - 2; i >= 0; i--) {
        int64_t index = row % b->shape[i];

        row /= b->shape[i];
        for (int k = 0; k < b->n; k++)
            start[k] += index * b->stride[k][i];
    }
}

static int64_t count_rows(const mt_broadcast *b)
{
    int64_t rows = b->shape[b->rank - 1] == 0 ? 0 : 1;

    for (int i = 0; i < b->rank - 1; i++)
        rows *= b->shape[i];
    return rows;
}

void mt_broadcast_doubles(const mt_broadcast *b, mt_tensor *output, const mt_tensor *const *operands, mt_run_doubles work,
                          const void *closure)
{
    double  buffer[MT_BROADCAST_MAX][MT_RUN], *x[MT_BROADCAST_MAX] = {buffer[0], buffer[1], buffer[2]};
    int64_t width = b->shape[b->rank - 1], rows = count_rows(b), start[MT_BROADCAST_MAX];

    for (int64_t row = 0; row < rows; row++) {
        row_starts(b, row, start);
        for (int64_t at = 0; at < width; at += MT_RUN) {
            int n = (int)MIN(MT_RUN, width - at);

            for (int k = 0; k < b->n; k++) {
                int64_t stride = b->stride[k][b->rank - 1];
                mt_load_doubles(operands[k], start[k] + at * stride, stride, n, x[k]);
            }
            work(n, x, closure);
            mt_store_doubles(output, row * width + at, n, x[0]);
        }
    }
}

void mt_broadcast_ints(const mt_broadcast *b, mt_tensor *output, const mt_tensor *const *operands, mt_run_ints work, const void *closure)
{
    int64_t buffer[MT_BROADCAST_MAX][MT_RUN], *x[MT_BROADCAST_MAX] = {buffer[0], buffer[1], buffer[2]};
    int64_t width = b->shape[b->rank - 1], rows = count_rows(b), start[MT_BROADCAST_MAX];

    for (int64_t row = 0; row < rows; row++) {
        row_starts(b, row, start);
        for (int64_t at = 0; at < width; at += MT_RUN) {
            int n = (int)MIN(MT_RUN, width - at);

            for (int k = 0; k < b->n; k++) {
                int64_t stride = b->stride[k][b->rank - 1];
                mt_load_ints(operands[k], start[k] + at * stride, stride, n, x[k]);
            }
            work(n, x, closure);
            mt_store_ints(output, row * width + at, n, x[0]);
        }
    }
}

/* Pools: MaxPool with indices, AveragePool, LpPool, and the global ones. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/window.h"
#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

typedef enum { POOL_MAX, POOL_AVERAGE, POOL_LP } pool_kind;

static pool_kind kind_of(const mt_node *node)
{
    if (strstr(node->op, "Max") != NULL)
        return POOL_MAX;
    return strstr(node->op, "Lp") != NULL ? POOL_LP : POOL_AVERAGE;
}

static bool is_global(const mt_node *node)
{
    return g_str_has_prefix(node->op, "Global");
}

/* A global pool is a window as large as its input. */
static bool read_window(const mt_node *node, int rank, const int64_t *shape, mt_window *w, GError **error)
{
    if (!is_global(node))
        return mt_window_read(node, rank - 2, shape + 2, NULL, w, error);
    memset(w, 0, sizeof *w);
    w->dims = rank - 2;
    for (int i = 0; i < w->dims; i++) {
        w->in[i] = w->kernel[i] = shape[i + 2];
        w->stride[i] = w->dilation[i] = w->out[i] = 1;
    }
    return true;
}

static bool infer_pool(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    unsigned        types = kind_of(node) == POOL_MAX ? MT_TYPES_FLOAT | MT_TYPES_BYTE : MT_TYPES_FLOAT;
    int64_t         shape[MT_MAX_RANK];
    mt_window       w;

    if (!mt_want_inputs(node, 1, 1, error) || !mt_want_type(node, 0, types, error) || !mt_want_rank(node, 0, 3, 5, error) ||
        !read_window(node, x->rank, x->shape, &w, error))
        return false;
    shape[0] = x->shape[0];
    shape[1] = x->shape[1];
    for (int i = 0; i < w.dims; i++)
        shape[i + 2] = w.out[i];
    mt_set_output(node, 0, x->dtype, x->rank, shape);
    mt_set_output(node, 1, MT_I64, x->rank, shape);
    return true;
}

typedef struct {
    mt_window window;
    pool_kind kind;
    bool      counts_pads;
    double    p;
    bool      columns; /* indices count columns first */
} pool_plan;

/* The part of a window inside the input: kernel positions [from, to) along one dimension. */
static void clip_window(const mt_window *w, int i, int64_t start, int64_t *from, int64_t *to)
{
    *from = start < 0 ? (-start + w->dilation[i] - 1) / w->dilation[i] : 0;
    *to = w->in[i] <= start ? 0 : MIN(w->kernel[i], (w->in[i] - start + w->dilation[i] - 1) / w->dilation[i]);
}

static void take(const pool_plan *p, double value, int64_t place, double *result, int64_t *best)
{
    if (p->kind == POOL_AVERAGE)
        *result += value;
    else if (p->kind == POOL_LP)
        *result += pow(fabs(value), p->p);
    else if (*best < 0 || value > *result || isnan(value)) {
        *result = value;
        *best = place;
    }
}

static double pool_one(const pool_plan *p, const double *plane, const int64_t *start, int64_t *best)
{
    const mt_window *w = &p->window;
    int64_t          from[3], to[3], k[3];
    double           result = 0, size = 1;

    *best = -1;
    for (int i = 0; i < 3; i++) {
        clip_window(w, i, start[i], &from[i], &to[i]);
        size *= (double)(p->counts_pads ? w->kernel[i] : MAX(0, to[i] - from[i]));
    }
    for (k[0] = from[0]; k[0] < to[0]; k[0]++)
        for (k[1] = from[1]; k[1] < to[1]; k[1]++)
            for (k[2] = from[2]; k[2] < to[2]; k[2]++) {
                int64_t z = start[0] + k[0] * w->dilation[0], y = start[1] + k[1] * w->dilation[1], x = start[2] + k[2] * w->dilation[2];
                int64_t at = (z * w->in[1] + y) * w->in[2] + x, column = (x * w->in[1] + y) * w->in[0] + z;

                take(p, plane[at], p->columns ? column : at, &result, best);
            }
    if (p->kind == POOL_AVERAGE)
        return size > 0 ? result / size : 0;
    return p->kind == POOL_LP ? pow(result, 1 / p->p) : result;
}

static void pool_plane(const pool_plan *p, const double *plane, int64_t offset, int64_t first, mt_tensor *y, mt_tensor *indices)
{
    const mt_window *w = &p->window;
    int64_t          o[3], best, at = first;

    for (o[0] = 0; o[0] < w->out[0]; o[0]++)
        for (o[1] = 0; o[1] < w->out[1]; o[1]++)
            for (o[2] = 0; o[2] < w->out[2]; o[2]++, at++) {
                int64_t start[3];
                for (int i = 0; i < 3; i++)
                    start[i] = o[i] * w->stride[i] - w->pad[i];
                double value = pool_one(p, plane, start, &best);

                mt_store_doubles(y, at, 1, &value);
                best += offset;
                if (indices != NULL)
                    mt_store_ints(indices, at, 1, &best);
            }
}

static void load_plane(const mt_tensor *x, int64_t start, int64_t n, double *plane)
{
    for (int64_t done = 0; done < n; done += MT_RUN)
        mt_load_doubles(x, start + done, 1, (int)MIN(MT_RUN, n - done), plane + done);
}

static bool run_pool(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    pool_plan        p = {.kind = kind_of(node)};

    if (!read_window(node, x->rank, x->shape, &p.window, error))
        return false;
    mt_window_widen(&p.window);
    p.counts_pads = p.kind == POOL_AVERAGE && mt_node_int(node, "count_include_pad", 0) != 0;
    p.p = (double)mt_node_int(node, "p", 2);
    p.columns = mt_node_int(node, "storage_order", 0) != 0;
    int64_t planes = x->shape[0] * x->shape[1], in = mt_product_of(p.window.in, 0, 3), out = mt_product_of(p.window.out, 0, 3);
    double *plane = mt_alloc(in, sizeof *plane, error);
    if (plane == NULL)
        return false;
    for (int64_t i = 0; i < planes; i++) {
        load_plane(x, i * in, in, plane);
        pool_plane(&p, plane, i * in, i * out, outputs[0], node->outputs->len > 1 ? outputs[1] : NULL);
    }
    mt_free(plane);
    return true;
}

const mt_operator mt_family_pool[] = {
    {"MaxPool", 1, 21, infer_pool, run_pool},
    {"AveragePool", 1, 21, infer_pool, run_pool},
    {"LpPool", 2, 21, infer_pool, run_pool},
    {"GlobalMaxPool", 1, 21, infer_pool, run_pool},
    {"GlobalAveragePool", 1, 21, infer_pool, run_pool},
    {"GlobalLpPool", 2, 21, infer_pool, run_pool},
    {NULL, 0, 0, NULL, NULL},
};

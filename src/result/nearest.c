#include "src/result/nearest.h"

#include "kernels/graph/model_from_graph.h"
#include "src/base/alloc.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define BLOCK_BYTES (INT64_C(8) << 20)

struct mt_nearest {
    int64_t     dim, block, filled, compared;
    float      *query, *rows, *units, *products;
    double      query_length;
    mt_near    *places; /* of the rows in the block; score: length of the row */
    mt_near    *found;  /* sorted, k at most */
    int         k, n;
    mt_model   *model;
    mt_session *session;
};

void mt_nearest_free(mt_nearest *nearest)
{
    if (nearest == NULL)
        return;
    mt_session_free(nearest->session);
    g_clear_pointer(&nearest->model, mt_model_unref);
    mt_free(nearest->query);
    mt_free(nearest->rows);
    mt_free(nearest->units);
    mt_free(nearest->products);
    mt_free(nearest->places);
    mt_free(nearest->found);
    g_free(nearest);
}

/* In one order, in double. */
static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* rows (block, dim) x unit query (dim, 1). */
static mt_model *product_model(const mt_nearest *nearest, GError **error)
{
    int64_t   rows[] = {nearest->block, nearest->dim}, column[] = {nearest->dim, 1};
    mt_graph *graph = mt_graph_new(20);
    g_autoptr(mt_tensor) unit = mt_tensor_new(MT_F32, 2, column, error);

    if (unit == NULL) {
        mt_graph_free(graph);
        return NULL;
    }
    for (int64_t i = 0; i < nearest->dim; i++)
        ((float *)unit->data)[i] = (float)((double)nearest->query[i] / nearest->query_length);
    mt_value *values[] = {mt_graph_add_input(graph, "rows", MT_F32, 2, rows), mt_graph_add_constant(graph, "query", unit)};
    mt_node  *node = mt_graph_add_node(graph, "MatMul", "product", values, 2, 1, NULL, error);
    if (node == NULL) {
        mt_graph_free(graph);
        return NULL;
    }
    mt_graph_mark_output(graph, mt_node_output(node, 0));
    return mt_model_new_from_graph(graph, "search", error);
}

static bool prepare(mt_nearest *nearest, const float *query, GError **error)
{
    int64_t dim = nearest->dim, block = nearest->block;

    nearest->query = mt_alloc(dim, sizeof(float), error);
    nearest->rows = nearest->query != NULL ? mt_alloc(block * dim, sizeof(float), error) : NULL;
    nearest->units = nearest->rows != NULL ? mt_alloc(block * dim, sizeof(float), error) : NULL;
    nearest->products = nearest->units != NULL ? mt_alloc(block, sizeof(float), error) : NULL;
    nearest->places = nearest->products != NULL ? mt_alloc(block, sizeof(mt_near), error) : NULL;
    nearest->found = nearest->places != NULL ? mt_alloc(nearest->k + 1, sizeof(mt_near), error) : NULL;
    if (nearest->found == NULL)
        return false;
    memcpy(nearest->query, query, (size_t)dim * sizeof(float));
    nearest->query_length = sqrt(dot(query, query, dim));
    if (!isfinite(nearest->query_length) || nearest->query_length == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its vector is %s",
                    nearest->query_length == 0 ? "zero: it is like nothing" : "not finite");
        return false;
    }
    nearest->model = product_model(nearest, error);
    const mt_port           port = {.dtype = MT_F32, .rank = 2, .shape = {block, dim}};
    const mt_session_params params = {.threads = 1, .inputs = &port, .n_inputs = 1};
    nearest->session = nearest->model != NULL ? mt_session_new(nearest->model, &params, error) : NULL;
    return nearest->session != NULL;
}

mt_nearest *mt_nearest_new(const float *query, int64_t dim, int k, GError **error)
{
    g_autoptr(mt_nearest) nearest = g_new0(mt_nearest, 1);

    nearest->dim = dim;
    nearest->k = k;
    nearest->block = CLAMP(BLOCK_BYTES / (dim * (int64_t)sizeof(float)), 16, 4096);
    return prepare(nearest, query, error) ? g_steal_pointer(&nearest) : NULL;
}

static bool comes_before(const mt_near *a, const mt_near *b)
{
    if (a->score != b->score)
        return a->score > b->score;
    if (a->source != b->source)
        return a->source < b->source;
    return a->row < b->row;
}

static void insert(mt_nearest *nearest, const mt_near *near)
{
    int at = nearest->n;

    while (at > 0 && comes_before(near, &nearest->found[at - 1])) {
        nearest->found[at] = nearest->found[at - 1];
        at--;
    }
    nearest->found[at] = *near;
    nearest->n = MIN(nearest->n + 1, nearest->k);
}

/* The product in float of unit vectors is off by at most (dim + 3) FLT_EPSILON: nobody is passed over who belongs in. */
static bool flush(mt_nearest *nearest, GError **error)
{
    const void *inputs[] = {nearest->units};
    void       *outputs[] = {nearest->products};
    double      margin = (double)(nearest->dim + 3) * FLT_EPSILON;

    if (nearest->filled == 0)
        return true;
    memset(nearest->units + nearest->filled * nearest->dim, 0, (size_t)((nearest->block - nearest->filled) * nearest->dim) * sizeof(float));
    if (!mt_session_run(nearest->session, inputs, outputs, error))
        return false;
    for (int64_t i = 0; i < nearest->filled; i++) {
        if (nearest->n == nearest->k && (double)nearest->products[i] + margin < nearest->found[nearest->n - 1].score)
            continue;
        mt_near near = nearest->places[i];
        double  cosine = dot(nearest->query, nearest->rows + i * nearest->dim, nearest->dim) / (nearest->query_length * near.score);
        near.score = CLAMP(cosine, -1, 1);
        insert(nearest, &near);
    }
    nearest->filled = 0;
    return true;
}

bool mt_nearest_show(mt_nearest *nearest, const float *vector, guint source, int64_t row, GError **error)
{
    double length = sqrt(dot(vector, vector, nearest->dim));
    float *unit = nearest->units + nearest->filled * nearest->dim;

    if (!isfinite(length)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "a value is not finite");
        return false;
    }
    if (length == 0)
        return true;
    memcpy(nearest->rows + nearest->filled * nearest->dim, vector, (size_t)nearest->dim * sizeof(float));
    for (int64_t i = 0; i < nearest->dim; i++)
        unit[i] = (float)((double)vector[i] / length);
    nearest->places[nearest->filled++] = (mt_near){.score = length, .source = source, .row = row};
    nearest->compared++;
    return nearest->filled < nearest->block || flush(nearest, error);
}

bool mt_nearest_finish(mt_nearest *nearest, const mt_near **found, int *n, GError **error)
{
    if (!flush(nearest, error))
        return false;
    *found = nearest->found;
    *n = nearest->n;
    return true;
}

int64_t mt_nearest_compared(const mt_nearest *nearest)
{
    return nearest->compared;
}

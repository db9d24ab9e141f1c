#include "mil/bag_rows.h"

#include "kernels/graph/model_from_graph.h"
#include "mil/row_team.h"
#include "src/base/alloc.h"

#define BLOCK_ROWS INT64_C(1024)

/* A group of blocks. */
typedef struct group {
    const float *x;
    float       *out;
    int64_t      dim, width;
} group;

static bool run_rows(void *user, mt_session *session, int64_t block, int64_t first, int64_t rows, GError **error)
{
    const group *g = user;

    (void)block;
    (void)rows;
    return mt_session_run(session, (const void *const[]){g->x + first * g->dim}, (void *const[]){g->out + first * g->width}, error);
}

bool mt_bag_rows_run(mt_model *model, const mt_bag *bag, int64_t width, int threads, float *out, GError **error)
{
    int64_t at_once = MIN(bag->n, threads * BLOCK_ROWS);
    mt_port input = {.dtype = MT_F32, .rank = 2, .shape = {-1, bag->dim}};
    float  *x = mt_alloc(at_once * bag->dim, sizeof(float), error);
    bool    ok = x != NULL;
    g_autoptr(mt_row_team) team = mt_row_team_new(model, &input, 1, threads);

    for (int64_t first = 0; ok && first < bag->n; first += at_once) {
        int64_t rows = MIN(at_once, bag->n - first);
        group   g = {.x = x, .out = out + first * width, .dim = bag->dim, .width = width};
        ok = mt_bag_read(bag, first, rows, x, error) && mt_row_team_run(team, rows, BLOCK_ROWS, run_rows, &g, error);
    }
    mt_free(x);
    return ok;
}

double mt_bag_rows_bytes(int64_t dim, int threads)
{
    return (double)sizeof(float) * (double)BLOCK_ROWS * (double)dim * threads;
}

mt_model *mt_bag_rows_model(const mt_linear *linear, const char *activation, GError **error)
{
    mt_graph *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value *x = mt_graph_add_input(graph, "features", MT_F32, 2, (int64_t[]){-1, linear->in});
    mt_value *y = mt_layers_linear(graph, linear->weight, linear->bias, x, error);

    if (activation != NULL)
        y = mt_layers_unary(graph, activation, y, error);
    if (y == NULL) {
        mt_graph_free(graph);
        return NULL;
    }
    mt_graph_mark_output(graph, y);
    return mt_model_new_from_graph(graph, linear->key, error);
}

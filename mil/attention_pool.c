#include "mil/attention_pool.h"

#include "kernels/graph/graph.h"
#include "kernels/graph/model_from_graph.h"
#include "src/base/alloc.h"

#include <microtome/model.h>

#include <math.h>

#define BLOCK_ROWS INT64_C(1024)
#define OPSET 13

typedef struct mt_attention_pool {
    mt_model           *model; /* x -> s, then tile logits (with a classifier), then h (with a projection) */
    mt_attention_layers layers;
    int64_t             dim, hidden, branches, n_logits;
    int                 tile_output, hidden_output; /* -1: none */
} mt_attention_pool;

/* The running softmax of one bag: sums are relative to the largest logit so far. */
typedef struct pool_state {
    mt_session *session;
    int64_t     rows;      /* that the session is bound to */
    float      *x, *h;     /* one block; h is x without a projection */
    double     *top, *sum; /* K each */
    double     *pooled;    /* K x hidden */
} pool_state;

static void pool_state_clear(pool_state *state)
{
    mt_session_free(state->session);
    if (state->h != state->x)
        mt_free(state->h);
    mt_free(state->x);
    mt_free(state->top);
    mt_free(state->sum);
    mt_free(state->pooled);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(pool_state, pool_state_clear)

void mt_attention_pool_free(void *self)
{
    mt_attention_pool *pool = self;

    if (pool == NULL)
        return;
    mt_model_unref(pool->model);
    mt_attention_layers_clear(&pool->layers);
    g_free(pool);
}

static mt_value *add_linear(mt_graph *graph, const mt_linear *linear, mt_value *x, GError **error)
{
    g_autofree char *weight = g_strconcat(linear->key, ".weight", NULL), *bias = g_strconcat(linear->key, ".bias", NULL);
    mt_value        *inputs[] = {x, mt_graph_add_constant(graph, weight, linear->weight), mt_graph_add_constant(graph, bias, linear->bias)};
    mt_node         *node = mt_graph_add_node(graph, "Gemm", linear->key, inputs, 3, 1, NULL, error);

    if (node == NULL)
        return NULL;
    mt_node_set_int(node, "transB", 1); /* stored (out, in) */
    return mt_node_output(node, 0);
}

/* op(linear x) */
static mt_value *add_layer(mt_graph *graph, const mt_linear *linear, const char *op, mt_value *x, GError **error)
{
    mt_value *y = add_linear(graph, linear, x, error);
    mt_node  *node = y != NULL ? mt_graph_add_node(graph, op, NULL, &y, 1, 1, NULL, error) : NULL;

    return node != NULL ? mt_node_output(node, 0) : NULL;
}

static mt_value *add_branches(mt_graph *graph, const mt_attention_layers *layers, mt_value *h, GError **error)
{
    mt_value *a = add_layer(graph, &layers->tanh_branch, "Tanh", h, error);

    if (a != NULL && layers->gate.weight != NULL) {
        mt_value *pair[] = {a, add_layer(graph, &layers->gate, "Sigmoid", h, error)};
        mt_node  *node = pair[1] != NULL ? mt_graph_add_node(graph, "Mul", NULL, pair, 2, 1, NULL, error) : NULL;
        a = node != NULL ? mt_node_output(node, 0) : NULL;
    }
    return a != NULL ? add_linear(graph, &layers->logits, a, error) : NULL;
}

/* The per-tile part.  With a branch per class the classifier's row c on h is that class's tile logit just as well. */
static mt_graph *build_graph(mt_attention_pool *pool, GError **error)
{
    g_autoptr(mt_graph) graph = mt_graph_new(OPSET);
    const mt_attention_layers *layers = &pool->layers;
    mt_value                  *x = mt_graph_add_input(graph, "features", MT_F32, 2, (int64_t[]){-1, pool->dim});
    mt_value                  *h = layers->project.weight != NULL ? add_layer(graph, &layers->project, "Relu", x, error) : x;
    mt_value                  *s = h != NULL ? add_branches(graph, layers, h, error) : NULL;

    if (s == NULL)
        return NULL;
    mt_graph_mark_output(graph, s);
    if (layers->classifier.weight != NULL) {
        mt_value *tiles = add_linear(graph, &layers->classifier, h, error);
        if (tiles == NULL)
            return NULL;
        pool->tile_output = (int)graph->outputs->len;
        mt_graph_mark_output(graph, tiles);
    }
    if (h != x) {
        pool->hidden_output = (int)graph->outputs->len;
        mt_graph_mark_output(graph, h);
    }
    return g_steal_pointer(&graph);
}

void *mt_attention_pool_new(mt_attention_layers *layers, mt_aggregator_shape *shape, GError **error)
{
    mt_attention_pool *pool = g_new0(mt_attention_pool, 1);

    pool->layers = *layers;
    *layers = (mt_attention_layers){0};
    pool->hidden = pool->layers.tanh_branch.in;
    pool->dim = pool->layers.project.weight != NULL ? pool->layers.project.in : pool->hidden;
    pool->branches = pool->layers.logits.out;
    pool->n_logits = pool->layers.classifier.weight != NULL ? pool->layers.classifier.out : 0;
    pool->tile_output = pool->hidden_output = -1;
    mt_graph *graph = build_graph(pool, error);
    pool->model = graph != NULL ? mt_model_new_from_graph(graph, "attention", error) : NULL;
    if (pool->model == NULL) {
        mt_attention_pool_free(pool);
        return NULL;
    }
    shape->dim = pool->dim;
    shape->n_logits = pool->n_logits;
    return pool;
}

/* Only the last block may be shorter: it gets a session of its own, padding would be computed for nothing. */
static bool bind_rows(const mt_attention_pool *pool, pool_state *state, int64_t rows, GError **error)
{
    mt_port           input = {.dtype = MT_F32, .rank = 2, .shape = {rows, pool->dim}};
    mt_session_params params = {.backend = MT_BACKEND_AUTO, .threads = 1, .inputs = &input, .n_inputs = 1};

    if (state->session != NULL && state->rows == rows)
        return true;
    g_clear_pointer(&state->session, mt_session_free);
    state->session = mt_session_new(pool->model, &params, error);
    state->rows = rows;
    return state->session != NULL;
}

static bool allocate_state(const mt_attention_pool *pool, pool_state *state, int64_t rows, GError **error)
{
    state->x = mt_alloc(rows * pool->dim, sizeof(float), error);
    state->h = state->x == NULL || pool->hidden_output < 0 ? state->x : mt_alloc(rows * pool->hidden, sizeof(float), error);
    state->top = state->h != NULL ? mt_alloc(pool->branches, sizeof(double), error) : NULL;
    state->sum = state->top != NULL ? mt_alloc(pool->branches, sizeof(double), error) : NULL;
    state->pooled = state->sum != NULL ? mt_alloc(pool->branches * pool->hidden, sizeof(double), error) : NULL;
    for (int64_t k = 0; state->pooled != NULL && k < pool->branches; k++)
        state->top[k] = -INFINITY;
    return state->pooled != NULL;
}

static bool allocate_raw(const mt_attention_pool *pool, int64_t n, mt_raw_output *raw, GError **error)
{
    raw->n = n;
    raw->n_attention = pool->branches;
    raw->n_logits = pool->n_logits;
    raw->dim = pool->layers.branch_per_class ? pool->branches * pool->hidden : pool->hidden;
    raw->attention_logits = mt_alloc(n * pool->branches, sizeof(float), error);
    raw->embedding = raw->attention_logits != NULL ? mt_alloc(raw->dim, sizeof(float), error) : NULL;
    if (raw->embedding == NULL || pool->n_logits == 0)
        return raw->embedding != NULL;
    raw->logits = mt_alloc(pool->n_logits, sizeof(float), error);
    raw->tile_logits = raw->logits != NULL ? mt_alloc(n * pool->n_logits, sizeof(float), error) : NULL;
    return raw->tile_logits != NULL;
}

/* Add rows of one branch: logits at s, s + K, ..; everything so far is scaled when the maximum grows. */
static void accumulate(const mt_attention_pool *pool, pool_state *state, int64_t k, const float *s, int64_t rows)
{
    double *pooled = state->pooled + k * pool->hidden, top = state->top[k];

    for (int64_t i = 0; i < rows; i++)
        top = fmax(top, s[i * pool->branches]);
    double shrink = exp(state->top[k] - top); /* 0 for the first block */
    state->sum[k] *= shrink;
    for (int64_t j = 0; j < pool->hidden; j++)
        pooled[j] *= shrink;
    for (int64_t i = 0; i < rows; i++) {
        const float *h = state->h + i * pool->hidden;
        double       weight = exp(s[i * pool->branches] - top);
        state->sum[k] += weight;
        for (int64_t j = 0; j < pool->hidden; j++)
            pooled[j] += weight * h[j];
    }
    state->top[k] = top;
}

static bool check_finite(const float *s, int64_t n, int64_t branches, int64_t first, GError **error)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(s[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the attention of tile %" G_GINT64_FORMAT " is not finite", first + i / branches);
            return false;
        }
    return true;
}

static bool run_block(const mt_attention_pool *pool, pool_state *state, const mt_bag *bag, int64_t first, int64_t rows, mt_raw_output *raw,
                      GError **error)
{
    float *s = raw->attention_logits + first * pool->branches;
    void  *outputs[3] = {s};

    if (pool->tile_output >= 0)
        outputs[pool->tile_output] = raw->tile_logits + first * pool->n_logits;
    if (pool->hidden_output >= 0)
        outputs[pool->hidden_output] = state->h;
    if (!bind_rows(pool, state, rows, error) || !mt_bag_read(bag, first, rows, state->x, error) ||
        !mt_session_run(state->session, (const void *const[]){state->x}, outputs, error) ||
        !check_finite(s, rows * pool->branches, pool->branches, first, error))
        return false;
    for (int64_t k = 0; k < pool->branches; k++)
        accumulate(pool, state, k, s + k, rows);
    return true;
}

static void finish(const mt_attention_pool *pool, const pool_state *state, mt_raw_output *raw)
{
    const mt_linear *classifier = &pool->layers.classifier;

    for (int64_t k = 0; k < pool->branches; k++)
        for (int64_t j = 0; j < pool->hidden; j++) {
            state->pooled[k * pool->hidden + j] /= state->sum[k];
            raw->embedding[k * pool->hidden + j] = (float)state->pooled[k * pool->hidden + j];
        }
    for (int64_t c = 0; c < pool->n_logits; c++) {
        const float  *row = (const float *)classifier->weight->data + c * pool->hidden;
        const double *pooled = state->pooled + (pool->layers.branch_per_class ? c * pool->hidden : 0);
        double        sum = ((const float *)classifier->bias->data)[c];
        for (int64_t j = 0; j < pool->hidden; j++)
            sum += row[j] * pooled[j];
        raw->logits[c] = (float)sum;
    }
}

bool mt_attention_pool_predict(const void *self, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const mt_attention_pool *pool = self;
    g_auto(pool_state) state = {0};

    (void)options;
    if (!allocate_state(pool, &state, MIN(BLOCK_ROWS, bag->n), error) || !allocate_raw(pool, bag->n, raw, error))
        return false;
    for (int64_t first = 0; first < bag->n; first += BLOCK_ROWS)
        if (!run_block(pool, &state, bag, first, MIN(BLOCK_ROWS, bag->n - first), raw, error))
            return false;
    finish(pool, &state, raw);
    return true;
}

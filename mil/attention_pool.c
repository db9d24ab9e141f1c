#include "mil/attention_pool.h"

#include "kernels/graph/graph.h"
#include "kernels/graph/model_from_graph.h"
#include "mil/row_team.h"
#include "src/base/alloc.h"

#include <microtome/model.h>

#include <math.h>
#include <pthread.h>
#include <string.h>

#define BLOCK_ROWS INT64_C(1024)
#define BLOCKS_A_THREAD 2 /* in a group: one is read while the other is computed */
#define OPSET 20          /* of Gelu */

typedef struct mt_attention_pool {
    mt_model           *model; /* x -> s, then tile logits (with a classifier), then h (with a projection) */
    mt_attention_layers layers;
    int64_t             dim, hidden, branches, n_logits;
    int                 tile_output, hidden_output; /* -1: none */
} mt_attention_pool;

/* The softmax of some tiles: sums are relative to the largest logit. */
typedef struct pool_part {
    double *top, *sum; /* K each */
    double *pooled;    /* K x hidden */
} pool_part;

/* One bag, a group of blocks at a time, each block somebody's.  Stored features are read by one thread while another computes. */
typedef struct pool_state {
    const mt_attention_pool *pool;
    mt_row_team             *team;
    mt_raw_output           *raw;
    int64_t                  slots; /* blocks in a group */
    int64_t                  first; /* tile that the group begins with */
    float                   *x, *h; /* of a group; x is NULL where the bag is in memory, h without a projection */
    const mt_bag            *bag;
    pthread_mutex_t          reading; /* a bag is read by one thread at a time */
    double                  *sums;    /* a part per slot, then the total */
} pool_state;

static void pool_state_clear(pool_state *state)
{
    mt_row_team_free(state->team);
    mt_free(state->h);
    mt_free(state->x);
    pthread_mutex_destroy(&state->reading);
    mt_free(state->sums);
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
    mt_value *h = layers->project.weight != NULL ? add_layer(graph, &layers->project, layers->gelu ? "Gelu" : "Relu", x, error) : x;
    mt_value *s = h != NULL ? add_branches(graph, layers, h, error) : NULL;

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

static pool_part part_of(const pool_state *state, int64_t slot)
{
    int64_t k = state->pool->branches;
    double *at = state->sums + slot * k * (2 + state->pool->hidden);

    return (pool_part){.top = at, .sum = at + k, .pooled = at + 2 * k};
}

static bool allocate_state(pool_state *state, int64_t n, int threads, GError **error)
{
    const mt_attention_pool *pool = state->pool;
    mt_port                  input = {.dtype = MT_F32, .rank = 2, .shape = {-1, pool->dim}};

    bool stored = state->bag->read != NULL;

    state->slots = MIN(threads * BLOCKS_A_THREAD, (n + BLOCK_ROWS - 1) / BLOCK_ROWS);
    int64_t rows = MIN(n, state->slots * BLOCK_ROWS);
    state->team = mt_row_team_new(pool->model, &input, 1, threads);
    state->x = stored ? mt_alloc(rows * pool->dim, sizeof(float), error) : NULL;
    bool ok = !stored || state->x != NULL;
    state->h = ok && pool->hidden_output >= 0 ? mt_alloc(rows * pool->hidden, sizeof(float), error) : NULL;
    ok = ok && (pool->hidden_output < 0 || state->h != NULL);
    if (ok)
        state->sums = mt_alloc((state->slots + 1) * pool->branches * (2 + pool->hidden), sizeof(double), error);
    for (int64_t k = 0; state->sums != NULL && k < pool->branches; k++)
        part_of(state, state->slots).top[k] = -INFINITY;
    return state->sums != NULL;
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

/* Rows of one branch: logits at s, s + K, .. */
static void sum_rows(const mt_attention_pool *pool, const float *h, const float *s, int64_t rows, int64_t k, pool_part *part)
{
    double *pooled = part->pooled + k * pool->hidden, top = -INFINITY, sum = 0;

    memset(pooled, 0, (size_t)pool->hidden * sizeof *pooled);
    for (int64_t i = 0; i < rows; i++)
        top = fmax(top, s[i * pool->branches + k]);
    for (int64_t i = 0; i < rows; i++) {
        double weight = exp(s[i * pool->branches + k] - top);
        sum += weight;
        for (int64_t j = 0; j < pool->hidden; j++)
            pooled[j] += weight * h[i * pool->hidden + j];
    }
    part->top[k] = top;
    part->sum[k] = sum;
}

/* Everything is scaled to the larger of both maxima. */
static void merge(const mt_attention_pool *pool, pool_part *total, const pool_part *part)
{
    for (int64_t k = 0; k < pool->branches; k++) {
        double top = fmax(total->top[k], part->top[k]), old = exp(total->top[k] - top), new = exp(part->top[k] - top);
        total->top[k] = top;
        total->sum[k] = total->sum[k] * old + part->sum[k] * new;
        for (int64_t j = k * pool->hidden; j < (k + 1) * pool->hidden; j++)
            total->pooled[j] = total->pooled[j] * old + part->pooled[j] * new;
    }
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

static const float *read_block(pool_state *state, int64_t first, int64_t rows, GError **error)
{
    if (state->x == NULL)
        return mt_bag_rows(state->bag, state->first + first, rows, NULL, error);
    pthread_mutex_lock(&state->reading);
    const float *x = mt_bag_rows(state->bag, state->first + first, rows, state->x + first * state->pool->dim, error);
    pthread_mutex_unlock(&state->reading);
    return x;
}

static bool run_block(void *user, mt_session *session, int64_t block, int64_t first, int64_t rows, GError **error)
{
    pool_state              *state = user;
    const mt_attention_pool *pool = state->pool;
    pool_part                part = part_of(state, block);
    const float             *x = read_block(state, first, rows, error), *h = x;
    int64_t                  tile = state->first + first;
    float                   *s = state->raw->attention_logits + tile * pool->branches;
    void                    *outputs[3] = {s};

    if (x == NULL)
        return false;
    if (pool->tile_output >= 0)
        outputs[pool->tile_output] = state->raw->tile_logits + tile * pool->n_logits;
    if (pool->hidden_output >= 0)
        h = outputs[pool->hidden_output] = state->h + first * pool->hidden;
    if (!mt_session_run(session, (const void *const[]){x}, outputs, error) ||
        !check_finite(s, rows * pool->branches, pool->branches, tile, error))
        return false;
    for (int64_t k = 0; k < pool->branches; k++)
        sum_rows(pool, h, s, rows, k, &part);
    return true;
}

static void finish(const mt_attention_pool *pool, const pool_part *total, mt_raw_output *raw)
{
    const mt_linear *classifier = &pool->layers.classifier;

    for (int64_t k = 0; k < pool->branches; k++)
        for (int64_t j = k * pool->hidden; j < (k + 1) * pool->hidden; j++) {
            total->pooled[j] /= total->sum[k];
            raw->embedding[j] = (float)total->pooled[j];
        }
    for (int64_t c = 0; c < pool->n_logits; c++) {
        const float  *row = (const float *)classifier->weight->data + c * pool->hidden;
        const double *pooled = total->pooled + (pool->layers.branch_per_class ? c * pool->hidden : 0);
        double        sum = ((const float *)classifier->bias->data)[c];
        for (int64_t j = 0; j < pool->hidden; j++)
            sum += row[j] * pooled[j];
        raw->logits[c] = (float)sum;
    }
}

bool mt_attention_pool_predict(const void *self, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const mt_attention_pool *pool = self;
    g_auto(pool_state) state = {.pool = pool, .raw = raw, .bag = bag};

    pthread_mutex_init(&state.reading, NULL);
    if (!allocate_state(&state, bag->n, options->threads, error) || !allocate_raw(pool, bag->n, raw, error))
        return false;
    pool_part total = part_of(&state, state.slots);
    for (; state.first < bag->n; state.first += state.slots * BLOCK_ROWS) {
        int64_t rows = MIN(state.slots * BLOCK_ROWS, bag->n - state.first);
        if (!mt_row_team_run(state.team, rows, BLOCK_ROWS, run_block, &state, error))
            return false;
        for (int64_t slot = 0; slot * BLOCK_ROWS < rows; slot++) {
            pool_part part = part_of(&state, slot);
            merge(pool, &total, &part);
        }
    }
    finish(pool, &total, raw);
    return true;
}

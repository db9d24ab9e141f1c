#include "src/train/tile_network.h"

#include "kernels/graph/gradient.h"
#include "kernels/graph/model_from_graph.h"
#include "src/base/alloc.h"

#include <microtome/model.h>

#include <string.h>

#define OPSET 13
#define N_SIZES 4
#define MOST_SAVED 24

static const int64_t sizes[N_SIZES] = {16, 64, 128, MT_TILE_BLOCK_ROWS};

/* What an input of the gradient's graph is filled with. */
typedef enum part { PART_X, PART_MASK, PART_WEIGHT, PART_H, PART_S, PART_SAVED } part;

typedef struct source {
    part    part;
    int     index;  /* of mask or weight */
    int64_t offset; /* in `saved`, floats */
} source;

typedef struct size_class {
    mt_model *forward, *backward;
    source    saved[MOST_SAVED];  /* of the gradient's inputs behind the seeds */
    int       n_saved, n_outputs; /* of forward, with h and s */
    int64_t   output_offset[MOST_SAVED], saved_floats;
} size_class;

struct mt_tile_network {
    mt_tile_network_params params;
    int                    n_weights;
    size_class             classes[N_SIZES];
};

struct mt_tile_sessions {
    const mt_tile_network *network;
    mt_session            *forward[N_SIZES], *backward[N_SIZES];
};

void mt_tile_network_free(mt_tile_network *network)
{
    if (network == NULL)
        return;
    for (int i = 0; i < N_SIZES; i++) {
        mt_model_unref(network->classes[i].forward);
        mt_model_unref(network->classes[i].backward);
    }
    g_free(network);
}

int mt_tile_network_n_weights(const mt_tile_network *network)
{
    return network->n_weights;
}

int mt_tile_network_weight_shape(const mt_tile_network *network, int i, int64_t shape[2])
{
    const mt_tile_network_params *p = &network->params;
    bool                          last = i / 2 == network->n_weights / 2 - 1;

    shape[0] = i / 2 == 0 ? p->hidden : last ? p->n_logits : p->attention;
    shape[1] = i / 2 == 0 ? p->dim : last && p->attention > 0 ? p->attention : p->hidden;
    return i % 2 == 0 ? 2 : 1;
}

/* --- graphs ------------------------------------------------------------------------------------------------------------ */

typedef struct builder {
    const mt_tile_network *network;
    mt_graph              *graph;
    mt_value              *inputs[4 + MT_TILE_NETWORK_WEIGHTS]; /* x, masks, weights */
    int                    n_inputs, first_weight;
    GError               **error;
} builder;

static mt_value *add_input(builder *b, const char *name, int rank, const int64_t *shape)
{
    return b->inputs[b->n_inputs++] = mt_graph_add_input(b->graph, name, MT_F32, rank, shape);
}

static mt_value *node(builder *b, const char *op, mt_value *x, mt_value *y, mt_value *z)
{
    mt_value *inputs[] = {x, y, z};
    mt_node  *made = x != NULL ? mt_graph_add_node(b->graph, op, NULL, inputs, z != NULL ? 3 : y != NULL ? 2 : 1, 1, NULL, b->error) : NULL;

    return made != NULL ? mt_node_output(made, 0) : NULL;
}

/* Weight and bias `layer` on x. */
static mt_value *linear(builder *b, int layer, mt_value *x)
{
    mt_value *y = node(b, "Gemm", x, b->inputs[b->first_weight + 2 * layer], b->inputs[b->first_weight + 2 * layer + 1]);

    if (y != NULL)
        mt_node_set_int(y->producer, "transB", 1);
    return y;
}

static mt_value *dropped(builder *b, mt_value *x, int mask)
{
    return b->network->params.dropout ? node(b, "Mul", x, b->inputs[1 + mask], NULL) : x;
}

static void add_inputs(builder *b, int64_t rows)
{
    const mt_tile_network_params *p = &b->network->params;
    int64_t                       shape[2] = {rows, p->dim};

    add_input(b, "x", 2, shape);
    for (int i = 0; p->dropout && i < (p->attention > 0 ? 3 : 1); i++) {
        g_autofree char *name = g_strdup_printf("mask %d", i);
        shape[1] = i == 0 ? p->hidden : p->attention;
        add_input(b, name, 2, shape);
    }
    b->first_weight = b->n_inputs;
    for (int i = 0; i < b->network->n_weights; i++) {
        g_autofree char *name = g_strdup_printf("weight %d", i);
        int              rank = mt_tile_network_weight_shape(b->network, i, shape);
        add_input(b, name, rank, shape);
    }
}

/* Outputs h and s. */
static bool build_forward(builder *b, int64_t rows)
{
    int last = b->network->n_weights / 2 - 1;

    add_inputs(b, rows);
    mt_value *h = dropped(b, node(b, "Relu", linear(b, 0, b->inputs[0]), NULL, NULL), 0), *s = h;
    if (h != NULL && last > 1) {
        mt_value *a = dropped(b, node(b, "Tanh", linear(b, 1, h), NULL, NULL), 1);
        mt_value *g = dropped(b, node(b, "Sigmoid", linear(b, 2, h), NULL, NULL), 2);
        s = g != NULL ? node(b, "Mul", a, g, NULL) : NULL;
    }
    s = s != NULL ? linear(b, last, s) : NULL;
    if (s == NULL)
        return false;
    mt_graph_mark_output(b->graph, h);
    mt_graph_mark_output(b->graph, s);
    return mt_graph_infer(b->graph, b->error);
}

static int64_t count(const mt_value *value)
{
    int64_t n = 1;

    for (int i = 0; i < value->rank; i++)
        n *= value->shape[i];
    return n;
}

/* Where a value that the way back needs is found; results of nodes become outputs of the way there. */
static bool find_source(builder *b, size_class *c, mt_value *value, source *found)
{
    for (int i = 0; i < b->n_inputs; i++)
        if (b->inputs[i] == value) {
            *found = (source){.part = i == 0                ? PART_X
                                      : i < b->first_weight ? PART_MASK
                                                            : PART_WEIGHT,
                              .index = i < b->first_weight ? i - 1 : i - b->first_weight};
            return true;
        }
    if (value == b->graph->outputs->pdata[0] || value == b->graph->outputs->pdata[1]) {
        found->part = value == b->graph->outputs->pdata[0] ? PART_H : PART_S;
        return true;
    }
    if (c->n_outputs >= MOST_SAVED)
        return false;
    *found = (source){.part = PART_SAVED, .offset = c->saved_floats};
    c->output_offset[c->n_outputs++] = c->saved_floats;
    c->saved_floats += count(value);
    mt_graph_mark_output(b->graph, value);
    return true;
}

static bool take_sources(builder *b, size_class *c, const mt_gradient *gradient)
{
    c->n_outputs = 2;
    c->n_saved = (int)gradient->saved->len;
    bool ok = c->n_saved <= MOST_SAVED;
    for (int i = 0; ok && i < c->n_saved; i++)
        ok = find_source(b, c, gradient->saved->pdata[i], &c->saved[i]);
    if (!ok)
        g_set_error_literal(b->error, MT_ERROR, MT_ERROR_INTERNAL, "build the training graph: it saves too many values");
    return ok;
}

static bool build_class(const mt_tile_network *network, int i, size_class *c, GError **error)
{
    g_autoptr(mt_graph) graph = mt_graph_new(OPSET);
    builder b = {.network = network, .graph = graph, .error = error};

    if (!build_forward(&b, sizes[i]))
        return false;
    g_autoptr(mt_gradient) gradient = mt_gradient_new(graph, b.inputs + b.first_weight, network->n_weights, error);
    if (gradient == NULL || !take_sources(&b, c, gradient))
        return false;
    c->forward = mt_model_new_from_graph(g_steal_pointer(&graph), "training", error);
    c->backward = c->forward != NULL ? mt_model_new_from_graph(g_steal_pointer(&gradient->graph), "gradients", error) : NULL;
    return c->backward != NULL;
}

mt_tile_network *mt_tile_network_new(const mt_tile_network_params *params, GError **error)
{
    g_autoptr(mt_tile_network) network = g_new0(mt_tile_network, 1);

    network->params = *params;
    network->n_weights = params->attention > 0 ? 8 : 4;
    for (int i = 0; i < N_SIZES; i++)
        if (!build_class(network, i, &network->classes[i], error))
            return NULL;
    return g_steal_pointer(&network);
}

/* --- blocks ------------------------------------------------------------------------------------------------------------ */

mt_tile_block *mt_tile_block_new(const mt_tile_network *network, int64_t rows, GError **error)
{
    const mt_tile_network_params *p = &network->params;
    mt_tile_block                *block = g_new0(mt_tile_block, 1);

    while (sizes[block->size_class] < rows)
        block->size_class++;
    int64_t size = sizes[block->size_class], masks = p->dropout ? p->hidden + 2 * p->attention : 0;
    int64_t floats = size * (p->dim + 2 * p->hidden + 2 * p->n_logits + masks) + network->classes[block->size_class].saved_floats;
    block->rows = rows;
    block->x = mt_alloc(floats, sizeof(float), error);
    if (block->x == NULL) {
        g_free(block);
        return NULL;
    }
    block->h = block->x + size * p->dim;
    block->dh = block->h + size * p->hidden;
    block->s = block->dh + size * p->hidden;
    block->ds = block->s + size * p->n_logits;
    block->saved = block->ds + size * p->n_logits;
    block->masks[0] = p->dropout ? block->saved + network->classes[block->size_class].saved_floats : NULL;
    for (int i = 1; p->dropout && i < 3; i++)
        block->masks[i] = block->masks[0] + size * (p->hidden + (i - 1) * p->attention);
    return block;
}

void mt_tile_block_free(mt_tile_block *block)
{
    if (block == NULL)
        return;
    mt_free(block->x);
    g_free(block);
}

int64_t mt_tile_block_size(const mt_tile_block *block)
{
    return sizes[block->size_class];
}

/* --- sessions ---------------------------------------------------------------------------------------------------------- */

mt_tile_sessions *mt_tile_sessions_new(const mt_tile_network *network, GError **error)
{
    (void)error; /* each is made when a block of its size comes */
    mt_tile_sessions *sessions = g_new0(mt_tile_sessions, 1);

    sessions->network = network;
    return sessions;
}

void mt_tile_sessions_free(mt_tile_sessions *sessions)
{
    if (sessions == NULL)
        return;
    for (int i = 0; i < N_SIZES; i++) {
        mt_session_free(sessions->forward[i]);
        mt_session_free(sessions->backward[i]);
    }
    g_free(sessions);
}

static bool bind(mt_session **session, mt_model *model, GError **error)
{
    g_autofree mt_port *ports = NULL;
    int                 n = mt_model_n_inputs(model);

    if (*session != NULL)
        return true;
    ports = g_new0(mt_port, (gsize)n);
    for (int i = 0; i < n; i++)
        ports[i] = *mt_model_input(model, i);
    mt_session_params params = {.backend = MT_BACKEND_AUTO, .threads = 1, .inputs = ports, .n_inputs = n};
    *session = mt_session_new(model, &params, error);
    return *session != NULL;
}

bool mt_tile_forward(mt_tile_sessions *sessions, const float *const *weights, mt_tile_block *block, GError **error)
{
    const mt_tile_network *network = sessions->network;
    const size_class      *c = &network->classes[block->size_class];
    const void            *inputs[4 + MT_TILE_NETWORK_WEIGHTS] = {block->x};
    void                  *outputs[MOST_SAVED + 2] = {block->h, block->s};
    int                    n = 1;

    for (int i = 0; block->masks[0] != NULL && i < (network->params.attention > 0 ? 3 : 1); i++)
        inputs[n++] = block->masks[i];
    for (int i = 0; i < network->n_weights; i++)
        inputs[n++] = weights[i];
    for (int i = 2; i < c->n_outputs; i++)
        outputs[i] = block->saved + c->output_offset[i];
    return bind(&sessions->forward[block->size_class], c->forward, error) &&
           mt_session_run(sessions->forward[block->size_class], inputs, outputs, error);
}

static const float *find(const source *from, const float *const *weights, const mt_tile_block *block)
{
    switch (from->part) {
    case PART_X:
        return block->x;
    case PART_MASK:
        return block->masks[from->index];
    case PART_WEIGHT:
        return weights[from->index];
    case PART_H:
        return block->h;
    case PART_S:
        return block->s;
    default:
        return block->saved + from->offset;
    }
}

bool mt_tile_backward(mt_tile_sessions *sessions, const float *const *weights, const mt_tile_block *block, float *const *gradients,
                      GError **error)
{
    const mt_tile_network *network = sessions->network;
    const size_class      *c = &network->classes[block->size_class];
    const void            *inputs[MOST_SAVED + 2] = {block->dh, block->ds};
    void                  *outputs[MT_TILE_NETWORK_WEIGHTS];

    for (int i = 0; i < c->n_saved; i++)
        inputs[2 + i] = find(&c->saved[i], weights, block);
    for (int i = 0; i < network->n_weights; i++)
        outputs[i] = gradients[i];
    return bind(&sessions->backward[block->size_class], c->backward, error) &&
           mt_session_run(sessions->backward[block->size_class], inputs, outputs, error);
}

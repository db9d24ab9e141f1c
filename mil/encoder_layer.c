#include "mil/encoder_layer.h"

#include "kernels/graph/model_from_graph.h"
#include "mil/attention_heads.h"
#include "mil/distance_attention.h"
#include "mil/row_team.h"
#include "mil/tile_distances.h"
#include "src/base/alloc.h"

#include <math.h>

#define BLOCK_ROWS INT64_C(512)

struct mt_encoder_layer {
    const mt_encoder_layer_names *names;
    int64_t                       dim, heads, width;
    mt_layer_norm                 norm1, norm2;
    mt_tensor                    *weights[3], *biases[3]; /* q scaled, k, v */
    mt_tensor                    *slope;                  /* dim: how fast weights fall with distance; NULL: they do not */
    mt_linear                     out, up, down;
    mt_model                     *project; /* h (-1,dim) -> q, k, v */
    mt_model                     *attend;  /* q (-1,dim), k, v (all,dim), h (-1,dim)[, distances (-1,all)] -> h (-1,dim) */
};

static void add_projections(const mt_encoder_layer *self, mt_graph *graph, mt_value *h, mt_value **qkv, GError **error)
{
    mt_value *x = self->names->norm_first ? mt_layers_norm(graph, &self->norm1, h, error) : h;

    for (int i = 0; i < 3; i++)
        qkv[i] = mt_layers_linear(graph, self->weights[i], self->biases[i], x, error);
}

/* What follows the attention: `y` its rows, heads side by side. */
static mt_value *add_rest(const mt_encoder_layer *self, mt_graph *graph, mt_value *h, mt_value *y, GError **error)
{
    bool first = self->names->norm_first;

    h = mt_layers_binary(graph, "Add", h, mt_layers_linear(graph, self->out.weight, self->out.bias, y, error), error);
    if (!first && h != NULL)
        h = mt_layers_norm(graph, &self->norm1, h, error);
    y = first && h != NULL ? mt_layers_norm(graph, &self->norm2, h, error) : h;
    y = mt_layers_unary(graph, self->names->activation, mt_layers_linear(graph, self->up.weight, self->up.bias, y, error), error);
    h = mt_layers_binary(graph, "Add", h, mt_layers_linear(graph, self->down.weight, self->down.bias, y, error), error);
    return first || h == NULL ? h : mt_layers_norm(graph, &self->norm2, h, error);
}

static mt_model *build_project(const mt_encoder_layer *self, GError **error)
{
    mt_graph *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value *h = mt_graph_add_input(graph, "h", MT_F32, 2, (int64_t[]){-1, self->dim}), *qkv[3];

    add_projections(self, graph, h, qkv, error);
    for (int i = 0; i < 3; i++) {
        if (qkv[i] == NULL) {
            mt_graph_free(graph);
            return NULL;
        }
        mt_graph_mark_output(graph, qkv[i]);
    }
    return mt_model_new_from_graph(graph, "attention projections", error);
}

/* What distance takes from rows `y` of the attention: D v, as many times as each head says. */
static mt_value *subtract_distant(const mt_encoder_layer *self, mt_graph *graph, mt_value *y, mt_value *distances, mt_value *v,
                                  GError **error)
{
    mt_value *sum = mt_layers_reshape(graph, mt_layers_binary(graph, "MatMul", distances, v, error), 2, (int64_t[]){-1, self->dim}, error);

    sum = mt_layers_binary(graph, "Mul", sum, mt_graph_add_constant(graph, NULL, self->slope), error);
    return mt_layers_binary(graph, "Sub", y, sum, error);
}

static mt_model *build_attend(const mt_encoder_layer *self, GError **error)
{
    static const char *const names[4] = {"q", "k", "v", "h"};
    mt_graph                *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value                *in[4];

    for (int i = 0; i < 4; i++)
        in[i] = mt_graph_add_input(graph, names[i], MT_F32, 2, (int64_t[]){-1, self->dim});
    mt_value *q = mt_layers_split_heads(graph, in[0], self->heads, self->width, false, error);
    mt_value *k = mt_layers_split_heads(graph, in[1], self->heads, self->width, true, error);
    mt_value *v = mt_layers_split_heads(graph, in[2], self->heads, self->width, false, error);
    mt_value *a = mt_layers_softmax(graph, mt_layers_binary(graph, "MatMul", q, k, error), error);
    mt_value *y = mt_layers_join_heads(graph, mt_layers_binary(graph, "MatMul", a, v, error), self->heads, self->width, error);

    if (self->slope != NULL)
        y = subtract_distant(self, graph, y, mt_graph_add_input(graph, "distances", MT_F32, 2, (int64_t[]){-1, -1}), in[2], error);
    y = add_rest(self, graph, in[3], y, error);
    if (y == NULL) {
        mt_graph_free(graph);
        return NULL;
    }
    mt_graph_mark_output(graph, y);
    return mt_model_new_from_graph(graph, "attention", error);
}

mt_value *mt_encoder_layer_add(const mt_encoder_layer *self, mt_graph *graph, mt_value *h, int64_t length, mt_value *distances,
                               GError **error)
{
    const int64_t split[4] = {-1, length, self->heads, self->width}, rows[2] = {-1, self->dim}, sequences[3] = {-1, length, self->dim};
    const int64_t turned[4] = {0, 2, 1, 3}, flipped[4] = {0, 2, 3, 1};
    mt_value     *qkv[3];

    if (h == NULL)
        return NULL;
    add_projections(self, graph, h, qkv, error);
    mt_value *v = self->slope != NULL ? mt_layers_reshape(graph, qkv[2], 3, sequences, error) : NULL;
    for (int i = 0; i < 3; i++) {
        qkv[i] = mt_layers_reshape(graph, qkv[i], 4, split, error);
        qkv[i] = mt_layers_transpose(graph, qkv[i], 4, i == 1 ? flipped : turned, error);
    }
    mt_value *a = mt_layers_softmax(graph, mt_layers_binary(graph, "MatMul", qkv[0], qkv[1], error), error);
    mt_value *y = mt_layers_transpose(graph, mt_layers_binary(graph, "MatMul", a, qkv[2], error), 4, turned, error);
    y = mt_layers_reshape(graph, y, 2, rows, error);
    if (self->slope != NULL)
        y = subtract_distant(self, graph, y, distances, v, error);
    return add_rest(self, graph, h, y, error);
}

static char *below(const char *key, const char *name)
{
    return g_strdup_printf("%s.%s", key, name);
}

/* Of an attention that knows distances; 0: it does not. */
static int64_t keyed_heads(const mt_encoder_layer_names *names, const mt_state_dict *dict, const char *attention)
{
    return names->out != NULL ? mt_distance_attention_heads(dict, attention) : 0;
}

static bool take_projections(mt_encoder_layer *self, mt_state_dict *dict, const char *attention, GError **error)
{
    g_autofree char *weight_key = below(attention, "in_proj_weight"), *bias_key = below(attention, "in_proj_bias");
    int64_t          dim = self->dim;

    if (keyed_heads(self->names, dict, attention) > 0)
        return mt_distance_attention_take(dict, attention, dim, self->heads, self->weights, self->biases, &self->slope, error);
    g_autoptr(mt_tensor) weight = mt_state_dict_take_tensor(dict, weight_key, 2, (int64_t[]){3 * dim, dim}, error);
    g_autoptr(mt_tensor) bias = weight != NULL ? mt_state_dict_take_tensor(dict, bias_key, 1, (int64_t[]){3 * dim}, error) : NULL;

    for (int i = 0; i < 3; i++) {
        double scale = i == 0 ? 1 / sqrt((double)self->width) : 1;
        if (bias == NULL || (self->weights[i] = mt_layers_rows(weight, i * dim, dim, scale, error)) == NULL ||
            (self->biases[i] = mt_layers_rows(bias, i * dim, dim, scale, error)) == NULL)
            return false;
    }
    return true;
}

static bool take_layers(mt_encoder_layer *self, mt_state_dict *dict, const char *key, GError **error)
{
    const mt_encoder_layer_names *names = self->names;
    g_autofree char              *attention = below(key, names->attention), *norm1 = below(key, names->norm1);
    bool                          distances = keyed_heads(names, dict, attention) > 0;
    g_autofree char              *out = below(attention, distances ? names->out : "out_proj");
    g_autofree char              *norm2 = below(key, names->norm2), *up = below(key, names->up), *down = below(key, names->down);
    int64_t                       dim = self->dim;

    return mt_layer_norm_take(dict, norm1, dim, &self->norm1, error) && take_projections(self, dict, attention, error) &&
           mt_state_dict_take_linear(dict, out, dim, dim, NULL, &self->out, error) &&
           mt_layer_norm_take(dict, norm2, dim, &self->norm2, error) &&
           mt_state_dict_take_linear(dict, up, dim, 0, &self->out, &self->up, error) &&
           mt_state_dict_take_linear(dict, down, self->up.out, dim, &self->up, &self->down, error);
}

mt_encoder_layer *mt_encoder_layer_new(mt_state_dict *dict, const char *key, const mt_encoder_layer_names *names, int64_t dim,
                                       GError **error)
{
    g_autoptr(mt_encoder_layer) self = g_new0(mt_encoder_layer, 1);
    g_autofree char *attention = below(key, names->attention);
    int64_t          heads = 0;

    if (!mt_attention_heads_find(dict, keyed_heads(names, dict, attention), &heads, error))
        return NULL;
    *self = (mt_encoder_layer){.names = names, .dim = dim, .heads = heads, .width = dim / heads};
    if (dim % heads != 0) {
        bool keyed = keyed_heads(names, dict, attention) > 0;
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "layer '%s' is %" G_GINT64_FORMAT " wide: %" G_GINT64_FORMAT " heads do not divide it%s", key, dim, heads,
                    keyed ? "" : "; a card can say heads=");
        return NULL;
    }
    if (!take_layers(self, dict, key, error))
        return NULL;
    self->project = build_project(self, error);
    self->attend = self->project != NULL ? build_attend(self, error) : NULL;
    return self->attend != NULL ? g_steal_pointer(&self) : NULL;
}

void mt_encoder_layer_free(mt_encoder_layer *self)
{
    if (self == NULL)
        return;
    mt_layer_norm_clear(&self->norm1);
    mt_layer_norm_clear(&self->norm2);
    for (int i = 0; i < 3; i++) {
        g_clear_pointer(&self->weights[i], mt_tensor_unref);
        g_clear_pointer(&self->biases[i], mt_tensor_unref);
    }
    g_clear_pointer(&self->slope, mt_tensor_unref);
    mt_linear_clear(&self->out);
    mt_linear_clear(&self->up);
    mt_linear_clear(&self->down);
    g_clear_pointer(&self->project, mt_model_unref);
    g_clear_pointer(&self->attend, mt_model_unref);
    g_free(self);
}

int64_t mt_encoder_layer_heads(const mt_encoder_layer *self)
{
    return self->heads;
}

bool mt_encoder_layer_wants_places(const mt_encoder_layer *self)
{
    return self->slope != NULL;
}

bool mt_encoder_tokens_allocate(mt_encoder_tokens *tokens, int64_t n, int64_t dim, bool places, int threads, GError **error)
{
    *tokens = (mt_encoder_tokens){.n = n, .dim = dim, .threads = threads};
    float **buffers[4] = {&tokens->h, &tokens->q, &tokens->k, &tokens->v};
    for (int i = 0; i < 4; i++)
        if ((*buffers[i] = mt_alloc(n * dim, sizeof(float), error)) == NULL)
            return false;
    return !places || ((tokens->x = mt_alloc(n, sizeof(float), error)) != NULL && (tokens->y = mt_alloc(n, sizeof(float), error)) != NULL);
}

void mt_encoder_tokens_clear(mt_encoder_tokens *tokens)
{
    mt_free(tokens->h);
    mt_free(tokens->q);
    mt_free(tokens->k);
    mt_free(tokens->v);
    mt_free(tokens->x);
    mt_free(tokens->y);
}

/* Scores of a block of tokens on all are counted for one head: with oneDNN they never leave the cache.  Its distances do. */
double mt_encoder_layer_bytes(const mt_encoder_layer *self, int64_t n, int threads)
{
    double block = (double)MIN(n, BLOCK_ROWS), rows = (double)n, tables = self->slope != NULL ? 2 : 1;

    return sizeof(float) * (4 * rows * (double)self->dim + (self->slope != NULL ? 2 * rows : 0) +
                            threads * block * (tables * rows + 2 * (double)self->up.out + 8 * (double)self->dim));
}

static bool project_rows(void *user, mt_session *session, int64_t block, int64_t first, int64_t rows, GError **error)
{
    const mt_encoder_tokens *t = user;
    int64_t                  at = first * t->dim;

    (void)block;
    (void)rows;
    return mt_session_run(session, (const void *const[]){t->h + at}, (void *const[]){t->q + at, t->k + at, t->v + at}, error);
}

static bool attend_rows(void *user, mt_session *session, int64_t block, int64_t first, int64_t rows, GError **error)
{
    const mt_encoder_tokens *t = user;
    int64_t                  at = first * t->dim;
    float                   *distances = t->x != NULL ? mt_alloc(rows * t->n, sizeof(float), error) : NULL;

    (void)block;
    if (t->x != NULL && distances == NULL)
        return false;
    if (distances != NULL)
        mt_tile_distances(t->x, t->y, t->n, first, rows, distances);
    bool ok =
        mt_session_run(session, (const void *const[]){t->q + at, t->k, t->v, t->h + at, distances}, (void *const[]){t->h + at}, error);
    mt_free(distances);
    return ok;
}

bool mt_encoder_layer_run(const mt_encoder_layer *self, mt_encoder_tokens *tokens, int64_t rows, GError **error)
{
    mt_port block = {.dtype = MT_F32, .rank = 2, .shape = {-1, self->dim}},
            all = {.dtype = MT_F32, .rank = 2, .shape = {tokens->n, self->dim}},
            distances = {.dtype = MT_F32, .rank = 2, .shape = {-1, tokens->n}};
    const mt_port inputs[5] = {block, all, all, block, distances};
    g_autoptr(mt_row_team) project = mt_row_team_new(self->project, &block, 1, tokens->threads);
    g_autoptr(mt_row_team) attend = mt_row_team_new(self->attend, inputs, self->slope != NULL ? 5 : 4, tokens->threads);

    return mt_row_team_run(project, tokens->n, BLOCK_ROWS, project_rows, tokens, error) &&
           mt_row_team_run(attend, rows, BLOCK_ROWS, attend_rows, tokens, error);
}

void mt_encoder_layer_first_scores(const mt_encoder_layer *self, const mt_encoder_tokens *tokens, float *scores)
{
    for (int64_t i = 1; i < tokens->n; i++)
        for (int64_t head = 0; head < self->heads; head++) {
            const float *q = tokens->q + head * self->width, *k = tokens->k + i * tokens->dim + head * self->width;
            double       sum = 0;
            for (int64_t c = 0; c < self->width; c++)
                sum += (double)q[c] * k[c];
            scores[(i - 1) * self->heads + head] = (float)sum;
        }
}

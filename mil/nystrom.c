#include "mil/nystrom.h"

#include "kernels/graph/model_from_graph.h"
#include "mil/nystrom_private.h"

#include <math.h>

#define INVERSE_STEPS 6

static mt_value *add_rows(mt_graph *graph, const char *name, int64_t n, const mt_nystrom *self)
{
    return mt_graph_add_input(graph, name, MT_F32, 2, (int64_t[]){n, self->dim});
}

static mt_value *add_table(mt_graph *graph, const char *name, int64_t rows, int64_t columns, const mt_nystrom *self)
{
    return mt_graph_add_input(graph, name, MT_F32, 3, (int64_t[]){self->heads, rows, columns});
}

/* a b' of each head: (H, rows of a, rows of b) */
static mt_value *add_scores(mt_graph *graph, const mt_nystrom *self, mt_value *a, mt_value *b, GError **error)
{
    mt_value *left = mt_layers_split_heads(graph, a, self->heads, self->width, false, error);
    mt_value *right = mt_layers_split_heads(graph, b, self->heads, self->width, true, error);

    return mt_layers_binary(graph, "MatMul", left, right, error);
}

static mt_model *finish(mt_graph *graph, const char *name, mt_value *const *outputs, int n, GError **error)
{
    for (int i = 0; i < n; i++) {
        if (outputs[i] == NULL) {
            mt_graph_free(graph);
            return NULL;
        }
        mt_graph_mark_output(graph, outputs[i]);
    }
    return mt_model_new_from_graph(graph, name, error);
}

static mt_model *build_project(const mt_nystrom *self, GError **error)
{
    mt_graph *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value *x = mt_layers_norm(graph, &self->norm, add_rows(graph, "h", -1, self), error), *outputs[3];

    for (int i = 0; i < 3; i++)
        outputs[i] = mt_layers_linear(graph, self->qkv[i], NULL, x, error);
    return finish(graph, "nystrom project", outputs, 3, error);
}

static mt_value *add_identity(mt_graph *graph, int64_t n, float value, GError **error)
{
    g_autoptr(mt_tensor) tensor = mt_tensor_new(MT_F32, 2, (int64_t[]){n, n}, error);

    for (int64_t i = 0; tensor != NULL && i < n; i++)
        ((float *)tensor->data)[i * n + i] = value;
    return tensor != NULL ? mt_graph_add_constant(graph, NULL, tensor) : NULL;
}

/* z (13 I - a z (15 I - a z (7 I - a z))) / 4 */
static mt_value *add_inverse_step(mt_graph *graph, mt_value *a, mt_value *z, mt_value *const *identities, GError **error)
{
    mt_value *az = mt_layers_binary(graph, "MatMul", a, z, error);
    mt_value *t = mt_layers_binary(graph, "Sub", identities[0], az, error);

    for (int i = 1; i < 3; i++)
        t = mt_layers_binary(graph, "Sub", identities[i], mt_layers_binary(graph, "MatMul", az, t, error), error);
    t = mt_layers_binary(graph, "MatMul", z, t, error);
    return mt_layers_binary(graph, "Mul", t, mt_layers_number(graph, 0.25F, error), error);
}

/* The largest sum along `axis`, of all heads. */
static mt_value *add_largest_sum(mt_graph *graph, mt_value *a, int64_t axis, GError **error)
{
    return mt_layers_reduce(graph, "ReduceMax", mt_layers_reduce(graph, "ReduceSum", a, axis, error), -1, error);
}

static mt_model *build_invert(const mt_nystrom *self, GError **error)
{
    static const float diagonals[3] = {7, 15, 13};
    mt_graph          *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value          *q = add_rows(graph, "q", self->landmarks, self), *k = add_rows(graph, "k", self->landmarks, self);
    mt_value          *a = mt_layers_softmax(graph, add_scores(graph, self, q, k, error), error), *identities[3];
    mt_value          *rows = add_largest_sum(graph, a, 2, error), *columns = add_largest_sum(graph, a, 1, error);
    mt_value          *z = mt_layers_transpose(graph, a, 3, (int64_t[]){0, 2, 1}, error);

    for (int i = 0; i < 3; i++)
        identities[i] = add_identity(graph, self->landmarks, diagonals[i], error);
    z = mt_layers_binary(graph, "Div", z, mt_layers_binary(graph, "Mul", rows, columns, error), error);
    for (int i = 0; i < INVERSE_STEPS; i++)
        z = add_inverse_step(graph, a, z, identities, error);
    return finish(graph, "nystrom invert", &z, 1, error);
}

static mt_model *build_gather(const mt_nystrom *self, GError **error)
{
    mt_graph *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value *q = add_rows(graph, "q", self->landmarks, self), *k = add_rows(graph, "k", -1, self), *v = add_rows(graph, "v", -1, self);
    mt_value *scores = add_scores(graph, self, q, k, error), *outputs[3];

    outputs[0] = mt_layers_reduce(graph, "ReduceMax", scores, 2, error);
    mt_value *e = mt_layers_unary(graph, "Exp", mt_layers_binary(graph, "Sub", scores, outputs[0], error), error);
    outputs[1] = mt_layers_reduce(graph, "ReduceSum", e, 2, error);
    outputs[2] = mt_layers_binary(graph, "MatMul", e, mt_layers_split_heads(graph, v, self->heads, self->width, false, error), error);
    return finish(graph, "nystrom gather", outputs, 3, error);
}

static mt_model *build_spread(const mt_nystrom *self, GError **error)
{
    mt_graph *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value *q = add_rows(graph, "q", -1, self), *k = add_rows(graph, "k", self->landmarks, self);
    mt_value *w = add_table(graph, "w", self->landmarks, self->width, self);
    mt_value *conv = add_rows(graph, "conv", -1, self), *h = add_rows(graph, "h", -1, self);
    mt_value *a = mt_layers_softmax(graph, add_scores(graph, self, q, k, error), error);
    mt_value *y = mt_layers_join_heads(graph, mt_layers_binary(graph, "MatMul", a, w, error), self->heads, self->width, error);

    y = mt_layers_linear(graph, self->out.weight, self->out.bias, mt_layers_binary(graph, "Add", y, conv, error), error);
    y = mt_layers_binary(graph, "Add", y, h, error);
    return finish(graph, "nystrom spread", &y, 1, error);
}

static mt_model *build_look(const mt_nystrom *self, GError **error)
{
    mt_graph *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value *q = add_rows(graph, "q", self->landmarks, self), *k = add_rows(graph, "k", -1, self);
    mt_value *top = add_table(graph, "top", self->landmarks, 1, self), *u = add_table(graph, "u", 1, self->landmarks, self);
    mt_value *e = mt_layers_binary(graph, "Sub", add_scores(graph, self, q, k, error), top, error);
    mt_value *y = mt_layers_binary(graph, "MatMul", u, mt_layers_unary(graph, "Exp", e, error), error);

    return finish(graph, "nystrom look", &y, 1, error);
}

static bool build_models(mt_nystrom *self, GError **error)
{
    self->project = build_project(self, error);
    self->invert = self->project != NULL ? build_invert(self, error) : NULL;
    self->gather = self->invert != NULL ? build_gather(self, error) : NULL;
    self->spread = self->gather != NULL ? build_spread(self, error) : NULL;
    self->look = self->spread != NULL ? build_look(self, error) : NULL;
    return self->look != NULL;
}

/* Heads from the convolution, which has a row for each. */
static bool take_conv(mt_nystrom *self, mt_state_dict *dict, const char *attention, GError **error)
{
    g_autofree char *key = g_strconcat(attention, ".res_conv.weight", NULL);

    self->conv = mt_state_dict_take_tensor(dict, key, 4, (int64_t[]){-1, 1, -1, 1}, error);
    if (self->conv == NULL)
        return false;
    self->heads = self->conv->shape[0];
    if (self->dim % self->heads != 0 || self->dim % 2 != 0 || self->conv->shape[2] % 2 == 0) {
        g_autofree char *shape = mt_shape_to_string(4, self->conv->shape);
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "key '%s' has shape %s: a number of heads that divides %" G_GINT64_FORMAT " and an odd number of taps are wanted", key,
                    shape, self->dim);
        return false;
    }
    self->width = self->dim / self->heads;
    self->landmarks = self->dim / 2;
    return true;
}

static bool take_layers(mt_nystrom *self, mt_state_dict *dict, const char *norm, const char *attention, GError **error)
{
    g_autofree char *key = g_strconcat(attention, ".to_qkv.weight", NULL), *out = g_strconcat(attention, ".to_out.0", NULL);

    if (!mt_layer_norm_take(dict, norm, self->dim, &self->norm, error) || !take_conv(self, dict, attention, error))
        return false;
    g_autoptr(mt_tensor) qkv = mt_state_dict_take_tensor(dict, key, 2, (int64_t[]){3 * self->dim, self->dim}, error);
    if (qkv == NULL)
        return false;
    for (int i = 0; i < 3; i++) {
        double scale = i == 0 ? 1 / sqrt((double)self->width) : 1;
        self->qkv[i] = mt_layers_rows(qkv, i * self->dim, self->dim, scale, error);
        if (self->qkv[i] == NULL)
            return false;
    }
    return mt_state_dict_take_linear(dict, out, self->dim, self->dim, NULL, &self->out, error);
}

mt_nystrom *mt_nystrom_new(mt_state_dict *dict, const char *norm, const char *attention, int64_t dim, GError **error)
{
    g_autoptr(mt_nystrom) self = g_new0(mt_nystrom, 1);

    self->dim = dim;
    if (!take_layers(self, dict, norm, attention, error) || !build_models(self, error))
        return NULL;
    return g_steal_pointer(&self);
}

void mt_nystrom_free(mt_nystrom *self)
{
    if (self == NULL)
        return;
    mt_layer_norm_clear(&self->norm);
    for (int i = 0; i < 3; i++)
        g_clear_pointer(&self->qkv[i], mt_tensor_unref);
    g_clear_pointer(&self->conv, mt_tensor_unref);
    mt_linear_clear(&self->out);
    g_clear_pointer(&self->project, mt_model_unref);
    g_clear_pointer(&self->invert, mt_model_unref);
    g_clear_pointer(&self->gather, mt_model_unref);
    g_clear_pointer(&self->spread, mt_model_unref);
    g_clear_pointer(&self->look, mt_model_unref);
    g_free(self);
}

int64_t mt_nystrom_heads(const mt_nystrom *self)
{
    return self->heads;
}

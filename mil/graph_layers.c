#include "mil/graph_layers.h"

void mt_layer_norm_clear(mt_layer_norm *norm)
{
    g_clear_pointer(&norm->weight, mt_tensor_unref);
    g_clear_pointer(&norm->bias, mt_tensor_unref);
}

bool mt_layer_norm_take(mt_state_dict *dict, const char *key, int64_t width, mt_layer_norm *norm, GError **error)
{
    g_autofree char *weight = g_strconcat(key, ".weight", NULL), *bias = g_strconcat(key, ".bias", NULL);

    norm->weight = mt_state_dict_take_tensor(dict, weight, 1, &width, error);
    norm->bias = norm->weight != NULL ? mt_state_dict_take_tensor(dict, bias, 1, &width, error) : NULL;
    return norm->bias != NULL;
}

static mt_node *add(mt_graph *graph, const char *op, mt_value *const *inputs, int n, GError **error)
{
    for (int i = 0; i < n; i++)
        if (inputs[i] == NULL)
            return NULL;
    return mt_graph_add_node(graph, op, NULL, inputs, n, 1, NULL, error);
}

static mt_value *out(mt_node *node)
{
    return node != NULL ? mt_node_output(node, 0) : NULL;
}

mt_value *mt_layers_unary(mt_graph *graph, const char *op, mt_value *a, GError **error)
{
    return out(add(graph, op, &a, 1, error));
}

mt_value *mt_layers_binary(mt_graph *graph, const char *op, mt_value *a, mt_value *b, GError **error)
{
    return out(add(graph, op, (mt_value *const[]){a, b}, 2, error));
}

mt_value *mt_layers_linear(mt_graph *graph, mt_tensor *weight, mt_tensor *bias, mt_value *x, GError **error)
{
    mt_value *inputs[3] = {x, mt_graph_add_constant(graph, NULL, weight), bias != NULL ? mt_graph_add_constant(graph, NULL, bias) : NULL};
    mt_node  *node = add(graph, "Gemm", inputs, bias != NULL ? 3 : 2, error);

    if (node != NULL)
        mt_node_set_int(node, "transB", 1); /* stored (out, in) */
    return out(node);
}

mt_value *mt_layers_norm(mt_graph *graph, const mt_layer_norm *norm, mt_value *x, GError **error)
{
    mt_value *inputs[3] = {x, mt_graph_add_constant(graph, NULL, norm->weight), mt_graph_add_constant(graph, NULL, norm->bias)};
    mt_node  *node = add(graph, "LayerNormalization", inputs, 3, error);

    if (node != NULL) {
        mt_node_set_int(node, "axis", -1);
        mt_node_set_float(node, "epsilon", MT_LAYERS_NORM_EPSILON);
    }
    return out(node);
}

mt_value *mt_layers_softmax(mt_graph *graph, mt_value *x, GError **error)
{
    mt_node *node = add(graph, "Softmax", &x, 1, error);

    if (node != NULL)
        mt_node_set_int(node, "axis", -1);
    return out(node);
}

static mt_value *add_integers(mt_graph *graph, const int64_t *values, int n, GError **error)
{
    g_autoptr(mt_tensor) tensor = mt_tensor_new(MT_I64, 1, (int64_t[]){n}, error);

    for (int i = 0; tensor != NULL && i < n; i++)
        ((int64_t *)tensor->data)[i] = values[i];
    return tensor != NULL ? mt_graph_add_constant(graph, NULL, tensor) : NULL;
}

mt_value *mt_layers_number(mt_graph *graph, float value, GError **error)
{
    g_autoptr(mt_tensor) tensor = mt_tensor_new(MT_F32, 0, NULL, error);

    if (tensor == NULL)
        return NULL;
    *(float *)tensor->data = value;
    return mt_graph_add_constant(graph, NULL, tensor);
}

mt_value *mt_layers_reshape(mt_graph *graph, mt_value *x, int rank, const int64_t *shape, GError **error)
{
    return out(add(graph, "Reshape", (mt_value *const[]){x, add_integers(graph, shape, rank, error)}, 2, error));
}

mt_value *mt_layers_transpose(mt_graph *graph, mt_value *x, int rank, const int64_t *order, GError **error)
{
    mt_node *node = add(graph, "Transpose", &x, 1, error);

    if (node != NULL)
        mt_node_set_ints(node, "perm", order, rank);
    return out(node);
}

mt_value *mt_layers_reduce(mt_graph *graph, const char *op, mt_value *x, int64_t axis, GError **error)
{
    mt_value *inputs[2] = {x, axis >= 0 ? add_integers(graph, &axis, 1, error) : NULL};
    mt_node  *node = add(graph, op, inputs, axis >= 0 ? 2 : 1, error);

    if (node != NULL)
        mt_node_set_int(node, "keepdims", 1);
    return out(node);
}

mt_value *mt_layers_split_heads(mt_graph *graph, mt_value *rows, int64_t heads, int64_t width, bool flipped, GError **error)
{
    mt_value *split = mt_layers_reshape(graph, rows, 3, (int64_t[]){-1, heads, width}, error);

    return mt_layers_transpose(graph, split, 3, flipped ? (int64_t[]){1, 2, 0} : (int64_t[]){1, 0, 2}, error);
}

mt_value *mt_layers_join_heads(mt_graph *graph, mt_value *x, int64_t heads, int64_t width, GError **error)
{
    mt_value *rows = mt_layers_transpose(graph, x, 3, (int64_t[]){1, 0, 2}, error);

    return mt_layers_reshape(graph, rows, 2, (int64_t[]){-1, heads * width}, error);
}

mt_value *mt_layers_join(mt_graph *graph, mt_value *a, mt_value *b, GError **error)
{
    mt_node *node = add(graph, "Concat", (mt_value *const[]){a, b}, 2, error);

    if (node != NULL)
        mt_node_set_int(node, "axis", 1);
    return out(node);
}

mt_value *mt_layers_columns(mt_graph *graph, mt_value *x, int64_t first, int64_t n, GError **error)
{
    mt_value *inputs[4] = {x, add_integers(graph, (int64_t[]){first}, 1, error), add_integers(graph, (int64_t[]){first + n}, 1, error),
                           add_integers(graph, (int64_t[]){1}, 1, error)};

    return out(add(graph, "Slice", inputs, 4, error));
}

mt_tensor *mt_layers_rows(const mt_tensor *tensor, int64_t first, int64_t n, double scale, GError **error)
{
    int64_t    width = tensor->rank == 2 ? tensor->shape[1] : 1;
    mt_tensor *rows = mt_tensor_new(MT_F32, tensor->rank, (int64_t[]){n, width}, error);

    for (int64_t i = 0; rows != NULL && i < n * width; i++)
        ((float *)rows->data)[i] = (float)(((const float *)tensor->data)[first * width + i] * scale);
    return rows;
}

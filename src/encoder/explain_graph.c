#include "src/encoder/explain_graph.h"

#include "kernels/reference/window.h"

#include <math.h>
#include <string.h>

static bool is_op(const mt_node *node, const char *const *names)
{
    for (; node != NULL && *names != NULL; names++)
        if (strcmp(node->op, *names) == 0)
            return true;
    return false;
}

/* Past nodes that change nothing but the shape. */
static mt_value *past_views(mt_value *value)
{
    static const char *const views[] = {"Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast", NULL};

    while (is_op(value->producer, views))
        value = mt_node_input(value->producer, 0);
    return value;
}

mt_value *mt_explain_logits(mt_value *output)
{
    static const char *const activations[] = {"Softmax", "LogSoftmax", "Sigmoid", "Identity", NULL};

    while (is_op(output->producer, activations))
        output = mt_node_input(output->producer, 0);
    return output;
}

bool mt_explain_read_places(const mt_value *v, mt_explain_places *p)
{
    if (v->constant != NULL || v->dtype != MT_F32 || v->rank < 3 || v->rank > 4 || v->shape[0] != 1)
        return false;
    if (v->rank == 3)
        *p = (mt_explain_places){v->shape[2], v->shape[1], 1, 1, v->shape[2], true};
    else if (v->shape[2] == v->shape[3])
        *p = (mt_explain_places){v->shape[1], v->shape[2], v->shape[3], v->shape[2] * v->shape[3], 1, false};
    else if (v->shape[1] == v->shape[2])
        *p = (mt_explain_places){v->shape[3], v->shape[1], v->shape[2], 1, v->shape[3], false};
    else
        return false;
    return p->rows > 1;
}

static int64_t spatial(const mt_value *value)
{
    int64_t n = 1;

    for (int i = 2; i < value->rank; i++)
        n *= value->shape[i];
    return n;
}

/* What a node takes the mean of over all its places; NULL: it does not. */
static mt_value *mean_of(const mt_node *node)
{
    mt_value         *x = node != NULL ? mt_node_input(node, 0) : NULL;
    const mt_value   *y = node != NULL ? mt_node_output(node, 0) : NULL;
    mt_explain_places places;
    int               n, pads;

    if (x == NULL || !mt_explain_read_places(x, &places))
        return NULL;
    if (strcmp(node->op, "GlobalAveragePool") == 0)
        return x;
    if (strcmp(node->op, "AveragePool") == 0) {
        const int64_t *kernel = mt_node_ints(node, "kernel_shape", &n), *pad = mt_node_ints(node, "pads", &pads);
        for (int i = 0; i < pads; i++)
            if (pad[i] != 0)
                return NULL;
        return n == 2 && kernel[0] == x->shape[2] && kernel[1] == x->shape[3] && spatial(y) == 1 ? x : NULL;
    }
    if (strcmp(node->op, "ReduceMean") != 0)
        return NULL;
    int64_t elements = 1;
    for (int i = 0; i < y->rank; i++)
        elements *= y->shape[i];
    return elements == places.channels ? x : NULL;
}

static mt_tensor *constant_of(const mt_value *value, int rank)
{
    return value != NULL && value->constant != NULL && value->constant->dtype == MT_F32 && value->constant->rank >= rank ? value->constant
                                                                                                                         : NULL;
}

/* y = x W + b with a W that is stored: x, and where its weights lie; NULL: it is not that. */
static mt_value *take_linear(mt_node *node, mt_explain_linear *l)
{
    static const char *const adds[] = {"Add", NULL};
    mt_value                *x = NULL;

    if (is_op(node, adds) && constant_of(mt_node_input(node, 1), 0) != NULL)
        node = mt_node_input(node, 0)->producer;
    else if (is_op(node, adds) && constant_of(mt_node_input(node, 0), 0) != NULL)
        node = mt_node_input(node, 1)->producer;
    if (node == NULL)
        return NULL;
    bool gemm = strcmp(node->op, "Gemm") == 0, product = strcmp(node->op, "MatMul") == 0, conv = strcmp(node->op, "Conv") == 0;
    if ((gemm || product || conv) && (l->weights = constant_of(mt_node_input(node, 1), 2)) != NULL)
        x = mt_node_input(node, 0);
    if (x == NULL || (gemm && mt_node_int(node, "transA", 0) != 0) || (product && l->weights->rank != 2) ||
        (conv && (mt_node_int(node, "group", 1) != 1 || spatial(mt_node_input(node, 1)) != 1 || spatial(x) != 1)))
        return NULL;
    bool by_class = conv || (gemm && mt_node_int(node, "transB", 0) != 0);
    l->step_class = by_class ? l->weights->shape[1] : 1;
    l->step_channel = by_class ? 1 : l->weights->shape[1];
    l->channels = l->weights->shape[by_class ? 1 : 0];
    l->scale = gemm ? mt_node_float(node, "alpha", 1) : 1;
    return x;
}

bool mt_explain_find_linear(mt_value *logits, mt_explain_linear *linear)
{
    mt_value         *at = past_views(logits), *features;
    mt_explain_places places;

    *linear = (mt_explain_linear){.scale = 1};
    if ((features = mean_of(at->producer)) != NULL && mt_explain_read_places(features, &places) && !places.tokens) {
        linear->features = features; /* classes are channels: Lin et al. 2013 */
        linear->channels = places.channels;
        return true;
    }
    mt_value *x = at->producer != NULL ? take_linear(at->producer, linear) : NULL;
    if (x == NULL)
        return false;
    linear->features = mean_of(past_views(x)->producer);
    return linear->features != NULL && mt_explain_read_places(linear->features, &places) && places.channels == linear->channels;
}

/* What `value` is made of, itself included; what leads to it through `without` (NULL: nothing) alone is left out. */
static GHashTable *ancestors(const mt_value *value, const mt_value *without)
{
    GHashTable *seen = g_hash_table_new(NULL, NULL);
    g_autoptr(GPtrArray) open = g_ptr_array_new();

    g_ptr_array_add(open, (gpointer)value);
    while (open->len > 0) {
        const mt_value *v = g_ptr_array_steal_index(open, open->len - 1);
        if (v == without || !g_hash_table_add(seen, (gpointer)v) || v->producer == NULL)
            continue;
        for (guint i = 0; i < v->producer->inputs->len; i++)
            if (mt_node_input(v->producer, (int)i) != NULL)
                g_ptr_array_add(open, mt_node_input(v->producer, (int)i));
    }
    return seen;
}

/* All that the logits know of the input has gone through it: neither of two pools beside each other has, nor has a branch. */
static bool is_cut(const mt_graph *graph, const mt_value *logits, const mt_value *value)
{
    g_autoptr(GHashTable) rest = ancestors(logits, value);

    return !g_hash_table_contains(rest, graph->inputs->pdata[0]);
}

mt_value *mt_explain_last_features(const mt_graph *graph, const mt_value *logits)
{
    g_autoptr(GPtrArray) attention = mt_explain_attention(graph);
    g_autoptr(GHashTable) before = attention->len == 0 ? ancestors(logits, NULL) : NULL;
    mt_explain_places places;

    for (guint i = graph->nodes->len; before != NULL && i > 0; i--) {
        mt_value *y = mt_node_output(graph->nodes->pdata[i - 1], 0);
        if (y != NULL && g_hash_table_contains(before, y) && mt_explain_read_places(y, &places) && !places.tokens &&
            is_cut(graph, logits, y))
            return y;
    }
    return NULL;
}

mt_value *mt_explain_find_layer(const mt_graph *graph, const mt_value *logits, const char *name, GError **error)
{
    g_autoptr(GHashTable) before = ancestors(logits, NULL);
    g_autoptr(GString) some = g_string_new(NULL);
    mt_explain_places places;
    int               n = 0;

    for (guint i = graph->nodes->len; i > 0; i--) {
        const mt_node *node = graph->nodes->pdata[i - 1];
        mt_value      *y = mt_node_output(node, 0);
        if (y == NULL || !mt_explain_read_places(y, &places) || !g_hash_table_contains(before, y))
            continue;
        if (strcmp(node->name, name) == 0 || strcmp(y->name, name) == 0)
            return y;
        if (n++ < 5)
            g_string_append_printf(some, "%s%s", n > 1 ? ", " : "", *node->name != '\0' ? node->name : y->name);
    }
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                "layer %s: no node or value of that name has places and leads to the classes; the last that do: %s", name,
                n > 0 ? some->str : "none");
    return NULL;
}

/* Of the picture that a node makes its output from; NULL: it is none of a known kind. */
static mt_value *picture_before(const mt_node *node)
{
    static const char *const elementwise[] = {
        "Add",  "Sub",       "Mul",  "Div", "Relu",     "Clip",        "Sigmoid", "Tanh",     "HardSwish", "Elu",  "PRelu",
        "Gelu", "LeakyRelu", "Mish", "Erf", "Identity", "HardSigmoid", "Dropout", "Softplus", "Concat",    "Cast", "BatchNormalization",
        NULL};
    const mt_value *y = mt_node_output(node, 0);

    if (strcmp(node->op, "Conv") == 0 || strcmp(node->op, "MaxPool") == 0 || strcmp(node->op, "AveragePool") == 0)
        return mt_node_input(node, 0);
    for (guint i = 0; is_op(node, elementwise) && i < node->inputs->len; i++) {
        mt_value *x = mt_node_input(node, (int)i);
        if (x != NULL && x->constant == NULL && x->rank == 4 && x->shape[2] == y->shape[2] && x->shape[3] == y->shape[3])
            return x;
    }
    return NULL;
}

bool mt_explain_centres(const mt_value *layer, double start[2], double jump[2])
{
    g_autoptr(GPtrArray) windows = g_ptr_array_new(); /* mt_node *, the last first */

    while (layer->producer != NULL) {
        const mt_node *node = layer->producer;
        if (layer->rank != 4)
            return false;
        if (strcmp(node->op, "Conv") == 0 || strstr(node->op, "Pool") != NULL)
            g_ptr_array_add(windows, (gpointer)node);
        layer = picture_before(node);
        if (layer == NULL)
            return false;
    }
    start[0] = start[1] = 0;
    jump[0] = jump[1] = 1;
    for (guint i = windows->len; i > 0; i--) {
        const mt_node  *node = windows->pdata[i - 1];
        const mt_value *x = mt_node_input(node, 0), *w = strcmp(node->op, "Conv") == 0 ? mt_node_input(node, 1) : NULL;
        mt_window       window;
        if (!mt_window_read(node, 2, x->shape + 2, w != NULL ? w->shape + 2 : NULL, &window, NULL))
            return false;
        for (int a = 0; a < 2; a++) {
            start[a] += ((double)((window.kernel[a] - 1) * window.dilation[a]) / 2 - (double)window.pad[a]) * jump[a];
            jump[a] *= (double)window.stride[a];
        }
    }
    return true;
}

GPtrArray *mt_explain_attention(const mt_graph *graph)
{
    GPtrArray *found = g_ptr_array_new();

    for (guint i = 0; i < graph->nodes->len; i++) {
        const mt_node *node = graph->nodes->pdata[i];
        mt_value      *y = mt_node_output(node, 0);
        int64_t        heads = 1;
        if (strcmp(node->op, "Softmax") != 0 || y->rank < 2 || y->shape[y->rank - 1] != y->shape[y->rank - 2] || y->shape[y->rank - 1] < 2)
            continue;
        for (int a = 0; a < y->rank - 3; a++)
            heads *= y->shape[a];
        if (heads == 1) /* windows of a Swin are a batch */
            g_ptr_array_add(found, y);
    }
    return found;
}

bool mt_explain_patches(const mt_graph *graph, int64_t tokens, int64_t grid[2], int64_t *prefix)
{
    for (guint i = 0; i < graph->nodes->len; i++) {
        const mt_node  *node = graph->nodes->pdata[i];
        const mt_value *y = mt_node_output(node, 0);
        if (strcmp(node->op, "Conv") != 0 || y->rank != 4 || spatial(y) > tokens)
            continue;
        grid[0] = y->shape[2];
        grid[1] = y->shape[3];
        *prefix = tokens - spatial(y);
        return *prefix <= 64 && spatial(y) > 1;
    }
    int64_t side = (int64_t)floor(sqrt((double)tokens)); /* patches cut by hand: a square behind one class token, or without */
    grid[0] = grid[1] = side;
    *prefix = tokens - side * side;
    return side > 1 && *prefix <= 1;
}

#include "kernels/graph/gradient_private.h"

#include "kernels/reference/operator.h"

#include <string.h>

#define OPSET 13

void mt_gradient_free(mt_gradient *gradient)
{
    if (gradient == NULL)
        return;
    mt_graph_free(gradient->graph);
    g_ptr_array_unref(gradient->saved);
    g_free(gradient);
}

mt_value *mt_reverse_mirror(mt_reverse *r, mt_value *value)
{
    mt_value *mirror = g_hash_table_lookup(r->mirrors, value);

    if (mirror != NULL)
        return mirror;
    if (value->constant != NULL)
        mirror = mt_graph_add_constant(r->gradient->graph, value->name, value->constant);
    else {
        mirror = mt_graph_add_input(r->gradient->graph, value->name, value->dtype, value->rank, value->shape);
        g_ptr_array_add(r->gradient->saved, value);
    }
    g_hash_table_insert(r->mirrors, value, mirror);
    return mirror;
}

bool mt_reverse_wants(const mt_reverse *r, const mt_node *node, int i)
{
    mt_value *input = mt_node_input(node, i);

    return input != NULL && g_hash_table_contains(r->wanted, input);
}

mt_value *mt_reverse_op(mt_reverse *r, const char *op, mt_value *a, mt_value *b)
{
    mt_value *inputs[] = {a, b};

    if (a == NULL)
        return NULL;
    mt_node *node = mt_graph_add_node(r->gradient->graph, op, NULL, inputs, b != NULL ? 2 : 1, 1, NULL, r->error);
    return node != NULL ? mt_node_output(node, 0) : NULL;
}

static mt_value *add_constant(mt_reverse *r, mt_dtype dtype, int rank, int64_t n, const void *data)
{
    g_autoptr(mt_tensor) tensor = mt_tensor_new(dtype, rank, &n, r->error);

    if (tensor == NULL)
        return NULL;
    memcpy(tensor->data, data, (size_t)n * mt_dtype_size(dtype));
    return mt_graph_add_constant(r->gradient->graph, NULL, tensor);
}

mt_value *mt_reverse_scalar(mt_reverse *r, double value)
{
    float number = (float)value;

    return add_constant(r, MT_F32, 0, 1, &number);
}

mt_value *mt_reverse_list(mt_reverse *r, const int64_t *values, int n)
{
    return add_constant(r, MT_I64, 1, n, values);
}

mt_value *mt_reverse_reshape(mt_reverse *r, mt_value *x, const mt_value *like)
{
    mt_value *shape = x != NULL ? mt_reverse_list(r, like->shape, like->rank) : NULL;

    return shape != NULL ? mt_reverse_op(r, "Reshape", x, shape) : NULL;
}

bool mt_reverse_add(mt_reverse *r, const mt_node *node, int i, mt_value *part)
{
    mt_value *input = mt_node_input(node, i), *before = g_hash_table_lookup(r->slopes, input);

    if (part != NULL && before != NULL)
        part = mt_reverse_op(r, "Add", before, part);
    if (part != NULL)
        g_hash_table_insert(r->slopes, input, part);
    return part != NULL;
}

/* Everything that depends on a wrt: between those and the outputs lies what has a gradient. */
static void find_wanted(mt_reverse *r, mt_value *const *wrt, int n)
{
    for (int i = 0; i < n; i++)
        g_hash_table_add(r->wanted, wrt[i]);
    for (guint i = 0; i < r->forward->nodes->len; i++) {
        const mt_node *node = r->forward->nodes->pdata[i];
        bool           depends = false;
        for (guint j = 0; j < node->inputs->len; j++)
            depends |= mt_reverse_wants(r, node, (int)j);
        for (guint j = 0; depends && j < node->outputs->len; j++)
            if (mt_node_output(node, (int)j) != NULL)
                g_hash_table_add(r->wanted, mt_node_output(node, (int)j));
    }
}

static bool add_seeds(mt_reverse *r)
{
    for (guint i = 0; i < r->forward->outputs->len; i++) {
        mt_value        *output = r->forward->outputs->pdata[i], *before = g_hash_table_lookup(r->slopes, output);
        g_autofree char *name = g_strdup_printf("gradient of %s", output->name);
        mt_value        *seed = mt_graph_add_input(r->gradient->graph, name, output->dtype, output->rank, output->shape);
        if (before != NULL)
            seed = mt_reverse_op(r, "Add", before, seed);
        if (seed == NULL)
            return false;
        g_hash_table_insert(r->slopes, output, seed);
    }
    return true;
}

static bool reverse_split(mt_reverse *r, const mt_node *node)
{
    for (guint i = 0; i < node->outputs->len; i++) {
        mt_value *output = mt_node_output(node, (int)i), *slope = output != NULL ? g_hash_table_lookup(r->slopes, output) : NULL;
        if (slope != NULL && mt_reverse_wants(r, node, 0) && !mt_gradient_reverse_split(r, node, (int)i, slope))
            return false;
    }
    return true;
}

/* Of outputs beside the first (a mask, a mean) none may have a gradient. */
static bool is_single(const mt_reverse *r, const mt_node *node)
{
    for (guint i = 1; i < node->outputs->len; i++)
        if (mt_node_output(node, (int)i) != NULL && g_hash_table_contains(r->slopes, mt_node_output(node, (int)i)))
            return false;
    return true;
}

static bool reverse_node(mt_reverse *r, const mt_node *node)
{
    if (strcmp(node->op, "Split") == 0)
        return reverse_split(r, node);
    mt_value *output = mt_node_output(node, 0), *slope = output != NULL ? g_hash_table_lookup(r->slopes, output) : NULL;
    bool      wanted = false;

    for (guint i = 0; i < node->inputs->len; i++)
        wanted |= mt_reverse_wants(r, node, (int)i);
    if (!wanted || slope == NULL)
        return true;
    mt_gradient_rule rule = mt_gradient_find_rule(node->op);
    if (rule == NULL || !is_single(r, node)) {
        mt_node_error(node, r->error, "its gradient is not known");
        return false;
    }
    return rule(r, node, slope);
}

/* A wrt that no output depends on has the gradient 0. */
static bool mark_outputs(mt_reverse *r, mt_value *const *wrt, int n)
{
    for (int i = 0; i < n; i++) {
        mt_value *slope = g_hash_table_lookup(r->slopes, wrt[i]);
        if (slope == NULL) {
            g_autoptr(mt_tensor) zeros = mt_tensor_new(MT_F32, wrt[i]->rank, wrt[i]->shape, r->error);
            slope = zeros != NULL ? mt_graph_add_constant(r->gradient->graph, NULL, zeros) : NULL;
        }
        slope = mt_reverse_op(r, "Identity", slope, NULL); /* an output of its own, also where two wrt share a gradient */
        if (slope == NULL)
            return false;
        mt_graph_mark_output(r->gradient->graph, slope);
    }
    return true;
}

mt_gradient *mt_gradient_new(const mt_graph *forward, mt_value *const *wrt, int n, GError **error)
{
    g_autoptr(mt_gradient) gradient = g_new0(mt_gradient, 1);
    g_autoptr(GHashTable) mirrors = g_hash_table_new(NULL, NULL), slopes = g_hash_table_new(NULL, NULL),
                          wanted = g_hash_table_new(NULL, NULL);
    mt_reverse r = {.forward = forward, .gradient = gradient, .mirrors = mirrors, .slopes = slopes, .wanted = wanted, .error = error};

    gradient->graph = mt_graph_new(OPSET);
    gradient->saved = g_ptr_array_new();
    find_wanted(&r, wrt, n);
    if (!add_seeds(&r))
        return NULL;
    for (guint i = forward->nodes->len; i > 0; i--)
        if (!reverse_node(&r, forward->nodes->pdata[i - 1]))
            return NULL;
    return mark_outputs(&r, wrt, n) ? g_steal_pointer(&gradient) : NULL;
}

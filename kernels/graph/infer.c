/* Shapes and types from the inputs to the outputs; nodes whose inputs are all known are run here and now. */
#include "kernels/reference/operator.h"
#include "src/base/limits.h"

/* A constant larger than this is left to the session: folding it would only move memory from run time to load time. */
#define FOLD_BYTES_MAX (INT64_C(256) << 20)

bool mt_graph_bind(mt_graph *graph, int input, int rank, const int64_t *shape, GError **error)
{
    mt_value        *value = graph->inputs->pdata[input];
    bool             fits = value->rank < 0 || value->rank == rank;
    g_autofree char *wanted = mt_shape_to_string(value->rank, value->shape), *given = mt_shape_to_string(rank, shape);

    fits = fits && rank >= 0 && rank <= MT_MAX_RANK;
    for (int i = 0; i < rank && fits; i++)
        fits = shape[i] >= 0 && (value->rank < 0 || value->shape[i] < 0 || value->shape[i] == shape[i]);
    if (!fits) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "bind input '%s': the model wants %s, %s was given", value->name, wanted, given);
        return false;
    }
    value->rank = rank;
    for (int i = 0; i < rank; i++)
        value->shape[i] = shape[i];
    return true;
}

static bool is_known(const mt_value *value)
{
    bool known = value->rank >= 0 && value->dtype != MT_DTYPE_NONE;

    for (int i = 0; i < value->rank; i++)
        known = known && value->shape[i] >= 0;
    return known;
}

/* Bytes of a value, known dimensions only; -1 past the limit.  Each dimension is checked alone too: a 0 must not hide a
 * giant from later arithmetic. */
static int64_t value_bytes(const mt_value *value)
{
    int64_t bytes = (int64_t)mt_dtype_size(value->dtype);
    bool    empty = false;

    for (int i = 0; i < value->rank; i++) {
        if (value->shape[i] > MT_LIMIT_TENSOR_BYTES)
            return -1;
        empty = empty || value->shape[i] == 0;
    }
    for (int i = 0; i < value->rank && !empty; i++) {
        if (value->shape[i] < 0)
            continue;
        if (bytes > MT_LIMIT_TENSOR_BYTES / value->shape[i])
            return -1;
        bytes *= value->shape[i];
    }
    return empty ? 0 : bytes;
}

static bool check_outputs(const mt_node *node, GError **error)
{
    for (guint i = 0; i < node->outputs->len; i++) {
        const mt_value *value = node->outputs->pdata[i];

        if (value == NULL || value_bytes(value) >= 0)
            continue;
        g_autofree char *text = mt_shape_to_string(value->rank, value->shape);
        mt_node_error(node, error, "its output would be %s, more than the limit of %" G_GINT64_FORMAT " bytes", text,
                      MT_LIMIT_TENSOR_BYTES);
        return false;
    }
    return true;
}

/* Operators infer from inputs of known rank and type; behind an unknown one everything is unknown until shapes are bound. */
static bool infer_node(mt_node *node, GError **error)
{
    bool ready = true;

    for (guint i = 0; i < node->inputs->len; i++) {
        const mt_value *input = node->inputs->pdata[i];
        ready = ready && (input == NULL || (input->rank >= 0 && input->dtype != MT_DTYPE_NONE));
    }
    for (guint i = 0; i < node->outputs->len; i++) {
        mt_value *output = node->outputs->pdata[i];
        if (output != NULL) {
            output->rank = -1;
            output->dtype = MT_DTYPE_NONE;
        }
    }
    return !ready || (node->kernel->infer(node, error) && check_outputs(node, error));
}

static bool is_foldable(const mt_node *node)
{
    int64_t bytes = 0;

    if (node->kernel->run == NULL || node->fused != NULL)
        return false;
    for (guint i = 0; i < node->inputs->len; i++) {
        const mt_value *input = node->inputs->pdata[i];
        if (input != NULL && input->constant == NULL)
            return false;
    }
    for (guint i = 0; i < node->outputs->len; i++) {
        const mt_value *output = node->outputs->pdata[i];
        if (output == NULL)
            continue;
        if (!is_known(output))
            return false;
        bytes += value_bytes(output);
    }
    return bytes <= FOLD_BYTES_MAX;
}

/* Runs the node and makes its outputs constant. */
static void fold_node(mt_node *node, GError **error)
{
    g_autoptr(GPtrArray) outputs = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);
    g_autofree const mt_tensor **inputs = g_new0(const mt_tensor *, node->inputs->len + 1);

    for (guint i = 0; i < node->inputs->len; i++)
        inputs[i] = node->inputs->pdata[i] == NULL ? NULL : ((mt_value *)node->inputs->pdata[i])->constant;
    for (guint i = 0; i < node->outputs->len; i++) {
        const mt_value *value = node->outputs->pdata[i];
        mt_tensor      *tensor = value == NULL ? NULL : mt_tensor_new(value->dtype, value->rank, value->shape, error);

        if (value != NULL && tensor == NULL)
            return;
        g_ptr_array_add(outputs, tensor);
    }
    if (!node->kernel->run(node, inputs, (mt_tensor *const *)outputs->pdata, error))
        return;
    for (guint i = 0; i < node->outputs->len; i++) {
        mt_value *value = node->outputs->pdata[i];
        if (value != NULL) {
            value->constant = g_steal_pointer(&outputs->pdata[i]);
            value->producer = NULL;
        }
    }
}

/* The shape of a value is a constant as soon as it is known, whatever the value itself. */
static void fold_shape(mt_node *node, GError **error)
{
    const mt_value *input = mt_node_input(node, 0), *output = mt_node_output(node, 0);

    if (input == NULL || output == NULL || !is_known(input) || !is_known(output))
        return;
    g_autoptr(mt_tensor) view = mt_tensor_new_view(input->dtype, input->rank, input->shape, NULL, NULL);
    mt_tensor       *result = mt_tensor_new(output->dtype, output->rank, output->shape, error);
    const mt_tensor *inputs[] = {view};

    if (result == NULL || !node->kernel->run(node, inputs, &result, error)) {
        g_clear_pointer(&result, mt_tensor_unref);
        return;
    }
    ((mt_value *)node->outputs->pdata[0])->constant = result;
    ((mt_value *)node->outputs->pdata[0])->producer = NULL;
}

static bool asks_shape_only(const mt_node *node)
{
    return g_str_equal(node->op, "Shape") || g_str_equal(node->op, "Size");
}

static bool is_folded(const mt_node *node)
{
    bool folded = node->outputs->len > 0;

    for (guint i = 0; i < node->outputs->len; i++)
        folded = folded && (node->outputs->pdata[i] == NULL || ((mt_value *)node->outputs->pdata[i])->constant != NULL);
    return folded;
}

static bool visit_node(mt_node *node, GError **error)
{
    GError *local = NULL;

    if (!infer_node(node, error))
        return false;
    if (asks_shape_only(node))
        fold_shape(node, &local);
    else if (is_foldable(node))
        fold_node(node, &local);
    if (local == NULL)
        return true;
    g_propagate_error(error, local);
    return false;
}

/* Folded nodes leave the list in one pass; removing them one by one would be quadratic.  Kept ones move forward in order, the
 * others gather behind them, where shrinking the list frees them. */
static void drop_folded(mt_graph *graph)
{
    gpointer *nodes = graph->nodes->pdata;
    guint     kept = 0;

    for (guint i = 0; i < graph->nodes->len; i++)
        if (!is_folded(nodes[i])) {
            gpointer node = nodes[i];

            nodes[i] = nodes[kept];
            nodes[kept++] = node;
        }
    g_ptr_array_set_size(graph->nodes, (gint)kept);
}

static bool is_bound(const mt_graph *graph)
{
    for (guint i = 0; i < graph->inputs->len; i++)
        if (!is_known(graph->inputs->pdata[i]))
            return false;
    return true;
}

static bool check_complete(const mt_graph *graph, GError **error)
{
    for (guint i = 0; i < graph->nodes->len; i++) {
        const mt_node *node = graph->nodes->pdata[i];

        for (guint k = 0; k < node->outputs->len; k++)
            if (node->outputs->pdata[k] != NULL && !is_known(node->outputs->pdata[k])) {
                mt_node_error(node, error,
                              "the shape of its output depends on data; only shapes that follow from the inputs' are supported");
                return false;
            }
    }
    return true;
}

bool mt_graph_infer(mt_graph *graph, GError **error)
{
    for (guint i = 0; i < graph->nodes->len; i++)
        if (!visit_node(graph->nodes->pdata[i], error))
            return false;
    drop_folded(graph);
    return !is_bound(graph) || check_complete(graph, error);
}

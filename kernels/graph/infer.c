/* Shapes and types from the inputs to the outputs; nodes whose inputs are all known are run here and now. */
#include "kernels/reference/operator.h"
#include "kernels/tensor/mapped.h"
#include "src/base/limits.h"

#include <string.h>

/* What folding may cost one graph: bytes on top of twice the constants it came with, and multiply-adds.  Beyond that the work
 * is left to the session: a small file must not be able to ask for much memory or time while it is loaded. */
#define FOLD_BYTES (INT64_C(256) << 20)
#define FOLD_WORK 1e9

typedef struct {
    int64_t bytes;
    double  work;
} fold_budget;

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

bool mt_graph_bind_value(mt_graph *graph, int input, mt_tensor *tensor, GError **error)
{
    mt_value *value = graph->inputs->pdata[input];

    if (tensor->dtype != value->dtype) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "bind input '%s': the model wants %s, %s was given", value->name,
                    mt_dtype_name(value->dtype), mt_dtype_name(tensor->dtype));
        return false;
    }
    if (!mt_graph_bind(graph, input, tensor->rank, tensor->shape, error))
        return false;
    mt_tensor *held = mt_tensor_ref(tensor);
    g_clear_pointer(&value->constant, mt_tensor_unref);
    value->constant = held;
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

static double count_of(const mt_value *value)
{
    double count = value != NULL ? 1 : 0;

    for (int i = 0; value != NULL && i < value->rank; i++)
        count *= (double)value->shape[i];
    return count;
}

/* Multiply-adds: exact for products and convolutions, a bound for operators that look at many elements for each output; the
 * others are linear in their bytes. */
static double fold_work(const mt_node *node)
{
    static const char *const heavy[] = {"Einsum", "LRN", "MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv", "TopK", NULL};
    const mt_value          *a = mt_node_input(node, 0), *b = mt_node_input(node, 1);
    double                   outputs = count_of(mt_node_output(node, 0));

    if (g_str_equal(node->op, "MatMul") && a->rank > 0)
        return outputs * (double)a->shape[a->rank - 1];
    if (g_str_equal(node->op, "Gemm"))
        return outputs * (double)MAX(a->shape[0], a->shape[1]);
    if (g_str_has_prefix(node->op, "Conv") && b != NULL && b->rank > 0)
        return outputs * count_of(b) / MAX(1, (double)MIN(b->shape[0], b->shape[1]));
    if (g_strv_contains(heavy, node->op) || g_str_has_suffix(node->op, "Pool"))
        return outputs * (count_of(a) + count_of(b));
    return 0;
}

/* Quantised weights. */
static bool is_kept(const mt_graph *graph, const mt_node *node)
{
    const mt_value *bytes = mt_node_input(node, 0);

    return !graph->fold_quantised && g_str_equal(node->op, "DequantizeLinear") && bytes->constant != NULL && bytes->rank >= 2 &&
           mt_dtype_size(bytes->dtype) == 1;
}

static bool is_foldable(const mt_graph *graph, const mt_node *node, fold_budget *budget)
{
    int64_t bytes = 0;

    if (node->kernel->run == NULL || node->fused != NULL || is_kept(graph, node))
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
    double work = fold_work(node);
    if (bytes > budget->bytes || work > budget->work)
        return false;
    budget->bytes -= bytes;
    budget->work -= work;
    return true;
}

static fold_budget make_budget(const mt_graph *graph)
{
    fold_budget budget = {FOLD_BYTES, FOLD_WORK};

    for (guint i = 0; i < graph->values->len; i++) {
        const mt_value *value = graph->values->pdata[i];
        if (value->constant != NULL) /* a byte may become a float */
            budget.bytes += (mt_dtype_size(value->dtype) == 1 ? 6 : 2) * (int64_t)mt_tensor_bytes(value->constant);
    }
    return budget;
}

static void set_constant(mt_value *value, mt_tensor *tensor)
{
    g_clear_pointer(&value->constant, mt_tensor_unref);
    value->constant = tensor;
    value->producer = NULL;
}

/* Operators that keep the elements and their order: the result is another view of the same memory, and the very same tensor
 * when the shape stays, so that tied weights stay one. */
static bool fold_view(mt_node *node)
{
    static const char *const views[] = {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", NULL};
    mt_tensor               *from = mt_node_input(node, 0)->constant;
    mt_value                *to = mt_node_output(node, 0);

    if (!g_strv_contains(views, node->op) || from->owner == NULL || node->outputs->len != 1)
        return false;
    bool same = from->rank == to->rank && memcmp(from->shape, to->shape, (size_t)to->rank * sizeof *to->shape) == 0;
    mt_tensor *(*make)(mt_dtype, int, const int64_t *, void *, GBytes *) = from->mapped ? mt_tensor_new_mapped : mt_tensor_new_view;
    set_constant(to, same ? mt_tensor_ref(from) : make(to->dtype, to->rank, to->shape, from->data, from->owner));
    return true;
}

/* Runs the node and makes its outputs constant. */
static void fold_node(mt_node *node, GError **error)
{
    g_autoptr(GPtrArray) outputs = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);
    g_autoptr(GPtrArray) inputs = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);

    for (guint i = 0; i < node->inputs->len; i++) {
        const mt_value *value = node->inputs->pdata[i];
        mt_tensor      *tensor = value == NULL ? NULL : mt_tensor_aligned(value->constant, error);

        if (value != NULL && tensor == NULL)
            return;
        g_ptr_array_add(inputs, tensor);
    }
    g_ptr_array_add(inputs, NULL); /* a list even where there are none */
    for (guint i = 0; i < node->outputs->len; i++) {
        const mt_value *value = node->outputs->pdata[i];
        mt_tensor      *tensor = value == NULL ? NULL : mt_tensor_new(value->dtype, value->rank, value->shape, error);

        if (value != NULL && tensor == NULL)
            return;
        g_ptr_array_add(outputs, tensor);
    }
    if (!node->kernel->run(node, (const mt_tensor *const *)inputs->pdata, (mt_tensor *const *)outputs->pdata, error))
        return;
    for (guint i = 0; i < node->outputs->len; i++) {
        mt_value *value = node->outputs->pdata[i];
        if (value != NULL)
            set_constant(value, g_steal_pointer(&outputs->pdata[i]));
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
    set_constant(node->outputs->pdata[0], result);
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

static bool visit_node(const mt_graph *graph, mt_node *node, fold_budget *budget, GError **error)
{
    GError *local = NULL;

    if (!infer_node(node, error))
        return false;
    if (asks_shape_only(node))
        fold_shape(node, &local);
    else if (is_foldable(graph, node, budget) && !(node->inputs->len > 0 && fold_view(node)))
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

bool mt_graph_infer_open(mt_graph *graph, GError **error)
{
    fold_budget budget = make_budget(graph);

    for (guint i = 0; i < graph->nodes->len; i++)
        if (!visit_node(graph, graph->nodes->pdata[i], &budget, error))
            return false;
    drop_folded(graph);
    return true;
}

bool mt_graph_infer(mt_graph *graph, GError **error)
{
    return mt_graph_infer_open(graph, error) && (!is_bound(graph) || check_complete(graph, error));
}

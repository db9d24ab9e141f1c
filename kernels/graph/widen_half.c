/* A graph in half precision computes in float32 instead, which is what there are primitives for:
 *
 *   x (f16) -> Conv(W f16) -> y (f16)          x (f16) -> Cast f32 -> Conv(W f32) -> Cast f16 -> y (f16)
 *
 * Constants are widened once, Casts to half within the graph become Casts to float32, ports keep their types. bfloat16
 * likewise. Results are closer to the exact ones than half precision's. */
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"
#include "kernels/reference/element.h"
#include "kernels/tensor/mapped.h"

#define ONNX_FLOAT 1
#define ONNX_FLOAT16 10
#define ONNX_BFLOAT16 16

static bool is_half(mt_dtype dtype)
{
    return dtype == MT_F16 || dtype == MT_BF16;
}

static mt_tensor *widened(const mt_tensor *half, GError **error)
{
    g_autoptr(mt_tensor) aligned = mt_tensor_aligned(half, error);
    mt_tensor *wide = aligned == NULL ? NULL : mt_tensor_new(MT_F32, half->rank, half->shape, error);
    double     run[MT_RUN];

    for (int64_t at = 0; wide != NULL && at < mt_tensor_count(half); at += MT_RUN) {
        int n = (int)MIN(mt_tensor_count(half) - at, MT_RUN);

        mt_load_doubles(aligned, at, 1, n, run);
        mt_store_doubles(wide, at, n, run);
    }
    mt_tensor_give_back(half);
    return wide;
}

static bool widen_constants(mt_graph *graph, int *rewrites, GError **error)
{
    for (guint i = 0; i < graph->values->len; i++) {
        mt_value  *value = graph->values->pdata[i];
        mt_tensor *wide;

        if (value->constant == NULL || !is_half(value->constant->dtype))
            continue;
        wide = widened(value->constant, error);
        if (wide == NULL)
            return false;
        mt_tensor_unref(value->constant);
        value->constant = wide;
        value->dtype = MT_F32;
        (*rewrites)++;
    }
    return true;
}

/* Attributes that name a type or hold a tensor of it. */
static bool widen_attributes(mt_graph *graph, int *rewrites, GError **error)
{
    for (guint i = 0; i < graph->nodes->len; i++) {
        mt_node       *node = graph->nodes->pdata[i];
        const mt_attr *value = mt_node_attr(node, "value");
        const char    *type = mt_is(node, "Cast") ? "to" : "dtype";
        int64_t        to = mt_node_int(node, type, 0);

        if (to == ONNX_FLOAT16 || to == ONNX_BFLOAT16) {
            mt_node_set_int(node, type, ONNX_FLOAT);
            (*rewrites)++;
        }
        if (value != NULL && value->type == MT_ATTR_TENSOR && is_half(value->tensor->dtype)) {
            g_autoptr(mt_tensor) wide = widened(value->tensor, error);

            if (wide == NULL)
                return false;
            mt_node_set_tensor(node, "value", wide);
            (*rewrites)++;
        }
    }
    return true;
}

static mt_value *add_cast(mt_graph *graph, mt_value *from, int64_t to, mt_dtype dtype, mt_node *before, GError **error)
{
    mt_node *cast = mt_graph_add_node(graph, "Cast", NULL, &from, 1, 1, before, error);

    if (cast == NULL)
        return NULL;
    mt_node_set_int(cast, "to", to);
    mt_copy_type(mt_node_output(cast, 0), from);
    mt_node_output(cast, 0)->dtype = dtype;
    return mt_node_output(cast, 0);
}

static bool cast_inputs(mt_graph *graph, int *rewrites, GError **error)
{
    for (guint i = 0; i < graph->inputs->len; i++) {
        mt_value *input = graph->inputs->pdata[i], *wide;

        if (!is_half(input->dtype))
            continue;
        wide = add_cast(graph, input, ONNX_FLOAT, MT_F32, graph->nodes->len > 0 ? graph->nodes->pdata[0] : NULL, error);
        if (wide == NULL)
            return false;
        mt_graph_replace_uses(graph, input, wide);
        wide->producer->inputs->pdata[0] = input;
        (*rewrites)++;
    }
    return true;
}

/* Ports keep their types: that needs every output's type, which an unbound graph may not know. */
static bool knows_outputs(const mt_graph *graph)
{
    for (guint i = 0; i < graph->outputs->len; i++)
        if (((const mt_value *)graph->outputs->pdata[i])->dtype == MT_DTYPE_NONE)
            return false;
    return true;
}

int mt_pass_widen_half(mt_graph *graph, GError **error)
{
    g_autofree mt_dtype *types = g_new0(mt_dtype, graph->outputs->len + 1);
    int                  rewrites = 0;

    if (!knows_outputs(graph))
        return 0;
    for (guint i = 0; i < graph->outputs->len; i++)
        types[i] = ((const mt_value *)graph->outputs->pdata[i])->dtype;
    if (!widen_constants(graph, &rewrites, error) || !widen_attributes(graph, &rewrites, error) || !cast_inputs(graph, &rewrites, error))
        return -1;
    for (guint i = 0; rewrites > 0 && i < graph->outputs->len; i++) {
        int64_t to = types[i] == MT_F16 ? ONNX_FLOAT16 : ONNX_BFLOAT16;

        if (is_half(types[i])) {
            graph->outputs->pdata[i] = add_cast(graph, graph->outputs->pdata[i], to, types[i], NULL, error);
            if (graph->outputs->pdata[i] == NULL)
                return -1;
        }
    }
    if (rewrites > 0 && !mt_graph_infer(graph, error)) /* later passes ask for types */
        return -1;
    return rewrites;
}

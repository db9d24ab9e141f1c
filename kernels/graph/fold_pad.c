/* Zeros that a Pad puts around the spatial dimensions become padding of the convolution that reads them:
 *
 *   x -> Pad(0, .., p..) -> Conv(pads q) -> y            x -> Conv(pads p + q) -> y
 *
 * and of an AveragePool that counts padding, or has none of its own: PyTorch exports its average pooling so. */
#include "kernels/graph/activation.h"
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"

/* The pads of a Pad node with constant, non-negative pads of zeros that leave batch and channels alone. */
static const int64_t *spatial_zeros(const mt_node *pad, int *rank)
{
    const mt_attr  *attr = mt_node_attr(pad, "pads");
    const mt_value *input = mt_node_input(pad, 1), *value = mt_node_input(pad, 2);
    const int64_t  *pads = NULL;
    double          number = mt_node_float(pad, "value", 0);

    if (strcmp(mt_node_string(pad, "mode", "constant"), "constant") != 0 || mt_node_input(pad, 3) != NULL)
        return NULL;
    if ((value != NULL && !mt_value_scalar(value, &number)) || number != 0)
        return NULL;
    *rank = 0;
    if (attr != NULL && attr->type == MT_ATTR_INTS) {
        pads = attr->ints;
        *rank = attr->n / 2;
    } else if (input != NULL && input->constant != NULL && input->constant->dtype == MT_I64) {
        pads = input->constant->data;
        *rank = (int)(mt_tensor_count(input->constant) / 2);
    }
    if (*rank < 3 || *rank > MT_MAX_RANK || pads[0] != 0 || pads[1] != 0 || pads[*rank] != 0 || pads[*rank + 1] != 0)
        return NULL;
    for (int i = 0; i < 2 * *rank; i++)
        if (pads[i] < 0)
            return NULL;
    return pads;
}

static bool has_pads(const mt_node *node)
{
    const mt_attr *attr = mt_node_attr(node, "pads");

    for (int i = 0; attr != NULL && i < attr->n; i++)
        if (attr->type != MT_ATTR_INTS || attr->ints[i] != 0)
            return true;
    return false;
}

/* Does `node` see its own padding as zeros like any other? */
static bool pads_with_zeros(const mt_node *node)
{
    if (mt_is(node, "Conv"))
        return true;
    return mt_is(node, "AveragePool") && mt_node_int(node, "ceil_mode", 0) == 0 &&
           (mt_node_int(node, "count_include_pad", 0) != 0 || !has_pads(node));
}

static bool fold(mt_uses *uses, mt_node *conv, mt_node *pad)
{
    int            rank = 0;
    const int64_t *extra = spatial_zeros(pad, &rank);
    const mt_attr *own = mt_node_attr(conv, "pads");
    int64_t        pads[2 * MT_MAX_RANK] = {0};

    if (extra == NULL || strcmp(mt_node_string(conv, "auto_pad", "NOTSET"), "NOTSET") != 0)
        return false;
    if (own != NULL && (own->type != MT_ATTR_INTS || own->n != 2 * (rank - 2)))
        return false;
    for (int i = 0; i < rank - 2; i++) {
        pads[i] = extra[2 + i] + (own == NULL ? 0 : own->ints[i]);
        pads[rank - 2 + i] = extra[rank + 2 + i] + (own == NULL ? 0 : own->ints[rank - 2 + i]);
    }
    mt_node_set_ints(conv, "pads", pads, 2 * (rank - 2));
    if (mt_is(conv, "AveragePool"))
        mt_node_set_int(conv, "count_include_pad", 1);
    mt_uses_forget(uses, conv);
    conv->inputs->pdata[0] = mt_node_input(pad, 0);
    mt_uses_add_node(uses, conv);
    return true;
}

int mt_pass_fold_pad(mt_graph *graph, GError **error)
{
    g_autoptr(mt_uses) uses = mt_uses_new(graph);
    int rewrites = 0;

    (void)error;
    for (guint i = 0; i < graph->nodes->len; i++) {
        mt_node *node = graph->nodes->pdata[i], *pad;

        if (!pads_with_zeros(node) || (pad = mt_made_by(mt_node_input(node, 0), "Pad")) == NULL)
            continue;
        rewrites += fold(uses, node, pad);
    }
    if (rewrites > 0)
        mt_graph_sweep(graph);
    return rewrites;
}

#include "kernels/graph/quantised.h"

#include "kernels/graph/fused.h"
#include "kernels/graph/match.h"

/* Operators whose result consists of numbers of their first input. */
static bool moves_only(const mt_node *node)
{
    static const char *const movers[] = {"Flatten", "Gather", "Identity", "MaxPool",   "Reshape",
                                         "Slice",   "Split",  "Squeeze",  "Transpose", "Unsqueeze"};

    for (size_t i = 0; i < G_N_ELEMENTS(movers); i++)
        if (mt_is(node, movers[i]))
            return true;
    return false;
}

bool mt_value_quant(const mt_value *value, mt_quant *quant)
{
    const mt_node  *node = value->constant != NULL ? NULL : value->producer;
    const mt_fused *fused = node == NULL ? NULL : mt_node_fused(node);

    if (node == NULL)
        return false;
    if (fused != NULL && mt_node_float_posts(node) < fused->n) {
        *quant = fused->posts[fused->n - 1].quant;
        return true;
    }
    if (mt_is(node, "mt.Requantize")) {
        *quant = (mt_quant){.type = mt_node_int(node, "unsigned", 1) != 0 ? MT_U8 : MT_I8};
        quant->scale = (float)mt_node_float(node, "scale", 1);
        quant->zero = (int32_t)mt_node_int(node, "zero", 0);
        return true;
    }
    return moves_only(node) && mt_value_quant(mt_node_input(node, 0), quant);
}

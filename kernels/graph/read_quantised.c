/* What a quantised file says about activations becomes one node:
 *
 *   x -> QuantizeLinear -> DequantizeLinear -> y            x -> mt.Requantize -> y
 *
 * with one scale and zero point for the whole tensor, the same on both sides.  It goes where it would round twice:
 *
 *   Conv -> mt.Requantize -> Add                            Conv -> Add
 *
 * since the sum is taken before the product leaves its accumulators, and where a value has just been rounded so.
 * DequantizeLinear of weights stays for the lowering. */
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"
#include "kernels/graph/quantised.h"

static bool scalar(const mt_value *value, mt_dtype type)
{
    return value != NULL && value->constant != NULL && value->dtype == type && mt_tensor_count(value->constant) == 1;
}

/* The parameters of a QuantizeLinear or DequantizeLinear node. */
static bool read_quant(const mt_node *node, mt_dtype type, mt_quant *quant)
{
    const mt_value *scale = mt_node_input(node, 1), *zero = mt_node_input(node, 2);

    if ((type != MT_U8 && type != MT_I8) || !scalar(scale, MT_F32) || (zero != NULL && !scalar(zero, type)))
        return false;
    *quant = (mt_quant){.type = type, .scale = *(const float *)scale->constant->data};
    if (zero != NULL)
        quant->zero = type == MT_U8 ? *(const uint8_t *)zero->constant->data : *(const int8_t *)zero->constant->data;
    return quant->scale > 0;
}

static bool same(const mt_quant *a, const mt_quant *b)
{
    return a->type == b->type && a->scale == b->scale && a->zero == b->zero;
}

static mt_node *add_requantize(mt_graph *graph, mt_uses *uses, mt_node *quantize, const mt_quant *quant, GError **error)
{
    mt_value *x = mt_node_input(quantize, 0);
    mt_node  *node = mt_graph_add_node(graph, "mt.Requantize", quantize->name, &x, 1, 1, quantize, error);

    if (node == NULL)
        return NULL;
    mt_node_set_float(node, "scale", quant->scale);
    mt_node_set_int(node, "zero", quant->zero);
    mt_node_set_int(node, "unsigned", quant->type == MT_U8);
    mt_copy_type(mt_node_output(node, 0), x);
    mt_uses_add_node(uses, node);
    return node;
}

/* All the DequantizeLinear behind a QuantizeLinear, if they undo it. */
static bool collect(const mt_uses *uses, const mt_node *quantize, const mt_quant *quant, GPtrArray *readers)
{
    const mt_value *bytes = mt_node_output(quantize, 0);
    mt_quant        back;

    for (int i = 0; i < mt_uses_count(uses, bytes); i++) {
        mt_node *user = mt_uses_nth(uses, bytes, i);

        if (!mt_is(user, "DequantizeLinear") || !read_quant(user, bytes->dtype, &back) || !same(&back, quant))
            return false;
        g_ptr_array_add(readers, user);
    }
    return readers->len > 0;
}

static bool is_product(const mt_node *node)
{
    return mt_is(node, "Conv") || mt_is(node, "MatMul") || mt_is(node, "Gemm");
}

/* Rounded so already, or about to be added to something that is not a bare product too: one of two branches can take the sum. */
static bool is_idle(const mt_uses *uses, const mt_node *quantize, const mt_node *reader, const mt_quant *quant)
{
    const mt_value *x = mt_node_input(quantize, 0), *other;
    const mt_node  *user = mt_uses_only(uses, mt_node_output(reader, 0));
    mt_quant        own;

    if (mt_value_quant(x, &own) && same(&own, quant))
        return true;
    if (mt_uses_count(uses, x) != 1 || x->producer == NULL || !is_product(x->producer) || !mt_is(user, "Add"))
        return false;
    other = mt_other_input(user, mt_node_output(reader, 0));
    return other != NULL && (other->producer == NULL || !is_product(other->producer));
}

static bool rewrite(mt_graph *graph, mt_uses *uses, mt_node *quantize, GError **error)
{
    mt_value *x = mt_node_input(quantize, 0);
    g_autoptr(GPtrArray) readers = g_ptr_array_new();
    mt_quant  quant;
    mt_value *result = x;

    if (x == NULL || x->dtype != MT_F32 || !read_quant(quantize, mt_node_output(quantize, 0)->dtype, &quant) ||
        !collect(uses, quantize, &quant, readers))
        return false;
    if (readers->len > 1 || !is_idle(uses, quantize, readers->pdata[0], &quant)) {
        mt_node *node = add_requantize(graph, uses, quantize, &quant, error);

        if (node == NULL)
            return false;
        result = mt_node_output(node, 0);
    }
    for (guint i = 0; i < readers->len; i++) {
        mt_uses_forget(uses, readers->pdata[i]);
        mt_uses_replace(uses, mt_node_output(readers->pdata[i], 0), result);
    }
    mt_uses_forget(uses, quantize);
    return true;
}

int mt_pass_read_quantised(mt_graph *graph, GError **error)
{
    return mt_rewrite_each(graph, "QuantizeLinear", rewrite, error);
}

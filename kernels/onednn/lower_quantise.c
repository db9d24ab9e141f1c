/* Between numbers and bytes. */
#include "kernels/onednn/lower.h"

static mt_lowered lower_requantize(mt_lowering *l, const mt_node *node, GError **error)
{
    const mt_value *in = mt_node_input(node, 0), *out = mt_node_output(node, 0);
    const mt_place *from = mt_lower_dense(l, in, error);
    mt_place        to;

    if (from != NULL && !from->strided)
        from = mt_lower_plain(l, in, error);
    if (from == NULL)
        return MT_LOWER_FAILED;
    to = *from;
    if (!mt_value_quant(out, &to.quant))
        return MT_NOT_HERE;
    to.offset = 0;
    to.type = to.quant.type;
    to.buffer = mt_session_buffer(mt_lower_session(l), (size_t)mt_view_count(&to.view) * mt_dtype_size(to.type));
    mt_lower_convert(l, node->name, from, &to);
    mt_lower_put(l, out, &to);
    return MT_LOWERED;
}

/* Constants are made floats when somebody reads them so (mt_lower_origin); products of bytes do not. */
static mt_lowered lower_dequantize(mt_lowering *l, const mt_node *node, GError **error)
{
    (void)l;
    (void)error;
    for (guint i = 0; i < node->inputs->len; i++)
        if (mt_node_input(node, (int)i) != NULL && mt_node_input(node, (int)i)->constant == NULL)
            return MT_NOT_HERE;
    return MT_LOWERED;
}

const mt_lower_entry mt_lower_quantise[] = {
    {"DequantizeLinear", lower_dequantize, MT_STORE_F32}, {"mt.Requantize", lower_requantize, MT_STORE_SAME}, {0}};

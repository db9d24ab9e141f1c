/* The operator table: all families joined. */
#include "kernels/reference/operator.h"

#include "kernels/reference/families.h"

#include <string.h>

/* clang-format off */
static const mt_operator *const families[] = {
    mt_family_binary,
    mt_family_bitwise,
    mt_family_cast,
    mt_family_col2im,
    mt_family_conv,
    mt_family_conv_transpose,
    mt_family_crop_pad,
    mt_family_deform_conv,
    mt_family_det,
    mt_family_einsum,
    mt_family_fill,
    mt_family_fused,
    mt_family_fused_norm,
    mt_family_gather,
    mt_family_grid_sample,
    mt_family_join,
    mt_family_losses,
    mt_family_matmul,
    mt_family_norm,
    mt_family_order,
    mt_family_pad,
    mt_family_pool,
    mt_family_quantize,
    mt_family_reduce,
    mt_family_reshape,
    mt_family_resize,
    mt_family_roi_align,
    mt_family_scatter,
    mt_family_select,
    mt_family_signal,
    mt_family_slice,
    mt_family_softmax,
    mt_family_suppress,
    mt_family_transpose,
    mt_family_unary,
};
/* clang-format on */

const mt_operator *mt_operator_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(families); i++)
        for (const mt_operator *op = families[i]; op->name != NULL; op++)
            if (strcmp(op->name, name) == 0)
                return op;
    return NULL;
}

const mt_operator *mt_operator_at(size_t i)
{
    for (size_t k = 0; k < G_N_ELEMENTS(families); k++)
        for (const mt_operator *op = families[k]; op->name != NULL; op++)
            if (i-- == 0)
                return op;
    return NULL;
}

void mt_node_error(const mt_node *node, GError **error, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    g_autofree char *text = g_strdup_vprintf(format, list);
    va_end(list);
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "node %s (%s, opset %d): %s", node->name, node->op, node->opset, text);
}

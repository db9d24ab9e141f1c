/* Softmax and its logarithm. */
#include "kernels/onednn/lower.h"

#include <string.h>

/* (outer, n, inner) over row-major memory: before opset 13 everything from `axis` on is one row. */
static bool describe(const mt_node *node, int64_t dims[3])
{
    const mt_value *value = mt_node_input(node, 0);
    bool            flat = node->opset < 13;
    int64_t         axis = mt_node_int(node, "axis", flat ? 1 : -1);

    axis += axis < 0 ? value->rank : 0;
    if (axis < 0 || axis > value->rank || (!flat && axis == value->rank))
        return false;
    dims[0] = dims[1] = dims[2] = 1;
    for (int i = 0; i < value->rank; i++)
        dims[i < axis ? 0 : i == axis || flat ? 1 : 2] *= value->shape[i];
    return true;
}

static mt_lowered lower(mt_lowering *l, const mt_node *node, GError **error)
{
    const mt_value       *value = mt_node_input(node, 0);
    int64_t               dims[3];
    const mt_place       *x;
    const mt_md          *md;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr;
    mt_place              y;
    mt_primitive         *p;
    bool                  made;

    if (!mt_is_f32(value) || !describe(node, dims))
        return MT_NOT_HERE;
    x = mt_lower_plain(l, value, error);
    if (x == NULL)
        return MT_LOWER_FAILED;
    md = mt_lower_md(l, dims[2] == 1 ? 2 : 3, dims, NULL);
    attr = mt_lower_attr();
    made = mt_pd_softmax(&pd, mt_lower_engine(l), attr, strcmp(node->op, "LogSoftmax") == 0, md, 1);
    dnnl_primitive_attr_destroy(attr);
    if (!made)
        return MT_NOT_HERE;
    y = mt_lower_new_view(l, &x->view);
    p = mt_lower_primitive(l, node->name, pd, error);
    if (p == NULL)
        return MT_LOWER_FAILED;
    mt_primitive_reads(p, DNNL_ARG_SRC, x, md);
    mt_primitive_writes(p, DNNL_ARG_DST, &y, md);
    mt_primitive_in_place(p, x, &y);
    mt_lower_put(l, mt_node_output(node, 0), &y);
    return MT_LOWERED;
}

const mt_lower_entry mt_lower_softmax[] = {{"LogSoftmax", lower, MT_STORE_ANY}, {"Softmax", lower, MT_STORE_ANY}, {0}};

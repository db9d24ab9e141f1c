/* Pooling, global and windowed. */
#include "kernels/onednn/lower.h"

#include <string.h>

static bool create(mt_lowering *l, dnnl_alg_kind_t alg, const mt_md *src, const mt_value *y, const mt_spatial *s, dnnl_primitive_desc_t *pd)
{
    dnnl_primitive_attr_t attr = mt_lower_attr();
    bool                  made = mt_pd_pooling(pd, mt_lower_engine(l), attr, alg, src, mt_lower_any(l, y->rank, y->shape), s);

    dnnl_primitive_attr_destroy(attr);
    return made;
}

static mt_lowered lower_window(mt_lowering *l, const mt_node *node, dnnl_alg_kind_t alg, const mt_spatial *s, GError **error)
{
    const mt_value       *value = mt_node_input(node, 0), *out = mt_node_output(node, 0);
    const mt_place       *x = mt_lower_dense(l, value, error);
    dnnl_primitive_desc_t pd = NULL;
    const mt_md          *src, *dst;
    mt_place              y;
    mt_primitive         *p;

    if (x == NULL)
        return MT_LOWER_FAILED;
    src = mt_place_md(l, x);
    if (!create(l, alg, src, out, s, &pd))
        return MT_NOT_HERE;
    dst = mt_lower_keep(l, mt_md_of(pd, dnnl_query_dst_md, 0));
    y = mt_lower_new(l, dst);
    y.quant = x->quant;
    p = mt_lower_primitive(l, node->name, pd, error);
    if (p == NULL)
        return MT_LOWER_FAILED;
    mt_primitive_reads(p, DNNL_ARG_SRC, x, src);
    mt_primitive_writes(p, DNNL_ARG_DST, &y, dst);
    mt_lower_put(l, out, &y);
    return MT_LOWERED;
}

static bool is_poolable(const mt_node *node)
{
    const mt_value *x = mt_node_input(node, 0);

    return mt_is_f32(x) && x->rank >= 3 && x->rank <= 5 && mt_node_output(node, 1) == NULL;
}

static mt_lowered lower_global(mt_lowering *l, const mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    bool            mean = strcmp(node->op, "GlobalAveragePool") == 0;
    mt_spatial      s = {0};

    if (!is_poolable(node))
        return MT_NOT_HERE;
    for (int i = 0; i < DNNL_MAX_NDIMS; i++) {
        s.strides[i] = s.dilations[i] = 1;
        s.kernel[i] = i < x->rank - 2 ? x->shape[2 + i] : 1;
    }
    return lower_window(l, node, mean ? dnnl_pooling_avg_exclude_padding : dnnl_pooling_max, &s, error);
}

/* With ceil_mode the last window may reach beyond the padding: the library wants that as more padding.  *beyond says so. */
static bool stretch(const mt_node *node, int n, mt_spatial *s, bool *beyond)
{
    const mt_value *x = mt_node_input(node, 0), *y = mt_node_output(node, 0);

    *beyond = false;
    for (int i = 0; i < n; i++) {
        int64_t reach = (s->kernel[i] - 1) * s->dilations[i] + 1;
        int64_t end = (y->shape[2 + i] - 1) * s->strides[i] + reach - x->shape[2 + i] - s->begin[i];

        if (end > s->end[i]) {
            s->end[i] = end;
            *beyond = true;
        }
        if (s->begin[i] >= reach || s->end[i] >= reach ||
            (x->shape[2 + i] + s->begin[i] + s->end[i] - reach) / s->strides[i] + 1 != y->shape[2 + i])
            return false; /* windows over nothing but padding */
    }
    return true;
}

static mt_lowered lower(mt_lowering *l, const mt_node *node, GError **error)
{
    bool            max = strcmp(node->op, "MaxPool") == 0, whole = mt_node_int(node, "count_include_pad", 0) != 0, beyond;
    int             n = 0;
    const int64_t  *kernel = mt_node_ints(node, "kernel_shape", &n);
    mt_spatial      s;
    dnnl_alg_kind_t alg = max ? dnnl_pooling_max : whole ? dnnl_pooling_avg_include_padding : dnnl_pooling_avg_exclude_padding;

    if (!is_poolable(node) || kernel == NULL || n != mt_node_input(node, 0)->rank - 2 || !mt_spatial_of(node, n, kernel, &s))
        return MT_NOT_HERE;
    if (!stretch(node, n, &s, &beyond) || (!max && whole && beyond)) /* ONNX does not count what is beyond the padding */
        return MT_NOT_HERE;
    return lower_window(l, node, alg, &s, error);
}

const mt_lower_entry mt_lower_pool[] = {
    {"AveragePool", lower, MT_STORE_ANY},
    {"GlobalAveragePool", lower_global, MT_STORE_ANY},
    {"GlobalMaxPool", lower_global, MT_STORE_ANY},
    {"MaxPool", lower, MT_STORE_ORDER},
    {0},
};

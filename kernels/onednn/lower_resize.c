/* Resize and Upsample where the library's rules are ONNX's: linear with half pixels, nearest by whole factors. */
#include "kernels/onednn/lower.h"

#include <string.h>

/* The library takes the source pixel whose centre is nearest, (d + 1/2) / f - 1/2: for a whole factor that is floor(d / f),
 * which is what ONNX's usual rules give too. */
static bool is_plain_nearest(const mt_node *node, const char *where)
{
    const char *rounding = mt_node_string(node, "nearest_mode", "round_prefer_floor");
    bool        floors = strcmp(rounding, "floor") == 0, rounds = strncmp(rounding, "round_prefer", 12) == 0;

    if (strcmp(where, "asymmetric") == 0)
        return floors;
    return (strcmp(where, "half_pixel") == 0 || strcmp(where, "pytorch_half_pixel") == 0) && rounds;
}

static bool has_whole_factors(const mt_value *x, const mt_value *y)
{
    for (int i = 2; i < x->rank; i++)
        if (y->shape[i] % x->shape[i] != 0)
            return false;
    return true;
}

/* The scales given must be the ratio of the sizes: ONNX samples by the former, the library by the latter. */
static bool has_exact_scales(const mt_node *node, const mt_value *x, const mt_value *y)
{
    bool            upsample = strcmp(node->op, "Upsample") == 0;
    const mt_value *scales = mt_node_input(node, upsample || node->opset < 11 ? 1 : 2);
    const float    *f = scales == NULL || scales->constant == NULL || scales->dtype != MT_F32 ? NULL : scales->constant->data;

    if (scales == NULL || (scales->rank == 1 && scales->shape[0] == 0))
        return node->opset >= 11 && mt_node_input(node, 3) != NULL;
    for (int i = 0; f != NULL && i < x->rank; i++)
        if ((float)y->shape[i] != (float)x->shape[i] * f[i])
            return false;
    return f != NULL && scales->shape[0] == x->rank;
}

static bool algorithm_of(const mt_node *node, dnnl_alg_kind_t *alg)
{
    const mt_value *x = mt_node_input(node, 0), *y = mt_node_output(node, 0);
    const char     *mode = mt_node_string(node, "mode", "nearest");
    bool            old = strcmp(node->op, "Upsample") == 0 || node->opset < 11;
    const char     *where = old ? "asymmetric" : mt_node_string(node, "coordinate_transformation_mode", "half_pixel");

    if (!mt_is_f32(x) || x->rank < 3 || x->rank > 5 || x->shape[0] != y->shape[0] || x->shape[1] != y->shape[1])
        return false;
    if (mt_node_attr(node, "axes") != NULL || mt_node_int(node, "antialias", 0) != 0 || !has_exact_scales(node, x, y))
        return false;
    if (strcmp(mode, "nearest") == 0) {
        *alg = dnnl_resampling_nearest;
        return has_whole_factors(x, y) && (old || is_plain_nearest(node, where));
    }
    *alg = dnnl_resampling_linear;
    if (strcmp(mode, "linear") != 0 || (strcmp(where, "half_pixel") != 0 && strcmp(where, "pytorch_half_pixel") != 0))
        return false;
    for (int i = 2; i < x->rank; i++) /* pytorch_half_pixel has an exception for 1 */
        if (y->shape[i] == 1 && x->shape[i] != 1)
            return false;
    return true;
}

static mt_lowered lower(mt_lowering *l, const mt_node *node, GError **error)
{
    const mt_value       *out = mt_node_output(node, 0);
    dnnl_alg_kind_t       alg;
    const mt_place       *x;
    const mt_md          *src, *dst;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr;
    mt_place              y;
    mt_primitive         *p;
    bool                  made;

    if (!algorithm_of(node, &alg))
        return MT_NOT_HERE;
    x = mt_lower_dense(l, mt_node_input(node, 0), error);
    if (x == NULL)
        return MT_LOWER_FAILED;
    src = mt_place_md(l, x);
    attr = mt_lower_attr();
    made = mt_pd_resampling(&pd, mt_lower_engine(l), attr, alg, src, mt_lower_any(l, out->rank, out->shape));
    dnnl_primitive_attr_destroy(attr);
    if (!made)
        return MT_NOT_HERE;
    dst = mt_lower_keep(l, mt_md_of(pd, dnnl_query_dst_md, 0));
    y = mt_lower_new(l, dst);
    p = mt_lower_primitive(l, node->name, pd, error);
    if (p == NULL)
        return MT_LOWER_FAILED;
    mt_primitive_reads(p, DNNL_ARG_SRC, x, src);
    mt_primitive_writes(p, DNNL_ARG_DST, &y, dst);
    mt_lower_put(l, out, &y);
    return MT_LOWERED;
}

const mt_lower_entry mt_lower_resize[] = {{"Resize", lower, MT_STORE_ANY}, {"Upsample", lower, MT_STORE_ANY}, {0}};

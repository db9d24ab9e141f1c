/* Concatenation: the library chooses the layout of the result from those of the sources. */
#include "kernels/onednn/concat_norm.h"

/* The sources in one layout where that is free, each in its own else. */
static bool place_sources(mt_lowering *l, const mt_node *node, const mt_place **places, const mt_md **mds, GError **error)
{
    for (guint i = 0; i < node->inputs->len; i++) {
        places[i] = mt_lower_native(l, mt_node_input(node, (int)i), error);
        if (places[i] != NULL && places[i]->strided) {
            mt_view view = places[i]->view;

            if (!mt_view_join(&view))
                places[i] = mt_lower_plain(l, mt_node_input(node, (int)i), error);
            else
                mds[i] = mt_lower_md(l, view.n, view.dims, view.strides);
        }
        if (places[i] == NULL)
            return false;
        if (mds[i] == NULL)
            mds[i] = mt_place_md(l, places[i]);
    }
    return true;
}

/* The result in the memory order of the first source that is larger than a row, so that channels-last stays so. */
static const mt_md *result_md(mt_lowering *l, const mt_value *out, const mt_place *const *places, guint n)
{
    for (guint i = 0; i < n; i++) {
        mt_view view = places[i]->view;

        if (!places[i]->strided)
            return NULL;
        if (!mt_view_join(&view) || view.n != out->rank)
            continue;
        for (int k = 0; k < view.n; k++)
            view.dims[k] = out->shape[k];
        mt_view_densify(&view);
        return mt_lower_md(l, view.n, view.dims, view.strides);
    }
    return NULL;
}

static mt_lowered lower(mt_lowering *l, const mt_node *node, GError **error)
{
    guint                       n = node->inputs->len;
    g_autofree const mt_place **places = g_new0(const mt_place *, n);
    g_autofree const mt_md    **mds = g_new0(const mt_md *, n);
    const mt_value             *out = mt_node_output(node, 0);
    int64_t                     axis = mt_node_int(node, "axis", 1);
    dnnl_primitive_desc_t       pd = NULL;
    dnnl_primitive_attr_t       attr;
    const mt_md                *dst;
    mt_place                    y;
    mt_primitive               *p;
    bool                        made;

    if (!mt_is_f32(out) || out->rank < 1)
        return MT_NOT_HERE;
    if (mt_concat_waits(l, node, error))
        return MT_LOWERED;
    MT_LOWER_TRY(place_sources(l, node, places, mds, error));
    axis += axis < 0 ? out->rank : 0;
    attr = mt_lower_attr();
    made = mt_pd_concat(&pd, mt_lower_engine(l), attr, result_md(l, out, places, n), (int)n, (int)axis, mds);
    dnnl_primitive_attr_destroy(attr);
    if (!made)
        return MT_NOT_HERE;
    dst = mt_lower_keep(l, mt_md_of(pd, dnnl_query_dst_md, 0));
    y = mt_lower_new(l, dst);
    p = mt_lower_primitive(l, node->name, pd, error);
    if (p == NULL)
        return MT_LOWER_FAILED;
    for (guint i = 0; i < n; i++)
        mt_primitive_reads(p, DNNL_ARG_MULTIPLE_SRC + (int)i, places[i], mds[i]);
    mt_primitive_writes(p, DNNL_ARG_DST, &y, dst);
    mt_lower_put(l, out, &y);
    return MT_LOWERED;
}

const mt_lower_entry mt_lower_concat[] = {{"Concat", lower, MT_STORE_ANY}, {0}};

/* Functions of one element. */
#include "kernels/onednn/lower.h"

/* Dense memory is one long row to a function. */
static const mt_md *flat_md(mt_lowering *l, const mt_place *place)
{
    int64_t count;

    if (!place->strided)
        return place->md;
    count = mt_view_count(&place->view);
    return mt_lower_typed_md(l, place->type, 1, &count, NULL);
}

bool mt_lower_function(mt_lowering *l, const char *name, const mt_activation *activation, const mt_place *from, const mt_place *to,
                       GError **error)
{
    float                 alpha, beta;
    dnnl_alg_kind_t       alg = mt_library_function(activation, &alpha, &beta);
    const mt_md          *md = flat_md(l, from);
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = mt_lower_attr();
    bool                  made = mt_pd_eltwise(&pd, mt_lower_engine(l), attr, alg, md, alpha, beta);
    mt_primitive         *p;

    dnnl_primitive_attr_destroy(attr);
    if (!made) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "oneDNN has no element-wise function %d for this layout", activation->function);
        return false;
    }
    p = mt_lower_primitive(l, name, pd, error);
    if (p == NULL)
        return false;
    mt_primitive_reads(p, DNNL_ARG_SRC, from, md);
    mt_primitive_writes(p, DNNL_ARG_DST, to, md);
    mt_primitive_in_place(p, from, to);
    return true;
}

static mt_lowered lower(mt_lowering *l, const mt_node *node, GError **error)
{
    mt_activation   f[MT_ACTIVATIONS_MAX];
    int             input, n = mt_node_activations(node, f, &input);
    const mt_place *from;
    mt_place        place, to;

    if (n == 0 || !mt_is_f32(mt_node_input(node, input)))
        return MT_NOT_HERE;
    from = mt_lower_dense(l, mt_node_input(node, input), error);
    if (from == NULL)
        return MT_LOWER_FAILED;
    place = *from;
    for (int i = 0; i < n; i++) {
        to = place.strided ? mt_lower_new_view(l, &place.view) : mt_lower_new(l, place.md);
        MT_LOWER_TRY(mt_lower_function(l, node->name, &f[i], &place, &to, error));
        place = to;
    }
    mt_lower_put(l, mt_node_output(node, 0), &place);
    return MT_LOWERED;
}

const mt_lower_entry mt_lower_eltwise[] = {
    {"Abs", lower, MT_STORE_ANY},       {"Clip", lower, MT_STORE_ANY},          {"Elu", lower, MT_STORE_ANY},
    {"Exp", lower, MT_STORE_ANY},       {"Gelu", lower, MT_STORE_ANY},          {"HardSigmoid", lower, MT_STORE_ANY},
    {"HardSwish", lower, MT_STORE_ANY}, {"LeakyRelu", lower, MT_STORE_ANY},     {"Log", lower, MT_STORE_ANY},
    {"Mish", lower, MT_STORE_ANY},      {"Neg", lower, MT_STORE_ANY},           {"PRelu", lower, MT_STORE_ANY},
    {"Pow", lower, MT_STORE_ANY},       {"Relu", lower, MT_STORE_ANY},          {"Selu", lower, MT_STORE_ANY},
    {"Sigmoid", lower, MT_STORE_ANY},   {"Softplus", lower, MT_STORE_ANY},      {"Sqrt", lower, MT_STORE_ANY},
    {"Tanh", lower, MT_STORE_ANY},      {"mt.Activation", lower, MT_STORE_ANY}, {0},
};

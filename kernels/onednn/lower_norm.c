/* Normalisations. */
#include "kernels/onednn/concat_norm.h"

static bool are_vectors(const mt_node *node, int first, int last, int64_t count)
{
    for (int i = first; i <= last; i++) {
        const mt_value *v = mt_node_input(node, i);
        if (!mt_is_f32(v) || v->rank != 1 || v->shape[0] != count)
            return false;
    }
    return true;
}

static bool is_relu(const mt_fused *fused)
{
    const mt_activation *f = fused == NULL || fused->n == 0 ? NULL : &fused->posts[0].activation;

    return f != NULL && fused->posts[0].kind == MT_POST_ACTIVATION && f->function == MT_FN_RELU && f->alpha == 0;
}

/* With fixed statistics, where it could not be folded into a convolution. */
static mt_lowered lower_batch(mt_lowering *l, const mt_node *node, GError **error)
{
    static const int      ids[] = {0, DNNL_ARG_SCALE, DNNL_ARG_SHIFT, DNNL_ARG_MEAN, DNNL_ARG_VARIANCE};
    const mt_value       *value = mt_node_input(node, 0);
    bool                  relu = is_relu(mt_node_fused(node));
    const mt_place       *x, *vectors[5];
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr;
    const mt_md          *md, *vector;
    mt_place              y;
    mt_primitive         *p;
    bool                  made;

    if (!mt_is_f32(value) || value->rank < 2 || value->rank > 5 || !are_vectors(node, 1, 4, value->shape[1]) ||
        mt_node_int(node, "training_mode", 0) != 0 || mt_node_output(node, 1) != NULL)
        return MT_NOT_HERE;
    if (mt_lower_waits(l, value))
        return mt_lower_concat_norm(l, node, error) ? MT_LOWERED : MT_LOWER_FAILED;
    x = mt_lower_dense(l, value, error);
    if (x == NULL)
        return MT_LOWER_FAILED;
    for (int i = 1; i <= 4; i++)
        if ((vectors[i] = mt_lower_vector(l, mt_node_input(node, i), error)) == NULL)
            return MT_LOWER_FAILED;
    md = mt_place_md(l, x);
    attr = mt_lower_attr();
    made = mt_pd_batch_norm(&pd, mt_lower_engine(l), attr, md, (float)mt_node_float(node, "epsilon", 1e-5), relu);
    dnnl_primitive_attr_destroy(attr);
    if (!made)
        return MT_NOT_HERE;
    y = x->strided ? mt_lower_new_view(l, &x->view) : mt_lower_new(l, md);
    p = mt_lower_primitive(l, node->name, pd, error);
    if (p == NULL)
        return MT_LOWER_FAILED;
    mt_primitive_reads(p, DNNL_ARG_SRC, x, md);
    vector = mt_lower_typed_md(l, MT_F32, 1, &value->shape[1], NULL);
    for (int i = 1; i <= 4; i++)
        mt_primitive_reads(p, ids[i], vectors[i], vector);
    mt_primitive_writes(p, DNNL_ARG_DST, &y, md);
    mt_primitive_in_place(p, x, &y);
    MT_LOWER_TRY(mt_posts_apart(l, node, relu ? 1 : 0, y, error));
    return MT_LOWERED;
}

/* The dimensions from `axis` on as contiguous rows, in the order of memory; row-major where they are not. */
static const mt_place *place_rows(mt_lowering *l, const mt_value *value, int axis, int64_t *rows, int64_t width, GError **error)
{
    const mt_place *x = mt_lower_strided(l, value, error);
    int64_t         stride;
    mt_view         view;

    if (x == NULL)
        return NULL;
    view = x->view;
    mt_view_join(&view);
    if (mt_view_is_dense(&view) && mt_view_rows(&view, axis, rows, &stride) && (*rows == 1 || stride == width) &&
        view.strides[view.n - 1] == 1 && mt_view_first(&view, axis) + 1 == view.n)
        return x;
    x = mt_lower_plain(l, value, error);
    *rows = mt_view_count(&view) / width;
    return x;
}

static bool bind_vectors(mt_lowering *l, const mt_node *node, mt_primitive *p, int64_t width, GError **error)
{
    static const int ids[] = {0, DNNL_ARG_SCALE, DNNL_ARG_SHIFT};

    for (int i = 1; i <= 2; i++) {
        const mt_place *v = mt_node_input(node, i) == NULL ? NULL : mt_lower_vector(l, mt_node_input(node, i), error);

        if (mt_node_input(node, i) != NULL && v == NULL)
            return false;
        if (v != NULL)
            mt_primitive_reads(p, ids[i], v, mt_lower_typed_md(l, MT_F32, 1, &width, NULL));
    }
    return true;
}

static mt_lowered lower_layer(mt_lowering *l, const mt_node *node, GError **error)
{
    const mt_value       *value = mt_node_input(node, 0), *shift = mt_node_input(node, 2);
    int64_t               axis = mt_node_int(node, "axis", -1), width = 1, rows = 0;
    const mt_place       *x;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr;
    const mt_md          *md;
    mt_place              y;
    mt_primitive         *p;
    bool                  made;

    axis = axis < 0 && value != NULL ? axis + value->rank : axis;
    if (!mt_is_f32(value) || mt_node_output(node, 1) != NULL || mt_node_output(node, 2) != NULL || axis < 0 || axis >= value->rank)
        return MT_NOT_HERE;
    for (int i = (int)axis; i < value->rank; i++)
        width *= value->shape[i];
    if (!mt_is_f32(mt_node_input(node, 1)) || mt_node_input(node, 1)->constant == NULL ||
        mt_tensor_count(mt_node_input(node, 1)->constant) != width)
        return MT_NOT_HERE;
    if (shift != NULL && (!mt_is_f32(shift) || shift->constant == NULL || mt_tensor_count(shift->constant) != width))
        return MT_NOT_HERE;
    x = place_rows(l, value, (int)axis, &rows, width, error);
    if (x == NULL)
        return MT_LOWER_FAILED;
    md = mt_lower_md(l, 2, (int64_t[]){rows, width}, NULL);
    attr = mt_lower_attr();
    made = mt_pd_layer_norm(&pd, mt_lower_engine(l), attr, md, (float)mt_node_float(node, "epsilon", 1e-5), true, shift != NULL);
    dnnl_primitive_attr_destroy(attr);
    if (!made)
        return MT_NOT_HERE;
    y = mt_lower_new_view(l, &x->view);
    p = mt_lower_primitive(l, node->name, pd, error);
    if (p == NULL || !bind_vectors(l, node, p, width, error))
        return MT_LOWER_FAILED;
    mt_primitive_reads(p, DNNL_ARG_SRC, x, md);
    mt_primitive_writes(p, DNNL_ARG_DST, &y, md);
    mt_primitive_in_place(p, x, &y);
    mt_lower_put(l, mt_node_output(node, 0), &y);
    return MT_LOWERED;
}

const mt_lower_entry mt_lower_norm[] = {
    {"BatchNormalization", lower_batch, MT_STORE_ANY}, {"LayerNormalization", lower_layer, MT_STORE_ANY}, {0}};

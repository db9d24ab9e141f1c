/* Arithmetic on two tensors, one of them perhaps broadcast: the library's binary primitive where it is fast, a loop of our own
 * for the other broadcasts. */
#include "kernels/onednn/broadcast_loop.h"
#include "kernels/onednn/lower.h"

#include <string.h>

static bool same_shape(const mt_value *a, const mt_value *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, (size_t)a->rank * sizeof a->shape[0]) == 0;
}

static mt_place like(mt_lowering *l, const mt_place *place)
{
    return place->strided ? mt_lower_new_view(l, &place->view) : mt_lower_new(l, place->md);
}

static bool has_only_functions(const mt_fused *fused, int first)
{
    for (int i = first; fused != NULL && i < fused->n; i++)
        if (fused->posts[i].kind != MT_POST_ACTIVATION)
            return false;
    return fused != NULL && first < fused->n;
}

/* Both of one shape: b is brought to the layout of a, then it is one row against another. */
static bool lower_equal(mt_lowering *l, const mt_node *node, dnnl_alg_kind_t alg, const mt_place *a, const mt_value *b, bool swapped,
                        int first, GError **error)
{
    const mt_place       *other = a->strided ? mt_lower_like(l, b, &a->view, error) : mt_lower_as(l, b, a->md, error);
    int64_t               count = a->strided ? mt_view_count(&a->view) : 0;
    const mt_md          *md = a->strided ? mt_lower_md(l, 1, &count, NULL) : a->md;
    dnnl_primitive_desc_t pd = NULL;
    bool                  fused = has_only_functions(mt_node_fused(node), first), made;
    mt_posts              posts;
    mt_place              to = like(l, a);
    mt_primitive         *p;

    if (other == NULL || !mt_posts_init(&posts, l, node, fused ? first : MT_POSTS_MAX, md, NULL, NULL, false, error))
        return false;
    made = mt_pd_binary(&pd, mt_lower_engine(l), posts.attr, alg, md, md, md);
    mt_posts_clear(&posts);
    if (!made)
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "oneDNN has no binary primitive for this layout");
    p = made ? mt_lower_primitive(l, node->name, pd, error) : NULL;
    if (p == NULL)
        return false;
    mt_primitive_reads(p, DNNL_ARG_SRC_0, swapped ? other : a, md);
    mt_primitive_reads(p, DNNL_ARG_SRC_1, swapped ? a : other, md);
    mt_primitive_writes(p, DNNL_ARG_DST, &to, md);
    if (a->buffer != other->buffer)
        mt_primitive_in_place(p, a, &to);
    return mt_posts_apart(l, node, fused ? MT_POSTS_MAX : first, to, error);
}

bool mt_lower_arithmetic(mt_lowering *l, const mt_node *node, dnnl_alg_kind_t alg, const mt_place *a, const mt_value *b, bool swapped,
                         int first, GError **error)
{
    const mt_value *out = mt_node_output(node, 0);
    mt_place        plain = *a, to;

    mt_lower_set_type(l, a->type);
    if (same_shape(b, out))
        return lower_equal(l, node, alg, a, b, swapped, first, error);
    if (!a->strided) { /* loops read strides */
        mt_view_init(&plain.view, out->rank, out->shape);
        plain = mt_lower_new_view(l, &plain.view);
        if (!mt_lower_reorder(l, node->name, a, a->md, &plain, mt_place_md(l, &plain), error))
            return false;
    }
    to = mt_lower_new_view(l, &plain.view);
    if (!mt_lower_loop(l, node->name, alg, &plain, b, swapped, &to, error))
        return false;
    return mt_posts_apart(l, node, first, to, error);
}

static bool alg_of(const mt_node *node, dnnl_alg_kind_t *alg)
{
    static const struct {
        const char     *op;
        dnnl_alg_kind_t alg;
    } table[] = {{"Add", dnnl_binary_add}, {"Sub", dnnl_binary_sub}, {"Mul", dnnl_binary_mul},
                 {"Div", dnnl_binary_div}, {"Max", dnnl_binary_max}, {"Min", dnnl_binary_min}};

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
        if (strcmp(node->op, table[i].op) == 0) {
            *alg = table[i].alg;
            return true;
        }
    return false;
}

/* A number on one side: a linear function, or what activation.c knows. */
static mt_lowered lower_number(mt_lowering *l, const mt_node *node, const mt_activation *f, const mt_value *x, GError **error)
{
    const mt_place *from = mt_lower_dense(l, x, error);
    mt_place        to;

    if (from == NULL)
        return MT_LOWER_FAILED;
    to = like(l, from);
    MT_LOWER_TRY(mt_lower_function(l, node->name, f, from, &to, error));
    MT_LOWER_TRY(mt_posts_apart(l, node, 0, to, error));
    return MT_LOWERED;
}

static mt_lowered lower(mt_lowering *l, const mt_node *node, GError **error)
{
    const mt_value *a = mt_node_input(node, 0), *b = mt_node_input(node, 1), *out = mt_node_output(node, 0);
    mt_activation   f[MT_ACTIVATIONS_MAX];
    dnnl_alg_kind_t alg;
    const mt_place *place;
    bool            swapped;
    int             input;

    if (!mt_is_f32(a) || !mt_is_f32(b) || mt_node_own_inputs(node) != 2 || !alg_of(node, &alg))
        return MT_NOT_HERE;
    if (mt_node_activations(node, f, &input) == 1)
        return lower_number(l, node, f, mt_node_input(node, input), error);
    swapped = !same_shape(a, out);
    if (swapped && !same_shape(b, out))
        return MT_NOT_HERE; /* both broadcast */
    if (a->constant != NULL && same_shape(b, out))
        swapped = true; /* the layout of what is computed leads */
    place = mt_lower_dense(l, swapped ? b : a, error);
    if (place == NULL)
        return MT_LOWER_FAILED;
    MT_LOWER_TRY(mt_lower_arithmetic(l, node, alg, place, swapped ? a : b, swapped, 0, error));
    return MT_LOWERED;
}

const mt_lower_entry mt_lower_binary[] = {
    {"Add", lower, MT_STORE_ANY},
    {"Div", lower, MT_STORE_ANY},
    {"Max", lower, MT_STORE_ANY},
    {"Min", lower, MT_STORE_ANY},
    {"Mul", lower, MT_STORE_ANY},
    {"Sub", lower, MT_STORE_ANY},
    {0},
};

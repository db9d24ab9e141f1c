/* Scaled dot-product attention becomes one node, so that scores never leave the cache:
 *
 *   q -> MatMul -> Mul c -> Add mask -> Softmax(-1) -> MatMul -> y
 *   kt ---/                                              /
 *   v --------------------------------------------------/
 *
 *   q, kt, v, mask -> mt.Attention(scale c) -> y              y = softmax(c q kt + mask) v
 *
 * The scale may be a Div, stand on q or kt instead, or be missing; so may the mask.  q (.., L, D), kt (.., D, S), v (.., S, E)
 * of one rank with equal leading dimensions. */
#include "kernels/graph/activation.h"
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"

typedef struct attention {
    mt_value *q, *kt, *v, *mask;
    double    scale;
} attention;

/* Steps over a product with a number that only the pattern reads. */
static mt_value *strip_scale(const mt_uses *uses, mt_value *value, double *scale)
{
    mt_node      *node = value->producer;
    mt_activation f[MT_ACTIVATIONS_MAX];
    int           input;

    if ((!mt_is(node, "Mul") && !mt_is(node, "Div")) || mt_uses_count(uses, value) != 1)
        return value;
    if (mt_node_activations(node, f, &input) != 1 || f[0].function != MT_FN_LINEAR || f[0].beta != 0)
        return value;
    *scale *= f[0].alpha;
    return mt_node_input(node, input);
}

static bool is_over_last(const mt_node *softmax)
{
    const mt_value *in = mt_node_input(softmax, 0);
    int64_t         axis = mt_node_int(softmax, "axis", softmax->opset < 13 ? 1 : -1);

    return in != NULL && (axis == -1 || axis == in->rank - 1);
}

static bool fits_scores(const mt_value *mask, const mt_value *scores)
{
    int skipped = scores->rank - mask->rank;

    if (skipped < 0 || mask->dtype != MT_F32)
        return false;
    for (int i = 0; i < mask->rank; i++)
        if (mask->shape[i] != 1 && mask->shape[i] != scores->shape[i + skipped])
            return false;
    return true;
}

/* The product q kt inside `scores`, stepping over mask and scale. */
static mt_node *find_scores(const mt_uses *uses, mt_value *scores, attention *a)
{
    mt_node *add = mt_made_by(scores, "Add");
    double   number;

    if (mt_uses_count(uses, scores) != 1)
        return NULL;
    for (int i = 0; add != NULL && a->mask == NULL && i < 2; i++) {
        double    scale = 1;
        mt_value *side = mt_node_input(add, i), *mask = mt_node_input(add, 1 - i);

        if (side == NULL || mask == NULL || mt_uses_count(uses, side) != 1 || mt_value_scalar(mask, &number))
            continue;
        if (!mt_same_shape(side, scores) || mt_made_by(strip_scale(uses, side, &scale), "MatMul") == NULL || !fits_scores(mask, scores))
            continue;
        a->mask = mask;
        scores = side;
    }
    scores = strip_scale(uses, scores, &a->scale);
    return mt_uses_count(uses, scores) == 1 ? mt_made_by(scores, "MatMul") : NULL;
}

static bool have_equal_batches(const attention *a)
{
    int rank = a->q->rank;

    if (rank < 3 || a->kt->rank != rank || a->v->rank != rank)
        return false;
    for (int i = 0; i < rank - 2; i++)
        if (a->q->shape[i] != a->kt->shape[i] || a->q->shape[i] != a->v->shape[i])
            return false;
    return a->q->dtype == MT_F32 && a->kt->dtype == MT_F32 && a->v->dtype == MT_F32;
}

static bool match(const mt_uses *uses, const mt_node *last, attention *a)
{
    mt_node *softmax = mt_made_by(mt_node_input(last, 0), "Softmax"), *product;

    *a = (attention){.scale = 1};
    if (softmax == NULL || !is_over_last(softmax) || mt_uses_count(uses, mt_node_output(softmax, 0)) != 1)
        return false;
    product = find_scores(uses, mt_node_input(softmax, 0), a);
    if (product == NULL)
        return false;
    a->q = strip_scale(uses, mt_node_input(product, 0), &a->scale);
    a->kt = strip_scale(uses, mt_node_input(product, 1), &a->scale);
    a->v = mt_node_input(last, 1);
    return have_equal_batches(a);
}

static bool rewrite(mt_graph *graph, mt_uses *uses, mt_node *last, GError **error)
{
    attention a;
    mt_node  *node;

    if (!match(uses, last, &a))
        return false;
    node = mt_graph_add_node(graph, "mt.Attention", last->name, (mt_value *[]){a.q, a.kt, a.v, a.mask}, a.mask == NULL ? 3 : 4, 1, last,
                             error);
    if (node == NULL)
        return false;
    mt_node_set_float(node, "scale", a.scale);
    mt_copy_type(mt_node_output(node, 0), mt_node_output(last, 0));
    mt_uses_add_node(uses, node);
    mt_uses_forget(uses, last);
    mt_uses_replace(uses, mt_node_output(last, 0), mt_node_output(node, 0));
    return true;
}

int mt_pass_fuse_attention(mt_graph *graph, GError **error)
{
    return mt_rewrite_each(graph, "MatMul", rewrite, error);
}

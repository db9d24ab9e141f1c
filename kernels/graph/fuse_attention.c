/* Scaled dot-product attention becomes one node, so that scores never leave the cache:
 *
 *   q -> MatMul -> Mul c -> Add mask -> Softmax(-1) -> MatMul -> y
 *   kt ---/                                              /
 *   v --------------------------------------------------/
 *
 *   q, kt, v, mask -> mt.Attention(scale c) -> y              y = softmax(c q kt + mask) v
 *
 * The scale may be a Div, stand on q or kt instead, or be missing; so may the mask.  q (.., L, D), kt (.., D, S), v (.., S, E)
 * of one rank with equal leading dimensions.  There may be several masks, and the leading dimensions of the scores may be
 * split for one and joined again, as shifted windows do:
 *
 *   .. -> Add bias -> Reshape (N, windows, heads, L, S) -> Add mask -> Reshape (N windows, heads, L, S) -> Softmax -> ..
 *
 * A scale that differs between heads goes to q.  With windows, q, kt and v get the dimensions that split finest, and the masks are added up beforehand. */
#include "kernels/graph/activation.h"
#include "kernels/graph/insert.h"
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"

#define MASKS_MAX 4
#define CHAIN_MAX 8 /* nodes between the product and the softmax */

typedef struct attention {
    mt_value *q, *kt, *v;
    mt_value *masks[MASKS_MAX], *sums[MASKS_MAX]; /* what is added, and a value of the shape it is broadcast to */
    int       n_masks;
    mt_value *finest; /* the scores where they have most dimensions */
    mt_value *vector; /* a scale of each matrix; NULL */
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

/* Does the product lie above `value`, where a chain of scores may be followed to it? */
static bool leads_to_product(const mt_uses *uses, const mt_value *value, int depth)
{
    const mt_node *node = value == NULL || value->constant != NULL || depth == 0 ? NULL : value->producer;

    if (node == NULL || mt_uses_count(uses, value) != 1)
        return false;
    if (mt_is(node, "MatMul"))
        return true;
    if (!mt_is(node, "Add") && !mt_is(node, "Mul") && !mt_is(node, "Div") && !mt_is(node, "Reshape"))
        return false;
    return leads_to_product(uses, mt_node_input(node, 0), depth - 1) || leads_to_product(uses, mt_node_input(node, 1), depth - 1);
}

/* One step up over `scores` = side + mask; NULL when that is not what it is. */
static mt_value *step_over_mask(const mt_uses *uses, mt_value *scores, attention *a)
{
    mt_node *add = scores->producer;

    for (int i = 0; i < 2 && a->n_masks < MASKS_MAX && a->scale == 1; i++) {
        mt_value *side = mt_node_input(add, i), *mask = mt_node_input(add, 1 - i);

        if (!mt_same_shape(side, scores) || !leads_to_product(uses, side, CHAIN_MAX) || !fits_scores(mask, scores) ||
            leads_to_product(uses, mask, CHAIN_MAX))
            continue;
        a->masks[a->n_masks] = mask;
        a->sums[a->n_masks++] = scores;
        return side;
    }
    return NULL;
}

/* One step up over `scores` = product x a number of each matrix. */
static mt_value *step_over_vector(mt_value *scores, attention *a)
{
    for (int i = 0; mt_is(scores->producer, "Mul") && i < 2; i++) {
        mt_value *side = mt_node_input(scores->producer, i), *vector = mt_node_input(scores->producer, 1 - i);

        if (mt_made_by(side, "MatMul") == NULL || !mt_same_shape(side, scores) || vector == NULL || vector->dtype != MT_F32)
            continue;
        if (vector->rank < 2 || vector->shape[vector->rank - 1] != 1 || vector->shape[vector->rank - 2] != 1)
            continue;
        a->vector = vector;
        return side;
    }
    return scores;
}

static bool keeps_matrices(const mt_value *from, const mt_value *to)
{
    return from != NULL && from->rank >= 2 && to->rank >= 2 && from->shape[from->rank - 1] == to->shape[to->rank - 1] &&
           from->shape[from->rank - 2] == to->shape[to->rank - 2];
}

/* The product q kt that `scores` are made of, stepping over masks, scales and reshapes that nobody else looks into. */
static mt_node *find_scores(const mt_uses *uses, mt_value *scores, attention *a)
{
    a->finest = scores;
    for (int i = 0; i < CHAIN_MAX && scores != NULL && scores->constant == NULL && mt_uses_count(uses, scores) == 1; i++) {
        mt_value *up;

        if (scores->rank > a->finest->rank)
            a->finest = scores;
        if (mt_is(scores->producer, "MatMul"))
            return scores->producer;
        if (mt_is(scores->producer, "Add"))
            up = step_over_mask(uses, scores, a);
        else if (mt_is(scores->producer, "Reshape"))
            up = keeps_matrices(mt_node_input(scores->producer, 0), scores) ? mt_node_input(scores->producer, 0) : NULL;
        else
            up = strip_scale(uses, scores, &a->scale);
        if (up == scores)
            up = step_over_vector(scores, a);
        scores = up == scores ? NULL : up;
    }
    return NULL;
}

static bool is_stack_of(const mt_value *value, const mt_value *scores)
{
    if (value->rank != scores->rank || value->rank < 3 || value->dtype != MT_F32)
        return false;
    return memcmp(value->shape, scores->shape, (size_t)(value->rank - 2) * sizeof *value->shape) == 0;
}

static bool have_equal_batches(const attention *a, const mt_value *softmax)
{
    int rank = a->q->rank;

    for (int i = 0; i < rank - 2; i++)
        if (a->kt->rank != rank || a->q->shape[i] != a->kt->shape[i])
            return false;
    return a->kt->rank == rank && rank >= 3 && a->q->dtype == MT_F32 && a->kt->dtype == MT_F32 && is_stack_of(a->v, softmax);
}

/* The shape of a mask for scores of shape `whole`, whose dimensions are products of neighbours among the leading ones of `finest`,
 * over those.  False when they are not. */
static bool refine_mask(const mt_value *mask, const mt_value *whole, const mt_value *finest, int64_t *shape)
{
    int at = 0, leading = finest->rank - 2;

    for (int i = 0; i < whole->rank - 2; i++) {
        int     own = i - (whole->rank - mask->rank);
        bool    repeated = own < 0 || mask->shape[own] == 1;
        int64_t left = whole->shape[i];

        for (bool first = true; at < leading && (first || left > 1 || (i == whole->rank - 3)); first = false, at++) {
            if (left % finest->shape[at] != 0)
                return false;
            left /= finest->shape[at];
            shape[at] = repeated ? 1 : finest->shape[at];
        }
        if (left != 1)
            return false;
    }
    for (int i = 1; i <= 2; i++)
        shape[finest->rank - i] = i <= mask->rank ? mask->shape[mask->rank - i] : 1;
    return at == leading;
}

/* All masks as one; *sum is left alone when there are none. */
static bool add_masks(const mt_inserter *at, const attention *a, mt_value **sum, GError **error)
{
    for (int i = 0; i < a->n_masks; i++) {
        int64_t   shape[MT_MAX_RANK];
        mt_value *mask = a->masks[i];

        if (a->sums[i]->rank != a->finest->rank) {
            refine_mask(mask, a->sums[i], a->finest, shape);
            mask = mt_insert_reshape(at, mask, a->finest->rank, shape, error);
        }
        *sum = mask == NULL || *sum == NULL ? mask : mt_insert_binary(at, "Add", mask, *sum, error);
        if (*sum == NULL)
            return false;
    }
    return true;
}

static bool can_refine(const attention *a)
{
    int64_t shape[MT_MAX_RANK];

    if (a->finest->rank > MT_MAX_RANK)
        return false;
    for (int i = 0; i < a->n_masks; i++)
        if (a->sums[i]->rank != a->finest->rank && !refine_mask(a->masks[i], a->sums[i], a->finest, shape))
            return false;
    return true;
}

static bool match(const mt_uses *uses, const mt_node *last, attention *a)
{
    mt_node *softmax = mt_made_by(mt_node_input(last, 0), "Softmax"), *product;

    *a = (attention){.scale = 1};
    if (softmax == NULL || !is_over_last(softmax) || mt_uses_count(uses, mt_node_output(softmax, 0)) != 1)
        return false;
    product = find_scores(uses, mt_node_input(softmax, 0), a);
    if (product == NULL || !can_refine(a))
        return false;
    a->q = strip_scale(uses, mt_node_input(product, 0), &a->scale);
    a->kt = strip_scale(uses, mt_node_input(product, 1), &a->scale);
    a->v = mt_node_input(last, 1);
    return have_equal_batches(a, mt_node_output(softmax, 0));
}

/* `value` with the leading dimensions of the finest scores. */
static mt_value *refined(const mt_inserter *at, const attention *a, mt_value *value, GError **error)
{
    int     rank = a->finest->rank;
    int64_t shape[MT_MAX_RANK];

    memcpy(shape, a->finest->shape, sizeof shape);
    shape[rank - 2] = value->shape[value->rank - 2];
    shape[rank - 1] = value->shape[value->rank - 1];
    return mt_insert_reshape(at, value, rank, shape, error);
}

/* Numbers that q or kt is multiplied with before reshapes and transposes cut it into heads go into the scale too. */
static void unscale_below_views(mt_uses *uses, const mt_value *value, double *scale)
{
    for (int i = 0; i < CHAIN_MAX && value->constant == NULL && mt_uses_count(uses, value) == 1; i++) {
        mt_node  *view = value->producer;
        mt_value *in = mt_is(view, "Transpose") || mt_is(view, "Reshape") ? mt_node_input(view, 0) : NULL, *bare;

        if (in == NULL || in->constant != NULL)
            return;
        bare = strip_scale(uses, in, scale);
        if (bare != in) {
            mt_uses_forget(uses, view);
            view->inputs->pdata[0] = bare;
            mt_uses_add_node(uses, view);
            return;
        }
        value = in;
    }
}

static bool rewrite(mt_graph *graph, mt_uses *uses, mt_node *last, GError **error)
{
    mt_inserter at = {graph, uses, last};
    mt_value   *out = mt_node_output(last, 0), *operands[4] = {NULL}, *y;
    attention   a;
    mt_node    *node;

    if (!match(uses, last, &a))
        return false;
    unscale_below_views(uses, a.q, &a.scale);
    unscale_below_views(uses, a.kt, &a.scale);
    if (a.vector != NULL && (a.q = mt_insert_binary(&at, "Mul", a.q, a.vector, error)) == NULL)
        return false;
    if ((operands[0] = refined(&at, &a, a.q, error)) == NULL || (operands[1] = refined(&at, &a, a.kt, error)) == NULL ||
        (operands[2] = refined(&at, &a, a.v, error)) == NULL || !add_masks(&at, &a, &operands[3], error))
        return false;
    node = mt_insert_node(&at, "mt.Attention", operands, operands[3] == NULL ? 3 : 4, error);
    if (node == NULL)
        return false;
    mt_node_set_float(node, "scale", a.scale);
    y = mt_insert_finish(&at, node, error);
    y = y == NULL ? NULL : mt_insert_reshape(&at, y, out->rank, out->shape, error);
    if (y == NULL)
        return false;
    mt_insert_replace(&at, out, y);
    return true;
}

int mt_pass_fuse_attention(mt_graph *graph, GError **error)
{
    return mt_rewrite_each(graph, "MatMul", rewrite, error);
}

/* A normalisation that exporters write out becomes one node:
 *
 *   x -> ReduceMean -> Sub d = x - mean -> Div -> Mul scale -> Add shift -> y
 *                       \-> Pow 2 (or d d) -> ReduceMean -> Add epsilon -> Sqrt -/ (divisor)
 *
 *   over the last dimensions     x -> LayerNormalization(scale, shift; axis, epsilon) -> y
 *   over the channels            x -> Transpose -> LayerNormalization -> Transpose -> y        (views, as a rule)
 *   over the pixels              x -> mt.GroupNorm(scale, shift; one group a channel) -> y
 *
 * The quotient may be a product with the reciprocal root, d may be computed twice, scale and shift, or the shift, be missing. */
#include "kernels/graph/insert.h"
#include "kernels/graph/norm_pattern.h"
#include "kernels/graph/passes.h"

typedef enum norm_kind { NORM_NONE, NORM_LAST, NORM_CHANNELS, NORM_PIXELS } norm_kind;

typedef struct layer_norm {
    norm_kind kind;
    unsigned  axes, along; /* that the mean is over; that scale and shift lie along */
    double    epsilon;
    mt_value *x, *scale, *shift, *end;
} layer_norm;

/* x, when `value` = x - mean(x). */
static mt_value *centred(const mt_value *value, unsigned axes)
{
    const mt_node *sub = mt_made_by(value, "Sub");
    mt_value      *x = sub == NULL ? NULL : mt_node_input(sub, 0);
    unsigned       own;

    return x != NULL && mt_mean_of(mt_node_input(sub, 1), &own) == x && own == axes ? x : NULL;
}

/* x, when `node` = (x - mean(x)) / sqrt(variance(x) + epsilon); the two differences may be different nodes. */
static mt_value *normalised(const mt_node *node, unsigned *axes, double *epsilon)
{
    mt_value *d = mt_rms_normalised(node, axes, epsilon), *x;

    if (d != NULL)
        return centred(d, *axes);
    if (!mt_is(node, "Div") || mt_made_by(mt_node_input(node, 0), "Sub") == NULL)
        return NULL;
    d = mt_rms_divisor(node, axes, epsilon);
    x = d == NULL ? NULL : centred(d, *axes);
    return x != NULL && centred(mt_node_input(node, 0), *axes) == x ? x : NULL;
}

static norm_kind kind_of(unsigned axes, int rank)
{
    unsigned all = (1u << rank) - 1, pixels = all & ~3u;

    for (int first = 0; first < rank; first++)
        if (axes == (all & ~((1u << first) - 1)) && !(axes == pixels && rank > 3)) /* of images, the scale is one a channel */
            return NORM_LAST;
    if (rank < 3)
        return NORM_NONE;
    return axes == 2u ? NORM_CHANNELS : axes == pixels ? NORM_PIXELS : NORM_NONE;
}

/* Scale and shift, as far as they follow. */
static void find_affine(const mt_uses *uses, mt_node *node, layer_norm *n)
{
    mt_node *mul = mt_followed_by(uses, node, "Mul"), *add;

    n->end = mt_node_output(node, 0);
    n->scale = mt_operand_along(mul, n->end, n->along);
    if (n->scale == NULL)
        return;
    n->end = mt_node_output(mul, 0);
    add = mt_followed_by(uses, mul, "Add");
    n->shift = mt_operand_along(add, n->end, n->along);
    if (n->shift != NULL)
        n->end = mt_node_output(add, 0);
}

static bool match(const mt_uses *uses, mt_node *node, layer_norm *n)
{
    *n = (layer_norm){0};
    n->x = normalised(node, &n->axes, &n->epsilon);
    if (n->x == NULL || n->x->dtype != MT_F32 || !mt_same_shape(n->x, mt_node_output(node, 0)))
        return false;
    n->kind = kind_of(n->axes, n->x->rank);
    n->along = n->kind == NORM_PIXELS ? 2u : n->axes;
    find_affine(uses, node, n);
    if (!mt_same_shape(n->x, n->end)) /* a scale that broadcasts further */
        n->end = NULL;
    return n->kind != NORM_NONE && n->end != NULL;
}

static mt_value *add_group_norm(const mt_inserter *at, const layer_norm *n, mt_value *const *inputs, int count, GError **error)
{
    mt_node *node = mt_insert_node(at, "mt.GroupNorm", inputs, count, error);

    if (node == NULL)
        return NULL;
    mt_node_set_int(node, "groups", n->x->shape[1]);
    mt_node_set_float(node, "epsilon", n->epsilon);
    return mt_insert_finish(at, node, error);
}

static mt_value *add_layer_norm(const mt_inserter *at, const layer_norm *n, mt_value *const *inputs, int count, GError **error)
{
    mt_node *node = mt_insert_node(at, "LayerNormalization", inputs, count, error);
    int      first = n->kind == NORM_CHANNELS ? n->x->rank - 1 : g_bit_nth_lsf(n->axes, -1);

    if (node == NULL)
        return NULL;
    mt_node_set_int(node, "axis", first - n->x->rank);
    mt_node_set_float(node, "epsilon", n->epsilon);
    return mt_insert_finish(at, node, error);
}

static void channels_last(int rank, int64_t *there, int64_t *back)
{
    for (int i = 0; i < rank; i++) {
        there[i] = i == 0 ? 0 : i == rank - 1 ? 1 : i + 1;
        back[i] = i == 0 ? 0 : i == 1 ? rank - 1 : i - 1;
    }
}

static mt_value *add_channel_norm(const mt_inserter *at, const layer_norm *n, mt_value **inputs, int count, GError **error)
{
    int64_t   there[MT_MAX_RANK], back[MT_MAX_RANK];
    mt_value *y;

    channels_last(n->x->rank, there, back);
    inputs[0] = mt_insert_transpose(at, n->x, there, error);
    y = inputs[0] == NULL ? NULL : add_layer_norm(at, n, inputs, count, error);
    return y == NULL ? NULL : mt_insert_transpose(at, y, back, error);
}

static int64_t count_along(const layer_norm *n)
{
    int64_t count = 1;

    for (int i = 0; i < n->x->rank; i++)
        count *= n->along >> i & 1 ? n->x->shape[i] : 1;
    return count;
}

static bool rewrite(mt_graph *graph, mt_uses *uses, mt_node *node, GError **error)
{
    layer_norm  n;
    mt_inserter at = {graph, uses, node};
    mt_value   *inputs[3] = {NULL}, *y;
    int         count;

    if (!match(uses, node, &n))
        return false;
    at.before = n.end->producer;
    inputs[0] = n.x;
    inputs[1] = n.scale == NULL ? mt_constant_vector(graph, count_along(&n), 1, error) : mt_as_vector(graph, n.scale, error);
    inputs[2] = n.shift == NULL ? NULL : mt_as_vector(graph, n.shift, error);
    if (inputs[1] == NULL || (n.shift != NULL && inputs[2] == NULL))
        return false;
    count = n.shift == NULL ? 2 : 3;
    y = n.kind == NORM_PIXELS     ? add_group_norm(&at, &n, inputs, count, error)
        : n.kind == NORM_CHANNELS ? add_channel_norm(&at, &n, inputs, count, error)
                                  : add_layer_norm(&at, &n, inputs, count, error);
    if (y == NULL)
        return false;
    mt_insert_replace(&at, n.end, y);
    return true;
}

int mt_pass_fuse_layer_norm(mt_graph *graph, GError **error)
{
    int quotients = mt_rewrite_each(graph, "Div", rewrite, error), products;

    products = quotients < 0 ? -1 : mt_rewrite_each(graph, "Mul", rewrite, error);
    return products < 0 ? -1 : quotients + products;
}

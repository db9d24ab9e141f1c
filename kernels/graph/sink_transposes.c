/* Transposes move down through nodes that do not care where elements lie, until they meet another one and cancel, as around
 * every convolution of a graph that keeps its images in NHWC:
 *
 *   x -> Transpose p -> Relu -> Transpose q -> y         x -> Relu -> y        when q undoes p
 *
 *   x -> Transpose p -> Add vector -> y                  x -> Add vector' -> Transpose p -> y
 *   x -> Transpose p -> ReduceMean(axes) -> y            x -> ReduceMean(p[axes]) -> Transpose p -> y
 *   x, z -> Transpose p each -> Add | Concat -> y        x, z -> Add | Concat -> Transpose p -> y
 *
 * Runs after the patterns, which know transposes, and before what is fused into convolutions and products.  A transpose costs
 * nothing by itself, but what stands behind it is not fused and has to be brought back to the layout of the convolution. */
#include "kernels/graph/activation.h"
#include "kernels/graph/insert.h"
#include "kernels/graph/match.h"
#include "kernels/graph/norm_pattern.h"
#include "kernels/graph/passes.h"

/* The permutation of the Transpose that makes `value`, of its rank; NULL when none does. */
static const int64_t *perm_of(const mt_value *value)
{
    const mt_node *node = mt_made_by(value, "Transpose");
    int            n = 0;
    const int64_t *perm = node == NULL ? NULL : mt_node_ints(node, "perm", &n);

    return perm != NULL && n == value->rank ? perm : NULL;
}

static bool same_perm(const mt_value *a, const mt_value *b)
{
    const int64_t *p = perm_of(a), *q = perm_of(b);

    return p != NULL && q != NULL && a->rank == b->rank && memcmp(p, q, (size_t)a->rank * sizeof *p) == 0;
}

static mt_value *before(const mt_value *transposed)
{
    return mt_node_input(transposed->producer, 0);
}

/* A constant with one dimension that is not 1, or none, turned back to what it is before permutation `perm` of n; NULL else. */
static mt_value *turn_back(const mt_inserter *at, mt_value *constant, const int64_t *perm, int n, GError **error)
{
    int64_t shape[MT_MAX_RANK], count;

    if (constant->constant == NULL || constant->dtype != MT_F32 || constant->rank > n)
        return NULL;
    count = mt_tensor_count(constant->constant);
    for (int i = 0; i < n; i++)
        shape[i] = 1;
    for (int i = 0; i < constant->rank; i++) {
        if (constant->shape[i] != 1 && constant->shape[i] != count)
            return NULL;
        if (constant->shape[i] != 1)
            shape[perm[n - constant->rank + i]] = count;
    }
    return mt_insert_reshape(at, constant, n, shape, error);
}

static bool is_binary(const mt_node *node)
{
    static const char *const ops[] = {"Add", "Div", "Max", "Min", "Mul", "Pow", "Sub", NULL};

    return g_strv_contains(ops, node->op) && node->inputs->len == 2;
}

/* Replaces `node` by one of `inputs`, its attributes kept, and `perm` behind it. */
static bool put_below(const mt_inserter *at, mt_node *node, mt_value *const *inputs, const int64_t *perm, mt_node **made, GError **error)
{
    mt_value *out = mt_node_output(node, 0), *y;

    *made = mt_insert_node(at, node->op, inputs, (int)node->inputs->len, error);
    if (*made == NULL)
        return false;
    g_hash_table_unref((*made)->attrs);
    (*made)->attrs = mt_attrs_copy(node->attrs);
    (*made)->opset = node->opset;
    if (strcmp(node->op, "Concat") == 0) {
        int64_t axis = mt_node_int(node, "axis", 0);
        mt_node_set_int(*made, "axis", perm[axis < 0 ? axis + out->rank : axis]);
    }
    y = mt_insert_finish(at, *made, error);
    y = y == NULL ? NULL : mt_insert_transpose(at, y, perm, error);
    if (y == NULL)
        return false;
    mt_insert_replace(at, out, y);
    return true;
}

/* Functions, sums and joins: every input is transposed alike, or a vector. */
static bool sink_element_wise(const mt_inserter *at, mt_node *node, GError **error)
{
    mt_activation  f[MT_ACTIVATIONS_MAX];
    mt_value      *inputs[16] = {NULL}, *out = mt_node_output(node, 0), *leader = NULL;
    const int64_t *perm;
    mt_node       *made;
    int            input = 0, n = (int)node->inputs->len;
    bool           function = mt_node_activations(node, f, &input) > 0, join = mt_is(node, "Concat") && n > 1;

    if ((!function && !join && !is_binary(node)) || n > 16 || out->dtype != MT_F32)
        return false;
    for (int i = 0; i < n && leader == NULL; i++)
        leader = perm_of(mt_node_input(node, i)) != NULL ? mt_node_input(node, i) : NULL;
    if (leader == NULL || leader->rank != out->rank || (function && leader != mt_node_input(node, input)) ||
        (!join && !mt_same_shape(leader, out)))
        return false;
    perm = perm_of(leader);
    for (int i = 0; i < n; i++) {
        mt_value *value = mt_node_input(node, i);

        if (value != NULL && same_perm(value, leader))
            inputs[i] = before(value);
        else if (function || value == NULL)
            inputs[i] = value; /* bounds, slopes: numbers */
        else if (join || (inputs[i] = turn_back(at, value, perm, out->rank, error)) == NULL)
            return false;
    }
    return put_below(at, node, inputs, perm, &made, error);
}

/* The axes are an attribute until opset 17, an input from 18 on. */
static mt_value *add_mean(const mt_inserter *at, mt_value *x, const int64_t *axes, int n, bool kept, GError **error)
{
    bool      attribute = at->graph->opset < 18;
    mt_value *inputs[] = {x, attribute ? NULL : mt_insert_list(at, axes, n, error)};
    mt_node  *node = !attribute && inputs[1] == NULL ? NULL : mt_insert_node(at, "ReduceMean", inputs, attribute ? 1 : 2, error);

    if (node == NULL)
        return NULL;
    if (attribute)
        mt_node_set_ints(node, "axes", axes, n);
    mt_node_set_int(node, "keepdims", kept);
    return mt_insert_finish(at, node, error);
}

/* A mean over kept or dropped dimensions. */
static bool sink_mean(const mt_inserter *at, mt_node *node, GError **error)
{
    mt_value *x = mt_node_input(node, 0), *out = mt_node_output(node, 0), *y;
    bool      kept = mt_node_int(node, "keepdims", 1) != 0;
    unsigned  axes = 0, turned = 0;
    int64_t   list[MT_MAX_RANK], perm[MT_MAX_RANK], rest[MT_MAX_RANK], place[MT_MAX_RANK] = {0};
    int       n = 0, n_rest = 0, at_rest = 0;

    if (perm_of(x) == NULL || x->dtype != MT_F32 || !mt_reduced_axes(node, &axes))
        return false;
    memcpy(perm, perm_of(x), (size_t)x->rank * sizeof *perm);
    for (int i = 0; i < x->rank; i++)
        turned |= (axes >> i & 1) << perm[i];
    for (int i = 0; i < x->rank; i++) {
        if (turned >> i & 1)
            list[n++] = i;
        else
            place[i] = at_rest++;
    }
    for (int i = 0; i < x->rank && !kept; i++)
        if (!(axes >> i & 1))
            rest[n_rest++] = place[perm[i]];
    y = add_mean(at, before(x), list, n, kept, error);
    y = y == NULL ? NULL : mt_insert_transpose(at, y, kept ? perm : rest, error);
    if (y == NULL)
        return false;
    mt_insert_replace(at, out, y);
    return true;
}

/* Two in a row are one, or none. */
static bool compose(const mt_inserter *at, mt_node *node, GError **error)
{
    mt_value      *out = mt_node_output(node, 0), *in = mt_node_input(node, 0), *y;
    const int64_t *outer = perm_of(out), *inner = perm_of(in);
    int64_t        perm[MT_MAX_RANK];

    if (outer == NULL || inner == NULL)
        return false;
    for (int i = 0; i < out->rank; i++)
        perm[i] = inner[outer[i]];
    if (before(in)->producer == NULL && g_ptr_array_find(at->graph->outputs, out, NULL))
        return false; /* an output needs a producer */
    y = mt_insert_transpose(at, before(in), perm, error);
    if (y == NULL)
        return false;
    mt_insert_replace(at, out, y);
    return true;
}

int mt_pass_sink_transposes(mt_graph *graph, GError **error)
{
    g_autoptr(mt_uses) uses = mt_uses_new(graph);
    int rewrites = 0;

    for (guint i = 0; i < graph->nodes->len; i++) { /* grows while it is walked: what is inserted stands before the node */
        mt_node    *node = graph->nodes->pdata[i];
        mt_inserter at = {graph, uses, node};
        GError     *local = NULL;
        guint       length = graph->nodes->len;
        bool        done = false;

        if (node->outputs->len != 1 || node->fused != NULL || mt_uses_count(uses, mt_node_output(node, 0)) == 0)
            continue;
        if (mt_is(node, "Transpose"))
            done = compose(&at, node, &local);
        else if (mt_is(node, "ReduceMean"))
            done = sink_mean(&at, node, &local);
        else
            done = sink_element_wise(&at, node, &local);
        if (local != NULL) {
            g_propagate_error(error, local);
            return -1;
        }
        rewrites += done;
        i += graph->nodes->len - length;
    }
    if (rewrites > 0)
        mt_graph_sweep(graph);
    return rewrites;
}

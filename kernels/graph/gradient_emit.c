/* Emitting nodes of the reverse graph. */
#include "kernels/graph/gradient_rules.h"

#include <string.h>

bool mt_reverse_wants(const mt_reverse *r, const mt_value *value)
{
    return r->error == NULL && value != NULL && g_hash_table_contains(r->active, value);
}

void mt_reverse_give(mt_reverse *r, mt_value *value, mt_value *gradient)
{
    mt_value *before;

    if (gradient == NULL || !mt_reverse_wants(r, value))
        return;
    before = g_hash_table_lookup(r->sums, value);
    if (before != NULL)
        gradient = REVERSE_OP(r, "Add", before, gradient);
    g_hash_table_insert(r->sums, value, gradient);
}

void mt_reverse_give_narrowed(mt_reverse *r, mt_value *value, mt_value *gradient, const mt_value *wide)
{
    int64_t axes[MT_MAX_RANK];
    int     n = 0, skipped;

    if (!mt_reverse_wants(r, value))
        return;
    skipped = wide->rank - value->rank;
    for (int i = 0; i < wide->rank; i++)
        if (i < skipped || (value->shape[i - skipped] == 1 && wide->shape[i] != 1))
            axes[n++] = i;
    if (n > 0)
        gradient = mt_reverse_sum(r, gradient, axes, n);
    if (skipped > 0)
        gradient = mt_reverse_reshape(r, gradient, value->rank, value->shape);
    mt_reverse_give(r, value, gradient);
}

void mt_reverse_refuse(mt_reverse *r, const mt_node *node, const char *why)
{
    if (r->error == NULL)
        g_set_error(&r->error, MT_ERROR, MT_ERROR_MODEL, "gradient of %s is not known: node '%s'%s%s", node->op, node->name,
                    why != NULL ? ": " : "", why != NULL ? why : "");
}

mt_value *mt_reverse_op(mt_reverse *r, const char *op, int n, mt_value *const *inputs)
{
    mt_node *node;

    for (int i = 0; i < n; i++)
        if (inputs[i] == NULL)
            return NULL;
    node = r->error == NULL ? mt_graph_add_node(r->graph, op, NULL, inputs, n, 1, NULL, &r->error) : NULL;
    return node != NULL ? mt_node_output(node, 0) : NULL;
}

void mt_reverse_int(mt_value *value, const char *name, int64_t number)
{
    if (value != NULL)
        mt_node_set_int(value->producer, name, number);
}

void mt_reverse_ints(mt_value *value, const char *name, const int64_t *numbers, int n)
{
    if (value != NULL)
        mt_node_set_ints(value->producer, name, numbers, n);
}

static mt_value *add_constant(mt_reverse *r, mt_dtype dtype, int rank, const int64_t *shape, const void *data)
{
    g_autoptr(mt_tensor) tensor = r->error == NULL ? mt_tensor_new(dtype, rank, shape, &r->error) : NULL;

    if (tensor == NULL)
        return NULL;
    memcpy(tensor->data, data, mt_tensor_bytes(tensor));
    return mt_graph_add_constant(r->graph, NULL, tensor);
}

mt_value *mt_reverse_number(mt_reverse *r, const mt_value *like, double number)
{
    float narrow = (float)number;

    return like->dtype == MT_F64 ? add_constant(r, MT_F64, 0, NULL, &number) : add_constant(r, MT_F32, 0, NULL, &narrow);
}

mt_value *mt_reverse_list(mt_reverse *r, const int64_t *numbers, int n)
{
    return add_constant(r, MT_I64, 1, (int64_t[]){n}, numbers);
}

mt_value *mt_reverse_sum(mt_reverse *r, mt_value *value, const int64_t *axes, int n_axes)
{
    mt_value *sum;

    if (r->graph->opset >= 13)
        sum = REVERSE_OP(r, "ReduceSum", value, mt_reverse_list(r, axes, n_axes));
    else
        mt_reverse_ints(sum = REVERSE_OP(r, "ReduceSum", value), "axes", axes, n_axes);
    mt_reverse_int(sum, "keepdims", 1);
    return sum;
}

mt_value *mt_reverse_reshape(mt_reverse *r, mt_value *value, int rank, const int64_t *shape)
{
    return REVERSE_OP(r, "Reshape", value, mt_reverse_list(r, shape, rank));
}

mt_value *mt_reverse_expand(mt_reverse *r, mt_value *value, const mt_value *like)
{
    return like->rank == 0 ? value : REVERSE_OP(r, "Expand", value, mt_reverse_list(r, like->shape, like->rank));
}

mt_value *mt_reverse_permute(mt_reverse *r, mt_value *value, int rank, const int64_t *perm)
{
    mt_value *turned = REVERSE_OP(r, "Transpose", value);

    mt_reverse_ints(turned, "perm", perm, rank);
    return turned;
}

mt_value *mt_reverse_zeros(mt_reverse *r, const mt_value *like)
{
    return mt_reverse_expand(r, mt_reverse_number(r, like, 0), like);
}

int64_t mt_reverse_axis(const mt_value *value, int64_t axis)
{
    return axis < 0 ? axis + value->rank : axis;
}

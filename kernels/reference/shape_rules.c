#include "kernels/reference/shape_rules.h"

#include "kernels/reference/element.h"

bool mt_want_inputs(const mt_node *node, int required, int most, GError **error)
{
    int n = (int)node->inputs->len;

    for (int i = 0; i < required; i++)
        if (mt_node_input(node, i) == NULL) {
            mt_node_error(node, error, "input %d is missing", i);
            return false;
        }
    if (n > most) {
        mt_node_error(node, error, "%d inputs, at most %d are understood", n, most);
        return false;
    }
    if (node->outputs->len == 0) {
        mt_node_error(node, error, "it has no output");
        return false;
    }
    return true;
}

bool mt_want_type(const mt_node *node, int i, unsigned types, GError **error)
{
    const mt_value *value = mt_node_input(node, i);

    if (value == NULL || (types & MT_TYPE_BIT(value->dtype)) != 0)
        return true;
    mt_node_error(node, error, "input %d ('%s') of type %s is not supported", i, value->name, mt_dtype_name(value->dtype));
    return false;
}

bool mt_want_rank(const mt_node *node, int i, int least, int most, GError **error)
{
    const mt_value *value = mt_node_input(node, i);

    if (value == NULL || (value->rank >= least && value->rank <= most))
        return true;
    g_autofree char *text = mt_shape_to_string(value->rank, value->shape);
    mt_node_error(node, error, "input %d ('%s') is %s; %d to %d dimensions are supported", i, value->name, text, least, most);
    return false;
}

bool mt_want_same_type(const mt_node *node, int i, int k, GError **error)
{
    const mt_value *a = mt_node_input(node, i), *b = mt_node_input(node, k);

    if (a == NULL || b == NULL || a->dtype == b->dtype)
        return true;
    mt_node_error(node, error, "inputs '%s' and '%s' have types %s and %s; they must agree", a->name, b->name, mt_dtype_name(a->dtype),
                  mt_dtype_name(b->dtype));
    return false;
}

bool mt_want_axis(const mt_node *node, int64_t axis, int rank, int *result, GError **error)
{
    if (axis < -rank || axis >= rank) {
        mt_node_error(node, error, "axis %" G_GINT64_FORMAT " is outside [-%d, %d)", axis, rank, rank);
        return false;
    }
    *result = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

void mt_set_output(mt_node *node, int i, mt_dtype dtype, int rank, const int64_t *shape)
{
    mt_value *value = mt_node_output(node, i);

    if (value == NULL)
        return;
    value->dtype = dtype;
    value->rank = rank;
    for (int k = 0; k < rank; k++)
        value->shape[k] = shape[k];
}

void mt_set_like_input(mt_node *node)
{
    const mt_value *input = mt_node_input(node, 0);

    mt_set_output(node, 0, input->dtype, input->rank, input->shape);
}

int64_t mt_value_count(const mt_value *value)
{
    for (int i = 0; i < value->rank; i++)
        if (value->shape[i] < 0)
            return -1;
    return mt_product_of(value->shape, 0, value->rank);
}

int64_t mt_product_of(const int64_t *shape, int from, int to)
{
    int64_t product = 1;

    for (int i = from; i < to; i++)
        product *= shape[i];
    return product;
}

static mt_list_state list_from_tensor(const mt_node *node, int input, const mt_tensor *tensor, int64_t *values, int most, int *n,
                                      GError **error)
{
    int64_t count = mt_tensor_count(tensor);

    if (tensor->rank > 1 || !(MT_TYPES_INDEX & MT_TYPE_BIT(tensor->dtype)) || count > most) {
        g_autofree char *text = mt_shape_to_string(tensor->rank, tensor->shape);
        mt_node_error(node, error, "input %d is %s of %s; a list of at most %d int64 is understood", input, text,
                      mt_dtype_name(tensor->dtype), most);
        return MT_LIST_BAD;
    }
    *n = (int)count;
    mt_load_ints(tensor, 0, 1, *n, values);
    return MT_LIST_KNOWN;
}

static mt_list_state list_from_attr(const mt_node *node, const char *name, int64_t *values, int most, int *n, GError **error)
{
    const mt_attr *attr = name == NULL ? NULL : mt_node_attr(node, name);

    *n = 0;
    if (attr == NULL)
        return MT_LIST_ABSENT;
    if (attr->type == MT_ATTR_INT) {
        *n = 1;
        values[0] = attr->i;
        return MT_LIST_KNOWN;
    }
    if (attr->type != MT_ATTR_INTS || attr->n > most) {
        mt_node_error(node, error, "attribute %s: a list of at most %d integers is understood", name, most);
        return MT_LIST_BAD;
    }
    *n = attr->n;
    for (int i = 0; i < attr->n; i++)
        values[i] = attr->ints[i];
    return MT_LIST_KNOWN;
}

mt_list_state mt_node_list(const mt_node *node, const mt_tensor *const *inputs, int input, const char *attr, int64_t *values, int most,
                           int *n, GError **error)
{
    const mt_value  *value = mt_node_input(node, input);
    const mt_tensor *tensor = NULL;

    if (value == NULL)
        return list_from_attr(node, attr, values, most, n, error);
    tensor = inputs != NULL ? inputs[input] : value->constant;
    if (tensor != NULL)
        return list_from_tensor(node, input, tensor, values, most, n, error);
    if (value->rank > 1 || !(MT_TYPES_INDEX & MT_TYPE_BIT(value->dtype)) || (value->rank == 1 && value->shape[0] > most)) {
        mt_node_error(node, error, "input %d ('%s'): a list of at most %d int64 is understood", input, value->name, most);
        return MT_LIST_BAD;
    }
    *n = value->rank == 0 ? 1 : (int)value->shape[0];
    return MT_LIST_OPEN;
}

mt_list_state mt_node_axes(const mt_node *node, const mt_tensor *const *inputs, int input, int rank, int64_t *axes, int *n, GError **error)
{
    mt_list_state state = mt_node_list(node, inputs, input, "axes", axes, MT_MAX_RANK, n, error);
    unsigned      seen = 0;

    for (int i = 0; state == MT_LIST_KNOWN && i < *n; i++) {
        int axis;

        if (!mt_want_axis(node, axes[i], rank, &axis, error))
            return MT_LIST_BAD;
        if ((seen >> axis) & 1) {
            mt_node_error(node, error, "axis %d is named twice", axis);
            return MT_LIST_BAD;
        }
        seen |= 1u << axis;
        axes[i] = axis;
    }
    return state;
}

int64_t mt_pick_index(const mt_node *node, const mt_tensor *indices, int64_t i, int64_t size, GError **error)
{
    int64_t index = mt_element_int(indices, i);

    if (index < -size || index >= size) {
        mt_node_error(node, error, "index %" G_GINT64_FORMAT " is outside an axis of %" G_GINT64_FORMAT, index, size);
        return -1;
    }
    return index < 0 ? index + size : index;
}

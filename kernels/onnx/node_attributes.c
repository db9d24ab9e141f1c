#include "kernels/onnx/node_attributes.h"

#include "kernels/onnx/tensor_proto.h"

#include <string.h>

#define KIND(name) ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##name

/* Files of IR version 1 leave the type out; then the filled field tells. */
static int kind_of(const Onnx__AttributeProto *proto)
{
    if (proto->has_type && proto->type != KIND(UNDEFINED))
        return proto->type;
    if (proto->has_f)
        return KIND(FLOAT);
    if (proto->has_i)
        return KIND(INT);
    if (proto->has_s)
        return KIND(STRING);
    if (proto->t != NULL)
        return KIND(TENSOR);
    if (proto->g != NULL)
        return KIND(GRAPH);
    if (proto->n_floats > 0)
        return KIND(FLOATS);
    return proto->n_ints > 0 ? KIND(INTS) : KIND(UNDEFINED);
}

static bool refuse(const Onnx__AttributeProto *proto, const char *what, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "attribute '%s' %s", proto->name != NULL ? proto->name : "", what);
    return false;
}

static void set_floats(mt_node *node, const Onnx__AttributeProto *proto)
{
    g_autofree double *values = g_new(double, proto->n_floats + 1);

    for (size_t i = 0; i < proto->n_floats; i++)
        values[i] = proto->floats[i];
    mt_node_set_floats(node, proto->name, values, (int)proto->n_floats);
}

static bool set_tensor(mt_node *node, const Onnx__AttributeProto *proto, GError **error)
{
    if (proto->t == NULL)
        return refuse(proto, "has no tensor", error);
    g_autoptr(mt_tensor) tensor = mt_tensor_from_proto(proto->t, NULL, NULL, error);
    if (tensor == NULL) {
        g_prefix_error(error, "attribute '%s': ", proto->name);
        return false;
    }
    mt_node_set_tensor(node, proto->name, tensor);
    return true;
}

static bool set_attribute(mt_node *node, const Onnx__AttributeProto *proto, GError **error)
{
    g_autofree char *text = NULL;

    if (proto->name == NULL || *proto->name == '\0')
        return refuse(proto, "has no name", error);
    if (proto->ref_attr_name != NULL && *proto->ref_attr_name != '\0')
        return refuse(proto, "refers to a function's attribute, which is not supported", error);
    switch (kind_of(proto)) {
    case KIND(FLOAT):
        mt_node_set_float(node, proto->name, proto->f);
        return true;
    case KIND(INT):
        mt_node_set_int(node, proto->name, proto->i);
        return true;
    case KIND(STRING):
        text = proto->s.data != NULL ? g_strndup((const char *)proto->s.data, proto->s.len) : g_strdup(""); /* an empty one may be NULL */
        mt_node_set_string(node, proto->name, text);
        return true;
    case KIND(FLOATS):
        set_floats(node, proto);
        return true;
    case KIND(INTS):
        mt_node_set_ints(node, proto->name, proto->ints, (int)proto->n_ints);
        return true;
    case KIND(TENSOR):
        return set_tensor(node, proto, error);
    case KIND(GRAPH):
    case KIND(GRAPHS):
        return refuse(proto, "is a subgraph, which is not supported", error);
    case KIND(UNDEFINED): /* an empty list of an old file: the same as absent */
        return true;
    default:
        return refuse(proto, "is of a kind that is not supported", error);
    }
}

bool mt_node_read_attributes(mt_node *node, const Onnx__NodeProto *proto, GError **error)
{
    for (size_t i = 0; i < proto->n_attribute; i++)
        if (!set_attribute(node, proto->attribute[i], error))
            return false;
    return true;
}

static mt_tensor *list_tensor(mt_dtype dtype, size_t n, const void *values, GError **error)
{
    int64_t    shape = (int64_t)n;
    mt_tensor *tensor = mt_tensor_new(dtype, 1, &shape, error);

    if (tensor != NULL && n > 0)
        memcpy(tensor->data, values, mt_tensor_bytes(tensor));
    return tensor;
}

mt_tensor *mt_constant_from_attributes(const Onnx__NodeProto *proto, GError **error)
{
    mt_tensor *tensor = NULL;

    for (size_t i = 0; i < proto->n_attribute; i++) {
        const Onnx__AttributeProto *attribute = proto->attribute[i];
        const char                 *name = attribute->name != NULL ? attribute->name : "";

        if (strcmp(name, "value") == 0 && attribute->t != NULL)
            return mt_tensor_from_proto(attribute->t, NULL, NULL, error);
        if (strcmp(name, "value_floats") == 0)
            return list_tensor(MT_F32, attribute->n_floats, attribute->floats, error);
        if (strcmp(name, "value_ints") == 0)
            return list_tensor(MT_I64, attribute->n_ints, attribute->ints, error);
        if (strcmp(name, "value_float") == 0) {
            if ((tensor = mt_tensor_new(MT_F32, 0, NULL, error)) != NULL)
                *(float *)tensor->data = attribute->f;
            return tensor;
        }
        if (strcmp(name, "value_int") == 0) {
            if ((tensor = mt_tensor_new(MT_I64, 0, NULL, error)) != NULL)
                *(int64_t *)tensor->data = attribute->i;
            return tensor;
        }
    }
    g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "it has no value of a supported kind");
    return NULL;
}

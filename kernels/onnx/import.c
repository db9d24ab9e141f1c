#include "kernels/onnx/import.h"

#include "kernels/onnx/node_attributes.h"
#include "kernels/onnx/old_broadcast.h"
#include "kernels/onnx/tensor_proto.h"
#include "kernels/onnx/wire.h"
#include "kernels/reference/element.h"
#include "kernels/reference/operator.h"
#include "src/base/limits.h"
#include "src/base/refuse.h"

#include <string.h>

typedef struct {
    mt_model         *model;
    mt_graph         *graph;
    GHashTable       *values; /* name -> mt_value */
    GBytes           *bytes;
    const mt_wire    *wire;
    mt_external_data *external;
} importer;

static const char *text_of(const char *text)
{
    return text != NULL ? text : "";
}

static bool is_default_domain(const char *domain)
{
    return domain == NULL || *domain == '\0' || strcmp(domain, "ai.onnx") == 0;
}

static bool read_opset(importer *im, const Onnx__ModelProto *proto, GError **error)
{
    int64_t opset = 0;

    for (size_t i = 0; i < proto->n_opset_import; i++)
        if (is_default_domain(proto->opset_import[i]->domain))
            opset = proto->opset_import[i]->version;
    if (!proto->has_ir_version)
        return mt_refuse(error, MT_ERROR_MODEL, "the file does not say its IR version: it is not an ONNX model, or it is damaged");
    if (opset == 0)
        return mt_refuse(error, MT_ERROR_MODEL,
                         "no opset is declared (IR version %" G_GINT64_FORMAT "); export the model again with an opset from %d to %d",
                         proto->ir_version, MT_OPSET_MIN, MT_OPSET_MAX);
    if (opset < MT_OPSET_MIN || opset > MT_OPSET_MAX)
        return mt_refuse(error, MT_ERROR_MODEL, "opset %" G_GINT64_FORMAT " is not supported, only %d to %d; export the model again", opset,
                         MT_OPSET_MIN, MT_OPSET_MAX);
    im->model->opset = opset;
    return true;
}

static bool add_name(importer *im, const char *name, mt_value *value, GError **error)
{
    if (!g_hash_table_insert(im->values, value->name, value))
        return mt_refuse(error, MT_ERROR_MODEL, "the name '%s' is given to two values", name);
    return true;
}

static bool add_constant(importer *im, const char *name, mt_tensor *tensor, GError **error)
{
    if (g_hash_table_contains(im->values, name))
        return mt_refuse(error, MT_ERROR_MODEL, "the name '%s' is given to two values", name);
    return add_name(im, name, mt_graph_add_constant(im->graph, name, tensor), error);
}

static bool read_initialisers(importer *im, const Onnx__GraphProto *proto, GError **error)
{
    if (proto->n_sparse_initializer > 0)
        return mt_refuse(error, MT_ERROR_MODEL, "sparse initialisers are not supported");
    for (size_t i = 0; i < proto->n_initializer; i++) {
        const Onnx__TensorProto *tensor_proto = proto->initializer[i];
        const mt_wire_span      *span = &im->wire->spans[i];
        g_autoptr(GBytes) raw = span->bytes == 0 ? NULL : g_bytes_new_from_bytes(im->bytes, span->offset, span->bytes);
        g_autoptr(mt_tensor) tensor = mt_tensor_from_proto(tensor_proto, raw, im->external, error);

        if (tensor == NULL) {
            g_prefix_error(error, "initialiser '%s': ", text_of(tensor_proto->name));
            return false;
        }
        if (text_of(tensor_proto->name)[0] == '\0')
            return mt_refuse(error, MT_ERROR_MODEL, "an initialiser has no name");
        im->model->n_parameters += mt_tensor_count(tensor);
        if (!add_constant(im, tensor_proto->name, tensor, error))
            return false;
    }
    return true;
}

/* Type and shape of a graph input or output.  A type that is missing leaves dtype NONE and rank -1. */
static bool read_port(const Onnx__ValueInfoProto *proto, const char *role, mt_port *port, GError **error)
{
    const Onnx__TypeProto *type = proto->type;

    *port = (mt_port){.name = text_of(proto->name), .rank = -1};
    if (type == NULL || type->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET)
        return true;
    if (type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || type->tensor_type == NULL)
        return mt_refuse(error, MT_ERROR_MODEL, "%s '%s' is not a tensor; sequences, maps and optionals are not supported", role,
                         port->name);
    port->dtype = mt_dtype_from_onnx(type->tensor_type->elem_type);
    if (port->dtype == MT_DTYPE_NONE)
        return mt_refuse(error, MT_ERROR_MODEL, "%s '%s' of type %s is not supported", role, port->name,
                         mt_onnx_type_name(type->tensor_type->elem_type));
    const Onnx__TensorShapeProto *shape = type->tensor_type->shape;
    if (shape == NULL)
        return true;
    if (shape->n_dim > MT_MAX_RANK)
        return mt_refuse(error, MT_ERROR_MODEL, "%s '%s' has %zu dimensions, at most %d are supported", role, port->name, shape->n_dim,
                         MT_MAX_RANK);
    port->rank = (int)shape->n_dim;
    for (int i = 0; i < port->rank; i++) {
        const Onnx__TensorShapeProto__Dimension *dim = shape->dim[i];
        bool known = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && dim->dim_value > 0;

        port->shape[i] = known ? dim->dim_value : -1; /* exporters write 0 and -1 for open ones, too */
        if (port->shape[i] > MT_LIMIT_TENSOR_BYTES)
            return mt_refuse(error, MT_ERROR_MODEL, "%s '%s': a dimension of %" G_GINT64_FORMAT " is out of range", role, port->name,
                             port->shape[i]);
    }
    return true;
}

static bool read_inputs(importer *im, const Onnx__GraphProto *proto, GError **error)
{
    for (size_t i = 0; i < proto->n_input; i++) {
        mt_port   port;
        mt_value *known = g_hash_table_lookup(im->values, text_of(proto->input[i]->name));

        if (known != NULL && known->constant != NULL) /* an initialiser that files below IR version 4 list here too */
            continue;
        if (!read_port(proto->input[i], "input", &port, error))
            return false;
        if (*port.name == '\0' || known != NULL)
            return mt_refuse(error, MT_ERROR_MODEL, "the name '%s' is given to two inputs", port.name);
        if (port.dtype == MT_DTYPE_NONE)
            return mt_refuse(error, MT_ERROR_MODEL, "input '%s' has no type", port.name);
        mt_value *value = mt_graph_add_input(im->graph, port.name, port.dtype, port.rank, port.shape);
        if (!add_name(im, port.name, value, error))
            return false;
    }
    return true;
}

static char *node_name(const Onnx__NodeProto *proto, size_t index)
{
    if (*text_of(proto->name) != '\0')
        return g_strdup(proto->name);
    return g_strdup_printf("%s_%zu", text_of(proto->op_type), index);
}

static bool find_inputs(importer *im, const Onnx__NodeProto *proto, GPtrArray *inputs, GError **error)
{
    for (size_t i = 0; i < proto->n_input; i++) {
        const char *name = proto->input[i];
        mt_value   *value = *name == '\0' ? NULL : g_hash_table_lookup(im->values, name);

        if (*name != '\0' && value == NULL)
            return mt_refuse(error, MT_ERROR_MODEL, "its input '%s' is not an input, an initialiser or the output of an earlier node",
                             name);
        g_ptr_array_add(inputs, value);
    }
    return true;
}

static bool name_outputs(importer *im, const Onnx__NodeProto *proto, mt_node *node, GError **error)
{
    for (size_t i = 0; i < proto->n_output; i++) {
        mt_value *value = node->outputs->pdata[i];

        if (*proto->output[i] == '\0') {
            node->outputs->pdata[i] = NULL;
            value->producer = NULL;
            continue;
        }
        g_free(value->name);
        value->name = g_strdup(proto->output[i]);
        if (g_hash_table_contains(im->values, value->name))
            return mt_refuse(error, MT_ERROR_MODEL, "the name '%s' is given to two values", value->name);
        g_hash_table_insert(im->values, value->name, value);
    }
    return true;
}

static bool read_constant(importer *im, const Onnx__NodeProto *proto, GError **error)
{
    g_autoptr(mt_tensor) tensor = mt_constant_from_attributes(proto, error);

    if (tensor == NULL)
        return false;
    if (proto->n_output != 1 || *proto->output[0] == '\0')
        return mt_refuse(error, MT_ERROR_MODEL, "a Constant has one output");
    return add_constant(im, proto->output[0], tensor, error);
}

static bool is_supported(const importer *im, const Onnx__NodeProto *proto)
{
    const mt_operator *op = is_default_domain(proto->domain) ? mt_operator_find(text_of(proto->op_type)) : NULL;

    return op != NULL && !g_str_has_prefix(op->name, "mt.") &&
           (op->opset_max == 0 || (im->model->opset >= op->opset_min && im->model->opset <= op->opset_max));
}

static bool build_node(importer *im, const Onnx__NodeProto *proto, const char *name, GError **error)
{
    g_autoptr(GPtrArray) inputs = g_ptr_array_new();

    if (!find_inputs(im, proto, inputs, error))
        return false;
    mt_node *node = mt_graph_add_node(im->graph, proto->op_type, name, (mt_value *const *)inputs->pdata, (int)inputs->len,
                                      (int)proto->n_output, NULL, error);
    return node != NULL && name_outputs(im, proto, node, error) && mt_node_read_attributes(node, proto, error) &&
           mt_old_broadcast_align(im->graph, node, error);
}

static bool read_node(importer *im, const Onnx__NodeProto *proto, size_t index, GError **error)
{
    g_autofree char *name = node_name(proto, index);
    bool             constant = is_default_domain(proto->domain) && strcmp(text_of(proto->op_type), "Constant") == 0;

    if (!constant && !is_supported(im, proto))
        return mt_refuse(error, MT_ERROR_MODEL, "node '%s': operator '%s' (domain '%s', opset %" G_GINT64_FORMAT ") is not supported", name,
                         text_of(proto->op_type), text_of(proto->domain), im->model->opset);
    g_ptr_array_add(im->model->operators, (gpointer)g_intern_string(proto->op_type));
    if (constant ? read_constant(im, proto, error) : build_node(im, proto, name, error))
        return true;
    g_prefix_error(error, "node '%s' (%s, opset %" G_GINT64_FORMAT "): ", name, proto->op_type, im->model->opset);
    return false;
}

static bool read_outputs(importer *im, const Onnx__GraphProto *proto, GError **error)
{
    if (proto->n_output == 0)
        return mt_refuse(error, MT_ERROR_MODEL, "the graph has no output");
    im->model->outputs = g_new0(mt_port, proto->n_output);
    for (size_t i = 0; i < proto->n_output; i++) {
        mt_port  *port = &im->model->outputs[i];
        mt_value *value = g_hash_table_lookup(im->values, text_of(proto->output[i]->name));

        if (value == NULL)
            return mt_refuse(error, MT_ERROR_MODEL, "output '%s' is produced by no node", text_of(proto->output[i]->name));
        if (!read_port(proto->output[i], "output", port, error))
            return false;
        port->name = value->name;
        mt_graph_mark_output(im->graph, value);
    }
    im->model->n_outputs = (int)proto->n_output;
    return true;
}

static void set_input_ports(mt_model *model)
{
    model->n_inputs = (int)model->graph->inputs->len;
    model->inputs = g_new0(mt_port, model->graph->inputs->len + 1);
    for (int i = 0; i < model->n_inputs; i++) {
        const mt_value *value = model->graph->inputs->pdata[i];
        mt_port        *port = &model->inputs[i];

        *port = (mt_port){.name = value->name, .dtype = value->dtype, .rank = value->rank};
        memcpy(port->shape, value->shape, sizeof port->shape);
    }
}

static bool read_graph(importer *im, const Onnx__GraphProto *proto, GError **error)
{
    if (!read_initialisers(im, proto, error) || !read_inputs(im, proto, error))
        return false;
    for (size_t i = 0; i < proto->n_node; i++)
        if (!read_node(im, proto->node[i], i, error))
            return false;
    im->model->n_nodes = (int)proto->n_node;
    if (!read_outputs(im, proto, error))
        return false;
    set_input_ports(im->model);
    return true;
}

static bool read_model(importer *im, const Onnx__ModelProto *proto, GError **error)
{
    if (!read_opset(im, proto, error))
        return false;
    if (proto->graph == NULL || proto->graph->n_initializer != im->wire->n_spans)
        return mt_refuse(error, MT_ERROR_MODEL, "the file is not an ONNX model, or it is damaged or cut short");
    for (size_t i = 0; i < proto->n_metadata_props; i++)
        g_hash_table_replace(im->model->metadata, g_strdup(text_of(proto->metadata_props[i]->key)),
                             g_strdup(text_of(proto->metadata_props[i]->value)));
    im->graph = im->model->graph = mt_graph_new((int)im->model->opset);
    return read_graph(im, proto->graph, error);
}

/* Where the file leaves the type or rank of an output out, inference may know it. */
static void complete_output_ports(mt_model *model)
{
    for (int i = 0; i < model->n_outputs; i++) {
        const mt_value *value = model->graph->outputs->pdata[i];
        mt_port        *port = &model->outputs[i];

        if (port->dtype == MT_DTYPE_NONE)
            port->dtype = value->dtype;
        if (port->rank < 0 && value->rank >= 0) {
            port->rank = value->rank;
            memcpy(port->shape, value->shape, sizeof port->shape);
        }
    }
}

bool mt_import(mt_model *model, GBytes *bytes, mt_external_data *external, GError **error)
{
    size_t         size;
    const uint8_t *data = g_bytes_get_data(bytes, &size);
    g_autoptr(mt_wire) wire = mt_wire_read(data, size, error);

    if (wire == NULL)
        return false;
    g_autoptr(GHashTable) values = g_hash_table_new(g_str_hash, g_str_equal);
    importer          im = {.model = model, .values = values, .bytes = bytes, .wire = wire, .external = external};
    Onnx__ModelProto *proto = onnx__model_proto__unpack(NULL, wire->reduced_bytes, wire->reduced);
    if (proto == NULL)
        return mt_refuse(error, MT_ERROR_MODEL, "the file is not an ONNX model, or it is damaged or cut short");
    bool ok = read_model(&im, proto, error);
    onnx__model_proto__free_unpacked(proto, NULL);
    if (!ok || !mt_graph_infer_open(model->graph, error))
        return false;
    mt_graph_sweep(model->graph);
    complete_output_ports(model);
    return true;
}

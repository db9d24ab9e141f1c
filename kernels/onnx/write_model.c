#include "kernels/onnx/write_model.h"

#include "kernels/onnx/wire_writer.h"
#include "src/base/limits.h"
#include "src/base/publish.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Field numbers of onnx.proto. */
enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_METADATA = 14 };
enum { OPSET_DOMAIN = 1, OPSET_VERSION = 2, ENTRY_KEY = 1, ENTRY_VALUE = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5 };
enum { ATTR_NAME = 1, ATTR_F = 2, ATTR_I = 3, ATTR_S = 4, ATTR_T = 5, ATTR_FLOATS = 7, ATTR_INTS = 8, ATTR_TYPE = 20 };
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9, TENSOR_EXTERNAL = 13, TENSOR_LOCATION = 14 };
enum { INFO_NAME = 1, INFO_TYPE = 2, TYPE_TENSOR = 1, TENSOR_TYPE_ELEM = 1, TENSOR_TYPE_SHAPE = 2, SHAPE_DIM = 1, DIM_VALUE = 1 };
enum { DIM_PARAM = 2 };

/* Tensors below this stay in the model when weights go beside it; offsets there are multiples of the page that readers map. */
#define EXTERNAL_BYTES_MIN 1024
#define EXTERNAL_ALIGN 4096

typedef struct {
    const mt_onnx_file *file;
    GHashTable         *names;     /* mt_value -> its name in the file, owned */
    GHashTable         *taken;     /* those names */
    GPtrArray          *constants; /* mt_value * that are used, in the graph's order */
    const char         *location;  /* of the external file; NULL: weights are in the model */
    int64_t             offset;    /* in it, of the tensor that is written next */
} writer;

static int32_t onnx_type(mt_dtype dtype)
{
    static const int32_t types[] = {[MT_F32] = 1,  [MT_U8] = 2,   [MT_I8] = 3,   [MT_U16] = 4,   [MT_I16] = 5,  [MT_I32] = 6, [MT_I64] = 7,
                                    [MT_BOOL] = 9, [MT_F16] = 10, [MT_F64] = 11, [MT_BF16] = 16, [MT_U32] = 12, [MT_U64] = 13};

    return (size_t)dtype < G_N_ELEMENTS(types) ? types[dtype] : 0;
}

/* Values whose names a pass made up may clash; the first in the graph's order keeps it, ports before all. */
static void name_value(writer *w, const mt_value *value)
{
    if (value == NULL || g_hash_table_contains(w->names, value))
        return;
    char *name = g_strdup(value->name);
    for (int n = 2; g_hash_table_contains(w->taken, name); n++) {
        g_free(name);
        name = g_strdup_printf("%s_%d", value->name, n);
    }
    g_hash_table_add(w->taken, name);
    g_hash_table_insert(w->names, (gpointer)value, name);
}

static void name_values(writer *w, const GPtrArray *values)
{
    for (guint i = 0; i < values->len; i++)
        name_value(w, values->pdata[i]);
}

static const char *name_of(const writer *w, const mt_value *value)
{
    return value == NULL ? "" : g_hash_table_lookup(w->names, value);
}

static void collect(writer *w)
{
    const mt_graph *graph = w->file->graph;
    g_autoptr(GHashTable) used = g_hash_table_new(NULL, NULL);

    name_values(w, graph->inputs);
    name_values(w, graph->outputs);
    for (guint i = 0; i < graph->outputs->len; i++)
        g_hash_table_add(used, graph->outputs->pdata[i]);
    for (guint i = 0; i < graph->nodes->len; i++) {
        const mt_node *node = graph->nodes->pdata[i];

        for (guint k = 0; k < node->inputs->len; k++)
            g_hash_table_add(used, node->inputs->pdata[k]);
        name_values(w, node->inputs);
        name_values(w, node->outputs);
    }
    for (guint i = 0; i < graph->values->len; i++) {
        const mt_value *value = graph->values->pdata[i];
        if (value->constant != NULL && g_hash_table_contains(used, value))
            g_ptr_array_add(w->constants, (gpointer)value);
    }
}

static void put_entry(GByteArray *message, uint32_t field, const char *key, const char *value)
{
    g_autoptr(GByteArray) entry = g_byte_array_new();

    mt_wire_put_text(entry, ENTRY_KEY, key);
    mt_wire_put_text(entry, ENTRY_VALUE, value);
    mt_wire_put_message(message, field, entry);
}

static void put_number_entry(GByteArray *message, const char *key, int64_t value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);

    put_entry(message, TENSOR_EXTERNAL, key, text);
}

/* A TensorProto up to its data. */
static void put_tensor_head(GByteArray *message, const mt_tensor *tensor, const char *name)
{
    for (int i = 0; i < tensor->rank; i++)
        mt_wire_put_int(message, TENSOR_DIMS, tensor->shape[i]);
    mt_wire_put_int(message, TENSOR_TYPE, onnx_type(tensor->dtype));
    if (name != NULL)
        mt_wire_put_text(message, TENSOR_NAME, name);
}

static void put_attribute_value(GByteArray *message, const mt_attr *attr)
{
    static const int64_t types[] = {
        [MT_ATTR_INT] = 2, [MT_ATTR_FLOAT] = 1, [MT_ATTR_STRING] = 3, [MT_ATTR_INTS] = 7, [MT_ATTR_FLOATS] = 6, [MT_ATTR_TENSOR] = 4};
    g_autoptr(GByteArray) tensor = g_byte_array_new();

    if (attr->type == MT_ATTR_INT)
        mt_wire_put_int(message, ATTR_I, attr->i);
    else if (attr->type == MT_ATTR_FLOAT)
        mt_wire_put_float(message, ATTR_F, (float)attr->f);
    else if (attr->type == MT_ATTR_STRING)
        mt_wire_put_text(message, ATTR_S, attr->s);
    for (int i = 0; attr->type == MT_ATTR_INTS && i < attr->n; i++)
        mt_wire_put_int(message, ATTR_INTS, attr->ints[i]);
    for (int i = 0; attr->type == MT_ATTR_FLOATS && i < attr->n; i++)
        mt_wire_put_float(message, ATTR_FLOATS, (float)attr->floats[i]);
    if (attr->type == MT_ATTR_TENSOR) {
        put_tensor_head(tensor, attr->tensor, NULL);
        mt_wire_put_bytes(tensor, TENSOR_RAW, attr->tensor->data, mt_tensor_bytes(attr->tensor));
        mt_wire_put_message(message, ATTR_T, tensor);
    }
    mt_wire_put_int(message, ATTR_TYPE, types[attr->type]);
}

static void put_attributes(GByteArray *message, GHashTable *attrs)
{
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(attrs), (GCompareFunc)(void (*)(void))strcmp);
    g_autoptr(GByteArray) attribute = g_byte_array_new();

    for (const GList *name = names; name != NULL; name = name->next) {
        mt_wire_put_text(attribute, ATTR_NAME, name->data);
        put_attribute_value(attribute, g_hash_table_lookup(attrs, name->data));
        mt_wire_put_message(message, NODE_ATTRIBUTE, attribute);
    }
}

static bool put_node(writer *w, GByteArray *graph, const mt_node *node, GError **error)
{
    g_autoptr(GByteArray) message = g_byte_array_new();
    guint n = node->inputs->len;

    if (g_str_has_prefix(node->op, "mt.")) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "node '%s': ONNX has no operator '%s'", node->name, node->op);
        return false;
    }
    while (n > 0 && node->inputs->pdata[n - 1] == NULL)
        n--;
    for (guint i = 0; i < n; i++)
        mt_wire_put_text(message, NODE_INPUT, name_of(w, node->inputs->pdata[i]));
    for (guint i = 0; i < node->outputs->len; i++)
        mt_wire_put_text(message, NODE_OUTPUT, name_of(w, node->outputs->pdata[i]));
    mt_wire_put_text(message, NODE_NAME, node->name);
    mt_wire_put_text(message, NODE_OP, node->op);
    put_attributes(message, node->attrs);
    mt_wire_put_message(graph, GRAPH_NODE, message);
    return true;
}

/* An open dimension gets a name of its own, but for the first: that is the batch of all. */
static void put_dimension(GByteArray *shape, const mt_value *value, int i)
{
    g_autoptr(GByteArray) dim = g_byte_array_new();
    g_autofree char *name = i == 0 ? g_strdup("N") : g_strdup_printf("%s_%d", value->name, i);

    if (value->shape[i] >= 0)
        mt_wire_put_int(dim, DIM_VALUE, value->shape[i]);
    else
        mt_wire_put_text(dim, DIM_PARAM, name);
    mt_wire_put_message(shape, SHAPE_DIM, dim);
}

static void put_port(writer *w, GByteArray *graph, uint32_t field, const mt_value *value)
{
    g_autoptr(GByteArray) info = g_byte_array_new(), type = g_byte_array_new(), tensor = g_byte_array_new(), shape = g_byte_array_new();

    mt_wire_put_int(tensor, TENSOR_TYPE_ELEM, onnx_type(value->dtype));
    for (int i = 0; i < value->rank; i++)
        put_dimension(shape, value, i);
    if (value->rank >= 0)
        mt_wire_put_message(tensor, TENSOR_TYPE_SHAPE, shape);
    mt_wire_put_message(type, TYPE_TENSOR, tensor);
    mt_wire_put_text(info, INFO_NAME, name_of(w, value));
    mt_wire_put_message(info, INFO_TYPE, type);
    mt_wire_put_message(graph, field, info);
}

/* Everything of the graph but its initialisers. */
static GByteArray *make_graph_head(writer *w, GError **error)
{
    const mt_graph *graph = w->file->graph;
    g_autoptr(GByteArray) head = g_byte_array_new();

    for (guint i = 0; i < graph->nodes->len; i++)
        if (!put_node(w, head, graph->nodes->pdata[i], error))
            return NULL;
    mt_wire_put_text(head, GRAPH_NAME, "microtome");
    for (guint i = 0; i < graph->inputs->len; i++)
        put_port(w, head, GRAPH_INPUT, graph->inputs->pdata[i]);
    for (guint i = 0; i < graph->outputs->len; i++)
        put_port(w, head, GRAPH_OUTPUT, graph->outputs->pdata[i]);
    return g_steal_pointer(&head);
}

static bool is_external(const writer *w, const mt_tensor *tensor)
{
    return w->location != NULL && mt_tensor_bytes(tensor) >= EXTERNAL_BYTES_MIN;
}

/* The field of one initialiser up to its raw data, whose bytes come next; none are left when they lie in the external file. */
static size_t put_initialiser(writer *w, GByteArray *graph, const mt_value *value)
{
    const mt_tensor *tensor = value->constant;
    size_t           bytes = is_external(w, tensor) ? 0 : mt_tensor_bytes(tensor);
    g_autoptr(GByteArray) message = g_byte_array_new();

    put_tensor_head(message, tensor, name_of(w, value));
    if (is_external(w, tensor)) {
        put_entry(message, TENSOR_EXTERNAL, "location", w->location);
        put_number_entry(message, "offset", w->offset);
        put_number_entry(message, "length", (int64_t)mt_tensor_bytes(tensor));
        mt_wire_put_int(message, TENSOR_LOCATION, 1);
        w->offset = (w->offset + (int64_t)mt_tensor_bytes(tensor) + EXTERNAL_ALIGN - 1) / EXTERNAL_ALIGN * EXTERNAL_ALIGN;
    } else
        mt_wire_put_length(message, TENSOR_RAW, bytes);
    mt_wire_put_length(graph, GRAPH_INITIALIZER, message->len + bytes);
    g_byte_array_append(graph, message->data, message->len);
    return bytes;
}

/* Bytes of the graph message. */
static uint64_t measure_graph(writer *w, const GByteArray *head)
{
    uint64_t bytes = head->len;
    g_autoptr(GByteArray) field = g_byte_array_new();

    w->offset = 0;
    for (guint i = 0; i < w->constants->len; i++) {
        bytes += put_initialiser(w, field, w->constants->pdata[i]);
        bytes += field->len;
        g_byte_array_set_size(field, 0);
    }
    w->offset = 0;
    return bytes;
}

static void put_metadata(GByteArray *model, GHashTable *metadata)
{
    g_autoptr(GList) keys = g_list_sort(g_hash_table_get_keys(metadata), (GCompareFunc)(void (*)(void))strcmp);

    for (const GList *key = keys; key != NULL; key = key->next)
        put_entry(model, MODEL_METADATA, key->data, g_hash_table_lookup(metadata, key->data));
}

/* The model up to its graph, which is its last field. */
static GByteArray *make_model_head(const mt_onnx_file *file)
{
    int         opset = file->graph->opset;
    GByteArray *model = g_byte_array_new();
    g_autoptr(GByteArray) import = g_byte_array_new();

    mt_wire_put_int(model, MODEL_IR, opset <= 14 ? 7 : opset <= 18 ? 8 : opset <= 20 ? 9 : 10);
    mt_wire_put_text(model, MODEL_PRODUCER, "microtome");
    mt_wire_put_text(import, OPSET_DOMAIN, "");
    mt_wire_put_int(import, OPSET_VERSION, opset);
    mt_wire_put_message(model, MODEL_OPSET, import);
    if (file->metadata != NULL)
        put_metadata(model, file->metadata);
    return model;
}

static bool write_all(int fd, const void *data, size_t bytes, const char *target, GError **error)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(fd, (const char *)data + done, MIN(bytes - done, (size_t)1 << 30));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            mt_publish_io_error(error, "write", target, errno);
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

static bool flush(GByteArray *pending, int fd, const char *target, GError **error)
{
    bool done = write_all(fd, pending->data, pending->len, target, error);

    g_byte_array_set_size(pending, 0);
    return done;
}

static bool write_model(writer *w, GByteArray *head, int fd, const char *target, GError **error)
{
    g_autoptr(GByteArray) pending = make_model_head(w->file);

    mt_wire_put_length(pending, MODEL_GRAPH, measure_graph(w, head));
    g_byte_array_append(pending, head->data, head->len);
    for (guint i = 0; i < w->constants->len; i++) {
        const mt_value *value = w->constants->pdata[i];
        size_t          bytes = put_initialiser(w, pending, value);

        if (bytes < EXTERNAL_BYTES_MIN && bytes > 0)
            g_byte_array_append(pending, value->constant->data, (guint)bytes);
        else if (!flush(pending, fd, target, error) || !write_all(fd, value->constant->data, bytes, target, error))
            return false;
    }
    return flush(pending, fd, target, error);
}

static bool write_weights(writer *w, GByteArray *head, int fd, const char *target, GError **error)
{
    (void)head;
    for (guint i = 0; i < w->constants->len; i++) {
        const mt_tensor *tensor = ((const mt_value *)w->constants->pdata[i])->constant;

        if (!is_external(w, tensor))
            continue;
        off_t end = lseek(fd, 0, SEEK_END);
        if (lseek(fd, (end + EXTERNAL_ALIGN - 1) / EXTERNAL_ALIGN * EXTERNAL_ALIGN, SEEK_SET) < 0) {
            mt_publish_io_error(error, "write", target, errno);
            return false;
        }
        if (!write_all(fd, tensor->data, mt_tensor_bytes(tensor), target, error))
            return false;
    }
    return true;
}

typedef bool (*write_fn)(writer *w, GByteArray *head, int fd, const char *target, GError **error);

static bool publish(writer *w, GByteArray *head, write_fn content, const char *target, GError **error)
{
    int              fd;
    g_autofree char *temporary = mt_publish_begin(target, &fd, error);

    if (temporary == NULL)
        return false;
    if (!content(w, head, fd, target, error)) {
        mt_publish_abandon(temporary, fd);
        return false;
    }
    return mt_publish_commit(temporary, fd, target, w->file->replace, error);
}

/* The weights come first: a model that can be seen can be read. */
static bool write_files(writer *w, const char *target, GError **error)
{
    g_autoptr(GByteArray) head = make_graph_head(w, error);
    g_autofree char *data = g_strconcat(target, ".data", NULL), *location = g_path_get_basename(data);
    int64_t          limit = w->file->external > 0 ? w->file->external : MT_LIMIT_ONNX_BYTES - (INT64_C(1) << 20);

    if (head == NULL)
        return false;
    if ((int64_t)measure_graph(w, head) > limit) {
        w->location = location;
        if (!publish(w, head, write_weights, data, error))
            return false;
    }
    return publish(w, head, write_model, target, error);
}

bool mt_onnx_file_write(const mt_onnx_file *file, const char *target, GError **error)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(NULL, NULL, NULL, g_free), taken = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) constants = g_ptr_array_new();
    writer w = {.file = file, .names = names, .taken = taken, .constants = constants};

    collect(&w);
    return write_files(&w, target, error);
}

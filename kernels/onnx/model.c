#include "kernels/onnx/external_data.h"
#include "kernels/onnx/import.h"
#include "kernels/onnx/model_private.h"
#include "src/base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void free_model(mt_model *model)
{
    mt_compiled_free(model->compiled[0]);
    mt_compiled_free(model->compiled[1]);
    mt_graph_free(model->graph);
    g_free(model->name);
    mt_model_hash_free(model->hash);
    g_ptr_array_unref(model->operators);
    g_hash_table_unref(model->metadata);
    g_free(model->inputs);
    g_free(model->outputs);
    pthread_mutex_destroy(&model->compile_lock);
    g_free(model);
}

static mt_model *new_model(const char *name)
{
    mt_model *model = g_new0(mt_model, 1);

    model->ref_count = 1;
    model->name = g_strdup(name);
    model->operators = g_ptr_array_new();
    model->metadata = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    pthread_mutex_init(&model->compile_lock, NULL);
    return model;
}

/* The model's bytes, then those of each external file in the order of first use. */
static mt_model_hash *start_hash(GBytes *bytes, mt_external_data *external)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new();
    GPtrArray *beside = mt_external_data_files(external);

    g_ptr_array_add(files, bytes);
    g_ptr_array_extend(files, beside, NULL, NULL);
    return mt_model_hash_new(files, mt_external_data_has_folder(external));
}

static mt_model *load(GBytes *bytes, const char *name, const char *folder, GError **error)
{
    g_autoptr(mt_external_data) external = mt_external_data_new(folder);
    mt_model *model = new_model(name);

    if (mt_import(model, bytes, external, error)) {
        model->hash = start_hash(bytes, external);
        return model;
    }
    g_prefix_error(error, "load %s: ", name);
    free_model(model);
    return NULL;
}

static GBytes *map_model(const char *path, GError **error)
{
    struct stat status;
    GError     *local = NULL;
    int         fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &status) != 0) {
        g_set_error(error, MT_ERROR, errno == ENOENT ? MT_ERROR_MISSING : MT_ERROR_IO, "load %s: %s", path, g_strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    g_autoptr(GMappedFile) map = NULL;
    if (!S_ISREG(status.st_mode))
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "load %s: not a regular file", path);
    else if (status.st_size > MT_LIMIT_ONNX_BYTES)
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "load %s: larger than 2 GiB; save its weights as external data", path);
    else if ((map = g_mapped_file_new_from_fd(fd, FALSE, &local)) == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "load %s: %s", path, local->message);
    g_clear_error(&local);
    close(fd);
    return map == NULL ? NULL : g_mapped_file_get_bytes(map);
}

mt_model *mt_model_load(const char *path, GError **error)
{
    g_autoptr(GBytes) bytes = map_model(path, error);

    if (bytes == NULL)
        return NULL;
    g_autofree char *folder = g_path_get_dirname(path);
    return load(bytes, path, folder, error);
}

mt_model *mt_model_load_bytes(GBytes *bytes, const char *name, GError **error)
{
    if (g_bytes_get_size(bytes) > (gsize)MT_LIMIT_ONNX_BYTES) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "load %s: larger than 2 GiB; save its weights as external data", name);
        return NULL;
    }
    return load(bytes, name, NULL, error);
}

mt_model *mt_model_ref(mt_model *model)
{
    g_atomic_int_inc(&model->ref_count);
    return model;
}

mt_compiled *mt_model_compiled(mt_model *model, bool bytes, GError **error)
{
    pthread_mutex_lock(&model->compile_lock);
    if (model->compiled[bytes] == NULL)
        model->compiled[bytes] = mt_compiled_new(model->graph, bytes, error);
    mt_compiled *compiled = model->compiled[bytes];
    pthread_mutex_unlock(&model->compile_lock);
    return compiled;
}

void mt_model_unref(mt_model *model)
{
    if (model != NULL && g_atomic_int_dec_and_test(&model->ref_count))
        free_model(model);
}

int mt_model_n_inputs(const mt_model *model)
{
    return model->n_inputs;
}

int mt_model_n_outputs(const mt_model *model)
{
    return model->n_outputs;
}

const mt_port *mt_model_input(const mt_model *model, int i)
{
    return i >= 0 && i < model->n_inputs ? &model->inputs[i] : NULL;
}

const mt_port *mt_model_output(const mt_model *model, int i)
{
    return i >= 0 && i < model->n_outputs ? &model->outputs[i] : NULL;
}

static int find_port(const mt_port *ports, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(ports[i].name, name) == 0)
            return i;
    return -1;
}

int mt_model_find_input(const mt_model *model, const char *name)
{
    return find_port(model->inputs, model->n_inputs, name);
}

int mt_model_find_output(const mt_model *model, const char *name)
{
    return find_port(model->outputs, model->n_outputs, name);
}

const char *mt_model_metadata(const mt_model *model, const char *key)
{
    return g_hash_table_lookup(model->metadata, key);
}

const char *mt_model_sha256(const mt_model *model)
{
    return model->hash == NULL ? "" : mt_model_hash_text(model->hash);
}

int64_t mt_model_opset(const mt_model *model)
{
    return model->opset;
}

int mt_model_n_nodes(const mt_model *model)
{
    return model->n_nodes;
}

int64_t mt_model_n_parameters(const mt_model *model)
{
    return model->n_parameters;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *mt_model_operators(const mt_model *model)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_copy(model->operators, NULL, NULL);
    GString *text = g_string_new(NULL);

    g_ptr_array_sort(sorted, compare_names);
    for (guint i = 0, n; i < sorted->len; i += n) {
        for (n = 1; i + n < sorted->len && sorted->pdata[i + n] == sorted->pdata[i];)
            n++;
        g_string_append_printf(text, "%s%s %u", i > 0 ? ", " : "", (const char *)sorted->pdata[i], n);
    }
    return g_string_free(text, FALSE);
}

/* Every operator against vectors that another implementation (ONNX Runtime, graph optimisations off) computed. */
#include "kernels/onnx/model_private.h"
#include "kernels/reference/execute.h"
#include "tests/kernels/onnx_vectors.h"

#include <string.h>

#define RELATIVE 1e-3
#define ABSOLUTE 1e-5

/* Folders of onnx-ops whose operator is not supported, and why. */
static const struct {
    const char *folder, *reason;
} unsupported[] = {
    {"gru", "recurrent networks are not part of any encoder or head"},
    {"lstm", "recurrent networks are not part of any encoder or head"},
};

static const char *reason_for(const char *folder)
{
    for (size_t i = 0; i < G_N_ELEMENTS(unsupported); i++)
        if (strcmp(unsupported[i].folder, folder) == 0)
            return unsupported[i].reason;
    return NULL;
}

static GPtrArray *read_tensors(const char *folder, int set, const char *kind, int n)
{
    GPtrArray *tensors = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);

    for (int i = 0; i < n; i++) {
        mt_tensor *tensor = mt_vectors_read(folder, set, kind, i);
        if (tensor == NULL)
            break;
        g_ptr_array_add(tensors, tensor);
    }
    return tensors;
}

/* Shapes first; where those of the outputs depend on an input's value (a shape, a range), integers are bound by value. */
static mt_graph *bind_inputs(const mt_model *model, GPtrArray *inputs, bool by_value, GError **error)
{
    g_autoptr(mt_graph) graph = mt_graph_clone(model->graph);

    for (guint i = 0; i < inputs->len; i++) {
        mt_tensor *input = inputs->pdata[i];
        bool       value = by_value && input->rank <= 1 && (input->dtype == MT_I64 || input->dtype == MT_I32);

        if (!(value ? mt_graph_bind_value(graph, (int)i, input, error) : mt_graph_bind(graph, (int)i, input->rank, input->shape, error)))
            return NULL;
    }
    if (!mt_graph_infer(graph, error))
        return NULL;
    mt_graph_sweep(graph);
    return g_steal_pointer(&graph);
}

/* Binds, infers, runs; NULL and an error when any of it fails. */
static GPtrArray *run_model(const mt_model *model, GPtrArray *inputs, GError **error)
{
    g_autoptr(GPtrArray) outputs = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);
    g_autoptr(mt_graph) graph = bind_inputs(model, inputs, false, NULL);

    if (graph == NULL)
        graph = bind_inputs(model, inputs, true, error);
    if (graph == NULL)
        return NULL;
    g_ptr_array_set_size(outputs, (gint)graph->outputs->len);
    if (!mt_reference_execute(graph, (const mt_tensor *const *)inputs->pdata, (mt_tensor **)outputs->pdata, error))
        return NULL;
    return g_steal_pointer(&outputs);
}

static int check_set(const char *folder, const mt_model *model, int set)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) inputs = read_tensors(folder, set, "input", mt_model_n_inputs(model));

    if (inputs->len != (guint)mt_model_n_inputs(model))
        return set > 0 ? 0 : -1;
    g_autoptr(GPtrArray) outputs = run_model(model, inputs, &error);
    if (outputs == NULL) {
        g_test_message("%s: %s", folder, error->message);
        return -1;
    }
    for (guint i = 0; i < outputs->len; i++) {
        g_autoptr(mt_tensor) wanted = mt_vectors_read(folder, set, "output", (int)i);
        g_autofree char *what = NULL;
        bool             half = wanted != NULL && wanted->dtype == MT_F16;

        /* Half precision is held to its own rounding. */
        if (wanted == NULL || mt_vectors_equal(outputs->pdata[i], wanted, half ? 1e-2 : RELATIVE, half ? 1e-3 : ABSOLUTE, &what))
            continue;
        g_test_message("%s: output %u: %s", folder, i, what);
        return -1;
    }
    return 1;
}

static bool check_folder(const char *folder)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(folder, "model.onnx", NULL);
    g_autoptr(mt_model) model = mt_model_load(path, &error);
    int result = 1;

    if (model == NULL) {
        g_test_message("%s", error->message);
        return false;
    }
    for (int set = 0; result > 0; set++)
        result = check_set(folder, model, set);
    return result == 0;
}

static void test_folders(gconstpointer name)
{
    g_autofree char *root = mt_vectors_folder(name);
    int              failed = 0;

    if (root == NULL)
        return;
    g_autoptr(GPtrArray) folders = mt_vectors_list(root);
    for (guint i = 0; i < folders->len; i++) {
        const char      *folder = folders->pdata[i];
        g_autofree char *path = g_build_filename(root, folder, NULL);

        if (g_str_has_prefix(folder, "negative_") || strcmp(folder, "super_resolution_ir1") == 0)
            continue;
        if (check_folder(path) != (reason_for(folder) == NULL)) {
            g_test_message("%s: %s", folder, reason_for(folder) == NULL ? "failed" : "passes but is listed as unsupported");
            failed++;
        }
    }
    g_test_message("%u folders, %d failed", folders->len, failed);
    g_assert_cmpint(failed, ==, 0);
}

static void check_refused(const char *name, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *root = mt_vectors_folder(name);

    if (root == NULL)
        return;
    g_autofree char *path = g_build_filename(root, "model.onnx", NULL);
    g_autoptr(mt_model) model = mt_model_load(path, &error);
    g_assert_null(model);
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_autofree char *message = g_strdup_printf("load %s: %s", path, part);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_refused(void)
{
    check_refused("onnx-ops/negative_unknown_op", "node 'NoSuchOp_0': operator 'NoSuchOp' (domain '', opset 13) is not supported");
    check_refused("models/super_resolution_ir1", "no opset is declared (IR version 1); export the model again with an opset from 1 to 21");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/operators/onnx-ops", "onnx-ops", test_folders);
    g_test_add_data_func("/operators/models", "models", test_folders);
    g_test_add_func("/operators/refused", test_refused);
    return g_test_run();
}

/* Whole models and single operators through sessions of both backends against vectors that ONNX Runtime computed. */
#include "tests/kernels/graph_maker.h"
#include "tests/kernels/onnx_vectors.h"

#include <microtome/engine.h>
#include <string.h>

static GPtrArray *read_inputs(const char *folder, int set, const mt_model *model)
{
    GPtrArray *tensors = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);

    for (int i = 0; i < mt_model_n_inputs(model); i++) {
        mt_tensor *tensor = mt_vectors_read(folder, set, "input", i);
        if (tensor == NULL)
            break;
        g_ptr_array_add(tensors, tensor);
    }
    return tensors;
}

static bool check_outputs(const char *folder, int set, GPtrArray *outputs)
{
    for (guint i = 0; i < outputs->len; i++) {
        g_autoptr(mt_tensor) wanted = mt_vectors_read(folder, set, "output", (int)i);
        g_autofree char *what = NULL;
        bool             half = wanted != NULL && wanted->dtype == MT_F16;

        if (wanted == NULL || mt_vectors_equal(outputs->pdata[i], wanted, half ? 1e-2 : 1e-3, half ? 1e-3 : 1e-5, &what))
            continue;
        g_test_message("%s: output %u: %s", folder, i, what);
        return false;
    }
    return true;
}

static bool is_newer_onednn(void)
{
    for (const mt_engine_library *l = mt_engine_libraries(); l->name != NULL; l++)
        if (strcmp(l->name, "oneDNN") == 0)
            return l->version[0] > '2';
    return false;
}

static bool is_close(const mt_tensor *a, const mt_tensor *b)
{
    return a->dtype == MT_F32 && maker_error(a, b) < 1e-5;
}

/* Bit for bit on oneDNN 2.6; 3.x chooses the blocks of a convolution by the number of threads, and with them the order of its sums
 * (docs/numerics.md). */
static bool are_equal(GPtrArray *a, GPtrArray *b)
{
    bool newer = is_newer_onednn();

    for (guint i = 0; i < a->len; i++)
        if (memcmp(((mt_tensor *)a->pdata[i])->data, ((mt_tensor *)b->pdata[i])->data, mt_tensor_bytes(a->pdata[i])) != 0 &&
            !(newer && is_close(a->pdata[i], b->pdata[i])))
            return false;
    return true;
}

/* The set on AUTO with 1 and 2 threads; where the reference has no such operator the folder does not count. */
static bool check_set(const char *folder, mt_model *model, GPtrArray *inputs, int set, int *counted)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) one = maker_run(model, MT_BACKEND_AUTO, 1, inputs, &error), two = NULL, plain = NULL;

    if (one == NULL) {
        plain = maker_run(model, MT_BACKEND_REFERENCE, 1, inputs, NULL);
        if (plain != NULL)
            g_test_message("%s: %s", folder, error->message);
        return plain == NULL;
    }
    two = maker_run(model, MT_BACKEND_AUTO, 2, inputs, &error);
    (*counted)++;
    if (two != NULL && !are_equal(one, two)) {
        g_test_message("%s: 1 thread differs from 2", folder);
        return false;
    }
    return two != NULL && check_outputs(folder, set, one);
}

static bool check_folder(const char *folder, int *counted)
{
    g_autofree char *path = g_build_filename(folder, "model.onnx", NULL);
    g_autoptr(mt_model) model = mt_model_load(path, NULL);

    for (int set = 0; model != NULL; set++) {
        g_autoptr(GPtrArray) inputs = read_inputs(folder, set, model);

        if (inputs->len != (guint)mt_model_n_inputs(model) || (set > 0 && inputs->len == 0))
            break;
        if (!check_set(folder, model, inputs, set, counted))
            return false;
        if (inputs->len == 0)
            break;
    }
    return true;
}

static void test_folders(gconstpointer name)
{
    g_autofree char *root = mt_vectors_folder(name);
    int              failed = 0, counted = 0;

    if (root == NULL)
        return;
    g_autoptr(GPtrArray) folders = mt_vectors_list(root);
    for (guint i = 0; i < folders->len; i++) {
        g_autofree char *path = g_build_filename(root, folders->pdata[i], NULL);
        failed += !check_folder(path, &counted);
    }
    g_test_message("%s: %d sets right, %d folders failed", (const char *)name, counted, failed);
    g_assert_cmpint(failed, ==, 0);
    g_assert_cmpint(counted, >, (int)folders->len / 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/session/onnx-ops", "onnx-ops", test_folders);
    g_test_add_data_func("/session/models", "models", test_folders);
    return g_test_run();
}

/* Trained heads (ONNX) on stored bags: logits and attention as ONNX Runtime gave them. */
#include "tests/kernels/onnx_vectors.h"

#include <microtome/head.h>

#include <math.h>
#include <string.h>

typedef struct trained {
    const char *name, *logits, *attention; /* names of the outputs that the head should find by itself */
    const char *probabilities;             /* an output whose values are the scores; NULL: none */
    int         n_sets;
} trained;

static const trained heads[] = {
    {"mil_attmil_crc_msi", "logits", "attention", "prob", 1},
    {"mil_dsmil_c16", "bag_logits", "attention", NULL, 2},
    {"mil_dtfd_gated_abmil", "tier1_logits", "attention", NULL, 1},
};

static void assert_close(const char *folder, int set, int output, const float *got, int64_t n)
{
    g_autoptr(mt_tensor) wanted = mt_vectors_read(folder, set, "output", output);
    g_autofree char *what = NULL;

    g_assert_nonnull(wanted);
    g_assert_cmpint(mt_tensor_count(wanted), ==, n);
    g_autoptr(mt_tensor) given = mt_tensor_new_view(MT_F32, wanted->rank, wanted->shape, (void *)(uintptr_t)got, NULL);
    if (!mt_vectors_equal(given, wanted, 1e-3, 1e-5, &what))
        g_error("%s set %d output %d: %s", folder, set, output, what);
}

static int find_output(const char *path, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_model) model = mt_model_load(path, &error);

    g_assert_no_error(error);
    return mt_model_find_output(model, name);
}

static void check_set(const trained *row, const mt_head *head, const char *folder, const char *path, int set)
{
    g_autoptr(mt_tensor) x = mt_vectors_read(folder, set, "input", 0);
    g_autoptr(GError) error = NULL;
    mt_bag bag = mt_bag_from_memory(x->data, x->shape[0], x->shape[1]);
    g_autoptr(mt_head_output) output = mt_head_predict(head, &bag, NULL, &error);

    g_assert_no_error(error);
    g_assert_cmpint(mt_head_dim(head), ==, bag.dim);
    assert_close(folder, set, find_output(path, row->logits), output->logits, output->n_classes);
    assert_close(folder, set, find_output(path, row->attention), output->attention, output->n * output->n_attention);
    if (row->probabilities != NULL)
        assert_close(folder, set, find_output(path, row->probabilities), output->scores, output->n_classes);
    double sum = 0;
    for (int64_t i = 0; i < output->n; i++)
        sum += output->attention[i];
    g_assert_cmpfloat_with_epsilon(sum, 1, 1e-4);
}

static void test_trained(gconstpointer data)
{
    const trained   *row = data;
    g_autofree char *folder = mt_vectors_folder("models");

    if (folder == NULL)
        return;
    g_autofree char *head_folder = g_build_filename(folder, row->name, NULL), *path = g_build_filename(head_folder, "model.onnx", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_head) head = mt_head_load(path, &error);
    g_assert_no_error(error);
    for (int set = 0; set < row->n_sets; set++)
        check_set(row, head, head_folder, path, set);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(heads); i++) {
        g_autofree char *name = g_strdup_printf("/head/trained/%s", heads[i].name);
        g_test_add_data_func(name, &heads[i], test_trained);
    }
    return g_test_run();
}

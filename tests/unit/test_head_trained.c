/* Trained heads on stored bags: logits and attention as ONNX Runtime gave them, of the graph and of the same weights under the names
 * of the checkpoint that they came from. */
#include "kernels/onnx/tensor_proto.h"
#include "mil/safetensors_writer.h"
#include "tests/kernels/onnx_vectors.h"

#include <microtome/head.h>

#include <glib/gstdio.h>

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

/* Initializer of the graph -> key of the checkpoint. */
typedef struct renamed {
    const char *initializer, *key;
} renamed;

static const renamed dsmil_keys[] = {
    {"w1", "i_classifier.fc.0.weight"}, {"w2", "i_classifier.fc.0.bias"},  {"w5", "b_classifier.q.0.weight"},
    {"w6", "b_classifier.q.0.bias"},    {"w9", "b_classifier.q.2.weight"}, {"w10", "b_classifier.q.2.bias"},
    {"w32", "b_classifier.fcc.weight"}, {"w33", "b_classifier.fcc.bias"},  {NULL, NULL},
};

static const renamed dtfd_keys[] = {
    {"w1", "dim_reduction.fc1.weight"},
    {"w4", "attention.attention_V.0.weight"},
    {"w5", "attention.attention_V.0.bias"},
    {"w8", "attention.attention_U.0.weight"},
    {"w9", "attention.attention_U.0.bias"},
    {"w13", "attention.attention_weights.weight"},
    {"w14", "attention.attention_weights.bias"},
    {"w20", "classifier.fc.weight"},
    {"w21", "classifier.fc.bias"},
    {"w24", "att_classifier.attention.attention_V.0.weight"},
    {"w25", "att_classifier.attention.attention_V.0.bias"},
    {"w28", "att_classifier.attention.attention_U.0.weight"},
    {"w29", "att_classifier.attention.attention_U.0.bias"},
    {"w33", "att_classifier.attention.attention_weights.weight"},
    {"w34", "att_classifier.attention.attention_weights.bias"},
    {"w39", "att_classifier.classifier.fc.weight"},
    {"w40", "att_classifier.classifier.fc.bias"},
    {NULL, NULL},
};

static const renamed marugoto_keys[] = {
    {"w1", "encoder.0.weight"},
    {"w2", "encoder.0.bias"},
    {"w5", "attention.0.weight"},
    {"w6", "attention.0.bias"},
    {"w9", "attention.2.weight"},
    {"w10", "attention.2.bias"},
    {"w16", "head.1.weight"},
    {"w17", "head.1.bias"},
    {"w18", "head.1.running_mean"},
    {"w19", "head.1.running_var"},
    {"w21", "head.3.weight"},
    {"w22", "head.3.bias"},
    {NULL, NULL},
};

typedef struct native {
    const char        *name, *kind;
    const renamed     *keys;
    const char *const *metadata;
    const char        *logits, *scores; /* outputs of the graph; NULL: it has none */
    int                n_sets;
} native;

/* The graph has one pseudo-bag. */
static const char *const one_group[] = {"groups", "1", NULL};

static const native natives[] = {
    {"mil_dsmil_c16", "dsmil", dsmil_keys, NULL, "bag_logits", NULL, 2},
    {"mil_dtfd_gated_abmil", "dtfd", dtfd_keys, one_group, NULL, "slide_prob", 1},
    {"mil_attmil_crc_msi", "marugoto", marugoto_keys, NULL, "logits", "prob", 1},
};

static mt_tensor *find_initializer(const Onnx__ModelProto *model, const char *name)
{
    for (size_t i = 0; i < model->graph->n_initializer; i++)
        if (strcmp(model->graph->initializer[i]->name, name) == 0)
            return mt_tensor_from_proto(model->graph->initializer[i], NULL, NULL, NULL);
    return NULL;
}

/* A safetensors file of the graph's weights. */
static char *rebuild(const char *path, const native *row)
{
    g_autofree char *bytes = NULL, *copy = NULL;
    gsize            size;
    mt_named_tensor  named[32];
    int              n = 0;
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, size, (const uint8_t *)bytes);
    g_assert_nonnull(model);
    for (; row->keys[n].key != NULL; n++) {
        named[n] = (mt_named_tensor){row->keys[n].key, find_initializer(model, row->keys[n].initializer)};
        g_assert_nonnull(named[n].tensor);
    }
    int fd = g_file_open_tmp("mt-native-XXXXXX.safetensors", &copy, NULL);
    g_assert_true(g_close(fd, NULL));
    mt_safetensors_write(copy, named, n, row->metadata, &error);
    g_assert_no_error(error);
    for (int i = 0; i < n; i++)
        mt_tensor_unref((mt_tensor *)(uintptr_t)named[i].tensor);
    onnx__model_proto__free_unpacked(model, NULL);
    return g_steal_pointer(&copy);
}

static void check_native(const native *row, const mt_head *head, const char *folder, const char *path, int set)
{
    g_autoptr(mt_tensor) x = mt_vectors_read(folder, set, "input", 0);
    g_autoptr(GError) error = NULL;
    mt_bag bag = mt_bag_from_memory(x->data, x->shape[0], x->shape[1]);
    g_autoptr(mt_head_output) output = mt_head_predict(head, &bag, NULL, &error);

    g_assert_no_error(error);
    assert_close(folder, set, find_output(path, "attention"), output->attention, output->n * output->n_attention);
    if (row->logits != NULL)
        assert_close(folder, set, find_output(path, row->logits), output->logits, output->n_classes);
    if (row->scores != NULL)
        assert_close(folder, set, find_output(path, row->scores), output->scores, output->n_classes);
}

static void test_native(gconstpointer data)
{
    const native    *row = data;
    g_autofree char *folder = mt_vectors_folder("models");

    if (folder == NULL)
        return;
    g_autofree char *head_folder = g_build_filename(folder, row->name, NULL), *path = g_build_filename(head_folder, "model.onnx", NULL);
    g_autofree char *copy = rebuild(path, row);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_head) head = mt_head_load(copy, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(mt_head_kind(head), ==, row->kind);
    for (int set = 0; set < row->n_sets; set++)
        check_native(row, head, head_folder, path, set);
    g_unlink(copy);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(heads); i++) {
        g_autofree char *name = g_strdup_printf("/head/trained/%s", heads[i].name);
        g_test_add_data_func(name, &heads[i], test_trained);
    }
    for (guint i = 0; i < G_N_ELEMENTS(natives); i++) {
        g_autofree char *name = g_strdup_printf("/head/native/%s", natives[i].name);
        g_test_add_data_func(name, &natives[i], test_native);
    }
    return g_test_run();
}

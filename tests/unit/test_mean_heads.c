/* Heads on the mean feature: linear probes and nearest neighbours, written, loaded, scored against their formulas, and refused. */
#include "mil/safetensors_writer.h"

#include <microtome/head.h>

#include <glib/gstdio.h>
#include <math.h>

#define TILES 5
#define DIM 3

static char *folder, *path;

static mt_tensor *tensor_of(int rank, int64_t rows, int64_t columns, const float *values)
{
    mt_tensor *tensor = mt_tensor_new(MT_F32, rank, (int64_t[]){rows, columns}, NULL);

    for (int64_t i = 0; i < mt_tensor_count(tensor); i++)
        ((float *)tensor->data)[i] = values[i];
    return tensor;
}

static const float tiles[TILES * DIM] = {1, 0, 2, -1, 0.5F, 0, 3, 1, 1, 0, 0, -2, 2, 0.25F, 0};
static const float weight[2 * DIM] = {0.5F, -1, 0.25F, -0.5F, 2, 1}, bias[2] = {0.125F, -0.25F};

static void write_linear(const char *key, int64_t bias_rows, bool more)
{
    g_autoptr(mt_tensor) w = tensor_of(2, 2, DIM, weight);
    g_autoptr(mt_tensor) b = tensor_of(1, bias_rows, 0, bias);
    g_autofree char      *weight_key = g_strconcat(key, ".weight", NULL), *bias_key = g_strconcat(key, ".bias", NULL);
    const mt_named_tensor tensors[] = {{weight_key, w}, {bias_key, b}, {"scale", b}};
    const char *const     metadata[] = {"kind", "linear", "labels", "a;b", NULL};

    g_assert_true(mt_safetensors_write(path, tensors, more ? 3 : 2, metadata, NULL));
}

static void refuse(const char *format)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_head) head = mt_head_load(path, &error);
    g_autofree char *message = g_strconcat("head ", path, ": ", format, NULL);

    g_assert_null(head);
    g_assert_cmpstr(error->message, ==, message);
    g_assert_true(g_error_matches(error, MT_ERROR, MT_ERROR_MODEL));
}

static void test_linear(void)
{
    static const char *const keys[] = {"classifier", "fc", "linear", "head"};
    const mt_bag             bag = mt_bag_from_memory(tiles, TILES, DIM);

    for (gsize k = 0; k < G_N_ELEMENTS(keys); k++) {
        g_autoptr(GError) error = NULL;
        write_linear(keys[k], 2, false);
        g_autoptr(mt_head) head = mt_head_load(path, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(mt_head_kind(head), ==, "linear");
        g_autoptr(mt_head_output) output = mt_head_predict(head, &bag, NULL, &error);
        g_assert_no_error(error);
        for (int c = 0; c < 2; c++) { /* the mean of what the tiles add, exact in binary fractions */
            double sum = 0;
            for (int i = 0; i < TILES; i++) {
                double logit = bias[c];
                for (int j = 0; j < DIM; j++)
                    logit += weight[c * DIM + j] * tiles[i * DIM + j];
                sum += logit;
            }
            g_assert_cmpfloat_with_epsilon(output->logits[c], sum / TILES, 1e-6);
        }
        g_assert_cmpint(output->n_attention, ==, 0);
        g_assert_cmpfloat_with_epsilon(output->tile_scores[0] + output->tile_scores[1], 1, 1e-6);
    }
    write_linear("classifier", 1, false);
    refuse("key 'classifier.bias' has 1 values, 'classifier.weight' has 2 rows");
    write_linear("classifier", 2, true);
    refuse("key 'scale' has no place in linear: its weights would be ignored");
    write_linear("other", 2, false);
    refuse("key 'classifier.weight' is missing");
}

static const float stored[4 * DIM] = {1, 0, 0, 0.9F, 0.1F, 0, 0, 1, 0, 0, 0, 0}, targets[4 * 2] = {1, 0, 0, 1, 0, -1, 1, 0};

static void write_knn(int64_t rows, float k)
{
    g_autoptr(mt_tensor) n = tensor_of(2, 4, DIM, stored);
    g_autoptr(mt_tensor) t = tensor_of(2, rows, 2, targets);
    g_autoptr(mt_tensor) one = tensor_of(1, 1, 0, &k);
    const mt_named_tensor tensors[] = {{"neighbours", n}, {"targets", t}, {"k", one}};
    const char *const     metadata[] = {"labels", "a;b", "activation", "sigmoid", NULL};

    g_assert_true(mt_safetensors_write(path, tensors, 3, metadata, NULL));
}

/* x = (1, 0, 0): cosines 1, 0.9939, 0, and 0 of the zero vector; the third says nothing of b. */
static void test_knn(void)
{
    static const float x[DIM] = {2, 0, 0};
    const mt_bag       bag = mt_bag_from_memory(x, 1, DIM);
    const double       second = exp((0.9 / sqrt(0.82) - 1) / 0.07), third = exp(-1 / 0.07), s = 1e-3;
    g_autoptr(GError) error = NULL;

    write_knn(4, 3);
    g_autoptr(mt_head) head = mt_head_load(path, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(mt_head_kind(head), ==, "knn");
    g_autoptr(mt_head_output) output = mt_head_predict(head, &bag, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat_with_epsilon(output->scores[0], (s + 1) / (2 * s + 1 + second + third), 1e-6);
    g_assert_cmpfloat_with_epsilon(output->scores[1], (s + second) / (2 * s + 1 + second), 1e-6);
    write_knn(3, 3);
    refuse("key 'targets' has shape 3x2: 4xany is wanted");
    write_knn(4, 0);
    refuse("key 'k': one whole number of neighbours is wanted");
    write_knn(4, 1.5F);
    refuse("key 'k': one whole number of neighbours is wanted");
}

static void test_writer_refuses(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_tensor) half = mt_tensor_new(MT_F16, 1, (int64_t[]){2}, NULL);

    g_assert_false(mt_safetensors_write(path, &(mt_named_tensor){"half", half}, 1, NULL, &error));
    g_assert_cmpstr(error->message, ==, "tensor 'half' has type float16, which is not written");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("heads-XXXXXX", NULL);
    path = g_build_filename(folder, "head.safetensors", NULL);
    g_test_add_func("/mean-heads/linear", test_linear);
    g_test_add_func("/mean-heads/knn", test_knn);
    g_test_add_func("/mean-heads/writer", test_writer_refuses);
    int failed = g_test_run();
    g_unlink(path);
    g_rmdir(folder);
    g_free(path);
    g_free(folder);
    return failed;
}

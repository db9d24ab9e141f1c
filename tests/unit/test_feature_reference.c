/* What training bags look like: the distances of feature_reference_values.py, through the file, the head and its card. */
#include "mil/feature_reference.h"
#include "mil/safetensors_writer.h"
#include "tests/unit/feature_reference_expected.h"

#include <microtome/head.h>

#include <glib/gstdio.h>
#include <string.h>

#define N 24
#define DIM 5

static char  *folder, *head_path, *card_path, *reference_path;
static double means[N * DIM];

static mt_feature_reference *fitted(void)
{
    g_autoptr(GError) error = NULL;
    mt_feature_reference *reference = mt_feature_reference_fit(means, N, DIM, &error);

    g_assert_no_error(error);
    return reference;
}

static void test_distance(void)
{
    const double far[DIM] = {2, 4, 6, 8, 10};
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_feature_reference) reference = fitted();

    g_assert_cmpfloat_with_epsilon(mt_feature_reference_distance(reference, means + 3 * DIM), EXPECTED_NEAR, 1e-6);
    g_assert_cmpfloat_with_epsilon(mt_feature_reference_distance(reference, far), EXPECTED_FAR, 1e-6);
    g_assert_true(mt_feature_reference_write(reference, reference_path, &error));
    g_autoptr(mt_feature_reference) read = mt_feature_reference_load(reference_path, DIM, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(mt_feature_reference_distance(read, far), ==, mt_feature_reference_distance(reference, far));
    g_assert_null(mt_feature_reference_load(reference_path, DIM + 1, &error));
    g_autofree char *message = g_strdup_printf("read reference %s: 'mean' is no vector of the head's width", reference_path);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_too_little(void)
{
    double same[N * DIM] = {0};
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_feature_reference_fit(means, 19, DIM, &error));
    g_assert_cmpstr(error->message, ==, "what training bags look like: 19 bags, at least 20 are wanted");
    g_clear_error(&error);
    g_assert_null(mt_feature_reference_fit(same, N, DIM, &error));
    g_assert_cmpstr(error->message, ==, "what training bags look like: their mean features are all the same");
}

static void write_head(const char *keys)
{
    float weight[2 * DIM] = {1, -1}, bias[2] = {0};
    g_autoptr(mt_tensor) w = mt_tensor_new_view(MT_F32, 2, (int64_t[]){2, DIM}, weight, NULL);
    g_autoptr(mt_tensor) b = mt_tensor_new_view(MT_F32, 1, (int64_t[]){2}, bias, NULL);
    const mt_named_tensor tensors[] = {{"classifier.weight", w}, {"classifier.bias", b}};
    g_autofree char      *text = g_strconcat("[head]\nkind=linear\nlabels=no;yes\n", keys, NULL);

    g_assert_true(mt_safetensors_write(head_path, tensors, 2, NULL, NULL));
    g_assert_true(g_file_set_contents(card_path, text, -1, NULL));
}

/* Two tiles whose mean is the far bag. */
static void test_head(void)
{
    const float rows[2 * DIM] = {1, 3, 5, 7, 9, 3, 5, 7, 9, 11};
    mt_bag      bag = mt_bag_from_memory(rows, 2, DIM);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_feature_reference) reference = fitted();

    g_assert_true(mt_feature_reference_write(reference, reference_path, &error));
    write_head("reference=h.reference.safetensors\n");
    g_autoptr(mt_head) head = mt_head_load(head_path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(strlen(mt_head_get_card(head)->reference_sha256), ==, 64);
    for (int threads = 1; threads < 4; threads++) {
        g_autoptr(mt_head_output) output = mt_head_predict(head, &bag, &(mt_head_options){.threads = threads}, &error);
        g_assert_cmpfloat_with_epsilon(output->distance, EXPECTED_FAR, 1e-6);
        g_assert_cmpfloat(output->distance_limit, ==, 1);
        g_assert_cmpfloat(output->distance_share, ==, 0.99);
    }
}

static void test_head_refused(void)
{
    g_autoptr(GError) error = NULL;

    write_head("reference=../h.reference.safetensors\n");
    g_assert_null(mt_head_load(head_path, &error));
    g_assert_nonnull(strstr(error->message, "path '../h.reference.safetensors': only paths below the file's own folder are followed"));
    g_clear_error(&error);
    write_head("reference=h.reference.safetensors\nreference_sha256=0000000000000000000000000000000000000000000000000000000000000000\n");
    g_assert_null(mt_head_load(head_path, &error));
    g_assert_nonnull(strstr(error->message, "is another file than the card's: its sha256 is "));
    g_assert_nonnull(strstr(error->message, "00000000… is wanted"));
    g_clear_error(&error);
    write_head("reference=none.safetensors\n");
    g_assert_null(mt_head_load(head_path, &error));
    g_assert_true(g_error_matches(error, MT_ERROR, MT_ERROR_MISSING));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("reference-XXXXXX", NULL);
    head_path = g_build_filename(folder, "h.safetensors", NULL);
    card_path = g_build_filename(folder, "h.card", NULL);
    reference_path = mt_feature_reference_path(head_path);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < DIM; j++)
            means[i * DIM + j] = ((7 * i * i + 3 * i * j + 5 * j) % 23 - 11) * (j + 1) / 8.0;
    g_test_add_func("/feature-reference/distance", test_distance);
    g_test_add_func("/feature-reference/too-little", test_too_little);
    g_test_add_func("/feature-reference/head", test_head);
    g_test_add_func("/feature-reference/refused", test_head_refused);
    int failed = g_test_run();
    g_unlink(head_path);
    g_unlink(card_path);
    g_unlink(reference_path);
    g_rmdir(folder);
    g_free(head_path);
    g_free(card_path);
    g_free(reference_path);
    g_free(folder);
    return failed;
}

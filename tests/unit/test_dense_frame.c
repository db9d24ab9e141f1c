/* From a case's voxels to its label map as nnU-Net v2 does it, against SciPy, skimage and PyTorch (make_dense_frame_data.py). */
#include "src/base/alloc.h"
#include "tiling/dense_frame.h"
#include "tiling/sliding.h"

#include <math.h>
#include <string.h>

static mt_tensor *read_npy(const char *name)
{
    g_autofree char *file = g_strdup_printf("%s.npy", name);
    g_autofree char *path = g_build_filename(g_getenv("G_TEST_SRCDIR"), "unit", "data", "sliding", file, NULL);
    g_autoptr(GError) error = NULL;
    mt_tensor *t = mt_tensor_read_npy(path, &error);

    g_assert_no_error(error);
    return t;
}

/* Spacings x, y, z. */
static mt_volume *read_case(const double spacing_mm[3])
{
    g_autoptr(mt_tensor) t = read_npy("frame_case");
    const int64_t size[3] = {t->shape[3], t->shape[2], t->shape[1]};
    mt_volume    *v = mt_volume_new(size, (int)t->shape[0], NULL);

    memcpy(v->data, t->data, mt_tensor_bytes(t));
    memcpy(v->spacing_mm, spacing_mm, sizeof v->spacing_mm);
    return v;
}

static mt_dense *load(const char *spacing)
{
    g_autofree char *path = g_build_filename(g_getenv("G_TEST_SRCDIR"), "unit", "data", "sliding", "deep_a.onnx", NULL);
    g_autofree char *text =
        g_strdup_printf("[encoder]\nname=net\nsize_px=12x10x8\nchannels=t1;t2\nvalue=zscore-foreground;zscore\nspacing_mm=%s\n"
                        "crop=nonzero\nactivation=softmax\nlabels=air;organ;tumour\n",
                        spacing);
    const char *paths[1] = {path};
    g_autoptr(GError) error = NULL;
    mt_dense *dense = mt_dense_load_folds(paths, 1, mt_dense_card_read_text(text, strlen(text), "net.card", NULL), &error);

    g_assert_no_error(error);
    return dense;
}

/* All the way; labels: mt_free. */
static uint8_t *segment(mt_dense *dense, const mt_volume *brought, const mt_dense_frame *frame)
{
    mt_label_slabs_params back = mt_dense_frame_back(frame, mt_dense_get_card(dense), -1);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_label_slabs) slabs = mt_label_slabs_new(&back, &error);
    mt_sliding_params params = {.threads = 2, .sink = mt_label_slabs_take, .sink_user = slabs};

    g_assert_no_error(error);
    g_assert_true(mt_sliding_run(dense, brought, &params, &error));
    g_assert_no_error(error);
    return mt_label_slabs_steal_labels(slabs);
}

static void check(const char *name, const char *wanted_spacing, const double spacing_mm[3], const int *axes)
{
    g_autofree char *volume_name = g_strdup_printf("frame_%s_volume", name), *labels_name = g_strdup_printf("frame_%s_labels", name);
    g_autoptr(mt_tensor) volume = read_npy(volume_name), labels = read_npy(labels_name);
    g_autoptr(mt_dense) dense = load(wanted_spacing);
    g_autoptr(GError) error = NULL;
    mt_dense_card *card = (mt_dense_card *)mt_dense_get_card(dense); /* axes come from plans alone */
    mt_dense_frame frame;

    memcpy(card->axes, axes, sizeof card->axes);
    g_autoptr(mt_volume) brought = mt_dense_frame_bring(&frame, card, read_case(spacing_mm), NULL, 2, &error);
    g_assert_no_error(error);
    for (int a = 0; a < 3; a++)
        g_assert_cmpint(brought->size[a], ==, volume->shape[3 - a]);
    double worst = 0;
    for (int64_t i = 0; i < mt_tensor_count(volume); i++)
        worst = fmax(worst, fabs(brought->data[i] - ((const float *)volume->data)[i]));
    g_test_message("%s: volume within %g", name, worst);
    g_assert_cmpfloat(worst, <=, 1e-4);
    uint8_t *found = segment(dense, brought, &frame);
    int64_t  wrong = 0;
    for (int64_t i = 0; i < mt_tensor_count(labels); i++)
        wrong += found[i] != ((const uint8_t *)labels->data)[i];
    g_test_message("%s: %d voxels differ", name, (int)wrong);
    g_assert_cmpint(wrong, ==, 0);
    mt_free(found);
}

static void test_plain(void)
{
    check("plain", "1;1;1.5", (const double[]){0.8, 0.9, 1.2}, (const int[]){0, 1, 2});
}

static void test_apart(void)
{
    check("apart", "1;1;3", (const double[]){0.8, 0.9, 4}, (const int[]){0, 1, 2});
}

static void test_turned(void)
{
    check("turned", "0.7;1.1;1", (const double[]){0.8, 0.9, 1.2}, (const int[]){0, 2, 1});
}

/* No spacing wanted: none is needed; the frame stays the case's. */
static void test_as_it_is(void)
{
    g_autoptr(mt_dense) dense = load("0;0;0");
    g_autoptr(GError) error = NULL;
    mt_dense_frame frame;
    g_autoptr(mt_volume) v = mt_dense_frame_bring(&frame, mt_dense_get_card(dense), read_case((const double[]){0, 0, 0}), NULL, 1, &error);

    g_assert_no_error(error);
    g_assert_true(v->size[0] == 19 && v->size[1] == 17 && v->size[2] == 12);
    g_assert_true(frame.box.start[0] == 3 && frame.box.start[1] == 1 && frame.box.start[2] == 2 && frame.image_apart == -1);
}

static void test_turned_place(void)
{
    const int64_t size[3] = {2, 3, 4};
    g_autoptr(mt_volume) v = mt_volume_new(size, 2, NULL);

    for (int i = 0; i < 48; i++)
        v->data[i] = (float)i;
    v->affine[3] = 7;
    v->spacing_mm[2] = 5;
    v->has_frame = true;
    g_autoptr(mt_volume) t = mt_volume_turned(v, (const int[]){2, 0, 1}, NULL);
    g_assert_true(t->size[0] == 4 && t->size[1] == 2 && t->size[2] == 3 && t->has_frame);
    g_assert_true(t->spacing_mm[0] == 5 && t->affine[3] == 7);
    /* (x, y, z) = (1, 2, 3) of channel 1 stands at (3, 1, 2), and both lie at one place of the patient */
    g_assert_cmpfloat(t->data[24 + (2 * 2 + 1) * 4 + 3], ==, v->data[24 + (3 * 3 + 2) * 2 + 1]);
    for (int row = 0; row < 3; row++)
        g_assert_cmpfloat(v->affine[row * 4] * 1 + v->affine[row * 4 + 1] * 2 + v->affine[row * 4 + 2] * 3, ==,
                          t->affine[row * 4] * 3 + t->affine[row * 4 + 1] * 1 + t->affine[row * 4 + 2] * 2);
}

static void test_refusals(void)
{
    g_autoptr(mt_dense) dense = load("1;1;1");
    const mt_dense_card *card = mt_dense_get_card(dense);
    const int64_t        size[3] = {4, 4, 4};
    g_autoptr(GError) error = NULL;
    mt_dense_frame frame;

    g_assert_null(mt_dense_frame_bring(&frame, card, mt_volume_new(size, 1, NULL), NULL, 1, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, "bring the case to net: it has 1 channels, 2 are wanted (t1, t2)");
    g_clear_error(&error);
    g_assert_null(mt_dense_frame_bring(&frame, card, read_case((const double[]){0, 0, 0}), NULL, 1, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_SPACING);
    g_assert_true(g_str_has_prefix(error->message, "bring the case to 1 x 1 x 1 mm: "));
    for (int k = 1; k < 8; k++) {
        mt_volume *v = read_case((const double[]){1.5, 1.5, 1.5});
        g_clear_error(&error);
        mt_alloc_fail_at(k);
        mt_volume *brought = mt_dense_frame_bring(&frame, card, v, NULL, 1, &error);
        mt_alloc_fail_at(0);
        if (brought == NULL)
            g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
        mt_volume_free(brought);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dense_frame/plain", test_plain);
    g_test_add_func("/dense_frame/apart", test_apart);
    g_test_add_func("/dense_frame/turned", test_turned);
    g_test_add_func("/dense_frame/as_it_is", test_as_it_is);
    g_test_add_func("/dense_frame/turned_place", test_turned_place);
    g_test_add_func("/dense_frame/refusals", test_refusals);
    return g_test_run();
}

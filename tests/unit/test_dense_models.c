/* Trained dense networks of $MICROTOME_TEST_DATA through the sliding window, one window as large as the picture: the stored outputs. */
#include "src/base/alloc.h"
#include "tests/kernels/onnx_vectors.h"
#include "tiling/label_slabs.h"
#include "tiling/sliding.h"

#include <math.h>
#include <string.h>

static mt_dense *load(const char *folder, const char *format, const int64_t size[3])
{
    g_autofree char *path = g_build_filename(folder, "model.onnx", NULL);
    g_autofree char *text =
        g_strdup_printf("[encoder]\nsize_px=%dx%dx%d\nvalue=none\noutput=logits\n%s", (int)size[0], (int)size[1], (int)size[2], format);
    const char *paths[1] = {path};
    g_autoptr(GError) error = NULL;
    mt_dense_card *card = mt_dense_card_read_text(text, strlen(text), "test.card", &error);

    g_assert_no_error(error);
    mt_dense *dense = mt_dense_load_folds(paths, 1, card, &error);
    g_assert_no_error(error);
    return dense;
}

/* N x C x [D x] H x W */
static mt_volume *volume_of(const mt_tensor *t)
{
    const int64_t size[3] = {t->shape[t->rank - 1], t->shape[t->rank - 2], t->rank == 5 ? t->shape[2] : 1};
    mt_volume    *v = mt_volume_new(size, (int)t->shape[1], NULL);

    memcpy(v->data, t->data, mt_tensor_bytes(t));
    return v;
}

typedef struct both {
    mt_label_slabs *slabs;
    mt_tensor      *logits;
} both;

static bool take(void *user, int64_t z0, int64_t count, const float *logits, GError **error)
{
    both *b = user;

    /* one window: all slices come at once, or one that is the picture */
    g_assert_cmpint(z0, ==, 0);
    g_assert_cmpint(count, ==, b->logits->rank == 5 ? b->logits->shape[2] : 1);
    memcpy(b->logits->data, logits, mt_tensor_bytes(b->logits));
    return mt_label_slabs_take(b->slabs, z0, count, logits, error);
}

/* The labels it finds; mt_free. */
static uint8_t *check(const char *model, const char *format)
{
    g_autofree char *folder = mt_vectors_folder(model), *what = NULL;

    if (folder == NULL)
        return NULL;
    g_autoptr(mt_tensor) input = mt_vectors_read(folder, 0, "input", 0), wanted = mt_vectors_read(folder, 0, "output", 0);
    g_autoptr(mt_volume) v = volume_of(input);
    g_autoptr(mt_dense) dense = load(folder, format, v->size);
    mt_label_slabs_params back = {.card = mt_dense_get_card(dense), .order = 1, .apart = -1, .map_label = -1};
    g_autoptr(GError) error = NULL;

    for (int a = 0; a < 3; a++)
        back.grid[a] = back.box[a] = back.size[a] = v->size[a];
    g_autoptr(mt_label_slabs) slabs = mt_label_slabs_new(&back, &error);
    g_autoptr(mt_tensor) logits = mt_tensor_new(MT_F32, wanted->rank, wanted->shape, NULL);
    both              b = {slabs, logits};
    mt_sliding_params p = {.threads = 2, .sink = take, .sink_user = &b};
    g_assert_true(mt_sliding_run(dense, v, &p, &error));
    g_assert_no_error(error);
    if (!mt_vectors_equal(logits, wanted, 1e-4, 1e-4, &what))
        g_error("%s: %s", model, what);
    return mt_label_slabs_steal_labels(slabs);
}

static void test_meshnet(void)
{
    uint8_t         *labels = check("models/mri_meshnet5_gw", "channels=t1\nactivation=softmax\nlabels=background;grey;white\n");
    g_autofree char *folder = labels != NULL ? mt_vectors_folder("models/mri_meshnet5_gw") : NULL;
    int64_t          differ = 0;

    if (folder == NULL)
        return;
    g_autoptr(mt_tensor) wanted = mt_vectors_read(folder, 0, "output", 1);
    for (int64_t i = 0; i < mt_tensor_count(wanted); i++)
        differ += labels[i] != ((const int64_t *)wanted->data)[i];
    g_assert_cmpint(differ, <=, mt_tensor_count(wanted) / 20000); /* ties of the logits' last bits */
    mt_free(labels);
}

static void test_retina(void)
{
    uint8_t         *labels = check("models/retina_wnet_drive", "channels=rgb\nactivation=sigmoid\nlabels=vessel\n");
    g_autofree char *folder = labels != NULL ? mt_vectors_folder("models/retina_wnet_drive") : NULL;
    int64_t          differ = 0;

    if (folder == NULL)
        return;
    g_autoptr(mt_tensor) wanted = mt_vectors_read(folder, 0, "output", 1);
    for (int64_t i = 0; i < mt_tensor_count(wanted); i++)
        differ += labels[i] != (((const float *)wanted->data)[i] > 0.5F);
    g_assert_cmpint(differ, <=, mt_tensor_count(wanted) / 20000);
    mt_free(labels);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dense_models/meshnet", test_meshnet);
    g_test_add_func("/dense_models/retina", test_retina);
    return g_test_run();
}

/* Logits to label maps of the case, against nnU-Net's export in skimage and NumPy (make_label_slabs_data.py), in slabs of any depth. */
#include "src/base/alloc.h"
#include "tiling/label_slabs.h"

#include <math.h>
#include <string.h>

static mt_tensor *read_npy(const char *name)
{
    g_autofree char *file = g_strdup_printf("labels_%s.npy", name);
    g_autofree char *path = g_build_filename(g_getenv("G_TEST_SRCDIR"), "unit", "data", "sliding", file, NULL);
    g_autoptr(GError) error = NULL;
    mt_tensor *t = mt_tensor_read_npy(path, &error);

    g_assert_no_error(error);
    return t;
}

static mt_dense_card *card_of(const char *more)
{
    g_autofree char *text = g_strconcat("[encoder]\nsize_px=11x9x7\nchannels=ct\nvalue=none\nlabels=a;b;c\n", more, NULL);
    g_autoptr(GError) error = NULL;
    mt_dense_card *card = mt_dense_card_read_text(text, strlen(text), "test.card", &error);

    g_assert_no_error(error);
    return card;
}

static const mt_label_slabs_params PLAIN = {
    .grid = {11, 9, 7}, .box = {20, 13, 12}, .size = {20, 13, 12}, .order = 1, .apart = -1, .map_label = -1};

/* All slices in slabs of `depth`. */
static mt_label_slabs *take_all(const mt_label_slabs_params *p, int64_t depth, GError **error)
{
    g_autoptr(mt_tensor) logits = read_npy("logits");
    g_autoptr(mt_label_slabs) s = mt_label_slabs_new(p, error);
    const int64_t     plane = 11 * 9;
    g_autofree float *slab = g_new(float, 3 * depth * plane);

    for (int64_t z = 0; s != NULL && z < 7; z += depth) {
        int64_t count = MIN(depth, 7 - z);

        for (int64_t c = 0; c < 3; c++)
            memcpy(slab + c * count * plane, (const float *)logits->data + (c * 7 + z) * plane, (size_t)(count * plane) * sizeof *slab);
        if (!mt_label_slabs_take(s, z, count, slab, error))
            return NULL;
    }
    return g_steal_pointer(&s);
}

static void check(const char *name, const mt_label_slabs_params *p)
{
    g_autoptr(mt_tensor) wanted = read_npy(name);

    for (int64_t depth = 1; depth <= 7; depth++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_label_slabs) s = take_all(p, depth, &error);
        int64_t wrong = 0;

        g_assert_no_error(error);
        uint8_t *labels = mt_label_slabs_steal_labels(s);
        g_assert_cmpint(mt_tensor_count(wanted), ==, p->size[0] * p->size[1] * p->size[2]);
        for (int64_t i = 0; i < mt_tensor_count(wanted); i++)
            wrong += labels[i] != ((const uint8_t *)wanted->data)[i];
        g_assert_cmpint(wrong, ==, 0);
        mt_free(labels);
    }
}

static void test_argmax(void)
{
    g_autoptr(mt_dense_card) card = card_of("activation=softmax\n");
    mt_label_slabs_params p = PLAIN;

    p.card = card;
    check("finer", &p);
    p.apart = 2;
    check("apart", &p);
    p.apart = 1;
    check("apart_y", &p);
    p.apart = -1;
    memcpy(p.box, (const int64_t[]){8, 6, 5}, sizeof p.box);
    memcpy(p.size, p.box, sizeof p.size);
    check("coarser", &p);
}

static void test_regions(void)
{
    g_autoptr(mt_dense_card) card = card_of("activation=sigmoid\nregions=1,2,3;2,3;3\n");
    g_autoptr(mt_dense_card) plain = card_of("activation=sigmoid\n");
    mt_label_slabs_params p = PLAIN;

    p.card = card;
    check("regions", &p);
    p.card = plain;
    check("regions", &p);
}

/* A box somewhere in a case whose axes stand in another order. */
static void test_places(void)
{
    g_autoptr(mt_dense_card) card = card_of("activation=softmax\n");
    mt_label_slabs_params p = PLAIN;

    p.card = card;
    memcpy(card->axes, (const int[]){0, 2, 1}, sizeof card->axes); /* the network's y is the case's z */
    memcpy(p.size, (const int64_t[]){24, 15, 14}, sizeof p.size);
    memcpy(p.start, (const int64_t[]){3, 2, 1}, sizeof p.start);
    check("turned", &p);
    /* the case's (z, y, x) is the network's (x, z, y) */
    memcpy(card->axes, (const int[]){2, 0, 1}, sizeof card->axes);
    memcpy(p.box, p.grid, sizeof p.box);
    memcpy(p.size, (const int64_t[]){11, 10, 15}, sizeof p.size);
    memcpy(p.start, (const int64_t[]){1, 2, 3}, sizeof p.start);
    check("equal", &p);
}

static void test_map(void)
{
    g_autoptr(mt_dense_card) card = card_of("activation=softmax\n");
    g_autoptr(mt_tensor) wanted = read_npy("map");
    mt_label_slabs_params p = PLAIN;
    g_autoptr(GError) error = NULL;

    p.card = card;
    p.map_label = 1;
    g_autoptr(mt_label_slabs) s = take_all(&p, 3, &error);
    g_assert_no_error(error);
    float *map = mt_label_slabs_steal_map(s);
    for (int64_t i = 0; i < mt_tensor_count(wanted); i++)
        g_assert_cmpfloat(fabsf(map[i] - ((const float *)wanted->data)[i]), <=, 1e-5F);
    mt_free(map);
    g_assert_cmpint(mt_label_slabs_bytes(&p), >, 5 * 20 * 13 * 12);
}

/* A network without an activation: values above one half; the map is the output itself. */
static void test_as_it_is(void)
{
    g_autoptr(mt_dense_card) card =
        mt_dense_card_read_text("[encoder]\nsize_px=3x1\nchannels=ct\nvalue=none\nlabels=lung\nactivation=none\n", 72, "test.card", NULL);
    const mt_label_slabs_params p = {.card = card, .grid = {3, 1, 1}, .box = {3, 1, 1}, .size = {3, 1, 1}, .apart = -1};
    const float                 values[3] = {0.2F, 0.5F, 0.75F};
    g_autoptr(mt_label_slabs) s = mt_label_slabs_new(&p, NULL);

    g_assert_true(mt_label_slabs_take(s, 0, 1, values, NULL));
    uint8_t *labels = mt_label_slabs_steal_labels(s);
    float   *map = mt_label_slabs_steal_map(s);
    g_assert_cmpmem(labels, 3, "\0\0\1", 3);
    g_assert_cmpmem(map, sizeof values, values, sizeof values);
    mt_free(labels);
    mt_free(map);
}

static void test_refusals(void)
{
    g_autoptr(mt_dense_card) card = card_of("activation=softmax\n");
    mt_label_slabs_params p = PLAIN;
    g_autoptr(GError) error = NULL;

    p.card = card;
    p.start[1] = 1;
    g_assert_null(mt_label_slabs_new(&p, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_assert_cmpstr(error->message, ==, "lay a label map: 13 slices from 1 on along axis y do not fit into 13");
    g_clear_error(&error);
    p.start[1] = 0;
    p.map_label = 3;
    g_assert_null(mt_label_slabs_new(&p, &error));
    g_assert_cmpstr(error->message, ==, "lay a label map: label 3 of 3, order 1: a label that is there and order 0 or 1 are wanted");
    p.map_label = 2;
    for (int k = 2; k <= 5; k++) { /* the first is the file of logits */
        g_clear_error(&error);
        mt_alloc_fail_at(k);
        g_assert_null(take_all(&p, 2, &error));
        mt_alloc_fail_at(0);
        g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/label_slabs/argmax", test_argmax);
    g_test_add_func("/label_slabs/regions", test_regions);
    g_test_add_func("/label_slabs/places", test_places);
    g_test_add_func("/label_slabs/map", test_map);
    g_test_add_func("/label_slabs/as_it_is", test_as_it_is);
    g_test_add_func("/label_slabs/refusals", test_refusals);
    return g_test_run();
}

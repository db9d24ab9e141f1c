/* Sliding windows of dense networks: logits against nnU-Net's and MONAI's loops in PyTorch (make_sliding_data.py), the same bytes for any
 * number of threads, and every refusal with its words. */
#include "tiling/sliding.h"

#include "src/base/alloc.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

static const char DEEP[] = "[encoder]\nsize_px=12x10x8\nchannels=t1;t2\nvalue=none\nactivation=softmax\nlabels=air;organ;tumour\n";
static const char FLAT[] = "[encoder]\nsize_px=12x10\nchannels=t1;t2\nvalue=none\nactivation=softmax\nlabels=air;organ\n";

static char *data_path(const char *file)
{
    return g_build_filename(g_getenv("G_TEST_SRCDIR"), "unit", "data", "sliding", file, NULL);
}

/* Folds "deep_a;deep_b" of one card. */
static mt_dense *load(const char *models, const char *card, const char *more)
{
    g_autofree char *text = g_strconcat(card, more, NULL);
    g_auto(GStrv) names = g_strsplit(models, ";", -1);
    int n = (int)g_strv_length(names);
    g_autoptr(GError) error = NULL;
    mt_dense_card *contract = mt_dense_card_read_text(text, strlen(text), "test.card", &error);

    g_assert_no_error(error);
    for (int i = 0; i < n; i++) {
        g_autofree char *file = g_strconcat(names[i], ".onnx", NULL);
        g_free(names[i]);
        names[i] = data_path(file);
    }
    mt_dense *dense = mt_dense_load_folds((const char *const *)names, n, contract, &error);
    g_assert_no_error(error);
    return dense;
}

static mt_volume *read_volume(const char *name)
{
    g_autofree char *file = g_strdup_printf("volume_%s.npy", name), *path = data_path(file);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_tensor) t = mt_tensor_read_npy(path, &error);

    g_assert_no_error(error);
    const int64_t size[3] = {t->shape[3], t->shape[2], t->shape[1]};
    mt_volume    *v = mt_volume_new(size, (int)t->shape[0], &error);
    g_assert_no_error(error);
    memcpy(v->data, t->data, mt_tensor_bytes(t));
    return v;
}

/* Slabs put together again. */
typedef struct gathered {
    int64_t plane, slices, next, stop_at, refuse_at;
    int     labels, calls;
    float  *logits;
} gathered;

static bool gather(void *user, int64_t z0, int64_t count, const float *logits, GError **error)
{
    gathered *g = user;

    g_assert_cmpint(z0, ==, g->next);
    g->next += count;
    g->calls++;
    for (int c = 0; c < g->labels; c++)
        memcpy(g->logits + (c * g->slices + z0) * g->plane, logits + c * count * g->plane, (size_t)(count * g->plane) * sizeof *logits);
    if (g->refuse_at == 0 || g->next < g->refuse_at)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_IO, "the sink is full");
    return false;
}

static bool count_windows(void *user, int64_t done, int64_t total)
{
    gathered *g = user;

    g_assert_cmpint(done, <=, total);
    return g->stop_at == 0 || done < g->stop_at;
}

static gathered gathered_new(const mt_dense *dense, const mt_volume *v)
{
    gathered g = {.plane = v->size[0] * v->size[1], .slices = v->size[2], .labels = mt_dense_get_card(dense)->n_labels};

    g.logits = g_new0(float, g.labels *mt_volume_voxels(v));
    return g;
}

static float *slide(mt_dense *dense, const mt_volume *v, int threads)
{
    gathered          g = gathered_new(dense, v);
    mt_sliding_params p = {
        .threads = threads, .mirror = true, .progress = count_windows, .progress_user = &g, .sink = gather, .sink_user = &g};
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_sliding_run(dense, v, &p, &error));
    g_assert_no_error(error);
    g_assert_cmpint(g.next, ==, g.slices);
    return g.logits;
}

static void check_logits(const char *name, mt_dense *dense, const char *volume)
{
    g_autofree char *file = g_strdup_printf("logits_%s.npy", name), *path = data_path(file);
    g_autoptr(mt_tensor) wanted = mt_tensor_read_npy(path, NULL);
    g_autoptr(mt_volume) v = read_volume(volume);
    g_autofree float *one = slide(dense, v, 1), *three = slide(dense, v, 3);
    int64_t           n = mt_dense_get_card(dense)->n_labels * mt_volume_voxels(v);
    double            worst = 0;

    g_assert_cmpint(mt_tensor_count(wanted), ==, n);
    for (int64_t i = 0; i < n; i++) {
        g_assert_true(isfinite(one[i]));
        worst = fmax(worst, fabs(one[i] - ((const float *)wanted->data)[i]));
    }
    g_test_message("%s: %g", name, worst);
    g_assert_cmpfloat(worst, <=, 1e-4);
    g_assert_cmpmem(one, (size_t)n * sizeof *one, three, (size_t)n * sizeof *three);
}

static const struct {
    const char *name, *models, *volume, *card, *more;
} CASES[] = {
    {"odd", "deep_a", "odd", DEEP, ""},
    {"little", "deep_a", "little", DEEP, ""},
    {"mirror", "deep_a", "odd", DEEP, "mirror=xyz\n"},
    {"folds", "deep_a;deep_b", "odd", DEEP, "mirror=xy\n"},
    {"constant", "deep_a", "odd", DEEP, "weight=constant\n"},
    {"monai", "deep_a", "odd", DEEP, "windows=monai\n"},
    {"monai_gaussian", "deep_a", "odd", DEEP, "windows=monai\nweight=gaussian\n"},
    {"flat", "flat", "odd", FLAT, "mirror=xy\n"},
    {"near", "near", "one", "[encoder]\nsize_px=12x10\nslices=3\nchannels=ct\nvalue=none\nactivation=softmax\nlabels=a;b\n", ""},
    {"half", "half", "odd", FLAT, ""},
    {"half_deep", "half_deep", "odd", DEEP, ""},
    {"fixed", "fixed", "odd", DEEP, ""},
    {"halves", "halves", "eighths", DEEP, "mirror=x\n"},
};

static void test_logits(gconstpointer which)
{
    int i = GPOINTER_TO_INT(which);
    g_autoptr(mt_dense) dense = load(CASES[i].models, CASES[i].card, CASES[i].more);

    check_logits(CASES[i].name, dense, CASES[i].volume);
}

/* Mirrored only when asked for; a step of its own. */
static void test_choices(void)
{
    g_autoptr(mt_dense) dense = load("deep_a", DEEP, "mirror=xyz\n"), plain = load("deep_a", DEEP, "");
    g_autoptr(mt_volume) v = read_volume("odd");
    g_autofree float *wanted = slide(plain, v, 1);
    gathered          g = gathered_new(dense, v);
    mt_sliding_params p = {.threads = 1, .sink = gather, .sink_user = &g};
    int64_t           n = 3 * mt_volume_voxels(v), windows, fewer;

    g_assert_true(mt_sliding_run(dense, v, &p, NULL));
    g_assert_cmpmem(g.logits, (size_t)n * sizeof(float), wanted, (size_t)n * sizeof(float));
    g_assert_true(mt_sliding_windows(dense, v->size, &p, &windows, NULL));
    p.step = 1;
    g_assert_true(mt_sliding_windows(dense, v->size, &p, &fewer, NULL));
    g_assert_cmpint(windows, ==, 3 * 3 * 3);
    g_assert_cmpint(fewer, ==, 2 * 2 * 2);
    g_free(g.logits);
}

/* A limit that holds one window at a time: the same logits. */
static void test_limit(void)
{
    g_autoptr(mt_dense) dense = load("deep_a", DEEP, "");
    g_autoptr(mt_volume) v = read_volume("odd");
    g_autofree float *wanted = slide(dense, v, 1);
    gathered          g = gathered_new(dense, v);
    mt_sliding_params p = {.threads = 1, .sink = gather, .sink_user = &g};
    int64_t           n = 3 * mt_volume_voxels(v), one, three;
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_sliding_bytes(dense, v->size, &p, &one, NULL));
    p.threads = 3;
    g_assert_true(mt_sliding_bytes(dense, v->size, &p, &three, NULL));
    g_assert_cmpint(one, <, three);
    p.limit_bytes = one + (three - one) / 4;
    g_assert_true(mt_sliding_run(dense, v, &p, &error));
    g_assert_no_error(error);
    g_assert_cmpmem(g.logits, (size_t)n * sizeof(float), wanted, (size_t)n * sizeof(float));
    g_free(g.logits);
}

/* A volume of one window: the spare threads work inside it. */
static void test_one_window(void)
{
    g_autoptr(mt_dense) dense = load("deep_a", DEEP, "");
    const int64_t size[3] = {7, 9, 8};
    g_autoptr(mt_volume) v = mt_volume_new(size, 2, NULL);

    for (int64_t i = 0; i < 2 * mt_volume_voxels(v); i++)
        v->data[i] = (float)((i * 7919) % 101) / 50 - 1;
    g_autofree float *one = slide(dense, v, 1), *four = slide(dense, v, 4);
    g_assert_cmpmem(one, 3 * 504 * sizeof *one, four, 3 * 504 * sizeof *four);
}

static void check_run(mt_dense *dense, const mt_volume *v, const mt_sliding_params *params, int code, const char *words)
{
    gathered          g = gathered_new(dense, v);
    mt_sliding_params p = *params;
    g_autoptr(GError) error = NULL;

    g.stop_at = p.progress_user != NULL ? *(int64_t *)p.progress_user : 0;
    g.refuse_at = p.sink_user != NULL ? *(int64_t *)p.sink_user : 0;
    p.sink = gather;
    p.progress = count_windows;
    p.sink_user = p.progress_user = &g;
    g_assert_false(mt_sliding_run(dense, v, &p, &error));
    g_assert_error(error, MT_ERROR, code);
    g_assert_cmpstr(error->message, ==, words);
    g_free(g.logits);
}

static void test_refusals(void)
{
    g_autoptr(mt_dense) dense = load("deep_a", DEEP, "name=organs\n");
    g_autoptr(mt_volume) v = read_volume("odd"), one = read_volume("one");
    mt_sliding_params p = {.threads = 2};
    int64_t           at = 5, bytes;
    g_autoptr(GError) error = NULL;

    check_run(dense, one, &p, MT_ERROR_INPUT, "slide organs: the case has 1 channels, the network wants 2");
    p.threads = 0;
    check_run(dense, v, &p, MT_ERROR_RANGE, "slide windows with 0 threads: 1 or more");
    p.threads = 2;
    p.step = 2;
    check_run(dense, v, &p, MT_ERROR_RANGE, "lay windows at a step of 2 of the patch: from 0.05 to 1 is possible");
    p.step = 0;
    p.progress_user = &at;
    check_run(dense, v, &p, MT_ERROR_STOPPED, "stopped after 5 of 27 windows");
    p.progress_user = NULL;
    p.sink_user = &at;
    check_run(dense, v, &p, MT_ERROR_IO, "the sink is full");
    p.sink_user = NULL;
    g_assert_true(mt_sliding_bytes(dense, v->size, &p, &bytes, &error));
    g_assert_cmpint(bytes, >, 17 * 23 * 8 * 4 * 4 + 3 * 3 * 960 * 4);
    g_assert_cmpint(bytes, <, 1 << 21);
    p.limit_bytes = bytes;
    gathered g = gathered_new(dense, v);
    p.sink = gather;
    p.sink_user = &g;
    g_assert_true(mt_sliding_run(dense, v, &p, &error));
    g_free(g.logits);
    p.sink_user = NULL;
    p.threads = 1;
    p.limit_bytes = 0;
    g_assert_true(mt_sliding_bytes(dense, v->size, &p, &bytes, &error));
    p.threads = 2;
    p.limit_bytes = 4096;
    g_autofree char *words =
        g_strdup_printf("slide organs over 23 x 17 x 13 voxels: %d MB are wanted, 0 MB are allowed: allow more, or use a "
                        "network of a smaller patch",
                        (int)((bytes + (1 << 20) - 1) >> 20));
    check_run(dense, v, &p, MT_ERROR_MEMORY, words);
}

/* An answer that is no number names model and label. */
static void test_not_finite(void)
{
    g_autoptr(mt_dense) dense = load("deep_a", DEEP, "");
    g_autoptr(mt_volume) v = read_volume("odd");
    mt_sliding_params p = {.threads = 2};
    g_autofree char  *path = data_path("deep_a.onnx");
    g_autofree char  *words = g_strdup_printf("run %s: its output for label 'air' is not a finite number: model and card do not fit these "
                                               "voxels, or the precision is too low",
                                              path);

    for (int64_t i = 0; i < mt_volume_voxels(v); i++)
        v->data[i] = 3e38F;
    check_run(dense, v, &p, MT_ERROR_MODEL, words);
}

/* No allocation that fails is a crash or a leak. */
static void test_memory(void)
{
    g_autoptr(mt_dense) dense = load("flat", FLAT, "mirror=xy\n");
    g_autoptr(mt_volume) v = read_volume("odd");
    bool done = false;

    for (int k = 1; k < 400 && !done; k += 1 + k / 8) { /* the later ones are those of the packed weights */
        gathered          g = gathered_new(dense, v);
        mt_sliding_params p = {.threads = 1, .mirror = true, .sink = gather, .sink_user = &g};
        g_autoptr(GError) error = NULL;

        mt_alloc_fail_at(k);
        done = mt_sliding_run(dense, v, &p, &error);
        mt_alloc_fail_at(0);
        if (!done)
            g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
        g_free(g.logits);
    }
    g_assert_true(done);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(CASES); i++) {
        g_autofree char *path = g_strconcat("/sliding/logits/", CASES[i].name, NULL);
        g_test_add_data_func(path, GINT_TO_POINTER((int)i), test_logits);
    }
    g_test_add_func("/sliding/choices", test_choices);
    g_test_add_func("/sliding/limit", test_limit);
    g_test_add_func("/sliding/one_window", test_one_window);
    g_test_add_func("/sliding/refusals", test_refusals);
    g_test_add_func("/sliding/not_finite", test_not_finite);
    g_test_add_func("/sliding/memory", test_memory);
    return g_test_run();
}

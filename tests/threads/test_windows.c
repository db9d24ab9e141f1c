/* A team of threads that slides a dense network over a volume: windows taken, answers added in their order, slabs handed on, stops and
 * failures of the sink in the middle. */
#include "tiling/sliding.h"

#include <microtome/error.h>

#include <string.h>

#define THREADS 4

static mt_dense *load(void)
{
    static const char card[] =
        "[encoder]\nname=net\nsize_px=12x10x8\nchannels=t1;t2\nvalue=none\nactivation=softmax\nlabels=a;b;c\nmirror=x\n";
    g_autofree char *path = g_build_filename(g_getenv("G_TEST_SRCDIR"), "unit", "data", "sliding", "deep_a.onnx", NULL);
    const char      *paths[1] = {path};
    g_autoptr(GError) error = NULL;
    mt_dense *dense = mt_dense_load_folds(paths, 1, mt_dense_card_read_text(card, strlen(card), "test.card", NULL), &error);

    g_assert_no_error(error);
    return dense;
}

static mt_volume *volume(void)
{
    const int64_t size[3] = {30, 21, 19};
    mt_volume    *v = mt_volume_new(size, 2, NULL);

    for (int64_t i = 0; i < 2 * mt_volume_voxels(v); i++)
        v->data[i] = (float)((i * 7919) % 211) / 100 - 1;
    return v;
}

typedef struct taken {
    double  sum; /* in the order of the slabs: the same for any team */
    int64_t slices, refuse_at, stop_at;
} taken;

static bool take(void *user, int64_t z0, int64_t count, const float *logits, GError **error)
{
    taken *t = user;

    g_assert_cmpint(z0, ==, t->slices);
    t->slices += count;
    for (int64_t i = 0; i < 3 * count * 30 * 21; i++)
        t->sum += logits[i] * (double)(i % 17);
    if (t->refuse_at == 0 || t->slices < t->refuse_at)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_IO, "full");
    return false;
}

static bool go_on(void *user, int64_t done, int64_t total)
{
    const taken *t = user;

    g_assert_cmpint(done, <=, total);
    return t->stop_at == 0 || done < t->stop_at;
}

static bool run(mt_dense *dense, const mt_volume *v, int threads, taken *t, GError **error)
{
    mt_sliding_params p = {.threads = threads, .mirror = true, .sink = take, .sink_user = t, .progress = go_on, .progress_user = t};

    return mt_sliding_run(dense, v, &p, error);
}

static void test_same(void)
{
    g_autoptr(mt_dense) dense = load();
    g_autoptr(mt_volume) v = volume();
    g_autoptr(GError) error = NULL;
    taken one = {0}, many = {0};

    g_assert_true(run(dense, v, 1, &one, &error));
    g_assert_true(run(dense, v, THREADS, &many, &error));
    g_assert_no_error(error);
    g_assert_cmpfloat(one.sum, ==, many.sum);
    g_assert_cmpint(many.slices, ==, 19);
}

static void test_ends(void)
{
    g_autoptr(mt_dense) dense = load();
    g_autoptr(mt_volume) v = volume();

    for (int64_t at = 1; at < 40; at += 9) {
        g_autoptr(GError) stopped = NULL, full = NULL;
        taken stop = {.stop_at = at}, refuse = {.refuse_at = 1 + at % 18};

        g_assert_false(run(dense, v, THREADS, &stop, &stopped));
        g_assert_error(stopped, MT_ERROR, MT_ERROR_STOPPED);
        g_assert_false(run(dense, v, THREADS, &refuse, &full));
        g_assert_error(full, MT_ERROR, MT_ERROR_IO);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/windows/same", test_same);
    g_test_add_func("/windows/ends", test_ends);
    return g_test_run();
}

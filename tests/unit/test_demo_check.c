/* microtome-demo-check, microtome-read-result and microtome-score-slide on results and truth made by hand: every figure is known beforehand. */
#include "src/store/store.h"

#include <microtome/error.h>
#include <microtome/tensor.h>

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* The truth of every slide here: 10 x 10 cells of 16 µm, tumour in the upper left 4 x 4.  Tiles of 64 px at 0.5 µm are 2 x 2
 * cells; the sixth (7th, 8th ...) of a slide lies outside. */
#define CELLS 10
#define TILES 8

static const int64_t coordinates[TILES][2] = {{0, 0}, {64, 0}, {0, 64}, {64, 64}, {112, 0}, {128, 128}, {192, 192}, {192, 0}};

typedef struct fixture {
    char *folder, *cohort, *out;
} fixture;

static void write_mask(const char *folder, const char *id)
{
    g_autofree char *name = g_strdup_printf("%s_mask.pgm", id), *path = g_build_filename(folder, "truth", name, NULL);
    g_autoptr(GString) text = g_string_new("P5\n10 10\n255\n");

    for (int i = 0; i < CELLS * CELLS; i++)
        g_string_append_c(text, i % CELLS < 4 && i / CELLS < 4 ? (char)255 : 0);
    g_assert_true(g_file_set_contents(path, text->str, (gssize)text->len, NULL));
}

static void set_up(fixture *f, gconstpointer data)
{
    (void)data;
    f->folder = g_dir_make_tmp("demo-check-XXXXXX", NULL);
    g_assert_nonnull(f->folder);
    f->cohort = g_build_filename(f->folder, "cohort", NULL);
    f->out = g_build_filename(f->folder, "out", NULL);
    g_autofree char *truth = g_build_filename(f->cohort, "truth", NULL), *cases = g_build_filename(f->out, "cases", NULL);
    g_assert_cmpint(g_mkdir_with_parents(truth, 0777), ==, 0);
    g_assert_cmpint(g_mkdir_with_parents(cases, 0777), ==, 0);
}

static void remove_tree(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);

    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    g_clear_pointer(&dir, g_dir_close);
    g_remove(path);
}

static void tear_down(fixture *f, gconstpointer data)
{
    (void)data;
    remove_tree(f->folder);
    g_free(f->folder);
    g_free(f->cohort);
    g_free(f->out);
}

static void write_floats(mt_store *store, const char *object, int64_t rows, int64_t columns, const float *values)
{
    const int64_t shape[] = {rows, columns};
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_tensor) t = mt_tensor_new_view(MT_F32, columns > 0 ? 2 : 1, shape, (void *)(uintptr_t)values, NULL);

    g_assert_true(mt_store_write(store, object, t, &error));
    g_assert_no_error(error);
}

/* A result whose tile i has the attention and the tumour score given. */
static void write_result(const fixture *f, const char *id, const float *attention, const float *tumour, double score)
{
    const char *const labels[] = {"normal", "tumour", NULL};
    const int64_t     shape[] = {TILES, 2};
    const double      tile[] = {64, 64}, mpp = 0.5;
    const float       scores[] = {(float)(1 - score), (float)score};
    g_autofree char  *name = g_strdup_printf("%s.h5", id), *path = g_build_filename(f->out, "cases", name, NULL);
    g_autofree char  *headline =
        g_strdup_printf("{\"schema\": 1, \"id\": \"%s\", \"status\": \"ok\", \"decision\": \"%s\", \"score\": %.3f}", id,
                        score > 0.5 ? "review" : "clear", score);
    float pairs[TILES * 2];
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_store) store = mt_store_create(path, &error);
    g_autoptr(mt_tensor) coords = mt_tensor_new_view(MT_I64, 2, shape, (void *)(uintptr_t)coordinates, NULL);

    g_assert_no_error(error);
    for (int i = 0; i < TILES; i++) {
        pairs[2 * i] = 1 - tumour[i];
        pairs[2 * i + 1] = tumour[i];
    }
    g_assert_true(mt_store_write(store, "/coords", coords, &error));
    g_assert_true(mt_store_attr_double(store, "/coords", "tile_level0", tile, 2, &error));
    g_assert_true(mt_store_attr_double(store, "/coords", "mpp_x", &mpp, 1, &error));
    write_floats(store, "/features", TILES, 2, pairs);
    g_assert_true(mt_store_attr_string(store, "/features", "encoder", "pairs", &error));
    write_floats(store, "/attention", TILES, 1, attention);
    write_floats(store, "/tile_scores", TILES, 2, pairs);
    write_floats(store, "/prediction/scores", 2, 0, scores);
    g_assert_true(mt_store_attr_strings(store, "/prediction/scores", "labels", labels, &error));
    g_assert_true(mt_store_publish(store, headline, &error));
    g_assert_no_error(error);
}

static int run(const char *variable, const char *first, const char *second, char **out, char **words)
{
    const char *argv[] = {g_getenv(variable), first, second, NULL};
    g_autoptr(GError) error = NULL;
    int status = -1;

    g_assert_true(g_spawn_sync(NULL, (char **)(uintptr_t)argv, NULL, 0, NULL, NULL, out, words, &status, &error));
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void write_labels(const fixture *f, const char *text)
{
    g_autofree char *path = g_build_filename(f->cohort, "labels.csv", NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void assert_line(const char *text, const char *line)
{
    g_autofree char *wanted = g_strconcat("\n", line, "\n", NULL), *whole = g_strconcat("\n", text, NULL);

    if (strstr(whole, wanted) == NULL)
        g_test_message("wanted: %s\n%s", line, text);
    g_assert_nonnull(strstr(whole, wanted));
}

static const float even[TILES] = {0.125f, 0.125f, 0.125f, 0.125f, 0.125f, 0.125f, 0.125f, 0.125f};
/* Tiles 0..4 first.  Tile 4 at (112, 0) covers cells 3.5 to 5.5: its centre is outside, exactly a quarter of it inside. */
static const float sure[TILES] = {0.9f, 0.9f, 0.9f, 0.9f, 0.8f, 0.1f, 0.1f, 0.1f};

static void test_good(fixture *f, gconstpointer data)
{
    g_autofree char *out = NULL, *words = NULL;

    (void)data;
    write_labels(f, "id,label,tumour_mm2\na,tumour,1\nb,normal,0\n");
    write_mask(f->cohort, "a");
    write_result(f, "a", even, sure, 0.75);
    write_result(f, "b", even, sure, 0.25);
    g_assert_cmpint(run("MICROTOME_DEMO_CHECK", f->cohort, f->out, &out, &words), ==, 0);
    g_assert_true(g_str_has_prefix(out, "DEMONSTRATION: "));
    assert_line(out, "a                tumour    0.750  review    5 of 5");
    assert_line(out, "b                normal    0.250  clear     -");
    assert_line(out, "slides    2 scored, 1 with tumour, 0 without a readable result");
    assert_line(out, "AUROC     1.000  (at least 0.90)");
    assert_line(out, "top-5     1.000  of the tiles with most evidence lie in the tumour: 5 of 5 (at least 0.80)");
}

/* Attention takes evidence away: tile 0 has none, and of the four others one lies outside. */
static void test_attention(fixture *f, gconstpointer data)
{
    static const float attention[TILES] = {0, 0.2f, 0.2f, 0.2f, 0, 0.2f, 0.2f, 0};
    g_autofree char   *out = NULL, *words = NULL;

    (void)data;
    write_labels(f, "id,label\na,tumour\nb,normal\nc,normal\n");
    write_mask(f->cohort, "a");
    write_result(f, "a", attention, sure, 0.5);
    write_result(f, "b", even, sure, 0.5);
    write_result(f, "c", even, sure, 0.4);
    g_assert_cmpint(run("MICROTOME_DEMO_CHECK", f->cohort, f->out, &out, &words), ==, 1);
    assert_line(out, "a                tumour    0.500  clear     3 of 5");
    assert_line(out, "AUROC     0.750  (at least 0.90)"); /* one tie, one win */
}

static void test_missing_result(fixture *f, gconstpointer data)
{
    g_autofree char *out = NULL, *words = NULL;

    (void)data;
    write_labels(f, "id,label\na,tumour\nb,normal\nlost,normal\n");
    write_mask(f->cohort, "a");
    write_result(f, "a", even, sure, 0.75);
    write_result(f, "b", even, sure, 0.25);
    g_assert_cmpint(run("MICROTOME_DEMO_CHECK", f->cohort, f->out, &out, &words), ==, 1);
    assert_line(out, "slides    2 scored, 1 with tumour, 1 without a readable result");
}

static void test_bad_cohort(fixture *f, gconstpointer data)
{
    g_autofree char *out = NULL, *words = NULL, *again = NULL, *third = NULL, *more = NULL;
    g_autofree char *expected =
        g_strdup_printf("microtome-demo-check: read %s/labels.csv: no slides under the columns id and label\n", f->cohort);

    (void)data;
    g_assert_cmpint(run("MICROTOME_DEMO_CHECK", f->cohort, f->out, &out, &words), ==, 66);
    write_labels(f, "name,kind\na,tumour\n");
    g_assert_cmpint(run("MICROTOME_DEMO_CHECK", f->cohort, f->out, &again, &more), ==, 65);
    g_assert_cmpstr(more, ==, expected);
    g_assert_cmpint(run("MICROTOME_DEMO_CHECK", f->cohort, NULL, NULL, &third), ==, 64);
    g_assert_cmpstr(third, ==, "usage: microtome-demo-check COHORT_DIR OUT_DIR\n");
}

static void test_bad_mask(fixture *f, gconstpointer data)
{
    g_autofree char *out = NULL, *words = NULL, *mask = g_build_filename(f->cohort, "truth", "a_mask.pgm", NULL);
    g_autofree char *line = g_strdup_printf("a                tumour        -  read %s: not a truth mask of microtome-synthetic", mask);

    (void)data;
    write_labels(f, "id,label\na,tumour\n");
    g_assert_true(g_file_set_contents(mask, "P5\n10 10\n255\nshort", -1, NULL));
    write_result(f, "a", even, sure, 0.75);
    g_assert_cmpint(run("MICROTOME_DEMO_CHECK", f->cohort, f->out, &out, &words), ==, 1);
    assert_line(out, line);
}

static void test_read_result(fixture *f, gconstpointer data)
{
    g_autofree char *out = NULL, *words = NULL, *path = g_build_filename(f->out, "cases", "a.h5", NULL);

    (void)data;
    write_result(f, "a", even, sure, 0.75);
    g_assert_cmpint(run("MICROTOME_READ_RESULT", path, NULL, &out, &words), ==, 0);
    assert_line(out, "tiles     8");
    assert_line(out, "tile      64.0 x 64.0 level-0 px of 0.5 µm");
    assert_line(out, "features  2 a tile, by pairs; the first tile starts 0.1");
    assert_line(out, "score     0.7500 tumour");
}

/* A slide, half of it tumour, from pixels to a score with the demonstration's own encoder and head. */
static void test_score_slide(fixture *f, gconstpointer data)
{
    const char      *argv[] = {g_getenv("MICROTOME_SYNTHETIC"),
                               "-o",
                               f->cohort,
                               "--count",
                               "1",
                               "--prevalence",
                               "1",
                               "--tumour-share",
                               "0.5",
                               "--size",
                               "1280",
                               NULL};
    const char      *score[] = {g_getenv("MICROTOME_SCORE_SLIDE"), NULL, "builtin:demo", g_getenv("MICROTOME_DEMO_HEAD"), f->cohort, NULL};
    g_autofree char *path = g_build_filename(f->cohort, "slide-001.tif", NULL), *out = NULL;
    g_autofree char *npy = g_build_filename(f->cohort, "features.npy", NULL);
    g_autoptr(GError) error = NULL;
    double normal, tumour;
    int    status = -1, tiles = 0;

    (void)data;
    g_assert_true(g_spawn_sync(NULL, (char **)(uintptr_t)argv, NULL, 0, NULL, NULL, NULL, NULL, &status, &error));
    g_assert_cmpint(status, ==, 0);
    score[1] = path;
    g_assert_true(g_spawn_sync(NULL, (char **)(uintptr_t)score, NULL, 0, NULL, NULL, &out, NULL, &status, &error));
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpint(sscanf(out, "tiles %d normal %lf tumour %lf", &tiles, &normal, &tumour), ==, 3);
    g_assert_cmpint(tiles, >, 3);
    g_assert_cmpfloat_with_epsilon(normal + tumour, 1, 2e-4);
    g_assert_cmpfloat(tumour, >, 0.5);
    g_autoptr(mt_tensor) features = mt_tensor_read_npy(npy, &error);
    g_assert_no_error(error);
    g_assert_cmpint(features->shape[0], ==, tiles);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (g_getenv("MICROTOME_DEMO_CHECK") == NULL || g_getenv("MICROTOME_READ_RESULT") == NULL ||
        g_getenv("MICROTOME_SCORE_SLIDE") == NULL || g_getenv("MICROTOME_SYNTHETIC") == NULL || g_getenv("MICROTOME_DEMO_HEAD") == NULL) {
        g_printerr("MICROTOME_DEMO_CHECK and the others are not set: run through meson test\n");
        return 77;
    }
    g_test_add("/demo-check/good", fixture, NULL, set_up, test_good, tear_down);
    g_test_add("/demo-check/attention", fixture, NULL, set_up, test_attention, tear_down);
    g_test_add("/demo-check/missing-result", fixture, NULL, set_up, test_missing_result, tear_down);
    g_test_add("/demo-check/bad-cohort", fixture, NULL, set_up, test_bad_cohort, tear_down);
    g_test_add("/demo-check/bad-mask", fixture, NULL, set_up, test_bad_mask, tear_down);
    g_test_add("/demo-check/read-result", fixture, NULL, set_up, test_read_result, tear_down);
    g_test_add("/demo-check/score-slide", fixture, NULL, set_up, test_score_slide, tear_down);
    return g_test_run();
}

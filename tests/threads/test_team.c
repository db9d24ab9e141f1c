/* The team: features in the order of the grid and the same for any number of threads; every way it can end early. */
#include "src/base/alloc.h"
#include "src/pipeline/team.h"
#include "tests/threads/shared_scene.h"

#define TILE_PX 16
#define WIDTH 168 /* 11 x 9 tiles, the last column and row over the edge */
#define HEIGHT 136
#define BATCH 4
#define OPEN_CARD "[encoder]\nsize_px=16\nvalue=rgb8\nmean=0.5\nstd=0.25\nbatch=4\n"
#define RECIPROCAL_CARD "[encoder]\nsize_px=16\nvalue=rgb8\nmean=0\nstd=1\nbatch=4\n"

typedef struct scene {
    mt_case    *c;
    mt_grid    *grid;
    mt_encoder *encoder;
} scene;

/* What the sink was given, and what it is to do.  No lock: the team promises one call at a time. */
typedef struct collected {
    int64_t  n, dim;    /* of the whole grid */
    int64_t  rows;      /* delivered so far */
    int64_t  fail_from; /* the sink fails at this row; -1: never */
    int64_t  stop_from; /* progress says stop when so many are done; -1: never */
    bool     over;      /* either has happened */
    int      calls_after, disorder;
    float   *features;
    uint8_t *valid;
} collected;

static scene scene_of(const char *path, int tile_px, mt_encoder *encoder)
{
    const mt_grid_params params = {.tile_px = tile_px};
    g_autoptr(GError) error = NULL;
    scene s = {.c = open_shared(path), .encoder = encoder};

    s.grid = mt_grid_new(s.c, NULL, &params, &error);
    g_assert_no_error(error);
    return s;
}

static void scene_clear(scene *s)
{
    mt_grid_free(s->grid);
    mt_case_free(s->c);
    mt_encoder_unref(s->encoder);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(scene, scene_clear)

static collected collected_for(const scene *s)
{
    collected into = {.n = mt_grid_count(s->grid), .dim = mt_encoder_dim(s->encoder), .fail_from = -1, .stop_from = -1};

    into.features = g_new0(float, into.n *into.dim);
    into.valid = g_new0(uint8_t, into.n);
    return into;
}

static void collected_clear(collected *into)
{
    g_free(into->features);
    g_free(into->valid);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(collected, collected_clear)

static bool take_rows(void *user, int64_t first, int64_t n, const float *features, const uint8_t *valid, GError **error)
{
    collected *into = user;

    into->calls_after += into->over;
    into->disorder += first != into->rows;
    if (into->fail_from >= 0 && first >= into->fail_from) {
        into->over = true;
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "append tiles from %d: no room", (int)first);
        return false;
    }
    memcpy(into->features + first * into->dim, features, (size_t)(n * into->dim) * sizeof *features);
    memcpy(into->valid + first, valid, (size_t)n);
    into->rows += n;
    return true;
}

static bool watch(void *user, int64_t done, int64_t total)
{
    collected *into = user;

    into->disorder += done != into->rows || total != into->n;
    if (into->stop_from < 0 || done < into->stop_from)
        return true;
    into->over = true;
    return false;
}

/* How features are computed, and how close to the plain loops they come. */
typedef struct way {
    mt_backend   backend;
    mt_precision precision;
    double       epsilon;
} way;

static const way        ways[] = {{MT_BACKEND_REFERENCE, MT_PRECISION_FP32, 1e-5},
                                  {MT_BACKEND_AUTO, MT_PRECISION_FP32, 1e-5},
                                  {MT_BACKEND_AUTO, MT_PRECISION_BF16, 2e-2}};
static const way *const plain = &ways[0];

static bool run_team(const scene *s, collected *into, const way *w, int batch, int threads, GError **error)
{
    mt_team_params params = {.c = s->c,
                             .grid = s->grid,
                             .encoder = s->encoder,
                             .backend = w->backend,
                             .precision = w->precision,
                             .batch = batch,
                             .threads = threads,
                             .progress = watch,
                             .progress_user = into,
                             .sink = take_rows,
                             .sink_user = into};
    mt_timings     timings = {0};
    bool           ok = mt_team_run(&params, &timings, error);

    g_assert_cmpint(timings.threads, ==, threads);
    g_assert_cmpint(timings.tiles, ==, into->n);
    return ok;
}

static char *noise_picture(const char *name, int width, int height)
{
    g_autofree uint8_t *rgb = g_malloc((size_t)width * (size_t)height * 3);

    fill_noise(rgb, (size_t)width * (size_t)height * 3, 7);
    return write_picture(name, width, height, rgb);
}

static scene noise_scene(const char *name, int width, int height)
{
    g_autofree char *path = noise_picture(name, width, height);

    return scene_of(path, TILE_PX, load_encoder("unit/data/encoder", "open", OPEN_CARD));
}

/* One tile after the other, without a team: what row i has to be. */
static float *encode_by_hand(const scene *s, const way *w)
{
    int64_t n = mt_grid_count(s->grid), dim = mt_encoder_dim(s->encoder);
    float  *features = g_new0(float, n *dim);
    g_autoptr(mt_tile_reader) reader = mt_tile_reader_new(s->c, s->grid, MT_FILTER_BILINEAR, NULL);
    g_autoptr(mt_encoder_session) session = mt_encoder_session_new(s->encoder, w->backend, w->precision, 1, 1, NULL);

    for (int64_t i = 0; i < n; i++) {
        mt_tile_pixels pixels;
        g_assert_true(mt_tile_reader_read(reader, i, &pixels, NULL));
        g_assert_true(mt_encoder_session_put(session, 0, &pixels, NULL));
        g_assert_true(mt_encoder_session_run(session, 1, features + i * dim, NULL));
    }
    return features;
}

static void assert_close(const float *got, const float *want, int64_t n, double epsilon)
{
    for (int64_t i = 0; i < n; i++)
        g_assert_cmpfloat_with_epsilon(got[i], want[i], epsilon * (1 + fabs((double)want[i])));
}

static void check_threads(const scene *s)
{
    g_autofree float *by_plain_loops = encode_by_hand(s, plain);

    for (size_t b = 0; b < G_N_ELEMENTS(ways); b++) {
        g_autofree float *by_hand = encode_by_hand(s, &ways[b]);
        g_auto(collected) alone = collected_for(s);
        static const int counts[] = {2, 3, 8};
        size_t           bytes = (size_t)(alone.n * alone.dim) * sizeof *alone.features;
        g_autoptr(GError) error = NULL;

        g_assert_true(run_team(s, &alone, &ways[b], BATCH, 1, &error));
        g_assert_no_error(error);
        g_assert_cmpint(alone.rows, ==, alone.n);
        assert_close(alone.features, by_hand, alone.n * alone.dim, ways[b].epsilon);
        assert_close(alone.features, by_plain_loops, alone.n * alone.dim, ways[b].epsilon);
        for (int k = 0; k < 3; k++) {
            g_auto(collected) together = collected_for(s);
            g_assert_true(run_team(s, &together, &ways[b], BATCH, counts[k], &error));
            g_assert_no_error(error);
            g_assert_cmpint(together.rows, ==, together.n);
            g_assert_cmpint(together.disorder, ==, 0);
            g_assert_cmpmem(together.features, bytes, alone.features, bytes);
            g_assert_cmpmem(together.valid, (size_t)together.n, alone.valid, (size_t)alone.n);
        }
    }
}

static void test_threads(void)
{
    g_auto(scene) s = noise_scene("noise.tif", WIDTH, HEIGHT);

    g_assert_cmpint(mt_grid_count(s.grid), >=, 60);
    check_threads(&s);
}

/* Fewer batches than threads: the spare ones are inside the encoder. */
static void test_few_tiles(void)
{
    g_auto(scene) one = noise_scene("one.tif", TILE_PX, TILE_PX);
    g_auto(scene) five = noise_scene("five.tif", 5 * TILE_PX, TILE_PX);

    g_assert_cmpint(mt_grid_count(one.grid), ==, 1);
    g_assert_cmpint(mt_grid_count(five.grid), ==, 5);
    check_threads(&one);
    check_threads(&five);
}

/* Tiles that cannot be decoded are marked, wherever they are read, and kill no neighbour. */
static void test_invalid_tiles(void)
{
    g_autofree uint8_t *level0 = waves(PYRAMID_W0, PYRAMID_H0, 3), *level1 = waves(PYRAMID_W1, PYRAMID_H1, 3);
    g_autofree char    *path = write_pyramid("damaged.tif", level0, level1);
    const int           threads[] = {1, 2, 3, 8};

    damage_tile(path, 13); /* row 1, column 2 of 11 x 8 */
    damage_tile(path, 40);
    for (int k = 0; k < 4; k++) {
        g_auto(scene) s = scene_of(path, 64, load_encoder("unit/data/encoder", "open", OPEN_CARD "tile_px=64\nresize_px=16\n"));
        g_auto(collected) into = collected_for(&s);
        g_autoptr(GError) error = NULL;

        g_assert_true(run_team(&s, &into, plain, BATCH, threads[k], &error));
        g_assert_no_error(error);
        g_assert_cmpint(into.n, ==, 88);
        g_assert_cmpint(into.disorder, ==, 0);
        for (int64_t i = 0; i < into.n; i++) {
            g_assert_cmpint(into.valid[i], ==, i != 13 && i != 40);
            g_assert_true((into.features[i * into.dim] != 0) == (into.valid[i] != 0));
        }
    }
}

/* Batches of one tile, so that many threads come to deliver at once. */
static void test_failing_sink(void)
{
    g_auto(scene) s = noise_scene("noise.tif", WIDTH, HEIGHT);

    for (int run = 0; run < 40; run++) {
        g_auto(collected) into = collected_for(&s);
        g_autoptr(GError) error = NULL;

        into.fail_from = 20 + run;
        g_assert_false(run_team(&s, &into, plain, 1, 1 + run % 8, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_IO);
        g_autofree char *text = g_strdup_printf("append tiles from %d: no room", 20 + run);
        g_assert_cmpstr(error->message, ==, text);
        g_assert_cmpint(into.rows, ==, 20 + run);
        g_assert_cmpint(into.disorder, ==, 0);
        g_assert_cmpint(into.calls_after, ==, 0);
    }
}

static void test_stopped(void)
{
    g_auto(scene) s = noise_scene("noise.tif", WIDTH, HEIGHT);

    for (int run = 0; run < 40; run++) {
        g_auto(collected) into = collected_for(&s);
        g_autoptr(GError) error = NULL;

        into.stop_from = 20 + run;
        g_assert_false(run_team(&s, &into, plain, 1, 1 + run % 8, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_STOPPED);
        g_autofree char *text = g_strdup_printf("stopped after %d of %d tiles: run again to resume", 20 + run, (int)into.n);
        g_assert_cmpstr(error->message, ==, text);
        g_assert_cmpint(into.rows, ==, 20 + run);
        g_assert_cmpint(into.disorder, ==, 0);
        g_assert_cmpint(into.calls_after, ==, 0);
    }
}

/* A black tile in the middle: one thread's session fails, rows before it may have been written, its own never. */
static void test_failing_session(void)
{
    g_autofree uint8_t *rgb = g_malloc(WIDTH * HEIGHT * 3);
    const int           black = 51; /* row 4, column 7 of 11 */

    fill_noise(rgb, WIDTH * HEIGHT * 3, 3);
    for (int row = 0; row < TILE_PX; row++)
        memset(rgb + ((4 * TILE_PX + row) * WIDTH + 7 * TILE_PX) * 3, 0, TILE_PX * 3);
    g_autofree char *path = write_picture("black.tif", WIDTH, HEIGHT, rgb);
    g_auto(scene) s = scene_of(path, TILE_PX, load_encoder("threads/data", "reciprocal", RECIPROCAL_CARD));
    for (int threads = 1; threads <= 8; threads++) {
        g_auto(collected) into = collected_for(&s);
        g_autoptr(GError) error = NULL;

        g_assert_false(run_team(&s, &into, plain, BATCH, threads, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
        g_assert_nonnull(strstr(error->message, "of slot 3 is not a finite number"));
        g_assert_cmpint(into.rows, <=, black / BATCH * BATCH);
        g_assert_cmpint(into.disorder, ==, 0);
    }
}

/* Each allocation of a run fails in turn: readers, sessions, slots, scratch. */
static void test_memory(void)
{
    g_auto(scene) s = noise_scene("noise.tif", 6 * TILE_PX, 4 * TILE_PX);

    for (int threads = 1; threads <= 3; threads += 2) {
        bool ended = false;

        for (int64_t k = 1; !ended; k += 1 + k / 16) {
            g_auto(collected) into = collected_for(&s);
            g_autoptr(GError) error = NULL;

            mt_alloc_fail_at(k);
            ended = run_team(&s, &into, plain, BATCH, threads, &error);
            mt_alloc_fail_at(0);
            g_assert_cmpint(into.disorder, ==, 0);
            if (ended)
                g_assert_cmpint(into.rows, ==, into.n);
            else
                g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
        }
    }
}

static void test_batch(void)
{
    static const int tiles[] = {1, 2, 3, 4, 5, 8, 9, 16, 17};
    static const struct {
        int card, batch[9];
    } table[] = {{16, {1, 2, 4, 4, 8, 8, 16, 16, 16}},
                 {8, {1, 2, 4, 4, 8, 8, 8, 8, 8}},
                 {1, {1, 1, 1, 1, 1, 1, 1, 1, 1}},
                 {32, {1, 2, 4, 4, 8, 8, 16, 16, 32}}};

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
        for (int k = 0; k < 9; k++)
            g_assert_cmpint(mt_team_batch(tiles[k], table[i].card), ==, table[i].batch[k]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    make_test_folder("mt-team-XXXXXX");
    g_test_add_func("/team/batch", test_batch);
    g_test_add_func("/team/threads", test_threads);
    g_test_add_func("/team/few-tiles", test_few_tiles);
    g_test_add_func("/team/invalid-tiles", test_invalid_tiles);
    g_test_add_func("/team/failing-sink", test_failing_sink);
    g_test_add_func("/team/stopped", test_stopped);
    g_test_add_func("/team/failing-session", test_failing_session);
    g_test_add_func("/team/memory", test_memory);
    int result = g_test_run();

    remove_test_folder();
    return result;
}

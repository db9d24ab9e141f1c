#include <microtome/bench.h>

#include "src/case/read_rivals.h"
#include "src/pipeline/look_ahead.h"

#include <microtome/mask.h>

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define TILES_AT_ONCE 16
#define MAX_ROUNDS 99

typedef struct bench {
    const mt_bench_tiles_params *p;
    mt_case_options              options;
    mt_mask                     *mask;
    mt_grid                     *grid;
    int64_t                      first, n; /* tiles measured */
    mt_rect                     *rects;
    mt_rival                    *codec, *openslide;
} bench;

static void bench_clear(bench *b)
{
    g_clear_pointer(&b->codec, mt_rival_free);
    g_clear_pointer(&b->openslide, mt_rival_free);
    g_clear_pointer(&b->grid, mt_grid_free);
    g_clear_pointer(&b->mask, mt_mask_free);
    g_clear_pointer(&b->rects, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(bench, bench_clear)

/* Which tiles: whole ones with foreground, `max_tiles` in a row. */
static bool lay(bench *b, mt_case *c, GError **error)
{
    mt_grid_params params = {.tile_px = b->p->tile_px, .min_share = 0.5};

    b->mask = mt_mask_new(c, b->p->mask_method, error);
    b->grid = b->mask != NULL ? mt_grid_new(c, b->mask, &params, error) : NULL;
    if (b->grid == NULL)
        return false;
    int64_t count = mt_grid_count(b->grid);
    b->n = MIN(count, b->p->max_tiles);
    b->first = (count - b->n) / 2;
    b->rects = g_new0(mt_rect, b->n + 1);
    for (int64_t i = 0; i < b->n; i++) {
        mt_tile tile = mt_grid_tile(b->grid, b->first + i);

        b->rects[i] = (mt_rect){tile.x, tile.y, b->p->tile_px, b->p->tile_px};
    }
    if (b->n > 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "measure %s: it has no tile with foreground", b->p->path);
    return false;
}

static void read_tiles(bench *b, mt_case *c, mt_look_ahead *ahead, int64_t *next, GError **failure)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_tile_reader) reader = mt_tile_reader_new(c, b->grid, MT_FILTER_BILINEAR, &error);
    mt_tile_pixels pixels;
    bool           ok = reader != NULL;

    for (int64_t first; ok && (first = __atomic_fetch_add(next, TILES_AT_ONCE, __ATOMIC_RELAXED)) < b->n;) {
        int64_t end = b->first + MIN(first + TILES_AT_ONCE, b->n);

        mt_look_ahead_from(ahead, reader, end);
        for (int64_t i = b->first + first; ok && i < end; i++)
            ok = mt_tile_reader_read(reader, i, &pixels, &error);
    }
#pragma omp critical(mt_bench_tiles_failure)
    if (!ok && *failure == NULL)
        *failure = g_steal_pointer(&error);
}

/* A case of its own for each round: nothing is left in its cache. */
static bool run_reader(bench *b, double *seconds, mt_case_counts *reading, GError **error)
{
    g_autoptr(mt_case) c = mt_case_open(b->p->path, &b->options, error);
    GError       *failure = NULL;
    mt_look_ahead ahead;
    int64_t       next = 0;

    if (c == NULL)
        return false;
    mt_look_ahead_init(&ahead, b->first + b->n);
    ahead.next = b->first;
    gint64 start = g_get_monotonic_time();
#pragma omp parallel num_threads(b->p->threads)
    read_tiles(b, c, &ahead, &next, &failure);
    *seconds = (double)(g_get_monotonic_time() - start) / 1e6;
    mt_look_ahead_clear(&ahead);
    mt_case_get_counts(c, reading);
    if (failure != NULL)
        g_propagate_error(error, failure);
    return failure == NULL;
}

static int by_value(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_value);
    return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

/* Seconds and pixels of a rival in each round. */
typedef struct lane {
    double  seconds[MAX_ROUNDS];
    int64_t pixels;
} lane;

static double ratio_of(const lane *ours, const lane *theirs, int rounds)
{
    double ratios[MAX_ROUNDS];

    for (int i = 0; i < rounds; i++)
        ratios[i] = ((double)ours->pixels / ours->seconds[i]) / ((double)theirs->pixels / theirs->seconds[i]);
    return median(ratios, rounds);
}

static mt_bench_speed speed_of(const lane *l, int rounds)
{
    lane   copy = *l;
    double seconds = median(copy.seconds, rounds);

    return (mt_bench_speed){(double)l->pixels / seconds / 1e6, seconds};
}

static bool run_rounds(bench *b, int rounds, mt_bench_tiles *answer, GError **error)
{
    lane ours = {.pixels = b->n * b->p->tile_px * b->p->tile_px}, codec = {0}, openslide = {0};

    for (int i = 0; i < rounds; i++)
        if (!run_reader(b, &ours.seconds[i], &answer->reading, error) ||
            (b->codec != NULL && !mt_rival_run(b->codec, b->p->threads, &codec.seconds[i], &codec.pixels, error)) ||
            (b->openslide != NULL && !mt_rival_run(b->openslide, b->p->threads, &openslide.seconds[i], &openslide.pixels, error)))
            return false;
    answer->reader = speed_of(&ours, rounds);
    answer->tiles_per_second = (double)b->n / answer->reader.seconds;
    if (b->codec != NULL) {
        answer->codec = speed_of(&codec, rounds);
        answer->of_codec = ratio_of(&ours, &codec, rounds);
        answer->stored_tiles = mt_rival_items(b->codec);
    }
    if (b->openslide != NULL) {
        answer->openslide = speed_of(&openslide, rounds);
        answer->of_openslide = ratio_of(&ours, &openslide, rounds);
    }
    return true;
}

bool mt_bench_tiles_run(const mt_bench_tiles_params *params, mt_bench_tiles *answer, GError **error)
{
    g_auto(bench) b = {.p = params, .options = {.backend = params->backend, .cache_bytes = params->cache_bytes}};
    g_autoptr(mt_case) c = mt_case_open(params->path, &b.options, error);

    *answer = (mt_bench_tiles){0};
    omp_set_num_threads(params->threads);
    if (c == NULL || !lay(&b, c, error))
        return false;
    answer->tiles = b.n;
    g_strlcpy(answer->backend, mt_case_backend(c), sizeof answer->backend);
    /* not every case has these: one without them is measured alone */
    b.codec = mt_rival_codec_new(params->path, b.rects, b.n, NULL);
    b.openslide = mt_case_get_kind(c) == MT_CASE_SLIDE ? mt_rival_openslide_new(params->path, b.rects, b.n, NULL) : NULL;
    return run_rounds(&b, CLAMP(params->rounds, 1, MAX_ROUNDS), answer, error);
}

#include "tiling/stain_sample.h"

#include "src/base/alloc.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#define MAX_THREADS 8 /* each holds a tile and what it was resampled from */

typedef struct sample {
    mt_case       *c;
    const mt_grid *grid;
    const mt_mask *mask;
    mt_filter      filter;
    int64_t        n_tiles, room; /* tiles read, and pixels taken of each */
    uint8_t       *rgb;           /* n_tiles x room pixels */
    int64_t       *taken;         /* n_tiles: pixels under the mask */
    int64_t        failed;        /* number of the first tile that ended it; n_tiles: none */
    GError        *error;
} sample;

bool mt_stain_check_case(const mt_case *c, GError **error)
{
    if (mt_case_channels(c) == 3 && mt_case_dtype(c) == MT_U8)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "normalise stains of %s: it needs 8-bit RGB, and the case has %d channel(s) of %s: run it without stain normalisation",
                mt_case_path(c), mt_case_channels(c), mt_dtype_name(mt_case_dtype(c)));
    return false;
}

int64_t mt_stain_sample_index(int64_t k, int64_t n, int64_t count)
{
    int64_t  first = k * count / n, end = (k + 1) * count / n;
    uint64_t mixed = ((uint64_t)k + 1) * UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
    return first + (int64_t)((mixed >> 32) % (uint64_t)(end - first));
}

/* Which mask pixel lies under each column (or row) of a tile; -1 outside the plane. */
static void find_mask_pixels(double start, double edge, int64_t n, int64_t level0, int64_t mask, int64_t *pixels)
{
    for (int64_t i = 0; i < n; i++) {
        double at = floor((start + ((double)i + 0.5) * edge / (double)n) * (double)mask / (double)level0);
        pixels[i] = at >= 0 && at < (double)mask ? (int64_t)at : -1;
    }
}

static void take_pixels(sample *s, int64_t number, mt_tile tile, const mt_tile_pixels *pixels, int64_t *columns, int64_t *rows)
{
    const mt_level *level0 = mt_case_level(s->c, 0);
    const uint8_t  *mask = mt_mask_pixels(s->mask), *rgb = pixels->data;
    uint8_t        *to = s->rgb + 3 * number * s->room;
    int64_t         mask_width, mask_height, taken = 0;
    double          width = (double)level0->width, height = (double)level0->height;

    if (!mt_grid_get_params(s->grid)->whole_plane)
        mt_grid_tile_level0(s->grid, &width, &height);
    mt_mask_size(s->mask, &mask_width, &mask_height);
    find_mask_pixels((double)tile.x, width, pixels->width, level0->width, mask_width, columns);
    find_mask_pixels((double)tile.y, height, pixels->height, level0->height, mask_height, rows);
    for (int64_t k = 0; k < s->room; k++) {
        int64_t i = mt_stain_sample_index(k, s->room, pixels->width * pixels->height);
        int64_t x = columns[i % pixels->width], y = rows[i / pixels->width];
        if (x >= 0 && y >= 0 && mask[y * mask_width + x] != 0)
            memcpy(to + 3 * taken++, rgb + 3 * i, 3);
    }
    s->taken[number] = taken;
}

/* The middle tile of each of n equal stretches of the grid.  What cannot be decoded is passed over, as a run does. */
static bool read_tile(sample *s, mt_tile_reader *reader, int64_t number, GError **error)
{
    g_autoptr(GError) cause = NULL;
    int64_t        index = (2 * number + 1) * mt_grid_count(s->grid) / (2 * s->n_tiles);
    mt_tile_pixels pixels;

    if (!mt_tile_reader_read(reader, index, &pixels, &cause)) {
        if (g_error_matches(cause, MT_ERROR, MT_ERROR_INPUT))
            return true;
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    int64_t *columns = mt_alloc(pixels.width + pixels.height, sizeof(int64_t), error);
    if (columns == NULL)
        return false;
    take_pixels(s, number, mt_grid_tile(s->grid, index), &pixels, columns, columns + pixels.width);
    mt_free(columns);
    return true;
}

/* The error kept is the first tile's, whatever the threads. */
static void keep_error(sample *s, int64_t number, GError *error)
{
#pragma omp critical(mt_stain_sample_error)
    if (number < s->failed) {
        s->failed = number;
        g_clear_error(&s->error);
        s->error = error;
    } else
        g_error_free(error);
}

static bool read_tiles(sample *s, GError **error)
{
    int threads = (int)CLAMP(MIN(s->n_tiles, MAX_THREADS), 1, omp_get_max_threads());

#pragma omp parallel num_threads(threads)
    {
        GError         *cause = NULL;
        mt_tile_reader *reader = mt_tile_reader_new(s->c, s->grid, s->filter, &cause);
        if (reader == NULL)
            keep_error(s, 0, cause);
#pragma omp for schedule(dynamic, 1)
        for (int64_t number = 0; number < s->n_tiles; number++) {
            GError *reason = NULL;
            if (reader != NULL && !read_tile(s, reader, number, &reason))
                keep_error(s, number, reason);
        }
        mt_tile_reader_free(reader);
    }
    if (s->error != NULL)
        g_propagate_error(error, s->error);
    return s->failed == s->n_tiles;
}

/* The samples of all tiles behind one another. */
static int64_t gather(sample *s)
{
    int64_t n = 0;

    for (int64_t number = 0; number < s->n_tiles; number++) {
        memmove(s->rgb + 3 * n, s->rgb + 3 * number * s->room, (size_t)(3 * s->taken[number]));
        n += s->taken[number];
    }
    return n;
}

static int64_t tile_pixels(const mt_case *c, const mt_grid *grid)
{
    const mt_grid_params *params = mt_grid_get_params(grid);
    const mt_level       *level0 = mt_case_level(c, 0);

    return params->whole_plane ? level0->width * level0->height : (int64_t)params->tile_px * params->tile_px;
}

/* A wrong colour would be worse than none: what cannot be fitted is refused, with the way out. */
static bool fit_sample(sample *s, mt_stain_method method, mt_stain_fit *fit, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (mt_stain_fit_pixels(method, s->rgb, gather(s), fit, &cause))
        return true;
    g_set_error(error, cause->domain, cause->code, "fit %s stains of %s: %s: check its mask, or run it without stain normalisation",
                mt_stain_methods[method], mt_case_path(s->c), cause->message);
    return false;
}

bool mt_stain_sample(mt_case *c, const mt_grid *grid, const mt_mask *mask, mt_filter filter, mt_stain_method method, mt_stain_fit *fit,
                     GError **error)
{
    sample s = {.c = c, .grid = grid, .mask = mask, .filter = filter, .n_tiles = MIN(mt_grid_count(grid), MT_STAIN_SAMPLE_TILES)};

    if (!mt_stain_check_case(c, error))
        return false;
    s.failed = s.n_tiles;
    s.room = s.n_tiles > 0 ? MIN(tile_pixels(c, grid), MT_STAIN_SAMPLE_PX / s.n_tiles) : 0;
    s.rgb = mt_alloc(3 * s.n_tiles, (size_t)s.room, error);
    s.taken = s.rgb != NULL ? mt_alloc(s.n_tiles, sizeof(int64_t), error) : NULL;
    bool ok = s.taken != NULL && read_tiles(&s, error);
    ok = ok && fit_sample(&s, method, fit, error);
    mt_free(s.taken);
    mt_free(s.rgb);
    return ok;
}

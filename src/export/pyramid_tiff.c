#include <microtome/pyramid.h>

#include "src/base/alloc.h"
#include "src/base/publish.h"
#include "src/export/jpeg_tile.h"
#include "src/export/pyramid_tiff.h"
#include "src/export/tiff_stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Written by hand and not with vips_tiffsave: libvips 8.14.1 ends in a segmentation fault when rendering or writing fails
 * in the middle of a pyramid, and keeps the smaller levels in temporary files. */

#define MAX_EDGE_PX 10000000
#define MAX_LEVELS 32
#define DEFAULT_TILE_PX 256
#define DEFAULT_QUALITY 80
#define DEFAULT_THREADS 2
/* From this quality on the colour of a single nucleus matters more than bytes. */
#define FULL_COLOUR_QUALITY 90

/* One level on its way: the rows of its current row of tiles. */
typedef struct strip {
    mt_tiff_level *level;
    int64_t        n_across, n_down; /* tiles */
    int64_t        tile_row;         /* of the strip */
    int64_t        rows;             /* filled so far */
    size_t         stride;
    uint8_t       *pixels; /* tile_px rows of whole tiles */
} strip;

typedef struct pyramid {
    const mt_pyramid_params *params;
    mt_pyramid_render        render;
    void                    *user;
    mt_jpeg_params           jpeg;
    mt_tiff_stream           stream;
    int                      n_levels;
    mt_tiff_level            levels[MAX_LEVELS];
    strip                    strips[MAX_LEVELS];
    int64_t                  px_bytes; /* 3, or 4 of a float */
    mt_jpeg_bytes           *tiles;    /* of the current row */
} pyramid;

/* Raw pixels of all levels: JPEG of whatever pixels stays below twice that, so no first pass is needed to know. */
bool mt_pyramid_needs_bigtiff(int64_t width, int64_t height)
{
    return (double)width * (double)height * 3.0 * 4.0 / 3.0 * 2.0 > 4294967295.0;
}

static bool check_int(const char *path, const char *name, int64_t value, int64_t low, int64_t high, GError **error)
{
    if (value >= low && value <= high)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "write %s: %s of %" G_GINT64_FORMAT " is outside %" G_GINT64_FORMAT "..%" G_GINT64_FORMAT,
                path, name, value, low, high);
    return false;
}

static bool check_params(const char *path, const mt_pyramid_params *params, GError **error)
{
    if (!check_int(path, "a width", params->width, 1, MAX_EDGE_PX, error) ||
        !check_int(path, "a height", params->height, 1, MAX_EDGE_PX, error) ||
        !check_int(path, "a JPEG quality", params->quality, 1, 100, error) ||
        !check_int(path, "a number of threads", params->threads, 1, 64, error) ||
        !check_int(path, "a tile", params->tile_px, 16, 4096, error))
        return false;
    if (params->tile_px % 16 != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "write %s: a tile of %d px is no multiple of 16, which TIFF asks for", path,
                    params->tile_px);
        return false;
    }
    if (!(params->mpp == 0 || (params->mpp >= 1e-3 && params->mpp <= 1e3))) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "write %s: %g µm per pixel is neither 0 (unknown) nor within 0.001..1000", path,
                    params->mpp);
        return false;
    }
    return true;
}

static void pyramid_clear(pyramid *p)
{
    for (int i = 0; i < p->n_levels; i++) {
        mt_free(p->levels[i].offsets);
        mt_free(p->levels[i].counts);
        mt_free(p->strips[i].pixels);
    }
    for (int64_t i = 0; p->tiles != NULL && i < p->strips[0].n_across; i++)
        free(p->tiles[i].data);
    mt_free(p->tiles);
}

static bool add_level(pyramid *p, int64_t width, int64_t height, GError **error)
{
    const int      tile = p->params->tile_px;
    mt_tiff_level *level = &p->levels[p->n_levels];
    strip         *s = &p->strips[p->n_levels];

    s->level = level;
    s->n_across = (width + tile - 1) / tile;
    s->n_down = (height + tile - 1) / tile;
    s->stride = (size_t)s->n_across * (size_t)tile * (size_t)p->px_bytes;
    *level = (mt_tiff_level){.width = width, .height = height, .tile_px = tile, .reduced = p->n_levels > 0};
    level->full_colour = p->jpeg.full_colour;
    level->floats = p->params->floats;
    level->px_per_cm = p->params->mpp > 0 ? 10000.0 / p->params->mpp * (double)width / (double)p->params->width : 0;
    level->n_tiles = s->n_across * s->n_down;
    p->n_levels++;
    return (level->offsets = mt_alloc(level->n_tiles, sizeof *level->offsets, error)) != NULL &&
           (level->counts = mt_alloc(level->n_tiles, sizeof *level->counts, error)) != NULL &&
           (s->pixels = mt_alloc(tile, s->stride, error)) != NULL;
}

static bool lay_out(pyramid *p, GError **error)
{
    int64_t width = p->params->width, height = p->params->height;

    if (!add_level(p, width, height, error))
        return false;
    while (width > p->params->tile_px || height > p->params->tile_px) {
        width = MAX(1, width / 2);
        height = MAX(1, height / 2);
        if (!add_level(p, width, height, error))
            return false;
    }
    return (p->tiles = mt_alloc(p->strips[0].n_across, sizeof *p->tiles, error)) != NULL;
}

/* Edge tiles are stored whole: their last column and row are repeated, which costs JPEG least. */
static void pad_strip(strip *s, int64_t px_bytes)
{
    const size_t px = (size_t)px_bytes, real = (size_t)s->level->width * px;

    for (int64_t y = 0; y < s->rows; y++) {
        uint8_t *row = s->pixels + (size_t)y * s->stride;
        for (size_t x = real; x < s->stride; x++)
            row[x] = row[x - px];
    }
    for (int64_t y = s->rows; y < s->level->tile_px; y++)
        memcpy(s->pixels + (size_t)y * s->stride, s->pixels + (size_t)(s->rows - 1) * s->stride, s->stride);
}

/* One tile of floats, deflated. */
static bool pack_tile(const pyramid *p, const strip *s, int64_t i, mt_jpeg_bytes *out, GError **error)
{
    const size_t row = (size_t)p->params->tile_px * sizeof(float), all = row * (size_t)p->params->tile_px;
    uLongf       bytes = compressBound(all);
    uint8_t     *tile = mt_alloc((int64_t)all, 1, error);
    bool         ok = tile != NULL && (out->data = malloc(bytes)) != NULL;

    for (int y = 0; ok && y < p->params->tile_px; y++)
        memcpy(tile + (size_t)y * row, s->pixels + (size_t)y * s->stride + (size_t)i * row, row);
    ok = ok && compress2(out->data, &bytes, tile, all, 1) == Z_OK;
    out->size = bytes;
    mt_free(tile);
    if (!ok && error != NULL && *error == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_MEMORY, "write %s: no memory for a tile", p->stream.path);
    return ok;
}

static bool code_tile(const pyramid *p, const strip *s, int64_t i, mt_jpeg_bytes *out, GError **error)
{
    if (p->params->floats)
        return pack_tile(p, s, i, out, error);
    return mt_jpeg_write_tile(&p->jpeg, s->pixels + (size_t)i * (size_t)p->params->tile_px * 3, s->stride, p->params->tile_px, out, error);
}

/* Code the strip's tiles on all threads, then append them in order: the file does not depend on the threads. */
static bool code_strip(pyramid *p, strip *s, GError **error)
{
    const int threads = p->params->threads;
    bool      ok = true;
    GError   *first = NULL;

    pad_strip(s, p->px_bytes);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t i = 0; i < s->n_across; i++) {
        GError *failed = NULL;
        if (!code_tile(p, s, i, &p->tiles[i], &failed)) {
#pragma omp critical(mt_pyramid_error)
            first == NULL ? (void)(first = failed) : g_error_free(failed);
        }
    }
    if (first != NULL) {
        g_propagate_error(error, first);
        return false;
    }
    for (int64_t i = 0; i < s->n_across && ok; i++) {
        const int64_t slot = s->tile_row * s->n_across + i;
        s->level->counts[slot] = p->tiles[i].size;
        ok = mt_tiff_stream_append(&p->stream, p->tiles[i].data, p->tiles[i].size, &s->level->offsets[slot], error);
        free(p->tiles[i].data);
        p->tiles[i] = (mt_jpeg_bytes){0};
    }
    return ok;
}

static float mean_number(const float *a, const float *b, int64_t right)
{
    const float of[4] = {a[0], a[right], b[0], b[right]};
    double      sum = 0;
    int         n = 0;

    for (int i = 0; i < 4; i++)
        if (!isnan(of[i])) {
            sum += (double)of[i];
            n++;
        }
    return n > 0 ? (float)(sum / n) : NAN;
}

static void halve_row(const uint8_t *a, const uint8_t *b, int64_t right, int64_t width, uint8_t *out)
{
    for (int64_t x = 0; x < width; x++)
        for (int64_t c = 0; c < 3; c++) {
            const int64_t at = 6 * x + c;
            out[3 * x + c] = (uint8_t)((a[at] + a[at + right] + b[at] + b[at + right] + 2) >> 2);
        }
}

static void halve_float_row(const float *a, const float *b, int64_t right, int64_t width, float *out)
{
    for (int64_t x = 0; x < width; x++)
        out[x] = mean_number(a + 2 * x, b + 2 * x, right);
}

/* Means of 2 x 2 pixels of `from` become rows of the next level; an odd last row or column has no part in it. */
static int64_t halve_strip(const strip *from, strip *to)
{
    const int64_t rows = MIN(MAX(1, from->rows / 2), to->level->height - (to->tile_row * to->level->tile_px + to->rows));
    const int64_t down = from->rows > 1 ? 1 : 0, right = from->level->width > 1 ? 1 : 0;

    for (int64_t y = 0; y < rows; y++) {
        const uint8_t *a = from->pixels + (size_t)(2 * y) * from->stride, *b = a + (size_t)down * from->stride;
        uint8_t       *out = to->pixels + (size_t)(to->rows + y) * to->stride;
        if (to->level->floats)
            halve_float_row((const float *)(const void *)a, (const float *)(const void *)b, right, to->level->width, (float *)(void *)out);
        else
            halve_row(a, b, 3 * right, to->level->width, out);
    }
    return rows;
}

/* Level `i`'s strip is complete: hand it to the next level, which may complete that one's, then code it. */
static bool finish_strip(pyramid *p, int i, GError **error)
{
    for (;; i++) {
        strip *s = &p->strips[i];
        bool   filled = false;

        if (i + 1 < p->n_levels) {
            strip *next = &p->strips[i + 1];
            next->rows += MAX(0, halve_strip(s, next));
            filled = next->rows > 0 &&
                     (next->rows == next->level->tile_px || next->tile_row * next->level->tile_px + next->rows == next->level->height);
        }
        if (!code_strip(p, s, error))
            return false;
        s->tile_row++;
        s->rows = 0;
        if (!filled)
            return true;
    }
}

/* One row of tiles of level 0, tile by tile on all threads. */
static bool render_strip(pyramid *p, GError **error)
{
    strip        *s = &p->strips[0];
    const int     tile = p->params->tile_px, threads = p->params->threads;
    const int64_t y = s->tile_row * tile, height = MIN(tile, s->level->height - y), px = p->px_bytes;
    GError       *first = NULL;

    s->rows = height;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t i = 0; i < s->n_across; i++) {
        const int64_t x = i * tile, width = MIN(tile, s->level->width - x);
        GError       *failed = NULL;
        uint8_t      *rgb = mt_alloc(width * height, (size_t)px, &failed);

        if (rgb != NULL && !p->render(p->user, x, y, width, height, rgb, &failed) && failed == NULL)
            g_set_error(&failed, MT_ERROR, MT_ERROR_INTERNAL, "rendering failed without saying why");
        for (int64_t row = 0; row < height && failed == NULL; row++)
            memcpy(s->pixels + (size_t)row * s->stride + (size_t)(x * px), rgb + row * width * px, (size_t)(width * px));
        mt_free(rgb);
        if (failed != NULL) {
#pragma omp critical(mt_pyramid_error)
            first == NULL ? (void)(first = failed) : g_error_free(failed);
        }
    }
    if (first != NULL)
        g_propagate_prefixed_error(error, first, "write %s: ", p->stream.path);
    return first == NULL;
}

static bool write_levels(pyramid *p, GError **error)
{
    mt_jpeg_bytes  tables = {0};
    mt_tiff_layout layout = {.subifds = p->params->subifds, .description = p->params->description};

    if (!lay_out(p, error) || !mt_tiff_stream_begin(&p->stream, error))
        return false;
    while (p->strips[0].tile_row < p->strips[0].n_down)
        if (!render_strip(p, error) || !finish_strip(p, 0, error))
            return false;
    if (!p->params->floats && !mt_jpeg_write_tables(&p->jpeg, &tables, error))
        return false;
    layout.tables = tables.data;
    layout.table_bytes = tables.size;
    bool ok = mt_tiff_stream_end(&p->stream, p->levels, p->n_levels, &layout, error);
    free(tables.data);
    return ok;
}

static bool write_and_publish(const char *path, pyramid *p, GError **error)
{
    g_autofree char *temporary = mt_publish_begin(path, &p->stream.fd, error);

    if (temporary == NULL)
        return false;
    if (!write_levels(p, error)) {
        mt_publish_abandon(temporary, p->stream.fd);
        return false;
    }
    return mt_publish_commit(temporary, p->stream.fd, path, p->params->replace, error);
}

bool mt_pyramid_write(const char *path, const mt_pyramid_params *params, mt_pyramid_render render, void *user, GError **error)
{
    mt_pyramid_params chosen = *params;
    pyramid           p = {.params = &chosen, .render = render, .user = user, .stream = {.path = path, .fd = -1}};

    chosen.tile_px = chosen.tile_px == 0 ? DEFAULT_TILE_PX : chosen.tile_px;
    chosen.quality = chosen.quality == 0 ? DEFAULT_QUALITY : chosen.quality;
    chosen.threads = chosen.threads == 0 ? DEFAULT_THREADS : chosen.threads;
    if (!check_params(path, &chosen, error))
        return false;
    if (!chosen.replace && g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "write %s: it exists already, and is not to be replaced", path);
        return false;
    }
    p.jpeg = (mt_jpeg_params){.quality = chosen.quality, .full_colour = chosen.quality >= FULL_COLOUR_QUALITY};
    p.px_bytes = chosen.floats ? (int64_t)sizeof(float) : 3;
    p.stream.big = mt_pyramid_needs_bigtiff(chosen.width, chosen.height);
    bool ok = write_and_publish(path, &p, error);
    pyramid_clear(&p);
    return ok;
}

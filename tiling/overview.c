#include "tiling/overview.h"

#include "src/base/alloc.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#define MAX_THREADS 8 /* each holds a block */
#define CELL_PX 256   /* what cannot be decoded is found to this, at multiples of it: the usual edge of a stored tile */
#define BLOCK_PX 1024 /* edge of a block in pixels of the level: 3 MiB of RGB; where edges fall within stored tiles, those are read twice */

mt_overview mt_overview_near(const mt_case *c, double downsample)
{
    mt_overview best = {0};
    double      best_distance = INFINITY;
    double      best_downsample = 1;

    for (int l = 0; l < mt_case_levels(c); l++) {
        const mt_level *level = mt_case_level(c, l);
        double          d = sqrt(level->downsample_x * level->downsample_y);
        double          distance = fabs(log2(d / downsample));
        if (distance < best_distance) {
            best = (mt_overview){l, level->width, level->height};
            best_distance = distance;
            best_downsample = d;
        }
    }
    double factor = floor(downsample / best_downsample + 0.5);
    if (factor >= 2) {
        best.width = MAX(1, (int64_t)floor((double)best.width / factor + 0.5));
        best.height = MAX(1, (int64_t)floor((double)best.height / factor + 0.5));
    }
    return best;
}

mt_overview mt_overview_within(const mt_case *c, int level, int64_t max_px)
{
    const mt_level *l = mt_case_level(c, level);
    mt_overview     o = {level, l->width, l->height};
    double          factor = (double)MAX(o.width, o.height) / (double)max_px;

    if (factor > 1) {
        o.width = MAX(1, (int64_t)floor((double)o.width / factor + 0.5));
        o.height = MAX(1, (int64_t)floor((double)o.height / factor + 0.5));
    }
    return o;
}

/* Output pixel i of n covers the inputs [i * size / n, (i + 1) * size / n): integers in units of 1 / n of an input
 * (sizes are below 2^31, so products fit). */
typedef struct axis {
    int64_t size, n;
} axis;

static int64_t axis_first(axis a, int64_t i)
{
    return i * a.size / a.n;
}

static int64_t axis_end(axis a, int64_t i)
{
    return ((i + 1) * a.size + a.n - 1) / a.n;
}

/* What input j weighs in output i; the weights of one output sum to a.size. */
static int64_t axis_weight(axis a, int64_t i, int64_t j)
{
    int64_t lo = MAX(i * a.size, j * a.n);
    int64_t hi = MIN((i + 1) * a.size, (j + 1) * a.n);

    return hi - lo;
}

typedef struct block {
    const mt_overview *overview;
    axis               x, y;
    int64_t            i0, i1, j0, j1;                  /* outputs */
    int64_t            first_x, first_y, width, height; /* inputs */
    int                channels;
    bool               is_u8;
    mt_dtype           dtype;
    void              *pixels;
    double            *sums; /* one output row */
    void              *out;
    int64_t            cells_read;
    GArray            *unread; /* cell; NULL: all was read */
    GError            *cause;  /* why the block could not be read whole */
} block;

/* Inputs of a block that could not be decoded. */
typedef struct cell {
    int64_t x, y, width, height;
} cell;

static float sample(const block *b, int64_t k)
{
    switch (b->dtype) {
    case MT_U8:
        return ((const uint8_t *)b->pixels)[k];
    case MT_U16:
        return ((const uint16_t *)b->pixels)[k];
    case MT_I16:
        return ((const int16_t *)b->pixels)[k];
    default:
        return ((const float *)b->pixels)[k];
    }
}

/* Sums are integers below 2^53 for 8 and 16 bits, so double holds them exactly. */
static void add_row(const block *b, int64_t j, double row_weight)
{
    int64_t base = (j - b->first_y) * b->width * b->channels;

    for (int64_t i = b->i0; i < b->i1; i++) {
        int64_t first = axis_first(b->x, i), end = axis_end(b->x, i);
        double *sum = b->sums + (i - b->i0) * b->channels;
        for (int64_t k = first; k < end; k++) {
            double  weight = row_weight * (double)axis_weight(b->x, i, k);
            int64_t at = base + (k - b->first_x) * b->channels;
            for (int c = 0; c < b->channels; c++)
                sum[c] += weight * (double)sample(b, at + c);
        }
    }
}

/* The common case without 128-bit arithmetic per pixel: 8-bit samples, interior pixels all of weight n. */
static void add_row_u8(const block *b, int64_t j, double row_weight)
{
    const uint8_t *row = (const uint8_t *)b->pixels + (j - b->first_y) * b->width * b->channels;
    int            channels = b->channels;

    for (int64_t i = b->i0; i < b->i1; i++) {
        int64_t        first = axis_first(b->x, i), last = axis_end(b->x, i) - 1;
        const uint8_t *p = row + (first - b->first_x) * channels;
        int64_t        w_first = axis_weight(b->x, i, first), w_last = axis_weight(b->x, i, last);
        for (int c = 0; c < channels; c++) {
            uint64_t inner = 0, ends = (uint64_t)w_first * p[c];
            for (int64_t k = 1; k < last - first; k++)
                inner += p[k * channels + c];
            if (last > first)
                ends += (uint64_t)w_last * p[(last - first) * channels + c];
            b->sums[(i - b->i0) * channels + c] += row_weight * (double)(inner * (uint64_t)b->x.n + ends);
        }
    }
}

static void finish_row(const block *b, double total)
{
    int64_t n = (b->i1 - b->i0) * b->channels;

    for (int64_t k = 0; k < n; k++) {
        if (b->is_u8)
            ((uint8_t *)b->out)[k] = (uint8_t)floor(b->sums[k] / total + 0.5);
        else
            ((float *)b->out)[k] = (float)(b->sums[k] / total);
        b->sums[k] = 0;
    }
}

static void average_block(const block *b, mt_overview_row row, void *user)
{
    double total = (double)b->x.size * (double)b->y.size;

    for (int64_t j = b->j0; j < b->j1; j++) {
        for (int64_t k = axis_first(b->y, j); k < axis_end(b->y, j); k++) {
            if (b->is_u8)
                add_row_u8(b, k, (double)axis_weight(b->y, j, k));
            else
                add_row(b, k, (double)axis_weight(b->y, j, k));
        }
        finish_row(b, total);
        row(user, b->i0, j, b->i1 - b->i0, b->out);
    }
}

static void copy_block(const block *b, mt_overview_row row, void *user)
{
    int64_t n = b->width * b->channels;

    for (int64_t j = 0; j < b->height; j++) {
        if (b->is_u8) {
            row(user, b->i0, b->j0 + j, b->width, (const uint8_t *)b->pixels + j * n);
            continue;
        }
        for (int64_t k = 0; k < n; k++)
            ((float *)b->out)[k] = sample(b, j * n + k);
        row(user, b->i0, b->j0 + j, b->width, b->out);
    }
}

static void fill_cell(const block *b, const cell *at)
{
    size_t pixel = (size_t)b->channels * mt_dtype_size(b->dtype);

    for (int64_t y = at->y; y < at->y + at->height; y++)
        memset((uint8_t *)b->pixels + (size_t)((y - b->first_y) * b->width + at->x - b->first_x) * pixel, b->is_u8 ? 128 : 0,
               (size_t)at->width * pixel);
}

static bool read_cell(mt_case *c, int64_t plane, const block *b, const cell *at, void *pixels, GError **error)
{
    size_t pixel = (size_t)b->channels * mt_dtype_size(b->dtype), row_bytes = (size_t)at->width * pixel;

    if (!mt_case_read(c, plane, b->overview->level, at->x, at->y, at->width, at->height, pixels, error))
        return false;
    for (int64_t y = 0; y < at->height; y++)
        memcpy((uint8_t *)b->pixels + (size_t)((at->y + y - b->first_y) * b->width + at->x - b->first_x) * pixel,
               (uint8_t *)pixels + (size_t)y * row_bytes, row_bytes);
    return true;
}

/* Something in the block cannot be decoded: read it again in cells, and fill those that fail.  False for any other error. */
static bool read_cells(mt_case *c, int64_t plane, block *b, GError **error)
{
    void *pixels = mt_alloc((int64_t)CELL_PX * CELL_PX * b->channels, mt_dtype_size(b->dtype), error);
    bool  ok = pixels != NULL;

    b->unread = g_array_new(FALSE, FALSE, sizeof(cell));
    for (int64_t y = b->first_y / CELL_PX * CELL_PX; ok && y < b->first_y + b->height; y += CELL_PX) {
        for (int64_t x = b->first_x / CELL_PX * CELL_PX; ok && x < b->first_x + b->width; x += CELL_PX) {
            g_autoptr(GError) cause = NULL;
            cell at = {MAX(x, b->first_x), MAX(y, b->first_y), 0, 0};
            at.width = MIN(x + CELL_PX, b->first_x + b->width) - at.x;
            at.height = MIN(y + CELL_PX, b->first_y + b->height) - at.y;
            if (read_cell(c, plane, b, &at, pixels, &cause)) {
                b->cells_read++;
                continue;
            }
            ok = g_error_matches(cause, MT_ERROR, MT_ERROR_INPUT);
            if (!ok)
                g_propagate_error(error, g_steal_pointer(&cause));
            fill_cell(b, &at);
            g_array_append_val(b->unread, at);
        }
    }
    mt_free(pixels);
    return ok;
}

/* The outputs that an unread cell has a part in. */
static void keep_unread(const block *b, GArray *kept)
{
    for (guint k = 0; k < b->unread->len; k++) {
        const cell *at = &g_array_index(b->unread, cell, k);
        int64_t     i0 = MAX(b->i0, at->x * b->x.n / b->x.size), j0 = MAX(b->j0, at->y * b->y.n / b->y.size);
        int64_t     i1 = MIN(b->i1, ((at->x + at->width) * b->x.n + b->x.size - 1) / b->x.size);
        int64_t     j1 = MIN(b->j1, ((at->y + at->height) * b->y.n + b->y.size - 1) / b->y.size);
        if (i1 > i0 && j1 > j0)
            g_array_append_vals(kept, &(cell){i0, j0, i1 - i0, j1 - j0}, 1);
    }
}

static bool read_pixels(mt_case *c, int64_t plane, block *b, bool tolerant, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (mt_case_read_once(c, plane, b->overview->level, b->first_x, b->first_y, b->width, b->height, b->pixels, &cause)) {
        b->cells_read = 1;
        return true;
    }
    if (tolerant && g_error_matches(cause, MT_ERROR, MT_ERROR_INPUT)) {
        b->cause = g_steal_pointer(&cause);
        return read_cells(c, plane, b, error);
    }
    g_propagate_error(error, g_steal_pointer(&cause));
    return false;
}

static bool read_block(mt_case *c, int64_t plane, block *b, mt_overview_row row, bool tolerant, void *user, GError **error)
{
    bool whole = b->x.n == b->x.size && b->y.n == b->y.size;

    b->pixels = mt_alloc(b->width * b->height * b->channels, mt_dtype_size(b->dtype), error);
    if (b->pixels == NULL)
        return false;
    bool ok = read_pixels(c, plane, b, tolerant, error);
    if (ok && whole)
        copy_block(b, row, user);
    else if (ok)
        average_block(b, row, user);
    mt_free(b->pixels);
    return ok;
}

/* The blocks of a plane, in order; the error kept is the first block's, whatever the threads. */
typedef struct blocks {
    mt_case           *c;
    int64_t            plane;
    const mt_overview *overview;
    int64_t            step_x, step_y, across, n;
    int64_t            told; /* blocks before it were said to be read soon */
    mt_overview_row    row;
    mt_overview_unread unread;
    GArray            *kept; /* cell: of the overview */
    void              *user;
    int64_t            cells_read; /* 0 at the end: nothing of the plane could be decoded */
    int64_t            failed;     /* n: none; from there on nothing is read */
    GError            *error, *first_cause;
} blocks;

static block block_of(const blocks *all, int64_t number)
{
    const mt_level *level = mt_case_level(all->c, all->overview->level);
    block           b = {.overview = all->overview,
                         .x = {level->width, all->overview->width},
                         .y = {level->height, all->overview->height},
                         .channels = mt_case_channels(all->c),
                         .dtype = mt_case_dtype(all->c)};

    b.is_u8 = b.dtype == MT_U8;
    b.i0 = number % all->across * all->step_x;
    b.j0 = number / all->across * all->step_y;
    b.i1 = MIN(b.i0 + all->step_x, all->overview->width);
    b.j1 = MIN(b.j0 + all->step_y, all->overview->height);
    b.first_x = axis_first(b.x, b.i0);
    b.first_y = axis_first(b.y, b.j0);
    b.width = axis_end(b.x, b.i1 - 1) - b.first_x;
    b.height = axis_end(b.y, b.j1 - 1) - b.first_y;
    return b;
}

/* Slow storage is asked for the blocks to come. */
static void look_ahead(blocks *all)
{
#pragma omp critical(mt_overview_ahead)
    for (; all->told < all->n; all->told++) {
        block b = block_of(all, all->told);

        if (!mt_case_read_ahead(all->c, all->plane, all->overview->level, b.first_x, b.first_y, b.width, b.height))
            break;
    }
}

static bool read_numbered(blocks *all, int64_t number, GError **error)
{
    block b = block_of(all, number);

    b.sums = mt_alloc((b.i1 - b.i0) * b.channels, sizeof(double), error);
    b.out = b.sums ? mt_alloc((b.i1 - b.i0) * b.channels, sizeof(float), error) : NULL;
    bool ok = b.out && read_block(all->c, all->plane, &b, all->row, all->unread != NULL, all->user, error);
    __atomic_fetch_add(&all->cells_read, b.cells_read, __ATOMIC_RELAXED);
    if (number == 0)
        all->first_cause = g_steal_pointer(&b.cause);
    g_clear_error(&b.cause);
    if (ok && b.unread != NULL) {
#pragma omp critical(mt_overview_unread)
        keep_unread(&b, all->kept);
    }
    g_clear_pointer(&b.unread, g_array_unref);
    mt_free(b.out);
    mt_free(b.sums);
    return ok;
}

static void visit_block(blocks *all, int64_t number)
{
    g_autoptr(GError) error = NULL;

    look_ahead(all);
    if (__atomic_load_n(&all->failed, __ATOMIC_RELAXED) < number || read_numbered(all, number, &error))
        return;
#pragma omp critical(mt_overview_error)
    if (number < all->failed) {
        __atomic_store_n(&all->failed, number, __ATOMIC_RELAXED);
        g_clear_error(&all->error);
        all->error = g_steal_pointer(&error);
    }
}

bool mt_overview_read(mt_case *c, int64_t plane, const mt_overview *overview, mt_overview_row row, mt_overview_unread unread, void *user,
                      GError **error)
{
    const mt_level *level = mt_case_level(c, overview->level);
    blocks          all = {.c = c, .plane = plane, .overview = overview, .row = row, .unread = unread, .user = user};
    g_autoptr(GArray) kept = all.kept = g_array_new(FALSE, FALSE, sizeof(cell));

    all.step_x = MAX(1, BLOCK_PX * overview->width / level->width);
    all.step_y = MAX(1, BLOCK_PX * overview->height / level->height);
    all.across = (overview->width + all.step_x - 1) / all.step_x;
    all.n = all.failed = all.across * ((overview->height + all.step_y - 1) / all.step_y);
    int threads = (int)CLAMP(MIN(all.n, MAX_THREADS), 1, omp_get_max_threads());
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t number = 0; number < all.n; number++)
        visit_block(&all, number);
    if (all.failed == all.n && all.cells_read == 0) {
        all.error = g_steal_pointer(&all.first_cause); /* nothing could be decoded: the first block says why */
        mt_overview finer = {overview->level - 1, overview->width, overview->height};
        if (finer.level >= 0 && mt_overview_read(c, plane, &finer, row, unread, user, NULL))
            g_clear_error(&all.error); /* no pixel of the level is left, but finer ones say the same */
    }
    for (guint k = 0; all.cells_read > 0 && all.failed == all.n && k < kept->len; k++) {
        const cell *at = &g_array_index(kept, cell, k);
        unread(user, at->x, at->y, at->width, at->height);
    }
    g_clear_error(&all.first_cause);
    if (all.error != NULL)
        g_propagate_error(error, all.error);
    return all.error == NULL;
}

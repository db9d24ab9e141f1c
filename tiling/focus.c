/* Out of focus: what small patches hold of the finest detail, against what they hold of detail twice as large.
 *
 * The variance of the Laplacian (Pech-Pacheco et al. 2000) measures detail at the scale of a pixel, but with it the contrast and
 * the kind of tissue.  Its ratio to the same figure of the patch at half the size does not depend on contrast, and little on the
 * tissue: in focus it is 0.3 to 2 near 1 µm per pixel and above 0.17 near 0.25, while a blur of 1.5 px leaves 0.11 at most, and a
 * smooth picture 1/16 (the Laplacian of what is smooth grows by four when sizes halve).  So one limit serves all slides, also one
 * that is blurred everywhere.  Where the half-size patch is flat as well, the next pair of scales tells.
 *
 * Fine detail needs a fine level, and reading all of one costs as much as reading the slide; so patches of 64 px are read on a
 * lattice, near 1 µm per pixel (1/4 of level 0 where the spacing is unknown), where there is tissue, at most 2,048 of them. */
#include "tiling/artefact.h"

#include "src/base/alloc.h"

#include <math.h>
#include <omp.h>

#define PATCH_PX 64
#define PATCH_UM 1.0 /* per pixel */
#define PATCH_DOWNSAMPLE 4.0
#define MAX_PATCHES 2048
#define MIN_TISSUE 0.5 /* of a cell */
#define BLURRED_BELOW 0.14
#define FLAT_BELOW 20.0   /* variance of a Laplacian: nothing to be sharp */
#define ROUNDING_FINE 2.0 /* what rounding to whole grey levels adds to it: 20 / 12, and a quarter of that after averaging four */
#define ROUNDING_COARSE 0.5

typedef struct cell {
    int64_t x, y; /* in the lattice */
    bool    blurred;
} cell;

typedef struct lattice {
    const mt_scene *scene;
    int             level;
    int64_t         level_width, level_height;
    int64_t         edge; /* of a cell, pixels of the level */
    int64_t         across, down;
    int64_t         n;
    cell           *cells; /* those on tissue */
} lattice;

static int choose_level(const mt_case *c)
{
    double mpp_x, mpp_y, best = INFINITY;
    double wanted = mt_case_mpp(c, &mpp_x, &mpp_y) ? PATCH_UM / sqrt(mpp_x * mpp_y) : PATCH_DOWNSAMPLE;
    int    chosen = 0;

    for (int l = 0; l < mt_case_levels(c); l++) {
        const mt_level *level = mt_case_level(c, l);
        double          distance = fabs(log2(sqrt(level->downsample_x * level->downsample_y) / wanted));
        if (distance < best) {
            best = distance;
            chosen = l;
        }
    }
    return chosen;
}

/* The pixels [first, end) of the scene under cell k of a side. */
static void span(const lattice *l, int64_t k, int64_t level_side, int64_t scene_side, int64_t *first, int64_t *end)
{
    *first = MIN(k * l->edge * scene_side / level_side, scene_side - 1);
    *end = MAX(*first + 1, MIN((k + 1) * l->edge, level_side) * scene_side / level_side);
}

static bool is_tissue(const lattice *l, int64_t x, int64_t y)
{
    const mt_scene *s = l->scene;
    int64_t         x0, x1, y0, y1, tissue = 0;

    span(l, x, l->level_width, s->width, &x0, &x1);
    span(l, y, l->level_height, s->height, &y0, &y1);
    for (int64_t j = y0; j < y1; j++)
        for (int64_t i = x0; i < x1; i++)
            tissue += s->tissue[j * s->width + i] != 0;
    return (double)tissue >= MIN_TISSUE * (double)((x1 - x0) * (y1 - y0));
}

static int64_t visit_cells(lattice *l)
{
    int64_t n = 0;

    for (int64_t y = 0; y < l->down; y++)
        for (int64_t x = 0; x < l->across; x++)
            if (is_tissue(l, x, y)) {
                if (l->cells)
                    l->cells[n] = (cell){.x = x, .y = y};
                n++;
            }
    return n;
}

/* Cells of one patch, or as much larger as keeps their number in bounds. */
static bool lay_lattice(lattice *l, GError **error)
{
    for (int64_t times = 1;; times++) {
        l->edge = PATCH_PX * times;
        l->across = (l->level_width + l->edge - 1) / l->edge;
        l->down = (l->level_height + l->edge - 1) / l->edge;
        if (l->across * l->down <= (int64_t)16 * MAX_PATCHES && (l->n = visit_cells(l)) <= MAX_PATCHES)
            break;
    }
    l->cells = mt_alloc(l->n, sizeof(cell), error);
    return l->cells != NULL && visit_cells(l) == l->n;
}

/* Averages of 2 x 2. */
static void halve(const float *from, int n, float *to)
{
    for (int y = 0; y < n / 2; y++)
        for (int x = 0; x < n / 2; x++) {
            const float *p = from + 2 * y * n + 2 * x;
            to[y * (n / 2) + x] = (p[0] + p[1] + p[n] + p[n + 1]) / 4;
        }
}

static double detail_of(const float *v, int n)
{
    double sum = 0, squares = 0, count = (double)(n - 2) * (n - 2);

    for (int y = 1; y < n - 1; y++)
        for (int x = 1; x < n - 1; x++) {
            const float *p = v + y * n + x;
            double       laplacian = (double)p[-1] + p[1] + p[-n] + p[n] - 4 * p[0];
            sum += laplacian;
            squares += laplacian * laplacian;
        }
    return (squares - sum * sum / count) / count;
}

/* Green holds the contrast of both stains. */
static bool is_blurred(const uint8_t *rgb)
{
    float full[PATCH_PX * PATCH_PX], half[PATCH_PX * PATCH_PX / 4], quarter[PATCH_PX * PATCH_PX / 16];

    for (int i = 0; i < PATCH_PX * PATCH_PX; i++)
        full[i] = rgb[3 * i + 1];
    halve(full, PATCH_PX, half);
    halve(half, PATCH_PX / 2, quarter);
    double fine = detail_of(full, PATCH_PX), middle = detail_of(half, PATCH_PX / 2), coarse = detail_of(quarter, PATCH_PX / 4);
    if (middle >= FLAT_BELOW)
        return fine - ROUNDING_FINE < BLURRED_BELOW * middle;
    return coarse >= FLAT_BELOW && middle - ROUNDING_COARSE < BLURRED_BELOW * coarse;
}

static bool measure_cell(const lattice *l, cell *at, uint8_t *rgb, GError **error)
{
    int64_t x = CLAMP(at->x * l->edge + (l->edge - PATCH_PX) / 2, 0, l->level_width - PATCH_PX);
    int64_t y = CLAMP(at->y * l->edge + (l->edge - PATCH_PX) / 2, 0, l->level_height - PATCH_PX);

    g_autoptr(GError) cause = NULL;
    if (!mt_case_read(l->scene->c, 0, l->level, x, y, PATCH_PX, PATCH_PX, rgb, &cause)) {
        if (g_error_matches(cause, MT_ERROR, MT_ERROR_INPUT)) /* not blurred: its tiles are tried and counted */
            return true;
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    at->blurred = is_blurred(rgb);
    return true;
}

/* The error kept is the first cell's, whatever the threads. */
static bool measure_cells(lattice *l, GError **error)
{
    int      threads = (int)CLAMP(l->n, 1, omp_get_max_threads());
    uint8_t *patches = mt_alloc((int64_t)threads * PATCH_PX * PATCH_PX, 3, error);
    int64_t  failed = l->n;
    GError  *first = NULL;

    if (patches == NULL)
        return false;
#pragma omp parallel for schedule(dynamic, 16) num_threads(threads)
    for (int64_t k = 0; k < l->n; k++) {
        g_autoptr(GError) problem = NULL;
        if (measure_cell(l, &l->cells[k], patches + (int64_t)omp_get_thread_num() * PATCH_PX * PATCH_PX * 3, &problem))
            continue;
#pragma omp critical(mt_focus_error)
        if (k < failed) {
            failed = k;
            g_clear_error(&first);
            first = g_steal_pointer(&problem);
        }
    }
    mt_free(patches);
    if (failed < l->n)
        g_propagate_error(error, first);
    return failed == l->n;
}

static void mark_cell(const lattice *l, const cell *at, uint8_t *found)
{
    const mt_scene *s = l->scene;
    int64_t         x0, x1, y0, y1;

    span(l, at->x, l->level_width, s->width, &x0, &x1);
    span(l, at->y, l->level_height, s->height, &y0, &y1);
    for (int64_t j = y0; j < y1; j++)
        for (int64_t i = x0; i < x1; i++)
            found[j * s->width + i] = s->tissue[j * s->width + i];
}

bool mt_blur_find(const mt_scene *scene, uint8_t *found, GError **error)
{
    lattice         l = {.scene = scene, .level = choose_level(scene->c)};
    const mt_level *level = mt_case_level(scene->c, l.level);

    l.level_width = level->width;
    l.level_height = level->height;
    if (MIN(l.level_width, l.level_height) < PATCH_PX)
        return true;
    bool ok = lay_lattice(&l, error) && measure_cells(&l, error);
    for (int64_t k = 0; ok && k < l.n; k++)
        if (l.cells[k].blurred)
            mark_cell(&l, &l.cells[k], found);
    mt_free(l.cells);
    return ok;
}

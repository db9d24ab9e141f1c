/* CLAM's tissue segmentation, step by step: level, saturation, median, threshold, closing, contours, filters by area.
 * Where CLAM gives up (a level of more than 1e8 pixels, slides without a pyramid), the wanted level is averaged from a finer one. */
#include "src/base/alloc.h"
#include "tiling/contour.h"
#include "tiling/mask_private.h"
#include "tiling/median.h"
#include "tiling/saturation.h"

#include <stdlib.h>
#include <string.h>

#define CLAM_MAX_LEVEL_PX INT64_C(100000000)
#define REFERENCE_PATCH 512 /* areas in the presets count patches of 512 x 512 level-0 pixels */

typedef struct preset {
    const char *name;
    double      downsample;
    int         threshold, median, close;
    int64_t     min_tissue, min_hole; /* in reference patches */
    int         max_holes;
} preset;

static const preset PRESETS[] = {
    {"default", 64, 8, 7, 4, 100, 16, 8},     {"heatmap", 32, 15, 11, 2, 50, 8, 10}, {"biopsy", 64, 15, 11, 2, 1, 1, 2},
    {"resection", 64, 15, 11, 4, 100, 16, 8}, {"tcga", 64, 8, 7, 4, 16, 4, 8},
};

static const preset *find_preset(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(PRESETS); i++)
        if (strcmp(PRESETS[i].name, name) == 0)
            return &PRESETS[i];
    return NULL;
}

bool mt_clam_has_preset(const char *name)
{
    return find_preset(name) != NULL;
}

/* OpenSlide's best level: the last before the first whose mean downsample is above the wanted one. */
static int best_level(const mt_case *c, double downsample)
{
    for (int l = 1; l < mt_case_levels(c); l++) {
        const mt_level *level = mt_case_level(c, l);
        if (downsample < (level->downsample_x + level->downsample_y) / 2)
            return l - 1;
    }
    return mt_case_levels(c) - 1;
}

static mt_overview choose_overview(const mt_case *c, double downsample)
{
    int             l = best_level(c, downsample);
    const mt_level *level = mt_case_level(c, l);

    if (level->width * level->height > CLAM_MAX_LEVEL_PX)
        return mt_overview_near(c, downsample);
    return (mt_overview){l, level->width, level->height};
}

/* `value` spreads along a row to every window -size/2 .. size - 1 - size/2 that holds it; outside never matters. */
static void spread_row(const uint8_t *src, int64_t n, int size, uint8_t value, uint8_t *dst)
{
    int64_t reach_back = size - 1 - size / 2, reach_on = size / 2;

    memcpy(dst, src, (size_t)n);
    for (int64_t i = 0, painted = 0; i < n; i++) {
        if (src[i] != value)
            continue;
        int64_t end = MIN(n, i + reach_on + 1);
        painted = MAX(painted, i - reach_back);
        if (painted < end)
            memset(dst + painted, value, (size_t)(end - painted));
        painted = end;
    }
}

static void spread_column(const uint8_t *src, int64_t width, int64_t height, int64_t y, int size, uint8_t value, uint8_t *dst)
{
    for (int64_t k = MAX(0, y - size / 2); k <= MIN(height - 1, y + size - 1 - size / 2); k++)
        for (int64_t x = 0; x < width; x++)
            dst[x] = src[k * width + x] == value ? value : dst[x];
}

static void spread_plane(uint8_t *pixels, uint8_t *scratch, int64_t width, int64_t height, int size, uint8_t value)
{
    for (int64_t y = 0; y < height; y++)
        spread_row(pixels + y * width, width, size, value, scratch + y * width);
    memcpy(pixels, scratch, (size_t)(width * height));
    for (int64_t y = 0; y < height; y++)
        spread_column(scratch, width, height, y, size, value, pixels + y * width);
}

/* OpenCV's MORPH_CLOSE with ones(size, size): both passes have the anchor at size / 2, so an even size shifts by a pixel. */
static bool close_gaps(uint8_t *pixels, int64_t width, int64_t height, int size, GError **error)
{
    uint8_t *scratch = mt_alloc(width * height, 1, error);

    if (scratch == NULL)
        return false;
    spread_plane(pixels, scratch, width, height, size, 255);
    spread_plane(pixels, scratch, width, height, size, 0);
    mt_free(scratch);
    return true;
}

static uint8_t *segment(mt_case *c, const mt_overview *o, const preset *p, mt_unread_area *unread, GError **error)
{
    uint8_t *saturation = mt_saturation_read(c, o, 0, NULL, unread, "find tissue as CLAM does", error);
    uint8_t *binary = saturation ? mt_alloc(o->width * o->height, 1, error) : NULL;
    bool     ok = binary && mt_median_above(saturation, o->width, o->height, p->median, p->threshold, binary, error);

    mt_free(saturation);
    ok = ok && close_gaps(binary, o->width, o->height, p->close, error);
    if (!ok) {
        mt_free(binary);
        return NULL;
    }
    return binary;
}

static int64_t area2_of(const mt_rings *rings, int64_t i)
{
    return llabs(mt_ring_area2(mt_rings_points(rings, i), rings->spans[i].n));
}

/* The largest hole not yet kept, the first of equals (Python's stable sort, descending). */
static int64_t largest_hole(const int64_t *areas, const bool *kept, int64_t first, int64_t end)
{
    int64_t best = -1;

    for (int64_t i = first; i < end; i++)
        if (!kept[i] && (best < 0 || areas[i] > areas[best]))
            best = i;
    return best;
}

typedef struct filter {
    int64_t  min_tissue2, min_hole2; /* twice the areas, in pixels of the level */
    int64_t *areas2;
    bool    *keep; /* holes */
} filter;

static void free_filter(filter *f)
{
    mt_free(f->areas2);
    mt_free(f->keep);
}

static bool new_filter(filter *f, const mt_rings *rings, GError **error)
{
    f->areas2 = mt_alloc(rings->n, sizeof(int64_t), error);
    f->keep = f->areas2 ? mt_alloc(rings->n, sizeof(bool), error) : NULL;
    return f->keep != NULL;
}

/* int(512^2 / (sx * sy)), as CLAM scales its areas to the level. */
static int64_t reference_area(double scale_x, double scale_y)
{
    return (int64_t)(REFERENCE_PATCH * REFERENCE_PATCH / (scale_x * scale_y));
}

static bool keep_ring(mt_rings *out, const mt_rings *rings, int64_t i, int64_t outer, const double scale[2], GError **error)
{
    const int32_t *p = mt_rings_points(rings, i);

    if (!mt_rings_begin(out, outer, outer >= 0, error))
        return false;
    for (int64_t k = 0; k < rings->spans[i].n; k++)
        if (!mt_rings_add(out, (int32_t)((double)p[2 * k] * scale[0]), (int32_t)((double)p[2 * k + 1] * scale[1]), error))
            return false;
    return true;
}

/* Outer ring `outer` with the holes that stay: at most max_holes of the largest, and of those the ones large enough. */
static bool keep_contour(mt_rings *out, const mt_rings *rings, int64_t outer, int64_t end, filter *f, int max_holes, const double scale[2],
                         GError **error)
{
    int64_t kept = out->n;

    if (!keep_ring(out, rings, outer, -1, scale, error))
        return false;
    for (int k = 0; k < max_holes; k++) {
        int64_t hole = largest_hole(f->areas2, f->keep, outer + 1, end);
        if (hole < 0 || f->areas2[hole] <= f->min_hole2)
            break;
        f->keep[hole] = true;
        if (!keep_ring(out, rings, hole, kept, scale, error))
            return false;
    }
    return true;
}

static bool filter_contours(const mt_rings *rings, filter *f, const preset *p, const double scale[2], mt_foreground *found, GError **error)
{
    for (int64_t i = 0; i < rings->n; i++)
        f->areas2[i] = area2_of(rings, i);
    for (int64_t outer = 0, end; outer < rings->n; outer = end) {
        int64_t area2 = f->areas2[outer];
        for (end = outer + 1; end < rings->n && rings->spans[end].hole; end++)
            area2 -= f->areas2[end];
        if (area2 == 0 || area2 <= f->min_tissue2)
            continue;
        if (!keep_contour(found->rings, rings, outer, end, f, p->max_holes, scale, error) ||
            !mt_contour_fill(rings, outer, f->keep, found->pixels, found->width, found->height, error))
            return false;
    }
    return true;
}

bool mt_clam_find(mt_case *c, const char *name, mt_foreground *found, GError **error)
{
    const preset   *p = find_preset(name);
    mt_overview     o = choose_overview(c, p->downsample);
    const mt_level *level0 = mt_case_level(c, 0);
    const double    scale[2] = {(double)level0->width / (double)o.width, (double)level0->height / (double)o.height};
    g_auto(mt_unread_area) unread = {0};
    uint8_t *binary = segment(c, &o, p, &unread, error);

    if (binary == NULL)
        return false;
    g_autoptr(mt_rings) rings = mt_contour_trace(binary, o.width, o.height, error);
    filter f = {2 * p->min_tissue * reference_area(scale[0], scale[1]), 2 * p->min_hole * reference_area(scale[0], scale[1])};
    bool   ok = rings && new_filter(&f, rings, error);
    *found = (mt_foreground){o.width, o.height, binary, mt_rings_new()};
    memset(binary, 0, (size_t)(o.width * o.height));
    ok = ok && filter_contours(rings, &f, p, scale, found, error);
    if (ok) /* however small: no contour, and no area to judge */
        mt_unread_area_mark(&unread, found->pixels, o.width);
    free_filter(&f);
    if (!ok) {
        mt_free(found->pixels);
        mt_rings_free(found->rings);
    }
    return ok;
}

/* Drawn regions on the raster of the mask: joined, those of an ignored class cut out. */
#include "src/base/alloc.h"
#include "tiling/annotation.h"
#include "tiling/mask_file.h"
#include "tiling/polygon_fill.h"

#include <math.h>

#define MAX_FILLED_PX (INT64_C(1) << 38) /* half a minute of filling; 4,096 regions that each span the largest mask */

typedef struct canvas {
    const mt_case *c;
    mt_annotation *drawn;
    mt_overview    raster;
    double         scale_x, scale_y;
    uint8_t       *pixels;
    int64_t        spent;             /* pixels filled */
    int64_t        painted, union_px; /* of the regions one by one, and together */
    bool           cut;
    bool           touched; /* a region has a part on the plane */
    bool           leaves;  /* a region has a part outside it */
} canvas;

typedef struct box {
    int32_t x0, y0, x1, y1;
} box;

static box box_of(const mt_rings *rings, const mt_region *region)
{
    box b = {INT32_MAX, INT32_MAX, INT32_MIN, INT32_MIN};

    for (int64_t i = region->first; i < region->first + region->n_rings; i++) {
        const int32_t *p = mt_rings_points(rings, i);
        for (int64_t k = 0; k < rings->spans[i].n; k++) {
            b = (box){MIN(b.x0, p[2 * k]), MIN(b.y0, p[2 * k + 1]), MAX(b.x1, p[2 * k]), MAX(b.y1, p[2 * k + 1])};
        }
    }
    return b;
}

/* The region's part of the raster; empty where width or height are not positive. */
static mt_polygon_frame frame_of(const canvas *v, box b)
{
    mt_polygon_frame f = {.scale_x = v->scale_x, .scale_y = v->scale_y};

    f.first_x = (int64_t)floor(MAX(0, b.x0 * v->scale_x));
    f.first_y = (int64_t)floor(MAX(0, b.y0 * v->scale_y));
    f.width = (int64_t)ceil(MIN((double)v->raster.width, b.x1 * v->scale_x)) - f.first_x;
    f.height = (int64_t)ceil(MIN((double)v->raster.height, b.y1 * v->scale_y)) - f.first_y;
    return f;
}

static void merge(canvas *v, const mt_polygon_frame *f, const uint8_t *window, bool ignored)
{
    for (int64_t y = 0; y < f->height; y++) {
        uint8_t       *out = v->pixels + (f->first_y + y) * v->raster.width + f->first_x;
        const uint8_t *in = window + y * f->width;
        for (int64_t x = 0; x < f->width; x++) {
            if (!in[x])
                continue;
            if (ignored) {
                v->cut = v->cut || out[x] != 0;
                out[x] = 0;
            } else {
                v->painted++;
                v->union_px += out[x] == 0;
                out[x] = 255;
            }
        }
    }
}

static bool fill_region(canvas *v, const mt_region *region, GError **error)
{
    const mt_rings     *rings = v->drawn->rings;
    mt_polygon_frame    f = frame_of(v, box_of(rings, region));
    g_autofree int64_t *offsets = g_new(int64_t, region->n_rings + 1);

    if (f.width <= 0 || f.height <= 0)
        return true;
    v->spent += f.width * f.height;
    if (v->spent > MAX_FILLED_PX) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its regions overlap too much: filling them takes more than 2^38 pixels");
        return false;
    }
    uint8_t *window = mt_alloc(f.width * f.height, 1, error);
    for (int64_t i = 0; i < region->n_rings; i++)
        offsets[i] = rings->spans[region->first + i].first;
    const mt_ring_span *last = &rings->spans[region->first + region->n_rings - 1];
    offsets[region->n_rings] = last->first + last->n;
    bool ok = window != NULL && mt_polygon_fill(rings->points, offsets, region->n_rings, &f, window, error);
    if (ok)
        merge(v, &f, window, region->ignored);
    mt_free(window);
    return ok;
}

/* Wanted regions first, then what is cut out of them. */
static bool fill_all(canvas *v, bool ignored, GError **error)
{
    const mt_level *plane = mt_case_level(v->c, 0);

    for (guint i = 0; i < v->drawn->regions->len; i++) {
        const mt_region *region = &g_array_index(v->drawn->regions, mt_region, i);
        if (region->ignored != ignored)
            continue;
        box b = box_of(v->drawn->rings, region);
        if (!ignored) {
            v->touched = v->touched || (b.x1 > 0 && b.y1 > 0 && b.x0 < plane->width && b.y0 < plane->height);
            v->leaves = v->leaves || b.x0 < 0 || b.y0 < 0 || b.x1 > plane->width || b.y1 > plane->height;
        }
        if (!fill_region(v, region, error))
            return false;
    }
    return true;
}

static guint count_wanted(const mt_annotation *drawn)
{
    guint n = 0;

    for (guint i = 0; i < drawn->regions->len; i++)
        n += !g_array_index(drawn->regions, mt_region, i).ignored;
    return n;
}

static bool paint(canvas *v, const char *path, GError **error)
{
    const mt_level *plane = mt_case_level(v->c, 0);
    guint           n = count_wanted(v->drawn);

    v->pixels = mt_alloc(v->raster.width * v->raster.height, 1, error);
    if (v->pixels == NULL)
        return false;
    if (!fill_all(v, false, error) || !fill_all(v, true, error)) {
        g_prefix_error(error, "use the regions of %s: ", path);
        return false;
    }
    if (n > 0 && !v->touched) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "use the regions of %s for %s: all %u lie outside its plane of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                    " pixels: were they drawn on another slide?",
                    path, mt_case_path(v->c), n, plane->width, plane->height);
        return false;
    }
    return true;
}

/* The drawn rings stand for the mask only where they say the same as its pixels. */
static bool keep_rings(canvas *v, mt_foreground *found, GError **error)
{
    const mt_rings *from = v->drawn->rings;

    if (v->cut || v->leaves || v->painted != v->union_px)
        return true;
    g_autoptr(mt_rings) rings = mt_rings_new();
    g_autoptr(GPtrArray) classes = g_ptr_array_new_with_free_func(g_free);
    for (guint r = 0; r < v->drawn->regions->len; r++) {
        const mt_region *region = &g_array_index(v->drawn->regions, mt_region, r);
        int64_t          outer = rings->n;
        for (int64_t i = region->first; !region->ignored && i < region->first + region->n_rings; i++) {
            bool           hole = i > region->first;
            const int32_t *p = mt_rings_points(from, i);
            if (!mt_rings_begin(rings, hole ? outer : -1, hole, error))
                return false;
            for (int64_t k = 0; k < from->spans[i].n; k++)
                if (!mt_rings_add(rings, p[2 * k], p[2 * k + 1], error))
                    return false;
            g_ptr_array_add(classes, g_strdup(region->class_name));
        }
    }
    found->rings = g_steal_pointer(&rings);
    found->classes = g_steal_pointer(&classes);
    return true;
}

bool mt_mask_regions_find(const char *path, mt_case *c, mt_foreground *found, GError **error)
{
    const mt_level *plane = mt_case_level(c, 0);
    int64_t         bounds[4];

    mt_case_bounds(c, bounds);
    g_autoptr(mt_annotation) drawn = mt_annotation_read(path, bounds, error);
    if (drawn == NULL)
        return false;
    canvas v = {.c = c, .drawn = drawn, .raster = mt_tissue_overview(c)};
    v.scale_x = (double)v.raster.width / (double)plane->width;
    v.scale_y = (double)v.raster.height / (double)plane->height;
    if (!paint(&v, path, error) || !keep_rings(&v, found, error)) {
        mt_free(v.pixels);
        return false;
    }
    found->width = v.raster.width;
    found->height = v.raster.height;
    found->pixels = v.pixels;
    found->note = drawn->skipped != NULL ? g_strdup_printf("skipped: %s", drawn->skipped) : NULL;
    return true;
}

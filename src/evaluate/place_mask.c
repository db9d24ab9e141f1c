/* Lesions of a reference mask, as Camelyon16 makes them: regions nearer than 75 µm are one, those below 275 µm count neither way. */
#include "src/base/alloc.h"
#include "src/case/volume_affine.h"
#include "src/evaluate/case_places.h"
#include "src/evaluate/distance_map.h"
#include "src/evaluate/label_map.h"
#include "src/result/volume_components.h"
#include "tiling/components.h"

#include <math.h>

/* One value besides 0: the mask says where lesions are, not which. */
static bool is_binary(const mt_label_map *map)
{
    uint16_t value = 0;

    for (int64_t i = 0; i < map->width * map->height * map->depth; i++) {
        if (map->labels[i] != 0 && value != 0 && map->labels[i] != value)
            return false;
        value = map->labels[i] != 0 ? map->labels[i] : value;
    }
    return true;
}

/* 1 on and around the regions, so that those that lie nearer than join_um touch. */
static bool spread(const mt_label_map *map, double join_um, uint8_t *joined, GError **error)
{
    const int64_t n = map->width * map->height;
    const double  spacing[3] = {map->spacing_mm[0], map->spacing_mm[1], 1}, reach = join_um / 2000;
    double       *squared = join_um > 0 ? mt_alloc(n, sizeof *squared, error) : NULL;
    bool          any = false, ok = join_um <= 0 || squared != NULL;

    for (int64_t i = 0; ok && i < n; i++) {
        joined[i] = map->labels[i] != 0;
        any = any || joined[i];
        if (squared != NULL)
            squared[i] = joined[i] ? 0 : INFINITY;
    }
    if (ok && any && squared != NULL) {
        ok = mt_distance_map(squared, map->width, map->height, 1, spacing, error);
        for (int64_t i = 0; ok && i < n; i++)
            joined[i] = squared[i] < reach * reach;
    }
    mt_free(squared);
    return ok;
}

/* Background that does not reach the edge. */
static bool fill_holes(const mt_label_map *map, uint8_t *joined, GError **error)
{
    g_autoptr(mt_components) holes = mt_components_new(joined, map->width, map->height, false, 4, error);
    uint8_t *wanted = holes != NULL ? mt_alloc(holes->n + 1, 1, error) : NULL;

    if (wanted == NULL)
        return false;
    for (int64_t i = 0; i < holes->n; i++)
        wanted[i] = 1;
    for (int64_t y = 0; y < map->height; y++)
        for (int64_t k = holes->row_first[y]; k < holes->row_first[y + 1]; k++)
            if (y == 0 || y == map->height - 1 || holes->runs[k].x0 == 0 || holes->runs[k].x1 == map->width)
                wanted[holes->runs[k].label] = 0;
    mt_components_paint(holes, wanted, joined, 1);
    mt_free(wanted);
    return true;
}

/* Each region is a lesion; where regions are joined, with what lies around and in it. */
static bool number_regions(mt_label_map *map, double join_um, GError **error)
{
    const int64_t n = map->width * map->height;
    uint8_t      *joined = mt_alloc(n, 1, error);
    bool          ok = joined != NULL && spread(map, join_um, joined, error) && (join_um <= 0 || fill_holes(map, joined, error));
    g_autoptr(mt_components) regions = ok ? mt_components_new(joined, map->width, map->height, true, 8, error) : NULL;

    mt_free(joined);
    if (regions == NULL)
        return false;
    if (regions->n > 65535) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "read the mask %s: it has %" G_GINT64_FORMAT " regions: 65535 at most are lesions",
                    map->path, regions->n);
        return false;
    }
    for (int64_t y = 0; y < map->height; y++)
        for (int64_t k = regions->row_first[y]; k < regions->row_first[y + 1]; k++)
            for (int64_t x = regions->runs[k].x0; x < regions->runs[k].x1; x++)
                map->labels[y * map->width + x] = (uint16_t)(regions->runs[k].label + 1);
    return true;
}

/* Boxes of all labels, in pixels of the case. */
static void add_lesions(const mt_label_map *map, mt_places *places, double scale)
{
    int highest = 0;

    for (int64_t i = 0; i < map->width * map->height; i++)
        highest = MAX(highest, map->labels[i]);
    for (int k = 0; k < highest; k++)
        mt_places_add(places)->ignored = true; /* a number that no pixel has */
    for (int64_t i = 0; i < map->width * map->height; i++) {
        double    x = (double)(i % map->width) * scale, y = (double)(i / map->width) * scale;
        mt_place *p = map->labels[i] != 0 ? places->places->pdata[map->labels[i] - 1] : NULL;
        mt_box    box = {x, y, x + scale, y + scale};
        if (p == NULL)
            continue;
        if (p->boxed)
            box = (mt_box){fmin(box.x0, p->box.x0), fmin(box.y0, p->box.y0), fmax(box.x1, p->box.x1), fmax(box.y1, p->box.y1)};
        mt_place_set_box(p, &box);
        p->ignored = false;
    }
}

/* The largest diameter, as Camelyon16 takes it: the major axis of the ellipse of equal second moments. */
static void ignore_small(const mt_label_map *map, mt_places *places, double ignore_um)
{
    guint              n = places->places->len;
    g_autofree double *sums = g_new0(double, 6 * (gsize)n + 1);

    for (int64_t i = 0; i < map->width * map->height; i++) {
        double  x = (double)(i % map->width) * map->spacing_mm[0], y = (double)(i / map->width) * map->spacing_mm[1];
        double *s = sums + 6 * (map->labels[i] - 1);
        if (map->labels[i] == 0)
            continue;
        s[0] += 1, s[1] += x, s[2] += y, s[3] += x * x, s[4] += y * y, s[5] += x * y;
    }
    for (guint k = 0; k < n; k++) {
        const double *s = sums + 6 * (gsize)k;
        double        pixel_x = map->spacing_mm[0], pixel_y = map->spacing_mm[1];
        double        xx = s[3] / s[0] - s[1] * s[1] / s[0] / s[0] + pixel_x * pixel_x / 12;
        double        yy = s[4] / s[0] - s[2] * s[2] / s[0] / s[0] + pixel_y * pixel_y / 12, xy = s[5] / s[0] - s[1] * s[2] / s[0] / s[0];
        double        major = 4 * sqrt((xx + yy) / 2 + sqrt((xx - yy) * (xx - yy) / 4 + xy * xy));
        mt_place     *p = places->places->pdata[k];
        p->ignored = p->ignored || major * 1000 < ignore_um;
    }
}

/* Each part of a volume (26 neighbours) is a lesion. */
static bool number_parts(mt_label_map *map, GError **error)
{
    static const uint8_t one[32] = {2};
    const int64_t        size[3] = {map->width, map->height, map->depth}, n = map->width * map->height * map->depth;
    uint8_t             *there = mt_alloc(n, 1, error);

    for (int64_t i = 0; there != NULL && i < n; i++)
        there[i] = map->labels[i] != 0;
    g_autoptr(mt_volume_components) parts = there != NULL ? mt_volume_components_new(there, size, one, error) : NULL;
    mt_free(there);
    if (parts != NULL && parts->n > 65535)
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "read the mask %s: it has %" G_GINT64_FORMAT " regions: 65535 at most are lesions",
                    map->path, parts->n);
    if (parts == NULL || parts->n > 65535)
        return false;
    for (int64_t k = 0; k < parts->n_runs; k++) {
        const mt_voxel_run *run = &parts->runs[k];
        for (int32_t x = run->x0; x < run->x1; x++)
            map->labels[((int64_t)run->z * map->height + run->y) * map->width + x] = (uint16_t)(run->component + 1);
    }
    return true;
}

/* Lesions of a volume: the mean of their voxels in mm, and the mask itself. */
static bool add_volume(mt_label_map *map, mt_places *places, GError **error)
{
    const int64_t plane = map->width * map->height, n = plane * map->depth;
    int           highest = 0;

    if (!map->has_affine || !mt_affine_inverse(map->affine, places->to_voxel)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read the mask %s: it is a volume without a patient frame: findings are in mm of it",
                    map->path);
        return false;
    }
    if (is_binary(map) && !number_parts(map, error))
        return false;
    for (int64_t i = 0; i < n; i++)
        highest = MAX(highest, map->labels[i]);
    g_autofree double *sums = g_new0(double, 4 * (gsize)highest + 1);
    for (int64_t i = 0; i < n; i++) {
        double *s = sums + 4 * (map->labels[i] - 1);
        if (map->labels[i] == 0)
            continue;
        s[0] += 1, s[1] += (double)(i % map->width), s[2] += (double)(i % plane / map->width), s[3] += (double)(i / plane);
    }
    for (int k = 0; k < highest; k++) {
        const double *s = sums + 4 * (gsize)k;
        mt_place     *p = mt_places_add(places);
        p->ignored = s[0] == 0; /* a number that no voxel has */
        mt_affine_apply(map->affine, (const double[]){s[1] / fmax(s[0], 1), s[2] / fmax(s[0], 1), s[3] / fmax(s[0], 1)}, p->at);
    }
    places->is_volume = true;
    return true;
}

/* Of a picture: boxes in pixels of the case. */
static bool add_picture(mt_label_map *map, const mt_place_mask_params *params, mt_places *places, GError **error)
{
    if ((params->join_um > 0 || params->ignore_um > 0) && !mt_label_map_need_spacing(map, error))
        return false;
    if (is_binary(map) && !number_regions(map, params->join_um, error))
        return false;
    places->scale = params->scale;
    add_lesions(map, places, places->scale);
    if (params->ignore_um > 0)
        ignore_small(map, places, params->ignore_um);
    return true;
}

mt_places *mt_places_read_mask(const char *path, const mt_place_mask_params *params, GError **error)
{
    g_autoptr(mt_label_map) map = mt_label_map_read(path, params->mpp, error);
    g_autoptr(mt_places) places = mt_places_new();

    if (map == NULL)
        return NULL;
    if (map->depth > 1 && (params->join_um > 0 || params->ignore_um > 0)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "read the mask %s: --join-um and --ignore-um are for pictures, it has %" G_GINT64_FORMAT " planes", path, map->depth);
        return NULL;
    }
    if (!(map->depth > 1 ? add_volume(map, places, error) : add_picture(map, params, places, error)))
        return NULL;
    places->width = map->width;
    places->height = map->height;
    places->depth = map->depth;
    places->labels = g_steal_pointer(&map->labels);
    return g_steal_pointer(&places);
}

#include "src/evaluate/label_map.h"

#include "src/base/alloc.h"
#include "src/base/limits.h"
#include "src/result/headline.h"
#include "src/store/schema.h"

#include <microtome/case.h>
#include <microtome/result.h>

#include <math.h>
#include <string.h>

#define BAND_PX (INT64_C(1) << 22) /* read at once */

void mt_label_map_free(mt_label_map *map)
{
    if (map == NULL)
        return;
    mt_free(map->labels);
    g_free(map->spacing_reason);
    g_free(map->path);
    g_free(map);
}

static double sample(const void *stored, mt_dtype dtype, int64_t i)
{
    switch (dtype) {
    case MT_U8:
        return ((const uint8_t *)stored)[i];
    case MT_U16:
        return ((const uint16_t *)stored)[i];
    case MT_I16:
        return ((const int16_t *)stored)[i];
    default:
        return (double)((const float *)stored)[i];
    }
}

static bool take_labels(const mt_label_map *map, const void *stored, mt_dtype dtype, int channels, int64_t n, uint16_t *labels,
                        GError **error)
{
    for (int64_t i = 0; i < n; i++) {
        double value = sample(stored, dtype, i * channels);

        for (int c = 1; c < channels; c++)
            if (sample(stored, dtype, i * channels + c) != value) {
                g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read the mask %s: it is in colour: one channel of class numbers is wanted",
                            map->path);
                return false;
            }
        if (!(value >= 0 && value <= 65535) || value != floor(value)) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "read the mask %s: a value of %g is no class: whole numbers of 0 to 65535 are wanted", map->path, value);
            return false;
        }
        labels[i] = (uint16_t)value;
    }
    return true;
}

static bool read_labels(mt_label_map *map, mt_case *c, GError **error)
{
    const int      channels = mt_case_channels(c);
    const mt_dtype dtype = mt_case_dtype(c);
    const int64_t  rows = CLAMP(BAND_PX / map->width, 1, map->height);
    void          *band = mt_alloc(rows * map->width * channels, mt_dtype_size(dtype), error);
    bool           ok = band != NULL;

    for (int64_t z = 0; ok && z < map->depth; z++)
        for (int64_t y = 0; ok && y < map->height; y += rows) {
            int64_t n = MIN(rows, map->height - y);
            ok = mt_case_read(c, z, 0, 0, y, map->width, n, band, error) &&
                 take_labels(map, band, dtype, channels, n * map->width, map->labels + (z * map->height + y) * map->width, error);
        }
    mt_free(band);
    return ok;
}

static bool refuse_result(const char *path, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read the mask %s: it is no map of a result", path);
    return false;
}

static void read_geometry(mt_label_map *map, const mt_case *c)
{
    double x, y, z = mt_case_plane_spacing_um(c);

    if (!mt_case_mpp(c, &x, &y))
        map->spacing_reason = g_strdup(mt_case_mpp_source(c));
    else if (map->depth > 1 && !(z > 0))
        map->spacing_reason = g_strdup("no distance of its planes");
    else {
        map->spacing_mm[0] = x / 1000;
        map->spacing_mm[1] = y / 1000;
        map->spacing_mm[2] = map->depth > 1 ? z / 1000 : 1;
    }
    map->has_affine = mt_case_affine(c, map->affine);
}

/* From plane to plane, across them: of a tilted series less than the column's length, as mt_case_plane_spacing_um has it. */
static double plane_distance(const double a[16])
{
    double n[3] = {a[4] * a[9] - a[8] * a[5], a[8] * a[1] - a[0] * a[9], a[0] * a[5] - a[4] * a[1]}; /* x step times y step */
    double length = hypot(hypot(n[0], n[1]), n[2]);

    return length > 0 ? fabs(n[0] * a[2] + n[1] * a[6] + n[2] * a[10]) / length : (double)NAN;
}

/* Of a result: the affine's, of a picture the headline's µm/px. */
/* Level-0 px of a px of the map: more than one for a slide, whose map has the network's px. */
static double level0_share(const mt_result *result, int axis, int64_t n)
{
    g_autoptr(mt_tensor) size = mt_result_has(result, MT_OBJECT_SIZE) ? mt_result_read(result, MT_OBJECT_SIZE, NULL) : NULL;

    if (size == NULL || size->dtype != MT_I64 || mt_tensor_count(size) != 3)
        return 1;
    return (double)((const int64_t *)size->data)[axis] / (double)n;
}

static bool read_result_geometry(mt_label_map *map, const mt_result *result, GError **error)
{
    g_autofree char *line = mt_result_headline(map->path, error);
    g_autoptr(mt_headline) headline = line != NULL ? mt_headline_parse(line, map->path, error) : NULL;

    if (headline == NULL)
        return false;
    map->has_affine = mt_result_has(result, MT_OBJECT_AFFINE);
    if (map->has_affine) {
        g_autoptr(mt_tensor) affine = mt_result_read(result, MT_OBJECT_AFFINE, error);
        if (affine == NULL || affine->dtype != MT_F64 || mt_tensor_count(affine) != 16)
            return affine == NULL ? false : refuse_result(map->path, error);
        memcpy(map->affine, affine->data, sizeof map->affine);
    }
    if (!(headline->mpp_x > 0 && headline->mpp_y > 0) || (map->depth > 1 && !map->has_affine)) {
        map->spacing_reason = g_strdup(headline->mpp_source);
        return true;
    }
    map->spacing_mm[0] = headline->mpp_x / 1000 * level0_share(result, 0, map->width);
    map->spacing_mm[1] = headline->mpp_y / 1000 * level0_share(result, 1, map->height);
    map->spacing_mm[2] = map->depth > 1 ? plane_distance(map->affine) : 1;
    return true;
}

/* By its shape: a map of mostly one value is far larger than what it takes in the file. */
static mt_tensor *read_map(const mt_result *result, GError **error)
{
    static const int64_t origin[MT_MAX_RANK] = {0};
    int64_t              shape[MT_MAX_RANK];
    int                  rank = mt_result_shape(result, MT_OBJECT_SEGMENTATION, shape, error);
    double               bytes = 1;

    for (int i = 0; i < rank; i++)
        bytes *= (double)shape[i];
    if (rank > 0 && bytes > (double)MT_LIMIT_RASTER_BYTES) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "read the mask %s: %.0f pixels are over the limit", mt_result_path(result), bytes);
        return NULL;
    }
    return rank > 0 && bytes > 0 ? mt_result_read_block(result, MT_OBJECT_SEGMENTATION, origin, shape, error)
           : rank >= 0           ? mt_result_read(result, MT_OBJECT_SEGMENTATION, error)
                                 : NULL;
}

/* What `task=segment` found. */
static mt_label_map *read_result(const char *path, GError **error)
{
    g_autoptr(mt_result) result = mt_result_open(path, error);
    g_autoptr(mt_label_map) map = g_new0(mt_label_map, 1);

    if (result == NULL)
        return NULL;
    map->path = g_strdup(path);
    if (!mt_result_has(result, MT_OBJECT_SEGMENTATION)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "read the mask %s: the result has none (" MT_OBJECT_SEGMENTATION "): it is of another task", path);
        return NULL;
    }
    g_autoptr(mt_tensor) stored = read_map(result, error);
    if (stored == NULL || stored->dtype != MT_U8 || stored->rank != 3) {
        if (stored != NULL)
            refuse_result(path, error);
        return NULL;
    }
    map->depth = stored->shape[0];
    map->height = stored->shape[1];
    map->width = stored->shape[2];
    int64_t n = mt_tensor_count(stored);
    map->labels = mt_alloc(n, sizeof *map->labels, error);
    for (int64_t i = 0; map->labels != NULL && i < n; i++)
        map->labels[i] = ((const uint8_t *)stored->data)[i];
    return map->labels != NULL && read_result_geometry(map, result, error) ? g_steal_pointer(&map) : NULL;
}

mt_label_map *mt_label_map_read(const char *path, const double mpp[2], GError **error)
{
    if (g_str_has_suffix(path, ".h5"))
        return read_result(path, error);
    const mt_case_options options = {.mpp_x = mpp[0], .mpp_y = mpp[1], .mpp_source = mpp[0] > 0 ? "option" : NULL, .cache_bytes = -1};
    g_autoptr(mt_case) c = mt_case_open(path, &options, error);
    g_autoptr(mt_label_map) map = g_new0(mt_label_map, 1);

    if (c == NULL)
        return NULL;
    map->path = g_strdup(path);
    map->width = mt_case_level(c, 0)->width;
    map->height = mt_case_level(c, 0)->height;
    map->depth = mt_case_planes(c);
    if (map->width * map->height > MT_LIMIT_RASTER_BYTES / 2 / map->depth) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                    "read the mask %s: %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                    " pixels are over the limit of %" G_GINT64_FORMAT " million: write it at a lower resolution",
                    path, map->width, map->height, map->depth, MT_LIMIT_RASTER_BYTES / 2000000);
        return NULL;
    }
    map->labels = mt_alloc(map->width * map->height * map->depth, sizeof *map->labels, error);
    if (map->labels == NULL || !read_labels(map, c, error))
        return NULL;
    read_geometry(map, c);
    return g_steal_pointer(&map);
}

bool mt_label_map_need_spacing(const mt_label_map *map, GError **error)
{
    if (map->spacing_reason == NULL)
        return true;
    g_set_error(
        error, MT_ERROR, MT_ERROR_SPACING,
        "the mask %s has no known spacing (%s), and a distance wants it: give --mask-mpp, or leave distances out with --no-distance",
        map->path, map->spacing_reason);
    return false;
}

/* Where a corner of the grid lies: 0 and 7 are those of the first and the last voxel. */
static void corner_of(const mt_label_map *m, int corner, double at[3])
{
    double x = corner & 1 ? (double)(m->width - 1) : 0, y = corner & 2 ? (double)(m->height - 1) : 0,
           z = corner & 4 ? (double)(m->depth - 1) : 0;

    for (int row = 0; row < 3; row++)
        at[row] = m->affine[4 * row] * x + m->affine[4 * row + 1] * y + m->affine[4 * row + 2] * z + m->affine[4 * row + 3];
}

static bool same_corners(const mt_label_map *a, const mt_label_map *b)
{
    double voxel = INFINITY;

    for (int axis = 0; axis < 3; axis++)
        voxel = fmin(voxel, hypot(hypot(a->affine[axis], a->affine[4 + axis]), a->affine[8 + axis]));
    for (int corner = 0; corner < 8; corner++) {
        double p[3], q[3];
        corner_of(a, corner, p);
        corner_of(b, corner, q);
        if (!(hypot(hypot(p[0] - q[0], p[1] - q[1]), p[2] - q[2]) <= 0.1 * voxel))
            return false;
    }
    return true;
}

bool mt_label_map_same_grid(const mt_label_map *a, const mt_label_map *b, GError **error)
{
    if (a->width != b->width || a->height != b->height || a->depth != b->depth) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "%s has %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " pixels and %s %" G_GINT64_FORMAT
                    " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT ": write both masks on one grid",
                    a->path, a->width, a->height, a->depth, b->path, b->width, b->height, b->depth);
        return false;
    }
    for (int axis = 0; axis < 3 && a->spacing_reason == NULL && b->spacing_reason == NULL; axis++)
        if (!(fabs(a->spacing_mm[axis] - b->spacing_mm[axis]) <= 0.01 * b->spacing_mm[axis])) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "%s has a spacing of %g mm along axis %d and %s %g mm: write both masks on one grid", a->path, a->spacing_mm[axis],
                        axis, b->path, b->spacing_mm[axis]);
            return false;
        }
    if (a->has_affine && b->has_affine && !same_corners(a, b)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s and %s lie in different places of the patient: write both masks on one grid",
                    a->path, b->path);
        return false;
    }
    return true;
}

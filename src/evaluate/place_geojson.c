/* Findings and lesions from GeoJSON: points and polygons, as QuPath writes them. */
#include "src/base/limits.h"
#include "src/evaluate/case_places.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

typedef struct reader {
    const char *path;
    size_t      feature; /* from 1 */
    bool        scored;
    mt_places  *places;
} reader;

static bool wrong(const reader *r, const char *what, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: feature %zu: %s", r->path, r->feature, what);
    return false;
}

static bool read_position(const reader *r, const json_t *position, mt_point *point, GError **error)
{
    const json_t *x = json_array_get(position, 0), *y = json_array_get(position, 1);

    *point = (mt_point){json_number_value(x), json_number_value(y)};
    return (json_is_number(x) && json_is_number(y) && isfinite(point->x) && isfinite(point->y)) ||
           wrong(r, "a position is no pair of numbers", error);
}

static GArray *read_ring(const reader *r, const json_t *positions, GError **error)
{
    g_autoptr(GArray) ring = g_array_new(FALSE, FALSE, sizeof(mt_point));

    for (size_t i = 0; i < json_array_size(positions); i++) {
        mt_point point;
        if (!read_position(r, json_array_get(positions, i), &point, error))
            return NULL;
        g_array_append_val(ring, point);
    }
    if (ring->len < 3) {
        wrong(r, "a polygon has fewer than three corners", error);
        return NULL;
    }
    return g_steal_pointer(&ring);
}

/* The score may be a property, or a measurement of QuPath, written as an object or as a list. */
static double number_of(const json_t *properties, const char *const *names)
{
    const json_t *measurements = json_object_get(properties, "measurements");

    for (; *names != NULL; names++) {
        const json_t *value = json_object_get(properties, *names);
        if (value == NULL && json_is_object(measurements))
            value = json_object_get(measurements, *names);
        for (size_t i = 0; value == NULL && i < json_array_size(measurements); i++) {
            const json_t *one = json_array_get(measurements, i);
            if (g_strcmp0(json_string_value(json_object_get(one, "name")), *names) == 0)
                value = json_object_get(one, "value");
        }
        if (json_is_number(value))
            return json_number_value(value);
    }
    return NAN;
}

static bool read_polygon(const reader *r, const json_t *rings, mt_place *place, GError **error)
{
    GArray *ring = read_ring(r, json_array_get(rings, 0), error);

    if (ring == NULL)
        return false;
    mt_place_set_ring(place, ring);
    for (size_t i = 1; i < json_array_size(rings); i++) {
        ring = read_ring(r, json_array_get(rings, i), error);
        if (ring == NULL)
            return false;
        g_ptr_array_add(r->places->cuts, ring);
    }
    return true;
}

/* What the properties say of each place that the feature has become. */
static bool describe(const reader *r, const json_t *properties, guint first, GError **error)
{
    static const char *const scores[] = {"score", "probability", "confidence", "Score", "Probability", NULL}, *const radii[] = {"radius",
                                                                                                                                NULL};
    const char *name = json_string_value(json_object_get(json_object_get(properties, "classification"), "name"));
    double      score = number_of(properties, scores), radius = number_of(properties, radii);

    if (r->scored && !isfinite(score))
        return wrong(r, "no score among its properties", error);
    if (radius < 0)
        return wrong(r, "a radius of 0 or more is wanted", error);
    for (guint i = first; i < r->places->places->len; i++) {
        mt_place *p = r->places->places->pdata[i];
        p->score = score;
        p->radius = p->ring == NULL ? radius : (double)NAN;
        p->ignored = name != NULL && (g_str_has_prefix(name, "Ignore") || g_str_has_prefix(name, "Exclu"));
    }
    return true;
}

static bool read_feature(const reader *r, const json_t *feature, GError **error)
{
    const json_t *geometry = json_object_get(feature, "geometry"), *coordinates = json_object_get(geometry, "coordinates");
    const char   *type = json_string_value(json_object_get(geometry, "type"));
    guint         first = r->places->places->len;
    bool          ok = true;
    mt_point      point;

    if (g_strcmp0(type, "Point") == 0) {
        mt_place *p = mt_places_add(r->places);
        ok = read_position(r, coordinates, &point, error);
        p->at[0] = point.x;
        p->at[1] = point.y;
    } else if (g_strcmp0(type, "Polygon") == 0)
        ok = read_polygon(r, coordinates, mt_places_add(r->places), error);
    else if (g_strcmp0(type, "MultiPolygon") == 0)
        for (size_t i = 0; ok && i < json_array_size(coordinates); i++)
            ok = read_polygon(r, json_array_get(coordinates, i), mt_places_add(r->places), error);
    else
        ok = wrong(r, "a Point, Polygon or MultiPolygon is wanted", error);
    return ok && describe(r, json_object_get(feature, "properties"), first, error);
}

static json_t *load(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) cause = NULL;
    gsize        bytes;
    json_error_t problem;
    json_t      *root;

    if (!g_file_get_contents(path, &text, &bytes, &cause)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "read %s: %s", path, cause->message);
        return NULL;
    }
    if (bytes > (gsize)MT_LIMIT_JSON_BYTES) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "read %s: it is over the limit of %" G_GINT64_FORMAT " MB", path,
                    MT_LIMIT_JSON_BYTES >> 20);
        return NULL;
    }
    root = json_loadb(text, bytes, 0, &problem);
    if (root == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: line %d: it is no GeoJSON: %s", path, problem.line, problem.text);
    return root;
}

mt_places *mt_places_read_geojson(const char *path, bool scored, GError **error)
{
    json_t       *root = load(path, error);
    const json_t *features = json_is_array(root) ? root : json_object_get(root, "features");
    g_autoptr(mt_places) places = mt_places_new();
    reader r = {.path = path, .scored = scored, .places = places};
    bool   ok = root != NULL;

    if (ok && !json_is_array(features)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: a FeatureCollection or an array of features is wanted", path);
        ok = false;
    }
    for (size_t i = 0; ok && i < json_array_size(features); i++) {
        r.feature = i + 1;
        ok = read_feature(&r, json_array_get(features, i), error);
    }
    json_decref(root);
    return ok ? g_steal_pointer(&places) : NULL;
}

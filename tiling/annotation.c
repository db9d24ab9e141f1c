#include "tiling/annotation.h"

#include "src/base/limits.h"
#include "tiling/json_scan.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#define MAX_COORDINATE 1073741824.0         /* 2^30: far beyond any slide, and products of two fit 64 bits */
#define MAX_PARSED_BYTES (INT64_C(1) << 30) /* of one feature while it is parsed */

/* What has no area, and QuPath's objects that nobody drew. */
static const char *const SKIPPED[] = {"Point",     "MultiPoint", "LineString", "MultiLineString",
                                      "detection", "cell",       "tile",       "without geometry"};
enum { FIRST_OBJECT = 4, WITHOUT_GEOMETRY = 7, N_SKIPPED = 8 };

typedef struct reader {
    mt_annotation *out;
    const char    *path;
    const int64_t *origin;
    int64_t        feature; /* from 1; 0: the file itself */
    int64_t        skipped[N_SKIPPED];
    const char    *class_name; /* of the feature */
} reader;

static bool wrong(const reader *r, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

static bool wrong(const reader *r, GError **error, const char *format, ...)
{
    g_autofree char *place = r->feature > 0 ? g_strdup_printf("feature %" G_GINT64_FORMAT ": ", r->feature) : g_strdup("");
    va_list          arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read the regions of %s: %s%s", r->path, place, text);
    return false;
}

static bool skip(reader *r, const char *name)
{
    for (int i = 0; i < N_SKIPPED; i++)
        if (g_strcmp0(SKIPPED[i], name) == 0) {
            r->skipped[i]++;
            return true;
        }
    return false;
}

/* In whole level-0 pixels. */
static bool read_position(const reader *r, const json_t *position, size_t at, int32_t xy[2], GError **error)
{
    if (json_array_size(position) < 2 || !json_is_number(json_array_get(position, 0)) || !json_is_number(json_array_get(position, 1)))
        return wrong(r, error, "point %zu of a ring is no pair of numbers", at + 1);
    for (size_t i = 0; i < 2; i++) {
        double value = json_number_value(json_array_get(position, i));
        double moved = floor(value + 0.5) + (double)r->origin[i];
        if (!(fabs(moved) <= MAX_COORDINATE))
            return wrong(r, error, "point %zu of a ring is at %g: no slide is that large", at + 1, value);
        xy[i] = (int32_t)moved;
    }
    return true;
}

/* The ring's point before it, or for its last point also its first, has come to lie on the same pixel. */
static bool is_repeated(const mt_rings *rings, const mt_ring_span *span, const int32_t xy[2], bool is_last)
{
    if (span->n == 0)
        return false;
    const int32_t *first = rings->points + 2 * span->first, *last = first + 2 * (span->n - 1);

    return memcmp(last, xy, 2 * sizeof *xy) == 0 || (is_last && memcmp(first, xy, 2 * sizeof *xy) == 0);
}

/* One that encloses nothing once rounded to pixels is taken back: *kept is false. */
static bool read_ring(reader *r, const json_t *positions, int64_t outer, bool *kept, GError **error)
{
    mt_rings *rings = r->out->rings;
    size_t    n = json_array_size(positions);

    if (n > 1 && json_equal(json_array_get(positions, 0), json_array_get(positions, n - 1)))
        n--;
    if (n < 3)
        return wrong(r, error, "a ring of %zu different points: at least 3 are wanted", n);
    if (rings->n_points + (int64_t)n > MT_LIMIT_ANNOTATION_POINTS)
        return wrong(r, error, "more than %" G_GINT64_FORMAT " points in all", MT_LIMIT_ANNOTATION_POINTS);
    if (!mt_rings_begin(rings, outer, outer >= 0, error))
        return false;
    mt_ring_span *span = &rings->spans[rings->n - 1];
    for (size_t i = 0; i < n; i++) {
        int32_t xy[2];
        if (!read_position(r, json_array_get(positions, i), i, xy, error))
            return false;
        if (!is_repeated(rings, span, xy, i == n - 1) && !mt_rings_add(rings, xy[0], xy[1], error))
            return false;
    }
    *kept = span->n >= 3;
    if (!*kept) {
        rings->n_points = span->first;
        rings->n--;
    }
    return true;
}

static bool is_ignored(const char *class_name)
{
    return class_name != NULL && (g_ascii_strncasecmp(class_name, "ignore", 6) == 0 || g_ascii_strncasecmp(class_name, "exclu", 5) == 0);
}

static bool read_polygon(reader *r, const json_t *coordinates, GError **error)
{
    mt_region region = {.first = r->out->rings->n, .class_name = r->class_name, .ignored = is_ignored(r->class_name)};
    bool      kept = true;

    if (!json_is_array(coordinates))
        return wrong(r, error, "a polygon without coordinates");
    for (size_t i = 0; i < json_array_size(coordinates); i++) {
        if (!read_ring(r, json_array_get(coordinates, i), i == 0 ? -1 : region.first, &kept, error))
            return false;
        if (i == 0 && !kept)
            break; /* its holes vanish with it */
    }
    region.n_rings = r->out->rings->n - region.first;
    if (region.n_rings > 0)
        g_array_append_val(r->out->regions, region);
    return true;
}

static bool read_geometry(reader *r, const json_t *geometry, GError **error)
{
    const char   *type = json_string_value(json_object_get(geometry, "type"));
    const json_t *list = json_object_get(geometry, "coordinates");

    if (type == NULL)
        return wrong(r, error, "a geometry without type");
    if (strcmp(type, "Polygon") == 0)
        return read_polygon(r, list, error);
    bool collection = strcmp(type, "GeometryCollection") == 0;
    if (collection || strcmp(type, "MultiPolygon") == 0) {
        list = collection ? json_object_get(geometry, "geometries") : list;
        if (!json_is_array(list))
            return wrong(r, error, "a %s without %s", type, collection ? "geometries" : "coordinates");
        for (size_t i = 0; i < json_array_size(list); i++)
            if (!(collection ? read_geometry(r, json_array_get(list, i), error) : read_polygon(r, json_array_get(list, i), error)))
                return false;
        return true;
    }
    if (skip(r, type))
        return true;
    return wrong(r, error, "unknown geometry '%s': Polygon, MultiPolygon and GeometryCollection are read", type);
}

/* {"name": "Tumor"}, {"names": ["Tumor", "Positive"]} or plain text. */
static void read_class(reader *r, const json_t *properties)
{
    const json_t *classification = json_object_get(properties, "classification"), *names = json_object_get(classification, "names");
    const char   *name = json_string_value(json_is_string(classification) ? classification : json_object_get(classification, "name"));
    GString      *joined = g_string_new(name);

    for (size_t i = 0; name == NULL && i < json_array_size(names); i++) {
        const char *part = json_string_value(json_array_get(names, i));
        g_string_append_printf(joined, "%s%s", i > 0 ? ": " : "", part != NULL ? part : "?");
    }
    r->class_name = joined->len > 0 ? g_string_chunk_insert_const(r->out->names, joined->str) : NULL;
    g_string_free(joined, TRUE);
}

/* "detection", "cell" or "tile"; QuPath up to 0.2 said it in the id: "PathDetectionObject". */
static const char *object_type(const json_t *feature, const json_t *properties)
{
    static const char *const ids[] = {"PathDetectionObject", "PathCellObject", "PathTileObject"};
    const char              *type = json_string_value(json_object_get(properties, "objectType"));
    const char              *id = json_string_value(json_object_get(feature, "id"));

    for (int i = 0; type == NULL && i < 3; i++)
        if (g_strcmp0(ids[i], id) == 0)
            return SKIPPED[FIRST_OBJECT + i];
    return type;
}

static bool read_feature(reader *r, const json_t *feature, GError **error)
{
    const json_t *properties = json_object_get(feature, "properties"), *geometry = json_object_get(feature, "geometry");
    const char   *type = object_type(feature, properties);

    for (int i = FIRST_OBJECT; i < WITHOUT_GEOMETRY; i++)
        if (g_strcmp0(type, SKIPPED[i]) == 0)
            return skip(r, type);
    if (geometry == NULL || json_is_null(geometry))
        return skip(r, SKIPPED[WITHOUT_GEOMETRY]);
    read_class(r, properties);
    return read_geometry(r, geometry, error);
}

static bool read_object(reader *r, const json_t *object, GError **error)
{
    r->class_name = NULL;
    if (!json_is_object(object))
        return wrong(r, error, "an object is wanted");
    if (g_strcmp0(json_string_value(json_object_get(object, "type")), "Feature") == 0)
        return read_feature(r, object, error);
    return read_geometry(r, object, error);
}

static json_t *parse(const reader *r, const char *text, size_t bytes, GError **error)
{
    json_error_t where;
    mt_json_scan scan = {text, text + bytes, NULL};
    int64_t      cost = 0;

    if (!mt_json_skip_value(&scan, &cost)) {
        wrong(r, error, "%s", scan.wrong);
        return NULL;
    }
    if (cost > MAX_PARSED_BYTES) {
        wrong(r, error, "it would take more than %d MB to parse", (int)(MAX_PARSED_BYTES >> 20));
        return NULL;
    }
    json_t *json = json_loadb(text, bytes, 0, &where);
    if (json == NULL)
        wrong(r, error, "no JSON: %s at byte %d", where.text, where.position);
    return json;
}

static bool read_element(reader *r, const char *text, size_t bytes, GError **error)
{
    json_t *json = parse(r, text, bytes, error);
    bool    ok = json != NULL && read_object(r, json, error);

    json_decref(json);
    return ok;
}

/* From '[' to behind its ']'. */
static bool read_list(reader *r, mt_json_scan *scan, GError **error)
{
    scan->at++;
    mt_json_skip_space(scan);
    if (scan->at < scan->end && *scan->at == ']') {
        scan->at++;
        return true;
    }
    for (;;) {
        mt_json_skip_space(scan);
        const char *first = scan->at;
        r->feature++;
        if (!mt_json_skip_value(scan, NULL))
            return wrong(r, error, "%s", scan->wrong);
        if (!read_element(r, first, (size_t)(scan->at - first), error))
            return false;
        mt_json_skip_space(scan);
        char c = scan->at < scan->end ? *scan->at : '\0';
        if (c != ',' && c != ']')
            return wrong(r, error, "',' or ']' is wanted after it");
        scan->at++;
        if (c == ']')
            break;
    }
    r->feature = 0;
    return true;
}

/* What is left of a collection without its elements: small, and parsed like any JSON. */
static bool check_frame(const reader *r, const char *text, size_t head, const char *tail, size_t tail_bytes, const char *wanted,
                        GError **error)
{
    g_autoptr(GString) frame = g_string_new_len(text, (gssize)head);
    json_t *json;
    bool    ok = true;

    g_string_append_len(frame, tail, (gssize)tail_bytes);
    json = parse(r, frame->str, frame->len, error);
    if (json == NULL)
        return false;
    const char *type = json_string_value(json_object_get(json, "type"));
    if (wanted != NULL && g_strcmp0(type, wanted) != 0)
        ok = wrong(r, error, "its type is '%s': %s is wanted", type != NULL ? type : "", wanted);
    json_decref(json);
    return ok;
}

static bool read_all(reader *r, const char *text, size_t bytes, GError **error)
{
    static const char *const lists[][2] = {{"features", "FeatureCollection"}, {"geometries", "GeometryCollection"}};
    mt_json_scan             scan = {text, text + bytes, NULL};
    const char              *wanted = NULL;
    bool                     found = false;

    mt_json_skip_space(&scan);
    if (scan.at < scan.end && *scan.at == '[')
        found = true;
    else if (scan.at < scan.end && *scan.at != '{')
        return wrong(r, error, "no GeoJSON: it begins with neither '{' nor '['");
    for (int i = 0; i < 2 && !found && scan.wrong == NULL && scan.at < scan.end; i++) {
        mt_json_scan member = scan;
        found = mt_json_find_member(&member, lists[i][0]) && member.at < member.end && *member.at == '[';
        scan = found ? member : scan;
        wanted = found ? lists[i][1] : NULL;
    }
    if (!found)
        return read_element(r, text, bytes, error);
    size_t head = (size_t)(scan.at - text) + 1;
    return read_list(r, &scan, error) && check_frame(r, text, head, scan.at - 1, (size_t)(scan.end - scan.at) + 1, wanted, error);
}

/* "2 LineString, 14 cell"; NULL: nothing was skipped. */
static char *name_skipped(const reader *r)
{
    GString *text = g_string_new(NULL);

    for (int i = 0; i < N_SKIPPED; i++)
        if (r->skipped[i] > 0)
            g_string_append_printf(text, "%s%" G_GINT64_FORMAT " %s", text->len > 0 ? ", " : "", r->skipped[i], SKIPPED[i]);
    return g_string_free(text, text->len == 0);
}

mt_annotation *mt_annotation_parse(const char *text, size_t bytes, const char *path, const int64_t origin[2], GError **error)
{
    g_autoptr(mt_annotation) out = g_new0(mt_annotation, 1);
    reader r = {.out = out, .path = path, .origin = origin};

    out->rings = mt_rings_new();
    out->regions = g_array_new(FALSE, FALSE, sizeof(mt_region));
    out->names = g_string_chunk_new(256);
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        bytes -= 3;
    }
    if (!read_all(&r, text, bytes, error))
        return NULL;
    out->skipped = name_skipped(&r);
    if (out->regions->len == 0 && out->skipped != NULL) {
        wrong(&r, error, "it holds no region, only what is skipped (%s): draw areas and export them as annotations", out->skipped);
        return NULL;
    }
    return g_steal_pointer(&out);
}

mt_annotation *mt_annotation_read(const char *path, const int64_t origin[2], GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) cause = NULL;
    GStatBuf status;
    gsize    bytes;

    if (g_stat(path, &status) == 0 && (!S_ISREG(status.st_mode) || status.st_size > MT_LIMIT_JSON_BYTES)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read the regions of %s: a file of at most %d MB is wanted", path,
                    (int)(MT_LIMIT_JSON_BYTES >> 20));
        return NULL;
    }
    if (!g_file_get_contents(path, &text, &bytes, &cause)) {
        bool missing = g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        g_set_error(error, MT_ERROR, missing ? MT_ERROR_MISSING : MT_ERROR_IO, "read the regions of %s: %s", path,
                    missing ? "no such file" : cause->message);
        return NULL;
    }
    return mt_annotation_parse(text, bytes, path, origin, error);
}

void mt_annotation_free(mt_annotation *annotation)
{
    if (annotation == NULL)
        return;
    mt_rings_free(annotation->rings);
    g_clear_pointer(&annotation->regions, g_array_unref);
    g_clear_pointer(&annotation->names, g_string_chunk_free);
    g_free(annotation->skipped);
    g_free(annotation);
}

/* Lesions from the annotations of ASAP, as those of Camelyon16 are. */
#include "src/base/limits.h"
#include "src/evaluate/case_places.h"

#include <math.h>
#include <string.h>

typedef struct reader {
    mt_places *places;
    GArray    *ring; /* of the annotation that is read; NULL: outside one */
    char      *name;
    bool       cut;
    guint      n_points;
} reader;

static const char *attribute(const char *name, const char **names, const char **values)
{
    for (; *names != NULL; names++, values++)
        if (strcmp(*names, name) == 0)
            return *values;
    return NULL;
}

static bool read_coordinate(const char *text, double *value)
{
    char *end = NULL;

    *value = text != NULL ? g_ascii_strtod(text, &end) : (double)NAN;
    return end != NULL && end != text && *end == '\0' && isfinite(*value);
}

static void begin_element(GMarkupParseContext *context, const char *element, const char **names, const char **values, void *user,
                          GError **error)
{
    reader     *r = user;
    const char *group = attribute("PartOfGroup", names, values);
    mt_point    point;

    (void)context;
    if (strcmp(element, "Annotation") == 0 && r->ring == NULL) {
        const char *name = attribute("Name", names, values);
        r->ring = g_array_new(FALSE, FALSE, sizeof(mt_point));
        r->name = g_strdup(name != NULL ? name : "?");
        r->cut = g_strcmp0(group, "_2") == 0 || g_strcmp0(group, "Exclusion") == 0;
    } else if (strcmp(element, "Coordinate") == 0 && r->ring != NULL) {
        if (!read_coordinate(attribute("X", names, values), &point.x) || !read_coordinate(attribute("Y", names, values), &point.y))
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "annotation %s: a Coordinate has no numbers X and Y", r->name);
        else if (++r->n_points > MT_LIMIT_ANNOTATION_POINTS)
            g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "more than %" G_GINT64_FORMAT " points", MT_LIMIT_ANNOTATION_POINTS);
        else
            g_array_append_val(r->ring, point);
    }
}

static void end_element(GMarkupParseContext *context, const char *element, void *user, GError **error)
{
    reader *r = user;

    (void)context;
    if (strcmp(element, "Annotation") != 0 || r->ring == NULL)
        return;
    if (r->ring->len < 3) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "annotation %s has %u points: a polygon is wanted", r->name, r->ring->len);
        return;
    }
    if (r->cut)
        g_ptr_array_add(r->places->cuts, g_steal_pointer(&r->ring));
    else
        mt_place_set_ring(mt_places_add(r->places), g_steal_pointer(&r->ring));
    g_clear_pointer(&r->name, g_free);
}

mt_places *mt_places_read_xml(const char *path, GError **error)
{
    const GMarkupParser parser = {.start_element = begin_element, .end_element = end_element};
    g_autofree char    *text = NULL;
    g_autoptr(mt_places) places = mt_places_new();
    g_autoptr(GError) cause = NULL;
    reader r = {.places = places};
    gsize  bytes;

    if (!g_file_get_contents(path, &text, &bytes, &cause)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "read %s: %s", path, cause->message);
        return NULL;
    }
    g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&parser, 0, &r, NULL);
    bool ok = g_markup_parse_context_parse(context, text, (gssize)bytes, &cause) && g_markup_parse_context_end_parse(context, &cause);
    g_clear_pointer(&r.ring, g_array_unref);
    g_clear_pointer(&r.name, g_free);
    if (ok)
        return g_steal_pointer(&places);
    g_set_error(error, MT_ERROR, cause->domain == MT_ERROR ? cause->code : MT_ERROR_INPUT, "read %s: %s", path, cause->message);
    return NULL;
}

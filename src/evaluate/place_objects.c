/* Findings of a result: its objects, of the classes that are asked for. */
#include "src/evaluate/case_places.h"
#include "src/store/schema.h"

#include <microtome/findings.h>

#include <math.h>
#include <string.h>

static bool check_classes(const mt_result *result, char *const *classes, GError **error)
{
    g_auto(GStrv) labels = mt_result_attr_strings(result, MT_OBJECT_OBJECTS, MT_ATTR_LABELS);

    for (; labels != NULL && classes != NULL && *classes != NULL; classes++) {
        if (g_strv_contains((const char *const *)labels, *classes))
            continue;
        g_autofree char *known = g_strjoinv(", ", labels);
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: no class %s among its objects': %s", mt_result_path(result), *classes,
                    known);
        return false;
    }
    return true;
}

static bool refuse(const mt_result *result, int object, const char *what, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: object %d has no %s", mt_result_path(result), object, what);
    return false;
}

/* A picture's pixel i reaches from i to i + 1, as in the tables; a volume's places are in mm. */
static bool add_object(const mt_result *result, const mt_finding_list *list, int i, mt_places *places, GError **error)
{
    const mt_finding *f = &list->findings[i];
    const double     *at = places->is_volume ? f->centre_mm : f->centre;
    int               dims = places->is_volume ? 3 : 2;

    if (!isfinite(f->score))
        return refuse(result, i, "score: findings are ranked by it", error);
    for (int d = 0; d < dims; d++)
        if (!isfinite(at[d]))
            return refuse(result, i, places->is_volume ? "place in mm: the case has no patient frame" : "place", error);
    mt_place *p = mt_places_add(places);
    p->score = f->score;
    if (!places->is_volume)
        mt_place_set_box(p, &(mt_box){(double)f->box[0], (double)f->box[1], (double)f->box[3], (double)f->box[4]});
    for (int d = 0; d < dims; d++)
        p->at[d] = places->is_volume ? at[d] : at[d] + 0.5;
    return true;
}

mt_places *mt_places_read_objects(const mt_result *result, char *const *classes, GError **error)
{
    g_autoptr(mt_finding_list) list = mt_finding_list_read(result, error);
    g_autoptr(mt_places) places = mt_places_new();

    if (list == NULL || !check_classes(result, classes, error))
        return NULL;
    places->is_volume = list->size[2] > 1 && !mt_result_has(result, MT_OBJECT_BOUNDS); /* a slide of several planes is none */
    places->in_pixels = !places->is_volume;
    for (int i = 0; i < list->n_findings; i++) {
        bool wanted = classes == NULL || g_strv_contains((const char *const *)classes, list->findings[i].label);
        if (wanted && !add_object(result, list, i, places, error))
            return NULL;
    }
    return g_steal_pointer(&places);
}

mt_places *mt_places_read_result(const char *path, char *const *classes, GError **error)
{
    g_autoptr(mt_result) result = mt_result_open(path, error);
    mt_places *places = NULL;

    if (result != NULL && mt_result_has(result, MT_OBJECT_OBJECTS) && !mt_result_has(result, MT_OBJECT_TILE_SCORES))
        places = mt_places_read_objects(result, classes, error);
    else if (result != NULL && classes != NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: it has no objects, of whose --classes there is a choice", path);
    else if (result != NULL)
        places = mt_places_read_hot_tiles(result, error);
    if (places == NULL)
        g_prefix_error(error, "findings of %s: ", path);
    return places;
}

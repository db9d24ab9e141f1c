/* /objects of a result: a dataset per column, a row per object. */
#include "src/result/objects.h"

#include "src/base/alloc.h"
#include "src/store/schema.h"

typedef double (*number_of)(const mt_object *object);

static double score_of(const mt_object *o)
{
    return o->score;
}

static double area_of(const mt_object *o)
{
    return o->area_mm2;
}

static double volume_of(const mt_object *o)
{
    return o->volume_mm3;
}

static double longest_of(const mt_object *o)
{
    return o->longest_mm;
}

static double perpendicular_of(const mt_object *o)
{
    return o->perpendicular_mm;
}

static double finding_score_of(const mt_object *o)
{
    return o->finding_score;
}

static bool write_column(const mt_objects *objects, mt_store *store, const char *name, mt_dtype dtype, int width, const void *rows,
                         GError **error)
{
    int64_t          shape[] = {objects->list->len, width};
    g_autofree char *object = g_strconcat(MT_OBJECT_OBJECTS "/", name, NULL);
    g_autoptr(mt_tensor) tensor = mt_tensor_new_view(dtype, width > 1 ? 2 : 1, shape, (void *)(uintptr_t)rows, NULL);

    return mt_store_write(store, object, tensor, error);
}

static bool write_numbers(const mt_objects *objects, mt_store *store, const char *name, number_of get, GError **error)
{
    g_autofree double *values = g_new0(double, objects->list->len + 1);

    for (guint i = 0; i < objects->list->len; i++)
        values[i] = get(objects->list->pdata[i]);
    return write_column(objects, store, name, MT_F64, 1, values, error);
}

static bool write_places(const mt_objects *objects, mt_store *store, GError **error)
{
    guint               n = objects->list->len;
    g_autofree int64_t *boxes = g_new0(int64_t, 6 * n + 1), *voxels = g_new0(int64_t, n + 1), *stages = g_new0(int64_t, n + 1);
    g_autofree double  *centres = g_new0(double, 3 * n + 1), *centres_mm = g_new0(double, 3 * n + 1);

    for (guint i = 0; i < n; i++) {
        const mt_object *o = objects->list->pdata[i];
        for (int d = 0; d < 6; d++)
            boxes[6 * i + d] = o->box[d];
        for (int d = 0; d < 3; d++) {
            centres[3 * i + d] = o->centre[d];
            centres_mm[3 * i + d] = o->centre_mm[d];
        }
        voxels[i] = o->voxels;
        stages[i] = o->stage;
    }
    return write_column(objects, store, "box", MT_I64, 6, boxes, error) &&
           write_column(objects, store, "centre", MT_F64, 3, centres, error) &&
           write_column(objects, store, "centre_mm", MT_F64, 3, centres_mm, error) &&
           write_column(objects, store, "voxels", MT_I64, 1, voxels, error) &&
           write_column(objects, store, "stage", MT_I64, 1, stages, error);
}

static bool write_words(const mt_objects *objects, mt_store *store, GError **error)
{
    guint                   n = objects->list->len;
    g_autofree const char **kinds = g_new0(const char *, n + 1), **classes = g_new0(const char *, n + 1),
                          **locations = g_new0(const char *, n + 1), **findings = g_new0(const char *, n + 1);

    for (guint i = 0; i < n; i++) {
        const mt_object *o = objects->list->pdata[i];
        kinds[i] = o->kind == MT_OBJECT_BOX ? "box" : "mask";
        classes[i] = objects->labels[o->label];
        locations[i] = o->location != NULL ? o->location : "";
        findings[i] = o->finding != NULL ? o->finding : "";
    }
    return mt_store_write_strings(store, MT_OBJECT_OBJECTS "/kind", kinds, n, error) &&
           mt_store_write_strings(store, MT_OBJECT_OBJECTS "/class", classes, n, error) &&
           mt_store_write_strings(store, MT_OBJECT_OBJECTS "/location", locations, n, error) &&
           mt_store_write_strings(store, MT_OBJECT_OBJECTS "/finding", findings, n, error);
}

bool mt_objects_store(const mt_objects *objects, mt_store *store, GError **error)
{
    return write_words(objects, store, error) && write_places(objects, store, error) &&
           write_numbers(objects, store, "score", score_of, error) && write_numbers(objects, store, "area_mm2", area_of, error) &&
           write_numbers(objects, store, "volume_mm3", volume_of, error) &&
           write_numbers(objects, store, "longest_mm", longest_of, error) &&
           write_numbers(objects, store, "perpendicular_mm", perpendicular_of, error) &&
           write_numbers(objects, store, "finding_score", finding_score_of, error) &&
           mt_store_attr_strings(store, MT_OBJECT_OBJECTS, MT_ATTR_LABELS, (const char *const *)objects->labels, error);
}

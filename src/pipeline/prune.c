/* A result again with its features as float16, or without them: what storage costs most. */
#include <microtome/folder_prune.h>

#include "kernels/pixel/half.h"
#include "src/base/alloc.h"
#include "src/result/headline.h"
#include "src/store/schema.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES ((int64_t)4 << 20)
#define FEATURES_MEMBER "features" /* of headline and provenance: "float16", "none"; absent: as they were made */

/* The object's text with `name` set to what was done to the features. */
static char *mark(const char *json, const char *kept, int flags)
{
    json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    char   *text, *copy;

    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    json_object_del(object, "content_sha256"); /* the store puts the new one in */
    json_object_set_new(object, FEATURES_MEMBER, json_string(kept));
    text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15) | flags);
    copy = g_strdup(text);
    free(text);
    json_decref(object);
    return copy;
}

static bool narrow(const float *rows, int64_t n, uint16_t *halves, const char *path, GError **error)
{
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(rows[i]) < 65520.0f)) {
            g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "prune %s: a feature of %g does not fit float16: leave it as it is", path,
                        (double)rows[i]);
            return false;
        }
    mt_half_from_f32(rows, n, halves);
    return true;
}

static bool copy_narrow(const mt_result *result, mt_store *store, GError **error)
{
    static const char *const names[] = {MT_ATTR_ENCODER, MT_ATTR_ENCODER_SHA256, MT_ATTR_PRECISION};
    int64_t                  shape[MT_MAX_RANK];
    char                    *texts[G_N_ELEMENTS(names)];

    if (mt_result_shape(result, MT_OBJECT_FEATURES, shape, error) != 2)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        texts[i] = mt_result_attr_string(result, MT_OBJECT_FEATURES, names[i]);
    int64_t   block = MAX(1, COPY_BYTES / (int64_t)sizeof(float) / MAX(1, shape[1]));
    float    *rows = mt_alloc(block * shape[1], sizeof(float), error);
    uint16_t *halves = rows != NULL ? mt_alloc(block * shape[1], sizeof(uint16_t), error) : NULL;
    bool      ok = halves != NULL && mt_schema_grow_features(store, MT_F16, shape[1], shape[0], texts[0], texts[1], texts[2], error);
    for (int64_t first = 0; ok && first < shape[0]; first += block) {
        int64_t count = MIN(block, shape[0] - first);
        ok = mt_result_read_rows(result, MT_OBJECT_FEATURES, first, count, rows, error) &&
             narrow(rows, count * shape[1], halves, mt_result_path(result), error) &&
             mt_store_append(store, MT_OBJECT_FEATURES, halves, count, error);
    }
    mt_free(halves);
    mt_free(rows);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        g_free(texts[i]);
    return ok;
}

static bool copy_marked_provenance(const mt_result *result, mt_store *store, const char *kept, GError **error)
{
    g_autofree char *text = mt_result_read_string(result, MT_OBJECT_PROVENANCE, error);
    g_autofree char *marked = text != NULL ? mark(text, kept, JSON_SORT_KEYS) : NULL;

    if (text != NULL && marked == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "prune %s: its provenance is no JSON", mt_result_path(result));
    return marked != NULL && mt_store_write_string(store, MT_OBJECT_PROVENANCE, marked, error);
}

static bool copy_objects(const mt_result *result, mt_store *store, mt_prune keep, const char *kept, GError **error)
{
    g_auto(GStrv) names = mt_result_names(result, error);

    for (int i = 0; names != NULL && names[i] != NULL; i++) {
        g_autofree char *object = g_strconcat("/", names[i], NULL);
        bool             features = strcmp(object, MT_OBJECT_FEATURES) == 0, provenance = strcmp(object, MT_OBJECT_PROVENANCE) == 0;
        bool             ok = provenance  ? copy_marked_provenance(result, store, kept, error)
                              : !features ? mt_store_copy(store, result, object, error)
                                          : keep == MT_PRUNE_NONE || copy_narrow(result, store, error);
        if (!ok)
            return false;
    }
    return names != NULL;
}

/* Nothing is left to do: features of this form, or none any more. */
static bool is_pruned(const mt_result *result, const char *line, mt_prune keep)
{
    json_t     *headline = json_loads(line, 0, NULL);
    const char *form = json_string_value(json_object_get(headline, FEATURES_MEMBER));
    bool        done = !mt_result_has(result, MT_OBJECT_FEATURES) || (keep == MT_PRUNE_F16 && g_strcmp0(form, "float16") == 0);

    json_decref(headline);
    return done;
}

bool mt_prune_result(const char *path, mt_prune keep, int64_t *before, int64_t *after, GError **error)
{
    const char      *kept = keep == MT_PRUNE_F16 ? "float16" : "none";
    g_autofree char *line = mt_result_headline(path, error);
    bool             hashed;
    struct stat      status;
    g_autoptr(mt_result) result = line != NULL && mt_result_check_content(path, &hashed, error) ? mt_result_open(path, error) : NULL;

    if (result == NULL)
        return false;
    *before = *after = stat(path, &status) == 0 ? status.st_size : 0;
    if (is_pruned(result, line, keep))
        return true;
    g_autofree char *headline = mark(line, kept, 0);
    g_autoptr(mt_store) store = mt_store_create(path, error);
    if (store == NULL || !copy_objects(result, store, keep, kept, error) || !mt_store_replace(store, headline, error))
        return false;
    *after = stat(path, &status) == 0 ? status.st_size : 0;
    return true;
}

#include <microtome/recipe.h>

#include "src/base/key_file.h"
#include "src/case/preparation.h"
#include "src/pipeline/recipe_explain.h"
#include "src/pipeline/recipe_findings.h"
#include "src/pipeline/recipe_series.h"
#include "src/pipeline/recipe_tasks.h"
#include "src/pipeline/resolved.h"
#include "src/result/messages.h"
#include "tiling/stain.h"

#include <microtome/mask.h>
#include <microtome/model.h>

#include <jansson.h>
#include <math.h>
#include <string.h>

static const mt_key KEYS[] = {
    {"input", "modality"},
    {"input", "register"},
    {"input", "preparation"},
    {"input", "plane_axis"},
    {"input", "unit"},
    {"input", "sequences"},
    {"series", "*"}, /* recipe_series.c */
    {"series.*", "*"},
    {"mask", "method"},
    {"mask", "min_share"},
    {"mask", "exclude"},
    {"stain", "method"},
    {"stain", "target"},
    {"grid", "mpp"},
    {"grid", "tile"},
    {"grid", "overlap"},
    {"grid", "compat"},
    {"grid", "patch_level"},
    {"grid", "approximate"},
    {"encoder", "model"},
    {"encoder", "batch"},
    {"encoder", "precision"},
    {"head", "model"},
    {"head", "task"},
    {"head", "location"},
    {"head", "min_mm"},
    {"head", "min_score"},
    {"head", "combine"},
    {"head", "k"},
    {"head", "reference"},
    {"head.*", "*"}, /* recipe_tasks.c */
    {"labels", "names"},
    {"labels", "positive"},
    {"thresholds", "*"},
    {"goals", "*"}, /* for evaluate */
    {"triage", "audit_share"},
    {"triage", "min_tissue_mm2"},
    {"triage", "min_tiles"},
    {"report", "language"},
    {"quality", "degraded_invalid"},
    {"quality", "withheld_invalid"},
    {"explain", "method"},
    {"explain", "label"},
    {"explain", "layer"},
    {"explain", "window"},
    {"explain", "stride"},
    {"explain", "tiles"},
    {"measure", "*"},
    {"action", "*"},
    {"stage.*", "task"},
    {"stage.*", "model"},
    {"stage.*", "objects"},
    {"stage.*", "crop_mm"},
    {"stage.*", "labels"},
    {NULL, NULL},
};

const char *const mt_plane_axes[] = {[MT_AXIS_AXIAL] = "axial", [MT_AXIS_CORONAL] = "coronal", [MT_AXIS_SAGITTAL] = "sagittal", NULL};

mt_recipe *mt_recipe_new(void)
{
    mt_recipe *recipe = g_new0(mt_recipe, 1);

    recipe->min_share = -1;
    recipe->patch_level = -1;
    recipe->mpp = -1;
    recipe->threshold = recipe->threshold_high = recipe->audit_share = recipe->min_tissue_mm2 = NAN;
    recipe->min_tiles = -1;
    recipe->explain.tiles = 16;
    recipe->degraded_invalid = 0.01;
    recipe->withheld_invalid = 0.1;
    return recipe;
}

void mt_recipe_free(mt_recipe *recipe)
{
    if (recipe == NULL)
        return;
    g_free(recipe->path);
    g_free(recipe->modality);
    g_free(recipe->preparation);
    g_free(recipe->registering);
    g_free(recipe->mask_method);
    g_free(recipe->stain_method);
    g_free(recipe->stain_target);
    g_free(recipe->encoder);
    g_free(recipe->precision);
    g_free(recipe->folder_precision);
    g_free(recipe->head);
    mt_recipe_clear_task(recipe);
    g_strfreev(recipe->label_names);
    g_free(recipe->positive);
    g_free(recipe->backend);
    g_free(recipe->language);
    mt_recipe_findings_clear(recipe);
    mt_recipe_series_clear(recipe);
    mt_recipe_explain_clear(recipe);
    g_free(recipe);
}

/* How sequences on other grids come together. */
static bool read_register(GKeyFile *file, const char *path, char **how, GError **error)
{
    static const char *const known[] = {"none", "header", "stated", NULL};

    if (!mt_key_file_string(file, path, "input", "register", how, error))
        return false;
    if (*how == NULL || g_strv_contains(known, *how))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [input] register=%s: none, header or stated is wanted", path, *how);
    return false;
}

static bool read_axis(GKeyFile *file, const char *path, mt_plane_axis *axis, GError **error)
{
    g_autofree char *text = NULL;

    if (!mt_key_file_string(file, path, "input", "plane_axis", &text, error))
        return false;
    if (text == NULL)
        return true;
    for (int i = 0; mt_plane_axes[i] != NULL; i++)
        if (strcmp(text, mt_plane_axes[i]) == 0) {
            *axis = (mt_plane_axis)i;
            return true;
        }
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [input] plane_axis=%s: axial, coronal or sagittal is wanted", path, text);
    return false;
}

static bool read_unit(GKeyFile *file, const char *path, bool *unit_mm, GError **error)
{
    g_autofree char *text = NULL;

    if (!mt_key_file_string(file, path, "input", "unit", &text, error))
        return false;
    *unit_mm = text != NULL;
    if (text == NULL || strcmp(text, "mm") == 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [input] unit=%s: mm is wanted", path, text);
    return false;
}

/* A model path is relative to the recipe; "builtin:..", "mean" and "max" are names, not paths. */
static bool read_model(GKeyFile *file, const char *path, const char *group, char **model, GError **error)
{
    g_autofree char *text = NULL;

    if (!mt_key_file_string(file, path, group, "model", &text, error))
        return false;
    if (text == NULL)
        return true;
    if (g_str_has_prefix(text, "builtin:") || strcmp(text, "mean") == 0 || strcmp(text, "max") == 0)
        *model = g_steal_pointer(&text);
    else
        *model = mt_key_file_resolve(path, text, error);
    return *model != NULL;
}

/* The path of a mask's file or model is relative to the recipe as well. */
static bool read_mask(GKeyFile *file, const char *path, char **method, GError **error)
{
    static const char *const kinds[] = {"file:", "model:"};
    g_autofree char         *text = NULL;

    if (!mt_key_file_string(file, path, "mask", "method", &text, error))
        return false;
    for (int i = 0; text != NULL && i < 2; i++) {
        if (!g_str_has_prefix(text, kinds[i]))
            continue;
        g_autofree char *resolved = mt_key_file_resolve(path, text + strlen(kinds[i]), error);
        *method = resolved != NULL ? g_strconcat(kinds[i], resolved, NULL) : NULL;
        return resolved != NULL;
    }
    *method = g_steal_pointer(&text);
    return true;
}

static bool read_exclude(GKeyFile *file, const char *path, unsigned *set, GError **error)
{
    g_autofree char *text = NULL;

    if (!mt_key_file_string(file, path, "mask", "exclude", &text, error))
        return false;
    if (mt_artefacts_parse(text, set))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [mask] exclude=%s: a list of pen, folds, blur and bubbles is wanted", path,
                text);
    return false;
}

static bool is_stain(const char *word)
{
    mt_stain_method method;

    return strcmp(word, "none") == 0 || mt_stain_parse(word, &method);
}

/* Owned strings; no normalisation and the default target are NULL. */
static void set_stain(mt_recipe *recipe, char *method, char *target)
{
    g_free(recipe->stain_method);
    g_free(recipe->stain_target);
    recipe->stain_method = method;
    recipe->stain_target = target;
    if (method != NULL && strcmp(method, "none") == 0) {
        g_clear_pointer(&recipe->stain_method, g_free);
        g_clear_pointer(&recipe->stain_target, g_free);
    }
}

static bool read_stain(GKeyFile *file, const char *path, mt_recipe *recipe, GError **error)
{
    g_autofree char *method = NULL, *name = NULL, *target = NULL;

    if (!mt_key_file_string(file, path, "stain", "method", &method, error) ||
        !mt_key_file_string(file, path, "stain", "target", &name, error))
        return false;
    if (method == NULL ? name != NULL : !is_stain(method)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [stain] method=%s: macenko, reinhard or none is wanted", path,
                    method != NULL ? method : "");
        return false;
    }
    if (name != NULL && strcmp(name, "default") != 0 && (target = mt_key_file_resolve(path, name, error)) == NULL)
        return false;
    set_stain(recipe, g_steal_pointer(&method), g_steal_pointer(&target));
    return true;
}

bool mt_recipe_set_stain(mt_recipe *recipe, const char *text, GError **error)
{
    const char      *colon = strchr(text, ':'), *target = colon != NULL ? colon + 1 : "default";
    g_autofree char *method = g_strndup(text, colon != NULL ? (gsize)(colon - text) : strlen(text));

    if (!is_stain(method) || *target == '\0' || (colon != NULL && strcmp(method, "none") == 0)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--stain %s: none, macenko[:IMAGE] or reinhard[:IMAGE] is wanted", text);
        return false;
    }
    set_stain(recipe, g_steal_pointer(&method), strcmp(target, "default") != 0 ? g_strdup(target) : NULL);
    return true;
}

static bool read_precision(GKeyFile *file, const char *path, char **precision, GError **error)
{
    mt_precision parsed;

    if (!mt_key_file_string(file, path, "encoder", "precision", precision, error))
        return false;
    if (*precision == NULL || strcmp(*precision, "auto") == 0 || mt_precision_parse(*precision, &parsed))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [encoder] precision=%s: fp32, bf16, int8 or auto is wanted", path, *precision);
    return false;
}

static bool read_compat(GKeyFile *file, const char *path, mt_compat *compat, GError **error)
{
    g_autofree char *text = NULL;

    if (!mt_key_file_string(file, path, "grid", "compat", &text, error))
        return false;
    if (text == NULL || mt_compat_parse(text, compat))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [grid] compat=%s: trident or clam is wanted", path, text);
    return false;
}

static bool read_threshold(GKeyFile *file, const char *path, mt_recipe *recipe, GError **error)
{
    g_auto(GStrv) names = g_key_file_get_keys(file, "thresholds", NULL, NULL);
    int named = 0;

    for (char **name = names; name != NULL && *name != NULL; name++) {
        bool known = strcmp(*name, "low") == 0 || g_strcmp0(recipe->positive, *name) == 0, high = !known && strcmp(*name, "high") == 0;
        named += known;
        if ((!known && !high) || named > 1) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [thresholds] must hold one threshold, named as [labels] positive", path);
            return false;
        }
        if (!mt_key_file_double(file, path, "thresholds", *name, 0, 1, high ? &recipe->threshold_high : &recipe->threshold, error))
            return false;
    }
    return true;
}

static bool read_triage(GKeyFile *file, const char *path, mt_recipe *r, GError **error)
{
    mt_language language;

    if (!mt_key_file_double(file, path, "triage", "audit_share", 0, 1, &r->audit_share, error) ||
        !mt_key_file_double(file, path, "triage", "min_tissue_mm2", 0, 1e9, &r->min_tissue_mm2, error) ||
        !mt_key_file_int(file, path, "triage", "min_tiles", 0, 1000000000, &r->min_tiles, error) ||
        !mt_key_file_string(file, path, "report", "language", &r->language, error))
        return false;
    if (r->language == NULL || mt_language_parse(r->language, &language))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [report] language=%s: en or ko is wanted", path, r->language);
    return false;
}

static bool read_quality(GKeyFile *file, const char *path, mt_recipe *r, GError **error)
{
    if (!mt_key_file_double(file, path, "quality", "degraded_invalid", 0, 1, &r->degraded_invalid, error) ||
        !mt_key_file_double(file, path, "quality", "withheld_invalid", 0, 1, &r->withheld_invalid, error))
        return false;
    if (r->degraded_invalid <= r->withheld_invalid)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [quality] withheld_invalid=%g is below degraded_invalid=%g", path,
                r->withheld_invalid, r->degraded_invalid);
    return false;
}

static bool read_approximate(GKeyFile *file, const char *path, bool *approximate, GError **error)
{
    g_autofree char *text = NULL;

    if (!mt_key_file_string(file, path, "grid", "approximate", &text, error))
        return false;
    *approximate = g_strcmp0(text, "true") == 0;
    if (text == NULL || *approximate || strcmp(text, "false") == 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [grid] approximate=%s: true or false is wanted", path, text);
    return false;
}

static bool read_keys(GKeyFile *file, const char *path, mt_recipe *r, GError **error)
{
    return mt_key_file_string(file, path, "input", "modality", &r->modality, error) &&
           mt_key_file_string(file, path, "input", "preparation", &r->preparation, error) &&
           mt_preparation_check(NULL, r->preparation, path, error) && read_register(file, path, &r->registering, error) &&
           read_axis(file, path, &r->plane_axis, error) && read_unit(file, path, &r->unit_mm, error) &&
           read_mask(file, path, &r->mask_method, error) &&
           mt_key_file_double(file, path, "mask", "min_share", 0, 1, &r->min_share, error) &&
           read_exclude(file, path, &r->exclude, error) && read_stain(file, path, r, error) &&
           mt_key_file_double(file, path, "grid", "mpp", 0, 1000, &r->mpp, error) &&
           mt_key_file_int(file, path, "grid", "tile", 16, 4096, &r->tile_px, error) &&
           mt_key_file_double(file, path, "grid", "overlap", 0, 0.99, &r->overlap, error) && read_compat(file, path, &r->compat, error) &&
           mt_key_file_int(file, path, "grid", "patch_level", 0, 63, &r->patch_level, error) &&
           read_approximate(file, path, &r->approximate, error) && read_model(file, path, "encoder", &r->encoder, error) &&
           mt_key_file_int(file, path, "encoder", "batch", 1, 256, &r->batch, error) && read_precision(file, path, &r->precision, error) &&
           read_model(file, path, "head", &r->head, error) && mt_recipe_read_task(file, path, r, error) &&
           mt_key_file_list(file, path, "labels", "names", &r->label_names, error) &&
           mt_key_file_string(file, path, "labels", "positive", &r->positive, error) && read_threshold(file, path, r, error) &&
           read_triage(file, path, r, error) && read_quality(file, path, r, error) && mt_recipe_findings_read(file, path, r, error) &&
           mt_recipe_series_read(file, path, r, error) && mt_recipe_explain_read(file, path, r, error);
}

mt_recipe *mt_recipe_load(const char *path, GError **error)
{
    g_autoptr(GKeyFile) file = mt_key_file_load(path, KEYS, error);
    g_autoptr(mt_recipe) recipe = mt_recipe_new();

    if (file == NULL)
        return NULL;
    recipe->path = g_strdup(path);
    return read_keys(file, path, recipe, error) ? g_steal_pointer(&recipe) : NULL;
}

double mt_recipe_min_share(const mt_recipe *recipe)
{
    return recipe->min_share >= 0 ? recipe->min_share : recipe->compat == MT_COMPAT_TRIDENT ? 0 : 0.5;
}

const char *mt_recipe_mask_method(const mt_recipe *recipe)
{
    return recipe->mask_method != NULL ? recipe->mask_method : recipe->compat == MT_COMPAT_CLAM ? "clam:default" : NULL;
}

static void put_string(json_t *object, const char *key, const char *value)
{
    if (value != NULL)
        json_object_set_new(object, key, json_string(value));
}

static void put_number(json_t *object, const char *key, double value)
{
    if (!isnan(value))
        json_object_set_new(object, key, json_real(value));
}

char *mt_recipe_to_json(const mt_recipe *r)
{
    json_t *o = json_pack("{s:f s:f s:i s:f s:i s:b s:i s:f s:f s:i s:i}", "min_share", r->min_share, "mpp", r->mpp, "tile_px", r->tile_px,
                          "overlap", r->overlap, "batch", r->batch, "off_contract", r->off_contract, "plane_axis", (int)r->plane_axis,
                          "degraded_invalid", r->degraded_invalid, "withheld_invalid", r->withheld_invalid, "compat", (int)r->compat,
                          "patch_level", r->patch_level);

    put_string(o, "path", r->path);
    put_string(o, "modality", r->modality);
    put_string(o, "preparation", r->preparation);
    put_string(o, "register", r->registering);
    g_autofree char *exclude = r->exclude != 0 ? mt_artefacts_text(r->exclude) : NULL;
    put_string(o, "exclude", exclude);
    put_string(o, "mask_method", r->mask_method);
    put_string(o, "stain_method", r->stain_method);
    put_string(o, "stain_target", r->stain_target);
    put_string(o, "encoder", r->encoder);
    put_string(o, "precision", r->precision);
    put_string(o, "folder_precision", r->folder_precision);
    put_string(o, "head", r->head);
    mt_recipe_put_task(r, o);
    put_string(o, "positive", r->positive);
    put_string(o, "backend", r->backend);
    put_string(o, "language", r->language);
    put_number(o, "threshold_high", r->threshold_high);
    put_number(o, "audit_share", r->audit_share);
    put_number(o, "min_tissue_mm2", r->min_tissue_mm2);
    json_object_set_new(o, "min_tiles", json_integer(r->min_tiles));
    json_object_set_new(o, "approximate", json_boolean(r->approximate));
    json_object_set_new(o, "memory_bytes", json_integer(r->memory_bytes));
    if (!isnan(r->threshold))
        json_object_set_new(o, "threshold", json_real(r->threshold));
    if (r->label_names != NULL) {
        json_t *names = json_array();
        for (char **name = r->label_names; *name != NULL; name++)
            json_array_append_new(names, json_string(*name));
        json_object_set_new(o, "label_names", names);
    }
    mt_recipe_findings_put(r, o);
    mt_recipe_series_put(r, o);
    mt_recipe_explain_put(r, o);
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(17));
    char *copy = g_strdup(text);
    free(text);
    json_decref(o);
    return copy;
}

static char *take_string(const json_t *object, const char *key)
{
    return g_strdup(json_string_value(json_object_get(object, key)));
}

static void take_number(const json_t *object, const char *key, double *value)
{
    if (json_is_number(json_object_get(object, key)))
        *value = json_number_value(json_object_get(object, key));
}

mt_recipe *mt_recipe_from_json(const char *json, GError **error)
{
    json_error_t where;
    json_t      *o = json_loads(json, JSON_REJECT_DUPLICATES, &where);
    g_autoptr(mt_recipe) r = mt_recipe_new();
    int off_contract = 0, axis = 0, compat = 0;

    if (o == NULL || json_unpack(o, "{s:F s:F s:i s:F s:i s:b s:i s:F s:F s?i s?i}", "min_share", &r->min_share, "mpp", &r->mpp, "tile_px",
                                 &r->tile_px, "overlap", &r->overlap, "batch", &r->batch, "off_contract", &off_contract, "plane_axis",
                                 &axis, "degraded_invalid", &r->degraded_invalid, "withheld_invalid", &r->withheld_invalid, "compat",
                                 &compat, "patch_level", &r->patch_level) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "read a recipe from JSON: not one of ours");
        json_decref(o);
        return NULL;
    }
    r->off_contract = off_contract;
    mt_artefacts_parse(json_string_value(json_object_get(o, "exclude")), &r->exclude);
    r->plane_axis = (mt_plane_axis)axis;
    r->compat = (mt_compat)compat;
    r->path = take_string(o, "path");
    r->modality = take_string(o, "modality");
    r->preparation = take_string(o, "preparation");
    r->registering = take_string(o, "register");
    r->mask_method = take_string(o, "mask_method");
    r->stain_method = take_string(o, "stain_method");
    r->stain_target = take_string(o, "stain_target");
    r->encoder = take_string(o, "encoder");
    r->precision = take_string(o, "precision");
    r->folder_precision = take_string(o, "folder_precision");
    r->head = take_string(o, "head");
    mt_recipe_take_task(r, o);
    r->positive = take_string(o, "positive");
    r->backend = take_string(o, "backend");
    r->language = take_string(o, "language");
    take_number(o, "threshold_high", &r->threshold_high);
    take_number(o, "audit_share", &r->audit_share);
    take_number(o, "min_tissue_mm2", &r->min_tissue_mm2);
    r->min_tiles = json_object_get(o, "min_tiles") != NULL ? (int)json_integer_value(json_object_get(o, "min_tiles")) : -1;
    r->approximate = json_is_true(json_object_get(o, "approximate"));
    r->memory_bytes = json_integer_value(json_object_get(o, "memory_bytes"));
    const json_t *threshold = json_object_get(o, "threshold"), *names = json_object_get(o, "label_names");
    if (threshold != NULL)
        r->threshold = json_number_value(threshold);
    if (names != NULL) {
        r->label_names = g_new0(char *, json_array_size(names) + 1);
        for (size_t i = 0; i < json_array_size(names); i++)
            r->label_names[i] = g_strdup(json_string_value(json_array_get(names, i)));
    }
    mt_recipe_findings_take(r, o);
    mt_recipe_series_take(r, o);
    mt_recipe_explain_take(r, o);
    json_decref(o);
    return g_steal_pointer(&r);
}

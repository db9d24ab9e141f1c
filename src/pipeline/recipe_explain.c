#include "src/pipeline/recipe_explain.h"

#include "src/base/key_file.h"
#include "src/encoder/card_text.h"
#include "src/encoder/explainer.h"

#include <string.h>

#define MOST_PX 4096
#define MOST_TILES 1000000

bool mt_recipe_explains(const mt_recipe *recipe)
{
    return recipe->explain.method != NULL && strcmp(recipe->explain.method, "none") != 0;
}

bool mt_recipe_set_explain(mt_recipe *recipe, const char *method, GError **error)
{
    mt_explain_method parsed;

    if (!mt_explain_method_parse(method, &parsed)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--explain %s: auto, cam, gradcam, saliency, rollout, occlusion or none is wanted",
                    method);
        return false;
    }
    g_free(recipe->explain.method);
    recipe->explain.method = g_strdup(method);
    return true;
}

bool mt_recipe_explain_read(GKeyFile *file, const char *path, mt_recipe *recipe, GError **error)
{
    struct mt_recipe_explain *e = &recipe->explain;
    mt_explain_method         parsed;

    if (!mt_key_file_string(file, path, "explain", "method", &e->method, error) ||
        !mt_key_file_string(file, path, "explain", "label", &e->label, error) ||
        !mt_key_file_string(file, path, "explain", "layer", &e->layer, error) ||
        !mt_key_file_int(file, path, "explain", "window", 1, MOST_PX, &e->window, error) ||
        !mt_key_file_int(file, path, "explain", "stride", 1, MOST_PX, &e->stride, error) ||
        !mt_key_file_int(file, path, "explain", "tiles", 0, MOST_TILES, &e->tiles, error))
        return false;
    if (e->method != NULL && !mt_explain_method_parse(e->method, &parsed)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "read %s: [explain] method=%s: auto, cam, gradcam, saliency, rollout, occlusion or none is wanted", path, e->method);
        return false;
    }
    if (e->method == NULL && g_key_file_has_group(file, "explain"))
        e->method = g_strdup("auto");
    return true;
}

void mt_recipe_explain_clear(mt_recipe *recipe)
{
    g_free(recipe->explain.method);
    g_free(recipe->explain.label);
    g_free(recipe->explain.layer);
}

void mt_recipe_explain_put(const mt_recipe *recipe, json_t *object)
{
    const struct mt_recipe_explain *e = &recipe->explain;

    if (e->method != NULL)
        json_object_set_new(object, "explain",
                            json_pack("{s:s, s:s?, s:s?, s:i, s:i, s:i}", "method", e->method, "label", e->label, "layer", e->layer,
                                      "window", e->window, "stride", e->stride, "tiles", e->tiles));
}

void mt_recipe_explain_take(mt_recipe *recipe, const json_t *object)
{
    struct mt_recipe_explain *e = &recipe->explain;
    const json_t             *o = json_object_get(object, "explain");

    if (o == NULL)
        return;
    e->method = g_strdup(json_string_value(json_object_get(o, "method")));
    e->label = g_strdup(json_string_value(json_object_get(o, "label")));
    e->layer = g_strdup(json_string_value(json_object_get(o, "layer")));
    e->window = (int)json_integer_value(json_object_get(o, "window"));
    e->stride = (int)json_integer_value(json_object_get(o, "stride"));
    e->tiles = (int)json_integer_value(json_object_get(o, "tiles"));
}

static void put_count(GString *text, const char *key, int value)
{
    if (value > 0)
        g_string_append_printf(text, "%s=%d\n", key, value);
}

void mt_recipe_explain_text(const mt_recipe *recipe, GString *text)
{
    const struct mt_recipe_explain *e = &recipe->explain;

    if (!mt_recipe_explains(recipe))
        return;
    g_string_append(text, "\n[explain]\n");
    mt_card_text_put(text, "method", e->method);
    if (e->label != NULL)
        mt_card_text_put(text, "label", e->label);
    if (e->layer != NULL)
        mt_card_text_put(text, "layer", e->layer);
    put_count(text, "window", e->window);
    put_count(text, "stride", e->stride);
    g_string_append_printf(text, "tiles=%d\n", e->tiles);
}

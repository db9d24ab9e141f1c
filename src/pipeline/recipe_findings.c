#include "src/pipeline/recipe_findings.h"

#include "src/base/key_file.h"

#include <string.h>

#define MAX_STAGES 8

static const char *const task_names[MT_RECIPE_N_TASKS] = {
    [MT_RECIPE_MIL] = "mil",         [MT_RECIPE_EMBED] = "embed",         [MT_RECIPE_CLASSIFY] = "classify",
    [MT_RECIPE_TILES] = "tiles",     [MT_RECIPE_ZERO_SHOT] = "zero-shot", [MT_RECIPE_MULTI] = "multi",
    [MT_RECIPE_SEGMENT] = "segment", [MT_RECIPE_DETECT] = "detect",       [MT_RECIPE_RECONSTRUCT] = "reconstruct"};

const char *mt_recipe_task_name(mt_recipe_task task)
{
    return task_names[task];
}

bool mt_recipe_task_parse(const char *text, mt_recipe_task *task)
{
    for (int i = 0; i < MT_RECIPE_N_TASKS; i++)
        if (strcmp(task_names[i], text) == 0) {
            *task = (mt_recipe_task)i;
            return true;
        }
    return false;
}

bool mt_recipe_task_is_dense(mt_recipe_task task)
{
    return task == MT_RECIPE_SEGMENT || task == MT_RECIPE_DETECT || task == MT_RECIPE_RECONSTRUCT;
}

static bool read_task(GKeyFile *file, const char *path, const char *group, mt_recipe_task *task, GError **error)
{
    g_autofree char *text = NULL;

    if (!mt_key_file_string(file, path, group, "task", &text, error))
        return false;
    if (text == NULL || mt_recipe_task_parse(text, task))
        return true;
    g_autofree char *known = g_strjoinv(", ", (char **)(uintptr_t)(const char *const[]){"mil", "embed", "classify", "tiles", "zero-shot",
                                                                                        "multi", "segment", "detect", "reconstruct", NULL});
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [%s] task=%s: one of %s is wanted", path, group, text, known);
    return false;
}

/* Every key of a group as "NAME=VALUE", in the file's order; NULL without the group. */
static bool read_rules(GKeyFile *file, const char *path, const char *group, char ***rules, GError **error)
{
    g_auto(GStrv) names = g_key_file_get_keys(file, group, NULL, NULL);
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    if (names == NULL)
        return true;
    for (char **name = names; *name != NULL; name++) {
        g_autofree char *value = NULL;
        if (!mt_key_file_string(file, path, group, *name, &value, error))
            return false;
        g_ptr_array_add(list, g_strdup_printf("%s=%s", *name, value));
    }
    g_ptr_array_add(list, NULL);
    *rules = (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
    return true;
}

static bool read_stage(GKeyFile *file, const char *path, const char *group, mt_recipe_stage *stage, GError **error)
{
    g_autofree char *model = NULL;

    stage->task = MT_RECIPE_CLASSIFY;
    if (!read_task(file, path, group, &stage->task, error) || !mt_key_file_string(file, path, group, "model", &model, error) ||
        !mt_key_file_string(file, path, group, "objects", &stage->objects, error) ||
        !mt_key_file_double(file, path, group, "crop_mm", 0.1, 1000, &stage->crop_mm, error) ||
        !mt_key_file_list(file, path, group, "labels", &stage->labels, error))
        return false;
    if (stage->task != MT_RECIPE_CLASSIFY && stage->task != MT_RECIPE_SEGMENT) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [%s] task=%s: a later stage classifies or segments", path, group,
                    mt_recipe_task_name(stage->task));
        return false;
    }
    if (model == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [%s] has no model", path, group);
        return false;
    }
    stage->model = mt_key_file_resolve(path, model, error);
    return stage->model != NULL;
}

static bool has_group(GKeyFile *file, int number)
{
    g_autofree char *group = g_strdup_printf("stage.%d", number);

    return g_key_file_has_group(file, group);
}

/* [stage.2], [stage.3] and on, without a gap. */
static bool read_stages(GKeyFile *file, const char *path, mt_recipe *r, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
    int wanted = 0;

    for (char **group = groups; *group != NULL; group++)
        wanted += g_str_has_prefix(*group, "stage.");
    for (int i = 0; i < wanted; i++)
        if (wanted > MAX_STAGES || !has_group(file, i + 2)) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                        "read %s: the stages are called [stage.2], [stage.3] and on, without a gap, at most %d of them", path, MAX_STAGES);
            return false;
        }
    r->stages = g_new0(mt_recipe_stage, wanted + 1);
    for (r->n_stages = 0; r->n_stages < wanted; r->n_stages++) {
        g_autofree char *group = g_strdup_printf("stage.%d", r->n_stages + 2);
        if (!read_stage(file, path, group, &r->stages[r->n_stages], error)) {
            r->n_stages++; /* to be freed */
            return false;
        }
    }
    return true;
}

bool mt_recipe_findings_read(GKeyFile *file, const char *path, mt_recipe *recipe, GError **error)
{
    return mt_key_file_list(file, path, "input", "sequences", &recipe->sequences, error) &&
           mt_key_file_double(file, path, "head", "min_mm", 0, 1000, &recipe->min_mm, error) &&
           mt_key_file_double(file, path, "head", "min_score", 0, 1, &recipe->min_score, error) &&
           mt_key_file_list(file, path, "head", "location", &recipe->places, error) &&
           read_task(file, path, "head", &recipe->task, error) && read_stages(file, path, recipe, error) &&
           read_rules(file, path, "measure", &recipe->measures, error) && read_rules(file, path, "action", &recipe->actions, error);
}

void mt_recipe_findings_clear(mt_recipe *recipe)
{
    for (int i = 0; i < recipe->n_stages; i++) {
        g_free(recipe->stages[i].model);
        g_free(recipe->stages[i].objects);
        g_strfreev(recipe->stages[i].labels);
    }
    g_clear_pointer(&recipe->stages, g_free);
    recipe->n_stages = 0;
    g_clear_pointer(&recipe->sequences, g_strfreev);
    g_clear_pointer(&recipe->places, g_strfreev);
    g_clear_pointer(&recipe->measures, g_strfreev);
    g_clear_pointer(&recipe->actions, g_strfreev);
}

static void put_list(json_t *object, const char *key, char *const *list)
{
    if (list == NULL)
        return;
    json_t *array = json_array();
    for (; *list != NULL; list++)
        json_array_append_new(array, json_string(*list));
    json_object_set_new(object, key, array);
}

static char **take_list(const json_t *object, const char *key)
{
    const json_t *array = json_object_get(object, key);

    if (array == NULL)
        return NULL;
    char **list = g_new0(char *, json_array_size(array) + 1);
    for (size_t i = 0; i < json_array_size(array); i++)
        list[i] = g_strdup(json_string_value(json_array_get(array, i)));
    return list;
}

void mt_recipe_findings_put(const mt_recipe *recipe, json_t *object)
{
    json_t *stages = json_array();

    json_object_set_new(object, "task", json_string(mt_recipe_task_name(recipe->task)));
    json_object_set_new(object, "min_mm", json_real(recipe->min_mm));
    json_object_set_new(object, "min_score", json_real(recipe->min_score));
    json_object_set_new(object, "unit_mm", json_boolean(recipe->unit_mm));
    put_list(object, "sequences", recipe->sequences);
    put_list(object, "places", recipe->places);
    put_list(object, "measures", recipe->measures);
    put_list(object, "actions", recipe->actions);
    for (int i = 0; i < recipe->n_stages; i++) {
        const mt_recipe_stage *stage = &recipe->stages[i];
        json_t *one = json_pack("{s:s s:s s:f s:s*}", "task", mt_recipe_task_name(stage->task), "model", stage->model, "crop_mm",
                                stage->crop_mm, "objects", stage->objects);
        put_list(one, "labels", stage->labels);
        json_array_append_new(stages, one);
    }
    json_object_set_new(object, "stages", stages);
}

void mt_recipe_findings_take(mt_recipe *recipe, const json_t *object)
{
    const json_t *stages = json_object_get(object, "stages");
    const char   *task = json_string_value(json_object_get(object, "task"));

    mt_recipe_findings_clear(recipe);
    if (task != NULL)
        mt_recipe_task_parse(task, &recipe->task);
    recipe->min_mm = json_number_value(json_object_get(object, "min_mm"));
    recipe->min_score = json_number_value(json_object_get(object, "min_score"));
    recipe->unit_mm = json_is_true(json_object_get(object, "unit_mm"));
    recipe->sequences = take_list(object, "sequences");
    recipe->places = take_list(object, "places");
    recipe->measures = take_list(object, "measures");
    recipe->actions = take_list(object, "actions");
    recipe->n_stages = (int)json_array_size(stages);
    recipe->stages = g_new0(mt_recipe_stage, recipe->n_stages + 1);
    for (int i = 0; i < recipe->n_stages; i++) {
        const json_t    *one = json_array_get(stages, (size_t)i);
        mt_recipe_stage *stage = &recipe->stages[i];
        task = json_string_value(json_object_get(one, "task"));
        if (task != NULL)
            mt_recipe_task_parse(task, &stage->task);
        stage->model = g_strdup(json_string_value(json_object_get(one, "model")));
        stage->objects = g_strdup(json_string_value(json_object_get(one, "objects")));
        stage->crop_mm = json_number_value(json_object_get(one, "crop_mm"));
        stage->labels = take_list(one, "labels");
    }
}

static void put_rules(GString *text, const char *group, char *const *rules)
{
    if (rules == NULL)
        return;
    g_string_append_printf(text, "\n[%s]\n", group);
    for (; *rules != NULL; rules++)
        g_string_append_printf(text, "%s\n", *rules);
}

void mt_recipe_findings_text(const mt_recipe *recipe, GString *text)
{
    put_rules(text, "measure", recipe->measures);
    put_rules(text, "action", recipe->actions);
    for (int i = 0; i < recipe->n_stages; i++) {
        const mt_recipe_stage *stage = &recipe->stages[i];
        g_autofree char       *name = g_path_get_basename(stage->model);
        char                   crop[G_ASCII_DTOSTR_BUF_SIZE];

        g_string_append_printf(text, "\n[stage.%d]\ntask=%s\nmodel=%s\n", i + 2, mt_recipe_task_name(stage->task), name);
        if (stage->objects != NULL)
            g_string_append_printf(text, "objects=%s\n", stage->objects);
        if (stage->crop_mm > 0)
            g_string_append_printf(text, "crop_mm=%s\n", g_ascii_dtostr(crop, sizeof crop, stage->crop_mm));
        if (stage->labels != NULL) {
            g_autofree char *labels = g_strjoinv(";", stage->labels);
            g_string_append_printf(text, "labels=%s\n", labels);
        }
    }
}

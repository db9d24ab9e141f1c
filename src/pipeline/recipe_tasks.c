#include "src/pipeline/recipe_tasks.h"

#include "src/base/key_file.h"

#include <string.h>

static const char *const rules[] = {"max", "mean", "noisy-or", "top-k", NULL};

const char *const *mt_recipe_rules(void)
{
    return rules;
}

static bool refuse(const char *path, const char *key, const char *value, const char *wanted, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [head] %s=%s: %s is wanted", path, key, value, wanted);
    return false;
}

/* [head.NAME] as [NAME]. */
static char *named_heads(GKeyFile *file)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
    g_autoptr(GKeyFile) heads = g_key_file_new();
    int n = 0;

    for (char **group = groups; *group != NULL; group++) {
        if (!g_str_has_prefix(*group, "head."))
            continue;
        g_auto(GStrv) keys = g_key_file_get_keys(file, *group, NULL, NULL);
        for (char **key = keys; key != NULL && *key != NULL; key++) {
            g_autofree char *value = g_key_file_get_value(file, *group, *key, NULL);
            g_key_file_set_value(heads, *group + strlen("head."), *key, value);
            n++;
        }
    }
    return n > 0 ? g_key_file_to_data(heads, NULL, NULL) : NULL;
}

static bool check_words(const char *path, const mt_recipe *r, GError **error)
{
    if (r->combine != NULL && !g_strv_contains(rules, r->combine))
        return refuse(path, "combine", r->combine, "max, mean, noisy-or or top-k", error);
    return true;
}

bool mt_recipe_read_task(GKeyFile *file, const char *path, mt_recipe *r, GError **error)
{
    g_autofree char *reference = NULL;

    if (!mt_key_file_string(file, path, "head", "combine", &r->combine, error) ||
        !mt_key_file_int(file, path, "head", "k", 1, 1000000, &r->top_k, error) ||
        !mt_key_file_string(file, path, "head", "reference", &reference, error) || !check_words(path, r, error))
        return false;
    if (reference != NULL && (r->reference = mt_key_file_resolve(path, reference, error)) == NULL)
        return false;
    r->heads = named_heads(file);
    return true;
}

void mt_recipe_clear_task(mt_recipe *r)
{
    g_clear_pointer(&r->combine, g_free);
    g_clear_pointer(&r->reference, g_free);
    g_clear_pointer(&r->heads, g_free);
}

void mt_recipe_put_task(const mt_recipe *r, json_t *object)
{
    const struct {
        const char *key, *value;
    } texts[] = {{"combine", r->combine}, {"reference", r->reference}, {"heads", r->heads}};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        if (texts[i].value != NULL)
            json_object_set_new(object, texts[i].key, json_string(texts[i].value));
    json_object_set_new(object, "top_k", json_integer(r->top_k));
}

void mt_recipe_take_task(mt_recipe *r, const json_t *object)
{
    r->combine = g_strdup(json_string_value(json_object_get(object, "combine")));
    r->reference = g_strdup(json_string_value(json_object_get(object, "reference")));
    r->heads = g_strdup(json_string_value(json_object_get(object, "heads")));
    r->top_k = (int)json_integer_value(json_object_get(object, "top_k"));
}

static bool usage(GError **error, const char *what)
{
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "prepare the run: %s", what);
    return false;
}

bool mt_recipe_segments_case(const mt_recipe *r)
{
    return r->n_stages > 0 && (r->task == MT_RECIPE_CLASSIFY || r->task == MT_RECIPE_MULTI || r->task == MT_RECIPE_MIL) &&
           r->stages[0].task == MT_RECIPE_SEGMENT && r->stages[0].objects == NULL && r->stages[0].crop_mm == 0;
}

bool mt_recipe_check_task(const mt_recipe *r, GError **error)
{
    mt_recipe_task task = r->task;

    if (r->sequences != NULL && task != MT_RECIPE_SEGMENT && task != MT_RECIPE_RECONSTRUCT)
        return usage(error, "[input] sequences are channels of a network that takes cases whole: [head] task=segment or reconstruct");
    if ((r->min_mm > 0 || r->min_score > 0) && task != MT_RECIPE_SEGMENT && task != MT_RECIPE_DETECT)
        return usage(error, "min_mm and min_score are of objects: [head] task=segment or detect");
    if (r->places != NULL && task != MT_RECIPE_SEGMENT && !mt_recipe_segments_case(r))
        return usage(error, "location is of labels of a map: [head] task=segment");
    if (r->n_stages > 0 && task != MT_RECIPE_SEGMENT && task != MT_RECIPE_DETECT && !mt_recipe_segments_case(r))
        return usage(error,
                     "stages take the objects of [head] task=segment or detect; behind a classifier [stage.2] task=segment takes the case");
    if (task == MT_RECIPE_MIL || mt_recipe_task_is_dense(task)) {
        bool normal = task == MT_RECIPE_RECONSTRUCT; /* has a folder of normal cases as its reference */
        if (r->combine != NULL || r->top_k > 0 || (r->reference != NULL && !normal) || r->heads != NULL)
            return usage(error, "combine, k, reference and [head.NAME] are of a task: name it, [head] task=classify or another");
        return true;
    }
    if (r->combine != NULL && !g_strv_contains(rules, r->combine))
        return usage(error, "combine is max, mean, noisy-or or top-k");
    if (task == MT_RECIPE_ZERO_SHOT && r->head == NULL)
        return usage(error, "task zero-shot compares with text embeddings: name their file, [head] model=FILE.safetensors or -m FILE");
    if (task != MT_RECIPE_ZERO_SHOT && r->head != NULL)
        return usage(error, "this task is the encoder's own: leave [head] model and -m out");
    if (task != MT_RECIPE_EMBED && r->reference != NULL)
        return usage(error, "a reference is of task embed");
    if ((task == MT_RECIPE_MULTI) != (r->heads != NULL))
        return usage(error, "task multi and groups [head.NAME], one for each output, belong together");
    if (task == MT_RECIPE_EMBED && (r->combine != NULL || r->top_k > 0))
        return usage(error, "task embed averages the features of a case: leave combine and k out");
    return true;
}

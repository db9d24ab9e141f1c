#include "src/pipeline/recipe_series.h"

#include "src/base/key_file.h"

#include <string.h>

#define MAX_ROLES 16

static const mt_series_group *find_group(const mt_recipe *r, const char *role)
{
    for (int i = 0; i < r->n_series; i++)
        if (g_strcmp0(r->series[i].role, role) == 0)
            return &r->series[i];
    return NULL;
}

/* A rule for each sequence, in their order, or the one of [series]. */
static GPtrArray *make_rules(const mt_recipe *r, GError **error)
{
    g_autoptr(GPtrArray) rules = g_ptr_array_new_with_free_func((GDestroyNotify)mt_series_rule_free);
    const mt_series_group *common = find_group(r, NULL);
    const char *const     *shared = common != NULL ? (const char *const *)common->rules : NULL;
    int                    n = r->sequences != NULL ? (int)g_strv_length(r->sequences) : 1;

    for (int i = 0; i < n; i++) {
        const char            *role = r->sequences != NULL ? r->sequences[i] : NULL;
        const mt_series_group *own = role != NULL ? find_group(r, role) : NULL;
        mt_series_rule        *rule = mt_series_rule_new(role, shared, own != NULL ? (const char *const *)own->rules : NULL, error);
        if (rule == NULL)
            return NULL;
        g_ptr_array_add(rules, rule);
    }
    return g_steal_pointer(&rules);
}

static bool read_group(GKeyFile *file, const char *path, const char *group, mt_series_group *series, GError **error)
{
    g_auto(GStrv) names = g_key_file_get_keys(file, group, NULL, NULL);
    GPtrArray *list = g_ptr_array_new();
    bool       ok = true;

    for (char **name = names; ok && *name != NULL; name++) {
        g_autofree char *value = NULL;
        if ((ok = mt_key_file_string(file, path, group, *name, &value, error)))
            g_ptr_array_add(list, g_strdup_printf("%s=%s", *name, value));
    }
    g_ptr_array_add(list, NULL);
    series->role = group[strlen("series")] == '.' ? g_strdup(group + strlen("series.")) : NULL;
    series->rules = (char **)g_ptr_array_free(list, FALSE);
    if (!ok)
        return false;
    g_autoptr(mt_series_rule) rule = mt_series_rule_new(series->role, NULL, (const char *const *)series->rules, error);
    if (rule == NULL)
        g_prefix_error(error, "read %s: [%s] ", path, group);
    return rule != NULL;
}

/* [series.ROLE] and [input] sequences name the same roles; a sequence without a group of its own must be one that is known by its name. */
static bool check_roles(const mt_recipe *r, const char *path, GError **error)
{
    for (int i = 0; i < r->n_series; i++) {
        const char *role = r->series[i].role;
        if (role == NULL || (r->sequences != NULL && g_strv_contains((const char *const *)r->sequences, role)))
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [series.%s] is none of [input] sequences: name it there", path, role);
        return false;
    }
    for (char **role = r->sequences; role != NULL && *role != NULL; role++) {
        g_autofree char *pair = g_strdup_printf("role=%s", *role);
        const char      *pairs[] = {pair, NULL};
        g_autoptr(mt_series_rule) by_name = mt_series_rule_new(NULL, NULL, pairs, NULL);
        if (by_name != NULL || find_group(r, *role) != NULL)
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: sequence '%s' has no group [series.%s] that describes it", path, *role,
                    *role);
        return false;
    }
    return true;
}

bool mt_recipe_series_read(GKeyFile *file, const char *path, mt_recipe *r, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);

    r->series = g_new0(mt_series_group, MAX_ROLES + 1);
    for (char **group = groups; *group != NULL; group++) {
        if (strcmp(*group, "series") != 0 && !g_str_has_prefix(*group, "series."))
            continue;
        if (r->n_series > MAX_ROLES) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: more than %d groups [series.ROLE]", path, MAX_ROLES);
            return false;
        }
        if (!read_group(file, path, *group, &r->series[r->n_series++], error))
            return false;
    }
    return r->n_series == 0 || check_roles(r, path, error);
}

void mt_recipe_series_clear(mt_recipe *r)
{
    for (int i = 0; i < r->n_series; i++) {
        g_free(r->series[i].role);
        g_strfreev(r->series[i].rules);
    }
    g_clear_pointer(&r->series, g_free);
    r->n_series = 0;
}

void mt_recipe_series_put(const mt_recipe *r, json_t *object)
{
    json_t *all = r->n_series > 0 ? json_array() : NULL;

    for (int i = 0; i < r->n_series; i++) {
        json_t *rules = json_array();
        for (char **rule = r->series[i].rules; *rule != NULL; rule++)
            json_array_append_new(rules, json_string(*rule));
        json_array_append_new(all, json_pack("{s:s? s:o}", "role", r->series[i].role, "rules", rules));
    }
    if (all != NULL)
        json_object_set_new(object, "series", all);
}

void mt_recipe_series_take(mt_recipe *r, const json_t *object)
{
    const json_t *all = json_object_get(object, "series");

    mt_recipe_series_clear(r);
    r->n_series = (int)json_array_size(all);
    r->series = g_new0(mt_series_group, r->n_series + 1);
    for (int i = 0; i < r->n_series; i++) {
        const json_t *one = json_array_get(all, (size_t)i), *rules = json_object_get(one, "rules");
        r->series[i].role = g_strdup(json_string_value(json_object_get(one, "role")));
        r->series[i].rules = g_new0(char *, json_array_size(rules) + 1);
        for (size_t k = 0; k < json_array_size(rules); k++)
            r->series[i].rules[k] = g_strdup(json_string_value(json_array_get(rules, k)));
    }
}

void mt_recipe_series_text(const mt_recipe *r, GString *text)
{
    for (int i = 0; i < r->n_series; i++) {
        const char *role = r->series[i].role;
        g_string_append_printf(text, "\n[series%s%s]\n", role != NULL ? "." : "", role != NULL ? role : "");
        for (char **rule = r->series[i].rules; *rule != NULL; rule++)
            g_string_append_printf(text, "%s\n", *rule);
    }
}

bool mt_recipe_choose_series(const mt_recipe *r, mt_study *study, GError **error)
{
    g_autoptr(GPtrArray) rules = make_rules(r, error);

    return rules != NULL && mt_study_select(study, (const mt_series_rule *const *)(void *)rules->pdata, (int)rules->len, error);
}

mt_study *mt_recipe_series_open(const mt_recipe *r, const char *path, GError **error)
{
    g_autoptr(mt_study) study = r->n_series > 0 && mt_study_matches(path) ? mt_study_open(path, error) : NULL;

    return study != NULL && mt_recipe_choose_series(r, study, error) ? g_steal_pointer(&study) : NULL;
}

/* Goals: what was promised, held against the bound of the interval and not against the value. */
#include "src/evaluate/evaluation.h"

#include <math.h>
#include <string.h>

/* Errors: less is better. */
static bool is_error(const char *name)
{
    return strcmp(name, "brier") == 0 || strcmp(name, "ece") == 0;
}

static bool unknown_goal(const mt_evaluation *e, const char *where, const char *name, GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (guint i = 0; i < e->metrics->len; i++)
        g_string_append_printf(known, "%s%s", i > 0 ? ", " : "", g_array_index(e->metrics, mt_metric, i).name);
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "%s: '%s' is no number of this evaluation: %s", where, name, known->str);
    return false;
}

static bool add_goal(mt_evaluation *e, const char *where, const char *name, const char *text, GError **error)
{
    const mt_metric *m = mt_metrics_find(e->metrics, name);
    char            *end = NULL;
    mt_goal          goal = {.wanted = g_ascii_strtod(text, &end), .upper = is_error(name)};

    if (m == NULL)
        return unknown_goal(e, where, name, error);
    if (end == text || *end != '\0' || !isfinite(goal.wanted)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "%s: %s=%s: a number is wanted", where, name, text);
        return false;
    }
    goal.got = m->estimate;
    if (goal.got.defined && goal.got.interval == NULL)
        mt_evaluation_warn(e, "the goal %s has no interval to be held against: give --bootstrap", name);
    goal.met = goal.got.defined && goal.got.interval != NULL && (goal.upper ? goal.got.high <= goal.wanted : goal.got.low >= goal.wanted);
    goal.name = g_strdup(name);
    g_array_append_val(e->goals, goal);
    return true;
}

/* A recipe holds other groups too: only [goals] is read. */
static bool read_file(mt_evaluation *e, const char *path, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) reason = NULL;

    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &reason)) {
        bool missing = g_error_matches(reason, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        g_set_error(error, MT_ERROR, missing ? MT_ERROR_MISSING : MT_ERROR_MODEL, "read goals of %s: %s", path, reason->message);
        return false;
    }
    g_auto(GStrv) keys = g_key_file_get_keys(file, "goals", NULL, NULL);
    if (keys == NULL || keys[0] == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read goals of %s: it has no group [goals] with lines as sensitivity=0.95", path);
        return false;
    }
    for (char **key = keys; *key != NULL; key++) {
        g_autofree char *value = g_key_file_get_value(file, "goals", *key, NULL);
        if (!add_goal(e, path, *key, value, error))
            return false;
    }
    return true;
}

bool mt_evaluation_judge(mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    if (params->goals_file != NULL && !read_file(e, params->goals_file, error))
        return false;
    for (const char *const *goal = params->goals; goal != NULL && *goal != NULL; goal++) {
        const char      *equal = strchr(*goal, '=');
        g_autofree char *name = equal != NULL ? g_strndup(*goal, (gsize)(equal - *goal)) : g_strdup(*goal);
        if (!add_goal(e, "--goal", g_strstrip(name), equal != NULL ? equal + 1 : "", error))
            return false;
    }
    return true;
}

/* Goals: what was promised, held against the bound of the interval and not against the value. */
#include "src/evaluate/evaluation.h"

#include <math.h>
#include <string.h>

/* Of other kinds of evaluation: one [goals] may serve them all. */
static const char *const KNOWN[] = {"auroc",
                                    "auprc",
                                    "sensitivity",
                                    "specificity",
                                    "ppv",
                                    "npv",
                                    "prevalence",
                                    "accuracy",
                                    "balanced_accuracy",
                                    "f1",
                                    "mcc",
                                    "kappa",
                                    "quadratic_kappa",
                                    "brier",
                                    "ece",
                                    "macro_auroc",
                                    "macro_auprc",
                                    "macro_f1",
                                    "weighted_f1",
                                    "macro_sensitivity",
                                    "macro_specificity",
                                    "c_index",
                                    "dice",
                                    "dice_median",
                                    "iou",
                                    "iou_median",
                                    "hausdorff_95_mm",
                                    "hausdorff_95_mm_median",
                                    "lesion_sensitivity",
                                    "false_positives_per_scan",
                                    "camelyon16",
                                    "froc_mean"};

/* Less is better. */
static bool is_error(const char *name)
{
    return strcmp(name, "brier") == 0 || strcmp(name, "ece") == 0 || g_str_has_prefix(name, "false_positives_per_scan") ||
           g_str_has_prefix(name, "hausdorff_95_mm");
}

static bool is_known(const char *name)
{
    g_autofree char *base = g_strndup(name, strcspn(name, ":"));

    for (size_t i = 0; i < G_N_ELEMENTS(KNOWN); i++)
        if (strcmp(KNOWN[i], base) == 0)
            return true;
    return g_str_has_prefix(name, "froc_") || g_str_has_prefix(name, "average_precision_");
}

/* Where a goal is read from and what it adds to. */
typedef struct judge {
    const GArray *metrics;
    GArray       *goals;
    GPtrArray    *warnings;
    const char   *where;
    bool          from_file;
} judge;

static bool unknown_goal(const judge *j, const char *name, GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);

    if (j->from_file && is_known(name)) {
        g_ptr_array_add(j->warnings,
                        g_strdup_printf("the goal %s of %s is not judged: it is no number of this evaluation", name, j->where));
        return true;
    }
    for (guint i = 0; i < j->metrics->len; i++)
        g_string_append_printf(known, "%s%s", i > 0 ? ", " : "", g_array_index(j->metrics, mt_metric, i).name);
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "%s: '%s' is no number of this evaluation: %s", j->where, name, known->str);
    return false;
}

/* "0.95", or with the side that counts ">=0.95", "<2"; which is that of the number, else it is refused. */
static bool read_value(const judge *j, const char *name, const char *text, mt_goal *goal, GError **error)
{
    const char *digits = text + strspn(text, "<>= ");
    char       *end = NULL;
    bool        below = strchr(text, '<') != NULL, above = strchr(text, '>') != NULL;

    goal->wanted = g_ascii_strtod(digits, &end);
    goal->upper = is_error(name);
    goal->strict = (below || above) && memchr(text, '=', (size_t)(digits - text)) == NULL;
    if (end == digits || *end != '\0' || !isfinite(goal->wanted) || (below && above))
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "%s: %s=%s: a number is wanted", j->where, name, text);
    else if ((below && !goal->upper) || (above && goal->upper))
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "%s: %s: %s is better: a goal %s it is wanted", j->where, name,
                    goal->upper ? "less" : "more", goal->upper ? "above (<)" : "below (>)");
    else
        return true;
    return false;
}

static bool reaches(const mt_goal *g)
{
    if (!g->got.defined || g->got.interval == NULL)
        return false;
    if (g->upper)
        return g->strict ? g->got.high < g->wanted : g->got.high <= g->wanted;
    return g->strict ? g->got.low > g->wanted : g->got.low >= g->wanted;
}

static bool add_goal(const judge *j, const char *name, const char *text, GError **error)
{
    const mt_metric *m = mt_metrics_find(j->metrics, name);
    mt_goal          goal = {0};

    if (m == NULL)
        return unknown_goal(j, name, error);
    if (!read_value(j, name, text, &goal, error))
        return false;
    goal.got = m->estimate;
    if (goal.got.defined && goal.got.interval == NULL)
        g_ptr_array_add(j->warnings, g_strdup_printf("the goal %s has no interval to be held against: give --bootstrap", name));
    goal.met = reaches(&goal);
    goal.name = g_strdup(name);
    g_array_append_val(j->goals, goal);
    return true;
}

/* "name=value", "name<value", "name >= value". */
static bool split_goal(const judge *j, const char *goal, GError **error)
{
    gsize            length = strcspn(goal, "=<>");
    const char      *value = goal + length;
    g_autofree char *name = g_strndup(goal, length);

    return add_goal(j, g_strstrip(name), *value == '=' ? value + 1 : value, error);
}

/* A recipe holds other groups too: only [goals] is read.  Of "x>=0.9" the key is "x>". */
static bool read_file(const judge *j, const char *path, GError **error)
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
        g_autofree char *goal = g_strconcat(*key, "=", value, NULL);
        if (!split_goal(j, goal, error))
            return false;
    }
    return true;
}

bool mt_goals_judge(const mt_goal_source *source, const GArray *metrics, GArray *goals, GPtrArray *warnings, GError **error)
{
    judge j = {.metrics = metrics, .goals = goals, .warnings = warnings, .where = source->file, .from_file = true};

    if (source->file != NULL && !read_file(&j, source->file, error))
        return false;
    j.where = "--goal";
    j.from_file = false;
    for (const char *const *goal = source->goals; goal != NULL && *goal != NULL; goal++)
        if (!split_goal(&j, *goal, error))
            return false;
    return true;
}

bool mt_evaluation_judge(mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    const mt_goal_source source = {.goals = params->goals, .file = params->goals_file};

    return mt_goals_judge(&source, e->metrics, e->goals, e->warnings, error);
}

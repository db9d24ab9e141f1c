#include "src/evaluate/evaluation.h"

#include <string.h>

static void free_grouping(void *pointer)
{
    mt_grouping *g = pointer;

    g_free(g->column);
    g_ptr_array_unref(g->groups);
    g_free(g);
}

static void clear_goal(void *pointer)
{
    g_free(((mt_goal *)pointer)->name);
}

static void free_comparison(mt_comparison *c)
{
    if (c == NULL)
        return;
    g_free(c->other);
    g_clear_pointer(&c->differences, g_array_unref);
    g_free(c);
}

static void free_readers(mt_readers *r)
{
    if (r == NULL)
        return;
    g_clear_pointer(&r->readers, g_array_unref);
    g_free(r->pairwise);
    g_free(r);
}

void mt_evaluation_free(mt_evaluation *e)
{
    if (e == NULL)
        return;
    g_clear_pointer(&e->groupings, g_ptr_array_unref);
    g_clear_pointer(&e->goals, g_array_unref);
    g_clear_pointer(&e->views, g_ptr_array_unref);
    g_clear_pointer(&e->metrics, g_array_unref);
    g_clear_pointer(&e->subjects, g_ptr_array_unref);
    g_clear_pointer(&e->unanswered, g_array_unref);
    g_clear_pointer(&e->missing_results, g_ptr_array_unref);
    g_clear_pointer(&e->missing_labels, g_ptr_array_unref);
    g_clear_pointer(&e->warnings, g_ptr_array_unref);
    g_clear_pointer(&e->leak_sources, g_ptr_array_unref);
    mt_risk_groups_free(e->risk_groups);
    free_comparison(e->comparison);
    free_comparison(e->external);
    free_readers(e->readers);
    if (!e->borrowed) {
        mt_targets_free(e->targets);
        mt_labels_free(e->labels);
        mt_predictions_free(e->predictions);
        g_clear_pointer(&e->test, g_hash_table_unref);
        g_free(e->consensus);
    }
    g_free(e->confusion);
    g_free(e->labels_path);
    g_free(e->folder);
    g_free(e);
}

mt_evaluation *mt_evaluation_begin(const char *folder, const mt_evaluation_params *params)
{
    mt_evaluation *e = g_new0(mt_evaluation, 1);

    e->folder = g_strdup(folder);
    e->labels_path = g_strdup(params->labels);
    e->level = params->by_patient ? "patient" : "case";
    e->subjects = g_ptr_array_new_with_free_func(mt_subject_free);
    e->unanswered = g_array_new(FALSE, TRUE, sizeof(mt_unanswered));
    e->missing_results = g_ptr_array_new_with_free_func(g_free);
    e->missing_labels = g_ptr_array_new_with_free_func(g_free);
    e->warnings = g_ptr_array_new_with_free_func(g_free);
    e->views = g_ptr_array_new_with_free_func(mt_view_free);
    e->metrics = g_array_new(FALSE, TRUE, sizeof(mt_metric));
    e->leak_sources = g_ptr_array_new_with_free_func(g_free);
    e->groupings = g_ptr_array_new_with_free_func(free_grouping);
    e->goals = g_array_new(FALSE, TRUE, sizeof(mt_goal));
    g_array_set_clear_func(e->goals, clear_goal);
    e->bootstrap = params->bootstrap;
    e->seed = params->seed;
    e->prevalence = params->prevalence;
    return e;
}

mt_evaluation *mt_evaluation_of(const mt_evaluation *e, GPtrArray *subjects, GError **error)
{
    mt_evaluation_params none = {.labels = e->labels_path, .by_patient = strcmp(e->level, "patient") == 0, .bootstrap = e->bootstrap};
    g_autoptr(mt_evaluation) part = mt_evaluation_begin(e->folder, &none);

    part->borrowed = true;
    part->seed = e->seed;
    part->predictions = e->predictions;
    part->labels = e->labels;
    part->targets = e->targets;
    part->task = e->task;
    part->n_labels = e->n_labels;
    part->threshold = e->threshold;
    part->prevalence = e->prevalence;
    g_ptr_array_set_free_func(part->subjects, NULL);
    for (guint i = 0; i < subjects->len; i++)
        g_ptr_array_add(part->subjects, subjects->pdata[i]);
    return mt_evaluation_measure(part, error) ? g_steal_pointer(&part) : NULL;
}

/* One patient's cases share a time: counted twice, they would make the test too sure. */
static bool study_survival(mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    bool several;

    if (e->task != MT_TASK_HAZARD && e->task != MT_TASK_COX)
        return true;
    g_free(mt_evaluation_patients(e, &several));
    if (several)
        mt_evaluation_warn(e,
                           "some patients have several cases, which the log-rank test and the survival curves take for as many patients: "
                           "give --level patient");
    return mt_evaluation_spread_survival(e, error) && mt_evaluation_risk_groups(e, params, error);
}

static bool check_params(const mt_evaluation_params *params, GError **error)
{
    if (!(params->prevalence == 0 || (params->prevalence > 0 && params->prevalence < 1))) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--prevalence %g: a share between 0 and 1 is wanted, as 0.02", params->prevalence);
        return false;
    }
    if (params->fold != NULL && params->splits == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--fold %s: it is of --splits, which is not given", params->fold);
        return false;
    }
    if (params->bootstrap == 0 || (params->bootstrap >= 100 && params->bootstrap <= 100000))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--bootstrap %d: 100 to 100000 rounds are wanted", params->bootstrap);
    return false;
}

mt_evaluation *mt_evaluation_new(const char *folder, const mt_evaluation_params *params, GError **error)
{
    g_autoptr(mt_evaluation) e = mt_evaluation_begin(folder, params);

    if (!check_params(params, error) || !mt_evaluation_gather(e, params, error) || !mt_evaluation_check_leaks(e, params, error) ||
        !mt_evaluation_measure(e, error) || !mt_evaluation_cluster(e, error) || !study_survival(e, params, error) ||
        (e->bootstrap > 0 && !mt_evaluation_resample(e, error)))
        return NULL;
    for (const char *const *by = params->by; by != NULL && *by != NULL; by++)
        if (!mt_evaluation_group(e, *by, error))
            return NULL;
    if (!mt_evaluation_judge(e, params, error) || (params->compare != NULL && !mt_evaluation_compare(e, params, error)) ||
        (params->internal != NULL && !mt_evaluation_externalise(e, params, error)) ||
        (params->readers != NULL && !mt_evaluation_ask_readers(e, params, error)))
        return NULL;
    g_ptr_array_add(e->warnings, NULL);
    return g_steal_pointer(&e);
}

const char *const *mt_evaluation_warnings(const mt_evaluation *e)
{
    return (const char *const *)e->warnings->pdata;
}

bool mt_evaluation_goals_met(const mt_evaluation *e)
{
    for (guint i = 0; i < e->goals->len; i++)
        if (!g_array_index(e->goals, mt_goal, i).met)
            return false;
    return true;
}

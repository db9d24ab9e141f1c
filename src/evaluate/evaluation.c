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
    free_comparison(e->comparison);
    free_comparison(e->external);
    free_readers(e->readers);
    mt_targets_free(e->targets);
    mt_labels_free(e->labels);
    mt_predictions_free(e->predictions);
    g_free(e->confusion);
    g_free(e->labels_path);
    g_free(e->folder);
    g_free(e);
}

static mt_evaluation *make(const char *folder, const mt_evaluation_params *params)
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
    e->groupings = g_ptr_array_new_with_free_func(free_grouping);
    e->goals = g_array_new(FALSE, TRUE, sizeof(mt_goal));
    g_array_set_clear_func(e->goals, clear_goal);
    e->bootstrap = params->bootstrap;
    e->seed = params->seed;
    return e;
}

mt_evaluation *mt_evaluation_new(const char *folder, const mt_evaluation_params *params, GError **error)
{
    g_autoptr(mt_evaluation) e = make(folder, params);

    if (!mt_evaluation_gather(e, params, error) || !mt_evaluation_measure(e, error))
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

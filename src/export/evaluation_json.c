/* An evaluation as JSON. */
#include <microtome/evaluation_report.h>

#include "src/export/evaluation_json.h"
#include "src/export/evaluation_parts.h"

#include <math.h>
#include <stdlib.h>

json_t *mt_json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *mt_json_text(const char *value)
{
    g_autofree char *valid = value != NULL ? g_utf8_make_valid(value, -1) : NULL;

    return valid != NULL ? json_string(valid) : json_null();
}

json_t *mt_json_texts(const GPtrArray *values)
{
    json_t *array = json_array();

    for (guint i = 0; i < values->len && values->pdata[i] != NULL; i++)
        json_array_append_new(array, mt_json_text(values->pdata[i]));
    return array;
}

json_t *mt_json_estimate(const mt_estimate *e)
{
    json_t *object = json_object();
    bool    between = e->defined && e->interval != NULL;

    json_object_set_new(object, "value", e->defined ? mt_json_number(e->value) : json_null());
    json_object_set_new(object, "low", between ? mt_json_number(e->low) : json_null());
    json_object_set_new(object, "high", between ? mt_json_number(e->high) : json_null());
    json_object_set_new(object, "interval", between ? mt_json_text(e->interval) : json_null());
    return object;
}

static json_t *metric(const mt_metric *m)
{
    json_t *object = mt_json_estimate(&m->estimate);

    if (m->n > 0) {
        json_object_set_new(object, "hits", json_integer(m->hits));
        json_object_set_new(object, "n", json_integer(m->n));
    }
    if (m->bootstrapped) {
        json_object_set_new(object, "bootstrap_low", mt_json_number(m->low));
        json_object_set_new(object, "bootstrap_high", mt_json_number(m->high));
    }
    if (!m->estimate.defined)
        json_object_set_new(object, "undefined", mt_json_text(m->undefined));
    return object;
}

json_t *mt_json_metrics(const GArray *all)
{
    json_t *object = json_object();

    for (guint i = 0; i < all->len; i++) {
        const mt_metric *m = &g_array_index(all, mt_metric, i);
        json_object_set_new(object, m->name, metric(m));
    }
    return object;
}

static json_t *numbers(const double *values, int n)
{
    json_t *array = json_array();

    for (int i = 0; i < n; i++)
        json_array_append_new(array, mt_json_number(values[i]));
    return array;
}

json_t *mt_json_curve(const mt_curve *c, const char *x, const char *y)
{
    json_t *object = json_object();

    json_object_set_new(object, x, numbers(c->x, (int)c->n));
    json_object_set_new(object, y, numbers(c->y, (int)c->n));
    json_object_set_new(object, "threshold", numbers(c->threshold, (int)c->n)); /* the first is null: nothing is called positive */
    return object;
}

static json_t *reliability(const mt_points *p)
{
    json_t *object = json_object(), *counts = json_array();

    for (int i = 0; i < p->n; i++)
        json_array_append_new(counts, json_integer(p->counts[i]));
    json_object_set_new(object, "mean_score", numbers(p->x, p->n));
    json_object_set_new(object, "observed", numbers(p->y, p->n));
    json_object_set_new(object, "n", counts);
    return object;
}

static json_t *decision(const mt_points *p)
{
    json_t *object = json_object();

    json_object_set_new(object, "threshold", numbers(p->x, p->n));
    json_object_set_new(object, "net_benefit", numbers(p->y, p->n));
    json_object_set_new(object, "net_benefit_all", numbers(p->second, p->n));
    return object;
}

static json_t *view(const mt_view *v)
{
    json_t *object = json_object(), *counts = json_object(), *curves = json_object();

    json_object_set_new(object, "label", mt_json_text(v->label));
    json_object_set_new(object, "n", json_integer(v->n));
    json_object_set_new(object, "positives", json_integer(v->n_positive));
    json_object_set_new(object, "threshold", mt_json_number(v->threshold));
    json_object_set_new(counts, "tp", json_integer(v->tp));
    json_object_set_new(counts, "fp", json_integer(v->fp));
    json_object_set_new(counts, "tn", json_integer(v->tn));
    json_object_set_new(counts, "fn", json_integer(v->fn));
    json_object_set_new(object, "counts", counts);
    json_object_set_new(object, "metrics", mt_json_metrics(v->metrics));
    json_object_set_new(curves, "roc", mt_json_curve(&v->roc, "false_positive_rate", "true_positive_rate"));
    json_object_set_new(curves, "precision_recall", mt_json_curve(&v->pr, "recall", "precision"));
    json_object_set_new(curves, "reliability", reliability(&v->reliability));
    json_object_set_new(curves, "decision", decision(&v->decision));
    json_object_set_new(object, "curves", curves);
    return object;
}

static json_t *counts(const mt_evaluation *e)
{
    json_t *object = json_object(), *unanswered = json_array();
    guint   n_positive = 0, n_views = e->views->len;

    for (guint i = 0; i < e->unanswered->len; i++) {
        const mt_unanswered *u = &g_array_index(e->unanswered, mt_unanswered, i);
        json_t              *one = json_object();
        json_object_set_new(one, "id", mt_json_text(u->id));
        json_object_set_new(one, "status", mt_json_text(u->status));
        json_object_set_new(one, "reason", mt_json_text(u->reason));
        json_array_append_new(unanswered, one);
        n_positive += u->positive;
    }
    json_object_set_new(object, "labelled", json_integer(e->n_labelled));
    json_object_set_new(object, "evaluated", json_integer(e->subjects->len));
    if (e->task == MT_TASK_BINARY && n_views == 1) {
        const mt_view *v = e->views->pdata[0];
        json_object_set_new(object, "positives", json_integer(v->n_positive));
        json_object_set_new(object, "negatives", json_integer(v->n - v->n_positive));
        json_object_set_new(object, "unanswered_positives", json_integer(n_positive));
    }
    json_object_set_new(object, "degraded", json_integer(e->predictions->n_degraded));
    json_object_set_new(object, "unknown_label", json_integer(e->n_unknown));
    json_object_set_new(object, "missing_results", mt_json_texts(e->missing_results));
    json_object_set_new(object, "missing_labels", mt_json_texts(e->missing_labels));
    json_object_set_new(object, "unanswered", unanswered);
    return object;
}

static json_t *confusion(const mt_evaluation *e)
{
    json_t *object = json_object(), *labels = json_array(), *rows = json_array();

    for (int i = 0; i < e->n_labels; i++) {
        json_t *row = json_array();
        json_array_append_new(labels, mt_json_text(mt_targets_labels(e->targets)[i]));
        for (int j = 0; j < e->n_labels; j++)
            json_array_append_new(row, json_integer(e->confusion[i * e->n_labels + j]));
        json_array_append_new(rows, row);
    }
    json_object_set_new(object, "labels", labels);
    json_object_set_new(object, "truth_by_call", rows);
    return object;
}

static json_t *gap(const mt_estimate *e, const char *const pair[2])
{
    json_t *object = mt_json_estimate(e);

    json_object_set_new(object, "highest", mt_json_text(pair[0]));
    json_object_set_new(object, "lowest", mt_json_text(pair[1]));
    return object;
}

static json_t *grouping(const mt_grouping *g, bool binary)
{
    json_t *object = json_object(), *groups = json_array();

    for (guint i = 0; i < g->groups->len; i++) {
        const mt_group *group = g->groups->pdata[i];
        json_t         *one = json_object();
        json_object_set_new(one, "group", mt_json_text(group->name));
        json_object_set_new(one, "n", json_integer(group->n));
        if (binary)
            json_object_set_new(one, "positives", json_integer(group->n_positive));
        for (int k = 0; k < MT_GROUP_METRICS && g->metrics[k] != NULL; k++)
            json_object_set_new(one, g->metrics[k], mt_json_estimate(&group->estimates[k]));
        json_array_append_new(groups, one);
    }
    json_object_set_new(object, "column", mt_json_text(g->column));
    json_object_set_new(object, "groups", groups);
    json_object_set_new(object, "unknown", json_integer(g->n_unknown));
    if (binary) {
        json_object_set_new(object, "true_positive_rate_gap", gap(&g->tpr_gap, g->tpr_pair));
        json_object_set_new(object, "false_positive_rate_gap", gap(&g->fpr_gap, g->fpr_pair));
        json_object_set_new(object, "equalised_odds_difference", mt_json_estimate(&g->odds));
    }
    return object;
}

static json_t *groupings(const mt_evaluation *e)
{
    json_t *array = json_array();

    for (guint i = 0; i < e->groupings->len; i++)
        json_array_append_new(array, grouping(e->groupings->pdata[i], e->task == MT_TASK_BINARY));
    return array;
}

json_t *mt_json_goals(const GArray *goals)
{
    json_t *array = json_array();

    for (guint i = 0; i < goals->len; i++) {
        const mt_goal *goal = &g_array_index(goals, mt_goal, i);
        json_t        *one = json_object();
        json_object_set_new(one, "goal", mt_json_text(goal->name));
        json_object_set_new(one, "wanted", mt_json_number(goal->wanted));
        json_object_set_new(one, "bound", mt_json_text(goal->upper ? "upper" : "lower"));
        json_object_set_new(one, "reached", mt_json_estimate(&goal->got));
        json_object_set_new(one, "met", json_boolean(goal->met));
        json_array_append_new(array, one);
    }
    return array;
}

json_t *mt_json_comparison(const mt_comparison *c, bool paired)
{
    json_t *object = json_object(), *array = json_array();

    json_object_set_new(object, "other", mt_json_text(c->other));
    json_object_set_new(object, "n", json_integer(c->n));
    json_object_set_new(object, "n_other", json_integer(c->n_other));
    for (guint i = 0; i < c->differences->len; i++) {
        const mt_difference *d = &g_array_index(c->differences, mt_difference, i);
        json_t              *one = json_object();
        json_object_set_new(one, "metric", mt_json_text(d->name));
        if (d->label != NULL)
            json_object_set_new(one, "label", mt_json_text(d->label));
        json_object_set_new(one, "this", mt_json_estimate(&d->first));
        json_object_set_new(one, "other", mt_json_estimate(&d->second));
        json_object_set_new(one, "difference", mt_json_estimate(&d->difference));
        json_object_set_new(one, "p", mt_json_number(d->p));
        json_array_append_new(array, one);
    }
    json_object_set_new(object, "differences", array);
    if (paired) {
        json_t *mcnemar = json_object();
        json_object_set_new(mcnemar, "right_in_this_alone", json_integer(c->first_only));
        json_object_set_new(mcnemar, "right_in_other_alone", json_integer(c->second_only));
        json_object_set_new(mcnemar, "p", mt_json_number(c->mcnemar_p));
        json_object_set_new(object, "mcnemar", mcnemar);
    }
    return object;
}

static json_t *reader(const mt_reader *r)
{
    json_t *one = json_object();

    json_object_set_new(one, "reader", mt_json_text(r->name));
    json_object_set_new(one, "n", json_integer(r->n));
    json_object_set_new(one, "kappa_with_majority", mt_json_estimate(&r->kappa));
    json_object_set_new(one, "kappa_with_model", mt_json_estimate(&r->model_kappa));
    return one;
}

static json_t *readers(const mt_readers *r)
{
    json_t *object = json_object(), *array = json_array(), *pairs = json_array();
    guint   n = r->readers->len;

    for (guint i = 0; i < n; i++) {
        json_array_append_new(array, reader(&g_array_index(r->readers, mt_reader, i)));
        for (guint k = i + 1; k < n; k++) {
            json_t *pair = mt_json_estimate(&r->pairwise[i * n + k]);
            json_object_set_new(pair, "first", mt_json_text(g_array_index(r->readers, mt_reader, i).name));
            json_object_set_new(pair, "second", mt_json_text(g_array_index(r->readers, mt_reader, k).name));
            json_array_append_new(pairs, pair);
        }
    }
    json_object_set_new(object, "readers", array);
    json_object_set_new(object, "pairwise_kappa", pairs);
    json_object_set_new(object, "mean_pairwise_kappa", mt_json_estimate(&r->mean_pairwise));
    json_object_set_new(object, "fleiss_kappa", mt_json_estimate(&r->fleiss));
    json_object_set_new(object, "read_by_all", json_integer(r->n_cases));
    json_object_set_new(object, "without_majority", json_integer(r->n_ties));
    json_object_set_new(object, "majority_is_truth", json_boolean(r->consensus_is_truth));
    json_object_set_new(object, "model_with_majority", mt_json_estimate(&r->model_kappa));
    return object;
}

/* Where it was looked who was trained on, and how many of those evaluated were: 0, or --allow-trained was given. */
static json_t *training_set(const mt_evaluation *e)
{
    json_t *object = json_object();

    json_object_set_new(object, "looked_in", mt_json_texts(e->leak_sources));
    json_object_set_new(object, "evaluated_of_it", e->leak_sources->len > 0 ? json_integer(e->n_trained_on) : json_null());
    return object;
}

static void set_head(json_t *root, const mt_evaluation *e)
{
    json_t *labels = json_array();

    for (int i = 0; i < e->n_labels; i++)
        json_array_append_new(labels, mt_json_text(mt_targets_labels(e->targets)[i]));
    json_object_set_new(root, "schema", json_integer(1));
    json_object_set_new(root, "folder", mt_json_text(e->folder));
    json_object_set_new(root, "labels_file", mt_json_text(e->labels_path));
    json_object_set_new(root, "task", mt_json_text(mt_task_name(e->task)));
    json_object_set_new(root, "level", mt_json_text(e->level));
    json_object_set_new(root, "labels", labels);
    json_object_set_new(root, "positive", mt_json_text(mt_targets_positive(e->targets)));
    json_object_set_new(root, "threshold", mt_json_number(e->threshold));
    json_object_set_new(root, "threshold_source", mt_json_text(e->threshold_source));
    json_object_set_new(root, "prevalence", e->prevalence > 0 ? mt_json_number(e->prevalence) : json_null());
    json_object_set_new(root, "training_set", training_set(e));
    json_object_set_new(root, "confidence", json_real(0.95));
    json_object_set_new(root, "bootstrap", json_integer(e->bootstrap));
    json_object_set_new(root, "seed", json_integer((json_int_t)e->seed));
    json_object_set_new(root, "counts", counts(e));
    json_object_set_new(root, "warnings", mt_json_texts(e->warnings));
}

char *mt_evaluation_json(const mt_evaluation *e)
{
    json_t *root = json_object(), *views = json_array();
    char   *dumped, *copy;

    set_head(root, e);
    json_object_set_new(root, "metrics", mt_json_metrics(e->metrics));
    json_object_set_new(root, "confusion", e->confusion != NULL ? confusion(e) : json_null());
    for (guint i = 0; i < e->views->len; i++)
        json_array_append_new(views, view(e->views->pdata[i]));
    json_object_set_new(root, "classes", views);
    json_object_set_new(root, "goals", mt_json_goals(e->goals));
    json_object_set_new(root, "goals_met", e->goals->len > 0 ? json_boolean(mt_evaluation_goals_met(e)) : json_null());
    json_object_set_new(root, "subgroups", groupings(e));
    json_object_set_new(root, "survival", mt_evaluation_survival_json(e));
    json_object_set_new(root, "comparison", e->comparison != NULL ? mt_json_comparison(e->comparison, true) : json_null());
    json_object_set_new(root, "external_against_internal", e->external != NULL ? mt_json_comparison(e->external, false) : json_null());
    json_object_set_new(root, "readers", e->readers != NULL ? readers(e->readers) : json_null());
    dumped = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
    copy = g_strconcat(dumped, "\n", NULL);
    free(dumped);
    json_decref(root);
    return copy;
}

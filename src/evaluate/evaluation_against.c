/* One set of predictions against another: a second run over the same cases, or internal cases against external ones. */
#include "src/evaluate/delong.h"
#include "src/evaluate/evaluation.h"
#include "src/evaluate/mcnemar.h"
#include "src/evaluate/proportion.h"

#include <math.h>
#include <string.h>

#define LEVEL 0.95

static mt_comparison *new_comparison(const char *other)
{
    mt_comparison *c = g_new0(mt_comparison, 1);

    c->other = g_strdup(other);
    c->differences = g_array_new(FALSE, TRUE, sizeof(mt_difference));
    c->mcnemar_p = NAN;
    return c;
}

static void add_difference(mt_comparison *c, const char *name, const char *label, mt_estimate first, mt_estimate second,
                           mt_estimate difference, double p)
{
    mt_difference d = {.name = name, .label = label, .first = first, .second = second, .difference = difference, .p = p};

    g_array_append_val(c->differences, d);
}

/* What differs from the evaluation at hand is the folder alone. */
static mt_evaluation *gather_other(const mt_evaluation *e, const mt_evaluation_params *params, const char *folder, const char *labels,
                                   GError **error)
{
    mt_evaluation_params same = *params;

    same.labels = labels;
    same.task = mt_task_name(e->task);
    g_autoptr(mt_evaluation) other = mt_evaluation_begin(folder, &same);
    if (!mt_evaluation_gather(other, &same, error))
        return NULL;
    if (other->n_labels == e->n_labels && g_strv_equal(mt_targets_labels(other->targets), mt_targets_labels(e->targets)))
        return g_steal_pointer(&other);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "compare %s with %s: they predict different labels", e->folder, folder);
    return NULL;
}

/* Subjects of both, in the order of ids. */
static void meet(const mt_evaluation *e, const mt_evaluation *other, GPtrArray *first, GPtrArray *second)
{
    guint i = 0, k = 0;

    while (i < e->subjects->len && k < other->subjects->len) {
        mt_subject *a = e->subjects->pdata[i], *b = other->subjects->pdata[k];
        int         order = strcmp(a->id, b->id);
        if (order == 0) {
            g_ptr_array_add(first, a);
            g_ptr_array_add(second, b);
        }
        i += order <= 0;
        k += order >= 0;
    }
}

/* What two runs say of the same cases, side by side. */
typedef struct pairs {
    int64_t  n;
    double  *score_a, *score_b;
    int     *truth, *right_a, *right_b;
    int64_t *patient;
    bool     several; /* of a patient: cases are not independent */
} pairs;

static void pairs_init(pairs *p, guint room)
{
    *p = (pairs){.score_a = g_new(double, room + 1),
                 .score_b = g_new(double, room + 1),
                 .truth = g_new(int, room + 1),
                 .right_a = g_new(int, room + 1),
                 .right_b = g_new(int, room + 1),
                 .patient = g_new(int64_t, room + 1)};
}

static void pairs_clear(pairs *p)
{
    g_free(p->score_a);
    g_free(p->score_b);
    g_free(p->truth);
    g_free(p->right_a);
    g_free(p->right_b);
    g_free(p->patient);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(pairs, pairs_clear)

static void note_patients(pairs *p, const mt_evaluation *e)
{
    g_autofree int64_t *numbers = mt_evaluation_patients(e, &p->several);

    memcpy(p->patient, numbers, (size_t)e->subjects->len * sizeof *numbers);
}

static void pair_subjects(pairs *p, const mt_evaluation *a, const mt_evaluation *b)
{
    for (guint i = 0; i < a->subjects->len; i++, p->n++) {
        const mt_subject *s = a->subjects->pdata[i], *t = b->subjects->pdata[i];
        p->score_a[i] = a->task == MT_TASK_BINARY ? s->scores[1] : 0;
        p->score_b[i] = a->task == MT_TASK_BINARY ? t->scores[1] : 0;
        p->truth[i] = s->truth;
        p->right_a[i] = s->called == s->truth;
        p->right_b[i] = t->called == t->truth;
    }
    note_patients(p, a);
}

/* One finding: the cases of which it is known, the same in both. */
static void pair_views(pairs *p, const mt_evaluation *e, const mt_view *a, const mt_view *b)
{
    g_autofree int64_t *numbers = mt_evaluation_patients(e, &p->several);

    for (int i = 0; i < MIN(a->n, b->n); i++, p->n++) {
        p->score_a[i] = a->scores[i];
        p->score_b[i] = b->scores[i];
        p->truth[i] = a->truth[i];
        p->right_a[i] = a->called[i] == a->truth[i];
        p->right_b[i] = b->called[i] == b->truth[i];
        p->patient[i] = numbers[a->subject[i]];
    }
}

static bool share_right(const pairs *p, const int *right, const int64_t *patient, int64_t n, mt_estimate *share, GError **error)
{
    int64_t hits = 0;

    if (p->several && n > 0)
        return mt_proportion_patients(right, patient, n, LEVEL, share, error);
    for (int64_t i = 0; i < n; i++)
        hits += right[i];
    return mt_proportion(hits, n, LEVEL, MT_PROPORTION_WILSON, share, error);
}

/* McNemar over those whose truth is `truth` (-1: all); the accuracy there is the accuracy, the sensitivity or the specificity. */
static bool test_calls(mt_comparison *c, const char *name, const char *label, const pairs *p, int truth, mt_mcnemar *result, GError **error)
{
    g_auto(pairs) some = {0};
    mt_estimate a, b;

    pairs_init(&some, (guint)p->n);
    for (int64_t i = 0; i < p->n; i++) {
        if (truth >= 0 && p->truth[i] != truth)
            continue;
        some.right_a[some.n] = p->right_a[i];
        some.right_b[some.n] = p->right_b[i];
        some.patient[some.n++] = p->patient[i];
    }
    bool tested = p->several ? mt_mcnemar_patients(some.right_a, some.right_b, some.patient, some.n, LEVEL, result, error)
                             : mt_mcnemar_test(some.right_a, some.right_b, some.n, LEVEL, result, error);
    if (!tested || !share_right(p, some.right_a, some.patient, some.n, &a, error) ||
        !share_right(p, some.right_b, some.patient, some.n, &b, error))
        return false;
    add_difference(c, name, label, a, b, result->accuracy_difference, some.n > 0 ? result->exact_p : (double)NAN);
    return true;
}

/* The area and the calls on either side of one label. */
static bool test_label(mt_comparison *c, const char *label, const pairs *p, GError **error)
{
    mt_roc_comparison areas;
    mt_mcnemar        part;
    bool              ok = p->several ? mt_roc_compare_patients(p->score_a, p->score_b, p->truth, p->patient, p->n, LEVEL, &areas, error)
                                      : mt_roc_compare(p->score_a, p->score_b, p->truth, p->n, LEVEL, &areas, error);

    if (!ok)
        return false;
    add_difference(c, "auroc", label, areas.a, areas.b, areas.difference, areas.tested ? areas.p : (double)NAN);
    return test_calls(c, "sensitivity", label, p, 1, &part, error) && test_calls(c, "specificity", label, p, 0, &part, error);
}

/* Each finding for itself: calls of several findings of one case are no cases of their own, so no test is over all of them. */
static bool compare_findings(mt_comparison *c, const mt_evaluation *a, const mt_evaluation *b, GError **error)
{
    for (guint i = 0; i < a->views->len; i++) {
        const mt_view *here = a->views->pdata[i], *there = b->views->pdata[i];
        g_auto(pairs) p = {0};
        pairs_init(&p, (guint)here->n);
        pair_views(&p, a, here, there);
        if (!test_label(c, here->label, &p, error))
            return false;
    }
    return true;
}

static bool compare_calls(mt_comparison *c, const mt_evaluation *a, const mt_evaluation *b, GError **error)
{
    g_auto(pairs) p = {0};
    mt_mcnemar all;

    pairs_init(&p, a->subjects->len);
    pair_subjects(&p, a, b);
    if ((a->task == MT_TASK_BINARY && !test_label(c, NULL, &p, error)) || !test_calls(c, "accuracy", NULL, &p, -1, &all, error))
        return false;
    c->first_only = all.only_a;
    c->second_only = all.only_b;
    c->mcnemar_p = all.exact_p;
    return true;
}

static bool compare_survival(mt_comparison *c, const mt_evaluation *a, const mt_evaluation *b, GError **error)
{
    mt_difference d = {0};

    if (!mt_evaluation_compare_survival(a, b, &d, error))
        return false;
    g_array_append_val(c->differences, d);
    return true;
}

bool mt_evaluation_compare(mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    g_autoptr(mt_evaluation) other = NULL;
    g_autoptr(GPtrArray) first = g_ptr_array_new(), second = g_ptr_array_new();

    other = gather_other(e, params, params->compare, params->labels, error);
    if (other == NULL)
        return false;
    meet(e, other, first, second);
    if (first->len == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "compare %s with %s: no %s has a score in both", e->folder, params->compare, e->level);
        return false;
    }
    if (first->len < e->subjects->len || first->len < other->subjects->len)
        mt_evaluation_warn(e, "compared over the %u %ss that have a score in both folders", first->len, e->level);
    mt_comparison *c = e->comparison = new_comparison(params->compare);
    c->n = c->n_other = (int)first->len;
    g_autoptr(mt_evaluation) a = mt_evaluation_of(e, first, error);
    g_autoptr(mt_evaluation) b = a != NULL ? mt_evaluation_of(other, second, error) : NULL;
    if (b == NULL)
        return false;
    if (e->task == MT_TASK_HAZARD || e->task == MT_TASK_COX)
        return compare_survival(c, a, b, error);
    return e->task == MT_TASK_MULTILABEL ? compare_findings(c, a, b, error) : compare_calls(c, a, b, error);
}

/* Of independent numbers with intervals (Zou and Donner, Statist. Med. 2008): each end moves by its own reach. */
static mt_estimate subtract(mt_estimate a, mt_estimate b)
{
    if (!a.defined || !b.defined)
        return (mt_estimate){.defined = false};
    double difference = a.value - b.value;
    if (a.interval == NULL || b.interval == NULL)
        return mt_estimate_point(difference);
    return mt_estimate_between(difference, difference - hypot(a.value - a.low, b.high - b.value),
                               difference + hypot(a.high - a.value, b.value - b.low), "square and add");
}

static bool compare_groups(mt_evaluation *e, const mt_evaluation *external, const mt_evaluation *internal, const char *name, GError **error)
{
    mt_comparison *c = e->external = new_comparison(name);

    c->n = (int)external->subjects->len;
    c->n_other = (int)internal->subjects->len;
    for (guint i = 0; i < external->metrics->len; i++) {
        const mt_metric *a = &g_array_index(external->metrics, mt_metric, i), *b = mt_metrics_find(internal->metrics, a->name);
        mt_estimate      difference = subtract(a->estimate, b->estimate);
        bool             independent = g_strcmp0(a->estimate.interval, "Wilson") == 0 && g_strcmp0(b->estimate.interval, "Wilson") == 0;
        if (independent && a->n > 0 && b->n > 0 && !mt_proportion_difference(a->hits, a->n, b->hits, b->n, LEVEL, &difference, error))
            return false;
        add_difference(c, a->name, NULL, a->estimate, b->estimate, difference, NAN);
    }
    return true;
}

static bool resample_both(mt_evaluation *a, mt_evaluation *b, GError **error)
{
    return a->bootstrap == 0 || (mt_evaluation_resample(a, error) && mt_evaluation_resample(b, error));
}

/* "site=north": the cases of this folder fall into two. */
static bool by_column(mt_evaluation *e, const char *internal, const char *equal, GError **error)
{
    g_autofree char *name = g_strndup(internal, (gsize)(equal - internal));
    int              column = mt_labels_column(e->labels, name);
    g_autoptr(GPtrArray) inside = g_ptr_array_new(), outside = g_ptr_array_new();

    if (column < 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--internal %s: neither a folder, nor has %s a column %s", internal, e->labels_path,
                    name);
        return false;
    }
    for (guint i = 0; i < e->subjects->len; i++) {
        mt_subject *s = e->subjects->pdata[i];
        bool        is = strcmp(mt_labels_cell(e->labels, s->row, column), equal + 1) == 0;
        g_ptr_array_add(is ? inside : outside, s);
    }
    if (inside->len == 0 || outside->len == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--internal %s: %u %ss are internal and %u external: both are needed", internal,
                    inside->len, e->level, outside->len);
        return false;
    }
    g_autoptr(mt_evaluation) a = mt_evaluation_of(e, outside, error);
    g_autoptr(mt_evaluation) b = a != NULL ? mt_evaluation_of(e, inside, error) : NULL;
    return b != NULL && mt_evaluation_cluster(a, error) && mt_evaluation_cluster(b, error) && resample_both(a, b, error) &&
           compare_groups(e, a, b, internal, error);
}

bool mt_evaluation_externalise(mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    const char *equal = strchr(params->internal, '=');
    const char *labels = params->internal_labels != NULL ? params->internal_labels : params->labels;

    if (equal != NULL && !g_file_test(params->internal, G_FILE_TEST_IS_DIR))
        return by_column(e, params->internal, equal, error);
    g_autoptr(mt_evaluation) other = gather_other(e, params, params->internal, labels, error);
    if (other == NULL || !mt_evaluation_measure(other, error) || !mt_evaluation_cluster(other, error) ||
        (e->bootstrap > 0 && !mt_evaluation_resample(other, error)))
        return false;
    return compare_groups(e, e, other, params->internal, error);
}

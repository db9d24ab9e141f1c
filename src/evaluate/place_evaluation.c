#include "src/evaluate/place_evaluation.h"

#include <math.h>
#include <string.h>

#define ROUNDS 2000 /* of the bootstrap, where none are asked for */

static void free_case(void *pointer)
{
    mt_place_case *c = pointer;

    g_free(c->id);
    g_free(c->patient);
    g_free(c->values);
    g_free(c->other);
    g_free(c);
}

static void clear_class(void *pointer)
{
    g_free(((mt_mask_class *)pointer)->name);
}

static void clear_goal(void *pointer)
{
    g_free(((mt_goal *)pointer)->name);
}

void mt_place_evaluation_free(mt_place_evaluation *e)
{
    if (e == NULL)
        return;
    g_ptr_array_unref(e->columns);
    g_ptr_array_unref(e->cases);
    g_ptr_array_unref(e->missing);
    g_ptr_array_unref(e->warnings);
    g_array_unref(e->metrics);
    g_array_unref(e->goals);
    g_array_unref(e->classes);
    if (e->comparison != NULL) {
        g_array_unref(e->comparison->differences);
        g_free(e->comparison->other);
        g_free(e->comparison);
    }
    g_ptr_array_unref(e->names);
    mt_hits_free(e->hits);
    mt_curve_clear(&e->froc);
    g_free(e->folder);
    g_free(e->reference);
    g_free(e->labels_path);
    g_free(e);
}

const char *const *mt_place_evaluation_warnings(const mt_place_evaluation *e)
{
    return (const char *const *)e->warnings->pdata;
}

void mt_place_warn(mt_place_evaluation *e, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    g_ptr_array_add(e->warnings, g_strdup_vprintf(format, values));
    va_end(values);
}

mt_place_case *mt_place_add_case(mt_place_evaluation *e, const char *id, const char *patient)
{
    mt_place_case *c = g_new0(mt_place_case, 1);

    c->id = g_strdup(id);
    c->patient = g_strdup(patient);
    c->values = g_new(double, e->columns->len + 1);
    for (guint i = 0; i < e->columns->len; i++)
        c->values[i] = NAN;
    g_ptr_array_add(e->cases, c);
    return c;
}

void mt_place_add_metric(mt_place_evaluation *e, char *name, const char *undefined)
{
    g_ptr_array_add(e->names, name);
    mt_metrics_add(e->metrics, name, (mt_estimate){.defined = false}, 0, 0, undefined);
}

static mt_place_evaluation *begin(const char *predicted, const mt_place_params *params)
{
    mt_place_evaluation *e = g_new0(mt_place_evaluation, 1);

    e->kind = params->masks != NULL ? MT_PLACE_MASKS : MT_PLACE_FINDINGS;
    e->folder = g_strdup(predicted);
    e->reference = g_strdup(params->masks != NULL ? params->masks : params->lesions);
    e->labels_path = g_strdup(params->labels);
    e->columns = g_ptr_array_new_with_free_func(g_free);
    e->cases = g_ptr_array_new_with_free_func(free_case);
    e->missing = g_ptr_array_new_with_free_func(g_free);
    e->warnings = g_ptr_array_new_with_free_func(g_free);
    e->names = g_ptr_array_new_with_free_func(g_free);
    e->metrics = g_array_new(FALSE, TRUE, sizeof(mt_metric));
    e->goals = g_array_new(FALSE, TRUE, sizeof(mt_goal));
    g_array_set_clear_func(e->goals, clear_goal);
    e->classes = g_array_new(FALSE, TRUE, sizeof(mt_mask_class));
    g_array_set_clear_func(e->classes, clear_class);
    e->bootstrap = params->bootstrap > 0 ? params->bootstrap : ROUNDS;
    e->seed = params->seed;
    e->threshold = params->threshold;
    return e;
}

static mt_place_evaluation *gather(const char *predicted, const mt_place_params *params, GError **error)
{
    g_autoptr(mt_place_evaluation) e = begin(predicted, params);
    bool ok = e->kind == MT_PLACE_MASKS ? mt_place_gather_masks(e, params, error) : mt_place_gather_findings(e, params, error);

    return ok ? g_steal_pointer(&e) : NULL;
}

static const char **patients_of(const GPtrArray *cases)
{
    const char **patients = g_new0(const char *, cases->len + 1);

    for (guint i = 0; i < cases->len; i++)
        patients[i] = ((const mt_place_case *)cases->pdata[i])->patient;
    return patients;
}

static bool measure_all(mt_place_evaluation *e, GError **error)
{
    g_autofree const char **patients = patients_of(e->cases);
    g_autofree mt_estimate *numbers = g_new0(mt_estimate, e->metrics->len + 1);
    const mt_case_draws     draws = {.n_cases = e->cases->len,
                                     .patients = patients,
                                     .rounds = e->bootstrap,
                                     .seed = e->seed,
                                     .n_numbers = (int)e->metrics->len,
                                     .measure = e->measure,
                                     .cohort = e};

    if (!mt_case_draws_measure(&draws, numbers, error))
        return false;
    if (mt_case_draws_patients(&draws) < 2)
        mt_place_warn(e, "one patient alone says nothing about others: no number has an interval");
    for (guint i = 0; i < e->metrics->len; i++) {
        mt_metric *m = &g_array_index(e->metrics, mt_metric, i);
        m->estimate = numbers[i];
        if (m->estimate.defined)
            m->undefined = NULL;
    }
    return e->kind == MT_PLACE_MASKS || mt_place_widen_findings(e, error);
}

/* Two runs over the same cases: common case i is case of[i] of each. */
typedef struct both {
    const mt_place_evaluation *runs[2];
    int64_t                   *of[2], n;
} both;

/* Numbers of the first run, of the second, and their differences. */
static void measure_both(const void *cohort, const int64_t *times, mt_estimate *numbers)
{
    const both *b = cohort;
    guint       n = b->runs[0]->metrics->len;

    for (int run = 0; run < 2; run++) {
        g_autofree int64_t *own = g_new0(int64_t, b->runs[run]->cases->len + 1);
        for (int64_t i = 0; i < b->n; i++)
            own[b->of[run][i]] = times[i];
        b->runs[run]->measure(b->runs[run], own, numbers + (gsize)run * n);
    }
    for (guint i = 0; i < n; i++)
        numbers[2 * n + i] = numbers[i].defined && numbers[n + i].defined ? mt_estimate_point(numbers[i].value - numbers[n + i].value)
                                                                          : (mt_estimate){.defined = false};
}

/* A value that one run alone has pairs with nothing: it is in neither. */
static void pair_values(mt_place_evaluation *e, mt_place_evaluation *other, const both *b)
{
    for (int64_t i = 0; i < b->n; i++) {
        mt_place_case *first = e->cases->pdata[b->of[0][i]], *second = other->cases->pdata[b->of[1][i]];
        first->other = g_new(double, e->columns->len + 1);
        for (guint k = 0; k < e->columns->len; k++)
            first->other[k] = second->values[k];
        for (guint k = 0; k < e->columns->len && e->kind == MT_PLACE_MASKS; k++)
            if (isnan(first->values[k]))
                second->values[k] = NAN;
    }
}

/* The cases as they stand in the comparison, without what the other run does not define. */
static mt_place_evaluation *masked(const mt_place_evaluation *e)
{
    mt_place_evaluation *copy = g_new(mt_place_evaluation, 1);

    *copy = *e;
    copy->cases = g_ptr_array_new_with_free_func(free_case);
    for (guint i = 0; i < e->cases->len; i++) {
        const mt_place_case *from = e->cases->pdata[i];
        mt_place_case       *to = mt_place_add_case(copy, from->id, from->patient);
        for (guint k = 0; k < e->columns->len; k++)
            to->values[k] = from->other != NULL && isnan(from->other[k]) && e->kind == MT_PLACE_MASKS ? (double)NAN : from->values[k];
    }
    return copy;
}

static bool fill_comparison(mt_place_evaluation *e, const both *b, GError **error)
{
    guint                   n = e->metrics->len;
    g_autofree mt_estimate *numbers = g_new0(mt_estimate, 3 * (gsize)n + 1);
    g_autofree const char **patients = g_new0(const char *, b->n + 1);
    mt_case_draws           draws = {.n_cases = b->n,
                                     .patients = patients,
                                     .rounds = e->bootstrap,
                                     .seed = e->seed,
                                     .n_numbers = 3 * (int)n,
                                     .measure = measure_both,
                                     .cohort = b};

    for (int64_t i = 0; i < b->n; i++)
        patients[i] = ((const mt_place_case *)e->cases->pdata[b->of[0][i]])->patient;
    if (!mt_case_draws_measure(&draws, numbers, error))
        return false;
    for (guint i = 0; i < n; i++) {
        mt_difference d = {.name = g_array_index(e->metrics, mt_metric, i).name,
                           .first = numbers[i],
                           .second = numbers[n + i],
                           .difference = numbers[2 * n + i],
                           .p = NAN};
        g_array_append_val(e->comparison->differences, d);
    }
    return true;
}

static int64_t meet(const mt_place_evaluation *e, const mt_place_evaluation *other, int64_t *of[2])
{
    int64_t n = 0;

    for (guint i = 0, k = 0; i < e->cases->len && k < other->cases->len;) {
        int order = strcmp(((const mt_place_case *)e->cases->pdata[i])->id, ((const mt_place_case *)other->cases->pdata[k])->id);
        if (order == 0) {
            of[0][n] = i;
            of[1][n++] = k;
        }
        i += order <= 0;
        k += order >= 0;
    }
    return n;
}

static bool compare(mt_place_evaluation *e, const mt_place_params *params, GError **error)
{
    g_autoptr(mt_place_evaluation) other = gather(params->compare, params, error);
    g_autofree int64_t *first = g_new(int64_t, e->cases->len + 1), *second = g_new(int64_t, e->cases->len + 1);
    both                b = {.of = {first, second}};

    if (other == NULL)
        return false;
    b.n = meet(e, other, b.of);
    if (b.n == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "compare %s with %s: no case is in both", e->folder, params->compare);
        return false;
    }
    if (b.n < e->cases->len || b.n < other->cases->len)
        mt_place_warn(e, "compared over the %d cases that both runs have", (int)b.n);
    e->comparison = g_new0(mt_comparison, 1);
    e->comparison->other = g_strdup(params->compare);
    e->comparison->differences = g_array_new(FALSE, TRUE, sizeof(mt_difference));
    e->comparison->mcnemar_p = NAN;
    e->comparison->n = e->comparison->n_other = (int)b.n;
    pair_values(e, other, &b);
    mt_place_evaluation *here = masked(e);
    b.runs[0] = here;
    b.runs[1] = other;
    bool ok = fill_comparison(e, &b, error);
    g_ptr_array_unref(here->cases);
    g_free(here);
    return ok;
}

static bool check_params(const mt_place_params *params, GError **error)
{
    if ((params->masks != NULL) == (params->lesions != NULL))
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "one of --masks and --lesions is wanted");
    else if (params->bootstrap != 0 && (params->bootstrap < 100 || params->bootstrap > 100000))
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--bootstrap %d: 100 to 100000 rounds are wanted", params->bootstrap);
    else
        return true;
    return false;
}

mt_place_evaluation *mt_place_evaluation_new(const char *predicted, const mt_place_params *params, GError **error)
{
    g_autoptr(mt_place_evaluation) e = check_params(params, error) ? gather(predicted, params, error) : NULL;

    if (e == NULL || !measure_all(e, error) || (params->compare != NULL && !compare(e, params, error)))
        return NULL;
    const mt_goal_source source = {.goals = params->goals, .file = params->goals_file};
    if (!mt_goals_judge(&source, e->metrics, e->goals, e->warnings, error))
        return NULL;
    g_ptr_array_add(e->warnings, NULL);
    return g_steal_pointer(&e);
}

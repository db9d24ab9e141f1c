/* Who is evaluated: predictions met with labels, case by case or patient by patient. */
#include "src/evaluate/evaluation.h"

#include <math.h>
#include <string.h>

#define NAMED 5 /* ids that a message names */

void mt_subject_free(void *pointer)
{
    mt_subject *subject = pointer;

    if (subject == NULL)
        return;
    g_free(subject->scores);
    g_free(subject->holds);
    g_free(subject);
}

void mt_evaluation_warn(mt_evaluation *e, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    g_ptr_array_add(e->warnings, g_strdup_vprintf(format, values));
    va_end(values);
}

/* survive_365;survive_730 and risk are what trained survival heads call their labels; scores that sum to 1 exclude each other. */
static mt_task guess_task(const mt_predictions *p)
{
    bool survival = p->n_labels > 0, whole = true;

    for (int k = 0; k < p->n_labels; k++)
        survival = survival && g_str_has_prefix(p->labels[k], "survive_");
    if (survival)
        return MT_TASK_HAZARD;
    if (p->n_labels == 1)
        return strcmp(p->labels[0], "risk") == 0 ? MT_TASK_COX : MT_TASK_BINARY;
    for (guint i = 0; i < p->cases->len; i++) {
        const mt_case_prediction *c = p->cases->pdata[i];
        double                    sum = 0;
        for (int k = 0; k < c->n_scores; k++)
            sum += c->scores[k];
        whole = whole && (c->n_scores == 0 || fabs(sum - 1) < 1e-3);
    }
    if (!whole)
        return MT_TASK_MULTILABEL;
    return p->n_labels == 2 ? MT_TASK_BINARY : MT_TASK_MULTICLASS;
}

static bool choose_task(mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    const mt_predictions *p = e->predictions;

    if (p->n_scored == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "evaluate %s: none of its %u cases has a score: run them with a head (-m)", e->folder,
                    p->cases->len);
        return false;
    }
    e->task = guess_task(p);
    if (params->task == NULL || mt_task_from_name(params->task, &e->task))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--task %s: binary, multiclass, multilabel, ordinal, hazard or cox is wanted",
                params->task);
    return false;
}

static const mt_case_prediction *first_scored(const mt_predictions *p)
{
    for (guint i = 0; i < p->cases->len; i++)
        if (((const mt_case_prediction *)p->cases->pdata[i])->n_scores > 0)
            return p->cases->pdata[i];
    return NULL;
}

mt_targets_params mt_evaluation_targets_params(const mt_evaluation *e, const mt_evaluation_params *params)
{
    const char       *head_positive = first_scored(e->predictions)->positive;
    const char       *single = e->predictions->n_labels == 1 ? e->predictions->labels[0] : NULL;
    mt_targets_params wanted = {.task = e->task,
                                .column = params->column,
                                .labels = e->task == MT_TASK_COX ? NULL : (const char *const *)e->predictions->labels,
                                .time = params->time,
                                .event = params->event};

    if (e->task == MT_TASK_BINARY)
        wanted.positive = params->positive != NULL ? params->positive : head_positive != NULL ? head_positive : single;
    if (g_strcmp0(params->uncertain, "zeros") == 0)
        wanted.uncertain = MT_UNCERTAIN_ZEROS;
    else if (g_strcmp0(params->uncertain, "ones") == 0)
        wanted.uncertain = MT_UNCERTAIN_ONES;
    return wanted;
}

/* Without a column of labels the readers' majority is the truth. */
static bool make_consensus(mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    g_autoptr(GPtrArray) readers = NULL;

    if (!mt_evaluation_read_readers(e, params, &readers, error))
        return false;
    e->targets = g_ptr_array_steal_index(readers, 0);
    e->n_labels = mt_targets_n_labels(e->targets);
    g_ptr_array_insert(readers, 0, e->targets);
    e->consensus = mt_evaluation_consensus(e, readers, error);
    g_ptr_array_steal_index(readers, 0);
    return e->consensus != NULL;
}

static bool make_targets(mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    mt_targets_params wanted = mt_evaluation_targets_params(e, params);
    const char       *uncertain = params->uncertain;

    if (uncertain != NULL && strcmp(uncertain, "ignore") != 0 && wanted.uncertain == MT_UNCERTAIN_IGNORE) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--uncertain %s: ignore, zeros or ones is wanted", uncertain);
        return false;
    }
    if (params->readers != NULL && params->column == NULL && mt_labels_column(e->labels, "label") < 0)
        return make_consensus(e, params, error);
    e->targets = mt_targets_new(e->labels, &wanted, error);
    if (e->targets == NULL)
        return false;
    e->n_labels = mt_targets_n_labels(e->targets);
    return true;
}

static bool is_known(const mt_evaluation *e, guint row)
{
    return e->consensus != NULL ? e->consensus[row] >= 0 : mt_targets_known(e->targets, row);
}

static void choose_threshold(mt_evaluation *e, const mt_evaluation_params *params)
{
    double of_head = first_scored(e->predictions)->threshold;

    e->threshold = NAN;
    e->threshold_source = "none";
    if (e->task != MT_TASK_BINARY && e->task != MT_TASK_MULTILABEL)
        return;
    if (!isnan(params->threshold)) {
        e->threshold = params->threshold;
        e->threshold_source = "option";
    } else if (!isnan(of_head) && e->task == MT_TASK_BINARY) {
        e->threshold = of_head;
        e->threshold_source = "head";
    } else {
        e->threshold = 0.5;
        e->threshold_source = "default";
        mt_evaluation_warn(e, "the head has no threshold: 0.5 stands in for it; calibrate the head, or give --threshold");
    }
}

/* Which of the predictions' scores is that of label k of the task: they may stand in another order. */
static double score_of(const mt_evaluation *e, const mt_case_prediction *c, int k)
{
    const char *const *names = mt_targets_labels(e->targets);

    for (int i = 0; i < c->n_scores; i++)
        if (strcmp(e->predictions->labels[i], names[k]) == 0)
            return c->scores[i];
    if (e->task == MT_TASK_BINARY && c->n_scores == 1) /* one logit: the other label is what it is not */
        return 1 - c->scores[0];
    return c->scores[MIN(k, c->n_scores - 1)];
}

/* Findings and a binary score count by the strongest case; classes and survival by the mean. */
static void combine(const mt_evaluation *e, mt_subject *s, const mt_case_prediction *c, int n_before)
{
    bool strongest = e->task == MT_TASK_MULTILABEL || e->task == MT_TASK_BINARY;

    for (int k = 0; k < e->n_labels; k++) {
        double score = score_of(e, c, k);
        if (n_before == 0)
            s->scores[k] = score;
        else if (strongest && !(e->task == MT_TASK_BINARY && k == 0))
            s->scores[k] = MAX(s->scores[k], score);
        else if (!strongest)
            s->scores[k] += (score - s->scores[k]) / (n_before + 1);
    }
    if (e->task == MT_TASK_BINARY) {
        if (n_before == 0 || score_of(e, c, 1) >= s->scores[1])
            s->prediction = c;
        s->scores[0] = 1 - s->scores[1];
    } else if (n_before == 0)
        s->prediction = c;
}

static bool contradicts(mt_evaluation *e, const mt_subject *s, guint row, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "labels %s: lines %u and %u say different things of patient %s: evaluate cases, or mend the file", e->labels_path,
                mt_labels_line(e->labels, s->row), mt_labels_line(e->labels, row), s->id);
    return false;
}

/* A patient has a finding, and the worse of two grades, when one of the cases has it. */
static bool merge_truth(mt_evaluation *e, mt_subject *s, guint row, bool first, GError **error)
{
    const mt_targets *t = e->targets;
    int               truth = e->consensus != NULL ? e->consensus[row] : mt_targets_class(t, row);

    if (e->task == MT_TASK_MULTILABEL) {
        for (int k = 0; k < e->n_labels; k++) {
            float holds = mt_targets_holds(t, row, k);
            s->holds[k] = first || isnan(s->holds[k]) ? holds : isnan(holds) ? s->holds[k] : MAX(s->holds[k], holds);
        }
        return true;
    }
    if (first) {
        s->truth = truth;
        s->time = mt_targets_time(t, row);
        s->event = mt_targets_event(t, row);
        return true;
    }
    if (e->task == MT_TASK_BINARY || e->task == MT_TASK_ORDINAL)
        s->truth = MAX(s->truth, truth);
    else if (e->task == MT_TASK_MULTICLASS ? s->truth != truth : s->time != mt_targets_time(t, row) || s->event != mt_targets_event(t, row))
        return contradicts(e, s, row, error);
    return true;
}

static int highest(const double *scores, int n)
{
    int best = 0;

    for (int k = 1; k < n; k++)
        if (scores[k] > scores[best])
            best = k;
    return best;
}

static void decide(const mt_evaluation *e, mt_subject *s)
{
    if (e->task == MT_TASK_BINARY)
        s->called = (float)s->scores[1] >= (float)e->threshold; /* as the engine decides: in float32 */
    else if (e->task == MT_TASK_MULTICLASS || e->task == MT_TASK_ORDINAL)
        s->called = highest(s->scores, e->n_labels);
    else
        s->called = -1;
}

/* One case, or the rows of one patient. */
typedef struct unit {
    const char *id;
    GArray     *rows; /* guint */
} unit;

static void free_unit(void *pointer)
{
    unit *u = pointer;

    g_array_unref(u->rows);
    g_free(u);
}

static int compare_units(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const unit *const *)a)->id, (*(const unit *const *)b)->id);
}

bool mt_evaluation_wants(const mt_evaluation *e, const mt_evaluation_params *params, guint row)
{
    int split = params->split != NULL ? mt_labels_column(e->labels, "split") : -1;

    if (e->test != NULL && !g_hash_table_contains(e->test, mt_labels_id(e->labels, row)))
        return false;
    return split < 0 || strcmp(mt_labels_cell(e->labels, row, split), params->split) == 0;
}

static GPtrArray *make_units(mt_evaluation *e, const mt_evaluation_params *params)
{
    GPtrArray *units = g_ptr_array_new_with_free_func(free_unit);
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint row = 0; row < mt_labels_n(e->labels); row++) {
        if (!mt_evaluation_wants(e, params, row))
            continue;
        const char *id = params->by_patient ? mt_labels_patient(e->labels, row) : mt_labels_id(e->labels, row);
        unit       *u = g_hash_table_lookup(known, id);
        if (u == NULL) {
            u = g_new0(unit, 1);
            u->id = id;
            u->rows = g_array_new(FALSE, FALSE, sizeof(guint));
            g_ptr_array_add(units, u);
            g_hash_table_insert(known, (gpointer)(uintptr_t)id, u);
        }
        g_array_append_val(u->rows, row);
    }
    g_ptr_array_sort(units, compare_units);
    return units;
}

static void add_unanswered(mt_evaluation *e, const char *id, const mt_case_prediction *c, const mt_subject *s)
{
    mt_unanswered unanswered = {.id = id, .status = c->status, .reason = c->reason, .positive = e->task == MT_TASK_BINARY && s->truth == 1};

    g_array_append_val(e->unanswered, unanswered);
}

/* Takes the patient's own result where there is one, else the results of its cases. */
static bool add_unit(mt_evaluation *e, const unit *u, bool own, GHashTable *used, GError **error)
{
    mt_subject               *s = g_new0(mt_subject, 1);
    const mt_case_prediction *silent = NULL;
    int                       n_known = 0, n_scored = 0;
    bool                      ok = true;

    s->id = u->id;
    s->row = g_array_index(u->rows, guint, 0);
    s->patient = mt_labels_patient(e->labels, s->row);
    s->scores = g_new0(double, e->n_labels);
    s->holds = e->task == MT_TASK_MULTILABEL ? g_new0(float, e->n_labels) : NULL;
    for (guint i = 0; i < u->rows->len && ok; i++) {
        guint                     row = g_array_index(u->rows, guint, i);
        const char               *id = own ? u->id : mt_labels_id(e->labels, row);
        const mt_case_prediction *c = mt_predictions_find(e->predictions, id);
        g_hash_table_add(used, (gpointer)(uintptr_t)id);
        if (c == NULL && (!own || i == 0))
            g_ptr_array_add(e->missing_results, g_strdup(id));
        if (c != NULL && c->n_scores == 0)
            silent = c;
        else if (c != NULL && (!own || i == 0))
            combine(e, s, c, n_scored++);
        if (is_known(e, row))
            ok = merge_truth(e, s, row, n_known++ == 0, error);
    }
    e->n_labelled++;
    if (!ok || n_known == 0 || n_scored == 0) {
        e->n_unknown += n_known == 0;
        if (ok && n_known > 0 && silent != NULL)
            add_unanswered(e, u->id, silent, s);
        mt_subject_free(s);
        return ok;
    }
    decide(e, s);
    g_ptr_array_add(e->subjects, s);
    return true;
}

/* "a, b, c, d, e and 12 more" */
static char *name_some(const GPtrArray *ids)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < MIN(ids->len, NAMED); i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", (const char *)ids->pdata[i]);
    if (ids->len > NAMED)
        g_string_append_printf(text, " and %u more", ids->len - NAMED);
    return g_string_free(text, FALSE);
}

static bool check_missing(mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    g_autofree char *results = name_some(e->missing_results), *labels = name_some(e->missing_labels);
    guint            n_results = e->missing_results->len, n_labels = e->missing_labels->len;
    const char      *noun = e->level;

    if (n_results > 0 && !params->allow_missing)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "evaluate %s: %u of the %ss of %s %s no result there (%s): run them, or leave them out with --allow-missing", e->folder,
                    n_results, noun, e->labels_path, n_results == 1 ? "has" : "have", results);
    else if (n_labels > 0 && !params->allow_missing)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "evaluate %s: %u of its %ss %s not in %s (%s): add them, or leave them out with --allow-missing", e->folder, n_labels,
                    noun, n_labels == 1 ? "is" : "are", e->labels_path, labels);
    else {
        if (n_results > 0)
            mt_evaluation_warn(e, "%u labelled %s%s without a result and left out: %s", n_results, noun, n_results == 1 ? " is" : "s are",
                               results);
        if (n_labels > 0)
            mt_evaluation_warn(e, "%u %s%s without a label and left out: %s", n_labels, noun, n_labels == 1 ? " is" : "s are", labels);
        return true;
    }
    return false;
}

static void find_unlabelled(mt_evaluation *e, const mt_evaluation_params *params, bool own, GHashTable *used)
{
    for (guint row = 0; row < mt_labels_n(e->labels); row++) /* of another split: known, and not wanted */
        if (!mt_evaluation_wants(e, params, row))
            g_hash_table_add(used, (gpointer)(uintptr_t)(own ? mt_labels_patient(e->labels, row) : mt_labels_id(e->labels, row)));
    for (guint i = 0; i < e->predictions->cases->len; i++) {
        const mt_case_prediction *c = e->predictions->cases->pdata[i];
        if (!g_hash_table_contains(used, c->id))
            g_ptr_array_add(e->missing_labels, g_strdup(c->id));
    }
}

static bool meet(mt_evaluation *e, const mt_evaluation_params *params, bool own, GError **error)
{
    g_autoptr(GHashTable) used = g_hash_table_new(g_str_hash, g_str_equal);

    if (params->split != NULL && mt_labels_column(e->labels, "split") < 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--split %s: %s has no column split", params->split, e->labels_path);
        return false;
    }
    g_autoptr(GPtrArray) units = make_units(e, params);
    if (units->len == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s %s: no row of %s is of it", params->split != NULL ? "--split" : "--splits",
                    params->split != NULL ? params->split : params->splits, e->labels_path);
        return false;
    }
    for (guint i = 0; i < units->len; i++)
        if (!add_unit(e, units->pdata[i], own, used, error))
            return false;
    find_unlabelled(e, params, own, used);
    if (!check_missing(e, params, error))
        return false;
    if (e->subjects->len > 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "evaluate %s: no %s has both a score and a known label in %s", e->folder, e->level,
                e->labels_path);
    return false;
}

/* Whether `run` or `aggregate` stored results of patients. */
static bool has_patients(const char *folder)
{
    g_autofree char *patients = g_build_filename(folder, "patients", NULL);
    GDir            *dir = g_dir_open(patients, 0, NULL);
    const char      *name;
    bool             found = false;

    while (dir != NULL && !found && (name = g_dir_read_name(dir)) != NULL)
        found = name[0] != '.' && g_str_has_suffix(name, ".h5");
    if (dir != NULL)
        g_dir_close(dir);
    return found;
}

bool mt_evaluation_gather(mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    bool own = params->by_patient && has_patients(e->folder);

    e->labels = mt_labels_read(e->labels_path, error);
    if (e->labels != NULL && params->splits != NULL && (e->test = mt_evaluation_test_cases(params->splits, params->fold, error)) == NULL)
        return false;
    e->predictions =
        e->labels != NULL ? mt_predictions_read(e->folder, own ? MT_PREDICTIONS_PATIENTS : MT_PREDICTIONS_CASES, false, error) : NULL;
    if (e->predictions == NULL || !choose_task(e, params, error) || !make_targets(e, params, error))
        return false;
    if (first_scored(e->predictions)->demonstration)
        mt_evaluation_warn(e, "DEMONSTRATION: the encoder or the head is a sample, and its numbers say nothing about patients");
    if (e->prevalence > 0 && e->task != MT_TASK_BINARY) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--prevalence %g: it is of binary tasks, and this one is %s", e->prevalence,
                    mt_task_name(e->task));
        return false;
    }
    choose_threshold(e, params);
    if (!meet(e, params, own, error))
        return false;
    if (e->unanswered->len > 0)
        mt_evaluation_warn(e, "%u %s%s no score (withheld, insufficient or failed) and are in no number below", e->unanswered->len,
                           e->level, e->unanswered->len == 1 ? " has" : "s have");
    return true;
}

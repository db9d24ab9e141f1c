/* Several readers of each case: do they agree with each other, with their majority, with the model. */
#include "src/evaluate/agreement.h"
#include "src/evaluate/confusion.h"
#include "src/evaluate/evaluation.h"

#include <string.h>

#define LEVEL 0.95
#define MAX_READERS 64
#define MAX_DRAWN 12 /* readers, for whose pairs patients are drawn again */

static void clear_reader(void *pointer)
{
    g_free(((mt_reader *)pointer)->name);
}

/* readings [n][readers] of the subjects; -1: not read.  NULL and the error. */
static int *collect(const mt_evaluation *e, GPtrArray *targets)
{
    int *readings = g_new(int, (gsize)e->subjects->len * targets->len + 1);

    for (guint i = 0; i < e->subjects->len; i++)
        for (guint k = 0; k < targets->len; k++) {
            const mt_targets *t = targets->pdata[k];
            guint             row = ((const mt_subject *)e->subjects->pdata[i])->row;
            readings[i * targets->len + k] = mt_targets_known(t, row) ? mt_targets_class(t, row) : MT_READING_MISSING;
        }
    return readings;
}

/* Kappa of two columns of calls where both are there; `n` gets how many those are. */
static bool pair_kappa(const mt_evaluation *e, const int *first, guint step, const int *second, guint step2, int64_t *n, mt_estimate *kappa,
                       GError **error)
{
    g_autofree int64_t *matrix = g_new0(int64_t, (gsize)e->n_labels * (gsize)e->n_labels);
    mt_kappa_weights    weights = e->task == MT_TASK_ORDINAL ? MT_KAPPA_QUADRATIC : MT_KAPPA_PLAIN;

    *n = 0;
    for (guint i = 0; i < e->subjects->len; i++) {
        int a = first[i * step], b = second[i * step2];
        if (a < 0 || b < 0)
            continue;
        matrix[a * e->n_labels + b]++;
        ++*n;
    }
    return mt_kappa(matrix, e->n_labels, weights, LEVEL, kappa, error) &&
           mt_evaluation_kappa(e, first, (int)step, second, (int)step2, kappa, error);
}

static bool measure_readers(mt_evaluation *e, const int *readings, const int *consensus, const int *called, guint n, GError **error)
{
    mt_readers *r = e->readers;
    int64_t     both;

    for (guint k = 0; k < n; k++) {
        mt_reader *reader = &g_array_index(r->readers, mt_reader, k);
        if (!pair_kappa(e, readings + k, n, called, 1, &reader->n, &reader->model_kappa, error) ||
            !pair_kappa(e, readings + k, n, consensus, 1, &both, &reader->kappa, error))
            return false;
    }
    return pair_kappa(e, called, 1, consensus, 1, &both, &r->model_kappa, error);
}

/* Intervals of what has no formula, and over patients of each pair; of very many pairs none rather than a wrong one. */
static bool spread_kappas(mt_evaluation *e, const int *readings, guint n, GError **error)
{
    mt_readers *r = e->readers;
    bool        several;

    g_free(mt_evaluation_patients(e, &several));
    if (!mt_evaluation_agreement(e, readings, (int)n, false, &r->fleiss, error) ||
        !mt_evaluation_agreement(e, readings, (int)n, true, &r->mean_pairwise, error))
        return false;
    for (guint i = 0; i < n && several; i++)
        for (guint k = i + 1; k < n; k++) {
            mt_estimate *kappa = &r->pairwise[i * n + k];
            if (n > MAX_DRAWN && kappa->defined)
                *kappa = mt_estimate_point(kappa->value);
            else if (!mt_evaluation_kappa(e, readings + i, (int)n, readings + k, (int)n, kappa, error))
                return false;
            r->pairwise[k * n + i] = *kappa;
        }
    return true;
}

static bool measure_all(mt_evaluation *e, const int *readings, guint n, GError **error)
{
    mt_readers      *r = e->readers;
    int              classes = e->n_labels;
    mt_kappa_weights weights = e->task == MT_TASK_ORDINAL ? MT_KAPPA_QUADRATIC : MT_KAPPA_PLAIN;
    guint            n_subjects = e->subjects->len;
    g_autofree int  *consensus = g_new(int, n_subjects + 1), *called = g_new(int, n_subjects + 1);

    r->pairwise = g_new0(mt_estimate, (gsize)n * n);
    if (!mt_fleiss_kappa(readings, n_subjects, (int)n, classes, &r->fleiss, &r->n_cases, error) ||
        !mt_pairwise_kappa(readings, n_subjects, (int)n, classes, weights, LEVEL, &r->mean_pairwise, r->pairwise, error) ||
        !mt_consensus(readings, n_subjects, (int)n, classes, consensus, error))
        return false;
    if (!spread_kappas(e, readings, n, error))
        return false;
    for (guint i = 0; i < n_subjects; i++) {
        bool read = false;
        for (guint k = 0; k < n; k++)
            read = read || readings[i * n + k] >= 0;
        r->n_ties += read && consensus[i] < 0;
        called[i] = ((const mt_subject *)e->subjects->pdata[i])->called;
    }
    return measure_readers(e, readings, consensus, called, n, error);
}

static void free_targets(void *targets)
{
    mt_targets_free(targets);
}

bool mt_evaluation_read_readers(const mt_evaluation *e, const mt_evaluation_params *params, GPtrArray **targets, GError **error)
{
    mt_targets_params wanted = mt_evaluation_targets_params(e, params);
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(free_targets);

    if (e->task != MT_TASK_BINARY && e->task != MT_TASK_MULTICLASS && e->task != MT_TASK_ORDINAL) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--readers: readings of a %s task are not compared", mt_task_name(e->task));
        return false;
    }
    if (params->by_patient || g_strv_length((char **)(uintptr_t)params->readers) < 2 ||
        g_strv_length((char **)(uintptr_t)params->readers) > MAX_READERS) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--readers: %s",
                    params->by_patient ? "readings are of cases: leave out --level patient"
                                       : "two to 64 columns are wanted, as --readers dr_a,dr_b");
        return false;
    }
    for (const char *const *reader = params->readers; *reader != NULL; reader++) {
        wanted.column = *reader;
        mt_targets *t = mt_targets_new(e->labels, &wanted, error);
        if (t == NULL) {
            g_prefix_error(error, "--readers, %s: ", *reader);
            return false;
        }
        g_ptr_array_add(all, t);
    }
    *targets = g_steal_pointer(&all);
    return true;
}

bool mt_evaluation_ask_readers(mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    g_autoptr(GPtrArray) targets = NULL;

    if (!mt_evaluation_read_readers(e, params, &targets, error))
        return false;
    e->readers = g_new0(mt_readers, 1);
    e->readers->readers = g_array_new(FALSE, TRUE, sizeof(mt_reader));
    g_array_set_clear_func(e->readers->readers, clear_reader);
    e->readers->consensus_is_truth = e->consensus != NULL;
    for (guint k = 0; k < targets->len; k++) {
        mt_reader reader = {.name = g_strdup(params->readers[k])};
        g_array_append_val(e->readers->readers, reader);
    }
    g_autofree int *readings = collect(e, targets);
    return measure_all(e, readings, targets->len, error);
}

/* The majority of the readers for each row of the labels file; -1: none.  Free with g_free. */
int *mt_evaluation_consensus(const mt_evaluation *e, GPtrArray *targets, GError **error)
{
    guint           n = mt_labels_n(e->labels), n_readers = targets->len;
    g_autofree int *readings = g_new(int, (gsize)n *n_readers + 1);
    g_autofree int *consensus = g_new(int, n + 1);

    for (guint row = 0; row < n; row++)
        for (guint k = 0; k < n_readers; k++)
            readings[row * n_readers + k] = mt_targets_known(targets->pdata[k], row) ? mt_targets_class(targets->pdata[k], row) : -1;
    if (!mt_consensus(readings, n, (int)n_readers, e->n_labels, consensus, error))
        return NULL;
    return g_steal_pointer(&consensus);
}

/* Kappas and gaps where patients have several cases: their formulas take cases as independent, so patients are drawn again instead. */
#include "src/evaluate/agreement.h"
#include "src/evaluate/bootstrap.h"
#include "src/evaluate/evaluation.h"
#include "src/evaluate/proportion.h"

#include <string.h>

#define LEVEL 0.95

int64_t *mt_evaluation_patients(const mt_evaluation *e, bool *several)
{
    guint    n = e->subjects->len;
    int64_t *numbers = g_new(int64_t, n + 1);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < n; i++) {
        const char *patient = ((const mt_subject *)e->subjects->pdata[i])->patient;
        void       *number = g_hash_table_lookup(seen, patient);

        if (number == NULL) {
            number = GINT_TO_POINTER((int)g_hash_table_size(seen) + 1);
            g_hash_table_insert(seen, (gpointer)(uintptr_t)patient, number);
        }
        numbers[i] = GPOINTER_TO_INT(number) - 1;
    }
    if (several != NULL)
        *several = g_hash_table_size(seen) < n;
    return numbers;
}

/* The interval alone is replaced; one that the draws do not give is none. */
static bool draw_again(const mt_evaluation *e, const int64_t *patients, int64_t n, double level, mt_metric_fn metric, const void *data,
                       const char *name, mt_estimate *estimate, GError **error)
{
    mt_bootstrap_params params = {.resamples = e->bootstrap > 0 ? e->bootstrap : MT_EVALUATION_ROUNDS,
                                  .seed = e->seed,
                                  .level = level,
                                  .interval = MT_BOOTSTRAP_PERCENTILE,
                                  .cluster = patients};
    mt_bootstrap_result result;

    if (!estimate->defined)
        return true;
    if (!mt_bootstrap(n, metric, data, &params, &result, error))
        return false;
    *estimate = mt_estimate_point(estimate->value);
    if (result.estimate.defined && result.estimate.interval != NULL)
        *estimate = mt_estimate_between(estimate->value, result.estimate.low, result.estimate.high, name);
    return true;
}

/* Two columns of classes; below 0: not there. */
typedef struct calls {
    const int       *first, *second;
    int              step, second_step; /* from row to row */
    int              classes;
    mt_kappa_weights weights;
} calls;

static bool kappa_of(const int64_t *rows, int64_t n, const void *data, mt_estimate *kappa, GError **error)
{
    const calls        *c = data;
    g_autofree int64_t *matrix = g_new0(int64_t, (gsize)c->classes * (gsize)c->classes);

    for (int64_t i = 0; i < n; i++) {
        int a = c->first[rows[i] * c->step], b = c->second[rows[i] * c->second_step];
        if (a >= 0 && b >= 0)
            matrix[a * c->classes + b]++;
    }
    return mt_kappa(matrix, c->classes, c->weights, LEVEL, kappa, error);
}

bool mt_evaluation_kappa(const mt_evaluation *e, const int *first, int step, const int *second, int second_step, mt_estimate *kappa,
                         GError **error)
{
    bool                several;
    g_autofree int64_t *patients = mt_evaluation_patients(e, &several);
    const calls         c = {.first = first,
                             .second = second,
                             .step = step,
                             .second_step = second_step,
                             .classes = e->n_labels,
                             .weights = e->task == MT_TASK_ORDINAL ? MT_KAPPA_QUADRATIC : MT_KAPPA_PLAIN};

    return !several || draw_again(e, patients, e->subjects->len, LEVEL, kappa_of, &c, MT_BY_PATIENTS, kappa, error);
}

/* What all readers say of each row. */
typedef struct all_readings {
    const int       *readings;
    int              readers, classes;
    bool             pairwise; /* the mean over pairs, else Fleiss */
    mt_kappa_weights weights;
} all_readings;

static bool agreement_of(const int64_t *rows, int64_t n, const void *data, mt_estimate *kappa, GError **error)
{
    const all_readings *a = data;
    g_autofree int     *drawn = g_new(int, (gsize)n *(gsize)a->readers + 1);

    for (int64_t i = 0; i < n; i++)
        memcpy(drawn + i * a->readers, a->readings + rows[i] * a->readers, (size_t)a->readers * sizeof *drawn);
    if (a->pairwise)
        return mt_pairwise_kappa(drawn, n, a->readers, a->classes, a->weights, LEVEL, kappa, NULL, error);
    return mt_fleiss_kappa(drawn, n, a->readers, a->classes, kappa, NULL, error);
}

bool mt_evaluation_agreement(const mt_evaluation *e, const int *readings, int n_readers, bool pairwise, mt_estimate *kappa, GError **error)
{
    bool                several;
    g_autofree int64_t *patients = mt_evaluation_patients(e, &several);
    const all_readings  a = {.readings = readings,
                             .readers = n_readers,
                             .classes = e->n_labels,
                             .pairwise = pairwise,
                             .weights = e->task == MT_TASK_ORDINAL ? MT_KAPPA_QUADRATIC : MT_KAPPA_PLAIN};

    return draw_again(e, patients, e->subjects->len, LEVEL, agreement_of, &a, several ? MT_BY_PATIENTS : "bootstrap", kappa, error);
}

/* How often those of one truth are called, in two groups. */
typedef struct two_groups {
    const mt_evaluation *e;
    const int           *group; /* of each subject */
    int                  truth, highest, lowest;
} two_groups;

static bool gap_of(const int64_t *rows, int64_t n, const void *data, mt_estimate *gap, GError **error G_GNUC_UNUSED)
{
    const two_groups *g = data;
    double            called[2] = {0}, all[2] = {0};

    for (int64_t i = 0; i < n; i++) {
        const mt_subject *s = g->e->subjects->pdata[rows[i]];
        int               which = g->group[rows[i]] == g->highest ? 0 : g->group[rows[i]] == g->lowest ? 1 : -1;
        if (which < 0 || s->truth != g->truth)
            continue;
        called[which] += s->called == 1;
        all[which]++;
    }
    *gap = all[0] > 0 && all[1] > 0 ? mt_estimate_point(called[0] / all[0] - called[1] / all[1]) : (mt_estimate){.defined = false};
    return true;
}

bool mt_evaluation_gap(const mt_evaluation *e, const int *group, int truth, int highest, int lowest, int n_groups, mt_estimate *gap,
                       GError **error)
{
    bool                several;
    g_autofree int64_t *patients = mt_evaluation_patients(e, &several);
    const two_groups    g = {.e = e, .group = group, .truth = truth, .highest = highest, .lowest = lowest};
    double              pairs = 0.5 * n_groups * (n_groups - 1);

    return !several || draw_again(e, patients, e->subjects->len, 1 - (1 - LEVEL) / MAX(pairs, 1), gap_of, &g, MT_BY_PATIENTS, gap, error);
}

static mt_metric *metric_of(GArray *metrics, const char *name)
{
    for (guint i = 0; i < metrics->len; i++)
        if (strcmp(g_array_index(metrics, mt_metric, i).name, name) == 0)
            return &g_array_index(metrics, mt_metric, i);
    return NULL;
}

static bool cluster_view(const mt_evaluation *e, const int64_t *patients, mt_view *v, GError **error)
{
    const calls         c = {.first = v->called, .second = v->truth, .step = 1, .second_step = 1, .classes = 2, .weights = MT_KAPPA_PLAIN};
    g_autofree int64_t *own = g_new(int64_t, (gsize)v->n + 1);
    mt_metric          *kappa = metric_of(v->metrics, "kappa");

    for (int i = 0; i < v->n; i++)
        own[i] = patients[v->subject[i]];
    return draw_again(e, own, v->n, LEVEL, kappa_of, &c, MT_BY_PATIENTS, &kappa->estimate, error);
}

static bool cluster_matrix(mt_evaluation *e, const int64_t *patients, GError **error)
{
    guint           n = e->subjects->len;
    g_autofree int *called = g_new(int, n + 1), *truth = g_new(int, n + 1), *right = g_new(int, n + 1);
    calls           c = {.first = called, .second = truth, .step = 1, .second_step = 1, .classes = e->n_labels};
    mt_metric      *accuracy = metric_of(e->metrics, "accuracy");
    static const struct {
        const char      *name;
        mt_kappa_weights weights;
    } kappas[] = {{"kappa", MT_KAPPA_PLAIN}, {"quadratic_kappa", MT_KAPPA_QUADRATIC}};

    for (guint i = 0; i < n; i++) {
        const mt_subject *s = e->subjects->pdata[i];
        called[i] = s->called;
        truth[i] = s->truth;
        right[i] = s->called == s->truth;
    }
    for (size_t k = 0; k < G_N_ELEMENTS(kappas); k++) {
        mt_metric *m = metric_of(e->metrics, kappas[k].name);
        c.weights = kappas[k].weights;
        if (m != NULL && !draw_again(e, patients, n, LEVEL, kappa_of, &c, MT_BY_PATIENTS, &m->estimate, error))
            return false;
    }
    return mt_proportion_patients(right, patients, n, LEVEL, &accuracy->estimate, error);
}

bool mt_evaluation_cluster(mt_evaluation *e, GError **error)
{
    bool                several;
    g_autofree int64_t *patients = mt_evaluation_patients(e, &several);

    if (!several)
        return true;
    for (guint i = 0; i < e->views->len; i++)
        if (!cluster_view(e, patients, e->views->pdata[i], error))
            return false;
    if (e->task == MT_TASK_BINARY) { /* the numbers of the whole are those of its one label */
        const mt_view *v = e->views->pdata[0];
        metric_of(e->metrics, "kappa")->estimate = mt_metrics_find(v->metrics, "kappa")->estimate;
        return true;
    }
    return e->confusion == NULL || cluster_matrix(e, patients, error);
}

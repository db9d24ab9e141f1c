#include "src/train/target_loss.h"

#include "src/base/alloc.h"

#include <math.h>

struct mt_target_loss {
    mt_task task;
    guint   n;
    int     n_labels, n_logits;
    int    *classes;    /* n */
    float  *holds;      /* n x n_labels, of findings */
    double *times;      /* n */
    bool   *events;     /* n */
    guint  *by_time;    /* n: cases from the longest time to the shortest (Cox) */
    double *weights;    /* of each class; of findings: of present (n_labels), then of absent */
    double  sum_weight; /* what the sum is divided by */
};

void mt_target_loss_free(mt_target_loss *loss)
{
    if (loss == NULL)
        return;
    g_free(loss->classes);
    mt_free(loss->holds);
    g_free(loss->times);
    g_free(loss->events);
    g_free(loss->by_time);
    g_free(loss->weights);
    g_free(loss);
}

int mt_task_n_logits(mt_task task, int n_labels)
{
    return task == MT_TASK_ORDINAL ? n_labels - 1 : n_labels;
}

int mt_target_loss_n_logits(const mt_target_loss *loss)
{
    return loss->n_logits;
}

static void weigh_classes(mt_target_loss *loss)
{
    g_autofree double *counts = g_new0(double, (gsize)loss->n_labels);
    int                present = 0;

    for (guint i = 0; i < loss->n; i++)
        counts[loss->classes[i]]++;
    for (int c = 0; c < loss->n_labels; c++)
        present += counts[c] > 0;
    for (int c = 0; c < loss->n_labels; c++)
        loss->weights[c] = counts[c] > 0 ? loss->n / (present * counts[c]) : 0;
}

static void weigh_findings(mt_target_loss *loss)
{
    for (int c = 0; c < loss->n_labels; c++) {
        double present = 0, absent = 0;
        for (guint i = 0; i < loss->n; i++) {
            present += loss->holds[(gsize)i * (gsize)loss->n_labels + (gsize)c] == 1;
            absent += loss->holds[(gsize)i * (gsize)loss->n_labels + (gsize)c] == 0;
        }
        if (present > 0 && absent > 0) {
            loss->weights[c] = (present + absent) / (2 * present);
            loss->weights[loss->n_labels + c] = (present + absent) / (2 * absent);
        }
    }
}

/* Longest first; equal times in the order of the cases. */
static gint compare_times(gconstpointer a, gconstpointer b, gpointer user)
{
    const double *times = user;
    guint         i = *(const guint *)a, j = *(const guint *)b;

    if (times[i] != times[j])
        return times[i] > times[j] ? -1 : 1;
    return i < j ? -1 : i > j;
}

static void order_by_time(mt_target_loss *loss)
{
    for (guint i = 0; i < loss->n; i++)
        loss->by_time[i] = i;
    g_qsort_with_data(loss->by_time, (gint)loss->n, sizeof *loss->by_time, compare_times, loss->times);
}

/* One case's loss is divided by this in all. */
static void sum_weights(mt_target_loss *loss)
{
    loss->sum_weight = 0;
    for (guint i = 0; i < loss->n; i++)
        if (loss->task == MT_TASK_COX)
            loss->sum_weight += loss->events[i];
        else
            loss->sum_weight += loss->task == MT_TASK_BINARY || loss->task == MT_TASK_MULTICLASS || loss->task == MT_TASK_ORDINAL
                                    ? loss->weights[loss->classes[i]]
                                    : 1;
}

static bool take_targets(mt_target_loss *loss, const mt_targets *targets, const guint *rows, GError **error)
{
    loss->holds = mt_alloc(loss->n, (gsize)loss->n_labels * sizeof(float), error);
    if (loss->holds == NULL)
        return false;
    for (guint i = 0; i < loss->n; i++) {
        loss->classes[i] = mt_targets_class(targets, rows[i]);
        loss->times[i] = mt_targets_time(targets, rows[i]);
        loss->events[i] = mt_targets_event(targets, rows[i]);
        for (int c = 0; c < loss->n_labels; c++)
            loss->holds[(gsize)i * (gsize)loss->n_labels + (gsize)c] = mt_targets_holds(targets, rows[i], c);
    }
    return true;
}

mt_target_loss *mt_target_loss_new(const mt_targets *targets, const guint *rows, guint n, bool class_weights, GError **error)
{
    g_autoptr(mt_target_loss) loss = g_new0(mt_target_loss, 1);

    loss->task = mt_targets_task(targets);
    loss->n = n;
    loss->n_labels = mt_targets_n_labels(targets);
    loss->n_logits = mt_task_n_logits(loss->task, loss->n_labels);
    loss->classes = g_new0(int, MAX(n, 1));
    loss->times = g_new0(double, MAX(n, 1));
    loss->events = g_new0(bool, MAX(n, 1));
    loss->by_time = g_new0(guint, MAX(n, 1));
    loss->weights = g_new0(double, 2 * (gsize)loss->n_labels);
    for (int c = 0; c < 2 * loss->n_labels; c++)
        loss->weights[c] = 1;
    if (!take_targets(loss, targets, rows, error))
        return NULL;
    if (class_weights && loss->task == MT_TASK_MULTILABEL)
        weigh_findings(loss);
    else if (class_weights && loss->task != MT_TASK_HAZARD && loss->task != MT_TASK_COX)
        weigh_classes(loss);
    if (loss->task == MT_TASK_COX)
        order_by_time(loss);
    sum_weights(loss);
    if (loss->sum_weight > 0)
        return g_steal_pointer(&loss);
    g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "nothing to learn from: no event among the cases to train on");
    return NULL;
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* log(1 + exp(x)) */
static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

/* -log of sigmoid(logit) when it holds, of its complement when not. */
static double binary(double logit, bool holds, double weight, double *gradient)
{
    if (gradient != NULL)
        *gradient = weight * (sigmoid(logit) - (holds ? 1 : 0));
    return weight * softplus(holds ? -logit : logit);
}

static double softmax_case(const mt_target_loss *loss, guint i, const double *logits, double *gradient)
{
    double top = logits[0], sum = 0, weight = loss->weights[loss->classes[i]];

    for (int c = 1; c < loss->n_logits; c++)
        top = fmax(top, logits[c]);
    for (int c = 0; c < loss->n_logits; c++)
        sum += exp(logits[c] - top);
    for (int c = 0; gradient != NULL && c < loss->n_logits; c++)
        gradient[c] = weight * (exp(logits[c] - top) / sum - (c == loss->classes[i] ? 1 : 0));
    return weight * (log(sum) + top - logits[loss->classes[i]]);
}

static double findings_case(const mt_target_loss *loss, guint i, const double *logits, double *gradient)
{
    const float *holds = loss->holds + (gsize)i * (gsize)loss->n_labels;
    double       sum = 0;
    int          known = 0;

    for (int c = 0; c < loss->n_labels; c++)
        known += !isnan(holds[c]);
    for (int c = 0; c < loss->n_labels; c++)
        if (isnan(holds[c])) {
            if (gradient != NULL)
                gradient[c] = 0;
        } else
            sum += binary(logits[c], holds[c] > 0, loss->weights[holds[c] > 0 ? c : loss->n_labels + c] / known,
                          gradient != NULL ? &gradient[c] : NULL);
    return sum;
}

static double ordinal_case(const mt_target_loss *loss, guint i, const double *logits, double *gradient)
{
    double sum = 0, weight = loss->weights[loss->classes[i]];

    for (int k = 0; k < loss->n_logits; k++)
        sum += binary(logits[k], loss->classes[i] > k, weight, gradient != NULL ? &gradient[k] : NULL);
    return sum;
}

static double hazard_case(const mt_target_loss *loss, guint i, const double *logits, double *gradient)
{
    double sum = 0;

    for (int t = 0; t < loss->n_logits; t++)
        if (t <= loss->classes[i])
            sum += binary(logits[t], t == loss->classes[i] && loss->events[i], 1, gradient != NULL ? &gradient[t] : NULL);
        else if (gradient != NULL)
            gradient[t] = 0;
    return sum;
}

/* Over the risk sets: all that were still watched at the time of an event. */
static double cox(const mt_target_loss *loss, const double *logits, double *gradient)
{
    double             value = 0, at_risk = 0, top = -INFINITY, inverse = 0;
    guint              n = loss->n;
    g_autofree double *sums = g_new(double, n); /* of the risk set of each place in by_time */

    for (guint i = 0; i < n; i++)
        top = fmax(top, logits[i]);
    for (guint first = 0, end; first < n; first = end) { /* equal times enter together */
        for (end = first; end < n && loss->times[loss->by_time[end]] == loss->times[loss->by_time[first]]; end++)
            at_risk += exp(logits[loss->by_time[end]] - top);
        for (guint k = first; k < end; k++)
            sums[k] = at_risk;
    }
    for (guint k = 0; k < n; k++)
        if (loss->events[loss->by_time[k]])
            value += log(sums[k]) + top - logits[loss->by_time[k]];
    for (guint end = n, first; gradient != NULL && end > 0; end = first) {
        for (first = end; first > 0 && loss->times[loss->by_time[first - 1]] == loss->times[loss->by_time[end - 1]]; first--)
            inverse += loss->events[loss->by_time[first - 1]] ? 1 / sums[first - 1] : 0;
        for (guint k = first; k < end; k++)
            gradient[loss->by_time[k]] = exp(logits[loss->by_time[k]] - top) * inverse - (loss->events[loss->by_time[k]] ? 1 : 0);
    }
    return value;
}

static double of_case(const mt_target_loss *loss, guint i, const double *logits, double *gradient)
{
    switch (loss->task) {
    case MT_TASK_MULTILABEL:
        return findings_case(loss, i, logits, gradient);
    case MT_TASK_ORDINAL:
        return ordinal_case(loss, i, logits, gradient);
    case MT_TASK_HAZARD:
        return hazard_case(loss, i, logits, gradient);
    default:
        return softmax_case(loss, i, logits, gradient);
    }
}

double mt_target_loss_case(const mt_target_loss *loss, guint i, const double *logits)
{
    return loss->task == MT_TASK_COX ? NAN : of_case(loss, i, logits, NULL) * loss->n / loss->sum_weight;
}

double mt_target_loss_value(const mt_target_loss *loss, const double *logits, double *gradient)
{
    gsize  n_logits = (gsize)loss->n_logits;
    double sum = 0;

    if (loss->task == MT_TASK_COX)
        sum = cox(loss, logits, gradient);
    for (guint i = 0; loss->task != MT_TASK_COX && i < loss->n; i++)
        sum += of_case(loss, i, logits + i * n_logits, gradient != NULL ? gradient + i * n_logits : NULL);
    for (gsize j = 0; gradient != NULL && j < loss->n * n_logits; j++)
        gradient[j] /= loss->sum_weight;
    return sum / loss->sum_weight;
}

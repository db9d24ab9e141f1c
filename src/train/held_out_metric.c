/* One number for a fold, by the task. */
#include "src/evaluate/agreement.h"
#include "src/evaluate/concordance.h"
#include "src/evaluate/confusion.h"
#include "src/evaluate/delong.h"
#include "src/evaluate/roc.h"
#include "src/train/held_out.h"

#include <math.h>

/* The rows of a fold (-1: all), as the metrics want them. */
typedef struct selection {
    const mt_held_out *h;
    GArray            *rows;   /* guint: row of the held-out table */
    GArray            *scores; /* double */
    GArray            *truth;  /* int */
} selection;

static void selection_clear(selection *s)
{
    g_array_unref(s->rows);
    g_array_unref(s->scores);
    g_array_unref(s->truth);
}

static selection select_fold(const mt_held_out *h, int fold)
{
    selection s = {h, g_array_new(FALSE, FALSE, sizeof(guint)), g_array_new(FALSE, FALSE, sizeof(double)),
                   g_array_new(FALSE, FALSE, sizeof(int))};

    for (guint i = 0; i < h->rows->len; i++)
        if (fold < 0 || g_array_index(h->rows, mt_held_out_row, i).fold == fold)
            g_array_append_val(s.rows, i);
    return s;
}

static guint labels_row(const mt_held_out *h, guint row)
{
    const mt_cohort_case *c = h->cohort->cases->pdata[g_array_index(h->rows, mt_held_out_row, row).at];

    return c->row;
}

static double score_of(const mt_held_out *h, guint row, int label)
{
    return g_array_index(h->scores, float, row *(guint)h->n_labels + (guint)label);
}

/* Scores and truths of one label where it is known. */
static void take_label(selection *s, int label)
{
    g_array_set_size(s->scores, 0);
    g_array_set_size(s->truth, 0);
    for (guint i = 0; i < s->rows->len; i++) {
        guint  row = g_array_index(s->rows, guint, i);
        float  holds = mt_targets_holds(s->h->targets, labels_row(s->h, row), label);
        double score = score_of(s->h, row, label);
        int    truth = holds > 0;
        if (isnan(holds))
            continue;
        g_array_append_val(s->scores, score);
        g_array_append_val(s->truth, truth);
    }
}

static double area(selection *s, int label)
{
    mt_estimate found;

    take_label(s, label);
    bool ok = mt_roc_area((const double *)(void *)s->scores->data, (const int *)(void *)s->truth->data, s->scores->len, &found, NULL);
    return ok && found.defined ? found.value : NAN;
}

/* Over the labels that have both sides. */
static double mean_area(selection *s)
{
    double sum = 0;
    int    n = 0;

    for (int label = 0; label < s->h->n_labels; label++) {
        double one = area(s, label);
        if (isnan(one))
            continue;
        sum += one;
        n++;
    }
    return n > 0 ? sum / n : NAN;
}

static int likeliest(const mt_held_out *h, guint row)
{
    int best = 0;

    for (int label = 1; label < h->n_labels; label++)
        if (score_of(h, row, label) > score_of(h, row, best))
            best = label;
    return best;
}

static double quadratic_kappa(const selection *s)
{
    int                 C = s->h->n_labels, n = (int)s->rows->len;
    g_autofree int     *called = g_new(int, (gsize)MAX(n, 1)), *truth = g_new(int, (gsize)MAX(n, 1));
    g_autofree int64_t *matrix = g_new0(int64_t, (gsize)C * (gsize)C);
    mt_estimate         kappa;

    for (int i = 0; i < n; i++) {
        guint row = g_array_index(s->rows, guint, i);
        called[i] = likeliest(s->h, row);
        truth[i] = mt_targets_class(s->h->targets, labels_row(s->h, row));
    }
    bool ok = mt_confusion_matrix(called, truth, n, C, matrix, NULL) && mt_kappa(matrix, C, MT_KAPPA_QUADRATIC, 0.95, &kappa, NULL);
    return ok && kappa.defined ? kappa.value : NAN;
}

/* Higher is earlier: the risk of Cox, or the intervals not lived through. */
static double risk_of(const mt_held_out *h, guint row)
{
    double sum = 0;

    for (int label = 0; label < h->n_labels; label++)
        sum += score_of(h, row, label);
    return mt_targets_task(h->targets) == MT_TASK_COX ? g_array_index(h->logits, float, row) : -sum;
}

static double concordance(const selection *s)
{
    const mt_targets  *t = s->h->targets;
    guint              n = s->rows->len;
    g_autofree double *risks = g_new(double, MAX(n, 1)), *times = g_new(double, MAX(n, 1));
    g_autofree int    *events = g_new(int, MAX(n, 1));
    mt_concordance     found;

    for (guint i = 0; i < n; i++) {
        guint row = g_array_index(s->rows, guint, i), at = labels_row(s->h, row);
        risks[i] = risk_of(s->h, row);
        times[i] = mt_targets_time(t, at);
        events[i] = mt_targets_event(t, at);
    }
    return mt_concordance_index(risks, times, events, n, &found, NULL) && found.index.defined ? found.index.value : NAN;
}

const char *mt_held_out_metric_name(mt_task task)
{
    switch (task) {
    case MT_TASK_BINARY:
        return "AUROC";
    case MT_TASK_MULTICLASS:
    case MT_TASK_MULTILABEL:
        return "mean AUROC";
    case MT_TASK_ORDINAL:
        return "quadratic kappa";
    default:
        return "C-index";
    }
}

double mt_held_out_metric(const mt_held_out *held_out, int fold)
{
    mt_task   task = mt_targets_task(held_out->targets);
    selection s = select_fold(held_out, fold);
    double    value;

    if (task == MT_TASK_BINARY)
        value = area(&s, 1);
    else if (task == MT_TASK_MULTICLASS || task == MT_TASK_MULTILABEL)
        value = mean_area(&s);
    else
        value = task == MT_TASK_ORDINAL ? quadratic_kappa(&s) : concordance(&s);
    selection_clear(&s);
    return value;
}

void mt_held_out_interval(const mt_held_out *held_out, double *low, double *high)
{
    selection   s = select_fold(held_out, -1);
    mt_estimate found = {0};

    *low = *high = NAN;
    if (mt_targets_task(held_out->targets) == MT_TASK_BINARY) {
        take_label(&s, 1);
        if (mt_roc_delong((const double *)(void *)s.scores->data, (const int *)(void *)s.truth->data, s.scores->len, 0.95, MT_ROC_LOGIT,
                          &found, NULL) &&
            found.interval != NULL) {
            *low = found.low;
            *high = found.high;
        }
    }
    selection_clear(&s);
}

/* What the watched cases say after an epoch: the report's figure of merit, and which epoch is the best. */
#include "src/train/fit.h"
#include "src/train/held_out.h"
#include "src/train/target_loss.h"

#include "mil/score_activation.h"

#include <math.h>

double mt_fit_metric(const mt_fit_job *job, const double *logits)
{
    mt_task           task = mt_targets_task(job->targets);
    int               n_labels = mt_targets_n_labels(job->targets), n = mt_task_n_logits(task, n_labels);
    g_autofree float *row = g_new(float, (gsize)n_labels), *scores = g_new(float, (gsize)n_labels),
                     *classes = g_new(float, (gsize)n_labels);
    g_autoptr(mt_held_out) watched = mt_held_out_new(job->cohort, job->targets);

    if (job->n_val == 0)
        return NAN;
    for (guint i = 0; i < job->n_val; i++) {
        for (int k = 0; k < n; k++)
            row[k] = (float)logits[i * (guint)n + (guint)k];
        mt_activation_scores(mt_task_activation(task), 1, row, n, scores);
        mt_activation_class_logits(mt_task_activation(task), row, n, classes);
        mt_held_out_put(watched, job->val[i], 0, scores, classes);
    }
    return mt_held_out_metric(watched, -1);
}

bool mt_fit_watch(const mt_fit_job *job, const mt_train_epoch *epoch, mt_fit_best *best, GError **error)
{
    bool by_metric = g_strcmp0(job->options->watch, "metric") == 0 && job->n_val > 0;

    if (by_metric && isnan(epoch->val_metric)) {
        g_set_error(
            error, MT_ERROR, MT_ERROR_INPUT,
            "--watch metric: the %s of the %u cases watched is not defined (they do not differ in what was true): take --watch loss",
            mt_held_out_metric_name(mt_targets_task(job->targets)), job->n_val);
        return false;
    }
    bool smaller = best->epoch == 0 || epoch->val_loss < best->loss;
    bool better =
        by_metric ? best->epoch == 0 || epoch->val_metric > best->metric || (epoch->val_metric == best->metric && smaller) : smaller;
    if (better && !isnan(epoch->val_loss))
        *best = (mt_fit_best){epoch->val_loss, epoch->val_metric, epoch->epoch};
    return true;
}

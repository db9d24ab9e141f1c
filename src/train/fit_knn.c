/* Nearest neighbours are not learnt but stored: mean features and what is known of each case. */
#include "src/base/alloc.h"
#include "src/train/fit.h"

#include <math.h>
#include <string.h>

static mt_tensor *targets_tensor(const mt_fit_job *job, GError **error)
{
    int64_t           shape[2] = {job->n_train, mt_targets_n_labels(job->targets)};
    mt_tensor        *tensor = mt_tensor_new(MT_F32, 2, shape, error);
    float            *values = tensor != NULL ? tensor->data : NULL;
    g_autofree guint *rows = mt_fit_rows(job, job->train, job->n_train);

    for (guint i = 0; tensor != NULL && i < job->n_train; i++)
        for (int c = 0; c < shape[1]; c++) {
            float holds = mt_targets_holds(job->targets, rows[i], c);
            *values++ = isnan(holds) ? -1 : holds; /* a NaN among weights is refused */
        }
    return tensor;
}

mt_fitted *mt_fit_knn(const mt_fit_job *job, GError **error)
{
    mt_activation activation = mt_targets_task(job->targets) == MT_TASK_MULTILABEL ? MT_ACTIVATION_SIGMOID : MT_ACTIVATION_SOFTMAX;
    g_autoptr(mt_fitted) fitted = mt_fitted_new(activation);
    int64_t    shape[2] = {job->n_train, job->cohort->dim}, one = 1;
    mt_tensor *neighbours = mt_tensor_new(MT_F32, 2, shape, error);

    if (neighbours == NULL)
        return NULL;
    mt_fitted_add(fitted, "neighbours", neighbours);
    float *means = mt_fit_means(job, job->train, job->n_train, error);
    if (means == NULL)
        return NULL;
    memcpy(neighbours->data, means, mt_tensor_bytes(neighbours));
    mt_free(means);
    mt_tensor *targets = targets_tensor(job, error);
    if (targets == NULL)
        return NULL;
    mt_fitted_add(fitted, "targets", targets);
    mt_tensor *k = mt_tensor_new(MT_F32, 1, &one, error);
    if (k == NULL)
        return NULL;
    ((float *)k->data)[0] = (float)MIN((guint)job->options->neighbours, job->n_train);
    mt_fitted_add(fitted, "k", k);
    return g_steal_pointer(&fitted);
}

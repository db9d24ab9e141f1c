/* A linear probe: logistic (ordinal, hazard, Cox) regression on the bags' mean features, each standardised over the cases learnt from, with
 * half of weight_decay times the squared weights added to the mean loss (the constant is free).  All cases at once, by L-BFGS. */
#include "src/base/alloc.h"
#include "src/train/fit.h"
#include "src/train/lbfgs.h"
#include "src/train/target_loss.h"

#include <math.h>
#include <string.h>

#define GRADIENT_TOLERANCE 1e-7

typedef struct probe {
    const mt_fit_job *job;
    mt_target_loss   *loss, *val_loss;
    float            *x, *val_x;    /* n x dim, standardised */
    double           *mean, *scale; /* dim */
    double           *logits, *gradient, *val_logits;
    double            decay;
    int64_t           dim, n_logits;
    mt_fitted        *fitted;
    double           *w, *best; /* n_logits x (dim + 1), the constant last; best: of the smallest validation loss */
    mt_fit_best       watched;
    int               steps;
    bool              stopped;
    GError           *error; /* of a step */
} probe;

static void probe_clear(probe *p)
{
    mt_target_loss_free(p->loss);
    mt_target_loss_free(p->val_loss);
    mt_free(p->x);
    mt_free(p->val_x);
    mt_free(p->mean);
    mt_free(p->logits);
    mt_free(p->val_logits);
    mt_free(p->w);
    mt_fitted_free(p->fitted);
}

/* Mean and 1 / deviation over the train cases; a feature that never changes is left out of the probe (scale 0). */
static void find_scale(probe *p)
{
    guint n = p->job->n_train;

    for (int64_t j = 0; j < p->dim; j++) {
        double sum = 0, squares = 0;
        for (guint i = 0; i < n; i++)
            sum += p->x[i * p->dim + j];
        p->mean[j] = sum / n;
        for (guint i = 0; i < n; i++)
            squares += (p->x[i * p->dim + j] - p->mean[j]) * (p->x[i * p->dim + j] - p->mean[j]);
        double deviation = sqrt(squares / n);
        p->scale[j] = deviation > 1e-6 * fabs(p->mean[j]) && deviation > 0 ? 1 / deviation : 0;
    }
}

static void standardise(const probe *p, float *x, guint n)
{
    for (guint i = 0; i < n; i++)
        for (int64_t j = 0; j < p->dim; j++)
            x[i * p->dim + j] = (float)((x[i * p->dim + j] - p->mean[j]) * p->scale[j]);
}

static void apply(const probe *p, const double *w, const float *x, guint n, double *logits)
{
#pragma omp parallel for num_threads(p->job->options->threads) schedule(static)
    for (guint i = 0; i < n; i++)
        for (int64_t c = 0; c < p->n_logits; c++) {
            const double *row = w + c * (p->dim + 1);
            double        sum = row[p->dim];
            for (int64_t j = 0; j < p->dim; j++)
                sum += row[j] * x[i * p->dim + j];
            logits[i * p->n_logits + c] = sum;
        }
}

/* Sums over the cases in their order, whatever thread has the column. */
static void back(const probe *p, const double *w, double *gradient)
{
    guint n = p->job->n_train;

#pragma omp parallel for num_threads(p->job->options->threads) schedule(static)
    for (int64_t c = 0; c < p->n_logits; c++) {
        double *row = gradient + c * (p->dim + 1);
        for (int64_t j = 0; j < p->dim; j++)
            row[j] = p->decay * w[c * (p->dim + 1) + j];
        row[p->dim] = 0;
        for (guint i = 0; i < n; i++) {
            double g = p->gradient[i * p->n_logits + c];
            for (int64_t j = 0; j < p->dim; j++)
                row[j] += g * p->x[i * p->dim + j];
            row[p->dim] += g;
        }
    }
}

static double evaluate(void *user, const double *w, double *gradient)
{
    probe *p = user;

    apply(p, w, p->x, p->job->n_train, p->logits);
    double value = mt_target_loss_value(p->loss, p->logits, p->gradient);
    back(p, w, gradient);
    for (int64_t c = 0; c < p->n_logits; c++)
        for (int64_t j = 0; j < p->dim; j++)
            value += 0.5 * p->decay * w[c * (p->dim + 1) + j] * w[c * (p->dim + 1) + j];
    return value;
}

static bool after_step(void *user, int step, double value)
{
    probe                  *p = user;
    const mt_train_options *o = p->job->options;
    mt_train_epoch          epoch = {.epoch = step, .n_epochs = o->epochs, .train_loss = value, .val_loss = NAN, .val_metric = NAN};

    p->steps = step;
    if (p->val_loss != NULL) {
        apply(p, p->w, p->val_x, p->job->n_val, p->val_logits);
        epoch.val_loss = mt_target_loss_value(p->val_loss, p->val_logits, NULL);
        epoch.val_metric = mt_fit_metric(p->job, p->val_logits);
    }
    if (!mt_fit_watch(p->job, &epoch, &p->watched, &p->error))
        return false;
    if (p->watched.epoch == step)
        memcpy(p->best, p->w, (gsize)(p->n_logits * (p->dim + 1)) * sizeof(double));
    mt_fitted_note(p->fitted, &epoch);
    p->stopped = p->job->progress != NULL && !p->job->progress(p->job->user, &epoch);
    bool waited = p->val_loss != NULL && o->patience > 0 && step - p->watched.epoch >= o->patience;
    return !p->stopped && !waited;
}

static bool prepare_val(probe *p, GError **error)
{
    const mt_fit_job *job = p->job;

    if (job->n_val == 0)
        return true;
    g_autofree guint *rows = mt_fit_rows(job, job->val, job->n_val);
    g_autoptr(GError) cause = NULL;
    p->val_loss = mt_target_loss_new(job->targets, rows, job->n_val, false, &cause);
    if (p->val_loss == NULL)
        return true; /* no event to watch */
    p->val_x = mt_fit_means(job, job->val, job->n_val, error);
    p->val_logits = p->val_x != NULL ? mt_alloc(job->n_val, (gsize)p->n_logits * sizeof(double), error) : NULL;
    if (p->val_logits == NULL)
        return false;
    standardise(p, p->val_x, job->n_val);
    return true;
}

static bool prepare(probe *p, GError **error)
{
    const mt_fit_job *job = p->job;
    g_autofree guint *rows = mt_fit_rows(job, job->train, job->n_train);
    const double      wanted = job->options->weight_decay;

    p->loss = mt_target_loss_new(job->targets, rows, job->n_train, job->options->class_weights, error);
    if (p->loss == NULL)
        return false;
    p->dim = job->cohort->dim;
    p->n_logits = mt_target_loss_n_logits(p->loss);
    p->decay = wanted >= 0 ? wanted : 1.0 / job->n_train;
    p->x = mt_fit_means(job, job->train, job->n_train, error);
    p->mean = p->x != NULL ? mt_alloc(p->dim, 2 * sizeof(double), error) : NULL;
    p->logits = p->mean != NULL ? mt_alloc(job->n_train, 2 * (gsize)p->n_logits * sizeof(double), error) : NULL;
    p->w = p->logits != NULL ? mt_alloc(p->n_logits * (p->dim + 1), 2 * sizeof(double), error) : NULL;
    if (p->w == NULL)
        return false;
    p->scale = p->mean + p->dim;
    p->gradient = p->logits + (gsize)job->n_train * (gsize)p->n_logits;
    p->best = p->w + p->n_logits * (p->dim + 1);
    find_scale(p);
    standardise(p, p->x, job->n_train);
    return prepare_val(p, error);
}

/* The weights for features as they are: w' = w scale, b' = b - w' mean. */
static bool take_weights(probe *p, GError **error)
{
    const double *w = p->watched.epoch > 0 && p->job->options->patience > 0 ? p->best : p->w;
    mt_tensor    *weight = mt_tensor_new(MT_F32, 2, (int64_t[]){p->n_logits, p->dim}, error);
    mt_tensor    *bias = weight != NULL ? mt_tensor_new(MT_F32, 1, &p->n_logits, error) : NULL;

    p->fitted->epochs = w == p->best ? p->watched.epoch : p->steps;
    for (int64_t c = 0; bias != NULL && c < p->n_logits; c++) {
        double sum = w[c * (p->dim + 1) + p->dim];
        for (int64_t j = 0; j < p->dim; j++) {
            double one = w[c * (p->dim + 1) + j] * p->scale[j];
            ((float *)weight->data)[c * p->dim + j] = (float)one;
            sum -= one * p->mean[j];
        }
        ((float *)bias->data)[c] = (float)sum;
    }
    if (weight != NULL)
        mt_fitted_add(p->fitted, "classifier.weight", weight);
    if (bias != NULL)
        mt_fitted_add(p->fitted, "classifier.bias", bias);
    return bias != NULL;
}

mt_fitted *mt_fit_linear(const mt_fit_job *job, GError **error)
{
    probe                 p = {.job = job, .fitted = mt_fitted_new(mt_task_activation(mt_targets_task(job->targets)))};
    const mt_lbfgs_params params = {
        .max_steps = job->options->epochs, .tolerance = GRADIENT_TOLERANCE, .function = evaluate, .step = after_step, .user = &p};

    bool ok = prepare(&p, error) && mt_lbfgs_minimise(&params, p.w, p.n_logits * (p.dim + 1), error);
    if (ok && p.stopped)
        g_set_error_literal(error, MT_ERROR, MT_ERROR_STOPPED, "stopped: no head was written");
    if (ok && p.error != NULL)
        g_propagate_error(error, g_steal_pointer(&p.error));
    g_clear_error(&p.error);
    ok = ok && !p.stopped && (error == NULL || *error == NULL) && take_weights(&p, error);
    mt_fitted *fitted = ok ? g_steal_pointer(&p.fitted) : NULL;
    probe_clear(&p);
    return fitted;
}

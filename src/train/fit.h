/* One head learnt on some cases of a cohort: weights under their published names and the curve of the epochs. */
#ifndef MT_FIT_H
#define MT_FIT_H

#include "src/train/cohort.h"

#include <microtome/train.h>

/* What to learn from.  Cases are named by their place in the cohort. */
typedef struct mt_fit_job {
    const mt_cohort        *cohort;
    const mt_targets       *targets;
    const mt_train_options *options; /* complete: no zeros that stand for defaults */
    const guint            *train, *val;
    guint                   n_train, n_val;
    uint64_t                seed;
    /* After each epoch; false stops with MT_ERROR_STOPPED.  `epoch` lacks the fold. */
    bool (*progress)(void *user, mt_train_epoch *epoch);
    void *user;
} mt_fit_job;

typedef struct mt_fitted_tensor {
    char      *name;
    mt_tensor *tensor;
} mt_fitted_tensor;

/* One bag's step of a network. */
typedef struct mt_fit_step {
    int    epoch;
    guint  at;                      /* the case, in the cohort */
    double loss, instance_loss, lr; /* before the step; NAN: there is no such loss */
} mt_fit_step;

typedef struct mt_fitted {
    GArray       *tensors;    /* mt_fitted_tensor */
    GArray       *curve;      /* mt_train_epoch without the fold; empty where nothing is iterated */
    GArray       *steps;      /* mt_fit_step, where they are asked for */
    int           epochs;     /* whose weights these are */
    int           init_kept;  /* tensors that options->init did not have; -1: there was none */
    mt_activation activation; /* how a card reads its logits */
} mt_fitted;

/* The best of the epochs that were watched. */
typedef struct mt_fit_best {
    double loss, metric;
    int    epoch; /* 0: none yet */
} mt_fit_best;

/* By options->model. */
mt_fitted *mt_fit(const mt_fit_job *job, GError **error);
void       mt_fitted_free(mt_fitted *fitted);
mt_fitted *mt_fitted_new(mt_activation activation);
/* Takes the tensor. */
void mt_fitted_add(mt_fitted *fitted, const char *name, mt_tensor *tensor);
void mt_fitted_note(mt_fitted *fitted, const mt_train_epoch *epoch);

/* The figure of merit of the cases of `val` (held_out.h) from their logits, n_val x n_logits; NAN: not defined, or none are watched. */
double mt_fit_metric(const mt_fit_job *job, const double *logits); /* fit_metric.c */
/* Note the epoch and whether it is the best so far: a smaller loss, or with --watch metric a larger figure, of equal ones the smaller loss.
 * MT_ERROR_INPUT where that figure is not defined. */
bool mt_fit_watch(const mt_fit_job *job, const mt_train_epoch *epoch, mt_fit_best *best, GError **error); /* fit_metric.c */

/* Whether a model of that name can be learnt for the task; MT_ERROR_USAGE tells which can. */
bool mt_fit_check(const char *model, mt_task task, GError **error);

/* What a card calls the head of a model that mt_fit_check has let through. */
const char *mt_fit_kind(const char *model);

mt_fitted *mt_fit_linear(const mt_fit_job *job, GError **error);  /* fit_linear.c */
mt_fitted *mt_fit_knn(const mt_fit_job *job, GError **error);     /* fit_knn.c */
mt_fitted *mt_fit_network(const mt_fit_job *job, GError **error); /* fit_network.c */

/* n x dim: the mean feature of each case, as the aggregator `mean` gives it; from mt_alloc. */
float *mt_fit_means(const mt_fit_job *job, const guint *cases, guint n, GError **error);
/* Rows of the labels file of these cases; free with g_free. */
guint *mt_fit_rows(const mt_fit_job *job, const guint *cases, guint n);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_fitted, mt_fitted_free)

#endif

/* <microtome/train.h>  A head learnt from stored features and a labels file.
 * Folds first: each head is judged on patients it has not seen, then the final head is learnt.  Seeded: equal input and options give equal
 * bytes, for any number of threads. */
#ifndef MICROTOME_TRAIN_H
#define MICROTOME_TRAIN_H

#include <microtome/error.h>

G_BEGIN_DECLS

typedef struct mt_train_options {
    const char *out;    /* folder of results: OUT/cases/<id>.h5 */
    const char *labels; /* CSV: id, label, patient, ... */
    const char *head;   /* HEAD.safetensors to write */
    const char *model;  /* abmil, clam_sb, clam_mb, mean, max, linear, knn */

    const char        *task; /* binary, multiclass, multilabel, ordinal, survival (hazard), cox; NULL: binary */
    const char        *label_column;
    const char *const *label_names; /* in order; NULL: those of the file */
    const char        *positive;
    const char        *uncertain; /* ignore, zeros, ones; NULL: ignore */
    const char        *time_column, *event_column;
    int                intervals; /* of survival; 0: 4 */

    int         folds;                             /* 0 and 1: none, the head is learnt on all and not judged */
    int         fold;                              /* train this fold alone; -1: all, then the final head */
    const char *splits, *leave_out, *split_column; /* one of them in place of `folds`; NULL */
    double      val_share; /* of the patients of train, watched for early stopping; < 0: 0.15 with patience, else 0 */

    int         epochs;            /* 0: 20; steps of the linear probe: 200 */
    double      lr;                /* 0: 2e-4 */
    double      weight_decay;      /* < 0: 1e-5; linear: 1 / cases */
    double      dropout;           /* < 0: 0.25 */
    int         hidden, attention; /* 0: 512, 256 (mil), 384 (abmil) */
    int         neighbours;        /* of knn; 0: 20 */
    uint64_t    seed;
    bool        class_weights;
    int         patience;        /* epochs without a better validation loss (or figure of merit); 0: no early stopping */
    const char *watch;           /* what patience looks at: loss or metric; NULL: loss */
    const char *init;            /* checkpoint whose weights the networks begin with; NULL: random ones */
    double      instance_weight; /* of CLAM's instance loss beside the bag's; < 0: 0.3; 0: without */
    bool        log_steps;       /* HEAD-steps.csv: the loss of every step */
    int         threads;         /* 0: 1 */
    int64_t     memory_bytes;    /* of features kept in memory; 0: 1 GiB */

    bool keep_folds;    /* HEAD-fold<i>.safetensors stay, with HEAD-ensemble.card */
    bool allow_missing; /* labelled cases without a result are left out */
    bool force;         /* replace a head that is there */
} mt_train_options;

/* Defaults: what 0, NULL or -1 mean above. */
MT_PUBLIC void mt_train_options_init(mt_train_options *options);

typedef struct mt_train_epoch {
    const char *fold;                             /* its name; "all": the final head */
    int         fold_index, n_folds;              /* of those that are trained, the final head among them */
    int         epoch, n_epochs;                  /* counted from 1 */
    double      train_loss, val_loss, val_metric; /* NAN: nothing is watched; the metric is that of the report, on the cases watched */
} mt_train_epoch;

typedef struct mt_train_fold {
    char  *name;
    guint  n_train, n_val, n_test;
    double metric; /* held out; NAN: not defined (one class only) */
    int    epochs; /* trained; the best of them with early stopping */
} mt_train_fold;

typedef struct mt_train_report {
    char   *task, *metric_name; /* "AUROC", "macro AUROC", "quadratic kappa", "C-index" */
    char  **labels;
    char   *positive;
    guint   n_cases, n_patients, n_missing, n_withheld, n_unlabelled, n_empty, n_without_row, n_held_out;
    int64_t n_tiles;
    GArray *folds;             /* mt_train_fold */
    double  pooled, low, high; /* over all held-out cases; NAN where that means nothing; the interval of an AUROC (DeLong, 95 %) */
    double  mean, deviation;   /* of the folds' metrics; NAN: none */
    bool    final_is_fold;     /* one fold only: the head is the fold's, not one of all cases */
    int     final_epochs;
    guint   final_train, final_val;
    bool    demonstration;
    int     init_kept;    /* tensors of the final head that options.init did not have: classifiers of other labels; -1: no init */
    char   *no_reference; /* why heads have no reference of their training bags; NULL: all have one */
    char   *head, *card, *curves_csv, *curves_png, *steps_csv, *predictions, *splits, *reference; /* files; NULL: not written */
} mt_train_report;

/* Called after each epoch, from the calling thread; false stops with MT_ERROR_STOPPED and no head is written. */
typedef bool (*mt_train_progress)(void *user, const mt_train_epoch *epoch);

/* MT_ERROR_USAGE, MT_ERROR_RANGE: options; MT_ERROR_MISSING, MT_ERROR_INPUT: labels, splits, results; MT_ERROR_MODEL: results of different
 * encoders; MT_ERROR_IO. */
MT_PUBLIC mt_train_report *mt_train_run(const mt_train_options *options, mt_train_progress progress, void *user, GError **error);
MT_PUBLIC void             mt_train_report_free(mt_train_report *report);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_train_report, mt_train_report_free)

G_END_DECLS

#endif

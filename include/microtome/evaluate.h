/* <microtome/evaluate.h>  How good the predictions of a folder are, held against what is known about its cases.
 * Single-threaded (it reads results); the same numbers for the same files, options and seed. */
#ifndef MICROTOME_EVALUATE_H
#define MICROTOME_EVALUATE_H

#include <microtome/error.h>

G_BEGIN_DECLS

typedef struct mt_evaluation mt_evaluation;

/* NULL, 0, false: not wanted, or what the comment says.  Lists are NULL-terminated. */
typedef struct mt_evaluation_params {
    const char        *labels;       /* CSV: id, label, and what --by and others name; always needed */
    const char        *task;         /* binary, multiclass, multilabel, ordinal, hazard, cox; NULL: from the scores and their labels */
    const char        *column;       /* of the label; NULL: "label" */
    const char        *positive;     /* binary; NULL: the head's */
    const char        *time, *event; /* columns of survival; NULL: "time", "event" */
    const char        *uncertain;    /* findings of -1: ignore, zeros, ones; NULL: ignore */
    const char        *split;        /* only rows whose column `split` says so */
    bool               by_patient;
    bool               allow_missing; /* cases without a result or without a label are counted, not refused */
    double             threshold;     /* NAN: the head's, else 0.5 with a warning */
    int                bootstrap;     /* rounds over patients, 0 or 100..100000 */
    uint64_t           seed;
    const char *const *by;         /* columns, "sex" or in bands "age:40,60,80" */
    const char *const *readers;    /* columns, each one reader's label of each case */
    const char *const *goals;      /* "sensitivity=0.95" */
    const char        *goals_file; /* key file with [goals] */
    const char        *internal;   /* folder of the internal results, or "column=VALUE" of cases in this one; the others are external */
    const char        *internal_labels; /* of that folder; NULL: `labels` */
    const char        *compare;         /* folder of another run over the same cases */
    const char        *train_labels;    /* CSV of the training set */
    const char *splits; /* CLAM's splits_i.csv or train's splits.csv: its test cases are evaluated, its others are the training set */
    const char *fold;   /* the fold of splits.csv, "2" or the site that was left out; NULL: it has one alone */
    const char *head;   /* the head that made the scores, for whom it was trained on; NULL: what the folder knows of it */
    bool        allow_trained; /* cases and patients that were trained on are measured, and every output says so */
    double      prevalence;    /* share of positives to give PPV and NPV for; 0: that of the cohort alone */
} mt_evaluation_params;

/* MT_ERROR_INPUT: a case without result or label (named), an unknown label, a case or patient that was trained on (named), ...
 * MT_ERROR_MISSING: no folder, no file.  MT_ERROR_USAGE: options that do not fit each other, a column that is not there. */
MT_PUBLIC mt_evaluation *mt_evaluation_new(const char *folder, const mt_evaluation_params *params, GError **error);
MT_PUBLIC void           mt_evaluation_free(mt_evaluation *evaluation);
/* What the reader should know before the numbers: NULL-terminated, owned by the evaluation. */
MT_PUBLIC const char *const *mt_evaluation_warnings(const mt_evaluation *evaluation);
/* Whether every goal is met by its bound; true without goals. */
MT_PUBLIC bool mt_evaluation_goals_met(const mt_evaluation *evaluation);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_evaluation, mt_evaluation_free)

G_END_DECLS

#endif

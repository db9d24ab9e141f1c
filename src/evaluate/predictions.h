/* What the results of a folder say, case by case: the reader in front of every evaluation.
 * Cases without a score (withheld, insufficient, embedded, failed) are kept and counted: what is left out must be seen.  Immutable once read. */
#ifndef MT_PREDICTIONS_H
#define MT_PREDICTIONS_H

#include <microtome/error.h>

typedef struct mt_case_prediction {
    char   *id, *path;         /* path: of the result, or of failed/<id>.json */
    char   *status, *decision; /* as in the headline; "failed" and "none" of a case that has no result */
    char   *reason;            /* why it failed, or what unread tiles did; NULL */
    char   *positive;          /* label whose score is the score; NULL */
    double  score;             /* of the positive label; NAN: none */
    double  threshold;         /* NAN: none */
    int     n_scores;          /* 0: no scores; else that of the predictions' labels */
    double *scores;            /* n_scores, finite */
    double *logits;            /* n_scores; NULL where they were not asked for or are not stored */
    int64_t tiles, invalid_tiles;
    double  tissue_mm2;                                                                   /* NAN: unknown */
    char   *encoder, *head, *head_sha256, *encoder_sha256, *recipe_sha256, *input_sha256; /* NULL: not said */
    bool    demonstration;
} mt_case_prediction;

typedef struct mt_predictions {
    char      *folder; /* as given */
    GPtrArray *cases;  /* mt_case_prediction *, ascending by the bytes of their id */
    char     **labels; /* of all that have scores; NULL when none has */
    int        n_labels;
    guint      n_scored, n_degraded, n_withheld, n_insufficient, n_embedded, n_failed; /* degraded ones are scored too */
} mt_predictions;

typedef enum mt_predictions_level { MT_PREDICTIONS_CASES, MT_PREDICTIONS_PATIENTS } mt_predictions_level;

/* OUT/cases/<id>.h5 (and OUT/failed/<id>.json of cases without a result), or OUT/patients/<id>.h5.  With `logits` each file is opened as HDF5;
 * without, the headline alone is read where it holds everything.  MT_ERROR_MISSING: no such folder, or no results in it.  MT_ERROR_INPUT: two
 * cases of one id, of different labels or heads (both cases are named).  A result that cannot be read is a failed case with the reason. */
mt_predictions *mt_predictions_read(const char *folder, mt_predictions_level level, bool logits, GError **error);
void            mt_predictions_free(mt_predictions *predictions);
/* NULL: there is no such case. */
const mt_case_prediction *mt_predictions_find(const mt_predictions *predictions, const char *id);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_predictions, mt_predictions_free)

#endif

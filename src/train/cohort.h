/* The cases to learn from: rows of a labels file joined with stored results, OUT/cases/<id>.h5 (or OUT/<id>.h5: feature files of other tools).
 * Features are read once into memory while the budget lasts, else from the file each time.  Every result must be of one encoder, one µm/px
 * and one width.  Bags may be read from any thread (one at a time where they come from a file). */
#ifndef MT_COHORT_H
#define MT_COHORT_H

#include "src/evaluate/targets.h"

#include <microtome/bag.h>

typedef struct mt_cohort_case {
    char       *id;      /* as the result's file is called */
    const char *patient; /* of the labels file */
    guint       row;     /* in the labels file */
    char       *path;
    mt_bag      bag; /* of the valid tiles; lives as long as the cohort */
} mt_cohort_case;

typedef struct mt_cohort_params {
    bool    allow_missing; /* cases of the labels file without a result are left out and counted */
    int64_t cache_bytes;   /* of features kept in memory; 0: 1 GiB */
} mt_cohort_params;

typedef struct mt_cohort {
    GPtrArray *cases; /* mt_cohort_case *, ascending by the bytes of their id */
    int64_t    dim;
    char      *encoder, *encoder_sha256; /* NULL: the results do not say */
    double     target_mpp;               /* 0: they do not say */
    guint      n_missing;                /* labelled, without a result */
    guint      n_unlabelled;             /* rows whose label is blank */
    guint      n_withheld;               /* labelled, kept back by a control case */
    guint      n_empty;                  /* labelled results without a tile */
    guint      n_without_row;            /* results of OUT that the labels file does not name */
    bool       demonstration;            /* the encoder is the sample one */
    /*< private >*/
    void *files;
} mt_cohort;

/* `targets` says which rows have a label.  MT_ERROR_MISSING: no folder OUT/cases; MT_ERROR_INPUT: labelled cases without a result (listed),
 * no case left, or MT_ERROR_MODEL: two cases of different encoders (both are named). */
mt_cohort *mt_cohort_open(const char *out, const mt_labels *labels, const mt_targets *targets, const mt_cohort_params *params,
                          GError **error);
void       mt_cohort_free(mt_cohort *cohort);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_cohort, mt_cohort_free)

#endif

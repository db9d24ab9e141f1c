/* What an evaluation of masks or findings holds: filled by segmentation.c or findings.c, shown by src/export/place_*.c. */
#ifndef MT_PLACE_EVALUATION_H
#define MT_PLACE_EVALUATION_H

#include "src/evaluate/case_draws.h"
#include "src/evaluate/evaluation.h"
#include "src/evaluate/froc.h"

#include <microtome/evaluate_places.h>

typedef enum mt_place_kind { MT_PLACE_MASKS, MT_PLACE_FINDINGS } mt_place_kind;

typedef struct mt_place_case {
    char   *id, *patient;
    double *values; /* one a column; NAN: not defined */
    double *other;  /* of the run that is compared with; NULL: none */
} mt_place_case;

/* One class of masks. */
typedef struct mt_mask_class {
    char *name;
    int   value;                                        /* 0: all that is not 0 */
    int   both_empty, reference_empty, predicted_empty; /* cases; the latter two: that one alone */
} mt_mask_class;

struct mt_place_evaluation {
    mt_place_kind  kind;
    char          *folder, *reference, *labels_path; /* labels_path NULL: none */
    GPtrArray     *columns;                          /* names of the cases' values */
    GPtrArray     *cases;                            /* mt_place_case *, ascending by id */
    GPtrArray     *missing;                          /* ids of cases left out: a file was missing */
    GPtrArray     *warnings;
    GPtrArray     *names;   /* of the metrics, owned */
    GArray        *metrics; /* mt_metric */
    GArray        *goals;   /* mt_goal */
    mt_comparison *comparison;
    int            bootstrap;
    uint64_t       seed;
    mt_cohort_fn   measure; /* of this evaluation as the cohort */

    GArray *classes; /* masks: mt_mask_class */
    bool    distance;

    struct mt_hits *hits; /* findings */
    double          threshold;
    mt_curve        froc;
};

/* segmentation.c, findings.c: cases with their values, metrics without their estimates, and how they are measured. */
bool mt_place_gather_masks(mt_place_evaluation *e, const mt_place_params *params, GError **error);
bool mt_place_gather_findings(mt_place_evaluation *e, const mt_place_params *params, GError **error);
/* finding_numbers.c: intervals where draws show no spread: nothing was missed, no false positive seen. */
bool mt_place_widen_findings(mt_place_evaluation *e, GError **error);
void mt_hits_free(struct mt_hits *hits);

void           mt_place_warn(mt_place_evaluation *e, const char *format, ...) G_GNUC_PRINTF(2, 3);
mt_place_case *mt_place_add_case(mt_place_evaluation *e, const char *id, const char *patient);
/* A metric to be measured; `name` is taken. */
void mt_place_add_metric(mt_place_evaluation *e, char *name, const char *undefined);

#endif

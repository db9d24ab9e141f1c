/* Which findings hit which lesions, over all cases. */
#ifndef MT_FINDING_HITS_H
#define MT_FINDING_HITS_H

#include "src/evaluate/place_evaluation.h"
#include "src/evaluate/case_places.h"

/* Under one rule of hitting; in the order of falling scores. */
typedef struct mt_ranking {
    GArray  *detections; /* mt_detection; image: the case; those on ignored lesions are not among them */
    int64_t *rows;
    uint8_t *hits; /* mt_hit */
} mt_ranking;

struct mt_hits {
    mt_ranking  by_place; /* the centre of the finding lies in the lesion */
    int         n_ious;
    double     *ious;
    mt_ranking *by_iou;
    bool        boxed;      /* all findings and lesions have an extent: by_iou says something */
    int64_t    *lesions_of; /* of each case, without the ignored */
};

/* One case, whose place among the cases is `image`. */
bool            mt_hits_add(struct mt_hits *hits, int64_t image, const mt_places *findings, const mt_places *lesions, GError **error);
bool            mt_hits_rank(struct mt_hits *hits, GError **error);
struct mt_hits *mt_hits_new(const double *ious, int n_ious, int64_t most_cases);

/* finding_numbers.c: names of the metrics; their values of a drawn cohort, a mt_place_evaluation; the FROC curve. */
void mt_finding_metrics(mt_place_evaluation *e);
void mt_finding_measure(const void *cohort, const int64_t *times, mt_estimate *numbers);
bool mt_finding_curve(mt_place_evaluation *e, GError **error);

#endif

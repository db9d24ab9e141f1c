/* A threshold with a promise: the share it is chosen for is not what the data show but the lower end of its interval.
 * A case is called positive when its score reaches the threshold; scores and thresholds are floats, as a result stores them. */
#ifndef MT_OPERATING_POINTS_H
#define MT_OPERATING_POINTS_H

#include "src/evaluate/proportion.h"

typedef enum mt_operating_goal {
    MT_GOAL_SENSITIVITY, /* the highest threshold whose sensitivity has a lower bound of at least `wanted` */
    MT_GOAL_SPECIFICITY, /* the lowest threshold, likewise */
    MT_GOAL_NPV,         /* the highest; the bound is that of the lower bounds of sensitivity and specificity at `prevalence` */
    MT_GOAL_PPV,         /* the lowest, likewise */
} mt_operating_goal;

typedef struct mt_operating_claim {
    mt_operating_goal      goal;
    double                 wanted;     /* (0, 1) */
    double                 prevalence; /* of those whom the threshold will meet, (0, 1); NPV and PPV only */
    double                 level;      /* of the two-sided interval: 0.95 */
    mt_proportion_interval interval;
} mt_operating_claim;

typedef struct mt_operating_point {
    mt_operating_claim claim;
    double             threshold;
    int64_t            tp, fn, tn, fp;
    mt_estimate        sensitivity, specificity;
    double             value, low; /* what was claimed: as observed, and its lower bound */
} mt_operating_point;

const char *mt_operating_goal_name(mt_operating_goal goal);
/* truth: 1 or 0.  MT_ERROR_RANGE for a claim out of range; MT_ERROR_INPUT for scores outside [0, 1], and for a claim that the data are too few
 * for: the message says how many cases would be needed (for a sensitivity of 0.99 at 0.95 by Wilson: 381 positive ones, and no miss). */
bool mt_operating_point_choose(const double *scores, const int *truth, int64_t n, const mt_operating_claim *claim,
                               mt_operating_point *point, GError **error);

#endif

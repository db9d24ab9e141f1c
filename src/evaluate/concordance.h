/* Survival: does a higher risk mean an earlier event, and the share still free of it over time. */
#ifndef MT_CONCORDANCE_H
#define MT_CONCORDANCE_H

#include "src/evaluate/curve.h"
#include "src/evaluate/estimate.h"

/* `times` >= 0, `events` 1 (seen at that time) or 0 (censored there).  MT_ERROR_INPUT: numbers that are no numbers, negative times, other events. */

typedef struct mt_concordance {
    mt_estimate index;                        /* (concordant + tied / 2) / comparable; not defined without a comparable pair */
    int64_t     concordant, tied, discordant; /* pairs; tied: equal risk */
} mt_concordance;

/* Harrell's C.  A pair is comparable when the earlier time is an event, or when times are equal and just one is an event (which then came first).
 * `risks`: higher = earlier event.  O(n log n). */
bool mt_concordance_index(const double *risks, const double *times, const int *events, int64_t n, mt_concordance *concordance,
                          GError **error);

/* Kaplan and Meier: x = time, y = share without event from then on, first (0, 1), then one point for each time of an event; threshold is
 * Greenwood's standard error of y. */
bool mt_kaplan_meier(const double *times, const int *events, int64_t n, mt_curve *curve, GError **error);

#endif

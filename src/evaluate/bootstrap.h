/* Intervals of any metric by drawing patients again, with replacement.  A patient's rows stay together: slides of one patient are not independent. */
#ifndef MT_BOOTSTRAP_H
#define MT_BOOTSTRAP_H

#include "src/evaluate/estimate.h"

/* The metric on `n` rows (a row may be there more than once).  Sets `estimate` (not defined: what was drawn does not say).
 * False and the error: the bootstrap ends with it. */
typedef bool (*mt_metric_fn)(const int64_t *rows, int64_t n, const void *data, mt_estimate *estimate, GError **error);

typedef enum mt_bootstrap_interval { MT_BOOTSTRAP_PERCENTILE, MT_BOOTSTRAP_BCA } mt_bootstrap_interval;

typedef struct mt_bootstrap_params {
    int                   resamples; /* 10 .. 1,000,000 */
    uint64_t              seed;
    double                level;    /* in (0, 1) */
    mt_bootstrap_interval interval; /* BCa: bias corrected and accelerated (Efron 1987), by leaving out each patient once */
    const int64_t        *cluster;  /* patient of each row, 0 .. ; NULL: each row is a patient */
    const int *stratum; /* of each row: as many patients are drawn from each stratum as it has (a patient's is that of its first row);
                                     * NULL: one stratum */
} mt_bootstrap_params;

typedef struct mt_bootstrap_result {
    mt_estimate estimate;  /* the metric on all rows, with the interval */
    double      deviation; /* standard deviation over the resamples */
    int         undefined; /* resamples on which the metric was not defined: left out; more than half leave no interval */
} mt_bootstrap_result;

/* Deterministic: resample r draws numbers by counter from (seed, r).  MT_ERROR_RANGE: params; MT_ERROR_INPUT: a negative cluster, no rows. */
bool mt_bootstrap(int64_t n, mt_metric_fn metric, const void *data, const mt_bootstrap_params *params, mt_bootstrap_result *result,
                  GError **error);

#endif

/* Do two groups live equally long? */
#ifndef MT_LOG_RANK_H
#define MT_LOG_RANK_H

#include "src/evaluate/estimate.h"

typedef struct mt_log_rank {
    int64_t     observed;           /* events of the second group */
    double      expected, variance; /* of them, were both alike (hypergeometric at each time of an event) */
    bool        tested;             /* false: the variance is 0, as where one group is empty or there is no event */
    double      chi_squared, p;     /* one degree of freedom; 0 and 1 where not tested */
    mt_estimate hazard_ratio;       /* of the second group against the first: exp((O - E) / V), Peto's one step, with its interval */
} mt_log_rank;

/* `second` 0 or 1 for each row: its group.  `times` and `events` as in concordance.h.  Mantel 1966. */
bool mt_log_rank_test(const double *times, const int *events, const int *second, int64_t n, double level, mt_log_rank *result,
                      GError **error);

#endif

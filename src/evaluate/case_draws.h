/* Many numbers of a cohort at once, with their intervals by drawing patients again. */
#ifndef MT_CASE_DRAWS_H
#define MT_CASE_DRAWS_H

#include "src/evaluate/bootstrap.h"

/* All numbers of the cohort in which case i is there times[i] times. */
typedef void (*mt_cohort_fn)(const void *cohort, const int64_t *times, mt_estimate *numbers);

typedef struct mt_case_draws {
    int64_t            n_cases;
    const char *const *patients; /* of each case */
    int                rounds;
    uint64_t           seed;
    int                n_numbers;
    mt_cohort_fn       measure;
    const void        *cohort;
} mt_case_draws;

/* One patient alone says nothing about others: the numbers then have no interval.  MT_ERROR_MEMORY. */
bool mt_case_draws_measure(const mt_case_draws *draws, mt_estimate *numbers, GError **error);
int  mt_case_draws_patients(const mt_case_draws *draws);

#endif

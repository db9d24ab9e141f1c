/* Do two sets of decisions on the same cases err differently (McNemar 1947)? */
#ifndef MT_MCNEMAR_H
#define MT_MCNEMAR_H

#include "src/evaluate/estimate.h"

typedef struct mt_mcnemar {
    int64_t     only_a, only_b;      /* cases that only a, that only b decides rightly */
    double      exact_p;             /* two-sided binomial; 1 without a case on which they differ */
    double      chi2, chi2_p;        /* with Edwards's continuity correction, one degree of freedom; 0 and 1 without such a case */
    mt_estimate accuracy_difference; /* of a - of b, with Wald's interval of paired shares; not defined for n = 0 */
} mt_mcnemar;

/* `right_a`, `right_b` 0 or 1 for each case (called == truth): MT_ERROR_INPUT for others. */
bool mt_mcnemar_test(const int *right_a, const int *right_b, int64_t n, double level, mt_mcnemar *result, GError **error);
/* The same where a patient has several cases, which are not independent.  Within each patient the two may be swapped: exact_p counts the
 * swaps that give a gap at least as wide, of patients whose cases do not cancel out (with one case each: the binomial); above some 10^4
 * of them by the normal distribution.  chi2 and the interval over patients too.  `patient` >= 0 of each row (MT_ERROR_INPUT). */
bool mt_mcnemar_patients(const int *right_a, const int *right_b, const int64_t *patient, int64_t n, double level, mt_mcnemar *result,
                         GError **error);

#endif

/* PPV and NPV where another share of the cases is positive than in the cohort: a clinic, not a collection. */
#ifndef MT_PREDICTIVE_VALUE_H
#define MT_PREDICTIVE_VALUE_H

#include "src/evaluate/estimate.h"

/* Bayes with sensitivity and specificity at `prevalence`, in (0, 1) else MT_ERROR_RANGE.  Both follow from a ratio of two independent shares alone
 * (LR+ = sens / (1 - spec), LR- = (1 - sens) / spec), so the interval is that of the ratio, joined from the intervals of the two shares
 * (MOVER-R, Donner and Zou, Statist. Methods Med. Res. 2012) and carried over.  Not defined where nothing is ever called so. */
bool mt_predictive_values(const mt_estimate *sensitivity, const mt_estimate *specificity, double prevalence, mt_estimate *ppv,
                          mt_estimate *npv, GError **error);

#endif

/* Split conformal prediction: how low the score of the truth may be, so that sets hold it as often as promised. */
#ifndef MT_CONFORMAL_H
#define MT_CONFORMAL_H

#include <microtome/error.h>

/* scores: n x classes, truth: class of each row.  quantiles: 1, or with `by_class` one a class: the ceil((n+1)(1-alpha))-th smallest of
 * 1 - score of the truth (of the rows of that class).  MT_ERROR_INPUT where there are fewer rows than that rank: the message says how many are
 * needed.  MT_ERROR_RANGE: alpha outside (0, 1). */
bool mt_conformal_fit(const double *scores, const int *truth, int64_t n, int classes, double alpha, bool by_class, double *quantiles,
                      GError **error);

#endif

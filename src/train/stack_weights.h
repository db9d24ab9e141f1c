/* Weights of a stacked ensemble: logistic regression of what was true on the members' log-odds, no weight below 0. */
#ifndef MT_STACK_WEIGHTS_H
#define MT_STACK_WEIGHTS_H

#include <microtome/error.h>

#include <stdint.h>

/* x: n x members log-odds; truth: 1 or 0; weights: one a member, then the constant.  The most likely ones, without a penalty; in double, serially.
 * MT_ERROR_INPUT: one class only, members that separate the classes wholly, or of which none rises with the label. */
bool mt_stack_weights(const double *x, const int *truth, int64_t n, int members, double *weights, GError **error);
/* Mean negative log likelihood under them. */
double mt_stack_likelihood(const double *x, const int *truth, int64_t n, int members, const double *weights);

#endif

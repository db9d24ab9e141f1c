/* Minimise a smooth function by limited-memory BFGS with a backtracking line search (Armijo).  Double, serial: the same numbers always. */
#ifndef MT_LBFGS_H
#define MT_LBFGS_H

#include <microtome/error.h>

/* The value at x, and its gradient. */
typedef double (*mt_lbfgs_function)(void *user, const double *x, double *gradient);
/* After each step; false ends it there. */
typedef bool (*mt_lbfgs_step)(void *user, int step, double value);

typedef struct mt_lbfgs_params {
    int               max_steps;
    double            tolerance; /* stop when the largest part of the gradient is smaller */
    mt_lbfgs_function function;
    mt_lbfgs_step     step; /* NULL: none */
    void             *user;
} mt_lbfgs_params;

/* x is where it starts and where it ends.  MT_ERROR_MEMORY; MT_ERROR_INTERNAL when the value is not finite at the start. */
bool mt_lbfgs_minimise(const mt_lbfgs_params *params, double *x, int64_t n, GError **error);

#endif

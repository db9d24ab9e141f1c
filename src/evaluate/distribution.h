/* The distributions that intervals and tests want, to about 1e-13 relative. */
#ifndef MT_DISTRIBUTION_H
#define MT_DISTRIBUTION_H

#include <microtome/error.h>

double mt_normal_cdf(double x);
/* Of p in (0, 1); -infinity and +infinity at the ends. */
double mt_normal_quantile(double p);
/* Two-sided z of a level in (0, 1): 1.959964 for 0.95.  MT_ERROR_RANGE for another level. */
bool mt_level_z(double level, double *z, GError **error);
/* Of a chi-squared statistic >= 0 with one degree of freedom: P(X > x). */
double mt_chi2_1_tail(double x);
/* The regularised incomplete beta function I_x(a, b), a and b > 0, x in [0, 1]. */
double mt_beta_cdf(double a, double b, double x);
/* Its inverse in x. */
double mt_beta_quantile(double a, double b, double p);

#endif

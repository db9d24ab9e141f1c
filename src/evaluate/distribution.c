#include "src/evaluate/distribution.h"

#include <float.h>
#include <math.h>

double mt_normal_cdf(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

/* Newton on the tail that is small, so that no digits cancel: f(x) = erfc(x / sqrt 2) / 2 - tail. */
static double upper_quantile(double tail)
{
    double t = sqrt(-2 * log(tail));
    double x = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));

    for (int i = 0; i < 20; i++) {
        double density = exp(-0.5 * x * x) / sqrt(2 * M_PI), excess = 0.5 * erfc(x * M_SQRT1_2) - tail;
        double newton = excess / density, step = newton / (1 - 0.5 * x * newton); /* Halley's */

        x += step;
        if (fabs(step) <= 1e-15 * fmax(1, fabs(x)))
            break;
    }
    return x;
}

double mt_normal_quantile(double p)
{
    if (p <= 0 || p >= 1)
        return p <= 0 ? -INFINITY : INFINITY;
    if (p == 0.5)
        return 0;
    return p < 0.5 ? -upper_quantile(p) : upper_quantile(1 - p);
}

bool mt_level_z(double level, double *z, GError **error)
{
    if (!(level > 0 && level < 1)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "the level of an interval is %g: give one between 0 and 1, as 0.95", level);
        return false;
    }
    *z = upper_quantile((1 - level) / 2);
    return true;
}

double mt_chi2_1_tail(double x)
{
    return x <= 0 ? 1 : erfc(sqrt(x / 2));
}

/* Lentz's continued fraction of I_x(a, b); converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double       c = 1, d = 1 - (a + b) * x / (a + 1), h;

    d = 1 / (fabs(d) < tiny ? tiny : d);
    h = d;
    for (int m = 1; m <= 100000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double change = 1;

        for (int half = 0; half < 2; half++) {
            double k = half == 0 ? even : odd;

            d = 1 + k * d;
            c = 1 + k / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            change = d * c;
            h *= change;
        }
        if (fabs(change - 1) < 4 * DBL_EPSILON)
            break;
    }
    return h;
}

double mt_beta_cdf(double a, double b, double x)
{
    double front;

    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* Halving until the doubles meet: 1,100 steps at most, some sixty as a rule, and no start value to go wrong. */
double mt_beta_quantile(double a, double b, double p)
{
    double low = 0, high = 1;

    if (p <= 0 || p >= 1)
        return p <= 0 ? 0 : 1;
    for (;;) {
        double middle = 0.5 * (low + high);

        if (middle <= low || middle >= high)
            return middle;
        if (mt_beta_cdf(a, b, middle) < p)
            low = middle;
        else
            high = middle;
    }
}

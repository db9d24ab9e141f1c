/* The truth regressed on the log odds of the score, by Newton's method. */
#include "src/evaluate/distribution.h"
#include "src/evaluate/reliability.h"
#include "src/evaluate/score_order.h"

#include <math.h>

#define MOST_STEPS 100
#define SCORE_EDGE 1e-12

static double log_odds(double score)
{
    double p = fmin(fmax(score, SCORE_EDGE), 1 - SCORE_EDGE);

    return log(p) - log1p(-p);
}

/* Gradient and information of the log likelihood at (intercept, slope), and the likelihood itself. */
typedef struct moments {
    double likelihood;
    double g0, g1;
    double h00, h01, h11;
} moments;

static moments moments_at(const double *scores, const int *truth, int64_t n, double intercept, double slope)
{
    moments m = {0};

    for (int64_t i = 0; i < n; i++) {
        double x = log_odds(scores[i]), eta = intercept + slope * x;
        double p = 1 / (1 + exp(-eta)), q = 1 / (1 + exp(eta)); /* 1 - p would lose the digits of a small q */
        double left = truth[i] ? q : -p, w = p * q, towards = truth[i] ? -eta : eta;

        m.likelihood -= towards > 0 ? towards + log1p(exp(-towards)) : log1p(exp(towards)); /* ln of the probability of the truth */
        m.g0 += left;
        m.g1 += left * x;
        m.h00 += w;
        m.h01 += w * x;
        m.h11 += w * x * x;
    }
    return m;
}

typedef struct line {
    bool   converged;
    double intercept, slope;
} line;

/* One Newton step, halved until the likelihood does not fall; the step's size, NaN when there is none. */
static double improve(const double *scores, const int *truth, int64_t n, line *fit, moments *m)
{
    double det = m->h00 * m->h11 - m->h01 * m->h01;
    double d0 = (m->h11 * m->g0 - m->h01 * m->g1) / det, d1 = (m->h00 * m->g1 - m->h01 * m->g0) / det;
    double scale = 1;

    if (!(det > 1e-14 * m->h00 * m->h11))
        return (double)NAN;
    for (int halvings = 0; halvings < 40; halvings++, scale /= 2) {
        moments next = moments_at(scores, truth, n, fit->intercept + scale * d0, fit->slope + scale * d1);

        if (next.likelihood >= m->likelihood - 1e-12 * fabs(m->likelihood)) {
            *m = next;
            break;
        }
    }
    fit->intercept += scale * d0;
    fit->slope += scale * d1;
    return scale * fmax(fabs(d0) / fmax(1, fabs(fit->intercept)), fabs(d1) / fmax(1, fabs(fit->slope)));
}

/* From no slope at all, where the information is largest.  Newton doubles the digits: three steps after seven digits stand, all do. */
static line fit_line(const double *scores, const int *truth, int64_t n, moments *m)
{
    line fit = {.slope = 0};
    int  good = 0;

    *m = moments_at(scores, truth, n, 0, 0);
    for (int step = 0; step < MOST_STEPS && good < 4; step++) {
        double size = improve(scores, truth, n, &fit, m);

        if (isnan(size))
            return fit;
        good += size < 1e-7;
    }
    fit.converged = good == 4;
    return fit;
}

/* The intercept at a slope of 1: what is predicted falls as it falls, so halving finds it.  Log odds stay within +-28 (SCORE_EDGE). */
static double fit_intercept(const double *scores, const int *truth, int64_t n)
{
    double low = -60, high = 60;

    for (;;) {
        double middle = 0.5 * (low + high);

        if (middle == low || middle == high || high - low < 1e-16)
            return middle;
        if (moments_at(scores, truth, n, middle, 1).g0 > 0)
            low = middle;
        else
            high = middle;
    }
}

static mt_estimate wald(double value, double variance, double z)
{
    return mt_estimate_between(value, value - z * sqrt(variance), value + z * sqrt(variance), "Wald");
}

/* Whether some positive's score lies below some negative's and some above: otherwise the slope runs away. */
static bool classes_overlap(const double *scores, const int *truth, int64_t n)
{
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};

    for (int64_t i = 0; i < n; i++) {
        low[truth[i]] = fmin(low[truth[i]], scores[i]);
        high[truth[i]] = fmax(high[truth[i]], scores[i]);
    }
    return low[1] < high[0] && low[0] < high[1];
}

bool mt_calibration_regression(const double *scores, const int *truth, int64_t n, double level, mt_calibration_fit *fit, GError **error)
{
    double  z;
    int64_t positives = 0;

    *fit = (mt_calibration_fit){0};
    if (!mt_level_z(level, &z, error) || !mt_probabilities_check("calibration slope", scores, truth, n, error))
        return false;
    for (int64_t i = 0; i < n; i++)
        positives += truth[i];
    if (positives == 0 || positives == n)
        return true;

    double large = fit_intercept(scores, truth, n);

    fit->in_the_large = wald(large, 1 / moments_at(scores, truth, n, large, 1).h00, z);
    if (classes_overlap(scores, truth, n)) {
        moments m;
        line    both = fit_line(scores, truth, n, &m);
        double  det = m.h00 * m.h11 - m.h01 * m.h01;

        if (both.converged) {
            fit->slope = wald(both.slope, m.h00 / det, z);
            fit->intercept = wald(both.intercept, m.h11 / det, z);
        }
    }
    return true;
}

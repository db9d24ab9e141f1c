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
        double x = log_odds(scores[i]), eta = intercept + slope * x, p = 1 / (1 + exp(-eta)), w = p * (1 - p);
        double towards = truth[i] ? -eta : eta; /* -ln of the probability of the truth is ln(1 + exp(towards)) */

        m.likelihood -= towards > 0 ? towards + log1p(exp(-towards)) : log1p(exp(towards));
        m.g0 += truth[i] - p;
        m.g1 += (truth[i] - p) * x;
        m.h00 += w;
        m.h01 += w * x;
        m.h11 += w * x * x;
    }
    return m;
}

typedef struct fitted {
    bool   converged;
    double intercept, slope, var_intercept, var_slope;
} fitted;

/* One Newton step, halved until the likelihood does not fall; the step's size, NaN when there is none. */
static double improve(const double *scores, const int *truth, int64_t n, bool both, fitted *fit, moments *m)
{
    double det = both ? m->h00 * m->h11 - m->h01 * m->h01 : m->h00;
    double d0 = both ? (m->h11 * m->g0 - m->h01 * m->g1) / det : m->g0 / det;
    double d1 = both ? (m->h00 * m->g1 - m->h01 * m->g0) / det : 0;
    double scale = 1;

    if (!(det > 1e-14 * (both ? m->h00 * m->h11 : 1)))
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

/* `both`: slope too; else it stays 1.  A likelihood near 0 means that the classes do not overlap: no finite answer. */
static fitted fit_line(const double *scores, const int *truth, int64_t n, bool both)
{
    fitted  fit = {.slope = both ? 0 : 1};
    moments m = moments_at(scores, truth, n, fit.intercept, fit.slope);

    for (int step = 0; step < MOST_STEPS; step++) {
        double size = improve(scores, truth, n, both, &fit, &m);

        if (isnan(size) || fabs(fit.slope) > 1e6 || fabs(fit.intercept) > 1e6)
            return fit;
        if (size < 1e-13) {
            double det = both ? m.h00 * m.h11 - m.h01 * m.h01 : m.h00;

            fit.converged = m.likelihood < -1e-8 * (double)n;
            fit.var_intercept = both ? m.h11 / det : 1 / det;
            fit.var_slope = both ? m.h00 / det : 0;
            return fit;
        }
    }
    return fit;
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

    fitted large = fit_line(scores, truth, n, false);
    fitted both = classes_overlap(scores, truth, n) ? fit_line(scores, truth, n, true) : (fitted){.converged = false};

    if (large.converged)
        fit->in_the_large = wald(large.intercept, large.var_intercept, z);
    if (both.converged) {
        fit->slope = wald(both.slope, both.var_slope, z);
        fit->intercept = wald(both.intercept, both.var_intercept, z);
    }
    return true;
}

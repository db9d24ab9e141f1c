/* Newton's steps among the weights that are free, projected onto w >= 0 (Bertsekas 1982), with a backtracking line search. */
#include "src/train/stack_weights.h"

#include <math.h>
#include <string.h>

#define MOST_STEPS 500
#define TOLERANCE 1e-11
#define STEEPEST 1000.0 /* weights beyond it: the classes are separated */
#define RIDGE 1e-10     /* for members that say the same */

typedef struct problem {
    const double *x;
    const int    *truth;
    int64_t       n;
    int           k; /* members, then the constant */
    double       *gradient, *hessian, *step, *trial;
    bool         *held; /* at 0, and would fall below */
} problem;

static double member(const problem *p, int64_t i, int j)
{
    return j < p->k - 1 ? p->x[i * (p->k - 1) + j] : 1;
}

static double sum_of(const problem *p, int64_t i, const double *w)
{
    double z = 0;

    for (int j = 0; j < p->k; j++)
        z += w[j] * member(p, i, j);
    return z;
}

static double value_at(const problem *p, const double *w)
{
    double value = 0;

    for (int64_t i = 0; i < p->n; i++) {
        double z = p->truth[i] ? -sum_of(p, i, w) : sum_of(p, i, w);
        value += z > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
    }
    return value / (double)p->n;
}

static void differentiate(problem *p, const double *w)
{
    memset(p->gradient, 0, (size_t)p->k * sizeof(double));
    memset(p->hessian, 0, (size_t)(p->k * p->k) * sizeof(double));
    for (int64_t i = 0; i < p->n; i++) {
        double z = sum_of(p, i, w), share = z >= 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z));
        for (int a = 0; a < p->k; a++) {
            double slope = member(p, i, a) / (double)p->n;
            p->gradient[a] += (share - p->truth[i]) * slope;
            for (int b = 0; b < p->k; b++)
                p->hessian[a * p->k + b] += share * (1 - share) * slope * member(p, i, b);
        }
    }
    for (int a = 0; a < p->k; a++)
        p->held[a] = a < p->k - 1 && w[a] <= 0 && p->gradient[a] > 0;
}

/* The step of the free weights, by Gauss's elimination: the matrix is positive definite. */
static void solve(problem *p)
{
    int     k = p->k;
    double *h = p->hessian;

    for (int a = 0; a < k; a++) {
        p->step[a] = p->held[a] ? 0 : -p->gradient[a];
        for (int b = 0; b < k && p->held[a]; b++)
            h[a * k + b] = h[b * k + a] = 0;
        h[a * k + a] = p->held[a] ? 1 : h[a * k + a] + RIDGE;
    }
    for (int a = 0; a < k; a++)
        for (int b = a + 1; b < k; b++) {
            double share = h[b * k + a] / h[a * k + a];
            for (int c = a; c < k; c++)
                h[b * k + c] -= share * h[a * k + c];
            p->step[b] -= share * p->step[a];
        }
    for (int a = k - 1; a >= 0; a--) {
        for (int b = a + 1; b < k; b++)
            p->step[a] -= h[a * k + b] * p->step[b];
        p->step[a] /= h[a * k + a];
    }
}

static double largest_slope(const problem *p)
{
    double largest = 0;

    for (int a = 0; a < p->k; a++)
        largest = fmax(largest, p->held[a] ? 0 : fabs(p->gradient[a]));
    return largest;
}

/* False: no shorter step is better. */
static bool search(problem *p, double *w)
{
    double value = value_at(p, w);

    for (double share = 1; share > 1e-12; share /= 2) {
        double fall = 0;
        for (int a = 0; a < p->k; a++) {
            p->trial[a] = a < p->k - 1 ? fmax(0, w[a] + share * p->step[a]) : w[a] + share * p->step[a];
            fall += p->gradient[a] * (p->trial[a] - w[a]);
        }
        if (value_at(p, p->trial) <= value + 1e-4 * fall) {
            memcpy(w, p->trial, (size_t)p->k * sizeof(double));
            return true;
        }
    }
    return false;
}

static bool check_classes(const int *truth, int64_t n, GError **error)
{
    int64_t positives = 0;

    for (int64_t i = 0; i < n; i++)
        positives += truth[i];
    if (positives > 0 && positives < n)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "fit the weights of a stack: %" G_GINT64_FORMAT " positive and %" G_GINT64_FORMAT " negative cases: both are wanted",
                positives, n - positives);
    return false;
}

static bool check_weights(const double *w, int members, GError **error)
{
    double largest = 0;

    for (int m = 0; m < members; m++)
        largest = fmax(largest, w[m]);
    if (largest > 0 && largest < STEEPEST)
        return true;
    g_set_error_literal(
        error, MT_ERROR, MT_ERROR_INPUT,
        largest > 0 ? "fit the weights of a stack: the members separate the classes wholly, so that any weight would fit: take more cases"
                    : "fit the weights of a stack: no member's score rises with the label: is the positive label the right one?");
    return false;
}

bool mt_stack_weights(const double *x, const int *truth, int64_t n, int members, double *weights, GError **error)
{
    int                k = members + 1;
    g_autofree double *memory = g_new0(double, (gsize)(k * k + 3 * k));
    g_autofree bool   *held = g_new0(bool, (gsize)k);
    problem            p = {.x = x,
                            .truth = truth,
                            .n = n,
                            .k = k,
                            .gradient = memory,
                            .step = memory + k,
                            .trial = memory + 2 * k,
                            .hessian = memory + 3 * k,
                            .held = held};

    if (!check_classes(truth, n, error))
        return false;
    for (int m = 0; m < k; m++)
        weights[m] = m < members ? 1.0 / members : 0;
    for (int i = 0; i < MOST_STEPS; i++) {
        differentiate(&p, weights);
        if (largest_slope(&p) < TOLERANCE)
            break;
        solve(&p);
        if (!search(&p, weights))
            break;
    }
    return check_weights(weights, members, error);
}

double mt_stack_likelihood(const double *x, const int *truth, int64_t n, int members, const double *weights)
{
    problem p = {.x = x, .truth = truth, .n = n, .k = members + 1};

    return value_at(&p, weights);
}

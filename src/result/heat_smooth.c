#include "src/result/heat_smooth.h"

#include "src/base/alloc.h"

#include <math.h>

int64_t mt_heat_smooth_reach(double sigma)
{
    return (int64_t)ceil(MT_HEAT_SMOOTH_SIGMAS * sigma);
}

static double *weights_of(double sigma, int64_t reach, GError **error)
{
    double *weights = mt_alloc(reach + 1, sizeof *weights, error);

    for (int64_t i = 0; weights != NULL && i <= reach; i++)
        weights[i] = sigma > 0 ? exp(-0.5 * (double)(i * i) / (sigma * sigma)) : i == 0;
    return weights;
}

/* One axis: n lines of `length` px, `step` apart inside a line and `line` between lines. */
static bool pass(const double *from, double *to, int64_t n, int64_t line, int64_t length, int64_t step, double sigma, GError **error)
{
    int64_t reach = mt_heat_smooth_reach(sigma);
    double *weights = weights_of(sigma, reach, error);

    for (int64_t l = 0; l < n && weights != NULL; l++)
        for (int64_t i = 0; i < length; i++) {
            double sum = 0;
            for (int64_t k = MAX(0, i - reach); k <= MIN(length - 1, i + reach); k++)
                sum += weights[ABS(k - i)] * from[l * line + k * step];
            to[l * line + i * step] = sum;
        }
    mt_free(weights);
    return weights != NULL;
}

static bool blur(double *field, double *spare, int64_t width, int64_t height, const double sigma[2], GError **error)
{
    return pass(field, spare, height, width, width, 1, sigma[0], error) && pass(spare, field, width, 1, height, width, sigma[1], error);
}

bool mt_heat_smooth(float *values, const uint8_t *states, int64_t width, int64_t height, const double sigma[2], GError **error)
{
    int64_t n = width * height;
    double *sum = mt_alloc(n, sizeof *sum, error), *weight = sum != NULL ? mt_alloc(n, sizeof *weight, error) : NULL;
    double *spare = weight != NULL ? mt_alloc(n, sizeof *spare, error) : NULL;
    bool    ok = spare != NULL;

    for (int64_t i = 0; ok && i < n; i++) {
        weight[i] = states[i] == MT_HEAT_VALUE;
        sum[i] = weight[i] * (double)values[i];
    }
    ok = ok && blur(sum, spare, width, height, sigma, error) && blur(weight, spare, width, height, sigma, error);
    for (int64_t i = 0; ok && i < n; i++)
        if (states[i] == MT_HEAT_VALUE)
            values[i] = (float)(sum[i] / weight[i]);
    mt_free(sum);
    mt_free(weight);
    mt_free(spare);
    return ok;
}

#include "tiling/macenko.h"

#include "src/base/alloc.h"
#include "tiling/percentile.h"
#include "tiling/principal_axes.h"

#include <math.h>

#define CLEAR_BELOW 0.15
#define ANGLE_PERCENTILE 1.0
#define CONCENTRATION_PERCENTILE 99.0
#define MIN_STAINED 1000       /* 1 % of fewer is less than ten pixels */
#define MIN_SINE 0.05          /* of the angle between the stains: published pairs are 15 to 30 degrees apart */
#define MIN_COMPONENT (-0.05)  /* a dye does not make light; red blood cells and noise reach a little below 0 */
#define MIN_CONCENTRATION 0.05 /* less at the 99th percentile is glass */

typedef struct stained {
    double         density[256];
    const uint8_t *rgb;
    int64_t        n, n_stained;
} stained;

void mt_macenko_densities(double density[256])
{
    for (int level = 0; level < 256; level++)
        density[level] = -log((level + 1) / MT_MACENKO_LIGHT);
}

/* The densities of pixel i; false where it is too clear to be stained. */
static bool densities(const stained *s, int64_t i, double d[3])
{
    for (int c = 0; c < 3; c++)
        d[c] = s->density[s->rgb[3 * i + c]];
    return d[0] >= CLEAR_BELOW && d[1] >= CLEAR_BELOW && d[2] >= CLEAR_BELOW;
}

static void find_mean(stained *s, double mean[3])
{
    double d[3], sum[3] = {0};

    for (int64_t i = 0; i < s->n; i++)
        if (densities(s, i, d)) {
            s->n_stained++;
            for (int c = 0; c < 3; c++)
                sum[c] += d[c];
        }
    for (int c = 0; c < 3; c++)
        mean[c] = s->n_stained > 0 ? sum[c] / (double)s->n_stained : 0;
}

static void find_covariance(const stained *s, const double mean[3], double covariance[3][3])
{
    double d[3], sum[3][3] = {0};

    for (int64_t i = 0; i < s->n; i++)
        if (densities(s, i, d))
            for (int j = 0; j < 3; j++)
                for (int k = j; k < 3; k++)
                    sum[j][k] += (d[j] - mean[j]) * (d[k] - mean[k]);
    for (int j = 0; j < 3; j++)
        for (int k = j; k < 3; k++)
            covariance[j][k] = covariance[k][j] = sum[j][k] / (double)(s->n_stained - 1);
}

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* The two extreme directions within the plane of the axes, away from its first axis, which points to where the pixels are. */
static bool find_extremes(const stained *s, double axes[3][3], double extreme[2][3], GError **error)
{
    double *angles = mt_alloc(s->n_stained, sizeof(double), error);
    double  d[3];

    if (angles == NULL)
        return false;
    for (int64_t i = 0, k = 0; i < s->n; i++)
        if (densities(s, i, d))
            angles[k++] = atan2(dot(d, axes[1]), dot(d, axes[0]));
    for (int e = 0; e < 2; e++) {
        double angle = mt_percentile(angles, s->n_stained, e == 0 ? ANGLE_PERCENTILE : 100 - ANGLE_PERCENTILE);
        for (int c = 0; c < 3; c++)
            extreme[e][c] = cos(angle) * axes[0][c] + sin(angle) * axes[1][c];
    }
    mt_free(angles);
    return true;
}

/* Hematoxylin takes more red out of the light than eosin does. */
static void order_stains(double extreme[2][3], mt_macenko *fit)
{
    int hematoxylin = extreme[0][0] > extreme[1][0] ? 0 : 1;

    for (int c = 0; c < 3; c++) {
        fit->matrix[c][0] = extreme[hematoxylin][c];
        fit->matrix[c][1] = extreme[1 - hematoxylin][c];
    }
}

static bool check_stains(const mt_macenko *fit, GError **error)
{
    double cosine = 0, lowest = INFINITY;

    for (int c = 0; c < 3; c++) {
        cosine += fit->matrix[c][0] * fit->matrix[c][1];
        lowest = fmin(lowest, fmin(fit->matrix[c][0], fit->matrix[c][1]));
    }
    if (!(1 - cosine * cosine >= MIN_SINE * MIN_SINE)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its pixels show one stain, not two");
        return false;
    }
    if (lowest >= MIN_COMPONENT)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "its colours are none of two dyes (a stain with density %.2f in one channel): ink, or another kind of picture", lowest);
    return false;
}

/* Least squares of two unknowns: the pseudoinverse of the stains. */
static void invert(const mt_macenko *fit, double inverse[2][3])
{
    double hh = 0, he = 0, ee = 0;

    for (int c = 0; c < 3; c++) {
        hh += fit->matrix[c][0] * fit->matrix[c][0];
        he += fit->matrix[c][0] * fit->matrix[c][1];
        ee += fit->matrix[c][1] * fit->matrix[c][1];
    }
    double determinant = hh * ee - he * he;
    for (int c = 0; c < 3; c++) {
        inverse[0][c] = (ee * fit->matrix[c][0] - he * fit->matrix[c][1]) / determinant;
        inverse[1][c] = (hh * fit->matrix[c][1] - he * fit->matrix[c][0]) / determinant;
    }
}

static bool find_concentrations(const stained *s, mt_macenko *fit, GError **error)
{
    double *values = mt_alloc(s->n, sizeof(double), error);
    double  inverse[2][3], d[3];

    if (values == NULL)
        return false;
    invert(fit, inverse);
    for (int stain = 0; stain < 2; stain++) {
        for (int64_t i = 0; i < s->n; i++) {
            densities(s, i, d);
            values[i] = dot(inverse[stain], d);
        }
        fit->max_concentration[stain] = mt_percentile(values, s->n, CONCENTRATION_PERCENTILE);
    }
    mt_free(values);
    for (int stain = 0; stain < 2; stain++)
        if (!(fit->max_concentration[stain] >= MIN_CONCENTRATION)) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "it has next to no %s (99th percentile of its concentration %.3f)",
                        stain == 0 ? "hematoxylin" : "eosin", fit->max_concentration[stain]);
            return false;
        }
    return true;
}

bool mt_macenko_fit(const uint8_t *rgb, int64_t n, mt_macenko *fit, GError **error)
{
    stained s = {.rgb = rgb, .n = n};
    double  mean[3], covariance[3][3], axes[3][3], extreme[2][3];

    mt_macenko_densities(s.density);
    find_mean(&s, mean);
    if (s.n_stained < MIN_STAINED) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "too little tissue: %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " pixels are stained, at least %d are wanted",
                    s.n_stained, n, MIN_STAINED);
        return false;
    }
    find_covariance(&s, mean, covariance);
    mt_principal_axes(covariance, axes);
    for (int c = 0, flip = dot(axes[0], mean) < 0; c < 3 && flip; c++)
        axes[0][c] = -axes[0][c];
    if (!find_extremes(&s, axes, extreme, error))
        return false;
    order_stains(extreme, fit);
    return check_stains(fit, error) && find_concentrations(&s, fit, error);
}

void mt_macenko_transform(const mt_macenko *from, const mt_macenko *to, double od[3][3])
{
    double inverse[2][3];

    invert(from, inverse);
    for (int j = 0; j < 3; j++)
        for (int k = 0; k < 3; k++) {
            od[j][k] = 0;
            for (int stain = 0; stain < 2; stain++)
                od[j][k] += to->matrix[j][stain] * to->max_concentration[stain] / from->max_concentration[stain] * inverse[stain][k];
        }
}

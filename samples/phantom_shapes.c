#include "samples/phantoms.h"

#include <math.h>

#define PARTS 6 /* a voxel at a surface is judged by this many points an axis */

double ph_ellipsoid_mm3(const ph_ellipsoid *e)
{
    return 4.0 / 3.0 * G_PI * e->semi[0] * e->semi[1] * e->semi[2];
}

void ph_random_axes(ph_random *r, double m[9])
{
    double d = 0;

    ph_direction(r, m);
    do { /* a second direction, made upright on the first; nearly parallel ones are drawn again */
        ph_direction(r, m + 3);
        d = m[0] * m[3] + m[1] * m[4] + m[2] * m[5];
    } while (fabs(d) > 0.9);
    for (int i = 0; i < 3; i++)
        m[3 + i] = (m[3 + i] - d * m[i]) / sqrt(1 - d * d);
    m[6] = m[1] * m[5] - m[2] * m[4];
    m[7] = m[2] * m[3] - m[0] * m[5];
    m[8] = m[0] * m[4] - m[1] * m[3];
}

ph_ellipsoid ph_ellipse(double x, double y, double a, double b, double turn)
{
    const double c = cos(turn), s = sin(turn);

    return (ph_ellipsoid){.at = {x, y, 0}, .semi = {a, b, 1e6}, .axes = {c, s, 0, -s, c, 0, 0, 0, 1}};
}

double ph_edge(double inside, double width)
{
    return CLAMP(0.5 + inside / width, 0.0, 1.0);
}

/* The voxels whose centres may be within `reach` mm of a point. */
static bool box_about(const ph_grid *g, const double at[3], double reach, int low[3], int high[3])
{
    double v[3];

    ph_place(g->inverse, at, v);
    for (int k = 0; k < 3; k++) {
        low[k] = (int)MAX(0, ceil(v[k] - reach / g->spacing[k]));
        high[k] = (int)MIN(g->size[k] - 1, floor(v[k] + reach / g->spacing[k]));
        if (low[k] > high[k])
            return false;
    }
    return true;
}

/* 1 on the surface. */
static double norm_of(const ph_ellipsoid *e, const double p[3])
{
    double sum = 0;

    for (int k = 0; k < 3; k++) {
        const double *u = e->axes + 3 * k;
        const double  t = (u[0] * (p[0] - e->at[0]) + u[1] * (p[1] - e->at[1]) + u[2] * (p[2] - e->at[2])) / e->semi[k];
        sum += t * t;
    }
    return sqrt(sum);
}

/* Of a picture the third semi-axis is endless: its ellipses are cylinders across it. */
static double share_of(const ph_grid *g, const ph_ellipsoid *e, const double voxel[3])
{
    int inside = 0;

    for (int i = 0; i < PARTS * PARTS * PARTS; i++) {
        const int    k[3] = {i % PARTS, i / PARTS % PARTS, i / (PARTS * PARTS)};
        const double v[3] = {voxel[0] + (k[0] + 0.5) / PARTS - 0.5, voxel[1] + (k[1] + 0.5) / PARTS - 0.5,
                             voxel[2] + (k[2] + 0.5) / PARTS - 0.5};
        double       p[3];
        ph_place(g->affine, v, p);
        inside += norm_of(e, p) <= 1;
    }
    return (double)inside / (PARTS * PARTS * PARTS);
}

void ph_fill_ellipsoid(const ph_grid *g, const ph_ellipsoid *e, float *share)
{
    const double *s = g->spacing, half = 0.5 * sqrt(s[0] * s[0] + s[1] * s[1] + s[2] * s[2]);
    const double  least = MIN(e->semi[0], MIN(e->semi[1], e->semi[2]));
    const double  longest = MAX(e->semi[0], MAX(e->semi[1], g->size[2] > 1 ? e->semi[2] : 0));
    int           low[3], high[3];

    if (!box_about(g, e->at, longest + half, low, high))
        return;
    for (int z = low[2]; z <= high[2]; z++)
        for (int y = low[1]; y <= high[1]; y++)
            for (int x = low[0]; x <= high[0]; x++) {
                const double v[3] = {x, y, z};
                float       *at = share + ((int64_t)z * g->size[1] + y) * g->size[0] + x;
                double       p[3], filled;
                ph_place(g->affine, v, p);
                const double beyond = (norm_of(e, p) - 1) * least; /* at most the distance to the surface */
                filled = beyond >= half ? 0 : beyond <= -half ? 1 : share_of(g, e, v);
                *at = MAX(*at, (float)filled);
            }
}

void ph_fill_tube(const ph_grid *g, const double a[3], const double b[3], double ra, double rb, float *share)
{
    const double d[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]}, n2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
    const double middle[3] = {a[0] + 0.5 * d[0], a[1] + 0.5 * d[1], a[2] + 0.5 * d[2]};
    const double width = (g->spacing[0] + g->spacing[1] + g->spacing[2]) / 3;
    int          low[3], high[3];

    if (!box_about(g, middle, 0.5 * sqrt(n2) + MAX(ra, rb) + width, low, high))
        return;
    for (int z = low[2]; z <= high[2]; z++)
        for (int y = low[1]; y <= high[1]; y++)
            for (int x = low[0]; x <= high[0]; x++) {
                const double v[3] = {x, y, z};
                float       *at = share + ((int64_t)z * g->size[1] + y) * g->size[0] + x;
                double       p[3], sum = 0;
                ph_place(g->affine, v, p);
                const double along = ((p[0] - a[0]) * d[0] + (p[1] - a[1]) * d[1] + (p[2] - a[2]) * d[2]) / MAX(n2, 1e-12);
                const double t = CLAMP(along, 0.0, 1.0);
                for (int k = 0; k < 3; k++)
                    sum += (p[k] - a[k] - t * d[k]) * (p[k] - a[k] - t * d[k]);
                *at = MAX(*at, (float)ph_edge(ra + (rb - ra) * t - sqrt(sum), width));
            }
}

int64_t ph_label(const float *share, int64_t n, float label, float *mask)
{
    int64_t count = 0;

    for (int64_t i = 0; i < n; i++)
        if (share[i] >= 0.5f) {
            mask[i] = label;
            count++;
        }
    return count;
}

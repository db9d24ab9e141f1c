#include "samples/phantom_chest.h"

#include <math.h>
#include <string.h>

#define LUNG_HU (-860)
#define NOISE_HU 22
#define CLEAR_MM 2.0 /* between a nodule and the wall, or a vessel */

chest *chest_new(uint64_t seed, const double field[3])
{
    ph_random r = ph_random_of(seed, 1);
    chest    *c = g_new0(chest, 1);

    c->seed = seed;
    memcpy(c->field, field, sizeof c->field);
    c->body[0] = field[0] * ph_uniform(&r, 0.43, 0.46);
    c->body[1] = field[1] * ph_uniform(&r, 0.40, 0.45);
    c->lung[0] = c->body[0] * ph_uniform(&r, 0.37, 0.40);
    c->lung[1] = c->body[1] * ph_uniform(&r, 0.68, 0.76);
    c->lung[2] = field[2] * ph_uniform(&r, 0.50, 0.58);
    c->apart = c->body[0] * ph_uniform(&r, 0.44, 0.47);
    c->fat = c->body[0] * ph_uniform(&r, 0.04, 0.08);
    c->rib_pitch = field[2] * ph_uniform(&r, 0.15, 0.18);
    c->rib_phase = ph_uniform(&r, 0, 1);
    for (int k = 0; k < 3; k++) {
        c->heart[k] = (k == 2 ? 0.26 * field[2] : 0.36 * c->body[k]) * ph_uniform(&r, 0.9, 1.1);
        c->isocentre[k] = ph_uniform(&r, -60, 60);
    }
    c->heart_at[0] = -0.14 * c->body[0]; /* to the left: -x in RAS */
    c->heart_at[1] = 0.22 * c->body[1];
    c->heart_at[2] = -0.22 * field[2];
    return c;
}

/* Of a superellipse, roughly: positive inside, in mm. */
static double oval(double x, double y, double a, double b, double power)
{
    return (1 - pow(pow(fabs(x / a), power) + pow(fabs(y / b), power), 1 / power)) * MIN(a, b);
}

static double ball(const double p[3], const double at[3], const double semi[3])
{
    const double x = (p[0] - at[0]) / semi[0], y = (p[1] - at[1]) / semi[1], z = (p[2] - at[2]) / semi[2];

    return (1 - sqrt(x * x + y * y + z * z)) * MIN(semi[0], MIN(semi[1], semi[2]));
}

/* Depth inside a lung: an egg that narrows to the apex, cut off by the diaphragm's dome, dented by the heart. */
static double lung_depth(const chest *c, const double p[3])
{
    const double side = fabs(p[0]) - c->apart, height = p[2] / c->lung[2];
    const double narrow = height > 0 ? sqrt(MAX(0.0, 1 - height * height)) : 1;
    const double flat = oval(side, p[1], c->lung[0] * (0.35 + 0.65 * narrow), c->lung[1] * (0.35 + 0.65 * narrow), 2.4);
    const double across = side / c->lung[0], deep = p[1] / c->lung[1];
    const double dome = -0.36 * c->field[2] + 0.12 * c->field[2] * MAX(0.0, 1 - across * across - deep * deep);
    const double top = c->lung[2] - fabs(p[2]) * (height > 0);

    return MIN(MIN(flat, p[2] - dome), MIN(top, -ball(p, c->heart_at, c->heart) - 1));
}

/* Ribs are hoops in the wall that fall towards the front; the spine is a column with its canal, the breastbone a plate. */
static double bone_depth(const chest *c, const double p[3])
{
    const double wall = oval(p[0], p[1], c->body[0] * 0.89, c->body[1] * 0.89, 2.2);
    const double fall = p[2] + 0.30 * p[1] * (c->field[2] / c->field[1]);
    const double turn = fall / c->rib_pitch + c->rib_phase, off = (turn - floor(turn) - 0.5) * c->rib_pitch;
    const double thick = 0.020 * c->field[0], high = 0.14 * c->rib_pitch;
    const double rib = (1 - sqrt(wall * wall / (thick * thick) + off * off / (high * high))) * MIN(thick, high);
    const double spine = oval(p[0], p[1] + 0.70 * c->body[1], 0.13 * c->body[0], 0.15 * c->body[1], 2.5);
    const double plate = oval(p[0], p[1] - 0.86 * c->body[1], 0.12 * c->body[0], 0.045 * c->body[1], 3);

    return MAX(rib, MAX(spine, plate));
}

static double mixed(double below, double above, double share)
{
    return below + (above - below) * share;
}

/* The chest without vessels and nodules, at a point. */
static double tissue_hu(const chest *c, const double p[3], double width)
{
    const double skin = oval(p[0], p[1], c->body[0], c->body[1], 2.2);
    double       hu = -1000;

    if (skin < -width)
        return hu;
    const double bone = bone_depth(c, p), heart = ball(p, c->heart_at, c->heart), lung = lung_depth(c, p);
    hu = mixed(hu, -95 + 12 * ph_noise(c->seed, p[0], p[1], p[2], 9), ph_edge(skin, width));
    hu = mixed(hu, 48 + 10 * ph_noise(c->seed + 1, p[0], p[1], p[2], 7), ph_edge(skin - c->fat, 2 * width));
    hu = mixed(hu, 62, ph_edge(heart, width));
    hu = mixed(hu, LUNG_HU + 22 * ph_noise(c->seed + 2, p[0], p[1], p[2], 11) - 0.25 * p[1], ph_edge(lung, width));
    hu = mixed(hu, bone > 1.2 * width ? 260 : 620, ph_edge(bone, width) * (1 - ph_edge(lung, width)));
    const double canal = oval(p[0], p[1] + 0.76 * c->body[1], 0.05 * c->body[0], 0.05 * c->body[1], 2);
    hu = mixed(hu, 25, ph_edge(canal, width));
    const double airway = oval(p[0], p[1] - 0.02 * c->body[1], 0.055 * c->body[0], 0.065 * c->body[1], 2);
    return p[2] > 0.05 * c->field[2] ? mixed(hu, -990, ph_edge(airway, width)) : hu;
}

static bool fits(const chest *c, const double at[3], double radius)
{
    for (int i = 0; i < 27; i++) {
        double       p[3], n = 0;
        const double d[3] = {i % 3 - 1, i / 3 % 3 - 1, i / 9 - 1};
        n = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
        for (int k = 0; k < 3; k++)
            p[k] = at[k] + (n > 0 ? d[k] / n : 0) * radius;
        if (lung_depth(c, p) < 0)
            return false;
    }
    return true;
}

static double distance(const double a[3], const double b[3])
{
    return sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) + (a[2] - b[2]) * (a[2] - b[2]));
}

bool chest_add_nodule(chest *c, ph_random *r, double diameter, bool malignant)
{
    for (int tries = 0; tries < 2000 && c->n_nodules < CHEST_MAX_NODULES; tries++) {
        chest_nodule n = {.radius = 0.5 * diameter, .malignant = malignant};
        bool         clear = true;
        for (int k = 0; k < 3; k++) /* well within the field: an oblique grid cuts its corners */
            n.at[k] = ph_uniform(r, -0.40, 0.40) * c->field[k];
        n.seed = ph_next(r);
        for (int i = 0; i < c->n_nodules; i++)
            clear = clear && distance(n.at, c->nodules[i].at) > 1.8 * (n.radius + c->nodules[i].radius) + 8;
        if (clear && fits(c, n.at, n.radius + CLEAR_MM)) {
            c->nodules[c->n_nodules++] = n;
            return true;
        }
    }
    return false;
}

static bool meets_nodule(const chest *c, const chest_tube *t)
{
    for (int i = 0; i < c->n_nodules; i++)
        for (int k = 0; k <= 16; k++) {
            const double s = k / 16.0;
            const double p[3] = {mixed(t->a[0], t->b[0], s), mixed(t->a[1], t->b[1], s), mixed(t->a[2], t->b[2], s)};
            if (distance(p, c->nodules[i].at) < c->nodules[i].radius * 1.7 + CLEAR_MM + t->ra)
                return true;
        }
    return false;
}

/* A branch and its two children, each thinner and turned away. */
static void branch(chest *c, ph_random *r, const double from[3], const double way[3], double length, double radius, int depth)
{
    chest_tube t = {.ra = radius, .rb = radius * 0.8};

    for (int k = 0; k < 3; k++) {
        t.a[k] = from[k];
        t.b[k] = from[k] + way[k] * length;
    }
    if (depth == 0 || radius < 0.35 || c->n_tubes == CHEST_MAX_TUBES || lung_depth(c, t.b) < 0.5 + radius || meets_nodule(c, &t))
        return;
    c->tubes[c->n_tubes++] = t;
    for (int child = 0; child < 2; child++) {
        double aside[3], next[3], n = 0;
        ph_direction(r, aside);
        for (int k = 0; k < 3; k++) {
            next[k] = way[k] + 0.75 * aside[k];
            n += next[k] * next[k];
        }
        for (int k = 0; k < 3; k++)
            next[k] /= sqrt(n);
        branch(c, r, t.b, next, length * ph_uniform(r, 0.70, 0.92), radius * ph_uniform(r, 0.66, 0.84), depth - 1);
    }
}

void chest_grow_vessels(chest *c)
{
    ph_random r = ph_random_of(c->seed, 2);

    for (int i = 0; i < 12; i++) {
        const double side = i % 2 == 0 ? 1 : -1;
        const double from[3] = {side * (c->apart - 0.72 * c->lung[0]), ph_uniform(&r, -0.2, 0.2) * c->lung[1],
                                ph_uniform(&r, -0.1, 0.2) * c->field[2]};
        double       way[3];
        ph_direction(&r, way);
        way[0] = side * (0.4 + fabs(way[0]));
        const double n = sqrt(way[0] * way[0] + way[1] * way[1] + way[2] * way[2]);
        for (int k = 0; k < 3; k++)
            way[k] /= n;
        branch(c, &r, from, way, 0.10 * c->field[0], ph_uniform(&r, 1.6, 2.6), 7);
    }
}

/* A malignant nodule's spicules: thin tubes that start at its surface.  They belong to its look, not to its measures. */
static void fill_spicules(const chest_nodule *n, const ph_grid *g, float *share)
{
    ph_random r = ph_random_of(n->seed, 3);

    for (int i = 0; i < 14; i++) {
        double       d[3], a[3], b[3];
        const double reach = n->radius * ph_uniform(&r, 1.35, 1.7);
        ph_direction(&r, d);
        for (int k = 0; k < 3; k++) {
            a[k] = n->at[k] + 0.9 * n->radius * d[k];
            b[k] = n->at[k] + reach * d[k];
        }
        ph_fill_tube(g, a, b, 0.55, 0.15, share);
    }
}

static void add_nodule(const chest_nodule *n, const ph_grid *g, float *hu, float *share)
{
    const ph_ellipsoid sphere = {
        .at = {n->at[0], n->at[1], n->at[2]}, .semi = {n->radius, n->radius, n->radius}, .axes = {1, 0, 0, 0, 1, 0, 0, 0, 1}};
    ph_random    r = ph_random_of(n->seed, 4);
    const double even = ph_uniform(&r, 20, 70);

    ph_fill_ellipsoid(g, &sphere, share);
    for (int64_t i = 0; i < ph_voxels(g); i++) {
        if (share[i] <= 0)
            continue;
        const int    x = (int)(i % g->size[0]), y = (int)(i / g->size[0] % g->size[1]), z = (int)(i / g->size[0] / g->size[1]);
        const double v[3] = {x, y, z};
        double       p[3];
        ph_place(g->affine, v, p);
        const double mottle = n->malignant ? 170 * ph_noise(n->seed, p[0] + 500, p[1] + 500, p[2] + 500, 2.6) : 0;
        hu[i] = (float)mixed(hu[i], even + mottle, share[i]);
    }
}

float *chest_render(const chest *c, const ph_grid *g, uint64_t noise_seed, float *shares)
{
    const int64_t     n = ph_voxels(g);
    const double      width = (g->spacing[0] + g->spacing[1]) / 2;
    float            *hu = g_new(float, n);
    g_autofree float *tubes = g_new0(float, n);
    ph_random         r = ph_random_of(noise_seed, 5);

    for (int i = 0; i < c->n_tubes; i++)
        ph_fill_tube(g, c->tubes[i].a, c->tubes[i].b, c->tubes[i].ra, c->tubes[i].rb, tubes);
    for (int i = 0; i < c->n_nodules; i++)
        if (c->nodules[i].malignant)
            fill_spicules(&c->nodules[i], g, tubes);
    for (int64_t i = 0; i < n; i++) {
        const double v[3] = {(double)(i % g->size[0]), (double)(i / g->size[0] % g->size[1]), (double)(i / g->size[0] / g->size[1])};
        double       p[3];
        ph_place(g->affine, v, p);
        hu[i] = (float)mixed(tissue_hu(c, p, width), 40, tubes[i]);
    }
    for (int i = 0; i < c->n_nodules; i++)
        add_nodule(&c->nodules[i], g, hu, shares + i * n);
    for (int64_t i = 0; i < n; i++) {
        const double noise = NOISE_HU * ph_gauss(&r);
        hu[i] = (float)MAX(-1024, hu[i] + noise);
    }
    return hu;
}

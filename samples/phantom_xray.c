/* A frontal chest X-ray, dense is bright: lungs, heart, ribs, vessels; an opacity, an effusion, a wide heart. */
#include "samples/phantoms.h"

#include <math.h>

const char ph_xray_labels[] = "id,label,opacity,effusion,cardiomegaly,finding\n";
const char ph_xray_objects[] = "id,object,x,y,semi_a,semi_b,area_px\n";

/* Places are shares of the picture's width, from its middle; y goes down. */
typedef struct xray {
    uint64_t seed;
    double   body, lung[2], apart, lung_y, heart[2], heart_at[2], dome[2], rib_pitch, rib_phase;
    double   effusion[2]; /* how high the fluid stands in each lung, 0: none */
    double   opacity[4], turn, density;
    bool     has_opacity, wide_heart;
} xray;

static double oval(double x, double y, double a, double b)
{
    return 1 - sqrt((x / a) * (x / a) + (y / b) * (y / b));
}

/* Positive inside a lung; side 0 is on the picture's left. */
static double lung_depth(const xray *c, double x, double y, int side)
{
    const double across = (side == 0 ? -x : x) - c->apart, deep = (y - c->lung_y) / c->lung[1];
    const double width = c->lung[0] * (deep < 0 ? sqrt(MAX(0.05, 1 - 0.8 * deep * deep)) : 1 + 0.12 * deep);
    const double dome = c->lung_y + c->lung[1] * (0.80 + 0.8 * across * across / (c->lung[0] * c->lung[0])) - c->dome[side];

    return MIN(oval(across, y - c->lung_y, width, 1.08 * c->lung[1]) * c->lung[0], 0.9 * (dome - y));
}

static xray xray_of(const ph_job *job)
{
    ph_random r = ph_random_of(job->seed, 50);
    xray      c = {.seed = job->seed};

    c.body = ph_uniform(&r, 0.44, 0.48);
    c.lung[0] = ph_uniform(&r, 0.155, 0.175);
    c.lung[1] = ph_uniform(&r, 0.34, 0.38);
    c.apart = ph_uniform(&r, 0.195, 0.215);
    c.lung_y = ph_uniform(&r, -0.06, -0.02);
    c.wide_heart = ph_uniform(&r, 0, 1) < 0.3;
    c.heart[0] = ph_uniform(&r, 0.100, 0.120) * (c.wide_heart ? ph_uniform(&r, 1.50, 1.75) : 1);
    c.heart[1] = ph_uniform(&r, 0.14, 0.16);
    c.heart_at[0] = 0.045;
    c.heart_at[1] = c.lung_y + 0.62 * c.lung[1];
    c.dome[0] = ph_uniform(&r, 0.02, 0.04);
    c.dome[1] = ph_uniform(&r, 0, 0.02);
    c.rib_pitch = ph_uniform(&r, 0.072, 0.084);
    c.rib_phase = ph_uniform(&r, 0, 1);
    if (ph_uniform(&r, 0, 1) < 0.3)
        c.effusion[ph_whole(&r, 0, 1)] = ph_uniform(&r, 0.10, 0.20);
    for (int tries = 0; tries < 500 && job->positive && !c.has_opacity; tries++) {
        const int side = ph_whole(&r, 0, 1);
        c.opacity[0] = (side == 0 ? -1 : 1) * (c.apart + ph_uniform(&r, -0.6, 0.6) * c.lung[0]);
        c.opacity[1] = c.lung_y + ph_uniform(&r, -0.75, 0.45) * c.lung[1];
        c.opacity[2] = ph_uniform(&r, 0.045, 0.085);
        c.opacity[3] = c.opacity[2] * ph_uniform(&r, 0.7, 1);
        c.turn = ph_uniform(&r, 0, G_PI);
        c.density = ph_uniform(&r, 0.15, 0.22);
        c.has_opacity = lung_depth(&c, c.opacity[0], c.opacity[1], side) > 0.4 * c.opacity[3] &&
                        oval(c.opacity[0] - c.heart_at[0], c.opacity[1] - c.heart_at[1], c.heart[0], c.heart[1]) < -0.2;
    }
    return c;
}

/* A rib is darkest in its middle line and bright at its edges; back ribs fall outwards, front ribs inwards. */
static double ribs_at(const xray *c, double x, double y, double lung)
{
    const double out = fabs(x) / c->body;
    const double back = (y - 0.16 * out * out) / c->rib_pitch + c->rib_phase,
                 front = (y + 0.30 * out) / (1.25 * c->rib_pitch) + c->rib_phase;
    const double b = fabs(back - floor(back) - 0.5), f = fabs(front - floor(front) - 0.5);
    const double rib = 0.050 * ph_edge(0.20 - b, 0.10) + 0.018 * ph_edge(0.035 - fabs(b - 0.20), 0.05) + 0.026 * ph_edge(0.16 - f, 0.12);

    return rib * ph_edge(lung + 0.035, 0.03) * ph_edge(0.97 - out, 0.05);
}

/* What lies in the way of the rays at a point, without vessels and opacity. */
static double density_at(const xray *c, double x, double y)
{
    const double  neck = y < -0.38 ? (-0.38 - y) * 1.6 : 0;
    const double  body = ph_edge(c->body - neck - fabs(x), 0.03);
    const double  left = lung_depth(c, x, y, 0), right = lung_depth(c, x, y, 1), lung = MAX(left, right);
    const double *level = c->effusion;
    const double  bottom = c->lung_y + 0.80 * c->lung[1], heart = oval(x - c->heart_at[0], y - c->heart_at[1], c->heart[0], c->heart[1]);
    double        d = body * (0.60 + 0.05 * y);

    for (int side = 0; side < 2; side++) { /* air, and fluid that stands higher at the wall */
        const double out = ((side == 0 ? -x : x) - c->apart) / c->lung[0];
        const double fluid = level[side] > 0 ? ph_edge(y - (bottom - level[side] - 0.05 * out), 0.02) : 0;
        d -= 0.36 * body * ph_edge((side == 0 ? left : right) - 0.012, 0.05) * (1 - 0.75 * fluid);
    }
    d += 0.19 * sqrt(MAX(0.0, heart)) * ph_edge(heart, 0.15);
    d += 0.12 * body * exp(-x * x / 0.0022) + 0.02 * body * exp(-x * x / 0.0004) * cos(y * 90);
    d += 0.05 * ph_edge(0.012 - fabs(y + 0.36 - 0.18 * fabs(x) * fabs(x) - 0.10 * (0.25 - fabs(x))), 0.008) * ph_edge(0.34 - fabs(x), 0.04);
    d += ribs_at(c, x, y, lung);
    return d + 0.018 * ph_noise(c->seed, x, y, 0, 0.08) + 0.010 * ph_noise(c->seed + 1, x, y, 0, 0.02);
}

static void branch(const ph_grid *g, ph_random *r, const double from[2], double turn, double length, double radius, int depth, float *share)
{
    const double a[3] = {from[0], from[1], 0}, b[3] = {from[0] + cos(turn) * length, from[1] + sin(turn) * length, 0};

    if (depth == 0)
        return;
    ph_fill_tube(g, a, b, radius, radius * 0.8, share);
    branch(g, r, b, turn + ph_uniform(r, 0.1, 0.6), length * ph_uniform(r, 0.7, 0.95), radius * 0.74, depth - 1, share);
    branch(g, r, b, turn - ph_uniform(r, 0.1, 0.6), length * ph_uniform(r, 0.7, 0.95), radius * 0.74, depth - 1, share);
}

static void draw_vessels(const xray *c, const ph_grid *g, float *share)
{
    ph_random    r = ph_random_of(c->seed, 51);
    const double w = g->size[0];

    for (int i = 0; i < 12; i++) {
        const int    side = i % 2;
        const double x = (side == 0 ? -1 : 1) * (c->apart - 0.8 * c->lung[0]),
                     from[2] = {w * (0.5 + x), w * (0.5 + c->lung_y + ph_uniform(&r, -0.02, 0.08))};
        const double fan = -1.1 + 2.2 * (i / 2) / 5.0;
        branch(g, &r, from, side == 0 ? G_PI - fan : fan, w * 0.055, w * ph_uniform(&r, 0.006, 0.009), 6, share);
    }
}

/* The opacity is a ball of patchy stuff: dense in its middle, thin at its edge. */
static double opacity_at(const xray *c, double x, double y)
{
    const double u = x - c->opacity[0], v = y - c->opacity[1], s = sin(c->turn), k = cos(c->turn);
    const double p = (k * u + s * v) / c->opacity[2], q = (k * v - s * u) / c->opacity[3], inside = 1 - p * p - q * q;

    if (!c->has_opacity || inside <= 0)
        return 0;
    return c->density * (0.35 + 0.65 * sqrt(inside)) * (1 + 0.25 * ph_noise(c->seed + 2, x, y, 0, 0.02));
}

static void tell(const ph_job *job, const xray *c)
{
    const double w = job->size[0], *o = c->opacity;
    const bool   effusion = c->effusion[0] > 0 || c->effusion[1] > 0;
    const char  *label = c->has_opacity ? "opacity" : "normal";

    if (c->has_opacity) {
        g_string_append_printf(job->objects, "%s,1", job->id);
        ph_append(job->objects, 2, (0.5 + o[0]) * w - 0.5);
        ph_append(job->objects, 2, (0.5 + o[1]) * w - 0.5);
        ph_append(job->objects, 2, o[2] * w);
        ph_append(job->objects, 2, o[3] * w);
        ph_append(job->objects, 1, G_PI * o[2] * o[3] * w * w);
        g_string_append_c(job->objects, '\n');
    }
    g_string_append_printf(job->labels, "%s,%s,%d,%d,%d,%d\n", job->id, label, c->has_opacity, effusion, c->wide_heart,
                           c->has_opacity || effusion || c->wide_heart);
    g_string_append_printf(job->manifest, "%s.png,%s,%s,,%s\n", job->id, job->id, job->id, label);
}

bool ph_make_xray(const ph_job *job, GError **error)
{
    const xray        c = xray_of(job);
    const ph_grid     g = ph_picture_grid(job->size);
    const int64_t     n = ph_voxels(&g);
    const double      w = job->size[0];
    g_autofree float *out = g_new(float, n), *vessels = g_new0(float, n), *share = g_new0(float, n), *mask = g_new0(float, n),
                     *lungs = g_new0(float, n);
    ph_random        r = ph_random_of(job->seed, 52);
    g_autofree char *path = ph_path(job, NULL, ".png"), *mask_path = ph_path(job, "masks", ".png"),
                    *lungs_path = ph_path(job, "truth", "_lungs.png");

    draw_vessels(&c, &g, vessels);
    for (int64_t i = 0; i < n; i++) {
        const double x = ((double)(i % job->size[0]) + 0.5) / w - 0.5, y = ((double)(i / job->size[0]) + 0.5) / w - 0.5;
        const double lung = MAX(lung_depth(&c, x, y, 0), lung_depth(&c, x, y, 1));
        lungs[i] = lung > 0.012 ? 1.0f / 255 : 0;
        out[i] =
            (float)(0.08 + density_at(&c, x, y) + 0.07 * vessels[i] * ph_edge(lung, 0.02) + opacity_at(&c, x, y) + 0.012 * ph_gauss(&r));
    }
    if (c.has_opacity) {
        const ph_ellipsoid e =
            ph_ellipse((0.5 + c.opacity[0]) * w - 0.5, (0.5 + c.opacity[1]) * w - 0.5, c.opacity[2] * w, c.opacity[3] * w, c.turn);
        ph_fill_ellipsoid(&g, &e, share);
        ph_label(share, n, 1.0f / 255, mask);
    }
    tell(job, &c);
    return ph_write_png(path, job->size[0], job->size[1], 1, job->bits, out, error) &&
           ph_write_png(mask_path, job->size[0], job->size[1], 1, 8, mask, error) &&
           ph_write_png(lungs_path, job->size[0], job->size[1], 1, 8, lungs, error);
}

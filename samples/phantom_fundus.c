/* A fundus photograph: field of view, vessels, macula, disc and cup as upright ellipses, microaneurysms whose number is the grade. */
#include "samples/phantoms.h"

#include <math.h>

#define MAX_SPOTS 50

const char ph_fundus_labels[] = "id,label,grade,microaneurysms,cup_to_disc,eye\n";
const char ph_fundus_objects[] = "id,object,kind,x,y,width,height,area_px\n";

static const char *const grades[] = {"none", "mild", "moderate", "severe", "proliferative"};
static const int         spots_of[][2] = {{0, 0}, {1, 4}, {7, 12}, {17, 25}, {34, 48}};

/* In pixels. */
typedef struct fundus {
    uint64_t     seed;
    double       radius, centre[2], macula[2];
    ph_ellipsoid disc, cup, spots[MAX_SPOTS];
    int          grade, n_spots;
    double       ratio; /* of the vertical diameters */
    bool         left;
} fundus;

static fundus fundus_of(const ph_job *job)
{
    ph_random    r = ph_random_of(job->seed, 60);
    fundus       f = {.seed = job->seed, .radius = 0.48 * MIN(job->size[0], job->size[1])};
    const double high = f.radius * ph_uniform(&r, 0.155, 0.19);

    f.centre[0] = 0.5 * (job->size[0] - 1);
    f.centre[1] = 0.5 * (job->size[1] - 1);
    f.left = ph_whole(&r, 0, 1) == 1;
    f.ratio = ph_uniform(&r, 0.3, 0.8);
    f.grade = job->positive ? ph_whole(&r, 1, 4) : 0;
    const double side = f.left ? -1 : 1, x = f.centre[0] + side * f.radius * ph_uniform(&r, 0.42, 0.50);
    const double y = f.centre[1] + f.radius * ph_uniform(&r, -0.08, 0.04);
    f.disc = ph_ellipse(x, y, high * ph_uniform(&r, 0.86, 0.96), high, 0);
    f.cup = ph_ellipse(x + 0.02 * high, y + ph_uniform(&r, -0.1, 0.1) * high * (1 - f.ratio),
                       f.disc.semi[0] * f.ratio * ph_uniform(&r, 0.92, 1), high * f.ratio, 0);
    f.macula[0] = f.centre[0] - side * 0.10 * f.radius;
    f.macula[1] = f.centre[1] + 0.05 * f.radius;
    return f;
}

/* A vessel that bends round the macula; branches leave it on either side. */
static void draw_vessel(const fundus *f, const ph_grid *g, ph_random *r, const double from[2], double turn, double bend, double width,
                        int depth, float *share)
{
    const double step = 0.035 * f->radius;
    double       a[3] = {from[0], from[1], 0};

    for (int i = 0; i < 46 && width > 0.004 * f->radius; i++) {
        const double b[3] = {a[0] + step * cos(turn), a[1] + step * sin(turn), 0};
        if (hypot(b[0] - f->centre[0], b[1] - f->centre[1]) > f->radius)
            return;
        ph_fill_tube(g, a, b, width, width * 0.985, share);
        turn += bend * step + ph_uniform(r, -0.09, 0.09);
        width *= 0.972;
        if (depth > 0 && i > 3 && ph_uniform(r, 0, 1) < 0.16) {
            const double away = ph_whole(r, 0, 1) == 0 ? 0.7 : -0.7;
            draw_vessel(f, g, r, b, turn + away, -0.2 * away / f->radius, width * 0.62, depth - 1, share);
        }
        a[0] = b[0];
        a[1] = b[1];
    }
}

static void draw_vessels(const fundus *f, const ph_grid *g, float *share)
{
    ph_random    r = ph_random_of(f->seed, 61);
    const double from[2] = {f->disc.at[0], f->disc.at[1]}, side = f->left ? 1 : -1; /* towards the macula */

    for (int i = 0; i < 8; i++) {
        const double up = i % 2 == 0 ? -1 : 1, width = f->radius * (i < 4 ? ph_uniform(&r, 0.015, 0.020) : ph_uniform(&r, 0.009, 0.013));
        const double lean = i < 4 ? 0.25 : -0.9; /* arcades, then those to the nose */
        const double turn = atan2(up, side * (lean + ph_uniform(&r, -0.15, 0.15)));
        const double bend = i < 4 ? -up * side * ph_uniform(&r, 0.8, 1.3) / f->radius * -1 : 0;
        draw_vessel(f, g, &r, from, turn, -bend, width, 2, share);
    }
}

/* Microaneurysms: dark red spots off the vessels, the disc and each other. */
static void plan_spots(fundus *f, const ph_grid *g, const float *vessels)
{
    ph_random r = ph_random_of(f->seed, 62);
    const int wanted = ph_whole(&r, spots_of[f->grade][0], spots_of[f->grade][1]);

    for (int tries = 0; tries < 20000 && f->n_spots < wanted; tries++) {
        const double radius = f->radius * ph_uniform(&r, 0.0095, 0.0135), far = f->radius * 0.90 * sqrt(ph_uniform(&r, 0, 1));
        const double turn = ph_uniform(&r, 0, 2 * G_PI), x = f->centre[0] + far * cos(turn), y = f->centre[1] + far * sin(turn);
        bool         clear = hypot(x - f->disc.at[0], y - f->disc.at[1]) > 1.4 * f->disc.semi[1];
        for (int i = 0; i < f->n_spots && clear; i++)
            clear = hypot(x - f->spots[i].at[0], y - f->spots[i].at[1]) > 4 * radius;
        for (int i = -1; i <= 1 && clear; i++)
            for (int k = -1; k <= 1 && clear; k++) {
                const int column = (int)(x + i * 1.7 * radius), row = (int)(y + k * 1.7 * radius);
                clear = vessels[(int64_t)row * g->size[0] + column] < 0.05f;
            }
        if (clear)
            f->spots[f->n_spots++] = ph_ellipse(x, y, radius, radius, 0);
    }
}

static void lay(float rgb[3], const double colour[3], double share)
{
    for (int k = 0; k < 3; k++)
        rgb[k] += (float)((colour[k] - rgb[k]) * share);
}

typedef struct layers {
    float *vessels, *disc, *cup, *spots;
} layers;

static void paint(const fundus *f, const ph_grid *g, const layers *l, float *out)
{
    static const double yellow[3] = {0.95, 0.74, 0.42}, pale[3] = {1.0, 0.93, 0.74}, red[3] = {0.42, 0.10, 0.06},
                        dark[3] = {0.36, 0.05, 0.03};
    ph_random    r = ph_random_of(f->seed, 63);
    const double tone = ph_uniform(&r, 0.88, 1.08);

    for (int64_t i = 0; i < ph_voxels(g); i++) {
        const double x = (double)(i % g->size[0]), y = (double)(i / g->size[0]);
        const double off = hypot(x - f->centre[0], y - f->centre[1]) / f->radius;
        const double spot = hypot(x - f->macula[0], y - f->macula[1]) / f->radius, cloud = ph_noise(f->seed, x, y, 0, 0.22 * f->radius);
        const double light = tone * (1 - 0.30 * off * off) * (1 - 0.28 * exp(-spot * spot / 0.02)) * (1 + 0.05 * cloud);
        const double grain = 0.012 * ph_gauss(&r);
        float       *rgb = out + 3 * i, base[3] = {(float)(0.80 * light), (float)(0.40 * light), (float)(0.19 * light)};
        lay(base, yellow, l->disc[i]);
        lay(base, pale, l->cup[i]);
        lay(base, red, 0.62 * l->vessels[i]);
        lay(base, dark, 0.80 * l->spots[i]);
        for (int k = 0; k < 3; k++)
            rgb[k] = (float)((base[k] + grain) * ph_edge((1 - off) * f->radius, 2));
    }
}

static void tell_one(const ph_job *job, int number, const char *kind, const ph_ellipsoid *e)
{
    g_string_append_printf(job->objects, "%s,%d,%s", job->id, number, kind);
    ph_append(job->objects, 2, e->at[0]);
    ph_append(job->objects, 2, e->at[1]);
    ph_append(job->objects, 2, 2 * e->semi[0]);
    ph_append(job->objects, 2, 2 * e->semi[1]);
    ph_append(job->objects, 2, G_PI * e->semi[0] * e->semi[1]);
    g_string_append_c(job->objects, '\n');
}

static void tell(const ph_job *job, const fundus *f)
{
    tell_one(job, 1, "disc", &f->disc);
    tell_one(job, 2, "cup", &f->cup);
    for (int i = 0; i < f->n_spots; i++)
        tell_one(job, 3 + i, "microaneurysm", &f->spots[i]);
    g_string_append_printf(job->labels, "%s,%s,%d,%d", job->id, grades[f->grade], f->grade, f->n_spots);
    ph_append(job->labels, 4, f->ratio);
    g_string_append_printf(job->labels, ",%s\n", f->left ? "left" : "right");
    g_string_append_printf(job->manifest, "%s.png,%s,%s,,%s\n", job->id, job->id, job->id, grades[f->grade]);
}

static bool write_mask(const ph_job *job, const char *folder, const char *tail, const float *first, const float *second, GError **error)
{
    const int64_t     n = (int64_t)job->size[0] * job->size[1];
    g_autofree float *mask = g_new0(float, n);
    g_autofree char  *path = ph_path(job, folder, tail);

    ph_label(first, n, 1.0f / 255, mask);
    if (second != NULL)
        ph_label(second, n, 2.0f / 255, mask);
    return ph_write_png(path, job->size[0], job->size[1], 1, 8, mask, error);
}

bool ph_make_fundus(const ph_job *job, GError **error)
{
    fundus            f = fundus_of(job);
    const ph_grid     g = ph_picture_grid(job->size);
    const int64_t     n = ph_voxels(&g);
    g_autofree float *shares = g_new0(float, 4 * n), *out = g_new(float, 3 * n);
    const layers      l = {shares, shares + n, shares + 2 * n, shares + 3 * n};
    g_autofree char  *path = ph_path(job, NULL, ".png");

    draw_vessels(&f, &g, l.vessels);
    plan_spots(&f, &g, l.vessels);
    ph_fill_ellipsoid(&g, &f.disc, l.disc);
    ph_fill_ellipsoid(&g, &f.cup, l.cup);
    for (int i = 0; i < f.n_spots; i++)
        ph_fill_ellipsoid(&g, &f.spots[i], l.spots);
    paint(&f, &g, &l, out);
    tell(job, &f);
    return ph_write_png(path, job->size[0], job->size[1], 3, 8, out, error) && write_mask(job, "masks", ".png", l.disc, l.cup, error) &&
           write_mask(job, "truth", "_vessels.png", l.vessels, NULL, error) &&
           write_mask(job, "truth", "_lesions.png", l.spots, NULL, error);
}

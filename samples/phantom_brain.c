/* A skull-stripped head in four MR sequences, with a tumour of nested parts: oedema round a core, whose rim takes up contrast. */
#include "samples/phantoms.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define NOISE 22

const char ph_tumour_labels[] = "id,label,whole_mm3,core_mm3,enhancing_mm3,pose\n";
const char ph_tumour_objects[] = "id,object,region,x,y,z,diameter_mm,volume_mm3\n";

enum { WHITE, GREY, FLUID, OEDEMA, NECROSIS, ENHANCING, N_TISSUES };
enum { T1, T1C, T2, FLAIR, N_SEQUENCES };

static const char *const sequence_names[N_SEQUENCES] = {"t1", "t1c", "t2", "flair"};
static const double      signals[N_SEQUENCES][N_TISSUES] = {
         [T1] = {700, 540, 210, 470, 330, 520},
         [T1C] = {720, 560, 220, 480, 340, 1120},
         [T2] = {360, 480, 1050, 820, 900, 600},
         [FLAIR] = {400, 520, 130, 930, 450, 720},
};

typedef struct brain {
    uint64_t     seed;
    double       semi[3], isocentre[3], fluid_at; /* how far the ventricles stand from the middle plane */
    ph_ellipsoid whole, core, necrosis;
    bool         has_tumour;
} brain;

static double depth_of(const brain *b, const double p[3])
{
    const double x = p[0] / b->semi[0], y = p[1] / b->semi[1], z = p[2] / b->semi[2];
    const double gyri = 1.6 * ph_noise(b->seed, p[0], p[1], p[2], 11);

    return (1 - sqrt(x * x + y * y + z * z)) * b->semi[2] + gyri;
}

static bool is_fluid(const brain *b, const double p[3], double depth)
{
    const double x = (fabs(p[0]) - b->fluid_at) / (0.10 * b->semi[0]), y = p[1] / (0.42 * b->semi[1]);
    const double z = (p[2] - 0.08 * b->semi[2] + 0.2 * fabs(p[1])) / (0.20 * b->semi[2]);
    const bool   fissure = fabs(p[0]) < 0.8 && depth < 14 && p[2] > 0;

    return x * x + y * y + z * z < 1 || fissure || (depth < 6 && ph_noise(b->seed + 1, p[0], p[1], p[2], 8) > 0.62);
}

static int tissue_at(const brain *b, const double p[3], double depth)
{
    if (is_fluid(b, p, depth))
        return FLUID;
    const double x = (fabs(p[0]) - 0.30 * b->semi[0]) / (0.13 * b->semi[0]), y = p[1] / (0.18 * b->semi[1]), z = p[2] / (0.16 * b->semi[2]);
    const double ribbon = 4.5 + 3.5 * ph_noise(b->seed + 2, p[0], p[1], p[2], 10);

    return depth < ribbon || x * x + y * y + z * z < 1 ? GREY : WHITE;
}

/* The whole tumour within the brain; the core within the whole, off its middle; the dead inside within the core. */
static void plan_tumour(brain *b, ph_random *r)
{
    for (int tries = 0; tries < 500 && !b->has_tumour; tries++) {
        bool inside = true;
        for (int k = 0; k < 3; k++) {
            b->whole.at[k] = ph_uniform(r, -0.6, 0.6) * b->semi[k];
            b->whole.semi[k] = b->semi[2] * ph_uniform(r, 0.26, 0.42);
        }
        ph_random_axes(r, b->whole.axes);
        const double reach = MAX(b->whole.semi[0], MAX(b->whole.semi[1], b->whole.semi[2]));
        for (int i = 0; i < 26 && inside; i++) {
            double d[3], p[3];
            ph_direction(r, d);
            for (int k = 0; k < 3; k++)
                p[k] = b->whole.at[k] + d[k] * reach;
            inside = depth_of(b, p) > 1;
        }
        b->has_tumour = inside;
    }
    const double core = ph_uniform(r, 0.55, 0.66), dead = ph_uniform(r, 0.50, 0.60);
    double       d[3];
    ph_direction(r, d);
    b->core = b->necrosis = b->whole;
    for (int k = 0; k < 3; k++) {
        b->core.semi[k] *= core;
        b->necrosis.semi[k] *= core * dead;
        b->core.at[k] += 0.5 * (1 - core) * MIN(b->whole.semi[0], MIN(b->whole.semi[1], b->whole.semi[2])) * d[k];
        b->necrosis.at[k] = b->core.at[k];
    }
}

static brain brain_of(const ph_job *job)
{
    ph_random r = ph_random_of(job->seed, 30);
    brain     b = {.seed = job->seed};

    for (int k = 0; k < 3; k++) {
        b.semi[k] = 0.5 * job->size[k] * job->spacing[k] * ph_uniform(&r, 0.86, 0.93);
        b.isocentre[k] = ph_uniform(&r, -30, 30);
    }
    b.fluid_at = b.semi[0] * ph_uniform(&r, 0.11, 0.15);
    if (job->positive)
        plan_tumour(&b, &r);
    return b;
}

/* One sequence: each voxel's tissue, the tumour's parts by the share that they fill, the coil's field, noise; zero outside the brain. */
static void render(const brain *b, const ph_grid *g, int sequence, const float *const shares[3], float *out)
{
    const double *s = signals[sequence];
    const int     order[3] = {OEDEMA, ENHANCING, NECROSIS};
    ph_random     r = ph_random_of(b->seed, 40 + (uint64_t)sequence);
    const double  gain = ph_uniform(&r, 0.8, 1.25);

    for (int64_t i = 0; i < ph_voxels(g); i++) {
        const double v[3] = {(double)(i % g->size[0]), (double)(i / g->size[0] % g->size[1]), (double)(i / g->size[0] / g->size[1])};
        double       p[3];
        ph_place(g->affine, v, p);
        const double depth = depth_of(b, p), noise = ph_gauss(&r);
        double       signal = s[tissue_at(b, p, depth)];
        for (int k = 0; k < 3; k++)
            signal += (s[order[k]] - signal) * shares[k][i];
        signal *= gain * (1 + 0.10 * ph_noise(b->seed + 3 + (uint64_t)sequence, p[0], p[1], p[2], 90));
        out[i] = depth < 0 ? 0 : (float)MAX(1, signal + NOISE * noise);
    }
}

static void tell(const ph_job *job, const brain *b, ph_pose pose)
{
    const ph_ellipsoid *parts[3] = {&b->whole, &b->core, &b->core};
    static const char  *names[3] = {"WT", "TC", "ET"};
    double              mm3[3] = {0, 0, 0};

    if (b->has_tumour) {
        mm3[0] = ph_ellipsoid_mm3(&b->whole);
        mm3[1] = ph_ellipsoid_mm3(&b->core);
        mm3[2] = mm3[1] - ph_ellipsoid_mm3(&b->necrosis);
    }
    for (int i = 0; i < 3 && b->has_tumour; i++) {
        const double *semi = parts[i]->semi;
        g_string_append_printf(job->objects, "%s,%d,%s", job->id, i + 1, names[i]);
        for (int k = 0; k < 3; k++)
            ph_append(job->objects, 3, parts[i]->at[k] + b->isocentre[k]);
        ph_append(job->objects, 3, 2 * MAX(semi[0], MAX(semi[1], semi[2])));
        ph_append(job->objects, 2, mm3[i]);
        g_string_append_c(job->objects, '\n');
    }
    g_string_append_printf(job->labels, "%s,%s", job->id, b->has_tumour ? "tumour" : "normal");
    for (int i = 0; i < 3; i++)
        ph_append(job->labels, 2, mm3[i]);
    g_string_append_printf(job->labels, ",%s\n", ph_pose_name(pose));
    g_string_append_printf(job->manifest, "%s,%s,%s,,%s\n", job->id, job->id, job->id, b->has_tumour ? "tumour" : "normal");
}

/* Labels 1 oedema, 2 the core's inside, 3 its enhancing rim; shares are in the order in which `render` lays them on. */
static void fill_parts(const brain *b, const ph_grid *g, float *const shares[3], float *mask)
{
    if (!b->has_tumour)
        return;
    ph_fill_ellipsoid(g, &b->whole, shares[0]);
    ph_fill_ellipsoid(g, &b->core, shares[1]);
    ph_fill_ellipsoid(g, &b->necrosis, shares[2]);
    ph_label(shares[0], ph_voxels(g), 1, mask);
    ph_label(shares[1], ph_voxels(g), 3, mask);
    ph_label(shares[2], ph_voxels(g), 2, mask);
}

bool ph_make_tumour(const ph_job *job, GError **error)
{
    static const double still[3] = {0, 0, 0};
    const brain         b = brain_of(job);
    const ph_pose       pose = (ph_pose)(job->index % PH_N_POSES);
    ph_grid             g = ph_grid_of(job->size, job->spacing, still, pose), placed = g;
    const int64_t       n = ph_voxels(&g);
    g_autofree float   *shares = g_new0(float, 3 * n), *mask = g_new0(float, n), *out = g_new(float, n);
    float *const        each[3] = {shares, shares + n, shares + 2 * n};
    const float *const  laid[3] = {each[0], each[1], each[2]};
    g_autofree char    *folder = ph_path(job, NULL, ""), *mask_path = ph_path(job, "masks", ".nii.gz");
    bool                ok = g_mkdir_with_parents(folder, 0777) == 0;

    if (!ok)
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "make folder %s: %s", folder, g_strerror(errno));
    fill_parts(&b, &g, each, mask);
    for (int i = 0; i < 3; i++)
        placed.affine[4 * i + 3] += b.isocentre[i];
    for (int k = 0; k < N_SEQUENCES && ok; k++) {
        g_autofree char *name = g_strdup_printf("%s_%s.nii.gz", job->id, sequence_names[k]), *path = g_build_filename(folder, name, NULL);
        render(&b, &g, k, laid, out);
        ok = ph_write_nifti(path, &placed, PH_INT16, out, error);
    }
    tell(job, &b, pose);
    return ok && ph_write_nifti(mask_path, &placed, PH_UINT8, mask, error);
}

/* CTs of a chest with nodules: one study (ct-nodules), or two of one patient (prior). */
#include "samples/phantom_chest.h"

#include <math.h>
#include <string.h>

#define MAX_PAIR 5
#define UNKNOWN (-1e9)

const char ph_nodules_labels[] = "id,label,nodules,largest_mm,malignant,pose\n";
const char ph_nodules_objects[] = "id,object,x,y,z,diameter_mm,volume_mm3,malignant\n";
const char ph_prior_labels[] = "id,label,patient,study,nodules,pose\n";
const char ph_prior_objects[] =
    "patient,object,x,y,z,prior_diameter_mm,diameter_mm,prior_volume_mm3,volume_mm3,growth_mm,growth_percent,state\n";

static double volume_of(double radius)
{
    return 4.0 / 3.0 * G_PI * radius * radius * radius;
}

static void field_of(const ph_job *job, double field[3])
{
    for (int k = 0; k < 3; k++)
        field[k] = job->size[k] * job->spacing[k];
}

/* The isocentre is where the patient's frame has the chest's middle: the grid is laid about the chest, then moved there with it. */
static void move_grid(ph_grid *g, const double by[3])
{
    for (int i = 0; i < 3; i++)
        g->affine[4 * i + 3] += by[i];
}

/* The CT and the mask of its nodules, as NIfTI. */
static bool write_study(const ph_job *job, const chest *c, const char *id, const double shift[3], ph_pose pose, uint64_t noise,
                        GError **error)
{
    ph_job            one = *job;
    ph_grid           g = ph_grid_of(job->size, job->spacing, shift, pose);
    const int64_t     n = ph_voxels(&g);
    g_autofree float *shares = g_new0(float, n *MAX(1, c->n_nodules));
    g_autofree float *hu = chest_render(c, &g, noise, shares);
    g_autofree float *mask = g_new0(float, n);

    one.id = id;
    g_autofree char *image_path = ph_path(&one, NULL, ".nii.gz"), *mask_path = ph_path(&one, "masks", ".nii.gz");
    for (int i = 0; i < c->n_nodules; i++)
        ph_label(shares + i * n, n, 1, mask);
    move_grid(&g, c->isocentre);
    return ph_write_nifti(image_path, &g, PH_INT16, hu, error) && ph_write_nifti(mask_path, &g, PH_UINT8, mask, error);
}

bool ph_make_nodules(const ph_job *job, GError **error)
{
    static const double still[3] = {0, 0, 0};
    ph_random           r = ph_random_of(job->seed, 10);
    double              field[3], largest = 0;
    int                 malignant = 0;
    const ph_pose       pose = (ph_pose)(job->index % PH_N_POSES);

    field_of(job, field);
    g_autofree chest *c = chest_new(job->seed, field);
    for (int wanted = job->positive ? ph_whole(&r, 1, 3) : 0, i = 0; i < wanted; i++) {
        const double diameter = ph_uniform(&r, 8, MIN(18, 1.2 * c->lung[0]));
        chest_add_nodule(c, &r, diameter, ph_uniform(&r, 0, 1) < 0.5);
    }
    chest_grow_vessels(c);
    for (int i = 0; i < c->n_nodules; i++) {
        const chest_nodule *n = &c->nodules[i];
        g_string_append_printf(job->objects, "%s,%d", job->id, i + 1);
        for (int k = 0; k < 3; k++)
            ph_append(job->objects, 3, n->at[k] + c->isocentre[k]);
        ph_append(job->objects, 3, 2 * n->radius);
        ph_append(job->objects, 2, volume_of(n->radius));
        g_string_append_printf(job->objects, ",%d\n", n->malignant);
        largest = MAX(largest, 2 * n->radius);
        malignant |= n->malignant;
    }
    g_string_append_printf(job->labels, "%s,%s,%d", job->id, c->n_nodules > 0 ? "nodule" : "normal", c->n_nodules);
    ph_append(job->labels, 3, largest);
    g_string_append_printf(job->labels, ",%d,%s\n", malignant, ph_pose_name(pose));
    g_string_append_printf(job->manifest, "%s.nii.gz,%s,%s,,%s\n", job->id, job->id, job->id, c->n_nodules > 0 ? "nodule" : "normal");
    return write_study(job, c, job->id, still, pose, job->seed, error);
}

typedef struct pair {
    chest_nodule nodule;
    double       before, after; /* radius, 0: is not there */
    const char  *state;
} pair;

/* Nodules that grow, one that does not, one that is new, one that has gone. */
static int plan_pairs(chest *c, ph_random *r, pair *pairs)
{
    const int growing = ph_whole(r, 1, 2);
    int       n = 0;

    for (int i = 0; i < growing + 3; i++) {
        const double before = ph_uniform(r, 8, 12), percent = i < growing ? ph_uniform(r, 30, 120) : 0;
        const double after = before * cbrt(1 + percent / 100);
        pair        *p = &pairs[n];
        if (!chest_add_nodule(c, r, MAX(before, after), false))
            continue;
        p->nodule = c->nodules[c->n_nodules - 1];
        p->before = 0.5 * before;
        p->after = 0.5 * after;
        p->state = i < growing ? "grown" : "stable";
        if (i == growing + 1)
            p->before = 0, p->state = "new";
        else if (i == growing + 2)
            p->after = 0, p->state = "gone";
        n++;
    }
    return n;
}

static void write_pairs(const ph_job *job, const chest *c, const pair *pairs, int n)
{
    for (int i = 0; i < n; i++) {
        const pair  *p = &pairs[i];
        const bool   both = p->before > 0 && p->after > 0;
        const double before = volume_of(p->before), after = volume_of(p->after);
        g_string_append_printf(job->objects, "%s,%d", job->id, i + 1);
        for (int k = 0; k < 3; k++)
            ph_append(job->objects, 3, p->nodule.at[k] + c->isocentre[k]);
        ph_append(job->objects, 3, p->before > 0 ? 2 * p->before : UNKNOWN);
        ph_append(job->objects, 3, p->after > 0 ? 2 * p->after : UNKNOWN);
        ph_append(job->objects, 2, p->before > 0 ? before : UNKNOWN);
        ph_append(job->objects, 2, p->after > 0 ? after : UNKNOWN);
        ph_append(job->objects, 3, both ? 2 * (p->after - p->before) : UNKNOWN);
        ph_append(job->objects, 2, both ? 100 * (after / before - 1) : UNKNOWN);
        g_string_append_printf(job->objects, ",%s\n", p->state);
    }
}

/* The nodules of one study: those with a radius in it. */
static void keep_study(chest *c, const pair *pairs, int n, bool now)
{
    c->n_nodules = 0;
    for (int i = 0; i < n; i++) {
        chest_nodule nodule = pairs[i].nodule;
        nodule.radius = now ? pairs[i].after : pairs[i].before;
        if (nodule.radius > 0)
            c->nodules[c->n_nodules++] = nodule;
    }
}

bool ph_make_prior(const ph_job *job, GError **error)
{
    static const char *const studies[] = {"prior", "current"};
    ph_random                r = ph_random_of(job->seed, 11);
    double                   field[3];
    pair                     pairs[MAX_PAIR];
    bool                     ok = true;

    field_of(job, field);
    g_autofree chest *c = chest_new(job->seed, field);
    const int         n = plan_pairs(c, &r, pairs);
    chest_grow_vessels(c);
    write_pairs(job, c, pairs, n);
    for (int study = 0; study < 2 && ok; study++) { /* the same frame of reference, another place and direction of the grid */
        const double     shift[3] = {study * ph_uniform(&r, -3, 3), study * ph_uniform(&r, -3, 3), study * ph_uniform(&r, -3, 3)};
        const ph_pose    pose = (ph_pose)((job->index + study * 2) % PH_N_POSES);
        g_autofree char *id = g_strdup_printf("%s_%s", job->id, studies[study]);
        keep_study(c, pairs, n, study == 1);
        g_string_append_printf(job->labels, "%s,nodule,%s,%s,%d,%s\n", id, job->id, studies[study], c->n_nodules, ph_pose_name(pose));
        g_string_append_printf(job->manifest, "%s.nii.gz,%s,%s,%s,nodule\n", id, id, job->id, studies[study]);
        ok = write_study(job, c, id, shift, pose, job->seed + 1 + (uint64_t)study, error);
    }
    return ok;
}

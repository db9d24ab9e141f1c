#include "tiling/window_plan.h"

#include "src/base/alloc.h"
#include "src/base/limits.h"

#include <math.h>
#include <string.h>

#define SIGMA_SHARE 0.125
#define MONAI_LEAST 1e-3 /* no voxel counts less there */
#define EDGE_MAX 1048576
#define STEP_MIN 0.05

static bool check(const int64_t size[3], const mt_window_params *p, GError **error)
{
    for (int a = 0; a < 3; a++)
        if (size[a] < 1 || size[a] > EDGE_MAX || p->patch[a] < 1 || p->patch[a] > MT_LIMIT_TILE_PX_MAX) {
            g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                        "lay windows of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " over %" G_GINT64_FORMAT
                        " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " voxels: 1 to %d and 1 to %d are possible",
                        p->patch[0], p->patch[1], p->patch[2], size[0], size[1], size[2], MT_LIMIT_TILE_PX_MAX, EDGE_MAX);
            return false;
        }
    if (p->step >= STEP_MIN && p->step <= 1)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "lay windows at a step of %g of the patch: from %g to 1 is possible", p->step, STEP_MIN);
    return false;
}

/* compute_steps_for_sliding_window: NumPy's round is to even, as rint is. */
static void place_nnunet(mt_window_plan *plan, int axis, double step)
{
    int64_t room = plan->padded[axis] - plan->patch[axis];
    int     n = (int)ceil((double)room / ((double)plan->patch[axis] * step)) + 1;
    double  stride = n > 1 ? (double)room / (n - 1) : 0;

    plan->n[axis] = n;
    plan->at[axis] = g_new(int64_t, n);
    for (int i = 0; i < n; i++)
        plan->at[axis][i] = (int64_t)rint(stride * i);
}

/* _get_scan_interval and dense_patch_slices. */
static void place_monai(mt_window_plan *plan, int axis, double step)
{
    int64_t patch = plan->patch[axis], room = plan->padded[axis] - patch;
    int64_t stride = room == 0 ? patch : MAX(1, (int64_t)((double)patch * (1 - (1 - step))));
    int     n = (int)((room + stride - 1) / stride) + 1;

    plan->n[axis] = n;
    plan->at[axis] = g_new(int64_t, n);
    for (int i = 0; i < n; i++)
        plan->at[axis][i] = MIN(i * stride, room);
}

static void place_slices(mt_window_plan *plan)
{
    plan->n[2] = (int)plan->size[2];
    plan->at[2] = g_new(int64_t, plan->n[2]);
    for (int i = 0; i < plan->n[2]; i++)
        plan->at[2][i] = i;
}

void mt_window_gaussian(int64_t patch, double sigma_share, double *weights)
{
    double  sigma = (double)patch * sigma_share, sum = 0;
    int64_t reach = (int64_t)(4 * sigma + 0.5), middle = patch / 2;

    for (int64_t i = -reach; i <= reach; i++)
        sum += exp(-0.5 * (double)(i * i) / (sigma * sigma));
    for (int64_t i = 0; i < patch; i++) {
        double from = (double)(i - middle);

        weights[i] = fabs(from) > (double)reach ? 0 : exp(-0.5 * from * from / (sigma * sigma)) / sum;
    }
}

/* MONAI's is centred between the middle voxels of an even patch. */
static void gaussian_monai(int64_t patch, double *weights)
{
    double sigma = (double)patch * SIGMA_SHARE;

    for (int64_t i = 0; i < patch; i++) {
        double from = (double)i - (double)(patch - 1) / 2;

        weights[i] = exp(-0.5 * from * from / (sigma * sigma));
    }
}

static double *axis_weights(const mt_window_plan *plan, int axis, const mt_window_params *p)
{
    int64_t patch = plan->patch[axis];
    double *weights = g_new(double, patch);

    if (p->weight == MT_WEIGHT_CONSTANT || (axis == 2 && patch == 1))
        for (int64_t i = 0; i < patch; i++)
            weights[i] = 1;
    else if (p->rule == MT_WINDOWS_MONAI)
        gaussian_monai(patch, weights);
    else
        mt_window_gaussian(patch, SIGMA_SHARE, weights);
    return weights;
}

/* The largest becomes 1 in nnU-Net's; what is 0 as a float becomes the smallest above it. */
static void bound_weights(mt_window_plan *plan, const mt_window_params *p)
{
    int64_t n = plan->patch[0] * plan->patch[1] * plan->patch[2];
    float   least = 1;

    for (int64_t i = 0; i < n; i++)
        if (plan->weight[i] > 0)
            least = MIN(least, plan->weight[i]);
    if (p->rule == MT_WINDOWS_MONAI && p->weight == MT_WEIGHT_GAUSSIAN)
        least = MAX(least, (float)MONAI_LEAST);
    for (int64_t i = 0; i < n; i++)
        plan->weight[i] = MAX(plan->weight[i], least);
}

static bool weigh(mt_window_plan *plan, const mt_window_params *p, GError **error)
{
    g_autofree double *x = axis_weights(plan, 0, p), *y = axis_weights(plan, 1, p), *z = axis_weights(plan, 2, p);
    const int64_t     *t = plan->patch;
    bool               to_one = p->rule == MT_WINDOWS_NNUNET;
    double             most = to_one ? x[t[0] / 2] * y[t[1] / 2] * z[t[2] / 2] : 1;

    plan->weight = mt_alloc(t[0] * t[1] * t[2], sizeof *plan->weight, error);
    if (plan->weight == NULL)
        return false;
    for (int64_t k = 0; k < t[2]; k++)
        for (int64_t j = 0; j < t[1]; j++)
            for (int64_t i = 0; i < t[0]; i++)
                plan->weight[(k * t[1] + j) * t[0] + i] = (float)(x[i] * y[j] * z[k] / most);
    bound_weights(plan, p);
    return true;
}

mt_window_plan *mt_window_plan_new(const int64_t size[3], const mt_window_params *params, GError **error)
{
    if (!check(size, params, error))
        return NULL;
    g_autoptr(mt_window_plan) plan = g_new0(mt_window_plan, 1);
    for (int a = 0; a < 3; a++) {
        plan->size[a] = size[a];
        plan->patch[a] = params->patch[a];
        plan->padded[a] = MAX(size[a], params->patch[a]);
        plan->before[a] = (plan->padded[a] - size[a]) / 2;
        if (a == 2 && params->patch[a] == 1)
            place_slices(plan);
        else if (params->rule == MT_WINDOWS_MONAI)
            place_monai(plan, a, params->step);
        else
            place_nnunet(plan, a, params->step);
    }
    return weigh(plan, params, error) ? g_steal_pointer(&plan) : NULL;
}

void mt_window_plan_free(mt_window_plan *plan)
{
    if (plan == NULL)
        return;
    for (int a = 0; a < 3; a++)
        g_free(plan->at[a]);
    mt_free(plan->weight);
    g_free(plan);
}

int64_t mt_window_plan_count(const mt_window_plan *plan)
{
    return (int64_t)plan->n[0] * plan->n[1] * plan->n[2];
}

void mt_window_plan_at(const mt_window_plan *plan, int64_t i, int64_t at[3])
{
    at[0] = plan->at[0][i % plan->n[0]];
    at[1] = plan->at[1][i / plan->n[0] % plan->n[1]];
    at[2] = plan->at[2][i / plan->n[0] / plan->n[1]];
}

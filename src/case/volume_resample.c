#include "src/case/volume_resample.h"

#include "src/base/alloc.h"
#include "src/case/volume_resample_axis.h"

#include <math.h>
#include <string.h>

#define MOST_VOXELS (INT64_C(1) << 31) /* along an axis */

bool mt_regrid_size(const int64_t size[3], const double from_mm[3], const double to_mm[3], int64_t to[3], GError **error)
{
    for (int d = 0; d < 3; d++) {
        if (!(from_mm[d] > 0 && to_mm[d] > 0 && isfinite(from_mm[d]) && isfinite(to_mm[d]))) {
            g_set_error(error, MT_ERROR, MT_ERROR_SPACING,
                        "resample a volume: from %g x %g x %g to %g x %g x %g mm: a spacing is unknown; state it for this case", from_mm[0],
                        from_mm[1], from_mm[2], to_mm[0], to_mm[1], to_mm[2]);
            return false;
        }
        double n = rint(from_mm[d] / to_mm[d] * (double)size[d]);
        if (!(n >= 1 && n < (double)MOST_VOXELS)) {
            g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                        "resample a volume: axis %d of %" G_GINT64_FORMAT " voxels would have %g when it goes from %g to %g mm", d, size[d],
                        n, from_mm[d], to_mm[d]);
            return false;
        }
        to[d] = (int64_t)n;
    }
    return true;
}

/* True when the spacings are anisotropic; then *axis is the longest, -1 when it is not alone. */
static bool find_longest(const double mm[3], int *axis)
{
    double longest = MAX(MAX(mm[0], mm[1]), mm[2]), shortest = MIN(MIN(mm[0], mm[1]), mm[2]);

    *axis = -1;
    if (!(longest / shortest > MT_REGRID_ANISOTROPY))
        return false;
    for (int d = 0, seen = 0; d < 3; d++)
        if (mm[d] == longest)
            *axis = seen++ == 0 ? d : -1;
    return true;
}

int mt_regrid_separate(const double from_mm[3], const double to_mm[3])
{
    int axis;

    if (!find_longest(from_mm, &axis))
        find_longest(to_mm, &axis);
    return axis;
}

static bool is_order(int order)
{
    return order == 0 || order == 1 || order == 3;
}

static bool check(const mt_regrid *r, GError **error)
{
    bool ok = is_order(r->order) && is_order(r->separate_order) && r->separate >= -1 && r->separate < 3;

    for (int d = 0; d < 3; d++)
        ok = ok && r->from[d] > 0 && r->to[d] > 0 && r->from[d] < MOST_VOXELS && r->to[d] < MOST_VOXELS;
    if (!ok)
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                    "resample from %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                    " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " voxels by order %d: sizes from 1 and orders 0, 1 and 3 are known",
                    r->from[0], r->from[1], r->from[2], r->to[0], r->to[1], r->to[2], r->order);
    return ok;
}

/* ---- held to the range of what went in ---- */

typedef struct range {
    float low, high;
} range;

static range widen_range(range r, const float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        r.low = values[i] < r.low ? values[i] : r.low;
        r.high = values[i] > r.high ? values[i] : r.high;
    }
    return r;
}

/* Plane by plane: ranges[z], or in all planes by row (axis 1) or column (axis 0). */
static void find_plane_ranges(const float *in, const int64_t size[3], int axis, range *ranges, int threads)
{
    const range empty = {INFINITY, -INFINITY};

    for (int64_t i = 0; i < size[axis]; i++)
        ranges[i] = empty;
#pragma omp parallel for schedule(static) num_threads(threads) if (axis == 2)
    for (int64_t z = 0; z < size[2]; z++) {
        const float *plane = in + z * size[1] * size[0];

        if (axis == 2)
            ranges[z] = widen_range(empty, plane, size[1] * size[0]);
        for (int64_t y = 0; axis == 1 && y < size[1]; y++)
            ranges[y] = widen_range(ranges[y], plane + y * size[0], size[0]);
        for (int64_t i = 0; axis == 0 && i < size[1] * size[0]; i++)
            ranges[i % size[0]] = widen_range(ranges[i % size[0]], plane + i, 1);
    }
}

/* Of each slice across `axis`; one for all when it is -1. */
static range *find_ranges(const float *in, const int64_t size[3], int axis, int threads, GError **error)
{
    int    along = axis < 0 ? 2 : axis;
    range *ranges = mt_alloc(size[along], sizeof *ranges, error);

    if (ranges == NULL)
        return NULL;
    find_plane_ranges(in, size, along, ranges, threads);
    for (int64_t z = 1; axis < 0 && z < size[2]; z++) {
        ranges[0].low = MIN(ranges[0].low, ranges[z].low);
        ranges[0].high = MAX(ranges[0].high, ranges[z].high);
    }
    return ranges;
}

static void hold(float *out, const int64_t size[3], int axis, const range *ranges, int threads)
{
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t z = 0; z < size[2]; z++) {
        float  *value = out + z * size[1] * size[0];
        int64_t at[3] = {0, 0, z};

        for (at[1] = 0; at[1] < size[1]; at[1]++)
            for (at[0] = 0; at[0] < size[0]; at[0]++, value++) {
                const range *one = ranges + (axis < 0 ? 0 : at[axis]);
                *value = CLAMP(*value, one->low, one->high);
            }
    }
}

/* ---- passes ---- */

static int order_along(const mt_regrid *r, int axis)
{
    return axis == r->separate ? r->separate_order : r->order;
}

typedef struct passes {
    const mt_regrid *r;
    int64_t          size[3]; /* of what was made last */
    const float     *last;
    float           *mine;       /* `last` when it is a buffer of ours */
    int64_t          start, end; /* planes of the output */
    int64_t          in0;        /* plane of the input at which the memory starts */
    bool             whole;
    int              threads;
} passes;

/* Axes in the order that makes the least work: those that shrink most first, the separate one last. */
static void sort_axes(const mt_regrid *r, int axes[3])
{
    double growth[3];

    for (int d = 0; d < 3; d++) {
        axes[d] = d;
        growth[d] = d == r->separate ? INFINITY : (double)r->to[d] / (double)r->from[d];
    }
    for (int i = 1; i < 3; i++)
        for (int k = i; k > 0 && growth[axes[k]] < growth[axes[k - 1]]; k--) {
            int kept = axes[k];
            axes[k] = axes[k - 1];
            axes[k - 1] = kept;
        }
}

static bool makes_change(const passes *p, int axis)
{
    return p->r->from[axis] != p->r->to[axis] || (axis == 2 && !p->whole);
}

/* Along one axis, to `out` or to a new buffer when it is NULL. */
static bool pass(passes *p, int axis, float *out, GError **error)
{
    g_auto(mt_axis_samples) s = {0};
    bool    partial = axis == 2 && !p->whole;
    int     order = order_along(p->r, axis);
    int64_t start = partial ? p->start : 0, end = partial ? p->end : p->r->to[axis], size[3];
    float  *made = NULL;

    if (!mt_axis_samples_init(&s, order, p->r->from[axis], p->r->to[axis], start, end, error))
        return false;
    if (partial)
        mt_axis_samples_shift(&s, p->in0);
    memcpy(size, p->size, sizeof size);
    size[axis] = end - start;
    if (out == NULL)
        out = made = mt_alloc(size[0] * size[1] * size[2], sizeof *made, error);
    if (out == NULL || !mt_axis_resample(&s, p->last, p->size, axis, out, p->threads, error)) {
        mt_free(made);
        return false;
    }
    mt_free(p->mine);
    p->last = out;
    p->mine = made;
    memcpy(p->size, size, sizeof size);
    return true;
}

/* Held before going across slices: then the slices are still those that went in. */
static bool run_passes(passes *p, float *out, const range *ranges, GError **error)
{
    int axes[3], left = 0;

    sort_axes(p->r, axes);
    for (int i = 0; i < 3; i++)
        left += makes_change(p, axes[i]);
    if (left == 0)
        memcpy(out, p->last, (size_t)(p->size[0] * p->size[1] * p->size[2]) * sizeof *out);
    for (int i = 0; i < 3; i++) {
        bool separate = axes[i] == p->r->separate;

        if (separate && ranges != NULL && p->mine != NULL)
            hold(p->mine, p->size, p->r->separate, ranges, p->threads);
        if (makes_change(p, axes[i]) && !pass(p, axes[i], --left == 0 ? out : NULL, error))
            return false;
    }
    if (ranges != NULL && (p->r->separate < 0 || !makes_change(p, p->r->separate)))
        hold(out, p->r->to, p->r->separate, ranges, p->threads);
    return true;
}

bool mt_regrid_field(const mt_regrid *r, const float *in, float *out, int threads, GError **error)
{
    passes p = {.r = r, .last = in, .end = r->to[2], .whole = true, .threads = MAX(threads, 1)};
    range *ranges = NULL;

    if (!check(r, error))
        return false;
    memcpy(p.size, r->from, sizeof p.size);
    if (r->order == 3) {
        ranges = find_ranges(in, r->from, r->separate, p.threads, error);
        if (ranges == NULL)
            return false;
    }
    bool ok = run_passes(&p, out, ranges, error);
    mt_free(p.mine);
    mt_free(ranges);
    return ok;
}

/* ---- by slab ---- */

static bool check_rows(const mt_regrid *r, int64_t z0, int64_t z1, GError **error)
{
    if (!check(r, error))
        return false;
    if (r->order != 3 && (r->separate < 0 || r->separate_order != 3) && z0 >= 0 && z0 < z1 && z1 <= r->to[2])
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                "resample planes %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT
                " by order %d: planes of the output and orders 0 and 1 can be",
                z0, z1, r->to[2], r->order);
    return false;
}

bool mt_regrid_rows_needed(const mt_regrid *r, int64_t z0, int64_t z1, int64_t *in0, int64_t *in1, GError **error)
{
    g_auto(mt_axis_samples) s = {0};

    if (!check_rows(r, z0, z1, error) || !mt_axis_samples_init(&s, order_along(r, 2), r->from[2], r->to[2], z0, z1, error))
        return false;
    mt_axis_samples_needs(&s, in0, in1);
    return true;
}

bool mt_regrid_rows(const mt_regrid *r, const float *in, int64_t in0, int64_t z0, int64_t z1, float *out, int threads, GError **error)
{
    int64_t first, end;
    passes  p = {.r = r, .start = z0, .end = z1, .threads = MAX(threads, 1)};

    if (!mt_regrid_rows_needed(r, z0, z1, &first, &end, error))
        return false;
    if (in0 > first) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                    "resample planes %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT ": plane %" G_GINT64_FORMAT
                    " of the input is wanted, and it starts with %" G_GINT64_FORMAT,
                    z0, z1, first, in0);
        return false;
    }
    p.in0 = first;
    p.last = in + (first - in0) * r->from[0] * r->from[1];
    p.size[0] = r->from[0];
    p.size[1] = r->from[1];
    p.size[2] = end - first;
    bool ok = run_passes(&p, out, NULL, error);
    mt_free(p.mine);
    return ok;
}

/* ---- labels ---- */

static bool nearest_labels(const mt_regrid *r, const uint8_t *in, uint8_t *out, GError **error)
{
    g_auto(mt_axis_samples) x = {0}, y = {0}, z = {0};

    if (!mt_axis_samples_init(&x, 0, r->from[0], r->to[0], 0, r->to[0], error) ||
        !mt_axis_samples_init(&y, 0, r->from[1], r->to[1], 0, r->to[1], error) ||
        !mt_axis_samples_init(&z, 0, r->from[2], r->to[2], 0, r->to[2], error))
        return false;
    for (int64_t k = 0; k < r->to[2]; k++)
        for (int64_t j = 0; j < r->to[1]; j++) {
            const uint8_t *row = in + (z.first[k] * r->from[1] + y.first[j]) * r->from[0];
            for (int64_t i = 0; i < r->to[0]; i++)
                *out++ = row[x.first[i]];
        }
    return true;
}

static bool classes_by_masks(const mt_regrid *r, const uint8_t *in, float *mask, float *resized, uint8_t *out, int threads, GError **error)
{
    int64_t n = r->from[0] * r->from[1] * r->from[2], n_out = r->to[0] * r->to[1] * r->to[2];
    bool    present[256] = {false};

    for (int64_t i = 0; i < n; i++)
        present[in[i]] = true;
    memset(out, 0, (size_t)n_out);
    for (int label = 1; label < 256; label++) { /* 0 is there already: a class over it takes its voxels anyway */
        if (!present[label])
            continue;
        for (int64_t i = 0; i < n; i++)
            mask[i] = in[i] == label;
        if (!mt_regrid_field(r, mask, resized, threads, error))
            return false;
        for (int64_t i = 0; i < n_out; i++)
            if (resized[i] >= 0.5f)
                out[i] = (uint8_t)label;
    }
    return true;
}

bool mt_regrid_labels(const mt_regrid *r, const uint8_t *in, uint8_t *out, int threads, GError **error)
{
    if (!check(r, error))
        return false;
    if (r->order == 0)
        return nearest_labels(r, in, out, error);
    float *mask = mt_alloc(r->from[0] * r->from[1] * r->from[2], sizeof *mask, error);
    float *resized = mask != NULL ? mt_alloc(r->to[0] * r->to[1] * r->to[2], sizeof *resized, error) : NULL;
    bool   ok = resized != NULL && classes_by_masks(r, in, mask, resized, out, threads, error);
    mt_free(mask);
    mt_free(resized);
    return ok;
}

/* ---- volumes ---- */

/* The ends of the field stay where they are. */
static void move_place(const mt_volume *v, mt_volume *out)
{
    memcpy(out->affine, v->affine, sizeof out->affine);
    out->has_frame = v->has_frame;
    for (int d = 0; d < 3; d++) {
        double longer = (double)v->size[d] / (double)out->size[d];

        out->spacing_mm[d] = v->spacing_mm[d] * longer;
        for (int row = 0; v->has_frame && row < 3; row++) {
            out->affine[4 * row + 3] += v->affine[4 * row + d] * (0.5 * longer - 0.5);
            out->affine[4 * row + d] *= longer;
        }
    }
}

mt_volume *mt_volume_regrid(const mt_volume *v, const mt_regrid *r, int threads, GError **error)
{
    if (!check(r, error))
        return NULL;
    g_autoptr(mt_volume) out = mt_volume_new(r->to, v->channels, error);
    if (out == NULL)
        return NULL;
    move_place(v, out);
    for (int ch = 0; ch < v->channels; ch++)
        if (!mt_regrid_field(r, v->data + ch * mt_volume_voxels(v), out->data + ch * mt_volume_voxels(out), threads, error))
            return NULL;
    return g_steal_pointer(&out);
}

mt_volume *mt_volume_resample(const mt_volume *v, const int64_t size[3], int order, int separate, int threads, GError **error)
{
    mt_regrid r = {.from = {v->size[0], v->size[1], v->size[2]}, .to = {size[0], size[1], size[2]}, .order = order, .separate = separate};

    return mt_volume_regrid(v, &r, threads, error);
}

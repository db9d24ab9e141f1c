#include "src/case/volume_read.h"

#include "src/base/alloc.h"
#include "src/case/source.h"

#include <math.h>
#include <string.h>

/* A stated µm/px and the header's may differ by rounding. */
#define SPACING_TOLERANCE 0.02

typedef struct reading {
    mt_case   *c;
    mt_volume *v;
    int64_t    width, height, planes;
    int64_t    origin, step[3];
    size_t     plane_bytes;
    int64_t    failed; /* the first plane that could not be read */
    GError    *error;
} reading;

static bool check_bytes(const mt_case *c, const int64_t size[3], int64_t limit, GError **error)
{
    int64_t most = limit > 0 ? limit : MT_VOLUME_LIMIT_BYTES;
    /* the limits on sources keep each factor below 2^31: a double says the product well enough */
    double bytes = (double)size[0] * (double)size[1] * (double)size[2] * (double)mt_case_channels(c) * (double)sizeof(float);

    if (bytes <= (double)most)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MEMORY,
                "read %s whole: %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                " voxels of %d channel%s take %.0f bytes, over the limit of %" G_GINT64_FORMAT ": raise it, or cut the case",
                mt_case_path(c), size[0], size[1], size[2], mt_case_channels(c), mt_case_channels(c) == 1 ? "" : "s", bytes, most);
    return false;
}

static double column_length(const double a[16], int column)
{
    return sqrt(a[column] * a[column] + a[4 + column] * a[4 + column] + a[8 + column] * a[8 + column]);
}

/* Millimetres per unit of the affine: 1, or what a stated µm/px makes of it; 0 when the unit is unknown. */
static bool find_unit(const mt_case *c, const double affine[16], double *unit, GError **error)
{
    double um_x, um_y;

    *unit = 0;
    if (!mt_case_mpp(c, &um_x, &um_y))
        return true;
    double by_x = um_x / 1000 / column_length(affine, 0), by_y = um_y / 1000 / column_length(affine, 1);
    if (!(fabs(by_y / by_x - 1) <= SPACING_TOLERANCE)) {
        g_set_error(error, MT_ERROR, MT_ERROR_SPACING,
                    "read %s whole: %g x %g µm/px (%s) do not have the proportions of its affine, %g x %g: correct the statement",
                    mt_case_path(c), um_x, um_y, mt_case_mpp_source(c), column_length(affine, 0), column_length(affine, 1));
        return false;
    }
    *unit = fabs(by_x - 1) <= SPACING_TOLERANCE ? 1 : by_x;
    return true;
}

/* Affine and spacing of the planes; a case without a frame has the spacing of its header. */
static bool find_place(const mt_case *c, double affine[16], double spacing_mm[3], bool *has_frame, GError **error)
{
    double unit;

    *has_frame = mt_case_affine(c, affine);
    if (!*has_frame) {
        mt_case_mpp(c, &spacing_mm[0], &spacing_mm[1]);
        spacing_mm[2] = mt_case_plane_spacing_um(c);
        for (int d = 0; d < 3; d++) {
            spacing_mm[d] /= 1000;
            affine[5 * d] = 1;
        }
        affine[15] = 1;
        return true;
    }
    if (!find_unit(c, affine, &unit, error))
        return false;
    for (int i = 0; unit > 0 && i < 12; i++)
        affine[i] *= unit;
    for (int d = 0; d < 3; d++)
        spacing_mm[d] = unit > 0 ? column_length(affine, d) : 0;
    return true;
}

static bool set_place(mt_volume *v, const mt_case *c, const mt_volume_turn *turn, const int64_t planes[3], GError **error)
{
    double affine[16] = {0}, spacing_mm[3] = {0};

    if (!find_place(c, affine, spacing_mm, &v->has_frame, error))
        return false;
    if (v->has_frame)
        mt_volume_turn_affine(turn, planes, affine, v->affine);
    for (int d = 0; d < 3; d++)
        v->spacing_mm[d] = spacing_mm[turn->axis[d]];
    return true;
}

#define SPREAD(type)                                                                                                                       \
    for (int64_t i = 0; i < n; i++)                                                                                                        \
        out[i * step] = (float)((const type *)in)[i * gap];                                                                                \
    break

/* One row of one channel to where it stands in the volume. */
static void spread_row(const void *in, mt_dtype dtype, int gap, int64_t n, float *out, int64_t step)
{
    switch (dtype) {
    case MT_U8:
        SPREAD(uint8_t);
    case MT_U16:
        SPREAD(uint16_t);
    case MT_I16:
        SPREAD(int16_t);
    default:
        SPREAD(float);
    }
}

static bool check_finite(const reading *r, const float *samples, int64_t plane, GError **error)
{
    int     channels = mt_case_channels(r->c);
    int64_t n = r->width * r->height * channels;

    for (int64_t i = 0; i < n; i++) {
        if (isfinite(samples[i]))
            continue;
        int64_t pixel = i / channels;
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "read %s whole: plane %" G_GINT64_FORMAT " has a sample that is not finite, at (%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT
                    "): replace such samples",
                    mt_case_path(r->c), plane, pixel % r->width, pixel / r->width);
        return false;
    }
    return true;
}

static bool read_plane(reading *r, int64_t plane, uint8_t *samples, GError **error)
{
    mt_dtype dtype = mt_case_dtype(r->c);
    int      channels = r->v->channels;
    size_t   bytes = mt_source_sample_bytes(dtype);
    int64_t  voxels = mt_volume_voxels(r->v);

    if (!mt_case_read_once(r->c, plane, 0, 0, 0, r->width, r->height, samples, error))
        return false;
    if (dtype == MT_F32 && !check_finite(r, (const float *)(const void *)samples, plane, error))
        return false;
    for (int ch = 0; ch < channels; ch++)
        for (int64_t y = 0; y < r->height; y++)
            spread_row(samples + (size_t)(y * r->width * channels + ch) * bytes, dtype, channels, r->width,
                       r->v->data + ch * voxels + r->origin + y * r->step[1] + plane * r->step[2], r->step[0]);
    return true;
}

static void keep_first(reading *r, int64_t plane, GError *error)
{
    if (plane < r->failed) {
        g_clear_error(&r->error);
        r->failed = plane;
        r->error = g_steal_pointer(&error);
    }
    g_clear_error(&error);
}

/* The planes before one that failed are read all the same: which error is told does not depend on the threads. */
static bool read_planes(reading *r, int threads, GError **error)
{
    threads = (int)CLAMP(r->planes, 1, MAX(threads, 1));
    r->failed = r->planes;
#pragma omp parallel num_threads(threads)
    {
        GError  *failure = NULL;
        uint8_t *samples = mt_alloc((int64_t)r->plane_bytes, 1, &failure);

#pragma omp for schedule(dynamic, 1)
        for (int64_t plane = 0; plane < r->planes; plane++) {
            int64_t failed;

#pragma omp critical(mt_volume_read)
            failed = r->failed;
            if (plane > failed || (samples != NULL && read_plane(r, plane, samples, &failure)))
                continue;
#pragma omp critical(mt_volume_read)
            keep_first(r, plane, g_steal_pointer(&failure));
        }
        g_clear_error(&failure);
        mt_free(samples);
    }
    if (r->failed == r->planes)
        return true;
    if (r->error != NULL)
        g_propagate_error(error, g_steal_pointer(&r->error));
    else
        g_set_error(error, MT_ERROR, MT_ERROR_MEMORY, "read %s whole: memory for a plane was refused", mt_case_path(r->c));
    return false;
}

mt_volume *mt_volume_read(mt_case *c, mt_volume_order order, int64_t limit_bytes, int threads, GError **error)
{
    const mt_level *l = mt_case_level(c, 0);
    int64_t         planes[3] = {l->width, l->height, mt_case_planes(c)}, size[3];
    mt_volume_turn  turn = mt_volume_turn_between(c, MT_VOLUME_PLANES, order);
    reading         r = {.c = c, .width = planes[0], .height = planes[1], .planes = planes[2]};

    mt_volume_turn_size(&turn, planes, size);
    if (!check_bytes(c, size, limit_bytes, error))
        return NULL;
    g_autoptr(mt_volume) v = mt_volume_new(size, mt_case_channels(c), error);
    if (v == NULL || !set_place(v, c, &turn, planes, error))
        return NULL;
    mt_volume_turn_strides(&turn, planes, &r.origin, r.step);
    r.v = v;
    r.plane_bytes = (size_t)(planes[0] * planes[1] * v->channels) * mt_source_sample_bytes(mt_case_dtype(c));
    return read_planes(&r, threads, error) ? g_steal_pointer(&v) : NULL;
}

#include "src/case/volume_align.h"

#include "src/base/alloc.h"
#include "src/case/volume_affine.h"

#include <math.h>
#include <string.h>

/* ---- trilinear ---- */

/* The two neighbours along one axis and the weight of the second; false: more than half a voxel outside. */
static bool place(double at, int64_t size, int64_t neighbour[2], double *weight)
{
    if (!(at >= -0.5 && at <= (double)size - 0.5))
        return false;
    at = CLAMP(at, 0, (double)(size - 1));
    neighbour[0] = (int64_t)at;
    neighbour[1] = MIN(neighbour[0] + 1, size - 1);
    *weight = at - (double)neighbour[0];
    return true;
}

/* Eight neighbours in the order x, y, z. */
static double interpolate(const float *data, const int64_t size[3], int64_t corner[3][2], const double w[3])
{
    double planes[2];

    for (int k = 0; k < 2; k++) {
        const float *plane = data + corner[2][k] * size[1] * size[0];
        const float *a = plane + corner[1][0] * size[0], *b = plane + corner[1][1] * size[0];
        double       first = (1 - w[0]) * (double)a[corner[0][0]] + w[0] * (double)a[corner[0][1]];
        double       second = (1 - w[0]) * (double)b[corner[0][0]] + w[0] * (double)b[corner[0][1]];

        planes[k] = (1 - w[1]) * first + w[1] * second;
    }
    return (1 - w[2]) * planes[0] + w[2] * planes[1];
}

/* One plane of the new grid; how many of its voxels lie in `v`. */
static int64_t fill_plane(const mt_volume *v, const double to_voxel[16], int64_t z, float outside, mt_volume *out)
{
    int64_t inside = 0, i = z * out->size[0] * out->size[1];

    for (int64_t y = 0; y < out->size[1]; y++)
        for (int64_t x = 0; x < out->size[0]; x++, i++) {
            double  at[3] = {(double)x, (double)y, (double)z}, weight[3] = {0};
            int64_t corner[3][2] = {{0}};
            bool    hit = true;

            mt_affine_apply(to_voxel, at, at);
            for (int d = 0; d < 3; d++)
                hit = hit && place(at[d], v->size[d], corner[d], &weight[d]);
            for (int ch = 0; ch < v->channels; ch++)
                out->data[ch * mt_volume_voxels(out) + i] =
                    hit ? (float)interpolate(v->data + ch * mt_volume_voxels(v), v->size, corner, weight) : outside;
            inside += hit;
        }
    return inside;
}

static bool find_way(const mt_volume *v, const mt_volume *like, double to_voxel[16], GError **error)
{
    double inverse[16];

    if (!v->has_frame || !like->has_frame || !mt_affine_inverse(v->affine, inverse)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT,
                            "resample a volume onto another's grid: one of them has no place in the patient");
        return false;
    }
    mt_affine_multiply(inverse, like->affine, to_voxel);
    return true;
}

mt_volume *mt_volume_resample_like(const mt_volume *v, const mt_volume *like, float outside, int threads, GError **error)
{
    double to_voxel[16];
    bool   met = false;

    if (!find_way(v, like, to_voxel, error))
        return NULL;
    g_autoptr(mt_volume) out = mt_volume_new(like->size, v->channels, error);
    if (out == NULL)
        return NULL;
    memcpy(out->affine, like->affine, sizeof out->affine);
    memcpy(out->spacing_mm, like->spacing_mm, sizeof out->spacing_mm);
    out->has_frame = true;
#pragma omp parallel for schedule(dynamic, 1) num_threads(MAX(threads, 1))
    for (int64_t z = 0; z < out->size[2]; z++)
        if (fill_plane(v, to_voxel, z, outside, out) > 0) {
#pragma omp atomic write
            met = true;
        }
    if (met)
        return g_steal_pointer(&out);
    g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "resample a volume onto another's grid: they have no place in common");
    return NULL;
}

/* ---- sequences ---- */

static bool refuse(const mt_sequence *a, const mt_sequence *b, const char *reason, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "join %s (%s) and %s (%s): %s", a->role, a->path, b->role, b->path, reason);
    return false;
}

static bool check_given(const mt_sequence *sequences, int n, GError **error)
{
    g_autoptr(GString) missing = g_string_new(NULL), given = g_string_new(NULL);

    for (int i = 0; i < n; i++) {
        GString *list = sequences[i].volume == NULL ? missing : given;

        g_string_append_printf(list, "%s%s", list->len > 0 ? ", " : "", sequences[i].role);
        if (sequences[i].volume != NULL)
            g_string_append_printf(list, " (%s)", sequences[i].path);
    }
    if (missing->len == 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "join the sequences of a case: %s %s missing, and there %s %s", missing->str,
                strchr(missing->str, ',') != NULL ? "are" : "is", given->len > 0 ? "is" : "are", given->len > 0 ? given->str : "no others");
    return false;
}

static bool on_one_grid(const mt_volume *a, const mt_volume *b)
{
    if (memcmp(a->size, b->size, sizeof a->size) != 0 || a->has_frame != b->has_frame)
        return false;
    if (a->has_frame)
        return mt_affine_equal(a->affine, b->affine);
    return a->size[2] == 1; /* pictures of one size; without a frame volumes cannot be told to fit */
}

static bool may_register(const mt_sequence *a, const mt_sequence *b, mt_registering how)
{
    bool named = a->frame_of_reference != NULL && b->frame_of_reference != NULL;

    if (how == MT_REGISTER_NONE || (named && strcmp(a->frame_of_reference, b->frame_of_reference) != 0))
        return false;
    return named || how == MT_REGISTER_STATED;
}

static bool refuse_grids(const mt_sequence *a, const mt_sequence *b, mt_registering how, GError **error)
{
    const mt_volume *v = a->volume, *w = b->volume;
    const char      *advice = "resample them to one grid first, or say register=header where they share a frame of reference";

    if (!v->has_frame || !w->has_frame)
        return refuse(a, b, "their place in the patient is not known: nothing says that their voxels fit", error);
    if (how != MT_REGISTER_NONE && a->frame_of_reference != NULL && b->frame_of_reference != NULL)
        advice = "their frames of reference differ, so that the headers cannot bring them together: register them first";
    else if (how != MT_REGISTER_NONE)
        advice = "a header does not name its frame of reference: register them first, or say register=stated if they share it";
    g_autofree char *reason = g_strdup_printf("%" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT
                                              " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " voxels, corners up to %.4g mm apart: %s",
                                              v->size[0], v->size[1], v->size[2], w->size[0], w->size[1], w->size[2],
                                              mt_affine_distance(v->affine, v->size, w->affine, w->size), advice);
    return refuse(a, b, reason, error);
}

static mt_volume *make_joined(const mt_sequence *sequences, int n, GError **error)
{
    const mt_volume *first = sequences[0].volume;
    int              channels = 0;

    for (int i = 0; i < n; i++)
        channels += sequences[i].volume->channels;
    mt_volume *out = mt_volume_new(first->size, channels, error);
    if (out == NULL)
        return NULL;
    memcpy(out->affine, first->affine, sizeof out->affine);
    memcpy(out->spacing_mm, first->spacing_mm, sizeof out->spacing_mm);
    out->has_frame = first->has_frame;
    return out;
}

/* Into the channels from `channel` on. */
static bool add_sequence(mt_volume *out, int channel, const mt_sequence *first, const mt_sequence *s, mt_registering how, int threads,
                         GError **error)
{
    const mt_volume *v = s->volume;
    g_autoptr(mt_volume) moved = NULL;

    if (!on_one_grid(first->volume, v)) {
        if (!first->volume->has_frame || !v->has_frame || !may_register(first, s, how))
            return refuse_grids(first, s, how, error);
        moved = mt_volume_resample_like(v, first->volume, 0, threads, error);
        if (moved == NULL) {
            g_prefix_error(error, "join %s (%s) and %s (%s): ", first->role, first->path, s->role, s->path);
            return false;
        }
        v = moved;
    }
    memcpy(out->data + channel * mt_volume_voxels(out), v->data, (size_t)(mt_volume_voxels(out) * v->channels) * sizeof *v->data);
    return true;
}

mt_volume *mt_volume_align(const mt_sequence *sequences, int n, mt_registering how, int threads, GError **error)
{
    if (!check_given(sequences, n, error))
        return NULL;
    g_autoptr(mt_volume) out = make_joined(sequences, n, error);
    for (int i = 0, channel = 0; out != NULL && i < n; channel += sequences[i++].volume->channels)
        if (!add_sequence(out, channel, &sequences[0], &sequences[i], how, threads, error))
            return NULL;
    return g_steal_pointer(&out);
}

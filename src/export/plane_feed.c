#include "src/export/plane_feed.h"

#include "src/base/alloc.h"
#include "src/case/source.h"

#include <math.h>
#include <string.h>

mt_plane_axis mt_convert_axis(const mt_case *c, const mt_convert_params *params)
{
    mt_volume_turn turn;

    if (params->format == MT_CONVERT_PNG)
        return params->plane_axis;
    if (params->order == MT_CONVERT_RAS || mt_case_get_kind(c) != MT_CASE_VOLUME)
        return MT_AXIS_AXIAL;
    /* the direction along which the stored slices follow each other */
    turn = mt_volume_turn_between(c, MT_VOLUME_RAS, MT_VOLUME_STORED);
    return turn.axis[2] == 0 ? MT_AXIS_SAGITTAL : turn.axis[2] == 1 ? MT_AXIS_CORONAL : MT_AXIS_AXIAL;
}

/* Pictures are drawn from the top down, with the patient's right, or front, on the left: both axes of a plane run the other way. */
static mt_volume_turn choose_turn(mt_case *c, const mt_convert_params *params, bool has_frame)
{
    mt_volume_turn turn = {.axis = {0, 1, 2}};

    if (mt_case_get_kind(c) == MT_CASE_VOLUME && params->format != MT_CONVERT_PNG)
        return mt_volume_turn_between(c, MT_VOLUME_PLANES, params->order == MT_CONVERT_RAS ? MT_VOLUME_RAS : MT_VOLUME_STORED);
    turn.flip[0] = turn.flip[1] = params->format == MT_CONVERT_PNG && has_frame;
    return turn;
}

/* Frames that the header gives no place, and pictures, stand one way only. */
static bool check_axis(const mt_case *c, const mt_convert_params *p, GError **error)
{
    mt_plane_axis planes = mt_case_get_kind(c) == MT_CASE_VOLUME ? mt_case_orientation(c)->planes : MT_AXIS_AXIAL;

    if (p->format != MT_CONVERT_PNG || p->plane_axis == planes)
        return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT,
                        "its planes have no place in the patient and are drawn as they are stored: leave --plane out");
    return false;
}

static void find_spacing(mt_plane_feed *f)
{
    double um[3] = {0};
    bool   known = mt_case_mpp(f->c, &um[0], &um[1]);

    um[2] = mt_case_plane_spacing_um(f->c);
    /* a DICOM slice that is seen from its edge has no known thickness, but its frame is in mm all the same */
    f->unit_mm = known || strcmp(mt_case_backend(f->c), "dicom") == 0;
    for (int d = 0; d < 3; d++) {
        const double *a = f->affine + d;

        f->spacing_mm[d] = f->has_frame ? sqrt(a[0] * a[0] + a[4] * a[4] + a[8] * a[8]) : um[f->turn.axis[d]] / 1000;
    }
}

mt_plane_feed *mt_plane_feed_new(mt_case *c, const mt_convert_params *params, GError **error)
{
    g_autoptr(mt_plane_feed) f = g_new0(mt_plane_feed, 1);
    const mt_level *l = mt_case_level(c, 0);
    int64_t         size[3] = {l->width, l->height, mt_case_planes(c)};
    double          affine[16];

    if (!check_axis(c, params, error))
        return NULL;
    f->c = c;
    f->channels = mt_case_channels(c);
    f->dtype = mt_case_dtype(c);
    f->sample_bytes = mt_source_sample_bytes(f->dtype);
    f->has_frame = mt_case_affine(c, affine);
    f->turn = choose_turn(c, params, f->has_frame);
    if (f->turn.axis[2] != 2) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INTERNAL, "the case was opened along another axis than mt_convert_axis says");
        return NULL;
    }
    mt_volume_turn_size(&f->turn, size, f->size);
    if (f->has_frame)
        mt_volume_turn_affine(&f->turn, size, affine, f->affine);
    find_spacing(f);
    f->raw = mt_alloc(size[0] * size[1] * f->channels, f->sample_bytes, error);
    return f->raw != NULL ? g_steal_pointer(&f) : NULL;
}

void mt_plane_feed_free(mt_plane_feed *f)
{
    if (f == NULL)
        return;
    mt_free(f->raw);
    g_free(f);
}

size_t mt_plane_feed_bytes(const mt_plane_feed *f)
{
    return (size_t)(f->size[0] * f->size[1] * f->channels) * f->sample_bytes;
}

bool mt_plane_feed_read(mt_plane_feed *f, int64_t k, void *out, GError **error)
{
    if (f->c == NULL)
        return f->read(f->user, k, out, error);
    const mt_level      *l = mt_case_level(f->c, 0);
    const int64_t        size[3] = {l->width, l->height, 1};
    const mt_volume_turn turn = f->turn;
    bool                 plain = turn.axis[0] == 0 && !turn.flip[0] && !turn.flip[1];
    size_t               b = (size_t)f->channels * f->sample_bytes;
    int64_t              origin, step[3];
    const uint8_t       *pixel = f->raw;

    if (!mt_case_read_once(f->c, turn.flip[2] ? f->size[2] - 1 - k : k, 0, 0, 0, l->width, l->height, plain ? out : f->raw, error))
        return false;
    mt_volume_turn_strides(&turn, size, &origin, step);
    for (int64_t j = 0; !plain && j < size[1]; j++)
        for (int64_t i = 0; i < size[0]; i++, pixel += b)
            memcpy((uint8_t *)out + (size_t)(origin + i * step[0] + j * step[1]) * b, pixel, b);
    return true;
}

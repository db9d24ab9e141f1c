#include "src/case/volume_turn.h"

#include "src/case/source.h"

#include <string.h>

static mt_volume_turn from_planes(const mt_case *c, mt_volume_order to)
{
    const mt_orientation *o = mt_case_orientation(c);
    mt_volume_turn        turn = {.axis = {0, 1, 2}};
    int                   direction[3];

    if (to == MT_VOLUME_PLANES || mt_case_get_kind(c) != MT_CASE_VOLUME)
        return turn;
    mt_orientation_directions(o->planes, direction);
    for (int d = 0; d < 3; d++) {
        int target = to == MT_VOLUME_RAS ? direction[d] : o->axis[d];

        turn.axis[target] = d;
        turn.flip[target] = to == MT_VOLUME_STORED && o->flip[d];
    }
    return turn;
}

mt_volume_turn mt_volume_turn_between(const mt_case *c, mt_volume_order from, mt_volume_order to)
{
    mt_volume_turn first = from_planes(c, from), second = from_planes(c, to), back = first, turn;

    for (int d = 0; d < 3; d++) {
        back.axis[first.axis[d]] = d;
        back.flip[first.axis[d]] = first.flip[d];
    }
    for (int d = 0; d < 3; d++) {
        turn.axis[d] = back.axis[second.axis[d]];
        turn.flip[d] = back.flip[second.axis[d]] != second.flip[d];
    }
    return turn;
}

void mt_volume_turn_size(const mt_volume_turn *turn, const int64_t size[3], int64_t turned[3])
{
    for (int d = 0; d < 3; d++)
        turned[d] = size[turn->axis[d]];
}

void mt_volume_turn_strides(const mt_volume_turn *turn, const int64_t size[3], int64_t *origin, int64_t step[3])
{
    int64_t stride = 1;

    *origin = 0;
    for (int d = 0; d < 3; d++) {
        int64_t n = size[turn->axis[d]];

        step[turn->axis[d]] = turn->flip[d] ? -stride : stride;
        if (turn->flip[d])
            *origin += stride * (n - 1);
        stride *= n;
    }
}

void mt_volume_turn_affine(const mt_volume_turn *turn, const int64_t size[3], const double affine[16], double turned[16])
{
    memset(turned, 0, 16 * sizeof *turned);
    for (int row = 0; row < 3; row++) {
        double shift = affine[4 * row + 3];

        for (int d = 0; d < 3; d++) {
            double column = affine[4 * row + turn->axis[d]];

            turned[4 * row + d] = turn->flip[d] ? -column : column;
            if (turn->flip[d])
                shift += column * (double)(size[turn->axis[d]] - 1);
        }
        turned[4 * row + 3] = shift;
    }
    turned[15] = 1;
}

void mt_volume_order_size(const mt_case *c, mt_volume_order order, int64_t size[3])
{
    const mt_level *l = mt_case_level(c, 0);
    int64_t         planes[3] = {l->width, l->height, mt_case_planes(c)};
    mt_volume_turn  turn = mt_volume_turn_between(c, MT_VOLUME_PLANES, order);

    mt_volume_turn_size(&turn, planes, size);
}

/* Where voxels of `size` go. */
static void spread_values(const mt_volume_turn *turn, const int64_t size[3], const float *values, float *out)
{
    int64_t origin, step[3];

    mt_volume_turn_strides(turn, size, &origin, step);
    for (int64_t k = 0; k < size[2]; k++)
        for (int64_t j = 0; j < size[1]; j++)
            for (int64_t i = 0; i < size[0]; i++)
                out[origin + i * step[0] + j * step[1] + k * step[2]] = *values++;
}

mt_volume *mt_volume_turn_whole(const mt_volume *v, const mt_volume_turn *turn, GError **error)
{
    int64_t size[3];

    mt_volume_turn_size(turn, v->size, size);
    mt_volume *out = mt_volume_new(size, v->channels, error);
    if (out == NULL)
        return NULL;
    for (int ch = 0; ch < v->channels; ch++)
        spread_values(turn, v->size, v->data + ch * mt_volume_voxels(v), out->data + ch * mt_volume_voxels(v));
    for (int d = 0; d < 3; d++)
        out->spacing_mm[d] = v->spacing_mm[turn->axis[d]];
    out->has_frame = v->has_frame;
    if (v->has_frame)
        mt_volume_turn_affine(turn, v->size, v->affine, out->affine);
    return out;
}

void mt_volume_turn_labels(const mt_case *c, mt_volume_order from, mt_volume_order to, const uint8_t *labels, uint8_t *out)
{
    mt_volume_turn turn = mt_volume_turn_between(c, from, to);
    int64_t        size[3], origin, step[3];

    mt_volume_order_size(c, from, size);
    mt_volume_turn_strides(&turn, size, &origin, step);
    for (int64_t k = 0; k < size[2]; k++)
        for (int64_t j = 0; j < size[1]; j++)
            for (int64_t i = 0; i < size[0]; i++)
                out[origin + i * step[0] + j * step[1] + k * step[2]] = *labels++;
}

void mt_volume_turn_values(const mt_case *c, mt_volume_order from, mt_volume_order to, const float *values, float *out)
{
    mt_volume_turn turn = mt_volume_turn_between(c, from, to);
    int64_t        size[3];

    mt_volume_order_size(c, from, size);
    spread_values(&turn, size, values, out);
}

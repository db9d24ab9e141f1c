#include "src/case/orientation.h"

#include <nifti/nifti1_io.h>
#include <string.h>

/* Directions (0 R, 1 A, 2 S) of x, y, plane. */
static const int directions[3][3] = {
    [MT_AXIS_AXIAL] = {0, 1, 2},
    [MT_AXIS_CORONAL] = {0, 2, 1},
    [MT_AXIS_SAGITTAL] = {1, 2, 0},
};

void mt_orientation_directions(mt_plane_axis planes, int direction[3])
{
    memcpy(direction, directions[planes], sizeof directions[planes]);
}

/* Which stored axis runs along each direction, and whether against it. */
static bool find_axes(const double *affine, int axis[3], bool against[3])
{
    mat44 m = {0};
    int   code[3];

    for (int i = 0; i < 16; i++)
        m.m[i / 4][i % 4] = (float)affine[i];
    nifti_mat44_to_orientation(m, &code[0], &code[1], &code[2]);
    for (int stored = 0; stored < 3; stored++) {
        if (code[stored] < NIFTI_L2R || code[stored] > NIFTI_S2I)
            return false;
        /* Codes go in pairs: L2R 1, R2L 2, P2A 3, A2P 4, I2S 5, S2I 6. */
        int direction = (code[stored] - 1) / 2;
        axis[direction] = stored;
        against[direction] = (code[stored] - 1) % 2 == 1;
    }
    return true;
}

static void turn_affine(const double *affine, mt_orientation *o)
{
    memset(o->affine, 0, sizeof o->affine);
    for (int row = 0; row < 3; row++) {
        double shift = affine[4 * row + 3];

        for (int d = 0; d < 3; d++) {
            double column = affine[4 * row + o->axis[d]];

            o->affine[4 * row + d] = o->flip[d] ? -column : column;
            if (o->flip[d])
                shift += column * (double)(o->size[d] - 1);
        }
        o->affine[4 * row + 3] = shift;
    }
    o->affine[15] = 1;
}

bool mt_orientation_choose(const double *affine, const int64_t stored_size[3], mt_plane_axis planes, mt_orientation *out)
{
    int  axis[3] = {0, 1, 2};
    bool against[3] = {false};

    if (affine != NULL && !find_axes(affine, axis, against))
        return false;
    out->planes = planes;
    for (int d = 0; d < 3; d++) {
        int direction = directions[planes][d];

        out->axis[d] = axis[direction];
        out->flip[d] = against[direction];
        out->size[d] = stored_size[axis[direction]];
    }
    if (affine != NULL)
        turn_affine(affine, out);
    return true;
}

void mt_orientation_strides(const mt_orientation *o, int64_t *origin, int64_t step[3])
{
    int64_t stride = 1;

    *origin = 0;
    for (int d = 0; d < 3; d++) {
        step[o->axis[d]] = o->flip[d] ? -stride : stride;
        if (o->flip[d])
            *origin += stride * (o->size[d] - 1);
        stride *= o->size[d];
    }
}

#include "src/pipeline/dense_input.h"

#include "kernels/pixel/resample.h"
#include "src/base/alloc.h"
#include "src/case/volume_resample.h"
#include "src/pipeline/dense_scaling.h"

#include <string.h>

static mt_volume_turn swap_to(const int axes[3])
{
    return (mt_volume_turn){.axis = {axes[0], axes[1], axes[2]}};
}

static bool is_swapped(const int axes[3])
{
    return axes[0] != 0 || axes[1] != 1;
}

/* Copy `bytes` a voxel from one order of axes to another. */
static void turn_voxels(const mt_volume_turn *turn, const int64_t size[3], const void *from, size_t bytes, void *to)
{
    const char *in = from;
    int64_t     origin, step[3];

    mt_volume_turn_strides(turn, size, &origin, step);
    for (int64_t z = 0; z < size[2]; z++)
        for (int64_t y = 0; y < size[1]; y++) {
            char *out = (char *)to + (origin + z * step[2] + y * step[1]) * (int64_t)bytes;
            for (int64_t x = 0; x < size[0]; x++, in += bytes, out += step[0] * (int64_t)bytes)
                memcpy(out, in, bytes);
        }
}

static mt_volume *swap_axes(const mt_volume *v, const int axes[3], GError **error)
{
    mt_volume_turn turn = swap_to(axes);
    int64_t        size[3];

    mt_volume_turn_size(&turn, v->size, size);
    g_autoptr(mt_volume) swapped = mt_volume_new(size, v->channels, error);
    if (swapped == NULL)
        return NULL;
    for (int k = 0; k < v->channels; k++)
        turn_voxels(&turn, v->size, v->data + k * mt_volume_voxels(v), sizeof(float), swapped->data + k * mt_volume_voxels(v));
    for (int d = 0; d < 3; d++)
        swapped->spacing_mm[d] = v->spacing_mm[axes[d]];
    mt_volume_turn_affine(&turn, v->size, v->affine, swapped->affine);
    swapped->has_frame = v->has_frame;
    return g_steal_pointer(&swapped);
}

/* Each step lets go of what it was given. */
static bool take(mt_volume **volume, mt_volume *next)
{
    g_clear_pointer(volume, mt_volume_free);
    *volume = next;
    return next != NULL;
}

static bool read_whole(mt_case *c, const mt_dense_card *card, int64_t limit_bytes, int threads, mt_dense_input *in, GError **error)
{
    in->volume = mt_volume_read(c, in->order, limit_bytes, threads, error);
    if (in->volume == NULL)
        return false;
    memcpy(in->case_size, in->volume->size, sizeof in->case_size);
    memcpy(in->axes, card->axes, sizeof in->axes);
    if (is_swapped(in->axes) && !take(&in->volume, swap_axes(in->volume, in->axes, error)))
        return false;
    memcpy(in->size, in->volume->size, sizeof in->size);
    return true;
}

static bool cut(const mt_dense_card *card, mt_dense_input *in, GError **error)
{
    in->box = (mt_volume_box){.size = {in->size[0], in->size[1], in->size[2]}};
    if (!card->crop_nonzero)
        return true;
    uint8_t *mask = mt_volume_nonzero_mask(in->volume, error);
    if (mask == NULL)
        return false;
    in->box = mt_volume_mask_box(mask, in->size);
    mt_free(mask);
    return memcmp(in->box.size, in->size, sizeof in->size) == 0 || take(&in->volume, mt_volume_crop(in->volume, &in->box, error));
}

static bool wants_spacing(const mt_dense_card *card)
{
    return card->spacing_mm[0] > 0 || card->spacing_mm[1] > 0 || card->spacing_mm[2] > 0;
}

/* The axis that is resampled by itself, as the card wants it. */
static int separate_axis(const mt_dense_card *card, const double from_mm[3], const double to_mm[3])
{
    int coarsest = 0;

    if (card->apart <= 0)
        return card->apart < 0 ? mt_regrid_separate(from_mm, to_mm) : -1;
    for (int d = 1; d < 3; d++)
        if (from_mm[d] > from_mm[coarsest])
            coarsest = d;
    return coarsest;
}

static bool bring_to_spacing(const mt_case *c, const mt_dense_card *card, int threads, mt_dense_input *in, GError **error)
{
    double  wanted[3];
    int64_t size[3];

    memcpy(in->box_mm, in->volume->spacing_mm, sizeof in->box_mm);
    if (!wants_spacing(card))
        return true;
    for (int d = 0; d < 3; d++) {
        if (in->size[d] == 1 && in->box_mm[d] <= 0) /* a picture has no thickness */
            in->box_mm[d] = 1;
        wanted[d] = card->spacing_mm[d] > 0 ? card->spacing_mm[d] : in->box_mm[d];
        if (in->box_mm[d] <= 0) {
            g_set_error(
                error, MT_ERROR, MT_ERROR_SPACING,
                "prepare %s: network '%s' wants %g x %g x %g mm a voxel, and the case's spacing is unknown (%s): give --slide-mpp or a "
                "manifest column mpp",
                mt_case_path(c), card->name, card->spacing_mm[0], card->spacing_mm[1], card->spacing_mm[2], mt_case_mpp_source(c));
            return false;
        }
    }
    if (!mt_regrid_size(in->box.size, in->box_mm, wanted, size, error))
        return false;
    in->separate = separate_axis(card, in->box_mm, wanted);
    return memcmp(size, in->volume->size, sizeof size) == 0 ||
           take(&in->volume, mt_volume_resample(in->volume, size, card->image_order, in->separate, threads, error));
}

/* Slice by slice, channel by channel, to the network's edges. */
static bool stretch(const mt_dense_card *card, mt_dense_input *in, GError **error)
{
    int64_t      from = in->volume->size[0] * in->volume->size[1], to = card->patch[0] * card->patch[1];
    int64_t      size[3] = {card->patch[0], card->patch[1], in->volume->size[2]}, n = size[2] * in->volume->channels;
    mt_resample *resize = mt_resample_new(in->volume->size[0], in->volume->size[1], NULL, size[0], size[1], MT_FILTER_BILINEAR, error);
    g_autoptr(mt_volume) out = resize != NULL ? mt_volume_new(size, in->volume->channels, error) : NULL;
    bool ok = out != NULL;

    for (int64_t i = 0; ok && i < n; i++)
        ok = mt_resample_f32(resize, in->volume->data + i * from, out->data + i * to, error);
    mt_resample_free(resize);
    return ok && take(&in->volume, g_steal_pointer(&out));
}

bool mt_dense_input_read(mt_case *c, const mt_dense_card *card, mt_volume_order order, int64_t limit_bytes, int threads,
                         mt_dense_input *input, GError **error)
{
    *input = (mt_dense_input){.order = order, .separate = -1};
    return mt_dense_scaling_check(c, card, error) && read_whole(c, card, limit_bytes, threads, input, error) && cut(card, input, error) &&
           mt_dense_scaling_apply(c, card, input->volume, threads, error) &&
           (card->stretch ? stretch(card, input, error) : bring_to_spacing(c, card, threads, input, error));
}

void mt_dense_input_clear(mt_dense_input *input)
{
    g_clear_pointer(&input->volume, mt_volume_free);
}

#include "src/pipeline/object_crop.h"

#include "src/base/alloc.h"
#include "src/case/volume_read.h"
#include "src/case/volume_sample.h"
#include "src/pipeline/card_scale.h"
#include "src/pipeline/case_stages.h"

#include <math.h>
#include <string.h>

void mt_object_crop_turn(const mt_object_crop *crop, const double from[3], double to[3])
{
    for (int d = 0; d < 3; d++) {
        int axis = crop->turn.axis[d];
        to[d] = crop->turn.flip[d] ? (double)(crop->size[axis] - 1) - from[axis] : from[axis];
    }
}

static bool check_channels(const mt_object_crop *crop, GError **error)
{
    int channels = mt_case_channels(crop->run->tiles.c);

    if (channels == crop->card->n_channels)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "crop the objects of %s: network '%s' wants %d channels, the case has %d",
                crop->run->job->path, crop->card->name, crop->card->n_channels, channels);
    return false;
}

static bool is_slide(const mt_object_crop *crop)
{
    return mt_case_get_kind(crop->run->tiles.c) == MT_CASE_SLIDE;
}

/* Voxels from one sample to the next: the stage's mm, else the card's, else the case's own. */
static bool find_step(mt_object_crop *crop, const double spacing_mm[3], const int64_t size[3], GError **error)
{
    for (int d = 0; d < 3; d++) {
        double wanted = crop->stage->crop_mm > 0 ? crop->stage->crop_mm / (double)crop->card->patch[d] : crop->card->spacing_mm[d];
        crop->step[d] = 1;
        if (wanted <= 0 || size[d] == 1)
            continue;
        if (spacing_mm[d] <= 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_SPACING,
                        "crop the objects of %s: its spacing is unknown (%s): give --slide-mpp or a manifest "
                        "column mpp",
                        crop->run->job->path, mt_case_mpp_source(crop->run->tiles.c));
            return false;
        }
        crop->step[d] = wanted / spacing_mm[d];
    }
    return true;
}

bool mt_object_crop_begin(mt_object_crop *crop, mt_case_run *run, const mt_recipe_stage *stage, const mt_dense_card *card, GError **error)
{
    mt_case *c = run->tiles.c;
    double   mpp[2] = {0}, mm[3] = {0};
    int64_t  size[3];

    *crop = (mt_object_crop){.run = run, .stage = stage, .card = card};
    crop->turn = mt_volume_turn_between(c, MT_VOLUME_PLANES, card->order);
    mt_volume_order_size(c, MT_VOLUME_PLANES, crop->size);
    mt_volume_order_size(c, card->order, size);
    if (!check_channels(crop, error))
        return false;
    if (is_slide(crop)) {
        mt_case_mpp(c, &mpp[0], &mpp[1]);
        mm[0] = mpp[0] / 1000, mm[1] = mpp[1] / 1000;
        if (!mt_card_scale_check_slide(card, c, "crop the objects", error))
            return false;
    } else {
        crop->whole = mt_volume_read(c, card->order, run->p->recipe->memory_bytes, mt_case_stage_threads(run), error);
        if (crop->whole == NULL || !mt_card_scale(card, c, mt_case_stage_threads(run), crop->whole, error))
            return false;
        memcpy(mm, crop->whole->spacing_mm, sizeof mm);
    }
    crop->samples = mt_alloc(card->patch[0] * card->patch[1] * card->patch[2] * card->n_channels, sizeof(float), error);
    return crop->samples != NULL && find_step(crop, mm, size, error);
}

void mt_object_crop_clear(mt_object_crop *crop)
{
    g_clear_pointer(&crop->whole, mt_volume_free);
    mt_free(crop->samples);
    crop->samples = NULL;
}

/* The coarsest level that is not coarser than the samples. */
static int level_for(const mt_object_crop *crop)
{
    mt_case *c = crop->run->tiles.c;
    int      best = 0;

    for (int i = 1; i < mt_case_levels(c); i++) {
        const mt_level *level = mt_case_level(c, i);
        if (level->downsample_x <= crop->step[0] && level->downsample_y <= crop->step[1] &&
            level->downsample_x > mt_case_level(c, best)->downsample_x)
            best = i;
    }
    return best;
}

/* What lies round the centre of a slide, at the level that is fine enough. */
static bool take_slide(mt_object_crop *crop, const double centre[3], GError **error)
{
    mt_case        *c = crop->run->tiles.c;
    int             level = level_for(crop), channels = crop->card->n_channels;
    const mt_level *of = mt_case_level(c, level);
    const double    down[3] = {of->downsample_x, of->downsample_y, 1};
    double          step[3] = {1, 1, 1}, at[3] = {0};
    int64_t         first[2], size[3] = {1, 1, 1};

    for (int d = 0; d < 2; d++) {
        double middle = (centre[d] + 0.5) / down[d] - 0.5, half = (double)crop->card->patch[d] * crop->step[d] / down[d] / 2 + 2;
        step[d] = crop->step[d] / down[d];
        first[d] = (int64_t)floor(middle - half);
        size[d] = (int64_t)ceil(middle + half) - first[d] + 1;
        at[d] = middle - (double)first[d];
    }
    uint8_t *pixels = mt_alloc(size[0] * size[1], (size_t)channels, error);
    bool     ok = pixels != NULL && mt_case_read(c, 0, level, first[0], first[1], size[0], size[1], pixels, error);
    g_autoptr(mt_volume) part = ok ? mt_card_volume(pixels, size, channels, error) : NULL;
    mt_free(pixels);
    if (part == NULL || !mt_card_scale(crop->card, c, 1, part, error))
        return false;
    mt_volume_sample(part, at, step, crop->card->patch, crop->samples);
    return true;
}

/* Of an even number of samples the middle lies between two. */
static double on_voxels(double at, int64_t n)
{
    return n % 2 != 0 ? floor(at + 0.5) : floor(at) + 0.5;
}

bool mt_object_crop_take(mt_object_crop *crop, const double centre[3], GError **error)
{
    mt_object_crop_turn(crop, centre, crop->centre);
    for (int d = 0; d < 3; d++)
        if (fabs(crop->step[d] - 1) < 1e-6 && crop->card->patch[d] > 1)
            crop->centre[d] = on_voxels(crop->centre[d], crop->card->patch[d]);
    if (crop->whole == NULL)
        return take_slide(crop, crop->centre, error);
    mt_volume_sample(crop->whole, crop->centre, crop->step, crop->card->patch, crop->samples);
    return true;
}

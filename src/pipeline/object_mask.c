#include "src/pipeline/object_mask.h"

#include "src/base/alloc.h"

#include <math.h>

/* The part of the planes that the crop covers. */
typedef struct part {
    int64_t first[3], size[3];
} part;

static part part_of(const mt_object_crop *crop, const double centre[3])
{
    part p = {{0}, {0}};

    for (int d = 0; d < 3; d++) {
        int     axis = crop->turn.axis[d];
        double  half = (double)crop->card->patch[d] * crop->step[d] / 2;
        int64_t end = (int64_t)MIN(ceil(centre[axis] + half) + 1, (double)crop->size[axis]);
        p.first[axis] = (int64_t)MAX(floor(centre[axis] - half), 0);
        p.size[axis] = MAX(1, end - p.first[axis]);
    }
    return p;
}

/* Linear between samples; beyond the crop's outer half sample there is nothing. */
static double at_sample(const mt_object_crop *crop, const float *values, const double at[3])
{
    const int64_t *n = crop->card->patch;
    double         sum = 0, share[3];
    int64_t        low[3];

    for (int d = 0; d < 3; d++) {
        if (at[d] < -0.5 || at[d] > (double)n[d] - 0.5)
            return 0;
        double inside = CLAMP(at[d], 0, (double)(n[d] - 1));
        low[d] = MIN((int64_t)inside, MAX(n[d] - 2, 0));
        share[d] = inside - (double)low[d];
    }
    for (int corner = 0; corner < 8; corner++) {
        double  weight = 1;
        int64_t to[3];
        for (int d = 0; d < 3; d++) {
            int high = corner >> d & 1;
            weight *= high ? share[d] : 1 - share[d];
            to[d] = MIN(low[d] + high, n[d] - 1);
        }
        if (weight > 0)
            sum += weight * (double)values[(to[2] * n[1] + to[1]) * n[0] + to[0]];
    }
    return sum;
}

static void fill(const mt_object_crop *crop, const float *probability, const part *p, uint8_t *mask)
{
    double at[3], to[3];

    for (int64_t z = 0; z < p->size[2]; z++)
        for (int64_t y = 0; y < p->size[1]; y++)
            for (int64_t x = 0; x < p->size[0]; x++) {
                const double from[3] = {(double)(p->first[0] + x), (double)(p->first[1] + y), (double)(p->first[2] + z)};
                mt_object_crop_turn(crop, from, to);
                for (int d = 0; d < 3; d++)
                    at[d] = (to[d] - crop->centre[d]) / crop->step[d] + (double)(crop->card->patch[d] - 1) / 2;
                mask[(z * p->size[1] + y) * p->size[0] + x] = at_sample(crop, probability, at) >= 0.5;
            }
}

/* What stayed of the mask, into the map of the case. */
static void mark(const mt_object_crop *crop, const part *p, const uint8_t *mask, uint8_t value, uint8_t *map)
{
    for (int64_t z = 0; z < p->size[2]; z++)
        for (int64_t y = 0; y < p->size[1]; y++)
            for (int64_t x = 0; x < p->size[0]; x++)
                if (mask[(z * p->size[1] + y) * p->size[0] + x] != 0)
                    map[((p->first[2] + z) * crop->size[1] + p->first[1] + y) * crop->size[0] + p->first[0] + x] = value;
}

static bool reaches_rim(const mt_object_crop *crop, const part *p, const mt_object *object)
{
    for (int d = 0; d < 3; d++) {
        int64_t first = p->first[d], end = first + p->size[d];
        if ((first > 0 && object->box[d] <= first + 1) || (end < crop->size[d] && object->box[3 + d] >= end - 1))
            return true;
    }
    return false;
}

bool mt_object_mask_take(const mt_object_crop *crop, const float *probability, mt_objects *objects, mt_object *object, uint8_t *map,
                         bool *cut, GError **error)
{
    part     p = part_of(crop, object->centre);
    uint8_t *mask = mt_alloc(p.size[0] * p.size[1] * p.size[2], 1, error);
    bool     found = false, ok = mask != NULL;

    if (ok)
        fill(crop, probability, &p, mask);
    ok = ok && mt_objects_set_mask(objects, object, mask, p.first, p.size, &found, error);
    *cut = ok && found && reaches_rim(crop, &p, object);
    if (ok && found && map != NULL)
        mark(crop, &p, mask, (uint8_t)(object->label + 1), map);
    mt_free(mask);
    return ok;
}

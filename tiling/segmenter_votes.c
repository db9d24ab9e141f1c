#include "tiling/segmenter_votes.h"

#include "src/base/alloc.h"

#include <math.h>

#define MAX_FACTOR 254 /* model pixels per mask pixel and axis: the square of one more fits 16 bits */

int64_t mt_vote_axis_at(const mt_vote_axis *axis, int64_t i)
{
    double centre = (double)i + 0.5;

    if (!(centre < axis->model))
        return -1;
    return MIN(axis->mask - 1, (int64_t)(centre * (double)axis->mask / axis->model));
}

/* wanted: level-0 pixels per mask pixel. */
static bool init_axis(mt_vote_axis *axis, int64_t level0, double ratio, double wanted, GError **error)
{
    double factor = CLAMP(floor(wanted / ratio + 0.5), 1, MAX_FACTOR);

    axis->model = (double)level0 / ratio;
    axis->mask = MAX(1, (int64_t)floor(axis->model / factor + 0.5));
    axis->counts = mt_alloc(axis->mask, sizeof *axis->counts, error);
    for (int64_t i = 0, at; axis->counts != NULL && (at = mt_vote_axis_at(axis, i)) >= 0; i++)
        axis->counts[at]++;
    return axis->counts != NULL;
}

bool mt_votes_init(mt_votes *votes, const mt_case *c, double ratio_x, double ratio_y, GError **error)
{
    mt_overview     raster = mt_tissue_overview(c);
    const mt_level *plane = mt_case_level(c, 0);

    if (!init_axis(&votes->x, plane->width, ratio_x, (double)plane->width / (double)raster.width, error) ||
        !init_axis(&votes->y, plane->height, ratio_y, (double)plane->height / (double)raster.height, error))
        return false;
    votes->votes = mt_alloc(votes->x.mask * votes->y.mask, sizeof *votes->votes, error);
    return votes->votes != NULL;
}

void mt_votes_clear(mt_votes *votes)
{
    mt_free(votes->x.counts);
    mt_free(votes->y.counts);
    mt_free(votes->votes);
}

void mt_votes_add(mt_votes *votes, int64_t mask_x, int64_t mask_y)
{
    __atomic_fetch_add(&votes->votes[mask_y * votes->x.mask + mask_x], 1, __ATOMIC_RELAXED);
}

void mt_votes_decide(const mt_votes *votes, uint8_t *pixels)
{
    for (int64_t y = 0; y < votes->y.mask; y++)
        for (int64_t x = 0; x < votes->x.mask; x++) {
            int64_t at = y * votes->x.mask + x, n = (int64_t)votes->x.counts[x] * votes->y.counts[y];
            pixels[at] = 2 * (int64_t)votes->votes[at] > n ? 255 : 0;
        }
}

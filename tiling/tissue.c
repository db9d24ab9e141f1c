/* Tissue on a stained slide: saturation, 7 x 7 median, Otsu, near 1/16 of level 0.
 *
 * Otsu splits any histogram, also one of bare glass, so a split must earn its name.  Two limits, both taken from the fixed
 * thresholds that CLAM's presets use on the same median saturation (8 and 15 of 255):
 *   - the classes' means differ by at least 8: less is noise within one kind of glass or one kind of tissue;
 *   - the upper mean is above 15: less is two kinds of glass (scanned and padded, or two scan stripes).
 * A split that fails either says nothing about tissue; what lies above it is split again, since little tissue on much glass looks
 * like this.  When nothing is left to split the plane is of one kind: tissue when its mean is at least 32 (an image cut out of
 * tissue), else glass and the mask is empty.
 *
 * Where even the largest channel is below 16 nothing was scanned (black padding, the ground of fluorescence): such pixels are
 * never tissue and do not count in the histogram, and their unstable saturation is taken as 0.
 */
#include "src/base/alloc.h"
#include "tiling/mask_private.h"
#include "tiling/median.h"
#include "tiling/otsu.h"
#include "tiling/saturation.h"

#include <math.h>

#define DOWNSAMPLE 16.0
#define MAX_MASK_PX 67108864.0 /* 2^26: slides over 131,072 px per side get a coarser mask */
#define MAX_IMAGE_SIDE_PX 1024
#define DARK_BELOW 16
#define MIN_CONTRAST 8.0
#define GLASS_UP_TO 15.0
#define TISSUE_AT_LEAST 32.0
#define NOTHING_IS_ABOVE 255

int mt_tissue_threshold(const int64_t histogram[256])
{
    double mean = mt_otsu_mean(histogram, 256);

    for (int above = -1;;) {
        mt_otsu split = mt_otsu_split(histogram, 256, above);
        if (split.threshold < 0)
            break;
        if (split.upper - split.lower >= MIN_CONTRAST && split.upper > GLASS_UP_TO)
            return split.threshold;
        above = split.threshold;
    }
    return mean >= TISSUE_AT_LEAST ? 0 : NOTHING_IS_ABOVE;
}

static int find_threshold(const uint8_t *median, int64_t n, int64_t dark)
{
    int64_t histogram[256] = {0};

#pragma omp parallel for schedule(static) reduction(+ : histogram)
    for (int64_t i = 0; i < n; i++)
        histogram[median[i]]++;
    histogram[0] -= MIN(dark, histogram[0]);
    return mt_tissue_threshold(histogram);
}

static void apply_threshold(uint8_t *pixels, int64_t n, int threshold)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++)
        pixels[i] = pixels[i] > threshold ? 255 : 0;
}

/* An image may be a thumbnail already. */
mt_overview mt_tissue_overview(const mt_case *c)
{
    const mt_level *level0 = mt_case_level(c, 0);
    double          coarser = sqrt((double)level0->width * (double)level0->height / (MAX_MASK_PX * DOWNSAMPLE * DOWNSAMPLE));

    if (mt_case_get_kind(c) != MT_CASE_SLIDE)
        return mt_overview_within(c, 0, MAX_IMAGE_SIDE_PX);
    return mt_overview_near(c, DOWNSAMPLE * MAX(1, coarser));
}

bool mt_tissue_find(mt_case *c, mt_foreground *found, GError **error)
{
    mt_overview overview = mt_tissue_overview(c);
    int64_t     n = overview.width * overview.height;
    int64_t     dark = 0;
    g_auto(mt_unread_area) unread = {0};
    uint8_t *saturation = mt_saturation_read(c, &overview, DARK_BELOW, &dark, &unread, "find tissue by saturation", error);

    if (saturation == NULL)
        return false;
    uint8_t *median = mt_alloc(n, 1, error);
    bool     ok = median && mt_median7(saturation, overview.width, overview.height, median, error);
    mt_free(saturation);
    if (!ok) {
        mt_free(median);
        return false;
    }
    apply_threshold(median, n, find_threshold(median, n, dark));
    mt_unread_area_mark(&unread, median, overview.width);
    *found = (mt_foreground){overview.width, overview.height, median, NULL};
    return true;
}

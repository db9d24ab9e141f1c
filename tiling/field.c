/* Field of view of a fundus photograph: the bright disc on a dark ground.
 * Luminance above an eighth of the way from the darkest to the brightest (0.5 and 99.5 percentile: dust and reflections do not
 * count), largest component, filled.  Where even the darkest is above an eighth of the brightest there is no dark ground: the
 * field is the whole plane. */
#include "src/base/alloc.h"
#include "tiling/components.h"
#include "tiling/intensity_histogram.h"
#include "tiling/mask_private.h"
#include "tiling/overview.h"

#include <string.h>

#define MAX_SIDE_PX 1024
#define SHARE 0.125

typedef struct plane {
    int64_t width;
    int     channels;
    bool    is_u8;
    float  *luminance;
} plane;

static void store_row(void *user, int64_t x, int64_t y, int64_t count, const void *samples)
{
    plane *p = user;

    mt_luminance_row(samples, p->is_u8, p->channels, count, p->luminance + y * p->width + x);
}

static void threshold_plane(const float *luminance, int64_t n, uint8_t *pixels)
{
    mt_intensity_histogram h;
    float                  low = 0, high = 0;

    mt_intensity_histogram_init(&h);
    mt_intensity_histogram_range(&h, luminance, n);
    mt_intensity_histogram_add(&h, luminance, n);
    mt_intensity_histogram_percentiles(&h, 0.005, 0.995, &low, &high);
    bool whole = low > SHARE * high;
    for (int64_t i = 0; i < n; i++)
        pixels[i] = whole || luminance[i] > low + SHARE * (high - low) ? 255 : 0;
}

bool mt_field_find(mt_case *c, mt_foreground *found, GError **error)
{
    mt_overview o = mt_overview_within(c, 0, MAX_SIDE_PX);
    plane       p = {.width = o.width, .channels = mt_case_channels(c), .is_u8 = mt_case_dtype(c) == MT_U8};
    int64_t     n = o.width * o.height;

    p.luminance = mt_alloc(n, sizeof(float), error);
    uint8_t *pixels = p.luminance ? mt_alloc(n, 1, error) : NULL;
    bool     ok = pixels && mt_overview_read(c, 0, &o, store_row, NULL, &p, error);
    if (!ok)
        g_prefix_error(error, "find the field of view: ");
    if (ok) {
        threshold_plane(p.luminance, n, pixels);
        ok = mt_components_keep_largest_filled(pixels, o.width, o.height, error);
    }
    mt_free(p.luminance);
    if (!ok) {
        mt_free(pixels);
        return false;
    }
    *found = (mt_foreground){o.width, o.height, pixels, NULL};
    return true;
}

/* The body on CT, MRI and X-ray: Otsu of the intensity over the whole volume (4,096 bins between the extremes, cut at the 0.5 and 99.5
 * percentile so that metal does not shift it), a pixel being body where any plane is; then the largest component, filled.
 * Planes are read three times and one is held at a time: memory does not grow with the volume. */
#include "src/base/alloc.h"
#include "tiling/components.h"
#include "tiling/intensity_histogram.h"
#include "tiling/mask_private.h"
#include "tiling/otsu.h"
#include "tiling/overview.h"

#include <math.h>
#include <string.h>

#define MAX_SIDE_PX 1024
#define MAX_HISTOGRAM_PLANES 64

typedef struct volume {
    mt_case               *c;
    mt_overview            overview;
    float                 *plane;
    uint8_t               *pixels;
    mt_intensity_histogram histogram;
    double                 threshold;
} volume;

static void store_row(void *user, int64_t x, int64_t y, int64_t count, const void *samples)
{
    volume *v = user;

    mt_luminance_row(samples, mt_case_dtype(v->c) == MT_U8, mt_case_channels(v->c), count, v->plane + y * v->overview.width + x);
}

typedef void (*visit)(volume *v, int64_t n);

static bool visit_planes(volume *v, int64_t step, visit see, GError **error)
{
    for (int64_t p = 0; p < mt_case_planes(v->c); p += step) {
        if (!mt_overview_read(v->c, p, &v->overview, store_row, NULL, v, error)) {
            g_prefix_error(error, "find the body on plane %" G_GINT64_FORMAT ": ", p);
            return false;
        }
        see(v, v->overview.width * v->overview.height);
    }
    return true;
}

static void see_range(volume *v, int64_t n)
{
    mt_intensity_histogram_range(&v->histogram, v->plane, n);
}

static void see_histogram(volume *v, int64_t n)
{
    mt_intensity_histogram_add(&v->histogram, v->plane, n);
}

static void see_body(volume *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (v->plane[i] > v->threshold)
            v->pixels[i] = 255;
}

/* Counts beyond the percentiles move into the outermost bins that stay. */
static double choose_threshold(mt_intensity_histogram *h)
{
    float low, high;

    mt_intensity_histogram_percentiles(h, 0.005, 0.995, &low, &high);
    int first = mt_intensity_histogram_bin(h, low), last = mt_intensity_histogram_bin(h, high);
    for (int i = 0; i < first; i++) {
        h->bins[first] += h->bins[i];
        h->bins[i] = 0;
    }
    for (int i = last + 1; i < MT_INTENSITY_BINS; i++) {
        h->bins[last] += h->bins[i];
        h->bins[i] = 0;
    }
    mt_otsu split = mt_otsu_split(h->bins, MT_INTENSITY_BINS, -1);
    return split.threshold < 0 ? INFINITY : mt_intensity_histogram_edge(h, split.threshold);
}

static bool find(volume *v, GError **error)
{
    int64_t step = (mt_case_planes(v->c) + MAX_HISTOGRAM_PLANES - 1) / MAX_HISTOGRAM_PLANES;

    mt_intensity_histogram_init(&v->histogram);
    if (!visit_planes(v, step, see_range, error) || !visit_planes(v, step, see_histogram, error))
        return false;
    v->threshold = choose_threshold(&v->histogram);
    return visit_planes(v, 1, see_body, error) &&
           mt_components_keep_largest_filled(v->pixels, v->overview.width, v->overview.height, error);
}

bool mt_body_find(mt_case *c, mt_foreground *found, GError **error)
{
    volume *v = g_new0(volume, 1);

    v->c = c;
    v->overview = mt_overview_within(c, 0, MAX_SIDE_PX);
    v->plane = mt_alloc(v->overview.width * v->overview.height, sizeof(float), error);
    v->pixels = v->plane ? mt_alloc(v->overview.width * v->overview.height, 1, error) : NULL;
    bool ok = v->pixels && find(v, error);
    mt_free(v->plane);
    if (ok)
        *found = (mt_foreground){v->overview.width, v->overview.height, v->pixels, NULL};
    else
        mt_free(v->pixels);
    g_free(v);
    return ok;
}

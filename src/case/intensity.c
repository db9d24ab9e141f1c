#include "src/case/intensity.h"

#include "src/base/alloc.h"
#include "src/case/order_statistics.h"
#include "src/case/source.h"

#include <math.h>
#include <string.h>

#define BAND_BYTES (INT64_C(8) << 20)

typedef struct survey {
    mt_dtype            dtype;
    double              sum, mean, squares;
    bool                second_pass;
    mt_order_statistics order;
} survey;

static float sample_at(const void *samples, int64_t i, mt_dtype dtype)
{
    switch (dtype) {
    case MT_U8:
        return ((const uint8_t *)samples)[i];
    case MT_U16:
        return ((const uint16_t *)samples)[i];
    case MT_I16:
        return ((const int16_t *)samples)[i];
    default:
        return ((const float *)samples)[i];
    }
}

static bool count_upper(survey *s, const void *samples, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float value = sample_at(samples, i, s->dtype);

        if (!isfinite(value))
            return false;
        mt_order_count_upper(&s->order, value);
        s->sum += (double)value;
    }
    return true;
}

static void count_lower(survey *s, const void *samples, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float  value = sample_at(samples, i, s->dtype);
        double distance = (double)value - s->mean;

        mt_order_count_lower(&s->order, value);
        s->squares += distance * distance;
    }
}

static bool visit_plane(survey *s, mt_case *c, int64_t plane, void *band, int64_t band_rows, GError **error)
{
    const mt_level *l = mt_case_level(c, 0);

    for (int64_t y = 0; y < l->height; y += band_rows) {
        int64_t rows = MIN(band_rows, l->height - y), n = rows * l->width * mt_case_channels(c);

        if (!mt_case_read(c, plane, 0, 0, y, l->width, rows, band, error))
            return false;
        if (s->second_pass) {
            count_lower(s, band, n);
        } else if (!count_upper(s, band, n)) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "intensities of %s: plane %" G_GINT64_FORMAT " has a sample that is not finite; replace such samples",
                        mt_case_path(c), plane);
            return false;
        }
    }
    return true;
}

static bool visit_case(survey *s, mt_case *c, GError **error)
{
    const mt_level *l = mt_case_level(c, 0);
    int64_t         row_bytes = l->width * mt_case_channels(c) * (int64_t)mt_source_sample_bytes(s->dtype);
    int64_t         band_rows = CLAMP(BAND_BYTES / row_bytes, 1, l->height);
    void           *band = mt_alloc(band_rows, (size_t)row_bytes, error);
    bool            ok = band != NULL;

    for (int64_t plane = 0; ok && plane < mt_case_planes(c); plane++)
        ok = visit_plane(s, c, plane, band, band_rows, error);
    mt_free(band);
    return ok;
}

bool mt_case_intensity(mt_case *c, mt_intensity *out, GError **error)
{
    survey *s = mt_alloc(1, sizeof *s, error);

    if (s == NULL)
        return false;
    s->dtype = mt_case_dtype(c);
    s->order.q[0] = 0.5 / 100;
    s->order.q[1] = 99.5 / 100;
    bool ok = visit_case(s, c, error);
    if (ok) {
        s->mean = s->sum / (double)s->order.count;
        mt_order_place(&s->order);
        s->second_pass = true;
        ok = visit_case(s, c, error);
    }
    if (ok)
        *out = (mt_intensity){.low = mt_order_percentile(&s->order, 0),
                              .high = mt_order_percentile(&s->order, 1),
                              .mean = s->mean,
                              .std = sqrt(s->squares / (double)s->order.count)};
    mt_free(s);
    return ok;
}

/* Exact order statistics without keeping the samples: they are counted by the upper 16 bits of a 32-bit key that sorts as
 * they do; a second pass counts the lower 16 bits of the few buckets in which the wanted ranks fall. */
#include "src/case/intensity.h"

#include "src/base/alloc.h"
#include "src/case/source.h"

#include <math.h>
#include <string.h>

#define BUCKETS 65536
#define BAND_BYTES (INT64_C(8) << 20)
/* The ranks below and above each of two percentiles. */
#define N_RANKS 4

typedef struct survey {
    mt_dtype dtype;
    int64_t  count;
    int64_t  upper[BUCKETS];
    int64_t  lower[N_RANKS][BUCKETS];
    uint32_t bucket[N_RANKS]; /* upper half of the key of each rank */
    int64_t  rank[N_RANKS];   /* within its bucket */
    double   sum, mean, squares;
    bool     second_pass;
} survey;

/* Floats sort as their bits do once negative ones are turned round. */
static uint32_t key_of_float(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return (bits >> 31) != 0 ? ~bits : bits | UINT32_C(0x80000000);
}

static double float_of_key(uint32_t key)
{
    uint32_t bits = (key >> 31) != 0 ? key & UINT32_C(0x7fffffff) : ~key;
    float    value;

    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

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
        /* -0 and 0 are one value. */
        s->upper[key_of_float(value + 0.0f) >> 16]++;
        s->sum += (double)value;
    }
    s->count += n;
    return true;
}

static void count_lower(survey *s, const void *samples, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float    value = sample_at(samples, i, s->dtype);
        uint32_t key = key_of_float(value + 0.0f);
        double   distance = (double)value - s->mean;

        for (int r = 0; r < N_RANKS; r++)
            if (s->bucket[r] == key >> 16)
                s->lower[r][key & 0xffff]++;
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

/* Index of the bucket that holds `*rank`, which becomes its rank within. */
static uint32_t find_bucket(const int64_t *counts, int64_t *rank)
{
    uint32_t bucket = 0;

    while (*rank >= counts[bucket])
        *rank -= counts[bucket++];
    return bucket;
}

/* numpy: position (n - 1) * q, then lerp between the neighbours, from the nearer end. */
static double position(const survey *s, double q)
{
    return (double)(s->count - 1) * q;
}

static void place_ranks(survey *s, const double q[2])
{
    for (int r = 0; r < N_RANKS; r++) {
        s->rank[r] = MIN((int64_t)floor(position(s, q[r / 2])) + r % 2, s->count - 1);
        s->bucket[r] = find_bucket(s->upper, &s->rank[r]);
    }
}

static double percentile(survey *s, const double q[2], int which)
{
    double ends[2], at = position(s, q[which]), t = at - floor(at);

    for (int side = 0; side < 2; side++) {
        int      r = 2 * which + side;
        uint32_t low = find_bucket(s->lower[r], &s->rank[r]);

        ends[side] = float_of_key(s->bucket[r] << 16 | low);
    }
    double step = ends[1] - ends[0];
    return t >= 0.5 ? ends[1] - step * (1 - t) : ends[0] + step * t;
}

bool mt_case_intensity(mt_case *c, mt_intensity *out, GError **error)
{
    static const double q[2] = {0.5 / 100, 99.5 / 100};
    survey             *s = mt_alloc(1, sizeof *s, error);

    if (s == NULL)
        return false;
    s->dtype = mt_case_dtype(c);
    bool ok = visit_case(s, c, error);
    if (ok) {
        s->mean = s->sum / (double)s->count;
        place_ranks(s, q);
        s->second_pass = true;
        ok = visit_case(s, c, error);
    }
    if (ok)
        *out = (mt_intensity){
            .low = percentile(s, q, 0), .high = percentile(s, q, 1), .mean = s->mean, .std = sqrt(s->squares / (double)s->count)};
    mt_free(s);
    return ok;
}

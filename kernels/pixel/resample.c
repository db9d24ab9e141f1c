#include "kernels/pixel/resample_private.h"
#include "src/base/alloc.h"
#include "src/base/limits.h"

#include <math.h>
#include <string.h>

static bool check_geometry(int64_t src_w, int64_t src_h, const float box[4], int64_t dst_w, int64_t dst_h, GError **error)
{
    const int64_t most = MT_LIMIT_SLIDE_EDGE_PX;

    if (src_w < 1 || src_h < 1 || dst_w < 1 || dst_h < 1 || MAX(src_w, src_h) > most || MAX(dst_w, dst_h) > most) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                    "resize %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                    " pixels: edges are 1 to %" G_GINT64_FORMAT,
                    src_w, src_h, dst_w, dst_h, most);
        return false;
    }
    if (!(box[0] >= 0 && box[1] >= 0 && box[2] <= src_w && box[3] <= src_h && box[0] < box[2] && box[1] < box[3])) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                    "resize the box (%g, %g, %g, %g) of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                    " pixels: the box is empty or leaves the image",
                    box[0], box[1], box[2], box[3], src_w, src_h);
        return false;
    }
    return true;
}

static mt_resample_way choose_way(const float box[4], int64_t dst_w, int64_t dst_h, mt_filter filter)
{
    bool whole = box[0] == truncf(box[0]) && box[1] == truncf(box[1]);

    if (whole && box[2] - box[0] == dst_w && box[3] - box[1] == dst_h)
        return MT_WAY_CROP;
    return filter == MT_FILTER_NEAREST ? MT_WAY_NEAREST : MT_WAY_FILTER;
}

mt_resample *mt_resample_new(int64_t src_w, int64_t src_h, const double box[4], int64_t dst_w, int64_t dst_h, mt_filter filter,
                             GError **error)
{
    float used[4] = {0, 0, (float)src_w, (float)src_h};

    for (int i = 0; box != NULL && i < 4; i++)
        used[i] = (float)box[i];
    if (!check_geometry(src_w, src_h, used, dst_w, dst_h, error))
        return NULL;
    g_autoptr(mt_resample) r = g_new0(mt_resample, 1);
    r->way = choose_way(used, dst_w, dst_h, filter);
    /* A crop needs no weights: the cheapest axis, which also knows where the box begins. */
    mt_filter weights = r->way == MT_WAY_CROP ? MT_FILTER_NEAREST : filter;
    if (!mt_axis_init(&r->x, src_w, dst_w, used[0], used[2], weights, error) ||
        !mt_axis_init(&r->y, src_h, dst_h, used[1], used[3], weights, error))
        return NULL;
    return g_steal_pointer(&r);
}

void mt_resample_free(mt_resample *r)
{
    if (r == NULL)
        return;
    mt_axis_clear(&r->x);
    mt_axis_clear(&r->y);
    mt_free(r->scratch);
    mt_free(r->between);
    mt_free(r->between_f);
    g_free(r);
}

bool mt_resample_is_copy(const mt_resample *r)
{
    return !r->x.needed && !r->y.needed;
}

static void crop(const mt_resample *r, const void *src, size_t pixel_bytes, void *dst)
{
    size_t src_stride = (size_t)r->x.src * pixel_bytes, row_bytes = (size_t)r->x.dst * pixel_bytes;
    size_t left = (size_t)r->x.low * pixel_bytes, top = (size_t)r->y.low;

    for (size_t y = 0; y < (size_t)r->y.dst; y++)
        memcpy((char *)dst + y * row_bytes, (const char *)src + (top + y) * src_stride + left, row_bytes);
}

static void nearest(const mt_resample *r, const void *src, size_t pixel_bytes, void *dst)
{
    const char *from = src;
    char       *to = dst;

    for (int64_t y = 0; y < r->y.dst; y++)
        for (int64_t x = 0; x < r->x.dst; x++, to += pixel_bytes)
            if (r->y.first[y] < 0 || r->x.first[x] < 0)
                memset(to, 0, pixel_bytes);
            else
                memcpy(to, from + (size_t)(r->y.first[y] * r->x.src + r->x.first[x]) * pixel_bytes, pixel_bytes);
}

bool mt_resample_move(const mt_resample *r, const void *src, size_t pixel_bytes, void *dst)
{
    if (r->way == MT_WAY_CROP)
        crop(r, src, pixel_bytes, dst);
    else if (r->way == MT_WAY_NEAREST)
        nearest(r, src, pixel_bytes, dst);
    return r->way != MT_WAY_FILTER;
}

static bool make_scratch(mt_resample *r, int channels, GError **error)
{
    int64_t rows = r->y.end - r->y.begin;

    if (r->channels == channels)
        return true;
    mt_free(r->scratch);
    mt_free(r->between);
    r->channels = 0;
    r->between = NULL;
    r->scratch = mt_alloc(r->x.needed ? mt_resample_horizontal_scratch(&r->x, channels) : 0, 1, error);
    if (r->scratch != NULL)
        r->between = mt_alloc(r->x.needed && r->y.needed ? rows : 0, (size_t)(r->x.dst * channels), error);
    if (r->between == NULL)
        return false;
    r->channels = channels;
    return true;
}

static bool check_channels(int channels, GError **error)
{
    if (channels < 1 || channels > 4)
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "resize an image of %d channels: 1 to 4 are possible", channels);
    return channels >= 1 && channels <= 4;
}

bool mt_resample_u8(mt_resample *r, const uint8_t *src, int channels, uint8_t *dst, GError **error)
{
    if (!check_channels(channels, error))
        return false;
    if (mt_resample_move(r, src, (size_t)channels, dst))
        return true;
    if (!make_scratch(r, channels, error))
        return false;
    /* Without a vertical pass all rows are made; with one, those it uses. */
    const uint8_t *used = src + (r->y.needed ? r->y.begin * r->x.src * channels : 0);
    if (!r->x.needed) {
        mt_resample_vertical(&r->y, used, r->x.dst * channels, r->portable, dst);
        return true;
    }
    int64_t rows = r->y.needed ? r->y.end - r->y.begin : r->y.src;
    mt_resample_horizontal(&r->x, used, rows, channels, r->portable, r->scratch, r->y.needed ? r->between : dst);
    if (r->y.needed)
        mt_resample_vertical(&r->y, r->between, r->x.dst * channels, r->portable, dst);
    return true;
}

static void horizontal_f32(const mt_axis *axis, const float *src, int64_t rows, float *dst)
{
    for (int64_t y = 0; y < rows; y++, src += axis->src)
        for (int64_t x = 0; x < axis->dst; x++) {
            const double *weight = axis->weight + x * axis->taps;
            double        sum = 0.0;
            for (int64_t k = 0; k < axis->count[x]; k++)
                sum += src[axis->first[x] + k] * weight[k];
            *dst++ = (float)sum;
        }
}

/* As many columns at a time as their float64 sums take no more than a small buffer. */
static void vertical_f32(const mt_axis *axis, const float *src, int64_t columns, float *dst)
{
    enum { PIECE = 256 };
    double sum[PIECE];

    for (int64_t y = 0; y < axis->dst; y++)
        for (int64_t at = 0; at < columns; at += PIECE) {
            int64_t n = MIN(PIECE, columns - at);
            memset(sum, 0, sizeof sum);
            for (int64_t k = 0; k < axis->count[y]; k++) {
                const float *row = src + (axis->first[y] - axis->begin + k) * columns + at;
                double       weight = axis->weight[y * axis->taps + k];
                for (int64_t i = 0; i < n; i++)
                    sum[i] += row[i] * weight;
            }
            for (int64_t i = 0; i < n; i++)
                dst[y * columns + at + i] = (float)sum[i];
        }
}

bool mt_resample_f32(mt_resample *r, const float *src, float *dst, GError **error)
{
    if (mt_resample_move(r, src, sizeof *src, dst))
        return true;
    const float *used = src + (r->y.needed ? r->y.begin * r->x.src : 0);
    int64_t      rows = r->y.needed ? r->y.end - r->y.begin : r->y.src;
    if (!r->x.needed) {
        vertical_f32(&r->y, used, r->x.dst, dst);
        return true;
    }
    if (r->y.needed && r->between_f == NULL)
        r->between_f = mt_alloc(rows, sizeof(float) * (size_t)r->x.dst, error);
    if (r->y.needed && r->between_f == NULL)
        return false;
    horizontal_f32(&r->x, used, rows, r->y.needed ? r->between_f : dst);
    if (r->y.needed)
        vertical_f32(&r->y, r->between_f, r->x.dst, dst);
    return true;
}

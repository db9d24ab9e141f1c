#include "kernels/pixel/normalise.h"

int mt_plane_order_count(mt_plane_order order)
{
    return order == MT_PLANES_GRAY ? 1 : 3;
}

static float value_of(const mt_normalise *n, float v, int plane)
{
    float clamped = v < n->low ? n->low : v > n->high ? n->high : v; /* a NaN passes both */
    float x = (clamped - n->subtract) / n->divide;

    return (x - n->mean[plane]) / n->std[plane];
}

void mt_normalise_init(mt_normalise *n)
{
    for (int plane = 0; plane < 3; plane++)
        for (int v = 0; v < 256; v++)
            n->table[plane][v] = value_of(n, (float)v, plane);
}

/* Three samples to three planes; bgr is the same with the source read backwards. */
static void three_planes(const mt_normalise *n, const uint8_t *src, const mt_normalise_area *area, float *dst)
{
    int first = n->order == MT_PLANES_BGR ? 2 : 0;

    for (int64_t y = 0; y < area->height; y++, src += area->src_stride, dst += area->dst_stride) {
        float *plane0 = dst, *plane1 = dst + area->dst_plane, *plane2 = dst + 2 * area->dst_plane;
        for (int64_t x = 0; x < area->width; x++) {
            plane0[x] = n->table[0][src[3 * x + first]];
            plane1[x] = n->table[1][src[3 * x + 1]];
            plane2[x] = n->table[2][src[3 * x + 2 - first]];
        }
    }
}

static void gray_of_rgb(const mt_normalise *n, const uint8_t *src, const mt_normalise_area *area, float *dst)
{
    for (int64_t y = 0; y < area->height; y++, src += area->src_stride, dst += area->dst_stride)
        for (int64_t x = 0; x < area->width; x++) {
            const uint8_t *p = src + 3 * x;
            dst[x] = n->table[0][(p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16];
        }
}

static void repeat_gray(const mt_normalise *n, const uint8_t *src, const mt_normalise_area *area, float *dst)
{
    for (int plane = 0; plane < mt_plane_order_count(n->order); plane++) {
        float *out = dst + plane * area->dst_plane;
        for (int64_t y = 0; y < area->height; y++)
            for (int64_t x = 0; x < area->width; x++)
                out[y * area->dst_stride + x] = n->table[plane][src[y * area->src_stride + x]];
    }
}

void mt_normalise_u8(const mt_normalise *n, const uint8_t *src, int channels, const mt_normalise_area *area, float *dst)
{
    if (channels == 1)
        repeat_gray(n, src, area, dst);
    else if (n->order == MT_PLANES_GRAY)
        gray_of_rgb(n, src, area, dst);
    else
        three_planes(n, src, area, dst);
}

void mt_normalise_f32(const mt_normalise *n, const float *src, const mt_normalise_area *area, float *dst)
{
    for (int plane = 0; plane < mt_plane_order_count(n->order); plane++) {
        float *out = dst + plane * area->dst_plane;
        for (int64_t y = 0; y < area->height; y++)
            for (int64_t x = 0; x < area->width; x++)
                out[y * area->dst_stride + x] = value_of(n, src[y * area->src_stride + x], plane);
    }
}

void mt_normalise_fill(const mt_normalise *n, const mt_normalise_area *area, float *dst)
{
    for (int plane = 0; plane < mt_plane_order_count(n->order); plane++) {
        float *out = dst + plane * area->dst_plane, value = (0.0f - n->mean[plane]) / n->std[plane];
        for (int64_t y = 0; y < area->height; y++)
            for (int64_t x = 0; x < area->width; x++)
                out[y * area->dst_stride + x] = value;
    }
}

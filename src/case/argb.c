#include "src/case/argb.h"

static inline uint8_t over_white(uint32_t pixel, int shift, uint32_t rest)
{
    return (uint8_t)MIN(((pixel >> shift) & 0xff) + rest, 255);
}

static void row_over_white(const uint32_t *restrict argb, int64_t width, uint8_t *restrict rgb)
{
    for (int64_t i = 0; i < width; i++) {
        uint32_t pixel = argb[i];
        uint32_t rest = 255 - (pixel >> 24);

        rgb[3 * i + 0] = over_white(pixel, 16, rest);
        rgb[3 * i + 1] = over_white(pixel, 8, rest);
        rgb[3 * i + 2] = over_white(pixel, 0, rest);
    }
}

void mt_argb_over_white(const uint32_t *argb, int64_t width, int64_t height, uint8_t *rgb, size_t row_bytes)
{
    for (int64_t row = 0; row < height; row++)
        row_over_white(argb + row * width, width, rgb + (size_t)row * row_bytes);
}

void mt_argb_drop_alpha(const uint32_t *argb, int64_t n, uint8_t *rgb)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t alpha = argb[i] >> 24;

        for (int k = 0; k < 3; k++) {
            uint32_t sample = (argb[i] >> (16 - 8 * k)) & 0xff;
            rgb[3 * i + k] = (uint8_t)(alpha == 255 ? sample : alpha == 0 ? 0 : 255 * sample / alpha);
        }
    }
}

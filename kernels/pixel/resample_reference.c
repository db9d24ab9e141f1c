/* Plain loops, one output at a time: what mt_resample_u8 has to equal. */
#include "kernels/pixel/resample_private.h"
#include "src/base/alloc.h"

static uint8_t round_and_clip(int64_t sum)
{
    int32_t value = (int32_t)(uint32_t)sum >> MT_RESAMPLE_BITS;
    return (uint8_t)CLAMP(value, 0, 255);
}

/* Output i of a line of samples that lie `stride` apart. */
static uint8_t sample(const mt_axis *axis, int64_t i, const uint8_t *line, int64_t stride)
{
    int64_t sum = 1 << (MT_RESAMPLE_BITS - 1);

    if (!axis->needed)
        return line[i * stride];
    for (int64_t k = 0; k < axis->count[i]; k++)
        sum += (int64_t)line[(axis->first[i] + k) * stride] * axis->fixed[i * axis->taps + k];
    return round_and_clip(sum);
}

bool mt_resample_u8_reference(mt_resample *r, const uint8_t *src, int channels, uint8_t *dst, GError **error)
{
    if (mt_resample_move(r, src, (size_t)channels, dst))
        return true;
    uint8_t *between = mt_alloc(r->y.src * r->x.dst, (size_t)channels, error);
    if (between == NULL)
        return false;
    for (int64_t y = 0; y < r->y.src; y++)
        for (int64_t x = 0; x < r->x.dst; x++)
            for (int c = 0; c < channels; c++)
                between[(y * r->x.dst + x) * channels + c] = sample(&r->x, x, src + y * r->x.src * channels + c, channels);
    for (int64_t y = 0; y < r->y.dst; y++)
        for (int64_t column = 0; column < r->x.dst * channels; column++)
            dst[y * r->x.dst * channels + column] = sample(&r->y, y, between + column, r->x.dst * channels);
    mt_free(between);
    return true;
}

#include "tiling/thumbnail.h"

#include "src/base/alloc.h"
#include "tiling/overview.h"

#include <math.h>
#include <string.h>

typedef struct canvas {
    int64_t  width;
    int      channels;
    uint8_t *rgb;  /* 8-bit cases */
    float   *gray; /* the others, channel 0 */
} canvas;

static void take_row_u8(void *user, int64_t x, int64_t y, int64_t count, const void *samples)
{
    canvas        *to = user;
    const uint8_t *from = samples;
    uint8_t       *out = to->rgb + (y * to->width + x) * 3;

    for (int64_t i = 0; i < count; i++, out += 3, from += to->channels) {
        out[0] = from[0];
        out[1] = from[to->channels >= 3 ? 1 : 0];
        out[2] = from[to->channels >= 3 ? 2 : 0];
    }
}

static void take_row_float(void *user, int64_t x, int64_t y, int64_t count, const void *samples)
{
    canvas      *to = user;
    const float *from = samples;
    float       *out = to->gray + y * to->width + x;

    for (int64_t i = 0; i < count; i++)
        out[i] = from[i * to->channels];
}

/* Mid-grey in an 8-bit thumbnail, neither glass nor tissue; the tiles there are told in /invalid. */
static void leave_unread(void *user, int64_t x, int64_t y, int64_t width, int64_t height)
{
    (void)user, (void)x, (void)y, (void)width, (void)height;
}

static void scale_to_rgb(const float *gray, int64_t n, uint8_t *rgb)
{
    float low = INFINITY, high = -INFINITY;

    for (int64_t i = 0; i < n; i++) {
        low = fminf(low, gray[i]);
        high = fmaxf(high, gray[i]);
    }
    float scale = high > low ? 255 / (high - low) : 0;
    for (int64_t i = 0; i < n; i++)
        memset(rgb + 3 * i, isfinite(gray[i]) ? (int)((gray[i] - low) * scale + 0.5f) : 0, 3);
}

/* The coarsest level that still fills the thumbnail. */
static int choose_level(const mt_case *c, int64_t max_px)
{
    for (int level = mt_case_levels(c) - 1; level > 0; level--)
        if (MAX(mt_case_level(c, level)->width, mt_case_level(c, level)->height) >= max_px)
            return level;
    return 0;
}

mt_tensor *mt_thumbnail_new(mt_case *c, int64_t plane, int64_t max_px, GError **error)
{
    mt_overview overview = mt_overview_within(c, choose_level(c, max_px), max_px);
    int64_t     shape[] = {overview.height, overview.width, 3}, n = overview.width * overview.height;
    g_autoptr(mt_tensor) rgb = mt_tensor_new(MT_U8, 3, shape, error);
    canvas to = {.width = overview.width, .channels = mt_case_channels(c)};
    bool   bytes = mt_case_dtype(c) == MT_U8;

    if (rgb == NULL || (!bytes && (to.gray = mt_alloc(n, sizeof(float), error)) == NULL))
        return NULL;
    to.rgb = rgb->data;
    bool ok = mt_overview_read(c, plane, &overview, bytes ? take_row_u8 : take_row_float, leave_unread, &to, error);
    if (ok && !bytes)
        scale_to_rgb(to.gray, n, to.rgb);
    mt_free(to.gray);
    return ok ? g_steal_pointer(&rgb) : NULL;
}

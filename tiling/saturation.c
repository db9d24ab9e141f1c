#include "tiling/saturation.h"

#include "src/base/alloc.h"

#include <string.h>

#define FIXED_POINT_BITS 12

/* The reciprocal table of OpenCV's conversion; 255 << 12 never sits on a half, so rounding is plain. */
static void fill_reciprocals(int table[256])
{
    table[0] = 0;
    for (int v = 1; v < 256; v++)
        table[v] = ((255 << FIXED_POINT_BITS) * 2 + v) / (2 * v);
}

static void convert_row(const int table[256], const uint8_t *rgb, int64_t count, uint8_t *saturation, int dark_below, int64_t *dark)
{
    int64_t n_dark = 0;

    for (int64_t i = 0; i < count; i++, rgb += 3) {
        int high = MAX(rgb[0], MAX(rgb[1], rgb[2]));
        int low = MIN(rgb[0], MIN(rgb[1], rgb[2]));
        int s = ((high - low) * table[high] + (1 << (FIXED_POINT_BITS - 1))) >> FIXED_POINT_BITS;
        n_dark += high < dark_below;
        saturation[i] = (uint8_t)(high < dark_below ? 0 : s);
    }
    if (dark)
        __atomic_fetch_add(dark, n_dark, __ATOMIC_RELAXED);
}

void mt_saturation_row(const uint8_t *rgb, int64_t count, uint8_t *saturation, int dark_below, int64_t *dark)
{
    int table[256];

    fill_reciprocals(table);
    convert_row(table, rgb, count, saturation, dark_below, dark);
}

typedef struct plane {
    int             table[256];
    int64_t         width;
    uint8_t        *saturation;
    int             dark_below;
    int64_t        *dark;
    mt_unread_area *unread;
} plane;

static void store_row(void *user, int64_t x, int64_t y, int64_t count, const void *samples)
{
    plane *p = user;

    convert_row(p->table, samples, count, p->saturation + y * p->width + x, p->dark_below, p->dark);
}

static void keep_unread(void *user, int64_t x, int64_t y, int64_t width, int64_t height)
{
    mt_unread_area *area = ((plane *)user)->unread;
    const int64_t   rect[4] = {x, y, width, height};

    if (area->rects == NULL)
        area->rects = g_array_new(FALSE, FALSE, sizeof rect);
    g_array_append_vals(area->rects, rect, 1);
}

void mt_unread_area_clear(mt_unread_area *area)
{
    g_clear_pointer(&area->rects, g_array_unref);
}

void mt_unread_area_mark(const mt_unread_area *area, uint8_t *mask, int64_t width)
{
    for (guint k = 0; area->rects != NULL && k < area->rects->len; k++) {
        const int64_t *r = (const int64_t *)(const void *)area->rects->data + 4 * k;
        for (int64_t y = r[1]; y < r[1] + r[3]; y++)
            memset(mask + y * width + r[0], 255, (size_t)r[2]);
    }
}

/* Grey has no saturation.  Where pixels that are not to count are counted, these are among them (rectangles may overlap by the
 * pixels at their seams: a histogram of a megapixel does not feel it). */
static void count_unread(const plane *p)
{
    for (guint k = 0; p->dark != NULL && p->unread->rects != NULL && k < p->unread->rects->len; k++) {
        const int64_t *r = (const int64_t *)(const void *)p->unread->rects->data + 4 * k;
        *p->dark += r[2] * r[3];
    }
}

uint8_t *mt_saturation_read(mt_case *c, const mt_overview *overview, int dark_below, int64_t *dark, mt_unread_area *unread,
                            const char *doing, GError **error)
{
    if (mt_case_channels(c) != 3 || mt_case_dtype(c) != MT_U8) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "%s of %s: it needs 8-bit RGB, and the case has %d channel(s) of %s: choose the mask method body, field or none", doing,
                    mt_case_path(c), mt_case_channels(c), mt_dtype_name(mt_case_dtype(c)));
        return NULL;
    }
    plane p = {.width = overview->width, .dark_below = dark_below, .dark = dark, .unread = unread};
    fill_reciprocals(p.table);
    p.saturation = mt_alloc(overview->width * overview->height, 1, error);
    if (p.saturation == NULL)
        return NULL;
    if (!mt_overview_read(c, 0, overview, store_row, keep_unread, &p, error)) {
        g_prefix_error(error, "%s: ", doing);
        mt_free(p.saturation);
        return NULL;
    }
    count_unread(&p);
    return p.saturation;
}

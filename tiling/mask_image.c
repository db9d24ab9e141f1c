/* A mask painted or computed elsewhere, as a picture of the whole plane. */
#include "src/base/alloc.h"
#include "tiling/mask_file.h"

#include <math.h>

#define MAX_SIDE_PX 8192
#define FOREGROUND_ABOVE 127

typedef struct picture {
    int64_t  width;
    int      channels;
    uint8_t *pixels;
    int      coloured; /* set where channels differ; written by several threads, with one value */
} picture;

static void take_row(void *user, int64_t x, int64_t y, int64_t count, const void *samples)
{
    picture       *p = user;
    const uint8_t *from = samples;
    uint8_t       *out = p->pixels + y * p->width + x;
    bool           coloured = false;

    for (int64_t i = 0; i < count; i++, from += p->channels) {
        out[i] = from[0];
        coloured = coloured || (p->channels == 3 && (from[1] != from[0] || from[2] != from[0]));
    }
    if (coloured)
        __atomic_store_n(&p->coloured, 1, __ATOMIC_RELAXED);
}

/* One side follows from the other to a pixel: rounding a mask's size moves it by less. */
static bool check_aspect(const char *path, const mt_level *mask, const mt_case *c, GError **error)
{
    const mt_level *plane = mt_case_level(c, 0);
    double          wide = (double)mask->height * (double)plane->width / (double)plane->height;
    double          high = (double)mask->width * (double)plane->height / (double)plane->width;

    if (fabs((double)mask->width - wide) <= 1 || fabs((double)mask->height - high) <= 1)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "use the mask %s for %s: it has %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " pixels and the plane %" G_GINT64_FORMAT
                " x %" G_GINT64_FORMAT ": a picture of the whole plane is wanted",
                path, mt_case_path(c), mask->width, mask->height, plane->width, plane->height);
    return false;
}

static bool check_samples(const char *path, const mt_case *image, GError **error)
{
    if (mt_case_dtype(image) == MT_U8 && (mt_case_channels(image) == 1 || mt_case_channels(image) == 3) && mt_case_planes(image) == 1)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "use the mask %s: it has %d channel(s) of %s in %" G_GINT64_FORMAT " plane(s): one plane of 8-bit or 1-bit gray is wanted",
                path, mt_case_channels(image), mt_dtype_name(mt_case_dtype(image)), mt_case_planes(image));
    return false;
}

/* Masks of 0 and 1 look black, and would be an empty mask: refused, not guessed. */
static bool apply_threshold(const char *path, uint8_t *pixels, int64_t n, GError **error)
{
    int brightest = 0;

    for (int64_t i = 0; i < n; i++) {
        brightest = MAX(brightest, pixels[i]);
        pixels[i] = pixels[i] > FOREGROUND_ABOVE ? 255 : 0;
    }
    if (brightest == 0 || brightest > FOREGROUND_ABOVE)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "use the mask %s: its brightest pixel is %d and foreground is above %d: write foreground as 255, or all as 0 for none",
                path, brightest, FOREGROUND_ABOVE);
    return false;
}

bool mt_mask_image_find(const char *path, mt_case *c, mt_foreground *found, GError **error)
{
    g_autoptr(mt_case) image = mt_case_open(path, NULL, error);

    if (image == NULL || !check_samples(path, image, error) || !check_aspect(path, mt_case_level(image, 0), c, error))
        return false;
    mt_overview o = mt_overview_within(image, 0, MAX_SIDE_PX);
    picture     p = {.width = o.width, .channels = mt_case_channels(image), .pixels = mt_alloc(o.width * o.height, 1, error)};
    bool        ok = p.pixels != NULL && mt_overview_read(image, 0, &o, take_row, NULL, &p, error);
    if (ok && p.coloured) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "use the mask %s: it is in colour: gray is wanted, above %d is foreground", path,
                    FOREGROUND_ABOVE);
        ok = false;
    }
    if (!ok || !apply_threshold(path, p.pixels, o.width * o.height, error)) {
        mt_free(p.pixels);
        return false;
    }
    found->width = o.width;
    found->height = o.height;
    found->pixels = p.pixels;
    return true;
}

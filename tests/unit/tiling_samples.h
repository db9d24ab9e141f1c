/* Small images of known pixels as cases, for the tests of masks, grids and tiles. */
#ifndef MT_TILING_SAMPLES_H
#define MT_TILING_SAMPLES_H

#include <microtome/case.h>

#include <glib/gstdio.h>
#include <vips/vips.h>

typedef struct mt_tiling_sample {
    char    *folder, *path;
    int      width, height, channels;
    bool     deep; /* uint16_t samples */
    uint8_t *pixels;
} mt_tiling_sample;

static inline bool mt_tiling_sample_start(const char *program)
{
    return VIPS_INIT(program) == 0;
}

/* `pixels` (taken over) as a PNG in a folder of its own. */
static inline mt_tiling_sample mt_tiling_sample_new(int width, int height, int channels, bool deep, uint8_t *pixels)
{
    mt_tiling_sample s = {.width = width, .height = height, .channels = channels, .deep = deep, .pixels = pixels};
    VipsBandFormat   format = deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR;

    s.folder = g_dir_make_tmp("tiling-XXXXXX", NULL);
    s.path = g_build_filename(s.folder, "sample.png", NULL);
    VipsImage *image = vips_image_new_from_memory(pixels, (size_t)width * (size_t)height * (size_t)channels * (deep ? 2 : 1), width, height,
                                                  channels, format);
    image->Type = deep ? VIPS_INTERPRETATION_GREY16 : channels == 3 ? VIPS_INTERPRETATION_sRGB : VIPS_INTERPRETATION_B_W;
    g_assert_cmpint(vips_pngsave(image, s.path, "compression", 1, NULL), ==, 0);
    g_object_unref(image);
    return s;
}

static inline void mt_tiling_sample_clear(mt_tiling_sample *s)
{
    g_unlink(s->path);
    g_rmdir(s->folder);
    g_free(s->pixels);
    g_free(s->path);
    g_free(s->folder);
}

static inline mt_tiling_sample mt_tiling_sample_rgb(int width, int height)
{
    uint8_t *pixels = g_malloc((size_t)width * (size_t)height * 3);
    uint32_t state = 3;

    for (int i = 0; i < width * height * 3; i++) {
        state = state * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)(state >> 24);
    }
    return mt_tiling_sample_new(width, height, 3, false, pixels);
}

static inline mt_tiling_sample mt_tiling_sample_u16(int width, int height)
{
    uint16_t *pixels = g_new(uint16_t, (size_t)width * (size_t)height);
    uint32_t  state = 4;

    for (int i = 0; i < width * height; i++) {
        state = state * 1664525u + 1013904223u;
        pixels[i] = (uint16_t)(state >> 16);
    }
    return mt_tiling_sample_new(width, height, 1, true, (uint8_t *)pixels);
}

/* Open it, with `mpp` µm/px (0: none). */
static inline mt_case *mt_tiling_sample_open(const mt_tiling_sample *s, double mpp)
{
    mt_case_options options = {.mpp_x = mpp, .mpp_y = mpp, .mpp_source = mpp > 0 ? "option" : NULL};
    g_autoptr(GError) error = NULL;
    mt_case *c = mt_case_open(s->path, &options, &error);

    g_assert_no_error(error);
    return c;
}

#endif

#include "tiling/artefact.h"

#include "src/base/alloc.h"
#include "tiling/box_mean.h"
#include "tiling/overview.h"

#include <math.h>
#include <string.h>

#define SCENE_UM 8.0
#define SCENE_DOWNSAMPLE 16.0 /* where the spacing is unknown */
#define SCENE_MIN_SIDE_PX 512.0
#define SCENE_MAX_SIDE_PX 4096.0
#define IMAGE_MAX_SIDE_PX 1024 /* an image may be a thumbnail already */
#define SMOOTH_UM 20.0         /* half the box */
#define SMOOTH_MIN_PX 2
#define SMOOTH_MAX_PX 24
#define GLASS_QUANTILE 0.98 /* of a channel: this share of a slide is darker than its glass, or nearly so */
#define GLASS_AT_LEAST 220
#define DARK_GROUND 96

typedef bool (*finder)(const mt_scene *scene, uint8_t *found, GError **error);

static const struct {
    const char *name;
    finder      find;
} KINDS[MT_ARTEFACT_KINDS] = {
    [MT_ARTEFACT_PEN] = {"pen", mt_pen_find},
    [MT_ARTEFACT_FOLDS] = {"folds", mt_folds_find},
    [MT_ARTEFACT_BLUR] = {"blur", mt_blur_find},
    [MT_ARTEFACT_BUBBLES] = {"bubbles", mt_bubbles_find},
};

const char *mt_artefact_name(mt_artefact kind)
{
    return KINDS[kind].name;
}

static int kind_named(const char *name)
{
    for (int k = 0; k < MT_ARTEFACT_KINDS; k++)
        if (strcmp(name, KINDS[k].name) == 0)
            return k;
    return -1;
}

bool mt_artefacts_parse(const char *text, unsigned *set)
{
    g_auto(GStrv) names = g_strsplit_set(text != NULL ? text : "", ",;", -1);
    unsigned found = 0;

    for (char **name = names; *name != NULL; name++) {
        int kind = kind_named(g_strstrip(*name));
        if (kind < 0 && **name != '\0')
            return false;
        found |= kind < 0 ? 0 : 1u << kind;
    }
    *set = found;
    return true;
}

char *mt_artefacts_text(unsigned set)
{
    GString *text = g_string_new(NULL);

    for (int k = 0; k < MT_ARTEFACT_KINDS; k++)
        if (set >> k & 1)
            g_string_append_printf(text, "%s%s", text->len ? ";" : "", KINDS[k].name);
    return g_string_free(text, FALSE);
}

int64_t mt_scene_pixels(const mt_scene *scene, double mm2, double share, int64_t least)
{
    double px = scene->um > 0 ? mm2 * 1e6 / (scene->um * scene->um) : share * (double)scene->width * (double)scene->height;

    return MAX(least, (int64_t)ceil(px));
}

double mt_scene_length(const mt_scene *scene, double um)
{
    return um / (scene->um > 0 ? scene->um : SCENE_UM);
}

static mt_overview choose_overview(const mt_case *c, double mpp)
{
    const mt_level *level0 = mt_case_level(c, 0);
    double          side = (double)MAX(level0->width, level0->height);
    double          downsample = mpp > 0 ? SCENE_UM / mpp : SCENE_DOWNSAMPLE;

    if (mt_case_get_kind(c) != MT_CASE_SLIDE)
        return mt_overview_within(c, 0, IMAGE_MAX_SIDE_PX);
    downsample = MAX(MIN(downsample, side / SCENE_MIN_SIDE_PX), side / SCENE_MAX_SIDE_PX);
    return mt_overview_near(c, MAX(1, downsample));
}

static void take_row(void *user, int64_t x, int64_t y, int64_t count, const void *samples)
{
    mt_scene *s = user;

    memcpy(s->rgb + 3 * (y * s->width + x), samples, (size_t)count * 3);
}

/* What cannot be decoded is no artefact: glass, so that its tiles stay, are tried and counted. */
static void take_unread(void *user, int64_t x, int64_t y, int64_t width, int64_t height)
{
    mt_scene *s = user;

    for (int64_t row = y; row < y + height; row++)
        memset(s->rgb + 3 * (row * s->width + x), 255, (size_t)width * 3);
}

static int quantile(const int64_t histogram[256], int64_t n, double share)
{
    int64_t seen = 0;
    int     value = 0;

    while ((double)(seen += histogram[value]) < share * (double)n && value < 255)
        value++;
    return value;
}

/* The glass per channel, and from it the table of densities; a ground that is dark in any channel is no bright field. */
static void measure_glass(mt_scene *s)
{
    int64_t histograms[3][256] = {{0}}, n = s->width * s->height;

    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++)
            histograms[c][s->rgb[3 * i + c]]++;
    s->has_glass = true;
    for (int c = 0; c < 3; c++) {
        int white = quantile(histograms[c], n, GLASS_QUANTILE);
        s->has_glass = s->has_glass && white >= DARK_GROUND;
        white = MAX(white, GLASS_AT_LEAST);
        for (int v = 0; v < 256; v++)
            s->od[c][v] = (float)fmax(0, log10((white + 1.0) / (v + 1.0)));
    }
}

/* Where pixel i of n lies in a raster of m. */
static int64_t along(int64_t i, int64_t n, int64_t m)
{
    return (2 * i + 1) * m / (2 * n);
}

static void resample(const uint8_t *from, int64_t from_width, int64_t from_height, uint8_t *to, int64_t width, int64_t height)
{
    for (int64_t y = 0; y < height; y++) {
        const uint8_t *row = from + along(y, height, from_height) * from_width;
        for (int64_t x = 0; x < width; x++)
            to[y * width + x] = row[along(x, width, from_width)];
    }
}

static bool read_scene(mt_case *c, const mt_raster *foreground, mt_scene *s, GError **error)
{
    double          mpp_x = 0, mpp_y = 0;
    const mt_level *level0 = mt_case_level(c, 0);
    bool            known = mt_case_mpp(c, &mpp_x, &mpp_y);
    mt_overview     o = choose_overview(c, known ? sqrt(mpp_x * mpp_y) : 0);

    *s = (mt_scene){.c = c, .width = o.width, .height = o.height};
    if (known)
        s->um = sqrt(mpp_x * mpp_y * (double)level0->width / (double)o.width * (double)level0->height / (double)o.height);
    s->rgb = mt_alloc(o.width * o.height, 3, error);
    s->tissue = s->rgb ? mt_alloc(o.width * o.height, 1, error) : NULL;
    if (s->tissue == NULL || !mt_overview_read(c, 0, &o, take_row, take_unread, s, error))
        return false;
    int radius = known ? (int)CLAMP(floor(SMOOTH_UM / s->um + 0.5), SMOOTH_MIN_PX, SMOOTH_MAX_PX) : SMOOTH_MIN_PX;
    resample(foreground->pixels, foreground->width, foreground->height, s->tissue, s->width, s->height);
    if (!mt_box_mean(s->rgb, s->width, s->height, 3, radius, error))
        return false;
    measure_glass(s);
    return true;
}

static uint8_t *find_kind(const mt_scene *s, mt_artefact kind, const mt_raster *foreground, GError **error)
{
    uint8_t *found = mt_alloc(s->width * s->height, 1, error);
    uint8_t *raster = found ? mt_alloc(foreground->width * foreground->height, 1, error) : NULL;
    bool     ok = raster != NULL && (!s->has_glass || KINDS[kind].find(s, found, error));

    if (ok)
        resample(found, s->width, s->height, raster, foreground->width, foreground->height);
    else
        g_clear_pointer(&raster, mt_free);
    mt_free(found);
    return raster;
}

/* Ink is neither a fold nor out of focus, though it looks like both: where these are sought, it is no tissue. */
static bool take_out_pen(mt_scene *s, unsigned set, GError **error)
{
    uint8_t *pen;

    if ((set & (1u << MT_ARTEFACT_FOLDS | 1u << MT_ARTEFACT_BLUR)) == 0 || !s->has_glass)
        return true;
    pen = mt_alloc(s->width * s->height, 1, error);
    bool ok = pen != NULL && mt_pen_find(s, pen, error);
    for (int64_t i = 0; ok && i < s->width * s->height; i++)
        s->tissue[i] &= (uint8_t)~pen[i];
    mt_free(pen);
    return ok;
}

static bool find_all(const mt_scene *s, unsigned set, const mt_raster *foreground, uint8_t *rasters[MT_ARTEFACT_KINDS], GError **error)
{
    for (int k = 0; k < MT_ARTEFACT_KINDS; k++)
        if (set >> k & 1 && (rasters[k] = find_kind(s, (mt_artefact)k, foreground, error)) == NULL)
            return false;
    for (int k = 0; k < MT_ARTEFACT_KINDS; k++)
        for (int64_t i = 0; rasters[k] != NULL && i < foreground->width * foreground->height; i++)
            foreground->pixels[i] &= (uint8_t)~rasters[k][i];
    return true;
}

bool mt_artefacts_exclude(mt_case *c, unsigned set, const mt_raster *foreground, uint8_t *rasters[MT_ARTEFACT_KINDS], GError **error)
{
    mt_scene scene = {0};

    if (mt_case_channels(c) != 3 || mt_case_dtype(c) != MT_U8) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "find artefacts of %s: it needs 8-bit RGB, and the case has %d channel(s) of %s: exclude nothing", mt_case_path(c),
                    mt_case_channels(c), mt_dtype_name(mt_case_dtype(c)));
        return false;
    }
    bool ok =
        read_scene(c, foreground, &scene, error) && take_out_pen(&scene, set, error) && find_all(&scene, set, foreground, rasters, error);
    mt_free(scene.tissue);
    mt_free(scene.rgb);
    if (!ok)
        g_prefix_error(error, "find artefacts of %s: ", mt_case_path(c));
    return ok;
}

#include <microtome/heat_picture.h>

#include "kernels/pixel/resample.h"
#include "src/base/alloc.h"
#include "src/result/headline.h"
#include "src/store/schema.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define MAX_EDGE_PX 10000000
#define HATCH_PERIOD 10
#define HATCH_STRIPE 4
#define TABLE_STEPS 4096

typedef struct shade {
    uint8_t color[3];
    float   opacity;
} shade;

struct mt_heat_picture {
    const mt_heatmap  *heatmap;
    mt_case           *slide;     /* NULL: the thumbnail */
    mt_tensor         *thumbnail; /* u8 (h,w,3); NULL: none stored */
    const mt_colormap *colormap;
    mt_heat_style      style;
    int                channels; /* of the slide */
    shade              table[TABLE_STEPS];
};

void mt_heat_picture_free(mt_heat_picture *picture)
{
    if (picture == NULL)
        return;
    g_clear_pointer(&picture->thumbnail, mt_tensor_unref);
    g_free(picture);
}

bool mt_heat_picture_view(const mt_heatmap *heatmap, double um_per_px, mt_heat_view *view, GError **error)
{
    if (!(um_per_px >= 0 && isfinite(um_per_px))) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "draw at %g µm/px: a positive number is wanted, or 0 for the case's own", um_per_px);
        return false;
    }
    if (um_per_px > 0 && !(heatmap->mpp[0] > 0)) {
        g_set_error(error, MT_ERROR, MT_ERROR_SPACING, "draw at %g µm/px: the µm/px of the case are unknown: leave the resolution out",
                    um_per_px);
        return false;
    }
    *view = (mt_heat_view){.scale_x = um_per_px > 0 ? heatmap->mpp[0] / um_per_px : 1,
                           .scale_y = um_per_px > 0 ? heatmap->mpp[1] / um_per_px : 1};
    double width = ceil(heatmap->level0_size[0] * view->scale_x - 1e-6), height = ceil(heatmap->level0_size[1] * view->scale_y - 1e-6);
    if (!(width >= 1 && height >= 1 && width <= MAX_EDGE_PX && height <= MAX_EDGE_PX)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "draw at %g µm/px: a picture of %.0f x %.0f px", um_per_px, width, height);
        return false;
    }
    view->width = (int64_t)width;
    view->height = (int64_t)height;
    return true;
}

/* The part of a picture (per_x, per_y of its px a px of the view) under the view, with a margin for the filter. */
typedef struct source_box {
    int64_t x, y, width, height;
    double  box[4]; /* the view inside it */
} source_box;

static source_box box_of(const mt_heat_view *view, double per_x, double per_y)
{
    double     x0 = (double)view->first_x * per_x, x1 = (double)(view->first_x + view->width) * per_x;
    double     y0 = (double)view->first_y * per_y, y1 = (double)(view->first_y + view->height) * per_y;
    double     mx = ceil(MAX(per_x, 1)) + 1, my = ceil(MAX(per_y, 1)) + 1;
    source_box b = {.x = (int64_t)(floor(x0) - mx), .y = (int64_t)(floor(y0) - my)};

    b.width = (int64_t)(ceil(x1) + mx) - b.x;
    b.height = (int64_t)(ceil(y1) + my) - b.y;
    b.box[0] = x0 - (double)b.x, b.box[1] = y0 - (double)b.y;
    b.box[2] = x1 - (double)b.x, b.box[3] = y1 - (double)b.y;
    return b;
}

static bool shrink(const source_box *b, const uint8_t *pixels, const mt_heat_view *view, int channels, uint8_t *out, GError **error)
{
    g_autoptr(mt_resample) resample = mt_resample_new(b->width, b->height, b->box, view->width, view->height, MT_FILTER_BILINEAR, error);

    return resample != NULL && mt_resample_u8(resample, pixels, channels, out, error);
}

/* The finest level that is not finer than it has to be. */
static int level_for(mt_case *slide, const mt_heat_view *view)
{
    int best = 0;

    for (int i = 1; i < mt_case_levels(slide); i++) {
        const mt_level *level = mt_case_level(slide, i);
        if (level->downsample_x <= 1.01 / view->scale_x && level->downsample_y <= 1.01 / view->scale_y &&
            level->downsample_x > mt_case_level(slide, best)->downsample_x)
            best = i;
    }
    return best;
}

static bool draw_slide(const mt_heat_picture *p, const mt_heat_view *view, uint8_t *rgb, GError **error)
{
    int             level = level_for(p->slide, view);
    const mt_level *of = mt_case_level(p->slide, level);
    source_box      b = box_of(view, 1 / (view->scale_x * of->downsample_x), 1 / (view->scale_y * of->downsample_y));
    int64_t         n = view->width * view->height;
    uint8_t        *pixels = mt_alloc(b.width * b.height, (size_t)p->channels, error);
    bool            ok = pixels != NULL && mt_case_read(p->slide, p->heatmap->plane, level, b.x, b.y, b.width, b.height, pixels, error) &&
              shrink(&b, pixels, view, p->channels, rgb, error);

    if (ok && p->channels == 1)
        for (int64_t i = n - 1; i >= 0; i--)
            memset(rgb + 3 * i, rgb[i], 3);
    mt_free(pixels);
    return ok;
}

/* Beyond its edge the thumbnail goes on with its last px. */
static bool draw_thumbnail(const mt_heat_picture *p, const mt_heat_view *view, uint8_t *rgb, GError **error)
{
    const mt_tensor *t = p->thumbnail;
    double           per_x = (double)t->shape[1] / (p->heatmap->level0_size[0] * view->scale_x);
    double           per_y = (double)t->shape[0] / (p->heatmap->level0_size[1] * view->scale_y);
    source_box       b = box_of(view, per_x, per_y);
    uint8_t         *pixels = mt_alloc(b.width * b.height, 3, error);

    for (int64_t y = 0; pixels != NULL && y < b.height; y++)
        for (int64_t x = 0; x < b.width; x++) {
            int64_t u = CLAMP(b.x + x, 0, t->shape[1] - 1), v = CLAMP(b.y + y, 0, t->shape[0] - 1);
            memcpy(pixels + 3 * (y * b.width + x), (const uint8_t *)t->data + 3 * (v * t->shape[1] + u), 3);
        }
    bool ok = pixels != NULL && shrink(&b, pixels, view, 3, rgb, error);
    mt_free(pixels);
    return ok;
}

static bool draw_base(const mt_heat_picture *p, const mt_heat_view *view, uint8_t *rgb, GError **error)
{
    if (p->slide != NULL)
        return draw_slide(p, view, rgb, error);
    if (p->thumbnail != NULL)
        return draw_thumbnail(p, view, rgb, error);
    memset(rgb, 255, (size_t)(view->width * view->height) * 3);
    return true;
}

static void blend(uint8_t *rgb, const uint8_t color[3], float opacity)
{
    for (int c = 0; c < 3; c++)
        rgb[c] = (uint8_t)((float)rgb[c] + (float)(color[c] - rgb[c]) * opacity + 0.5f);
}

/* Cold tissue stays nearly as it is. */
static double opacity_of(const mt_heat_picture *p, float value)
{
    double least = p->heatmap->scale == MT_HEAT_ABSOLUTE ? 0.02 : 0.2;

    if (p->style.alpha > 0)
        return p->style.alpha;
    return p->style.map_only ? 1 : least + (0.85 - least) * sqrt(MAX((double)value, 0)) * (value < 0.05f ? (double)value / 0.05 : 1);
}

/* Colour and opacity of each value, in steps that no eye sees. */
static void fill_table(mt_heat_picture *p)
{
    for (int i = 0; i < TABLE_STEPS; i++) {
        float value = (float)i / (TABLE_STEPS - 1);
        mt_colormap_color(p->colormap, value, p->table[i].color);
        p->table[i].opacity = (float)opacity_of(p, value);
    }
}

/* The hash of what the result was made from; NULL: not known, or of stored features and not of the slide (`aggregate`). */
static char *input_sha256(const mt_result *result)
{
    g_autofree char *line = mt_result_headline(mt_result_path(result), NULL);
    g_autoptr(mt_headline) headline = line != NULL ? mt_headline_parse(line, mt_result_path(result), NULL) : NULL;
    g_autofree char *text = mt_result_has(result, MT_OBJECT_PROVENANCE) ? mt_result_read_string(result, MT_OBJECT_PROVENANCE, NULL) : NULL;
    json_t          *provenance = text != NULL ? json_loads(text, 0, NULL) : NULL;
    bool             aggregated = json_object_get(provenance, "aggregated") != NULL;

    json_decref(provenance);
    return headline != NULL && !aggregated ? g_steal_pointer(&headline->input_sha256) : NULL;
}

static bool same_input(const mt_result *result, mt_case *slide, GError **error)
{
    g_autofree char *wanted = input_sha256(result), *found = wanted != NULL ? mt_case_identity(mt_case_path(slide), error) : NULL;

    if (wanted == NULL)
        return true;
    if (found != NULL && strcmp(wanted, found) != 0)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "draw over %s: its hash %.12s is not the %.12s that the result was made from: it is another slide, or was changed "
                    "since: name the right one, or leave it out to draw over the stored picture",
                    mt_case_path(slide), found, wanted);
    return found != NULL && strcmp(wanted, found) == 0;
}

static bool check_slide(const mt_heatmap *heatmap, mt_case *slide, GError **error)
{
    const mt_level *level = mt_case_level(slide, 0);

    if ((double)level->width != heatmap->level0_size[0] || (double)level->height != heatmap->level0_size[1]) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "draw over %s: it is %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                    " px, and the result is of %.0f x %.0f: it is of another slide",
                    mt_case_path(slide), level->width, level->height, heatmap->level0_size[0], heatmap->level0_size[1]);
        return false;
    }
    if (mt_case_dtype(slide) == MT_U8 && (mt_case_channels(slide) == 1 || mt_case_channels(slide) == 3))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "draw over %s: its samples are not of 8 bits: leave the slide out to draw over the stored picture", mt_case_path(slide));
    return false;
}

mt_heat_picture *mt_heat_picture_new(const mt_heatmap *heatmap, const mt_result *result, mt_case *slide, const mt_heat_style *style,
                                     GError **error)
{
    g_autoptr(mt_heat_picture) p = g_new0(mt_heat_picture, 1);

    p->heatmap = heatmap;
    p->style = *style;
    p->slide = style->map_only ? NULL : slide;
    p->colormap = style->colormap != NULL ? style->colormap : mt_colormap_find(NULL, error);
    if (p->colormap == NULL)
        return NULL;
    if (!(style->alpha >= 0 && style->alpha <= 1) || !(style->threshold >= 0 && style->threshold < 1)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "draw a heatmap: an opacity of %g and a threshold of %g are not both in 0..1",
                    style->alpha, style->threshold);
        return NULL;
    }
    if (p->slide != NULL) {
        if (!check_slide(heatmap, p->slide, error) || !same_input(result, p->slide, error))
            return NULL;
        p->channels = mt_case_channels(p->slide);
    } else if (!style->map_only && heatmap->on_thumbnail && mt_result_has(result, MT_OBJECT_THUMBNAIL)) {
        p->thumbnail = mt_result_read(result, MT_OBJECT_THUMBNAIL, error);
        if (p->thumbnail == NULL)
            return NULL;
    }
    fill_table(p);
    return g_steal_pointer(&p);
}

void mt_heat_picture_shade(const mt_heat_picture *p, float value, uint8_t rgb[3])
{
    const shade *s = &p->table[(int)(CLAMP(value, 0, 1) * (TABLE_STEPS - 1) + 0.5f)];

    if ((double)value >= p->style.threshold)
        blend(rgb, s->color, s->opacity);
}

static void draw_heat(const mt_heat_picture *p, const mt_heat_view *view, const float *values, const uint8_t *states, uint8_t *rgb)
{
    static const uint8_t dark[3] = {60, 72, 92}, light[3] = {226, 230, 236};

    for (int64_t y = 0; y < view->height; y++)
        for (int64_t x = 0; x < view->width; x++) {
            int64_t i = y * view->width + x;
            bool    stripe = (view->first_x + x + view->first_y + y) % HATCH_PERIOD < HATCH_STRIPE;
            if (states[i] == MT_HEAT_UNREAD)
                blend(rgb + 3 * i, stripe ? dark : light, stripe ? 0.9f : 0.75f);
            if (states[i] == MT_HEAT_VALUE)
                mt_heat_picture_shade(p, values[i], rgb + 3 * i);
        }
}

bool mt_heat_picture_render(const mt_heat_picture *p, const mt_heat_view *view, uint8_t *rgb, GError **error)
{
    if (p->style.slide_only)
        return draw_base(p, view, rgb, error);
    int64_t  n = view->width * view->height;
    float   *values = mt_alloc(n, sizeof *values, error);
    uint8_t *states = values != NULL ? mt_alloc(n, 1, error) : NULL;
    bool     ok = states != NULL && mt_heatmap_render(p->heatmap, view, values, states, error) && draw_base(p, view, rgb, error);

    if (ok)
        draw_heat(p, view, values, states, rgb);
    mt_free(values);
    mt_free(states);
    return ok;
}

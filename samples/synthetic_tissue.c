#include "samples/synthetic.h"

#include <math.h>
#include <string.h>

/* --- stains ------------------------------------------------------------------------------------------------------------ */

static void perturb(float v[3], uint32_t hash, float amount)
{
    float norm = 0;

    for (uint32_t c = 0; c < 3; c++) {
        v[c] += amount * (syn_uniform(hash, c) - 0.5f);
        norm += v[c] * v[c];
    }
    for (int c = 0; c < 3; c++)
        v[c] /= sqrtf(norm);
}

static void set_pen(syn_stain *stain, uint32_t hash)
{
    static const float inks[3][3] = {{1.5f, 0.95f, 0.25f}, {1.3f, 0.45f, 0.9f}, {1.6f, 1.55f, 1.45f}}; /* blue, green, black */

    memcpy(stain->pen, inks[(int)(3 * syn_uniform(hash, 0))], sizeof stain->pen);
}

/* Directions of haematoxylin and eosin in optical density, moved a little per slide. */
static void stain_set(syn_stain *stain, uint32_t seed)
{
    const uint32_t h = syn_hash(seed, 0, 0, 60);
    const float    angle = 3.1416f * syn_uniform(h, 0), lamp = 236 + 10 * syn_uniform(h, 1);

    *stain = (syn_stain){.h = {0.640f, 0.700f, 0.315f}, .e = {0.216f, 0.801f, 0.558f}};
    perturb(stain->h, syn_hash(seed, 1, 0, 60), 0.10f);
    perturb(stain->e, syn_hash(seed, 2, 0, 60), 0.10f);
    stain->h_scale = 0.85f + 0.4f * syn_uniform(h, 2);
    stain->e_scale = 0.8f + 0.4f * syn_uniform(h, 3);
    stain->tumour_density = 0.62f + 0.33f * syn_uniform(h, 4);
    stain->fibre_cos = cosf(angle);
    stain->fibre_sin = sinf(angle);
    set_pen(stain, syn_hash(seed, 3, 0, 60));
    for (uint32_t c = 0; c < 3; c++) {
        const float white = lamp + 5 * (syn_uniform(h, 10 + c) - 0.5f);
        for (int i = 0; i < SYN_LUT_ENTRIES; i++)
            stain->lut[c][i] = (uint8_t)(white * powf(10, -0.4343f * (float)i / SYN_LUT_PER_OD) + 0.5f);
    }
}

syn_slide *syn_slide_new(const syn_params *params, const syn_textures *textures)
{
    syn_slide *slide = g_new0(syn_slide, 1);

    slide->params = *params;
    slide->u_per_px = (float)(params->mpp / SYN_UNIT_UM);
    slide->textures = textures;
    slide->plan = syn_plan_new(params);
    stain_set(&slide->stain, params->seed);
    return slide;
}

void syn_slide_free(syn_slide *slide)
{
    syn_plan_free(slide->plan);
    g_free(slide);
}

/* --- a rectangle -------------------------------------------------------------------------------------------------------- */

/* Ragged edge of the tissue: how far the outline may wander from the plan's, u. */
#define RAGGED 26.0f

/* How far outside its level tumour or follicle still colours the ground. */
#define FRINGE 12.0f

/* What one pixel of tissue absorbs. */
typedef struct density {
    float h, e;
} density;

/* One field along a row of pixels, the same as syn_plan_at of each but for what a row has in common. */
static void field_row(const syn_layers *l, syn_field field, float y, float *out)
{
    const syn_plan *plan = l->slide->plan;
    const float     v = CLAMP(y / SYN_CELL - 0.5f, 0, (float)plan->height - 1), last = (float)plan->width - 1;
    const int       j = (int)v, dj = j + 1 < plan->height ? plan->width : 0;
    const float    *row = plan->field[field] + (int64_t)j * plan->width, fy = v - (float)j, per_px = l->slide->u_per_px;

    for (int i = 0; i < l->width; i++) {
        const float  u = CLAMP(((float)(l->x + i) + 0.5f) * per_px * (1 / SYN_CELL) - 0.5f, 0, last);
        const int    k = (int)u, dk = k + 1 < plan->width ? 1 : 0;
        const float *p = row + k, fx = u - (float)k, top = p[0] + (p[dk] - p[0]) * fx, bottom = p[dj] + (p[dj + dk] - p[dj]) * fx;
        out[i] = top + (bottom - top) * fy;
    }
}

/* The same where no value can matter: as if it were far outside. */
static void field_nowhere(const syn_layers *l, float *out)
{
    for (int i = 0; i < l->width; i++)
        out[i] = -1e9f;
}

static float mix(float a, float b, float t)
{
    return a + (b - a) * t;
}

static float ramp(float value, float width)
{
    return CLAMP(value / width + 0.5f, 0, 1);
}

/* Collagen: wavy along the slide's direction of fibres, with clefts where it shrank. */
static density stroma_at(const syn_slide *slide, float x, float y)
{
    const syn_stain    *s = &slide->stain;
    const syn_textures *t = slide->textures;
    const float         bend = 0.30f * (syn_smooth_texel(t->cloud, 0.25f * x, 0.25f * y) - 128);
    const float         u = x * s->fibre_cos + y * s->fibre_sin + 4 * bend, v = y * s->fibre_cos - x * s->fibre_sin + bend;
    const float         fibre = (float)syn_texel(t->fibre, 0.9f * u, 1.3f * v) * (1.0f / 255);
    const float         thick = (float)syn_texel(t->cloud, 0.4f * x + 500, 0.4f * y) * (1.0f / 255);
    const float         cleft = CLAMP((fibre - 0.12f) * 6, 0, 1);

    return (density){.h = 0.06f + 0.05f * thick, .e = (0.16f + 0.62f * fibre * (0.5f + thick)) * mix(0.3f, 1, cleft)};
}

static density tissue_at(const syn_layers *l, int at, float x, float y, float tumour, float lymph)
{
    const syn_textures *t = l->slide->textures;
    const float         grain = (float)syn_texel(t->grain, x, y) * (1.0f / 255);
    const float         epithelium = (float)l->epithelium[at] * (1.0f / 255), lumen = (float)l->lumen[at] * (1.0f / 255);
    density             d = {0, 0};

    if (epithelium < 1)
        d = stroma_at(l->slide, x, y);

    if (tumour > -FRINGE) {
        const float nest = CLAMP(((float)syn_texel(t->cloud, 0.9f * x + 300, 0.9f * y) - 84) * (1.0f / 16), 0, 1) * ramp(tumour, 20);
        d.e = mix(d.e, 0.27f + 0.16f * grain, nest);
        d.h = mix(d.h, 0.15f + 0.06f * grain, nest);
    }
    if (lymph > -FRINGE) {
        const float inside = 0.8f * ramp(lymph, 24);
        d.e = mix(d.e, 0.24f + 0.08f * grain, inside);
        d.h = mix(d.h, 0.13f, inside);
    }
    if (epithelium > 0) {
        d.e = mix(mix(d.e, 0.38f + 0.12f * grain, epithelium), 0.04f, lumen);
        d.h = mix(mix(d.h, 0.14f, epithelium), 0.02f, lumen);
    }
    const float nucleus = l->nucleus[at];
    if (nucleus > 0) {
        d.h = MAX(d.h, nucleus);
        d.e *= 1 - 0.45f * MIN(1, nucleus);
    }
    return d;
}

typedef struct row_fields {
    float *tissue, *tumour, *lymph, *fold, *pen;
} row_fields;

static void put_pixel(const syn_slide *slide, density d, float pen, int noise, uint8_t *rgb)
{
    const syn_stain *s = &slide->stain;

    for (int c = 0; c < 3; c++) {
        const float od = d.h * s->h[c] + d.e * s->e[c] + pen * s->pen[c];
        const int   value = s->lut[c][MIN(SYN_LUT_ENTRIES - 1, (int)(od * SYN_LUT_PER_OD))] + noise;
        rgb[c] = (uint8_t)CLAMP(value, 0, 255);
    }
}

static void render_row(const syn_layers *l, int j, const row_fields *f, uint8_t *rgb)
{
    const syn_slide    *slide = l->slide;
    const syn_textures *t = slide->textures;
    const float         y = ((float)(l->y + j) + 0.5f) * slide->u_per_px;
    const uint8_t      *white = t->white + ((l->y + j) & (SYN_TEXTURE - 1)) * SYN_TEXTURE;

    for (int i = 0; i < l->width; i++, rgb += 3) {
        const float x = ((float)(l->x + i) + 0.5f) * slide->u_per_px;
        const int   noise = (white[(l->x + i) & (SYN_TEXTURE - 1)] >> 6) - 2;
        float       level = f->tissue[i], pen = f->pen[i];
        density     d = {0, 0};

        if (level > -RAGGED)
            level += ((float)syn_texel(t->cloud, x, y) - 128) * (RAGGED / 128);
        if (level > -1) {
            const float cover = ramp(level, 3), fold = (1 + 0.85f * f->fold[i]) * cover;
            d = tissue_at(l, j * l->width + i, x, y, f->tumour[i], f->lymph[i]);
            d.h *= fold * slide->stain.h_scale;
            d.e *= fold * slide->stain.e_scale;
        }
        if (pen > 0)
            pen *= 0.75f + 0.35f * (float)syn_texel(t->fibre, 0.1f * x, 0.1f * y) * (1.0f / 255);
        put_pixel(slide, d, pen, noise, rgb);
    }
}

/* Glass alone: the lamp's colour with a little noise. */
static void render_glass(const syn_slide *slide, int64_t x, int64_t y, int64_t width, int64_t height, uint8_t *rgb)
{
    const uint8_t lamp[3] = {slide->stain.lut[0][0], slide->stain.lut[1][0], slide->stain.lut[2][0]};

    for (int64_t j = 0; j < height; j++) {
        const uint8_t *white = slide->textures->white + ((y + j) & (SYN_TEXTURE - 1)) * SYN_TEXTURE;
        for (int64_t i = 0; i < width; i++, rgb += 3) {
            const int noise = (white[(x + i) & (SYN_TEXTURE - 1)] >> 6) - 2;
            for (int c = 0; c < 3; c++)
                rgb[c] = (uint8_t)CLAMP(lamp[c] + noise, 0, 255);
        }
    }
}

static void render_rows(syn_layers *l, uint8_t *rgb, float *scratch)
{
    const gsize n = (gsize)l->width;
    row_fields  f = {scratch, scratch + n, scratch + 2 * n, scratch + 3 * n, scratch + 4 * n};

    for (int j = 0; j < l->height; j++) {
        const float y = ((float)(l->y + j) + 0.5f) * l->slide->u_per_px;
        field_row(l, SYN_TISSUE, y, f.tissue);
        l->has_tumour ? field_row(l, SYN_TUMOUR, y, f.tumour) : field_nowhere(l, f.tumour);
        l->has_lymph ? field_row(l, SYN_LYMPH, y, f.lymph) : field_nowhere(l, f.lymph);
        if (l->slide->plan->has_fold)
            field_row(l, SYN_FOLD, y, f.fold);
        if (l->slide->plan->has_pen)
            field_row(l, SYN_PEN, y, f.pen);
        render_row(l, j, &f, rgb + (gsize)j * n * 3);
    }
}

/* Over the rectangle and what lies near enough to send a nucleus into it. */
static float greatest(const syn_layers *l, syn_field field)
{
    const float near = 2 * SYN_CELL;

    return syn_plan_greatest(l->slide->plan, field, l->x0 - near, l->y0 - near, l->x1 + near, l->y1 + near);
}

bool syn_slide_render(void *user, int64_t x, int64_t y, int64_t width, int64_t height, uint8_t *rgb, GError **error)
{
    const syn_slide *slide = user;
    const float      per_px = slide->u_per_px;
    syn_layers       l = {.slide = slide, .x = x, .y = y, .width = (int)width, .height = (int)height};
    float            tissue, tumour, lymph, pen;

    l.x0 = (float)x * per_px, l.x1 = (float)(x + width) * per_px;
    l.y0 = (float)y * per_px, l.y1 = (float)(y + height) * per_px;
    tissue = greatest(&l, SYN_TISSUE);
    tumour = greatest(&l, SYN_TUMOUR);
    lymph = greatest(&l, SYN_LYMPH);
    pen = greatest(&l, SYN_PEN);
    if (tissue < -RAGGED - 2 && pen <= 0) {
        render_glass(slide, x, y, width, height, rgb);
        return true;
    }
    const gsize n = (gsize)width * (gsize)height;
    uint8_t    *memory = g_try_malloc0(n * (sizeof(float) + 2) + (gsize)width * 5 * sizeof(float));
    if (memory == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MEMORY, "allocate layers of %zu pixels: the system refused", n);
        return false;
    }
    float *scratch = (float *)(void *)memory;
    l.nucleus = scratch + 5 * width;
    l.lumen = (uint8_t *)(l.nucleus + n);
    l.epithelium = l.lumen + n;
    l.has_tumour = tumour > -FRINGE;
    l.has_lymph = lymph > -FRINGE;
    if (tissue > -RAGGED - 2)
        syn_draw_cells(&l);
    render_rows(&l, rgb, scratch);
    g_free(memory);
    return true;
}

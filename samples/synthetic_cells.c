#include "samples/synthetic.h"

#include <math.h>

/* Cells stand on jittered grids: place (i, j) of a grid holds at most one, and its hash says whether, where and how it
 * looks.  Overlaps resolve by the darker one, so that the order of drawing does not matter. */

typedef struct nucleus {
    float x, y, a, b; /* centre and half axes, u */
    float cos_a, sin_a;
    float haematoxylin;
    float irregular; /* of the outline, 0..1 */
    float coarse;    /* chromatin texture, 0..1 */
    float pale;      /* vesicular: light inside, dark rim, 0..1 */
} nucleus;

typedef struct gland {
    float    x, y, r, squeeze, cos_a, sin_a, lumen;
    uint32_t hash;
} gland;

#define MAX_GLANDS 96
#define STROMA_GRID 26.0f
#define TUMOUR_GRID 17.5f
#define LYMPH_GRID 13.0f
#define GLAND_GRID 225.0f
#define GLAND_REACH 140.0f /* no gland reaches further from its centre */
#define NUCLEUS_REACH 22.0f

static int clamp_px(float value, int high)
{
    return value <= 0 ? 0 : value >= (float)high ? high : (int)value;
}

/* Pixels of the layers that a square of half edge `reach` around (x, y) touches. */
static void touched(const syn_layers *l, float x, float y, float reach, int box[4])
{
    const float per_u = 1 / l->slide->u_per_px;

    box[0] = clamp_px((x - reach - l->x0) * per_u - 1, l->width);
    box[1] = clamp_px((y - reach - l->y0) * per_u - 1, l->height);
    box[2] = clamp_px((x + reach - l->x0) * per_u + 2, l->width);
    box[3] = clamp_px((y + reach - l->y0) * per_u + 2, l->height);
}

static float pixel_u(int64_t first, int i, float u_per_px)
{
    return ((float)(first + i) + 0.5f) * u_per_px;
}

static void draw_nucleus(syn_layers *l, const nucleus *n)
{
    const syn_textures *t = l->slide->textures;
    const float         ia = 1 / n->a, ib = 1 / n->b, cutoff = MIN(1.9f, 1.12f / (1 - 1.17f * n->irregular));
    int                 box[4];

    touched(l, n->x, n->y, MAX(n->a, n->b) * sqrtf(cutoff), box); /* nothing beyond it: any rectangle draws the same */
    for (int j = box[1]; j < box[3]; j++) {
        const float y = pixel_u(l->y, j, l->slide->u_per_px), dy = y - n->y;
        for (int i = box[0]; i < box[2]; i++) {
            const float x = pixel_u(l->x, i, l->slide->u_per_px), dx = x - n->x;
            const float u = (dx * n->cos_a + dy * n->sin_a) * ia, v = (dy * n->cos_a - dx * n->sin_a) * ib;
            float       d = u * u + v * v;
            if (d > cutoff)
                continue;
            d *= 1 + n->irregular * ((float)syn_texel(t->cloud, 5 * x, 5 * y) - 128) * (1.0f / 110);
            const float edge = CLAMP((1.12f - d) * 3.2f, 0, 1);
            if (edge <= 0)
                continue;
            const float grain = ((float)syn_texel(t->grain, 1.6f * x, 1.6f * y) - 128) * (1.0f / 128);
            const float inside = 1 - n->pale * CLAMP(1.05f - d, 0, 1) + n->coarse * grain;
            const float value = n->haematoxylin * edge * MAX(0.15f, inside);
            float      *at = &l->nucleus[(int64_t)j * l->width + i];
            *at = MAX(*at, value);
        }
    }
}

/* --- glands ---------------------------------------------------------------------------------------------------------- */

static bool gland_at(const syn_slide *slide, int i, int j, gland *g)
{
    const syn_plan *plan = slide->plan;
    const uint32_t  h = syn_hash(slide->params.seed, i, j, 50);

    g->hash = h;
    g->r = 58 + 38 * syn_uniform(h, 0);
    g->x = ((float)i + 0.5f) * GLAND_GRID + (GLAND_GRID - 2 * g->r) * (syn_uniform(h, 1) - 0.5f);
    g->y = ((float)j + 0.5f) * GLAND_GRID + (GLAND_GRID - 2 * g->r) * (syn_uniform(h, 2) - 0.5f);
    if (syn_uniform(h, 3) > 0.9f || syn_plan_at(plan, SYN_GLAND, g->x, g->y) < 0 ||
        syn_plan_at(plan, SYN_TISSUE, g->x, g->y) < 0.9f * g->r || syn_plan_at(plan, SYN_TUMOUR, g->x, g->y) > -0.8f * g->r ||
        syn_plan_at(plan, SYN_LYMPH, g->x, g->y) > -0.8f * g->r)
        return false;
    const float angle = 6.2832f * syn_uniform(h, 4);
    g->squeeze = 0.68f + 0.32f * syn_uniform(h, 5);
    g->cos_a = cosf(angle);
    g->sin_a = sinf(angle);
    g->lumen = 0.25f + 0.35f * syn_uniform(h, 6);
    return true;
}

/* Distance from the middle, 1 at the outline; `ragged` follows the tissue's texture. */
static float gland_distance(const syn_slide *slide, const gland *g, float x, float y, bool ragged)
{
    const float dx = x - g->x, dy = y - g->y;
    const float u = dx * g->cos_a + dy * g->sin_a, v = (dy * g->cos_a - dx * g->sin_a) / g->squeeze;
    const float d = sqrtf(u * u + v * v) / g->r;

    return ragged ? d * (1 + ((float)syn_texel(slide->textures->cloud, x, y) - 128) * (1.0f / 700)) : d;
}

static void draw_gland_body(syn_layers *l, const gland *g)
{
    const float soft = g->r / 3;
    int         box[4];

    touched(l, g->x, g->y, 1.4f * g->r, box);
    for (int j = box[1]; j < box[3]; j++)
        for (int i = box[0]; i < box[2]; i++) {
            const float x = pixel_u(l->x, i, l->slide->u_per_px), y = pixel_u(l->y, j, l->slide->u_per_px);
            const float d = gland_distance(l->slide, g, x, y, true);
            const int   at = j * l->width + i;
            l->epithelium[at] = MAX(l->epithelium[at], (uint8_t)(255 * CLAMP((1.04f - d) * soft, 0, 1)));
            l->lumen[at] = MAX(l->lumen[at], (uint8_t)(255 * CLAMP((g->lumen - d) * soft, 0, 1)));
        }
}

/* One or two rows of nuclei near the base, standing radially. */
static void draw_gland_nuclei(syn_layers *l, const gland *g)
{
    for (uint32_t row = 0; row < 2; row++) {
        const float at = row == 0 ? 0.84f : 0.66f;
        const int   count = (int)(6.2832f * g->r * at * 0.5f * (1 + g->squeeze) / 11.5f);
        for (int k = 0; k < count; k++) {
            const uint32_t h = syn_hash(g->hash, k, (int32_t)row, 51);
            if (syn_uniform(h, 0) > (row == 0 ? 0.93f : 0.4f) || at - 0.1f < g->lumen)
                continue;
            const float angle = 6.2832f * ((float)k + 0.5f * syn_uniform(h, 1)) / (float)count,
                        d = g->r * (at + 0.1f * (syn_uniform(h, 2) - 0.5f));
            const float u = d * cosf(angle), v = d * sinf(angle) * g->squeeze, length = hypotf(u, v);
            nucleus     n = {.x = g->x + u * g->cos_a - v * g->sin_a, .y = g->y + u * g->sin_a + v * g->cos_a};
            if (n.x < l->x0 - NUCLEUS_REACH || n.x > l->x1 + NUCLEUS_REACH || n.y < l->y0 - NUCLEUS_REACH || n.y > l->y1 + NUCLEUS_REACH)
                continue;
            n.cos_a = (n.x - g->x) / length;
            n.sin_a = (n.y - g->y) / length;
            n.a = 6.6f + 1.8f * syn_uniform(h, 3);
            n.b = 4.0f + 0.9f * syn_uniform(h, 4);
            n.haematoxylin = 0.75f + 0.3f * syn_uniform(h, 5);
            n.irregular = 0.12f;
            n.coarse = 0.18f;
            n.pale = 0.2f;
            draw_nucleus(l, &n);
        }
    }
}

static int draw_glands(syn_layers *l, gland glands[MAX_GLANDS])
{
    const int i0 = (int)floorf((l->x0 - GLAND_REACH) / GLAND_GRID), i1 = (int)floorf((l->x1 + GLAND_REACH) / GLAND_GRID);
    const int j0 = (int)floorf((l->y0 - GLAND_REACH) / GLAND_GRID), j1 = (int)floorf((l->y1 + GLAND_REACH) / GLAND_GRID);
    int       n = 0;

    for (int j = j0; j <= j1; j++)
        for (int i = i0; i <= i1 && n < MAX_GLANDS; i++)
            if (gland_at(l->slide, i, j, &glands[n])) {
                draw_gland_body(l, &glands[n]);
                draw_gland_nuclei(l, &glands[n]);
                n++;
            }
    return n;
}

static bool in_gland(const syn_slide *slide, const gland *glands, int n, float x, float y)
{
    for (int i = 0; i < n; i++)
        if (gland_distance(slide, &glands[i], x, y, false) < 1.05f)
            return true;
    return false;
}

/* --- free cells ------------------------------------------------------------------------------------------------------ */

typedef struct place {
    uint32_t hash;
    float    x, y;
} place;

static place place_at(const syn_slide *slide, int i, int j, float grid, uint32_t salt, float jitter)
{
    const uint32_t h = syn_hash(slide->params.seed, i, j, salt);

    return (place){h, ((float)i + 0.5f + jitter * (syn_uniform(h, 0) - 0.5f)) * grid,
                   ((float)j + 0.5f + jitter * (syn_uniform(h, 1) - 0.5f)) * grid};
}

static void turn(nucleus *n, float angle)
{
    n->cos_a = cosf(angle);
    n->sin_a = sinf(angle);
}

/* Fibroblasts along the fibres, and a few round cells. */
static bool stroma_nucleus(const syn_slide *slide, const place *p, nucleus *n)
{
    const syn_plan *plan = slide->plan;
    const bool      round = syn_uniform(p->hash, 3) < 0.2f;

    if (syn_uniform(p->hash, 2) > 0.42f || syn_plan_at(plan, SYN_TISSUE, p->x, p->y) < 8 || syn_plan_at(plan, SYN_TUMOUR, p->x, p->y) > 0 ||
        syn_plan_at(plan, SYN_LYMPH, p->x, p->y) > 0)
        return false;
    *n = (nucleus){.x = p->x, .y = p->y, .irregular = 0.15f, .coarse = 0.2f, .pale = 0.1f};
    n->a = round ? 5.0f + syn_uniform(p->hash, 4) : 7 + 4 * syn_uniform(p->hash, 4);
    n->b = round ? 4.6f : 2.2f + 1.0f * syn_uniform(p->hash, 5);
    n->haematoxylin = (round ? 0.95f : 0.7f) + 0.3f * syn_uniform(p->hash, 6);
    const float tilt = 0.7f * (syn_uniform(p->hash, 7) - 0.5f), c = cosf(tilt), s = sinf(tilt);
    n->cos_a = slide->stain.fibre_cos * c - slide->stain.fibre_sin * s;
    n->sin_a = slide->stain.fibre_sin * c + slide->stain.fibre_cos * s;
    return true;
}

/* Crowded, large, of all sizes and shapes, coarse chromatin: the tumour. */
static bool tumour_nucleus(const syn_slide *slide, const place *p, nucleus *n)
{
    const bool  pyknotic = syn_uniform(p->hash, 3) < 0.06f;
    const float size = syn_uniform(p->hash, 4), spread = syn_uniform(p->hash, 5);
    const bool  nest = syn_texel(slide->textures->cloud, 0.9f * p->x + 300, 0.9f * p->y) > 92;

    if (syn_uniform(p->hash, 2) > (nest ? slide->stain.tumour_density : 0.12f) || syn_plan_at(slide->plan, SYN_TUMOUR, p->x, p->y) <= 0 ||
        syn_plan_at(slide->plan, SYN_TISSUE, p->x, p->y) < 6)
        return false;
    *n = (nucleus){.x = p->x, .y = p->y};
    n->a = pyknotic ? 4.5f + 2 * size : 6.5f + 6.0f * size * size + 2.5f * spread;
    n->b = n->a * (0.55f + 0.42f * syn_uniform(p->hash, 6));
    n->haematoxylin = pyknotic ? 1.5f : 0.62f + 0.5f * syn_uniform(p->hash, 7);
    n->irregular = 0.35f + 0.35f * syn_uniform(p->hash, 8);
    n->coarse = 0.35f + 0.3f * syn_uniform(p->hash, 9);
    n->pale = pyknotic ? 0 : 0.5f * syn_uniform(p->hash, 10);
    turn(n, 3.1416f * syn_uniform(p->hash, 11));
    return true;
}

/* Small, round, dark, alike: lymphocytes, as crowded as a tumour and bluer. */
static bool lymph_nucleus(const syn_slide *slide, const place *p, nucleus *n)
{
    const float level = syn_plan_at(slide->plan, SYN_LYMPH, p->x, p->y);
    const float centre = syn_texel(slide->textures->cloud, 0.6f * p->x, 0.6f * p->y) > 150 ? 0.55f : 0.95f;

    if (level <= 0 || syn_uniform(p->hash, 2) > centre * CLAMP(0.35f + level / 90, 0, 1) ||
        syn_plan_at(slide->plan, SYN_TISSUE, p->x, p->y) < 6)
        return false;
    *n = (nucleus){.x = p->x, .y = p->y, .irregular = 0.08f, .coarse = 0.16f, .pale = 0.05f};
    n->a = 4.8f + 0.9f * syn_uniform(p->hash, 3);
    n->b = n->a * (0.88f + 0.12f * syn_uniform(p->hash, 4));
    n->haematoxylin = 1.05f + 0.25f * syn_uniform(p->hash, 5);
    turn(n, 3.1416f * syn_uniform(p->hash, 6));
    return true;
}

typedef bool (*make_nucleus)(const syn_slide *slide, const place *p, nucleus *n);

static void draw_grid(syn_layers *l, float grid, uint32_t salt, float jitter, make_nucleus make, const gland *glands, int n_glands)
{
    const float reach = NUCLEUS_REACH + grid;
    const int   i0 = (int)floorf((l->x0 - reach) / grid), i1 = (int)floorf((l->x1 + reach) / grid);
    const int   j0 = (int)floorf((l->y0 - reach) / grid), j1 = (int)floorf((l->y1 + reach) / grid);

    for (int j = j0; j <= j1; j++)
        for (int i = i0; i <= i1; i++) {
            const place p = place_at(l->slide, i, j, grid, salt, jitter);
            nucleus     n;
            if (make(l->slide, &p, &n) && !in_gland(l->slide, glands, n_glands, p.x, p.y))
                draw_nucleus(l, &n);
        }
}

void syn_draw_cells(syn_layers *l)
{
    gland     glands[MAX_GLANDS];
    const int n = draw_glands(l, glands);

    draw_grid(l, STROMA_GRID, 52, 0.9f, stroma_nucleus, glands, n);
    if (l->has_tumour)
        draw_grid(l, TUMOUR_GRID, 53, 0.8f, tumour_nucleus, NULL, 0);
    if (l->has_lymph)
        draw_grid(l, LYMPH_GRID, 54, 0.55f, lymph_nucleus, NULL, 0);
}

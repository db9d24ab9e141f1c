#include "samples/synthetic.h"

#include <math.h>
#include <stdlib.h>

typedef struct point {
    float x, y, r;
} point;

#define MAX_PIECES 5
#define MAX_FOCI 6

static float cell_centre(int i)
{
    return ((float)i + 0.5f) * SYN_CELL;
}

/* Smaller edge of the slide in u: what sizes of pieces, folds and strokes follow. */
static float plan_edge(const syn_plan *plan)
{
    return SYN_CELL * (float)MIN(plan->width, plan->height);
}

/* --- tissue: a few pieces, side by side along the longer edge, with ragged outlines --------------------------------- */

typedef struct piece {
    float x, y, rx, ry, cos_a, sin_a;
} piece;

static int lay_pieces(const syn_plan *plan, uint32_t seed, piece pieces[MAX_PIECES])
{
    const uint32_t h = syn_hash(seed, 0, 0, 20);
    const float    w = SYN_CELL * (float)plan->width, ht = SYN_CELL * (float)plan->height, ratio = MAX(w, ht) / MIN(w, ht);
    const int      n = CLAMP(1 + (int)(syn_uniform(h, 0) * 2.3f * ratio), 1, MAX_PIECES);

    for (int i = 0; i < n; i++) {
        const uint32_t k = syn_hash(seed, i, n, 21);
        const float    along = ((float)i + 0.5f) / (float)n + 0.08f / (float)n * (syn_uniform(k, 0) - 0.5f);
        const float    across = 0.5f + 0.12f * (syn_uniform(k, 1) - 0.5f);
        const float    r_along = (w >= ht ? w : ht) / (float)n * (0.34f + 0.08f * syn_uniform(k, 2));
        const float    r_across = (w >= ht ? ht : w) * (0.30f + 0.12f * syn_uniform(k, 3)), angle = 0.6f * (syn_uniform(k, 4) - 0.5f);
        pieces[i] = (piece){.x = (w >= ht ? along : across) * w,
                            .y = (w >= ht ? across : along) * ht,
                            .rx = w >= ht ? r_along : r_across,
                            .ry = w >= ht ? r_across : r_along,
                            .cos_a = cosf(angle),
                            .sin_a = sinf(angle)};
    }
    return n;
}

static void plan_tissue(syn_plan *plan, uint32_t seed)
{
    piece     pieces[MAX_PIECES];
    const int n = lay_pieces(plan, seed, pieces);

    for (int j = 0; j < plan->height; j++)
        for (int i = 0; i < plan->width; i++) {
            const float x = cell_centre(i), y = cell_centre(j);
            float       level = -1e9f;
            for (int k = 0; k < n; k++) {
                const piece *p = &pieces[k];
                const float  dx = x - p->x, dy = y - p->y, r = 0.5f * (p->rx + p->ry);
                const float  u = (dx * p->cos_a + dy * p->sin_a) / p->rx, v = (dy * p->cos_a - dx * p->sin_a) / p->ry;
                const float  noise = syn_fractal(seed + 31 + (uint32_t)k, x, y, 0.9f * r, 5);
                level = MAX(level, r * (1 - sqrtf(u * u + v * v) + 0.38f * noise));
            }
            plan->field[SYN_TISSUE][j * plan->width + i] = level;
        }
}

/* --- regions inside the tissue: blobs around foci ------------------------------------------------------------------ */

/* A cell well inside the tissue; the k-th draw of a seed. */
static point pick_focus(const syn_plan *plan, uint32_t seed, int k, float depth)
{
    point best = {0.5f * SYN_CELL * (float)plan->width, 0.5f * SYN_CELL * (float)plan->height, 0};
    float best_level = -1e9f;

    for (int attempt = 0; attempt < 400; attempt++) {
        const uint32_t h = syn_hash(seed, k, attempt, 22);
        const int      i = (int)(syn_uniform(h, 0) * (float)plan->width), j = (int)(syn_uniform(h, 1) * (float)plan->height);
        const float    level = plan->field[SYN_TISSUE][j * plan->width + i];
        if (level > best_level) {
            best_level = level;
            best.x = cell_centre(i);
            best.y = cell_centre(j);
        }
        if (level > depth)
            break;
    }
    return best;
}

static float blob_level(const point *foci, int n, float x, float y, float noise)
{
    float level = -1e9f;

    for (int k = 0; k < n; k++)
        level = MAX(level, foci[k].r * (1 + noise) - hypotf(x - foci[k].x, y - foci[k].y));
    return level;
}

static int compare_floats_down(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x < y) - (x > y);
}

/* Shift the tumour's level so that exactly `share` of the tissue's cells are above zero. */
static void cut_at_share(syn_plan *plan, double share)
{
    const int64_t n = (int64_t)plan->width * plan->height;
    float        *inside = g_new(float, (gsize)n), *tumour = plan->field[SYN_TUMOUR];
    int64_t       count = 0;

    for (int64_t i = 0; i < n; i++)
        if (syn_plan_is_tissue(plan, i))
            inside[count++] = tumour[i];
    if (count > 0) {
        const int64_t want = MAX(1, (int64_t)(share * (double)count + 0.5));
        qsort(inside, (size_t)count, sizeof *inside, compare_floats_down);
        const float threshold = want < count ? 0.5f * (inside[want - 1] + inside[want]) : inside[count - 1] - 1;
        for (int64_t i = 0; i < n; i++)
            tumour[i] -= threshold;
    }
    g_free(inside);
}

static void plan_tumour(syn_plan *plan, uint32_t seed, double share)
{
    const float edge = plan_edge(plan), reach = 0.25f * edge;
    const int   n = 1 + (int)(syn_uniform(syn_hash(seed, 0, 0, 23), 0) * 2.5f);
    point       foci[MAX_FOCI];

    for (int k = 0; k < n; k++) {
        foci[k] = pick_focus(plan, seed + 41, k, 0.12f * edge);
        foci[k].r = reach * (0.5f + 0.5f * syn_uniform(syn_hash(seed, k, 0, 24), 0));
    }
    for (int j = 0; j < plan->height; j++)
        for (int i = 0; i < plan->width; i++) {
            const float x = cell_centre(i), y = cell_centre(j), noise = 0.35f * syn_fractal(seed + 51, x, y, 0.2f * edge, 5);
            plan->field[SYN_TUMOUR][j * plan->width + i] = share > 0 ? blob_level(foci, n, x, y, noise) : -1e9f;
        }
    if (share > 0)
        cut_at_share(plan, share);
}

/* Follicles of lymphocytes: the hard negatives. Never inside the tumour, so that the truth stays clean. */
static void plan_lymph(syn_plan *plan, uint32_t seed)
{
    const float edge = plan_edge(plan);
    const int   n = 2 + (int)(syn_uniform(syn_hash(seed, 0, 0, 25), 0) * 4);
    point       foci[MAX_FOCI];

    for (int k = 0; k < n; k++) {
        foci[k] = pick_focus(plan, seed + 61, k, 0.04f * edge);
        foci[k].r = MIN(0.09f * edge, 180 + 320 * syn_uniform(syn_hash(seed, k, 0, 26), 0));
    }
    for (int j = 0; j < plan->height; j++)
        for (int i = 0; i < plan->width; i++) {
            const int   at = j * plan->width + i;
            const float x = cell_centre(i), y = cell_centre(j), noise = 0.45f * syn_fractal(seed + 71, x, y, 300, 4);
            plan->field[SYN_LYMPH][at] = MIN(blob_level(foci, n, x, y, noise), -plan->field[SYN_TUMOUR][at]);
            plan->field[SYN_GLAND][at] = syn_fractal(seed + 81, x, y, 0.35f * edge, 3) + 0.2f;
        }
}

/* --- what spoils slides: folds and pen marks ----------------------------------------------------------------------- */

static void plan_folds(syn_plan *plan, uint32_t seed)
{
    const uint32_t h = syn_hash(seed, 0, 0, 27);
    const int      n = (int)(syn_uniform(h, 0) * 2.2f); /* 0 in 45 % of the slides, else 1 or 2 */
    const float    edge = plan_edge(plan);

    plan->has_fold = n > 0;
    for (int k = 0; k < n; k++) {
        const point    f = pick_focus(plan, seed + 91, k, 0.1f * edge);
        const uint32_t g = syn_hash(seed, k, 0, 28);
        const float    angle = 3.14159f * syn_uniform(g, 0), c = cosf(angle), s = sinf(angle), half = 30 + 60 * syn_uniform(g, 1);
        const float    length = edge * (0.1f + 0.25f * syn_uniform(g, 2));
        for (int j = 0; j < plan->height; j++)
            for (int i = 0; i < plan->width; i++) {
                const float dx = cell_centre(i) - f.x, dy = cell_centre(j) - f.y, along = dx * c + dy * s;
                const float across = dy * c - dx * s + 0.04f * edge * syn_fractal(g, along, 0, 0.15f * edge, 3);
                const float width = half * (1 - fabsf(along) / length);
                float      *fold = &plan->field[SYN_FOLD][j * plan->width + i];
                *fold = MAX(*fold, CLAMP((width - fabsf(across)) / 24 + 0.5f, 0, 1));
            }
    }
}

/* An arc around a piece of tissue or a short stroke, of a felt pen's width where the slide is large enough. */
static void plan_pen(syn_plan *plan, uint32_t seed)
{
    const uint32_t h = syn_hash(seed, 0, 0, 29);
    const float    edge = plan_edge(plan), half = CLAMP(0.018f * edge, 24, 300);
    const bool     arc = syn_uniform(h, 1) < 0.6f;

    plan->has_pen = syn_uniform(h, 0) < 0.3f;
    if (!plan->has_pen)
        return;
    const point f = pick_focus(plan, seed + 95, 0, 0.1f * edge);
    const float radius = edge * (0.22f + 0.15f * syn_uniform(h, 2)), from = 6.28f * syn_uniform(h, 3),
                sweep = 1.5f + 3.5f * syn_uniform(h, 4);
    const float c = cosf(from), s = sinf(from), length = 0.18f * edge;
    for (int j = 0; j < plan->height; j++)
        for (int i = 0; i < plan->width; i++) {
            const float x = cell_centre(i), y = cell_centre(j), wobble = 0.02f * edge * syn_fractal(seed + 96, x, y, 0.3f * edge, 2);
            const float dx = x - f.x, dy = y - f.y, turn = fmodf(atan2f(dy, dx) - from + 12.566f, 6.2832f);
            const float across = arc ? hypotf(dx, dy) - radius + wobble : (dy - 0.3f * edge) * c - dx * s + wobble;
            const bool  on = arc ? turn < sweep : fabsf(dx * c + (dy - 0.3f * edge) * s) < length;
            plan->field[SYN_PEN][j * plan->width + i] = on ? CLAMP((half - fabsf(across)) / 30 + 0.5f, 0, 1) : 0;
        }
}

/* --- the plan -------------------------------------------------------------------------------------------------------- */

syn_plan *syn_plan_new(const syn_params *params)
{
    syn_plan    *plan = g_new0(syn_plan, 1);
    const double um_per_cell = SYN_CELL_UM;

    plan->width = MAX(1, (int)ceil((double)params->width * params->mpp / um_per_cell - 1e-9));
    plan->height = MAX(1, (int)ceil((double)params->height * params->mpp / um_per_cell - 1e-9));
    const gsize n = (gsize)plan->width * (gsize)plan->height;
    for (int f = 0; f < SYN_N_FIELDS; f++)
        plan->field[f] = g_new0(float, n);
    if (params->blank) {
        for (gsize i = 0; i < n; i++)
            plan->field[SYN_TISSUE][i] = plan->field[SYN_TUMOUR][i] = plan->field[SYN_LYMPH][i] = -1e9f;
    } else {
        plan_tissue(plan, params->seed);
        plan_tumour(plan, params->seed, params->tumour_share);
        plan_lymph(plan, params->seed);
        plan_folds(plan, params->seed);
    }
    plan_pen(plan, params->seed);
    return plan;
}

void syn_plan_free(syn_plan *plan)
{
    for (int f = 0; f < SYN_N_FIELDS; f++)
        g_free(plan->field[f]);
    g_free(plan);
}

float syn_plan_at(const syn_plan *plan, syn_field field, float x, float y)
{
    const float  u = CLAMP(x / SYN_CELL - 0.5f, 0, (float)plan->width - 1), v = CLAMP(y / SYN_CELL - 0.5f, 0, (float)plan->height - 1);
    const int    i = (int)u, j = (int)v, di = i + 1 < plan->width ? 1 : 0, dj = j + 1 < plan->height ? plan->width : 0;
    const float *p = plan->field[field] + (int64_t)j * plan->width + i, fx = u - (float)i, fy = v - (float)j;
    const float  top = p[0] + (p[di] - p[0]) * fx, bottom = p[dj] + (p[dj + di] - p[dj]) * fx;

    return top + (bottom - top) * fy;
}

float syn_plan_greatest(const syn_plan *plan, syn_field field, float x0, float y0, float x1, float y1)
{
    const int i0 = CLAMP((int)(x0 / SYN_CELL) - 1, 0, plan->width - 1), i1 = CLAMP((int)(x1 / SYN_CELL) + 1, 0, plan->width - 1);
    const int j0 = CLAMP((int)(y0 / SYN_CELL) - 1, 0, plan->height - 1), j1 = CLAMP((int)(y1 / SYN_CELL) + 1, 0, plan->height - 1);
    float     high = -1e9f;

    for (int j = j0; j <= j1; j++)
        for (int i = i0; i <= i1; i++)
            high = MAX(high, plan->field[field][(int64_t)j * plan->width + i]);
    return high;
}

bool syn_plan_is_tissue(const syn_plan *plan, int64_t cell)
{
    return plan->field[SYN_TISSUE][cell] > 0;
}

bool syn_plan_is_tumour(const syn_plan *plan, int64_t cell)
{
    return syn_plan_is_tissue(plan, cell) && plan->field[SYN_TUMOUR][cell] > 0;
}

/* Folds: tissue lying double or more.
 *
 * Where tissue lies twice, its optical densities add up: the fold is darker and more saturated than the tissue beside it, which
 * Bautista & Yagi (2009) and Kothari et al. (2013) read from the difference of saturation and intensity.  Both are wanted here: a
 * density well above that of the tissue around, and a difference above the slide's.  What is dark by nature (epithelium, lymphoid
 * tissue) holds another mixture of stains than what is around it, a fold holds the same: the channels' shares of the density must
 * agree.  And a fold is a strip: three times as long as wide, and less than a third of a millimetre wide. */
#include "tiling/artefact.h"

#include "src/base/alloc.h"
#include "tiling/components.h"
#include "tiling/thickness.h"

#include <math.h>

#define UNIT 4096           /* densities as whole numbers: sums over windows are then exact */
#define AROUND_UM 300.0     /* half the window that is "around" */
#define DENSER 1.5          /* than the tissue around */
#define DENSER_ROUGHLY 1.25 /* left out of what is around, so that a fold is not measured against itself */
#define DENSE_AT_LEAST 1.1  /* of the slide's tissue */
#define DIFFERENCE_ABOVE 20 /* of 255, over the slide's tissue */
#define OTHER_STAIN 0.035f  /* how far a channel's share of the density may be off that around */
#define MIN_AREA_MM2 0.01
#define MIN_AREA_SHARE 1e-4
#define MIN_PX 40
#define MAX_WIDTH_UM 330.0
#define LONGER_THAN_WIDE 3.0
#define FEW_AROUND 50

typedef struct layers {
    const mt_scene *scene;
    int64_t         n;
    uint16_t       *density;    /* 3 a pixel, in 1 / UNIT */
    uint16_t       *around;     /* 3 a pixel: means there; 0: too few */
    uint8_t        *difference; /* 128 + (saturation - intensity) / 2, HSI */
    uint8_t        *use;        /* tissue that counts as "around" */
} layers;

/* Tissue that one step of the window takes in or leaves out: per column the sums of three densities and the count. */
typedef struct column {
    int64_t sums[3], count;
} column;

static int sum_of(const uint16_t *density)
{
    return density[0] + density[1] + density[2];
}

static void measure(layers *l)
{
    const mt_scene *s = l->scene;

    for (int64_t i = 0; i < l->n; i++) {
        const uint8_t *p = s->rgb + 3 * i;
        float          od[3];
        int            sum = p[0] + p[1] + p[2], low = MIN(p[0], MIN(p[1], p[2]));
        int            saturation = sum > 0 ? 255 - 3 * 255 * low / sum : 0;
        mt_scene_density(s, i, od);
        for (int c = 0; c < 3; c++)
            l->density[3 * i + c] = (uint16_t)(od[c] * UNIT + 0.5f);
        l->difference[i] = (uint8_t)(128 + (saturation - sum / 3) / 2);
        l->use[i] = s->tissue[i];
    }
}

static void add(column *to, const column *from, int64_t sign)
{
    for (int c = 0; c < 3; c++)
        to->sums[c] += sign * from->sums[c];
    to->count += sign * from->count;
}

static void move_columns(const layers *l, int64_t y, int64_t sign, column *columns)
{
    if (y < 0 || y >= l->scene->height)
        return;
    for (int64_t x = 0; x < l->scene->width; x++) {
        int64_t         i = y * l->scene->width + x;
        const uint16_t *d = l->density + 3 * i;
        if (l->use[i])
            add(&columns[x], &(column){{d[0], d[1], d[2]}, 1}, sign);
    }
}

static void mean_row(const layers *l, int64_t y, int64_t radius, const column *columns)
{
    int64_t width = l->scene->width;
    column  window = {0};

    for (int64_t x = 0; x < MIN(radius, width); x++)
        add(&window, &columns[x], 1);
    for (int64_t x = 0; x < width; x++) {
        if (x + radius < width)
            add(&window, &columns[x + radius], 1);
        if (x - radius - 1 >= 0)
            add(&window, &columns[x - radius - 1], -1);
        for (int c = 0; c < 3; c++)
            l->around[3 * (y * width + x) + c] = (uint16_t)(window.count >= FEW_AROUND ? window.sums[c] / window.count : 0);
    }
}

static bool look_around(const layers *l, GError **error)
{
    int64_t radius = (int64_t)mt_scene_length(l->scene, AROUND_UM);
    column *columns = mt_alloc(l->scene->width, sizeof(column), error);

    if (columns == NULL)
        return false;
    for (int64_t y = 0; y < radius; y++)
        move_columns(l, y, 1, columns);
    for (int64_t y = 0; y < l->scene->height; y++) {
        move_columns(l, y + radius, 1, columns);
        move_columns(l, y - radius - 1, -1, columns);
        mean_row(l, y, radius, columns);
    }
    mt_free(columns);
    return true;
}

static bool is_same_stain(const uint16_t *density, const uint16_t *around)
{
    float here = (float)sum_of(density), there = (float)sum_of(around);

    for (int c = 0; c < 3; c++)
        if (fabsf((float)density[c] / here - (float)around[c] / there) > OTHER_STAIN)
            return false;
    return true;
}

/* Means over the tissue: enough here, since both limits are ratios. */
static void judge_pixels(const layers *l, uint8_t *candidates)
{
    const uint8_t *tissue = l->scene->tissue;
    int64_t        density = 0, difference = 0, n = 0;

    for (int64_t i = 0; i < l->n; i++)
        if (tissue[i]) {
            density += sum_of(l->density + 3 * i);
            difference += l->difference[i];
            n++;
        }
    double mean = n ? (double)density / (double)n : 0, usual = n ? (double)difference / (double)n : 0;
    for (int64_t i = 0; i < l->n; i++) {
        int here = sum_of(l->density + 3 * i), there = sum_of(l->around + 3 * i);
        candidates[i] = tissue[i] && there && here > DENSER * there && here > DENSE_AT_LEAST * mean &&
                                l->difference[i] > usual + DIFFERENCE_ABOVE / 2.0 && is_same_stain(l->density + 3 * i, l->around + 3 * i)
                            ? 255
                            : 0;
    }
}

static bool keep_strips(const mt_scene *s, const uint8_t *candidates, uint8_t *found, GError **error)
{
    g_autoptr(mt_components) c = mt_components_new(candidates, s->width, s->height, true, 8, error);
    uint16_t *thickness = c ? mt_thickness_new(candidates, s->width, s->height, error) : NULL;
    int64_t  *areas = thickness ? mt_alloc(2 * c->n, sizeof(int64_t), error) : NULL;
    uint8_t  *strips = areas ? mt_alloc(c->n, 1, error) : NULL;
    bool      ok = strips != NULL;

    for (int64_t y = 0; ok && y < s->height; y++)
        for (int64_t i = c->row_first[y]; i < c->row_first[y + 1]; i++) {
            const mt_run *run = &c->runs[i];
            int64_t      *thickest = &areas[c->n + run->label];
            areas[run->label] += run->x1 - run->x0;
            for (int64_t x = run->x0; x < run->x1; x++)
                *thickest = MAX(*thickest, thickness[y * s->width + x]);
        }
    for (int64_t k = 0; ok && k < c->n; k++) {
        double width = 2.0 * (double)areas[c->n + k] / 3 - 1, area = (double)areas[k];
        strips[k] = areas[k] >= mt_scene_pixels(s, MIN_AREA_MM2, MIN_AREA_SHARE, MIN_PX) && area >= LONGER_THAN_WIDE * width * width &&
                    width <= mt_scene_length(s, MAX_WIDTH_UM);
    }
    if (ok)
        mt_components_paint(c, strips, found, 255);
    mt_free(strips);
    mt_free(areas);
    mt_free(thickness);
    return ok;
}

static bool find(layers *l, uint8_t *candidates, uint8_t *found, GError **error)
{
    measure(l);
    if (!look_around(l, error))
        return false;
    for (int64_t i = 0; i < l->n; i++)
        if (sum_of(l->density + 3 * i) > DENSER_ROUGHLY * sum_of(l->around + 3 * i))
            l->use[i] = 0;
    if (!look_around(l, error))
        return false;
    judge_pixels(l, candidates);
    return keep_strips(l->scene, candidates, found, error);
}

bool mt_folds_find(const mt_scene *scene, uint8_t *found, GError **error)
{
    int64_t  n = scene->width * scene->height;
    uint8_t *memory = mt_alloc(n, 15, error);

    if (memory == NULL)
        return false;
    layers l = {.scene = scene,
                .n = n,
                .density = (uint16_t *)(void *)memory,
                .around = (uint16_t *)(void *)(memory + 6 * n),
                .difference = memory + 12 * n,
                .use = memory + 13 * n};
    bool   ok = find(&l, memory + 14 * n, found, error);
    mt_free(memory);
    return ok;
}

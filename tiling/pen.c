/* Marker ink by its colour in optical density (Ruifrok & Johnston 2001: densities of what lies on top of each other add up).
 *
 * With r, g, b the shares of the three channels in a pixel's density and s their mean density, haematoxylin, eosin, blood and DAB
 * lie near (0.35, 0.45, 0.2), (0.1, 0.55, 0.35), (0.1, 0.5, 0.4) and (0.2, 0.33, 0.47).  Felt pens lie elsewhere: green and teal
 * absorb red light and little green, blue absorbs red and hardly blue, red absorbs no red light and much of both others, black all
 * alike.  This restates in one space what the fixed RGB thresholds per colour of the field do (the pen filters of histolab and
 * HistoQC), but against the slide's own glass.
 *
 * Per colour three rules: `certain` (no stain looks like this), `likely` (this slide's tissue does not), `possible` (the faint
 * edge of a stroke).  A stroke is a component of possible pixels that holds certain ones; once the slide holds enough of a colour,
 * likely ones will do, for one who draws on the glass of a slide draws on its tissue too. */
#include "tiling/artefact.h"

#include "src/base/alloc.h"
#include "tiling/components.h"

#include <math.h>
#include <string.h>

#define MIN_AREA_MM2 0.01
#define MIN_AREA_SHARE 1e-4
#define MIN_PX 40
#define SEEN_TIMES 4 /* certain areas of this many smallest strokes prove a colour */
#define FAINT 0.15f  /* sum of densities under which nothing is looked at */
#define MIN_TISSUE_PX 200

enum { CERTAIN = 1, LIKELY = 2, POSSIBLE = 4 };

typedef struct colour {
    float r, g, b, s;
} colour;

typedef struct tissue_colour {
    float  od[3];
    colour own;
} tissue_colour;

static colour colour_of(const float od[3])
{
    float sum = od[0] + od[1] + od[2];

    return sum > 0 ? (colour){od[0] / sum, od[1] / sum, od[2] / sum, sum / 3} : (colour){0};
}

/* What lies above the tissue, were the tissue here like the rest of it. */
static colour above_tissue(const float od[3], const tissue_colour *t)
{
    float rest[3];

    for (int c = 0; c < 3; c++)
        rest[c] = fmaxf(od[c] - t->od[c], 0);
    return colour_of(rest);
}

static int judge_green(const float od[3], const tissue_colour *t)
{
    colour p = colour_of(od), a = above_tissue(od, t);
    bool   certain = (p.r > 0.40f && p.g < 0.31f && p.b > 0.2f && p.s > 0.12f) ||
                   (a.r > 0.46f && a.g < 0.28f && a.b > 0.18f && a.b < 0.45f && a.s > 0.14f);
    bool likely = a.r > 0.42f && a.g < 0.33f && a.b > 0.15f && a.s > 0.08f && p.r > t->own.r + 0.08f;
    bool possible = (p.r > 0.36f && p.g < 0.34f && p.b > 0.2f && p.s > 0.06f) ||
                    (a.r > 0.40f && a.g < 0.34f && a.b > 0.15f && a.s > 0.05f && p.r > t->own.r + 0.06f);

    return certain * CERTAIN | likely * LIKELY | possible * POSSIBLE;
}

static int judge_blue(const float od[3], const tissue_colour *t)
{
    colour p = colour_of(od);
    float  more_r = fmaxf(0.36f, t->own.r + 0.10f), faint_r = fmaxf(0.36f, t->own.r + 0.08f);
    bool   certain = (p.r > 0.46f && p.r > p.g + 0.07f && p.b < 0.27f && p.g > p.b + 0.05f && p.s > 0.15f) ||
                   (p.r > 0.43f && p.r > p.g && p.b < 0.24f && p.g > p.b + 0.05f && p.s > 0.35f) ||
                   (p.r > 0.38f && p.r > p.g - 0.05f && p.b < 0.24f && p.s > 0.5f);
    bool likely = p.r > more_r && p.r > p.g - 0.05f && p.b < 0.27f && p.g > p.b + 0.04f && p.s > fmaxf(0.18f, 1.5f * t->own.s);
    bool possible = p.r > faint_r && p.r > p.g - 0.05f && p.b < 0.28f && p.g > p.b + 0.03f && p.s > fmaxf(0.1f, 1.2f * t->own.s);

    return certain * CERTAIN | likely * LIKELY | possible * POSSIBLE;
}

static int judge_red(const float od[3], const tissue_colour *t)
{
    colour p = colour_of(od);
    float  less_r = fminf(0.18f, t->own.r - 0.03f), more_b = fminf(fmaxf(0.32f, t->own.b + 0.02f), 0.37f);
    bool   certain = (p.r < 0.10f && p.b > 0.37f && p.s > 0.26f) || (p.r < 0.12f && p.b > 0.33f && p.s > 0.45f);
    bool   hue = p.r < less_r && p.g > 0.38f && p.b > more_b;

    return certain * CERTAIN | (hue && p.s > fmaxf(0.15f, 1.5f * t->own.s)) * LIKELY |
           (hue && p.s > fmaxf(0.11f, 1.2f * t->own.s)) * POSSIBLE;
}

static int judge_black(const float od[3], const tissue_colour *t)
{
    colour p = colour_of(od);
    bool   hue = p.r > 0.24f && p.r < 0.40f && p.g > 0.28f && p.g < 0.385f && p.b > 0.28f && p.b < 0.42f;

    return (hue && p.s > 0.55f) * CERTAIN | (hue && p.s > fmaxf(0.4f, 2 * t->own.s)) * LIKELY |
           (hue && p.s > fmaxf(0.25f, 1.5f * t->own.s)) * POSSIBLE;
}

typedef int (*judge)(const float od[3], const tissue_colour *t);

static const judge JUDGES[] = {judge_green, judge_blue, judge_red, judge_black};

/* Stained tissue: H&E, or DAB with its counterstain; grey is neither. */
static bool is_stained(const float od[3])
{
    colour p = colour_of(od);

    return p.s > 0.05f && p.r > 0.14f && p.r < 0.36f && ((p.g > 0.36f && p.b < 0.36f) || (p.g > 0.30f && p.b > 0.40f && p.b < 0.54f));
}

static int median_of(const int64_t histogram[256], int64_t n)
{
    int64_t seen = 0;
    int     value = 0;

    while ((seen += histogram[value]) * 2 < n)
        value++;
    return value;
}

/* Medians per channel; a common H&E slide's where the picture holds too little tissue. */
static tissue_colour measure_tissue(const mt_scene *s)
{
    int64_t       histograms[3][256] = {{0}}, n = 0;
    tissue_colour t = {.od = {0.05f, 0.13f, 0.08f}};

    for (int64_t i = 0; i < s->width * s->height; i++) {
        float od[3];
        mt_scene_density(s, i, od);
        if (!is_stained(od))
            continue;
        n++;
        for (int c = 0; c < 3; c++)
            histograms[c][s->rgb[3 * i + c]]++;
    }
    for (int c = 0; c < 3 && n >= MIN_TISSUE_PX; c++)
        t.od[c] = s->od[c][median_of(histograms[c], n)];
    t.own = colour_of(t.od);
    return t;
}

static void judge_pixels(const mt_scene *s, judge rule, const tissue_colour *t, uint8_t *verdict)
{
#pragma omp parallel for schedule(static)
    for (int64_t y = 0; y < s->height; y++)
        for (int64_t i = y * s->width; i < (y + 1) * s->width; i++) {
            float od[3];
            verdict[i] = (uint8_t)(mt_scene_density(s, i, od) < FAINT ? 0 : rule(od, t));
        }
}

/* Per component its pixels that have a bit of `seed`; a stroke has enough of them, and not by chance in something large. */
static int64_t choose_strokes(const mt_components *c, const uint8_t *verdict, int seed, int64_t least, int64_t *seeds, int64_t *areas,
                              uint8_t *strokes)
{
    int64_t certain = 0;

    memset(seeds, 0, (size_t)c->n * sizeof(int64_t));
    memset(areas, 0, (size_t)c->n * sizeof(int64_t));
    for (int64_t y = 0; y < c->height; y++)
        for (int64_t i = c->row_first[y]; i < c->row_first[y + 1]; i++) {
            const mt_run *run = &c->runs[i];
            areas[run->label] += run->x1 - run->x0;
            for (int64_t x = run->x0; x < run->x1; x++)
                seeds[run->label] += (verdict[y * c->width + x] & seed) != 0;
        }
    for (int64_t k = 0; k < c->n; k++)
        if (seeds[k] >= least && seeds[k] * 10 >= areas[k]) {
            strokes[k] = 1;
            certain += seeds[k];
        }
    return certain;
}

static bool find_strokes(const mt_scene *s, const uint8_t *verdict, uint8_t *found, GError **error)
{
    g_autoptr(mt_components) c = mt_components_new(verdict, s->width, s->height, true, 8, error);
    int64_t  least = mt_scene_pixels(s, MIN_AREA_MM2, MIN_AREA_SHARE, MIN_PX);
    int64_t *counts = c ? mt_alloc(2 * c->n, sizeof(int64_t), error) : NULL;
    uint8_t *strokes = counts ? mt_alloc(c->n, 1, error) : NULL;

    if (strokes != NULL) {
        int64_t certain = choose_strokes(c, verdict, CERTAIN, least, counts, counts + c->n, strokes);
        if (certain >= SEEN_TIMES * least)
            choose_strokes(c, verdict, CERTAIN | LIKELY, least, counts, counts + c->n, strokes);
        mt_components_paint(c, strokes, found, 255);
    }
    bool ok = strokes != NULL;
    mt_free(strokes);
    mt_free(counts);
    return ok;
}

bool mt_pen_find(const mt_scene *scene, uint8_t *found, GError **error)
{
    tissue_colour t = measure_tissue(scene);
    uint8_t      *verdict = mt_alloc(scene->width * scene->height, 1, error);
    bool          ok = verdict != NULL;

    for (size_t k = 0; ok && k < G_N_ELEMENTS(JUDGES); k++) {
        judge_pixels(scene, JUDGES[k], &t, verdict);
        ok = find_strokes(scene, verdict, found, error);
    }
    mt_free(verdict);
    return ok;
}

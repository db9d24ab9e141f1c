/* Air bubbles: their outline.
 *
 * Light that meets the edge of air at an angle leaves the objective's cone, so a bubble is drawn with a thin, dark, colourless
 * line, closed and round, whatever lies in it; HistoQC finds bubbles by such edges too.  Wanted is an area that a colourless line
 * closes in, nearly an ellipse by its second moments (for an ellipse area = 4 pi sqrt(det of covariance)), large, and framed
 * thinly: a pen's ring is thick, and what it frames is tissue.  Lumens, vessels and fat are framed by stained tissue, not by grey. */
#include "tiling/artefact.h"

#include "src/base/alloc.h"
#include "tiling/components.h"
#include "tiling/thickness.h"

#include <math.h>
#include <string.h>

#define DARK 0.10f /* mean density of the line */
#define GREY_OFF 0.055f
#define MIN_AREA_MM2 0.03
#define MIN_AREA_SHARE 1e-3
#define MIN_PX 100
#define ROUND 0.88
#define LONGEST_OVER_SHORTEST 2.5
#define LINE_UM 120.0
#define LINE_OF_DIAMETER 0.2

typedef struct area {
    int64_t n, x, y;    /* pixels, sums of coordinates */
    double  xx, yy, xy; /* sums of products: whole numbers below 2^53 */
    int64_t thickest;   /* of the line beside it, in thirds of a pixel */
    bool    reaches_edge;
} area;

/* Grey, or grey on top of pink: at least as dark in red light as elsewhere, where stains absorb little. */
static void draw_lines(const mt_scene *s, uint8_t *line)
{
    for (int64_t i = 0; i < s->width * s->height; i++) {
        float od[3], sum = mt_scene_density(s, i, od), third = sum / 3;
        line[i] = third > DARK && fabsf(od[0] - third) < GREY_OFF * sum && fabsf(od[1] - third) < GREY_OFF * sum &&
                          fabsf(od[2] - third) < GREY_OFF * sum
                      ? 255
                      : 0;
    }
}

static void measure_run(area *a, const mt_components *c, const mt_run *run, int64_t y)
{
    for (int64_t x = run->x0; x < run->x1; x++) {
        a->n++;
        a->x += x;
        a->y += y;
        a->xx += (double)(x * x);
        a->yy += (double)(y * y);
        a->xy += (double)(x * y);
    }
    if (y == 0 || y == c->height - 1 || run->x0 == 0 || run->x1 == c->width)
        a->reaches_edge = true;
}

static bool is_ellipse(const area *a)
{
    double n = (double)a->n, mx = (double)a->x / n, my = (double)a->y / n;
    double xx = a->xx / n - mx * mx + 1 / 12.0, yy = a->yy / n - my * my + 1 / 12.0, xy = a->xy / n - mx * my;
    double det = xx * yy - xy * xy, half = (xx + yy) / 2, root = sqrt(fmax(half * half - det, 0));

    return det > 0 && n >= ROUND * 4 * G_PI * sqrt(det) && sqrt((half + root) / (half - root)) <= LONGEST_OVER_SHORTEST;
}

/* How thick the line is where a run of an area ends in it. */
static void measure_line(area *a, const mt_scene *s, const uint16_t *thickness, const mt_run *run, int64_t y, int64_t reach)
{
    const uint16_t *row = thickness + y * s->width;

    for (int64_t k = 1; k <= reach; k++) {
        if (run->x0 - k >= 0)
            a->thickest = MAX(a->thickest, row[run->x0 - k]);
        if (run->x1 - 1 + k < s->width)
            a->thickest = MAX(a->thickest, row[run->x1 - 1 + k]);
    }
}

static bool is_bubble(const mt_scene *s, const area *a)
{
    double line = 2.0 * (double)a->thickest / 3 - 1, diameter = 2 * sqrt((double)a->n / G_PI);

    return !a->reaches_edge && a->n >= mt_scene_pixels(s, MIN_AREA_MM2, MIN_AREA_SHARE, MIN_PX) && is_ellipse(a) &&
           line <= fmin(fmax(mt_scene_length(s, LINE_UM), 5), fmax(LINE_OF_DIAMETER * diameter, 5));
}

/* The line belongs to its bubble: line pixels within reach of a bubble's runs, along rows and columns. */
static void add_lines(const mt_scene *s, const uint8_t *line, int64_t reach, uint8_t *found)
{
    for (int pass = 0; pass < 2; pass++) {
        int64_t step = pass ? s->width : 1, n = pass ? s->height : s->width, others = pass ? s->width : s->height;
        int64_t other_step = pass ? 1 : s->width;
        for (int64_t k = 0; k < others; k++)
            for (int direction = -1; direction <= 1; direction += 2) {
                int64_t since = reach;
                for (int64_t j = 0; j < n; j++) {
                    int64_t i = k * other_step + (direction > 0 ? j : n - 1 - j) * step;
                    since = found[i] == 255 ? 0 : since + 1;
                    if (found[i] == 0 && line[i] && since <= reach)
                        found[i] = 254; /* not a bubble's own: no line is added to it */
                    else if (found[i] == 0)
                        since = reach;
                }
            }
    }
    for (int64_t i = 0; i < s->width * s->height; i++)
        found[i] = found[i] ? 255 : 0;
}

static bool find(const mt_scene *s, const uint8_t *line, const mt_components *c, const uint16_t *thickness, uint8_t *found, GError **error)
{
    int64_t  reach = (int64_t)ceil(fmax(mt_scene_length(s, LINE_UM), 5));
    area    *areas = mt_alloc(c->n, sizeof(area), error);
    uint8_t *bubbles = areas ? mt_alloc(c->n, 1, error) : NULL;
    bool     ok = bubbles != NULL;

    for (int64_t y = 0; ok && y < s->height; y++)
        for (int64_t i = c->row_first[y]; i < c->row_first[y + 1]; i++) {
            area *a = &areas[c->runs[i].label];
            measure_run(a, c, &c->runs[i], y);
            measure_line(a, s, thickness, &c->runs[i], y, reach);
        }
    for (int64_t k = 0; ok && k < c->n; k++)
        bubbles[k] = is_bubble(s, &areas[k]);
    if (ok) {
        mt_components_paint(c, bubbles, found, 255);
        add_lines(s, line, reach, found);
    }
    mt_free(bubbles);
    mt_free(areas);
    return ok;
}

bool mt_bubbles_find(const mt_scene *scene, uint8_t *found, GError **error)
{
    uint8_t *line = mt_alloc(scene->width * scene->height, 1, error);

    if (line == NULL)
        return false;
    draw_lines(scene, line);
    g_autoptr(mt_components) c = mt_components_new(line, scene->width, scene->height, false, 4, error);
    uint16_t *thickness = c ? mt_thickness_new(line, scene->width, scene->height, error) : NULL;
    bool      ok = thickness != NULL && find(scene, line, c, thickness, found, error);
    mt_free(thickness);
    mt_free(line);
    return ok;
}

#include "src/result/modality_quality.h"

#include "src/result/reason.h"

#include <math.h>
#include <string.h>

#define BLUR_TAPS 11    /* of the mean that a picture is compared with, as Crete has them */
#define STRIP_SHARE 0.1 /* of the way from the subject to the edge, kept clear of both */

typedef struct grey {
    int32_t       *values; /* 0..255 */
    const uint8_t *mask;
    int64_t        width, height, mask_width, mask_height;
} grey;

static bool foreground(const grey *g, int64_t x, int64_t y)
{
    return g->mask == NULL || g->mask[y * g->mask_height / g->height * g->mask_width + x * g->mask_width / g->width] != 0;
}

static double at(const grey *g, int64_t x, int64_t y)
{
    return g->values[y * g->width + x];
}

/* BLUR_TAPS times the mean of a run of pixels along one axis; those beyond the edge are mirrored about it, the edge pixel counts twice. */
static void smooth_line(const int32_t *in, int32_t *out, int64_t n, int64_t step)
{
    int32_t sum = 0;

#define MIRRORED(i) in[step * CLAMP((i) < 0 ? -1 - (i) : (i) >= n ? 2 * n - 1 - (i) : (i), 0, n - 1)]
    for (int64_t k = -(BLUR_TAPS / 2); k <= BLUR_TAPS / 2; k++)
        sum += MIRRORED(k);
    for (int64_t i = 0; i < n; i++) {
        out[step * i] = sum;
        sum += MIRRORED(i + BLUR_TAPS / 2 + 1) - MIRRORED(i - BLUR_TAPS / 2);
    }
#undef MIRRORED
}

/* Sobel's slope, times 8: from neighbours `along` the axis, weighed over those `across`. */
static int64_t slope(const int32_t *v, int64_t along, int64_t across)
{
    int64_t sum = 0;

    for (int64_t k = -1; k <= 1; k++)
        sum += (k == 0 ? 2 : 1) * ((int64_t)v[along + k * across] - v[-along + k * across]);
    return ABS(sum);
}

/* Crete et al. 2007: how much of the slopes is left when the picture is smoothed: 0 sharp, 1 flat.  In whole numbers. */
static double blur_along(const grey *g, int32_t *smoothed, bool along_x)
{
    int64_t along = along_x ? 1 : g->width, across = along_x ? g->width : 1, whole = 0, lost = 0;

    for (int64_t i = 0; i < (along_x ? g->height : g->width); i++)
        smooth_line(g->values + i * across, smoothed + i * across, along_x ? g->width : g->height, along);
    for (int64_t y = 2; y + 1 < g->height; y++)
        for (int64_t x = 2; x + 1 < g->width; x++) {
            int64_t i = y * g->width + x, sharp = BLUR_TAPS * slope(g->values + i, along, across);

            whole += sharp;
            lost += MAX(0, sharp - slope(smoothed + i, along, across));
        }
    return whole > 0 ? (double)(whole - lost) / (double)whole : 1;
}

static double find_blur(const grey *g)
{
    g_autofree int32_t *smoothed = g_new(int32_t, (gsize)(g->width * g->height));
    double              x = blur_along(g, smoothed, true), y = blur_along(g, smoothed, false);

    return MAX(x, y);
}

/* Columns and rows [from, to) that hold all foreground. */
static bool find_box(const grey *g, int64_t box[4])
{
    box[0] = g->width;
    box[1] = g->height;
    box[2] = box[3] = 0;
    for (int64_t y = 0; y < g->height; y++)
        for (int64_t x = 0; x < g->width; x++)
            if (foreground(g, x, y)) {
                box[0] = MIN(box[0], x);
                box[1] = MIN(box[1], y);
                box[2] = MAX(box[2], x + 1);
                box[3] = MAX(box[3], y + 1);
            }
    return box[2] > box[0];
}

static double mean_of(const grey *g, int64_t x0, int64_t y0, int64_t x1, int64_t y1)
{
    double sum = 0;

    for (int64_t y = y0; y < y1; y++)
        for (int64_t x = x0; x < x1; x++)
            sum += at(g, x, y);
    return sum / (double)((x1 - x0) * (y1 - y0));
}

/* ACR's ghosting ratio: an image moved along the phase axis appears beside the subject on two opposite sides and not on the others. */
static bool find_ghosting(const grey *g, double signal, double *ratio)
{
    int64_t box[4];

    if (!find_box(g, box) || signal <= 0)
        return false;
    int64_t left = (int64_t)((double)box[0] * (1 - STRIP_SHARE)), right = box[2] + (int64_t)((double)(g->width - box[2]) * STRIP_SHARE);
    int64_t above = (int64_t)((double)box[1] * (1 - STRIP_SHARE)), below = box[3] + (int64_t)((double)(g->height - box[3]) * STRIP_SHARE);
    if (left < 2 || above < 2 || right > g->width - 2 || below > g->height - 2)
        return false;
    double sides = mean_of(g, 0, box[1], left, box[3]) + mean_of(g, right, box[1], g->width, box[3]);
    double ends = mean_of(g, box[0], 0, box[2], above) + mean_of(g, box[0], below, box[2], g->height);
    *ratio = fabs(sides - ends) / (2 * signal);
    return true;
}

/* Mean grey of the darkest quarter of the field over that of the brightest. */
static double find_illumination(const grey *g, const int64_t box[4])
{
    double  sum[4] = {0}, low = INFINITY, high = 0;
    int64_t n[4] = {0};

    for (int64_t y = box[1]; y < box[3]; y++)
        for (int64_t x = box[0]; x < box[2]; x++) {
            int quarter = (2 * x >= box[0] + box[2]) + 2 * (2 * y >= box[1] + box[3]);

            if (foreground(g, x, y)) {
                sum[quarter] += at(g, x, y);
                n[quarter]++;
            }
        }
    for (int q = 0; q < 4; q++) {
        double mean = n[q] > 0 ? sum[q] / (double)n[q] : 0;

        low = MIN(low, mean);
        high = MAX(high, mean);
    }
    return high > 0 ? low / high : 0;
}

/* Foreground of the circle over the longer side of its box. */
static double find_completeness(const grey *g, const int64_t box[4])
{
    double  side = (double)MAX(box[2] - box[0], box[3] - box[1]);
    int64_t n = 0;

    for (int64_t y = box[1]; y < box[3]; y++)
        for (int64_t x = box[0]; x < box[2]; x++)
            n += foreground(g, x, y);
    return MIN(1, (double)n / (G_PI / 4 * side * side));
}

static bool is_one_of(const char *modality, const char *const names[])
{
    for (; modality != NULL && *names != NULL; names++)
        if (strcmp(modality, *names) == 0)
            return true;
    return false;
}

static grey grey_new(const mt_tensor *rgb, const uint8_t *mask, int64_t mask_width, int64_t mask_height)
{
    grey           g = {NULL, mask, rgb->shape[1], rgb->shape[0], mask_width, mask_height};
    const uint8_t *v = rgb->data;

    g.values = g_new(int32_t, (gsize)(g.width * g.height));
    for (int64_t i = 0; i < g.width * g.height; i++)
        g.values[i] = (299 * v[3 * i] + 587 * v[3 * i + 1] + 114 * v[3 * i + 2] + 500) / 1000;
    return g;
}

void mt_modality_quality_measure(const mt_tensor *rgb, const uint8_t *mask, int64_t mask_width, int64_t mask_height, const char *modality,
                                 mt_image_quality *q)
{
    static const char *const slides[] = {"SM", "unknown", NULL}, *const fundus[] = {"OP", "OPT", NULL}, *const resonance[] = {"MR", NULL};
    int64_t box[4];

    if (!q->known || modality == NULL || is_one_of(modality, slides) || rgb->shape[0] < 8 || rgb->shape[1] < 8)
        return;
    grey g = grey_new(rgb, mask, mask_width, mask_height);
    q->by_modality = true;
    q->exposure = q->mean / 255;
    q->clipping = q->black_share + q->white_share;
    q->blur = find_blur(&g);
    q->has_ghosting = is_one_of(modality, resonance) && find_ghosting(&g, q->mean, &q->ghosting);
    q->has_field = is_one_of(modality, fundus) && mask != NULL && find_box(&g, box);
    if (q->has_field) {
        q->illumination = find_illumination(&g, box);
        q->field_complete = find_completeness(&g, box);
    }
    g_free(g.values);
}

static void add_limit(GPtrArray *limits, mt_message message, const char *measure, double value, double wanted)
{
    char a[G_ASCII_DTOSTR_BUF_SIZE], b[G_ASCII_DTOSTR_BUF_SIZE];

    g_ptr_array_add(limits,
                    mt_reason_new(MT_REASON_LIMIT, message, "measure", measure, "value", g_ascii_formatd(a, sizeof a, "%.4g", value),
                                  "wanted", g_ascii_formatd(b, sizeof b, "%.4g", wanted), NULL));
}

void mt_modality_quality_limit(const mt_head_card *card, const mt_image_quality *q, GPtrArray *limits)
{
    const struct {
        const char *name;
        bool        known;
        double      value, least, most;
    } measures[] = {{"exposure", q->by_modality, q->exposure, card->min_exposure, card->max_exposure},
                    {"clipping", q->by_modality, q->clipping, 0, card->max_clipping},
                    {"blur", q->by_modality, q->blur, 0, card->max_blur},
                    {"ghosting", q->has_ghosting, q->ghosting, 0, card->max_ghosting},
                    {"illumination", q->has_field, q->illumination, card->min_illumination, 0},
                    {"field_complete", q->has_field, q->field_complete, card->min_field_complete, 0}};

    for (size_t i = 0; q->known && i < G_N_ELEMENTS(measures); i++) {
        if (measures[i].known && measures[i].value < measures[i].least)
            add_limit(limits, MT_MESSAGE_QUALITY_LOW, measures[i].name, measures[i].value, measures[i].least);
        if (measures[i].known && measures[i].most > 0 && measures[i].value > measures[i].most)
            add_limit(limits, MT_MESSAGE_QUALITY_HIGH, measures[i].name, measures[i].value, measures[i].most);
    }
}

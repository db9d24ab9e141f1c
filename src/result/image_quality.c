#include "src/result/image_quality.h"

#include "src/store/schema.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#define BLACK 2
#define WHITE 253

typedef struct picture {
    const uint8_t *rgb, *mask;
    int64_t        width, height, mask_width, mask_height;
} picture;

static bool foreground(const picture *p, int64_t x, int64_t y)
{
    return p->mask == NULL || p->mask[y * p->mask_height / p->height * p->mask_width + x * p->mask_width / p->width] != 0;
}

/* ITU-R 601, in whole numbers. */
static int grey(const picture *p, int64_t x, int64_t y)
{
    const uint8_t *v = p->rgb + 3 * (y * p->width + x);

    return (299 * v[0] + 587 * v[1] + 114 * v[2] + 500) / 1000;
}

/* The grey value that `share` of n pixels do not exceed. */
static int percentile(const int64_t *histogram, int64_t n, double share)
{
    int64_t seen = 0;

    for (int i = 0; i < 256; i++)
        if ((double)(seen += histogram[i]) >= share * (double)n)
            return i;
    return 255;
}

static double laplacian(const picture *p, int64_t *n)
{
    int64_t sum = 0;

    *n = 0;
    for (int64_t y = 1; y + 1 < p->height; y++)
        for (int64_t x = 1; x + 1 < p->width; x++) {
            if (!foreground(p, x, y) || !foreground(p, x - 1, y) || !foreground(p, x + 1, y) || !foreground(p, x, y - 1) ||
                !foreground(p, x, y + 1))
                continue;
            sum += abs(4 * grey(p, x, y) - grey(p, x - 1, y) - grey(p, x + 1, y) - grey(p, x, y - 1) - grey(p, x, y + 1));
            ++*n;
        }
    return (double)sum;
}

/* Whole numbers, so that no order of adding matters. */
static void take_pixels(const picture *p, int64_t histogram[256], int64_t *black, int64_t *white)
{
    for (int64_t y = 0; y < p->height; y++)
        for (int64_t x = 0; x < p->width; x++) {
            const uint8_t *v = p->rgb + 3 * (y * p->width + x);
            if (!foreground(p, x, y))
                continue;
            histogram[grey(p, x, y)]++;
            *black += v[0] <= BLACK && v[1] <= BLACK && v[2] <= BLACK;
            *white += v[0] >= WHITE && v[1] >= WHITE && v[2] >= WHITE;
        }
}

void mt_image_quality_measure(const mt_tensor *rgb, const uint8_t *mask, int64_t mask_width, int64_t mask_height, mt_image_quality *quality)
{
    picture p = {rgb->data, mask, rgb->shape[1], rgb->shape[0], mask_width, mask_height};
    int64_t histogram[256] = {0}, black = 0, white = 0, n = 0, inner;
    double  mean = 0, variance = 0;

    *quality = (mt_image_quality){.known = false};
    take_pixels(&p, histogram, &black, &white);
    for (int i = 0; i < 256; i++)
        n += histogram[i];
    if (n == 0)
        return;
    for (int i = 0; i < 256; i++)
        mean += (double)histogram[i] * i / (double)n;
    for (int i = 0; i < 256; i++)
        variance += (double)histogram[i] * (i - mean) * (i - mean) / (double)n;
    double edges = laplacian(&p, &inner);
    *quality = (mt_image_quality){.known = true,
                                  .field_share = (double)n / (double)(p.width * p.height),
                                  .mean = mean,
                                  .black_share = (double)black / (double)n,
                                  .white_share = (double)white / (double)n,
                                  .contrast = percentile(histogram, n, 0.99) - percentile(histogram, n, 0.01),
                                  .sharpness = inner > 0 && variance > 0 ? edges / (double)inner / sqrt(variance) : 0};
}

static const struct {
    const char *name;
    size_t      offset;
} measures[] = {{"field_share", offsetof(mt_image_quality, field_share)}, {"mean", offsetof(mt_image_quality, mean)},
                {"black_share", offsetof(mt_image_quality, black_share)}, {"white_share", offsetof(mt_image_quality, white_share)},
                {"contrast", offsetof(mt_image_quality, contrast)},       {"sharpness", offsetof(mt_image_quality, sharpness)}};

/* Those that a modality has, and whether it has them. */
static const struct {
    const char *name;
    size_t      offset, known;
} more[] = {{"exposure", offsetof(mt_image_quality, exposure), offsetof(mt_image_quality, by_modality)},
            {"clipping", offsetof(mt_image_quality, clipping), offsetof(mt_image_quality, by_modality)},
            {"blur", offsetof(mt_image_quality, blur), offsetof(mt_image_quality, by_modality)},
            {"ghosting", offsetof(mt_image_quality, ghosting), offsetof(mt_image_quality, has_ghosting)},
            {"illumination", offsetof(mt_image_quality, illumination), offsetof(mt_image_quality, has_field)},
            {"field_complete", offsetof(mt_image_quality, field_complete), offsetof(mt_image_quality, has_field)}};

bool mt_image_quality_store(const mt_image_quality *quality, mt_store *store, GError **error)
{
    for (size_t i = 0; quality->known && i < G_N_ELEMENTS(measures); i++) {
        const double *value = (const double *)(const void *)((const char *)quality + measures[i].offset);
        if (!mt_store_attr_double(store, MT_OBJECT_THUMBNAIL, measures[i].name, value, 1, error))
            return false;
    }
    for (size_t i = 0; quality->known && i < G_N_ELEMENTS(more); i++) {
        const char *start = (const char *)quality;
        if (*(const bool *)(const void *)(start + more[i].known) &&
            !mt_store_attr_double(store, MT_OBJECT_THUMBNAIL, more[i].name, (const double *)(const void *)(start + more[i].offset), 1,
                                  error))
            return false;
    }
    return true;
}

void mt_image_quality_recall(const mt_result *result, mt_image_quality *quality)
{
    *quality = (mt_image_quality){.known = mt_result_has(result, MT_OBJECT_THUMBNAIL)};
    for (size_t i = 0; quality->known && i < G_N_ELEMENTS(measures); i++)
        quality->known =
            mt_result_attr(result, MT_OBJECT_THUMBNAIL, measures[i].name, (double *)(void *)((char *)quality + measures[i].offset), 1);
    for (size_t i = 0; quality->known && i < G_N_ELEMENTS(more); i++)
        *(bool *)(void *)((char *)quality + more[i].known) =
            mt_result_attr(result, MT_OBJECT_THUMBNAIL, more[i].name, (double *)(void *)((char *)quality + more[i].offset), 1);
}

double mt_tile_area_mm2(const double tile_level0[2], const double mpp[2], double overlap)
{
    double kept = 1 - overlap;

    return mpp[0] > 0 && mpp[1] > 0 ? tile_level0[0] * mpp[0] * tile_level0[1] * mpp[1] * kept * kept / 1e6 : 0;
}

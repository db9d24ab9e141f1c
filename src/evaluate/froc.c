#include "src/evaluate/froc.h"
#include "src/base/alloc.h"

#include <math.h>

const double mt_froc_rates[MT_FROC_RATES] = {0.125, 0.25, 0.5, 1, 2, 4, 8};

static bool check_detections(const mt_detection *detections, int64_t n, const int64_t *lesions_of, int64_t images, GError **error)
{
    if (images < 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "FROC: there are no images");
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        const mt_detection *d = &detections[i];

        if (d->image < 0 || d->image >= images)
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "FROC: detection %" G_GINT64_FORMAT " is of image %" G_GINT64_FORMAT ": there are %" G_GINT64_FORMAT, i, d->image,
                        images);
        else if (d->lesion < MT_NO_LESION || d->lesion >= lesions_of[d->image])
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "FROC: detection %" G_GINT64_FORMAT " hits lesion %" G_GINT64_FORMAT " of image %" G_GINT64_FORMAT
                        ", which has %" G_GINT64_FORMAT,
                        i, d->lesion, d->image, lesions_of[d->image]);
        else
            continue;
        return false;
    }
    return true;
}

static void fill_curve(mt_curve *curve, const mt_detection *detections, const int64_t *rows, const uint8_t *hits, int64_t n, double images,
                       double lesions)
{
    int64_t found = 0, wrong = 0, point = 1;

    curve->threshold[0] = INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double score = detections[rows[i]].score;

        found += hits[i] == MT_HIT_FIRST;
        wrong += hits[i] == MT_HIT_FALSE;
        if (i + 1 < n && detections[rows[i + 1]].score == score)
            continue; /* equal scores fall together */
        curve->x[point] = (double)wrong / images;
        curve->y[point] = (double)found / lesions;
        curve->threshold[point++] = score;
    }
    curve->n = point;
}

bool mt_froc_curve(const mt_detection *detections, int64_t n, const int64_t *lesions_of, int64_t images, mt_curve *curve, GError **error)
{
    int64_t *rows, lesions = 0;
    uint8_t *hits;
    bool     ok;

    *curve = (mt_curve){.n = 0};
    if (!check_detections(detections, n, lesions_of, images, error) || !mt_rank_detections("FROC", detections, n, &rows, &hits, error))
        return false;
    for (int64_t i = 0; i < images; i++)
        lesions += lesions_of[i];
    ok = lesions == 0 || mt_curve_init(curve, n + 1, error);
    if (ok && lesions > 0)
        fill_curve(curve, detections, rows, hits, n, (double)images, (double)lesions);
    mt_free(rows);
    mt_free(hits);
    return ok;
}

mt_estimate mt_froc_sensitivity(const mt_curve *curve, double rate)
{
    int64_t last = 0; /* the last point at or before the rate: of points above one another the highest */

    if (curve->n == 0)
        return (mt_estimate){.defined = false};
    while (last + 1 < curve->n && curve->x[last + 1] <= rate)
        last++;
    if (last + 1 == curve->n)
        return mt_estimate_point(curve->y[last]);
    double slope = (curve->y[last + 1] - curve->y[last]) / (curve->x[last + 1] - curve->x[last]);

    return mt_estimate_point(curve->y[last] + slope * (rate - curve->x[last]));
}

mt_froc mt_froc_scores(const mt_curve *curve)
{
    mt_froc froc = {0};
    double  sum = 0;

    for (int i = 0; i < MT_FROC_RATES; i++) {
        froc.sensitivity[i] = mt_froc_sensitivity(curve, mt_froc_rates[i]);
        sum += froc.sensitivity[i].value;
    }
    if (curve->n > 0) {
        froc.mean = mt_estimate_point(sum / MT_FROC_RATES);
        froc.camelyon16 = mt_estimate_point((sum - froc.sensitivity[0].value) / (MT_FROC_RATES - 1));
    }
    return froc;
}

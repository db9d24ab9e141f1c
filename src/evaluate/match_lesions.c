/* Which lesion of an image each detection hits: by box, by centre, by mask. */
#include "src/base/alloc.h"
#include "src/evaluate/detection.h"
#include "src/evaluate/score_order.h"

#include <math.h>

double mt_box_iou(const mt_box *a, const mt_box *b)
{
    double width = fmin(a->x1, b->x1) - fmax(a->x0, b->x0), height = fmin(a->y1, b->y1) - fmax(a->y0, b->y0);
    double both = fmax(0, width) * fmax(0, height);

    return both / ((a->x1 - a->x0) * (a->y1 - a->y0) + (b->x1 - b->x0) * (b->y1 - b->y0) - both);
}

static bool check_boxes(const char *what, const mt_box *boxes, int64_t n, GError **error)
{
    for (int64_t i = 0; i < n; i++) {
        const mt_box *b = &boxes[i];

        if (!(isfinite(b->x0) && isfinite(b->y0) && isfinite(b->x1) && isfinite(b->y1) && b->x1 > b->x0 && b->y1 > b->y0)) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "boxes: %s %" G_GINT64_FORMAT " from (%g, %g) to (%g, %g) has no area", what, i,
                        b->x0, b->y0, b->x1, b->y1);
            return false;
        }
    }
    return true;
}

static bool check_boxes_and_scores(const mt_box *boxes, const double *scores, int64_t n, const mt_box *lesions, int64_t n_lesions,
                                   double iou, GError **error)
{
    if (!(iou > 0 && iou <= 1)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "boxes: an IoU of %g: give one above 0, at most 1", iou);
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(scores[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "boxes: the score of detection %" G_GINT64_FORMAT " is %g: it must be a finite number", i, scores[i]);
            return false;
        }
    }
    return check_boxes("detection", boxes, n, error) && check_boxes("lesion", lesions, n_lesions, error);
}

bool mt_match_boxes(const mt_box *boxes, const double *scores, int64_t n, const mt_box *lesions, int64_t n_lesions, double iou,
                    int64_t *lesion, GError **error)
{
    double  *down = NULL;
    int64_t *rows = NULL;
    uint8_t *taken = NULL;
    bool     ok = check_boxes_and_scores(boxes, scores, n, lesions, n_lesions, iou, error);

    ok = ok && (down = mt_alloc(n, sizeof *down, error)) != NULL && (taken = mt_alloc(n_lesions, sizeof *taken, error)) != NULL;
    for (int64_t i = 0; ok && i < n; i++)
        down[i] = -scores[i];
    ok = ok && (rows = mt_rows_ascending(down, n, error)) != NULL;
    for (int64_t i = 0; ok && i < n; i++) {
        double best = 0;

        lesion[rows[i]] = MT_NO_LESION;
        for (int64_t k = 0; k < n_lesions; k++) {
            double overlap = taken[k] ? 0 : mt_box_iou(&boxes[rows[i]], &lesions[k]);

            if (overlap >= iou && overlap > best) {
                best = overlap;
                lesion[rows[i]] = k;
            }
        }
        if (lesion[rows[i]] != MT_NO_LESION)
            taken[lesion[rows[i]]] = 1;
    }
    mt_free(down);
    mt_free(rows);
    mt_free(taken);
    return ok;
}

static bool check_points(const char *what, const double *points, int64_t n, int dims, GError **error)
{
    for (int64_t i = 0; i < n * dims; i++) {
        if (!isfinite(points[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "points: a coordinate of %s %" G_GINT64_FORMAT " is %g: it must be a finite number", what, i / dims, points[i]);
            return false;
        }
    }
    return true;
}

static int64_t nearest_within(const double *point, const double *centres, const double *radii, int64_t n_lesions, int dims)
{
    int64_t nearest = MT_NO_LESION;
    double  best = INFINITY;

    for (int64_t k = 0; k < n_lesions; k++) {
        double squared = 0;

        for (int d = 0; d < dims; d++)
            squared += (point[d] - centres[k * dims + d]) * (point[d] - centres[k * dims + d]);
        if (squared <= radii[k] * radii[k] && squared < best) {
            best = squared;
            nearest = k;
        }
    }
    return nearest;
}

bool mt_match_centres(const double *points, int64_t n, const double *centres, const double *radii, int64_t n_lesions, int dims,
                      int64_t *lesion, GError **error)
{
    if (dims != 2 && dims != 3) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "points of %d dimensions: there must be 2 or 3", dims);
        return false;
    }
    if (!check_points("detection", points, n, dims, error) || !check_points("lesion", centres, n_lesions, dims, error))
        return false;
    for (int64_t k = 0; k < n_lesions; k++) {
        if (!(radii[k] >= 0) || isinf(radii[k])) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "points: the radius of lesion %" G_GINT64_FORMAT " is %g: it must be 0 or more", k,
                        radii[k]);
            return false;
        }
    }
    for (int64_t i = 0; i < n; i++)
        lesion[i] = nearest_within(points + i * dims, centres, radii, n_lesions, dims);
    return true;
}

bool mt_match_mask(const double *points, int64_t n, const uint16_t *labels, int64_t width, int64_t height, int64_t *lesion, GError **error)
{
    if (!check_points("detection", points, n, 2, error))
        return false;
    for (int64_t i = 0; i < n; i++) {
        double x = floor(points[2 * i]), y = floor(points[2 * i + 1]);
        bool   inside = x >= 0 && y >= 0 && x < (double)width && y < (double)height;

        lesion[i] = inside ? (int64_t)labels[(int64_t)y * width + (int64_t)x] - 1 : MT_NO_LESION;
    }
    return true;
}

#include "src/evaluate/detection.h"
#include "src/base/alloc.h"

#include <math.h>
#include <stdlib.h>

static int compare_places(const void *a, const void *b, void *data)
{
    const mt_detection *detections = data;
    int64_t             i = *(const int64_t *)a, j = *(const int64_t *)b;

    if (detections[i].score != detections[j].score)
        return detections[i].score > detections[j].score ? -1 : 1;
    return i < j ? -1 : i > j;
}

/* A hit with its place among all detections. */
typedef struct ranked_hit {
    int64_t image, lesion, place;
} ranked_hit;

static int compare_hits(const void *a, const void *b)
{
    const ranked_hit *x = a, *y = b;

    if (x->image != y->image)
        return x->image < y->image ? -1 : 1;
    if (x->lesion != y->lesion)
        return x->lesion < y->lesion ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static bool mark_hits(const mt_detection *detections, int64_t n, const int64_t *rows, uint8_t *hits, GError **error)
{
    ranked_hit *ranked = mt_alloc(n, sizeof *ranked, error);

    if (ranked == NULL)
        return false;
    for (int64_t place = 0; place < n; place++)
        ranked[place] = (ranked_hit){detections[rows[place]].image, detections[rows[place]].lesion, place};
    qsort(ranked, (size_t)n, sizeof *ranked, compare_hits);
    for (int64_t i = 0; i < n; i++) {
        bool again = i > 0 && ranked[i].image == ranked[i - 1].image && ranked[i].lesion == ranked[i - 1].lesion;

        hits[ranked[i].place] = ranked[i].lesion == MT_NO_LESION ? MT_HIT_FALSE : again ? MT_HIT_REPEATED : MT_HIT_FIRST;
    }
    mt_free(ranked);
    return true;
}

bool mt_rank_detections(const char *what, const mt_detection *detections, int64_t n, int64_t **rows, uint8_t **hits, GError **error)
{
    *rows = NULL;
    *hits = NULL;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(detections[i].score)) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "%s: the score of detection %" G_GINT64_FORMAT " is %g: it must be a finite number", what, i, detections[i].score);
            return false;
        }
    }
    *rows = mt_alloc(n, sizeof **rows, error);
    *hits = *rows != NULL ? mt_alloc(n, sizeof **hits, error) : NULL;
    for (int64_t i = 0; *hits != NULL && i < n; i++)
        (*rows)[i] = i;
    if (*hits != NULL) {
        qsort_r(*rows, (size_t)n, sizeof **rows, compare_places, (void *)(uintptr_t)detections);
        if (mark_hits(detections, n, *rows, *hits, error))
            return true;
    }
    mt_free(*rows);
    mt_free(*hits);
    *rows = NULL;
    *hits = NULL;
    return false;
}

/* Precision at each find made falling from the end, times the step of recall that the find is.  A threshold takes all detections of one score, so
 * the precision of a find is that after the last of its score. */
static double area_under(const mt_detection *detections, const int64_t *rows, const uint8_t *hits, int64_t n, int64_t lesions,
                         int64_t found)
{
    double  area = 0, best = 0;
    int64_t end = n;

    while (end > 0) {
        int64_t start = end - 1, finds = 0;

        for (; start > 0 && detections[rows[start - 1]].score == detections[rows[end - 1]].score; start--)
            finds += hits[start] == MT_HIT_FIRST;
        finds += hits[start] == MT_HIT_FIRST;
        best = fmax(best, (double)found / (double)end);
        area += best * (double)finds / (double)lesions;
        found -= finds;
        end = start;
    }
    return area;
}

bool mt_detection_precision(const mt_detection *detections, int64_t n, int64_t lesions, mt_estimate *average, GError **error)
{
    int64_t *rows, found = 0;
    uint8_t *hits;

    *average = (mt_estimate){.defined = false};
    if (!mt_rank_detections("average precision of detections", detections, n, &rows, &hits, error))
        return false;
    for (int64_t i = 0; i < n; i++)
        found += hits[i] == MT_HIT_FIRST;
    if (found > lesions)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "average precision of detections: %" G_GINT64_FORMAT " lesions are hit, there are %" G_GINT64_FORMAT, found, lesions);
    else if (lesions > 0)
        *average = mt_estimate_point(area_under(detections, rows, hits, n, lesions, found));
    mt_free(rows);
    mt_free(hits);
    return found <= lesions;
}

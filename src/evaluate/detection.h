/* Which detections find which lesions, and how precise they are over all scores. */
#ifndef MT_DETECTION_H
#define MT_DETECTION_H

#include "src/evaluate/estimate.h"

#define MT_NO_LESION (-1)

/* One detection of one image. */
typedef struct mt_detection {
    int64_t image;  /* 0 .. images - 1 */
    double  score;  /* finite; higher = surer */
    int64_t lesion; /* the lesion of that image it hits, 0 .. ; MT_NO_LESION: a false positive */
} mt_detection;

typedef struct mt_box {
    double x0, y0, x1, y1; /* x1 > x0, y1 > y0; any unit */
} mt_box;

/* Area of both / area of either; 0 when they do not meet. */
double mt_box_iou(const mt_box *a, const mt_box *b);

/* Of one image: detections take boxes from the surest to the least sure, each the free box of highest IoU, if it is >= `iou` in (0, 1] (COCO's
 * greedy rule; equal scores in the order of rows).  A second detection of a lesion is MT_NO_LESION. */
bool mt_match_boxes(const mt_box *boxes, const double *scores, int64_t n, const mt_box *lesions, int64_t n_lesions, double iou,
                    int64_t *lesion, GError **error);
/* Of one image: each detection hits the nearest lesion whose centre is within that lesion's radius (all in one unit; LUNA16's rule), whoever
 * else hits it.  `points` and `centres` [..][dims], dims 2 or 3. */
bool mt_match_centres(const double *points, int64_t n, const double *centres, const double *radii, int64_t n_lesions, int dims,
                      int64_t *lesion, GError **error);
/* Of one image: the label under each detection (x, y in pixels), 0 = none, label k = lesion k - 1; outside the picture is none (Camelyon16's
 * rule). */
bool mt_match_mask(const double *points, int64_t n, const uint16_t *labels, int64_t width, int64_t height, int64_t *lesion, GError **error);

typedef enum mt_hit { MT_HIT_FALSE, MT_HIT_FIRST, MT_HIT_REPEATED } mt_hit;

/* All detections from the highest score down (`rows`), and for each of these places whether it is false, the first on its lesion, or a further
 * one.  Free both with mt_free.  MT_ERROR_INPUT: a score that is not finite. */
bool mt_rank_detections(const char *what, const mt_detection *detections, int64_t n, int64_t **rows, uint8_t **hits, GError **error);

/* Average precision of all detections of all images (matched with mt_match_boxes at one IoU): area under precision made falling, all points
 * (PASCAL VOC 2010, COCO's matching).  A lesion counts as found once; more hits on it are false.  Not defined without lesions.
 * `lesions` = of all images. */
bool mt_detection_precision(const mt_detection *detections, int64_t n, int64_t lesions, mt_estimate *average, GError **error);

#endif

/* Boxes that a detector gave: back to the case's pixels, and the same thing found twice made one.  Everything is computed in double. */
#ifndef MT_BOX_NMS_H
#define MT_BOX_NMS_H

#include <microtome/encoder.h>

/* Edges, not pixel centres: x0, y0, z0, x1, y1, z1.  A picture's z are 0 and 1. */
typedef struct mt_found_box {
    double at[6];
    double score;
    int    label; /* index among the detector's labels */
} mt_found_box;

/* From the network's px to the case's: case = (network - offset) * scale + origin, for x, y, z. */
typedef struct mt_box_frame {
    double offset[3], scale[3], origin[3];
    double size[3]; /* of the case; boxes are clipped to it.  0: not */
} mt_box_frame;

/* The frame of a picture of width x height px that the card's fit (stretch, pad, crop, tiles) brought into the network's square; the
 * caller sets what the tile's own px are in the case: origin, and scale times level-0 px of a tile's. */
mt_box_frame mt_box_frame_of_card(const mt_card *card, int64_t width, int64_t height);
/* Bring the boxes from index `first` on into the case; those that nothing is left of are dropped. */
void mt_boxes_place(GArray *boxes, guint first, const mt_box_frame *frame);

/* Share of the common in the joint area (volume). */
double mt_detection_iou(const mt_found_box *a, const mt_found_box *b);
/* Greedy: by falling score (equal ones in their order) each box that overlaps no better one of its label (agnostic: of any) by more than
 * `iou`, at most max_boxes of them (0: all).  As torchvision's nms and batched_nms.  Near linear where boxes are of one size. */
void mt_boxes_nms(GArray *boxes, double iou, bool agnostic, guint max_boxes);

#endif

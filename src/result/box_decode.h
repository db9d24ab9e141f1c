/* What detectors give, as boxes in the network's px (docs/tasks.md). */
#ifndef MT_BOX_DECODE_H
#define MT_BOX_DECODE_H

#include "src/result/box_nms.h"

#include <microtome/tensor.h>

typedef enum mt_box_format {
    MT_BOX_YOLOV8,     /* (1, 4 + C, N): centre, size in px, a score each class; (1, N, 4 + C) as well */
    MT_BOX_YOLOV5,     /* (1, N, 5 + C): the same with objectness before the classes */
    MT_BOX_FASTESTDET, /* (1, 5 + C, h, w): objectness, centre and size of a cell, a score each class */
    MT_BOX_EXPLICIT,   /* boxes (N, 4 or 6), scores (N) or (N, C), labels (N) or none */
} mt_box_format;

/* Of explicit boxes. */
typedef enum mt_box_order {
    MT_BOX_CORNERS,      /* xyxy; xyzxyz (MONAI) */
    MT_BOX_CORNERS_YX,   /* yxyx; zyxzyx */
    MT_BOX_CORNERS_LAST, /* xyxyzz (nnDetection) */
    MT_BOX_CENTRE,       /* cx cy w h; cx cy cz w h d */
} mt_box_order;

typedef enum mt_box_activation { MT_BOX_NONE, MT_BOX_SIGMOID, MT_BOX_SOFTMAX } mt_box_activation;

/* Group [detect] of MODEL.card. */
typedef struct mt_box_card {
    mt_box_format     format;
    mt_box_order      order;
    mt_box_activation activation;               /* of scores (N, C) */
    bool              share;                    /* coordinates are shares of the input, not px */
    bool              background;               /* class 0 is none */
    bool              agnostic;                 /* boxes of different labels exclude each other */
    double            min_score, iou;           /* 0.25, 0.45 */
    int               max_boxes;                /* of a case; 0: all */
    char            **labels;                   /* without background; NULL-terminated */
    char             *boxes, *scores, *classes; /* graph outputs of explicit boxes */
} mt_box_card;

/* NULL without an error: there is no group [detect] in it.  MT_ERROR_MODEL names file, key and value. */
mt_box_card *mt_box_card_read(const char *path, GError **error);
mt_box_card *mt_box_card_read_text(const char *text, const char *name, GError **error);
void         mt_box_card_free(mt_box_card *card);

/* What the network gave for one picture or volume of input_px (x, y, z; z 0: a picture): the one output, or of explicit boxes boxes, scores
 * and classes (NULL: none).  Boxes of at least min_score are appended, of yolo and fastestdet with their best class.  MT_ERROR_MODEL for a
 * shape, type or number that does not fit. */
bool mt_boxes_decode(const mt_box_card *card, const mt_tensor *const outputs[3], const int64_t input_px[3], GArray *boxes, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_box_card, mt_box_card_free)

#endif

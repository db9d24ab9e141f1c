/* A stored map of a result (/map/segmentation, /map/probability) cut into the frames of an image: a slice of the source each, in the source's
 * own rows and columns, or a tile of a slide's.  One frame is in memory at a time, whatever the map's size. */
#ifndef MT_DICOM_FRAMES_H
#define MT_DICOM_FRAMES_H

#include "src/export/handover_case.h"

#define MT_DICOM_TILE_PX 512
#define MT_DICOM_NO_HEAT (-1.0f)

G_BEGIN_DECLS

typedef struct mt_dicom_frames {
    const mt_handover_case *c;
    const char             *object;
    mt_dtype                dtype;
    int64_t                 shape[3];      /* planes, height, width of the map */
    int64_t                 columns, rows; /* of a frame */
    int64_t                 n;             /* slices; tiles, row by row */
    int64_t                 across;        /* tiles beside each other */
    double                  spacing[2];    /* mm between columns, rows */
    double                  origin[2];     /* SLIDE: mm of the map's first pixel's centre in the slide's frame */
    double                  px[2];         /* SLIDE: level-0 px of a pixel of the map */
    struct mt_heatmap      *heat;          /* in place of a stored map: what tiles say; of the slide, or of a plane that tells the rest */
} mt_dicom_frames;

/* MT_ERROR_INPUT where the result has no such map, or it does not lie on the source's voxels, or their place is not known. */
bool mt_dicom_frames_init(mt_dicom_frames *frames, const mt_handover_case *c, const char *object, GError **error);
/* What the tiles of a case say, as MT_F32: a pixel a step between tiles on a slide, the source's pixels in a volume, whose planes
 * have to be slices of the identity (mt_dicom_identity_planes). */
bool mt_dicom_frames_init_heat(mt_dicom_frames *frames, const mt_handover_case *c, GError **error);
void mt_dicom_frames_clear(mt_dicom_frames *frames);
/* rows x columns elements of the map's type; off the slide zeros, where no tile lies MT_DICOM_NO_HEAT. */
bool mt_dicom_frames_read(const mt_dicom_frames *frames, int64_t frame, void *out, GError **error);

/* A class of the map. */
typedef struct mt_dicom_segment {
    char   *name;
    uint8_t members[256]; /* 1: this value of the map is it */
} mt_dicom_segment;

/* Elements are mt_dicom_segment, in the order of the map's attribute `labels` ("1=nodule", "1,3=tumour core"). */
GPtrArray *mt_dicom_segments(const mt_result *result);

G_END_DECLS

#endif

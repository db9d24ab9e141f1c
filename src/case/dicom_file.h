/* What one DICOM file says of its image, as plain facts; pixel data stay in the file.  Names, dates and numbers of patients are never
 * taken out of it. */
#ifndef MT_DICOM_FILE_H
#define MT_DICOM_FILE_H

#include "src/case/dicom_layout.h"

G_BEGIN_DECLS

typedef enum mt_dicom_colour {
    MT_DICOM_MONOCHROME1, /* low values are bright */
    MT_DICOM_MONOCHROME2,
    MT_DICOM_PALETTE,
    MT_DICOM_RGB, /* YBR_RCT and YBR_ICT too: JPEG 2000 itself turns them back */
    MT_DICOM_YBR_FULL,
    MT_DICOM_YBR_FULL_422
} mt_dicom_colour;

/* Where one frame stands and what its values mean. */
typedef struct mt_dicom_place {
    double  position[3], row[3], column[3]; /* LPS mm: centre of the first pixel, direction along a row, along a column */
    bool    has_position, has_orientation;
    double  spacing[2]; /* mm between columns (x), between rows (y); 0: none */
    double  thickness, between;
    double  slope, intercept; /* 1 and 0 where the file has none */
    int64_t tile_x, tile_y;   /* top left in the total matrix, from 0; -1: none */
} mt_dicom_place;

/* What tells the series of a study apart, beside size and place; NULL and 0: the file does not say. */
typedef struct mt_dicom_exam {
    char   *protocol, *view, *laterality, *scanning; /* scanning: ScanningSequence, "\\" between values */
    bool    contrast;                                /* an agent is named */
    double  repetition_ms, echo_ms, inversion_ms;
    double  b_value; /* negative: not said */
    int64_t series_number, acquisition;
} mt_dicom_exam;

typedef struct mt_dicom_file {
    mt_dicom_layout *layout;
    char            *modality, *sop_class, *sop_instance, *study, *series, *body_part, *image_type, *description;
    char            *frame_of_reference; /* its UID; NULL: none */
    mt_dicom_exam    exam;
    int64_t          rows, columns, frames;
    int              samples, allocated, stored, high;
    bool             is_signed, planar;
    mt_dicom_colour  colour;
    bool             has_padding, has_voi_lut, many_stacks; /* many_stacks: its frames name more than one StackID */
    double           padding, dose_scaling;                 /* dose_scaling: Gy of one unit of a dose grid; 0: none */
    uint16_t        *lut;                                   /* of the modality, for stored values from lut_first; NULL: none */
    int64_t          lut_first, lut_entries;
    int              lut_bits;
    int              windows; /* pairs of centre and width; the first: */
    double           window_centre, window_width;
    char            *window_function;                                          /* VOILUTFunction; NULL: LINEAR */
    double           imager_spacing[2], scanned_spacing[2], region_spacing[2]; /* mm: at the detector, of a film, of an ultrasound region */
    double           tilt;
    uint8_t         *palette; /* RGB */
    int64_t          palette_first, palette_entries;
    /* slides */
    int64_t matrix_columns, matrix_rows, focal_planes, optical_paths, segments;
    bool    tiled_full;
    double  objective_power;
    char   *concatenation;
    int64_t concatenation_offset, concatenation_part, concatenation_parts; /* part: from 1; parts: 0 where not said */

    mt_dicom_place *places; /* one a frame */
} mt_dicom_file;

/* MT_ERROR_INPUT with the attribute that is wrong.  A file without an image (a report, a plan) is read as well: rows is 0. */
mt_dicom_file *mt_dicom_file_read(const char *path, GError **error);
void           mt_dicom_file_free(mt_dicom_file *file);
/* True when the file holds an image; else the reason why not. */
bool mt_dicom_file_has_image(const mt_dicom_file *file, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_dicom_file, mt_dicom_file_free)

/* DCMTK is quiet, and knows its codecs. */
void mt_dicom_start(void);

G_END_DECLS

#endif

/* <microtome/convert.h>  A picture or a volume as a file that other programs read: NIfTI, NumPy, PNG.
 * The file holds samples, geometry and what kind of values they are, nothing else: no name, date, number, UID or text of the input
 * reaches it.  What is burned into the pixels stays.  Memory is a few planes beside what the case's reader keeps. */
#ifndef MICROTOME_CONVERT_H
#define MICROTOME_CONVERT_H

#include <microtome/case.h>

G_BEGIN_DECLS

typedef enum mt_convert_format { MT_CONVERT_NIFTI, MT_CONVERT_NIFTI_GZ, MT_CONVERT_NPY, MT_CONVERT_PNG } mt_convert_format;

/* Whole volumes: the axes of NIfTI and NumPy. */
typedef enum mt_convert_order {
    MT_CONVERT_RAS,    /* x to the patient's right, y to the front, z to the head */
    MT_CONVERT_STORED, /* as the input stores them; of a DICOM series column, row, slice along the normal */
} mt_convert_order;

typedef enum mt_convert_window { MT_CONVERT_NO_WINDOW, MT_CONVERT_WINDOW, MT_CONVERT_OWN_WINDOW } mt_convert_window;

typedef struct mt_convert_params {
    mt_convert_format format;
    mt_convert_order  order;   /* NIfTI, NumPy */
    bool              replace; /* write over what exists */
    /* PNG alone */
    mt_plane_axis     plane_axis;
    int64_t           plane; /* this one, from 0, in the order of mt_case_read; -1: all of a volume, in a folder */
    int               bits;  /* 8: through the window, or 8-bit samples as they are; 16: the values themselves; 0: 8 */
    mt_convert_window window;
    double            centre, width; /* of MT_CONVERT_WINDOW: centre - width / 2 becomes 0, centre + width / 2 becomes 255 */
    int               offset;        /* added to the values of 16 bits */
    bool              square;        /* resample a plane whose pixels are not square to square ones */

    void (*progress)(void *user, int64_t done, int64_t planes); /* NULL: none; called by the calling thread */
    void *user;
} mt_convert_params;

/* What was written. */
typedef struct mt_convert_facts {
    int64_t  size[3]; /* x, y, z; of PNG: a picture's width and height, number of pictures */
    int      channels;
    mt_dtype dtype;
    double   spacing_mm[3]; /* 0: unknown */
    int64_t  not_finite;    /* samples of a float file that are NaN or infinite, kept as they are */
    bool     hounsfield;
} mt_convert_facts;

/* "nii", "nii.gz", "npy", "png" */
MT_PUBLIC bool        mt_convert_format_parse(const char *text, mt_convert_format *format);
MT_PUBLIC const char *mt_convert_format_ending(mt_convert_format format);
/* The format that the ending of `path` says; false for another one. */
MT_PUBLIC bool mt_convert_format_of(const char *path, mt_convert_format *format);

/* The axis of planes with which a case has to be opened for this conversion. */
MT_PUBLIC mt_plane_axis mt_convert_axis(const mt_case *c, const mt_convert_params *params);

/* Write the case, opened with mt_convert_axis, to `path`; it appears whole or not at all.  NIfTI: values as mt_case_read gives them (u8, i16,
 * u16, f32; colour as RGB24, wider colour along dimension 5); sform is the affine to float32, qform too unless the grid is sheared (tilted
 * gantry); without a patient frame both codes are 0.  NumPy: (z, y, x) or (z, y, x, 3), and PATH with .json in the place of .npy: shape,
 * affine, spacing, unit, modality, kind of value, window.  PNG: one picture, whose name ends in .png, or of a volume of several planes without
 * `plane` a folder of plane-0000.png and so on; drawn as they are looked at (front or head up, the patient's right on the left; sagittal:
 * the front on the left).
 * facts: may be NULL.  MT_ERROR_USAGE when `path` exists and not `replace`; MT_ERROR_INPUT for slides and for samples that such a file
 * cannot hold; MT_ERROR_RANGE for a parameter outside its range; MT_ERROR_IO. */
MT_PUBLIC bool mt_convert_write(mt_case *c, const char *path, const mt_convert_params *params, mt_convert_facts *facts, GError **error);

G_END_DECLS

#endif

/* One frame of a DICOM file as samples.  Any number of threads at once. */
#ifndef MT_DICOM_FRAME_H
#define MT_DICOM_FRAME_H

#include "src/case/dicom_file.h"

#include <microtome/tensor.h>

G_BEGIN_DECLS

/* What a case's samples are: u8 for colour; one channel keeps u8, u16 or i16 where `places` are rescaled by 1 and one whole number
 * and the results fit, else f32.  `files` in the order of the planes, all of one kind. */
typedef struct mt_dicom_samples {
    mt_dtype dtype;
    int      channels;
} mt_dicom_samples;

mt_dicom_samples mt_dicom_samples_choose(const mt_dicom_file *const *files, int64_t n);

/* Smallest and largest value, stored or out of the table: what MONOCHROME1 is turned round in. */
void mt_dicom_frame_range(const mt_dicom_file *file, double *low, double *high);

/* True for a transfer syntax that is decoded; else the reason. */
bool mt_dicom_frame_check(const mt_dicom_file *file, GError **error);

/* rows x columns x channels: masked to the bits stored, MONOCHROME1 turned round (white is dense), colour as RGB, rescaled.  No
 * window is applied. */
bool mt_dicom_frame_read(const mt_dicom_file *file, int64_t frame, mt_dicom_samples samples, void *out, GError **error);

G_END_DECLS

#endif

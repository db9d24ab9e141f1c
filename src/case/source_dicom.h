/* The two shapes of a DICOM case behind one backend. */
#ifndef MT_SOURCE_DICOM_H
#define MT_SOURCE_DICOM_H

#include "src/case/dicom_series.h"
#include "src/case/source.h"

/* A slide's pyramid from the series of its levels; takes the folder, also on failure. */
mt_source *mt_source_dicom_slide_open(mt_dicom_folder *folder, const mt_case_options *options, GError **error);
/* The series is a whole-slide image. */
bool mt_source_dicom_is_slide(const mt_dicom_series *series);
bool mt_source_dicom_slide_read(mt_source *source, int level, const mt_rect *rect, uint8_t *out, size_t row_bytes, GError **error);
void mt_source_dicom_slide_close(mt_source *source);

/* What was done to the samples on the way, and what was not: one sentence each, ";" between. */
void mt_source_dicom_note(mt_source *source, const char *format, ...) G_GNUC_PRINTF(2, 3);
void mt_source_dicom_note_samples(mt_source *source, const mt_dicom_file *file);

#endif

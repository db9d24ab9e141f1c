/* Functional groups of a multi-frame object over a map: how large its pixels are, which way they run, where each frame stands.  For the .cc
 * files of this folder alone. */
#ifndef MT_DICOM_MULTIFRAME_H
#define MT_DICOM_MULTIFRAME_H

#include "src/export/dicom_object.h"

extern "C" {
#include "src/export/dicom_frames.h"
}

/* Rows, Columns, NumberOfFrames, dimensions, the total matrix of a slide, the groups that all frames share.  `segmented`: frames are of
 * segments too.  `n`: frames. */
void mt_dicom_multiframe_begin(DcmDataset *set, const mt_dicom_frames *frames, int64_t n, bool segmented);
/* The groups of the next frame, which shows slice or tile `place` (and segment `segment`, from 1; 0: none).  A slide's tiles come in the
 * order of TILED_FULL. */
void mt_dicom_multiframe_add(DcmDataset *set, const mt_dicom_frames *frames, int64_t place, int64_t segment);

#endif

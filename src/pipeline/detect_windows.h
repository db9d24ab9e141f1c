/* task=detect by a network of explicit boxes: window by window over the picture or volume, boxes brought to the case's planes. */
#ifndef MT_DETECT_WINDOWS_H
#define MT_DETECT_WINDOWS_H

#include "src/case/volume_turn.h"
#include "src/pipeline/case_run.h"
#include "tiling/dense_frame.h"

/* p->box_model, rules, stages; after p->boxes was read. */
bool mt_pipeline_load_box_model(mt_pipeline *p, GError **error);
/* `volume` as the network wants it, which `frame` brought there: run->boxes and the number of windows. */
bool mt_detect_windows(mt_case_run *run, const mt_dense_frame *frame, const mt_volume *volume, mt_progress progress, void *user,
                       GError **error);

#endif

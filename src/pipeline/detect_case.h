/* task=detect: boxes of every tile or plane, brought to the case, merged, as objects. */
#ifndef MT_DETECT_CASE_H
#define MT_DETECT_CASE_H

#include "src/pipeline/case_run.h"
#include "src/pipeline/finding_rules.h"

/* After the encoder: group [detect] of its card. */
bool mt_pipeline_load_detector(mt_pipeline *p, GError **error);

/* Rules, head card and stages of p->boxes. */
bool mt_detect_load_rules(mt_pipeline *p, GError **error);
/* Into p->resolved: what makes objects of boxes. */
void mt_detect_resolve(mt_pipeline *p);

/* What the network gave for tile i, of mt_encoder_dim floats: its boxes are added to run->boxes. */
bool mt_detect_take_tile(mt_case_run *run, int64_t i, const float *output, GError **error);
/* Once all tiles are in: run->findings and run->output. */
bool mt_detect_finish(mt_case_run *run, GError **error);
/* /objects and what follows from them; the map of the masks that a stage gave. */
bool mt_detect_store(mt_case_run *run, GError **error);

#endif

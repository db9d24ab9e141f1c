/* What a run of a dense task holds. */
#ifndef MT_DENSE_LOAD_H
#define MT_DENSE_LOAD_H

#include "src/pipeline/finding_rules.h"

/* MODEL.onnx with its card, or a folder of nnU-Net's. */
bool mt_pipeline_load_dense(mt_pipeline *p, GError **error);
/* [stage.2] of a classifier: p->dense, rules, measures and actions, and the stages behind it. */
bool mt_pipeline_load_case_stage(mt_pipeline *p, GError **error);

#endif

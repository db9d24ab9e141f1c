/* The stages that a case goes through whatever is asked of it. */
#ifndef MT_CASE_STAGES_H
#define MT_CASE_STAGES_H

#include "src/pipeline/case_run.h"

/* Begin a stage: false and MT_ERROR_STOPPED when the caller wants to stop. */
bool mt_case_stage_enter(mt_case_run *run, const char *stage, mt_progress progress, void *user, GError **error);
/* Seconds since *start, which becomes now. */
double mt_case_stage_lap(gint64 *start);
/* Thumbnail and picture quality. */
bool mt_case_stage_overview(mt_case_run *run, GError **error);
int  mt_case_stage_threads(const mt_case_run *run);
/* The file is begun, under the claim's fence. */
bool mt_case_stage_create(mt_case_run *run, const char *target, GError **error);
bool mt_case_stage_publish(mt_case_run *run, GError **error);

/* A case of a dense task, from its path to its published file. */
bool mt_dense_run_stages(mt_case_run *run, const char *target, mt_progress progress, void *user, GError **error);
/* [stage.2] of a classifier that segments the case, where the classifier finds its positive label (or has no threshold): map, objects and
 * measures into the begun file; else a word on why not. */
bool mt_dense_run_case_stage(mt_case_run *run, mt_progress progress, void *user, GError **error);

#endif

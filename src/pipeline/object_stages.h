/* [stage.2] and on: every object of a class, cropped out of the case, to a network of its own. */
#ifndef MT_OBJECT_STAGES_H
#define MT_OBJECT_STAGES_H

#include "src/encoder/crop_model.h"
#include "src/pipeline/case_run.h"

/* The recipe's stages: an mt_crop_model each; NULL without an error where there are none. */
GPtrArray *mt_object_stages_load(const mt_recipe *recipe, const mt_finding_rules *rules, int threads, GError **error);
/* Their findings into the objects.  The case is read again, as each stage's network wants it.  Of one label its score, of two the second
 * one's, of more the most probable one and its score. */
bool mt_object_stages_run(mt_case_run *run, mt_objects *objects, GError **error);

#endif

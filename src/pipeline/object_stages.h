/* [stage.2] and on: every object of a class, cropped out of the case, to a network of its own that says what it is (task=classify) or where it
 * ends (task=segment). */
#ifndef MT_OBJECT_STAGES_H
#define MT_OBJECT_STAGES_H

#include "src/encoder/crop_model.h"
#include "src/encoder/dense.h"
#include "src/pipeline/case_run.h"

typedef struct mt_object_stage {
    mt_crop_model *what;  /* of task=classify */
    mt_dense      *where; /* of task=segment */
} mt_object_stage;

/* The recipe's stages: an mt_object_stage each; NULL with an error, empty where there are none. */
GPtrArray           *mt_object_stages_load(const mt_recipe *recipe, const mt_finding_rules *rules, int threads, GError **error);
const mt_dense_card *mt_object_stage_card(const mt_object_stage *stage);
/* What makes each of them another recipe: hashes of network and card. */
void mt_object_stages_text(const GPtrArray *stages, GString *text);
/* Their findings into the objects, stage by stage.  Pictures and volumes are read again, as each stage's network wants them, slides object by
 * object.  Of one label its score, of two the second one's, of more the most probable one and its score; a mask takes the place of what the
 * object was, where the network finds any. */
bool mt_object_stages_run(mt_case_run *run, mt_objects *objects, GError **error);

#endif

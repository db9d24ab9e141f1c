/* What a label map of a case says: the objects in it, the stages over them, what is measured. */
#ifndef MT_LABEL_FINDINGS_H
#define MT_LABEL_FINDINGS_H

#include "src/pipeline/case_map.h"
#include "src/pipeline/case_run.h"

/* The network's output channel that decides; -1: none. */
int mt_positive_channel(const mt_pipeline *p);

/* Fills `found`; what is no finding by the recipe's least size and score is taken out of the map's labels.  Stages over the objects write to
 * run->store as they do after a detector. */
bool mt_label_findings_run(mt_case_run *run, mt_case_map *map, mt_findings *found, GError **error);
/* The map, the names of its values, the objects and the measures. */
bool mt_label_findings_store(mt_case_run *run, mt_case_map *map, const mt_findings *found, GError **error);

#endif

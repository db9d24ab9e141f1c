/* What a run of a dense task holds: the network, the rules made of its labels. */
#ifndef MT_DENSE_LOAD_H
#define MT_DENSE_LOAD_H

#include "src/pipeline/pipeline_private.h"
#include "src/result/actions.h"

typedef struct mt_dense_rules {
    char            **labels;   /* NULL-terminated: those of objects, without the background */
    int              *channels; /* of the network's output, one for each of them */
    int               n;
    mt_measure_rule **measures;
    mt_action_rule  **actions;
    int               n_measures, n_actions;
} mt_dense_rules;

/* MODEL.onnx with its card, or a folder of nnU-Net's. */
bool mt_pipeline_load_dense(mt_pipeline *p, GError **error);
void mt_dense_rules_free(mt_dense_rules *rules);

#endif

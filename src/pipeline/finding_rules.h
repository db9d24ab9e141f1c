/* What is made of a case's objects: the recipe's measures and actions, a score for each label. */
#ifndef MT_FINDING_RULES_H
#define MT_FINDING_RULES_H

#include "src/pipeline/pipeline_private.h"
#include "src/result/actions.h"
#include "src/result/prediction.h"

typedef struct mt_finding_rules {
    char            **labels;   /* NULL-terminated: those of objects, without the background */
    int              *channels; /* of a dense network's output, one for each of them; NULL: of boxes */
    int               n;
    mt_measure_rule **measures;
    mt_action_rule  **actions;
    int               n_measures, n_actions;
} mt_finding_rules;

/* The recipe's names for the labels, where it has any. */
bool mt_finding_rules_rename(const mt_recipe *recipe, mt_finding_rules *rules, GError **error);
/* [measure] and [action]; score(CLASS) alone where the task finds no objects. */
bool mt_finding_rules_read(const mt_recipe *recipe, mt_finding_rules *rules, GError **error);
/* p->rules of a task that scores cases, where the recipe has [measure]. */
bool mt_finding_rules_of_scores(mt_pipeline *p, GError **error);
/* p->head_card: what decides about the scores. */
bool mt_finding_rules_card(mt_pipeline *p, GError **error);
/* The group [head] of the resolved recipe. */
void mt_finding_rules_text(const mt_pipeline *p, GString *text);
void mt_finding_rules_free(mt_finding_rules *rules);

typedef struct mt_findings {
    mt_objects     *objects;
    mt_measurement *measurements;
    int             n_measurements;
    GPtrArray      *actions; /* mt_action * */
} mt_findings;

/* `affine` is where the frame's stands. */
mt_objects_frame mt_finding_frame(const mt_case *c, double affine[16]);
void             mt_findings_measure(mt_findings *f, const mt_finding_rules *rules, const mt_measure_facts *facts);
mt_head_output  *mt_findings_output(const mt_findings *f, const mt_finding_rules *rules, GError **error);
/* Of a task that scores cases: measured, chosen and stored; nothing where there is nothing to measure. */
bool mt_findings_of_scores(const mt_pipeline *p, const mt_prediction *prediction, mt_store *store, GError **error);
/* Of one label. */
mt_head_output *mt_score_output(double score, GError **error);
bool            mt_findings_store(const mt_findings *f, mt_language language, mt_store *store, GError **error);
void            mt_findings_clear(mt_findings *f);

#endif

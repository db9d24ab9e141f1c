/* [action] of a recipe: what a measure means for the next step, in words.
 * NAME=MEASURE >= VALUE: text; MEASURE >= VALUE: text; .. ; else: text.  The first that holds is taken; >=, >, <= and <.  A text may be
 * followed by | and the same in Korean.  No part is empty (a semicolon may stand behind the last), and nothing follows an else. */
#ifndef MT_ACTIONS_H
#define MT_ACTIONS_H

#include "src/result/measures.h"
#include "src/result/messages.h"

typedef struct mt_action_rule mt_action_rule;

/* `measures`: the rules that the recipe has.  MT_ERROR_MODEL names action and part. */
mt_action_rule *mt_action_rule_parse(const char *text, mt_measure_rule *const *measures, int n_measures, const char *source,
                                     GError **error);
void            mt_action_rule_free(mt_action_rule *rule);
/* "NAME: text", NULL where no part holds; a measure that cannot be told holds nothing, also not the else.  Free with g_free. */
char *mt_action_choose(const mt_action_rule *rule, const mt_measurement *measurements, mt_language language);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_action_rule, mt_action_rule_free)

#endif

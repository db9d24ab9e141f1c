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
/* What to do, and which other measure would change it. */
typedef struct mt_action {
    char *text[MT_LANGUAGES];      /* "NAME: text" */
    char *before[MT_LANGUAGES];    /* "NAME: text if SIZE >= 8 mm": the part before it; NULL: it is the first */
    char *otherwise[MT_LANGUAGES]; /* the part behind it; NULL: it is the last */
} mt_action;

/* NULL where no part holds; a measure that cannot be told holds nothing, also not the else. */
mt_action *mt_action_choose(const mt_action_rule *rule, const mt_measurement *measurements);
void       mt_action_free(mt_action *action);

/* Write /actions in `language`, with an attribute in each language, and `changes_en`, `changes_ko`: what would change them.  `actions`:
 * mt_action *; none: nothing is written. */
bool mt_actions_store(const GPtrArray *actions, mt_language language, mt_store *store, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_action_rule, mt_action_rule_free)

#endif

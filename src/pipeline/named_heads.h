/* Task multi: several outputs of one graph, each with a head of its own, [head.NAME] of the recipe. */
#ifndef MT_NAMED_HEADS_H
#define MT_NAMED_HEADS_H

#include "src/store/store.h"

#include <microtome/pipeline.h>

typedef struct mt_named_head {
    char    *name, *output;
    bool     primary; /* whose scores are the case's */
    mt_head *head;    /* takes the whole row, reads its own columns */
} mt_named_head;

/* The outputs that the heads want, each once, NULL-terminated; NULL without heads.  MT_ERROR_MODEL for a head without output or a name that
 * is none. */
char **mt_named_heads_outputs(const mt_recipe *recipe, GError **error);
/* Of an encoder that was loaded with these outputs: mt_named_head *, in the order of the recipe.  MT_ERROR_MODEL: not one primary. */
GPtrArray     *mt_named_heads_load(const mt_recipe *recipe, const mt_encoder *encoder, GError **error);
const mt_head *mt_named_heads_primary(const GPtrArray *heads);
/* Score a bag by each, and write /prediction/NAME/scores, logits and, of several tiles, tile_scores. */
bool mt_named_heads_store(const GPtrArray *heads, const mt_bag *bag, const mt_head_options *options, const uint8_t *valid, int64_t n,
                          mt_store *store, GError **error);
/* [head.NAME] as the recipe has them, for the resolved recipe. */
void mt_named_heads_text(const mt_recipe *recipe, GString *text);

#endif

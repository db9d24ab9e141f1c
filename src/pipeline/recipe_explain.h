/* [explain] of a recipe: what is asked about the places that a score comes from (docs/explanations.md). */
#ifndef MT_RECIPE_EXPLAIN_H
#define MT_RECIPE_EXPLAIN_H

#include <microtome/error.h>
#include <microtome/recipe.h>

#include <jansson.h>

bool mt_recipe_explain_read(GKeyFile *file, const char *path, mt_recipe *recipe, GError **error);
void mt_recipe_explain_clear(mt_recipe *recipe);
/* To and from the recipe's JSON. */
void mt_recipe_explain_put(const mt_recipe *recipe, json_t *object);
void mt_recipe_explain_take(mt_recipe *recipe, const json_t *object);
/* The same as key-file text, for the resolved recipe; nothing where nothing is said. */
void mt_recipe_explain_text(const mt_recipe *recipe, GString *text);
/* Something is asked. */
bool mt_recipe_explains(const mt_recipe *recipe);

#endif

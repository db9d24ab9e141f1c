/* The part of a recipe that says what to find and what to make of it: [head] task, [stage.N], [measure], [action]. */
#ifndef MT_RECIPE_FINDINGS_H
#define MT_RECIPE_FINDINGS_H

#include <microtome/error.h>
#include <microtome/recipe.h>

#include <jansson.h>

bool mt_recipe_findings_read(GKeyFile *file, const char *path, mt_recipe *recipe, GError **error);
void mt_recipe_findings_clear(mt_recipe *recipe);
/* To and from the recipe's JSON. */
void mt_recipe_findings_put(const mt_recipe *recipe, json_t *object);
void mt_recipe_findings_take(mt_recipe *recipe, const json_t *object);
/* The same as key-file text, for the resolved recipe; nothing where nothing is said. */
void mt_recipe_findings_text(const mt_recipe *recipe, GString *text);

#endif

/* The part of a recipe that chooses among the series of a study: [series], [series.ROLE] (docs/studies.md). */
#ifndef MT_RECIPE_SERIES_H
#define MT_RECIPE_SERIES_H

#include <microtome/error.h>
#include <microtome/recipe.h>

#include <jansson.h>

/* After [input] sequences has been read: they are the roles. */
bool mt_recipe_series_read(GKeyFile *file, const char *path, mt_recipe *recipe, GError **error);
void mt_recipe_series_clear(mt_recipe *recipe);
/* To and from the recipe's JSON. */
void mt_recipe_series_put(const mt_recipe *recipe, json_t *object);
void mt_recipe_series_take(mt_recipe *recipe, const json_t *object);
/* The same as key-file text, for the resolved recipe; nothing where nothing is said. */
void mt_recipe_series_text(const mt_recipe *recipe, GString *text);

/* The study at `path` with its series chosen; NULL without an error where the recipe has no rules or the path is no DICOM. */
mt_study *mt_recipe_series_open(const mt_recipe *recipe, const char *path, GError **error);

#endif

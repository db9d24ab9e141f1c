/* The keys of [head] that make a task of an encoder, and the groups [head.NAME] of one with several outputs. */
#ifndef MT_RECIPE_TASKS_H
#define MT_RECIPE_TASKS_H

#include <microtome/head.h>
#include <microtome/recipe.h>

#include <jansson.h>

bool mt_recipe_read_task(GKeyFile *file, const char *path, mt_recipe *recipe, GError **error);
void mt_recipe_clear_task(mt_recipe *recipe);
void mt_recipe_put_task(const mt_recipe *recipe, json_t *object);
void mt_recipe_take_task(mt_recipe *recipe, const json_t *object);
/* A classifier whose [stage.2] segments the whole case. */
bool mt_recipe_segments_case(const mt_recipe *recipe);
/* Task and the other keys go together: MT_ERROR_USAGE says what is missing or too much. */
bool mt_recipe_check_task(const mt_recipe *recipe, GError **error);

#endif

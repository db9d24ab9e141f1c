/* What must have been done to a case before a model may see it: nothing in the pixels proves it, so somebody has to say it. */
#ifndef MT_PREPARATION_H
#define MT_PREPARATION_H

#include <microtome/error.h>

/* "skull_stripped", "template" (registered to the model's template), "bias_corrected"; lists have ";" between.  `required`: the card's
 * requires=; `done`: what manifest or recipe says of the case (preparation=); both may be NULL.  MT_ERROR_MODEL for a word in the card that
 * is not known, MT_ERROR_USAGE for one in `done`, MT_ERROR_INPUT naming the case and what is missing. */
bool mt_preparation_check(const char *required, const char *done, const char *case_name, GError **error);

#endif

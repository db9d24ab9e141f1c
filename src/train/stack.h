/* calibrate --stack: an ensemble's card with weights for its members. */
#ifndef MT_STACK_H
#define MT_STACK_H

#include <microtome/calibrate.h>

/* As mt_calibrate, of params->stack. */
bool mt_stack_fit(const mt_calibrate_params *params, char **text, char **json, GError **error);

#endif

/* The options of a training, checked and completed. */
#ifndef MT_TRAIN_SETTINGS_H
#define MT_TRAIN_SETTINGS_H

#include "src/evaluate/targets.h"

#include <microtome/train.h>

/* `options` with every default filled in; MT_ERROR_USAGE and MT_ERROR_RANGE name the option. */
bool mt_train_settings_check(const mt_train_options *options, mt_train_options *complete, mt_targets_params *targets, GError **error);

#endif

/* The verbs of `microtome model`, one file each; cmd_model.c lists them. */
#ifndef MT_CMD_MODEL_H
#define MT_CMD_MODEL_H

#include "tools/command.h"

extern const mt_command mt_command_model_info, mt_command_model_run, mt_command_model_bench, mt_command_model_verify,
    mt_command_model_quantize;

#endif

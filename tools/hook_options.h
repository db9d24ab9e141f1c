/* Options of the operator's commands: --on DECISION COMMAND, --on-fail, --on-finish, --metrics. */
#ifndef MT_HOOK_OPTIONS_H
#define MT_HOOK_OPTIONS_H

#include "tools/command.h"

#include <microtome/batch.h>

typedef struct mt_hook_options {
    char      *metrics, *on_finish, *on_fail;
    GPtrArray *on; /* decision, command, .., NULL */
} mt_hook_options;

/* Take every `--on DECISION COMMAND` out of the arguments (GOption knows no option of two values) and make `on`.  False after an error was
 * printed. */
bool mt_hook_options_take(const mt_command *command, mt_hook_options *options, int *argc, char **argv);
/* --on-finish; one that fails is told. */
void mt_hook_options_finish(const mt_command *command, const mt_hook_options *options, const char *out, const mt_batch_totals *totals,
                            int exit_code);
void mt_hook_options_clear(mt_hook_options *options);

#endif

/* Commands of the operator's that a batch runs when something happened: `sh -c COMMAND`, what happened in the environment alone, so that
 * no id or reason can be taken for shell.  They run beside the batch, a few at once, each in a process group of its own; one that fails or
 * takes longer than a minute is logged (and killed), and never stops anything. */
#ifndef MT_HOOKS_H
#define MT_HOOKS_H

#include <microtome/error.h>

typedef struct mt_hooks mt_hooks;

/* Told of each command that has ended: "exit 3", "killed after 60 s"; `ok` for exit 0. */
typedef void (*mt_hook_ended)(void *user, const char *what, const char *id, bool ok, const char *how);

mt_hooks *mt_hooks_new(mt_hook_ended ended, void *user);
/* Start the command, or queue it.  `variables`: NAME, value, .., NULL; a value of NULL is left out.  `what` and `id` are for the log. */
void mt_hooks_start(mt_hooks *hooks, const char *command, const char *what, const char *id, const char *const *variables);
/* Reap and start what waits; from time to time. */
void mt_hooks_tick(mt_hooks *hooks);
/* Wait for all, `limit_us` at most; what still runs is killed, what waits is told as not run. */
void mt_hooks_finish(mt_hooks *hooks, gint64 limit_us);
void mt_hooks_free(mt_hooks *hooks);

#endif

#include "tools/hook_options.h"

#include <stdio.h>
#include <string.h>

static bool is_decision(const char *name)
{
    static const char *const names[] = {"urgent", "review", "clear", "none", "withheld", "degraded", "insufficient", NULL};

    return g_strv_contains(names, name);
}

bool mt_hook_options_take(const mt_command *command, mt_hook_options *o, int *argc, char **argv)
{
    int kept = 0;

    o->on = g_ptr_array_new();
    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], "--on") != 0) {
            argv[kept++] = argv[i];
            continue;
        }
        if (i + 2 >= *argc || !is_decision(argv[i + 1])) {
            mt_command_usage(command,
                             "--on %s: a decision (urgent, review, clear, none) or status (withheld, degraded, insufficient) and a command "
                             "are wanted: --on urgent 'COMMAND'",
                             i + 1 < *argc ? argv[i + 1] : "");
            return false;
        }
        g_ptr_array_add(o->on, argv[i + 1]);
        g_ptr_array_add(o->on, argv[i + 2]);
        i += 2;
    }
    g_ptr_array_add(o->on, NULL);
    argv[kept] = NULL;
    *argc = kept;
    return true;
}

void mt_hook_options_finish(const mt_command *command, const mt_hook_options *o, const char *out, const mt_batch_totals *totals,
                            int exit_code)
{
    g_autofree char *failure = o->on_finish != NULL ? mt_batch_finish_hook(out, o->on_finish, totals, exit_code) : NULL;

    if (failure != NULL)
        fprintf(stderr, "microtome %s: warning: the command of --on-finish: %s\n", command->name, failure);
}

void mt_hook_options_clear(mt_hook_options *o)
{
    g_free(o->metrics);
    g_free(o->on_finish);
    g_free(o->on_fail);
    if (o->on != NULL)
        g_ptr_array_unref(o->on);
}

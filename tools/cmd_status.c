#include "tools/command.h"
#include "tools/status_report.h"

#include <stdio.h>
#include <unistd.h>

#define WATCH_EVERY_US 2000000

static void print(const mt_folder *folder, bool json, bool brief)
{
    if (json)
        mt_status_json(folder, stdout);
    else
        mt_status_table(folder, brief, stdout);
    fflush(stdout);
}

/* Until nobody works on it any more; every look on a terminal in the place of the one before. */
static int watch(const char *out, bool json)
{
    bool terminal = isatty(STDOUT_FILENO);

    for (;;) {
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_folder) folder = mt_folder_read(out, &error);
        if (folder == NULL)
            return mt_command_fail(&mt_command_status, error);
        if (terminal)
            fputs("\033[H\033[J", stdout);
        print(folder, json, true);
        if (folder->n[MT_STATE_RUNNING] == 0)
            return mt_status_exit_code(folder);
        g_usleep(WATCH_EVERY_US);
    }
}

static int run(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    gboolean     json = FALSE, watched = FALSE, brief = FALSE;
    GOptionEntry entries[] = {{"json", 0, 0, G_OPTION_ARG_NONE, &json, "JSON on standard output", NULL},
                              {"watch", 0, 0, G_OPTION_ARG_NONE, &watched, "look again every 2 s until nobody works on it", NULL},
                              {"brief", 0, 0, G_OPTION_ARG_NONE, &brief, "only what is running or failed, and the totals", NULL},
                              {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_status, entries, &argc, &argv))
        return 64;
    if (argc != 2)
        return mt_command_usage(&mt_command_status, "name one output folder");
    if (watched)
        return watch(argv[1], json);
    g_autoptr(mt_folder) folder = mt_folder_read(argv[1], &error);
    if (folder == NULL)
        return mt_command_fail(&mt_command_status, error);
    print(folder, json, brief);
    return mt_status_exit_code(folder);
}

const mt_command mt_command_status = {
    .name = "status",
    .arguments = "OUT",
    .summary = "Every case of an output folder: done, failed and why, running where, pending; of all runs on all machines.",
    .help = "Reads listings, records of failures and the logs of the runs; no result is opened whose run has told of it.\n\n"
            "Exit codes: 0 all done; 65 some cases failed; 75 cases are left to do, running or not; 66 no such folder.\n\n"
            "Examples:\n"
            "  microtome status OUT\n"
            "  microtome status OUT --watch\n"
            "  microtome status OUT --json | jq '.cases[] | select(.state == \"failed\")'",
    .run = run,
};

#include "tools/command.h"

#include <microtome/folder.h>

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#define PROGRESS_EVERY_US 200000

typedef struct verifying {
    json_t *problems; /* NULL: they are printed */
    bool    terminal, drawn;
    gint64  drawn_us;
} verifying;

static void erase(verifying *v)
{
    if (v->drawn)
        fputs("\r\033[K", stderr);
    v->drawn = false;
}

static void on_problem(void *user, const char *file, const char *what)
{
    verifying *v = user;

    erase(v);
    if (v->problems != NULL)
        json_array_append_new(v->problems, json_pack("{s:s s:s}", "file", file, "problem", what));
    else
        printf("%s: %s\n", file, what);
}

static bool on_progress(void *user, int64_t done, int64_t total)
{
    verifying *v = user;
    gint64     now = g_get_monotonic_time();

    if (v->terminal && now - v->drawn_us > PROGRESS_EVERY_US) {
        fprintf(stderr, "\r\033[K%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " results", done, total);
        v->drawn_us = now;
        v->drawn = true;
    }
    return true;
}

static void print_totals(verifying *v, const mt_folder_checked *n)
{
    if (v->problems != NULL) {
        json_t *root = json_pack("{s:I s:I s:I s:o}", "results", (json_int_t)n->results, "unhashed", (json_int_t)n->unhashed, "bytes",
                                 (json_int_t)n->bytes, "problems", v->problems);
        json_dumpf(root, stdout, JSON_INDENT(1));
        putchar('\n');
        json_decref(root);
        return;
    }
    printf("%" G_GINT64_FORMAT " results of %.1f MB read, problems: %" G_GINT64_FORMAT "\n", n->results, (double)n->bytes / 1e6,
           n->problems);
    if (n->unhashed > 0)
        printf("%" G_GINT64_FORMAT
               " results are of an older version without a hash of their content: their structure alone was looked at\n",
               n->unhashed);
}

static int run(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    gboolean          json = FALSE;
    verifying         v = {.terminal = isatty(STDERR_FILENO)};
    mt_folder_checked checked;
    GOptionEntry      entries[] = {{"json", 0, 0, G_OPTION_ARG_NONE, &json, "JSON on standard output", NULL},
                                   {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_verify, entries, &argc, &argv))
        return 64;
    if (argc != 2)
        return mt_command_usage(&mt_command_verify, "name one output folder");
    v.problems = json ? json_array() : NULL;
    bool ok =
        mt_folder_verify(&(mt_folder_check){.out = argv[1], .problem = on_problem, .progress = on_progress, .user = &v}, &checked, &error);
    erase(&v);
    if (!ok) {
        json_decref(v.problems);
        return mt_command_fail(&mt_command_verify, error);
    }
    print_totals(&v, &checked);
    return checked.problems > 0 ? 65 : 0;
}

const mt_command mt_command_verify = {
    .name = "verify",
    .arguments = "OUT",
    .summary = "Read every file of an output folder: is each whole, each hash right, does each belong there.",
    .help =
        "Results of cases and patients and those superseded are read whole, one at a time, and held against the hash of their content;\n"
        "their tables against the number of tiles, their recipe against recipe.ini.  Records of failures and the manifest are read,\n"
        "and what belongs to nothing is named.  One line a problem.\n\n"
        "Exit codes: 0 all right; 65 problems; 66 no such folder.",
    .run = run,
};

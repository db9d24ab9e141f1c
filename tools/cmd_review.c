#include "tools/command.h"

#include <microtome/desk.h>

#include "src/base/publish.h"

#include <stdio.h>

static int check(const char *out)
{
    g_autoptr(GError) error = NULL;
    int64_t events;

    if (!mt_desk_check(out, &events, &error))
        return mt_command_fail(&mt_command_review, error);
    printf("%" G_GINT64_FORMAT " events, each as it was written\n", events);
    return 0;
}

static int export(const char *out, const char *path, bool force)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_path_get_basename(path), *text = mt_desk_export(out, name, &error);

    if (text == NULL || !mt_publish_text(path, text, force, &error))
        return mt_command_fail(&mt_command_review, error);
    printf("%s\n", path);
    return 0;
}

static int run(int argc, char **argv)
{
    g_auto(GStrv) files = NULL;
    gboolean     checks = FALSE, force = FALSE;
    GOptionEntry entries[] = {{"export", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &files,
                               "write decisions.csv, decisions.json or labels.csv, in any folder; may be given several times", "FILE"},
                              {"check", 0, 0, G_OPTION_ARG_NONE, &checks, "hold every event against the chain of hashes", NULL},
                              {"force", 0, 0, G_OPTION_ARG_NONE, &force, "replace files that exist", NULL},
                              {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_review, entries, &argc, &argv))
        return 64;
    if (argc != 2 || (files == NULL && !checks))
        return mt_command_usage(&mt_command_review, "name one output folder, and --export or --check");
    int code = checks ? check(argv[1]) : 0;
    for (int i = 0; code == 0 && files != NULL && files[i] != NULL; i++)
        code = export(argv[1], files[i], force);
    return code;
}

const mt_command mt_command_review = {
    .name = "review",
    .arguments = "OUT --export FILE|--check",
    .summary = "What was said on the review desk: as tables, as labels, checked.",
    .help = "decisions.csv, decisions.json: a row a case with what the model said, who agreed or not and why, the opinion before the "
            "model, who\n"
            "signed and when.  labels.csv: what train and evaluate take as labels; evaluate --readers reader,reader_with_model\n"
            "holds the reader alone, the model and the reader with the model against each other.\n\n"
            "  microtome review OUT --check --export decisions.csv --export labels.csv",
    .run = run,
};

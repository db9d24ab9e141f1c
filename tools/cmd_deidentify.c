#include "tools/command.h"

#include <microtome/deidentify.h>

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct deidentify_options {
    gboolean json;
    json_t  *problems;
    bool     shown;
} deidentify_options;

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static void clear_line(deidentify_options *o)
{
    if (o->shown)
        fputs("\r\033[K", stderr);
    o->shown = false;
}

static void on_event(void *user, const mt_deidentify_event *event)
{
    deidentify_options *o = user;
    static const char  *outcomes[] = {"written", "left out", "refused"};

    if (event->words == NULL)
        return;
    clear_line(o);
    fprintf(stderr, "microtome deidentify: %s: %s%s%s\n", event->input,
            event->outcome == MT_DEIDENTIFY_WRITTEN ? "" : outcomes[event->outcome], event->outcome == MT_DEIDENTIFY_WRITTEN ? "" : ": ",
            event->words);
    if (o->problems != NULL && event->outcome == MT_DEIDENTIFY_REFUSED)
        json_array_append_new(o->problems, json_pack("{s:s s:s}", "input", event->input, "words", event->words));
}

static bool on_progress(void *user, int64_t done, int64_t total)
{
    deidentify_options *o = user;

    if (isatty(STDERR_FILENO) && total > 1) {
        o->shown = true;
        fprintf(stderr, "\r  %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " files", done, total);
    }
    return !stopped;
}

static void print_counts(deidentify_options *o, const mt_deidentify_counts *c)
{
    clear_line(o);
    if (!o->json) {
        printf("%" G_GINT64_FORMAT " files: %" G_GINT64_FORMAT " written, %" G_GINT64_FORMAT " left out, %" G_GINT64_FORMAT " refused\n",
               c->files, c->written, c->left_out, c->refused);
        return;
    }
    json_t *all = json_pack("{s:I s:I s:I s:I s:O}", "files", (json_int_t)c->files, "written", (json_int_t)c->written, "left_out",
                            (json_int_t)c->left_out, "refused", (json_int_t)c->refused, "problems", o->problems);
    char   *text = json_dumps(all, JSON_INDENT(2));
    puts(text);
    free(text);
    json_decref(all);
}

static int run(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char     *out = NULL, *profile = NULL, *key = NULL, *links = NULL;
    gboolean             shift = FALSE, descriptions = FALSE, characteristics = FALSE, burned = FALSE;
    deidentify_options   o = {0};
    mt_deidentify_counts counts = {0};
    GOptionEntry         entries[] = {
                {"out", 'o', 0, G_OPTION_ARG_FILENAME, &out, "folder of the copies and of report.csv", "DIR"},
                {"profile", 0, 0, G_OPTION_ARG_FILENAME, &profile, "rows of your own before the built-in ones: attributes, and what to black out",
                 "FILE"},
                {"key", 0, 0, G_OPTION_ARG_FILENAME, &key,
                 "key of pseudonyms, UIDs and dates, made where it is not there: the same patient is the same in every call", "FILE"},
                {"links", 0, 0, G_OPTION_ARG_FILENAME, &links, "CSV of which is which, readable by you alone", "FILE"},
                {"shift-dates", 0, 0, G_OPTION_ARG_NONE, &shift, "move each patient's dates by days of its own instead of removing them", NULL},
                {"keep-descriptions", 0, 0, G_OPTION_ARG_NONE, &descriptions, "keep study and series descriptions and the protocol's name", NULL},
                {"keep-characteristics", 0, 0, G_OPTION_ARG_NONE, &characteristics, "keep sex, age, size and weight", NULL},
                {"allow-burned-in", 0, 0, G_OPTION_ARG_NONE, &burned, "let pictures through that may hold burnt-in text: look at them yourself",
                 NULL},
                {"json", 0, 0, G_OPTION_ARG_NONE, &o.json, "counts and what was refused as JSON", NULL},
                {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_deidentify, entries, &argc, &argv))
        return 64;
    if (argc < 2 || out == NULL)
        return mt_command_usage(&mt_command_deidentify, "name files or folders, and -o DIR for their copies");
    o.problems = json_array();
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    const mt_deidentify_params params = {.paths = (const char *const *)argv + 1,
                                         .out = out,
                                         .profile = profile,
                                         .key_file = key,
                                         .links = links,
                                         .shift_dates = shift,
                                         .keep_descriptions = descriptions,
                                         .keep_characteristics = characteristics,
                                         .allow_burned_in = burned,
                                         .event = on_event,
                                         .progress = on_progress,
                                         .user = &o};
    bool                       ok = mt_deidentify(&params, &counts, &error);
    print_counts(&o, &counts);
    json_decref(o.problems);
    if (!ok)
        return mt_command_fail(&mt_command_deidentify, error);
    return counts.refused > 0 ? 65 : 0;
}

const mt_command mt_command_deidentify = {
    .name = "deidentify",
    .arguments = "PATH... -o DIR",
    .summary = "Copy DICOM files and tiled slides without what says whose they are, and prove it.",
    .help = "DICOM PS3.15 Annex E, Basic Application Level Confidentiality Profile (docs/deidentify.md).  Private attributes, names, dates "
            "and free text go, "
            "UIDs are\nreplaced alike everywhere, comments in compressed pictures are overwritten; labels and macros of slides are left "
            "out.  Every copy is "
            "read again\nand searched for what was taken out before it appears.  Pictures that may hold burnt-in text without a rule are "
            "refused, reports "
            "and\ndocuments too.\n\nExamples:\n"
            "  microtome deidentify studies/ -o shared/\n"
            "  microtome deidentify studies/ -o shared/ --key site.key --links links.csv --shift-dates\n"
            "  microtome deidentify S-0815.svs -o shared/",
    .run = run,
};

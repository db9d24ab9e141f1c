#include "tools/command.h"

#include "src/base/publish.h"

#include <microtome/growth.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char HELP[] =
    "Objects of one class are paired where their centres are nearest, at most one to one, in the frame of reference that both studies "
    "share.\n"
    "A change of diameter below the edge of a pixel cannot be measured and is said to be none, unless the volume changed by a quarter.\n"
    "\n"
    "Examples:\n"
    "  microtome compare out/cases/p7_prior.h5 out/cases/p7_current.h5 --days 182\n"
    "  microtome compare prior.h5 current.h5 --transform registration.txt -o growth.csv       4 x 4 numbers: mm of PRIOR to mm of CURRENT\n"
    "  microtome compare left_2023.h5 left_2025.h5 --measures-only                            cup-to-disc ratio of two photographs\n";

typedef struct compare_options {
    mt_growth_params params;
    char            *out, *transform, *language, *distance, *days;
    gboolean         json, same_frame, measures_only;
} compare_options;

static void options_clear(compare_options *o)
{
    g_free(o->out);
    g_free(o->transform);
    g_free(o->language);
    g_free(o->distance);
    g_free(o->days);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(compare_options, options_clear)

static void print_text(const mt_growth *g)
{
    if (g->n_rows == 0 && g->n_values == 0)
        puts("nothing to compare: neither study has objects or a measure of the other's");
    for (int i = 0; i < g->n_rows; i++)
        printf("%-8s %s\n", mt_growth_state_name(g->rows[i].state), g->rows[i].text);
    for (int i = 0; i < g->n_values; i++)
        if (g->values[i].text != NULL)
            printf("%-8s %s\n", "measure", g->values[i].text);
}

static int show(const char *prior_path, const char *current_path, const compare_options *o)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_result) prior = mt_result_open(prior_path, &error);
    g_autoptr(mt_result) current = prior != NULL ? mt_result_open(current_path, &error) : NULL;
    g_autoptr(mt_growth) g = current != NULL ? mt_growth_new(prior, current, &o->params, &error) : NULL;

    if (g == NULL)
        return mt_command_fail(&mt_command_compare, error);
    for (char **warning = g->warnings; *warning != NULL; warning++)
        fprintf(stderr, "microtome compare: warning: %s\n", *warning);
    g_autofree char *json = mt_growth_json(g), *csv = mt_growth_csv(g);
    if (o->out != NULL && !mt_publish_text(o->out, g_str_has_suffix(o->out, ".csv") ? csv : json, true, &error))
        return mt_command_fail(&mt_command_compare, error);
    if (o->json)
        fputs(json, stdout);
    else
        print_text(g);
    return 0;
}

static bool parse_positive(const char *option, const char *text, double *value)
{
    char *end = NULL;

    if (text == NULL)
        return true;
    *value = g_ascii_strtod(text, &end);
    if (end != text && *end == '\0' && isfinite(*value) && *value > 0)
        return true;
    mt_command_usage(&mt_command_compare, "%s %s: a number above 0 is wanted", option, text);
    return false;
}

static bool check(compare_options *o)
{
    const mt_command *command = &mt_command_compare;

    if (!parse_positive("--max-distance", o->distance, &o->params.max_distance_mm) || !parse_positive("--days", o->days, &o->params.days))
        return false;
    if (o->same_frame + o->measures_only + (o->transform != NULL) > 1)
        mt_command_usage(command, "--same-frame, --transform and --measures-only exclude each other");
    else if (o->out != NULL && !g_str_has_suffix(o->out, ".csv") && !g_str_has_suffix(o->out, ".json"))
        mt_command_usage(command, "-o %s: a name that ends in .json or .csv is wanted", o->out);
    else if (o->language != NULL && strcmp(o->language, "en") != 0 && strcmp(o->language, "ko") != 0)
        mt_command_usage(command, "--language %s: en or ko is wanted", o->language);
    else
        return true;
    return false;
}

static int run(int argc, char **argv)
{
    g_auto(compare_options) o = {.json = FALSE};
    g_autoptr(GError) error = NULL;
    double       transform[16];
    GOptionEntry entries[] = {
        {"out", 'o', 0, G_OPTION_ARG_FILENAME, &o.out, "the comparison as JSON or CSV", "FILE"},
        {"max-distance", 0, 0, G_OPTION_ARG_STRING, &o.distance, "between the centres of one object (default: 10)", "MM"},
        {"same-frame", 0, 0, G_OPTION_ARG_NONE, &o.same_frame, "both were taken in one frame, though their files do not say so", NULL},
        {"transform", 0, 0, G_OPTION_ARG_FILENAME, &o.transform, "16 numbers: mm of PRIOR to mm of CURRENT", "FILE"},
        {"measures-only", 0, 0, G_OPTION_ARG_NONE, &o.measures_only, "match no objects", NULL},
        {"days", 0, 0, G_OPTION_ARG_STRING, &o.days, "between the studies, for the volume doubling time", "N"},
        {"language", 0, 0, G_OPTION_ARG_STRING, &o.language, "en or ko (default: en)", "LANGUAGE"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &o.json, "JSON on standard output", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_compare, entries, &argc, &argv))
        return 64;
    if (argc != 3)
        return mt_command_usage(&mt_command_compare, "name two results of one patient, the prior one first");
    if (!check(&o))
        return 64;
    if (o.transform != NULL && !mt_growth_read_transform(o.transform, transform, &error))
        return mt_command_fail(&mt_command_compare, error);
    o.params.transform = o.transform != NULL ? transform : NULL;
    o.params.same_frame = o.same_frame;
    o.params.measures_only = o.measures_only;
    o.params.language = o.language;
    return show(argv[1], argv[2], &o);
}

const mt_command mt_command_compare = {
    .name = "compare",
    .arguments = "PRIOR.h5 CURRENT.h5",
    .summary = "Say how objects and measures changed between two studies of a patient.",
    .help = HELP,
    .run = run,
};

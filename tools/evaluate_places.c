#include "tools/evaluate_places.h"

#include "tools/command.h"

#include <microtome/evaluate_places.h>
#include <microtome/place_report.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MOST_IOUS 20

static const char HELP[] =
    "Masks: NIfTI, PNG or TIFF with class numbers, paired by case id (file name without ending) in two folders, or by columns of "
    "--labels.\n"
    "Findings: a CSV of all cases, a folder with a CSV or GeoJSON for each, or the results of run (objects,\n"
    "else tiles hotter than those beside them; of a volume in mm).\n"
    "Lesions: a CSV of points with a radius or of boxes, or a folder with a CSV, GeoJSON, XML (ASAP) or mask for each case. With --labels\n"
    "its rows are the cases, those without a lesion too; findings there are false positives.\n"
    "\n"
    "Examples:\n"
    "  microtome evaluate predicted --masks reference --classes 1=liver,2=tumour -o report\n"
    "  microtome evaluate predicted --masks reference --goal dice=0.85 --compare older\n"
    "  microtome evaluate findings.csv --lesions lesions.csv --labels cases.csv --threshold 0.5 --goal 'false_positives_per_scan<2'\n"
    "  microtome evaluate findings --lesions masks --lesion-scale 32 --labels cases.csv        Camelyon16's evaluation masks of level 5\n"
    "\n"
    "Intervals are at 95 %, by drawing patients again. A goal is met when the bound of the interval reaches it.\n";

/* It answers as evaluate does, with other options. */
static const mt_command COMMAND = {.name = "evaluate",
                                   .arguments = "PREDICTED --masks REFERENCE | FINDINGS --lesions REFERENCE",
                                   .summary = "Say how well masks or findings lie where they should, with intervals.",
                                   .help = HELP};

typedef struct place_options {
    mt_place_params params;
    char           *masks, *lesions, *labels, *predicted, *classes, *split, *compare, *goals_file, *out, *mpp, *threshold, *ious;
    char          **goals;
    gint64          seed;
    gboolean        json, allow_missing, no_distance;
    double          iou[MOST_IOUS];
} place_options;

static void options_clear(place_options *o)
{
    char *texts[] = {o->masks,   o->lesions,    o->labels, o->predicted, o->classes,   o->split,
                     o->compare, o->goals_file, o->out,    o->mpp,       o->threshold, o->ious};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    g_strfreev(o->goals);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(place_options, options_clear)

bool mt_evaluate_places_asked(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--masks") == 0 || strcmp(argv[i], "--lesions") == 0 || g_str_has_prefix(argv[i], "--masks=") ||
            g_str_has_prefix(argv[i], "--lesions="))
            return true;
    return false;
}

static int show(const char *predicted, const place_options *o)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_place_evaluation) e = mt_place_evaluation_new(predicted, &o->params, &error);

    if (e == NULL)
        return mt_command_fail(&COMMAND, error);
    for (const char *const *warning = mt_place_evaluation_warnings(e); *warning != NULL; warning++)
        fprintf(stderr, "microtome evaluate: %s\n", *warning);
    if (o->out != NULL && !mt_place_write(e, o->out, &error))
        return mt_command_fail(&COMMAND, error);
    g_autofree char *text = o->json ? mt_place_json(e) : mt_place_text(e);
    fputs(text, stdout);
    if (o->out != NULL && !o->json)
        printf("\n%s/evaluation.html\n", o->out);
    return 0;
}

/* "0.5,0.75" */
static bool parse_ious(place_options *o)
{
    g_auto(GStrv) parts = g_strsplit(o->ious != NULL ? o->ious : "0.5", ",", -1);
    int n = 0;

    for (char **part = parts; *part != NULL; part++, n++) {
        char  *end = NULL;
        double value = g_ascii_strtod(*part, &end);
        bool   good = n < MOST_IOUS && end != *part && *end == '\0' && value > 0 && value <= 1;
        for (int i = 0; i < n && good; i++)
            good = o->iou[i] != value;
        if (!good) {
            mt_command_usage(&COMMAND, "--iou %s: different shares above 0, at most 1, are wanted, as 0.5,0.75", o->ious);
            return false;
        }
        o->iou[n] = value;
    }
    o->params.ious = o->iou;
    o->params.n_ious = n;
    return n > 0;
}

static bool parse_mpp(place_options *o)
{
    char   *end = o->mpp;
    double *mpp = o->params.mask_mpp;

    if (o->mpp == NULL)
        return true;
    mpp[0] = g_ascii_strtod(end, &end);
    mpp[1] = *end == ',' ? g_ascii_strtod(end + 1, &end) : mpp[0];
    if (end != o->mpp && *end == '\0' && isfinite(mpp[0]) && isfinite(mpp[1]) && mpp[0] > 0 && mpp[1] > 0)
        return true;
    mt_command_usage(&COMMAND, "--mask-mpp %s: one or two positive numbers of µm per pixel are wanted, as 8 or 8,8", o->mpp);
    return false;
}

static bool parse_threshold(place_options *o)
{
    char *end = NULL;

    o->params.threshold = NAN;
    if (o->threshold == NULL)
        return true;
    o->params.threshold = g_ascii_strtod(o->threshold, &end);
    if (end != o->threshold && *end == '\0' && isfinite(o->params.threshold))
        return true;
    mt_command_usage(&COMMAND, "--threshold %s: a number is wanted", o->threshold);
    return false;
}

static bool parse(place_options *o, int *argc, char ***argv)
{
    mt_place_params *p = &o->params;
    GOptionEntry     entries[] = {
            {"masks", 0, 0, G_OPTION_ARG_FILENAME, &o->masks, "the reference masks: a folder, or a column of --labels", "DIR|COLUMN"},
            {"lesions", 0, 0, G_OPTION_ARG_FILENAME, &o->lesions, "the reference lesions", "CSV|DIR"},
            {"labels", 0, 0, G_OPTION_ARG_FILENAME, &o->labels, "the cases: id, patient (default: those of the reference)", "CSV"},
            {"out", 'o', 0, G_OPTION_ARG_FILENAME, &o->out, "folder for evaluation.html, evaluation.json, cases.csv", "DIR"},
            {"json", 0, 0, G_OPTION_ARG_NONE, &o->json, "JSON on standard output", NULL},
            {"predicted", 0, 0, G_OPTION_ARG_STRING, &o->predicted, "column of --labels with the files in PREDICTED (default: by id)", "NAME"},
            {"classes", 0, 0, G_OPTION_ARG_STRING, &o->classes,
             "1=liver,2=tumour, or one name for all that is not 0; of --lesions: names of the objects that count", "LIST"},
            {"mask-mpp", 0, 0, G_OPTION_ARG_STRING, &o->mpp, "µm per pixel of masks whose file does not say", "X[,Y]"},
            {"no-distance", 0, 0, G_OPTION_ARG_NONE, &o->no_distance, "Dice and IoU alone, which need no spacing", NULL},
            {"iou", 0, 0, G_OPTION_ARG_STRING, &o->ious, "average precision at these (default: 0.5)", "LIST"},
            {"lesion-scale", 0, 0, G_OPTION_ARG_DOUBLE, &p->lesion_scale, "pixels of the findings to one of a reference mask (default: 1)",
             "F"},
            {"join-um", 0, 0, G_OPTION_ARG_DOUBLE, &p->join_um, "regions of a mask nearer than this are one lesion (Camelyon16: 75)", "UM"},
            {"ignore-um", 0, 0, G_OPTION_ARG_DOUBLE, &p->ignore_um, "smaller regions of a mask count neither way (Camelyon16: 275)", "UM"},
            {"threshold", 0, 0, G_OPTION_ARG_STRING, &o->threshold, "findings from this score on are called (default: all)", "T"},
            {"split", 0, 0, G_OPTION_ARG_STRING, &o->split, "only rows whose column split says so", "NAME"},
            {"allow-missing", 0, 0, G_OPTION_ARG_NONE, &o->allow_missing, "leave out cases that lack a file", NULL},
            {"bootstrap", 0, 0, G_OPTION_ARG_INT, &p->bootstrap, "rounds over patients (default: 2000)", "N"},
            {"seed", 0, 0, G_OPTION_ARG_INT64, &o->seed, "of the draws (default: 0)", "S"},
            {"goal", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->goals, "--goal dice=0.8, --goal 'false_positives_per_scan<2'", "GOAL"},
            {"goals", 0, 0, G_OPTION_ARG_FILENAME, &o->goals_file, "recipe or key file with [goals]", "FILE"},
            {"compare", 0, 0, G_OPTION_ARG_FILENAME, &o->compare, "predictions of another run: paired differences", "OTHER"},
            {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    return mt_command_parse(&COMMAND, entries, argc, argv);
}

int mt_evaluate_places(int argc, char **argv)
{
    g_auto(place_options) o = {.json = FALSE};
    mt_place_params *p = &o.params;

    if (!parse(&o, &argc, &argv))
        return 64;
    if (argc != 2)
        return mt_command_usage(&COMMAND, "name one %s", o.masks != NULL ? "folder of predicted masks" : "file or folder of findings");
    if (!parse_ious(&o) || !parse_mpp(&o) || !parse_threshold(&o))
        return 64;
    p->masks = o.masks;
    p->lesions = o.lesions;
    p->labels = o.labels;
    p->predicted = o.predicted;
    p->classes = o.classes;
    p->split = o.split;
    p->compare = o.compare;
    p->goals_file = o.goals_file;
    p->goals = (const char *const *)o.goals;
    p->seed = (uint64_t)o.seed;
    p->allow_missing = o.allow_missing;
    p->no_distance = o.no_distance;
    return show(argv[1], &o);
}

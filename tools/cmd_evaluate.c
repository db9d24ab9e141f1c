#include "tools/command.h"
#include "tools/evaluate_places.h"

#include <microtome/evaluate.h>
#include <microtome/evaluation_report.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define GALLERY 12

static const char HELP[] =
    "LABELS is a CSV with a header: a column id (slide_id, case, wsi and image are known too), the truth in a column label, and whatever\n"
    "--by and the others name. Every case of it must have a result in OUT, and every result a row; --allow-missing counts the\n"
    "rest in place of refusing. Cases without a score (withheld, insufficient, failed) are named and in no number.\n"
    "\n"
    "  id,label,patient,age,sex\n"
    "  s01,tumour,P1,61,f\n"
    "  s02,normal,P2,47,m\n"
    "\n"
    "Examples:\n"
    "  microtome evaluate out --labels labels.csv                      the numbers with their intervals\n"
    "  microtome evaluate out --labels labels.csv -o report            report/evaluation.html, evaluation.json, cases.csv\n"
    "  microtome evaluate out --labels labels.csv --by sex --by age:40,60,80 --bootstrap 2000\n"
    "  microtome evaluate out --labels labels.csv --goal sensitivity=0.95 --goal specificity=0.85\n"
    "  microtome evaluate out --labels labels.csv --compare old                which of two runs is better, and is it chance\n"
    "  microtome evaluate ours --labels labels.csv --head head.safetensors     refuses a patient that was trained on\n"
    "  microtome evaluate ours --labels labels.csv --prevalence 0.02           PPV and NPV of a clinic where 2 % have it\n"
    "  microtome evaluate masks --masks reference              Dice, IoU, Hausdorff-95; more with --masks X --help\n"
    "  microtome evaluate findings.csv --lesions lesions.csv   FROC, average precision, false positives a scan; --lesions X --help\n"
    "\n"
    "A goal is met when the lower bound of its interval reaches it (the upper one of brier and ece). Intervals are at 95 %: AUROC by "
    "DeLong, shares by Wilson. What the data cannot say is \"not defined\", with the reason.\n";

typedef struct evaluate_options {
    mt_evaluation_params params;
    char                *out, *level, *threshold, *prevalence;
    int                  gallery;
    gboolean             json;
} evaluate_options;

static int show(const char *folder, const evaluate_options *o)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_evaluation) e = mt_evaluation_new(folder, &o->params, &error);

    if (e == NULL)
        return mt_command_fail(&mt_command_evaluate, error);
    for (const char *const *warning = mt_evaluation_warnings(e); *warning != NULL; warning++)
        fprintf(stderr, "microtome evaluate: %s\n", *warning);
    if (o->out != NULL && !mt_evaluation_write(e, o->out, o->gallery, &error))
        return mt_command_fail(&mt_command_evaluate, error);
    g_autofree char *text = o->json ? mt_evaluation_json(e) : mt_evaluation_text(e);
    fputs(text, stdout);
    if (o->out != NULL && !o->json)
        printf("\n%s/evaluation.html\n", o->out);
    return 0;
}

/* Of an option that is a number; false after an error was printed. */
static bool parse_number(const char *option, const char *text, double *number)
{
    char *end = NULL;

    if (text == NULL)
        return true;
    *number = g_ascii_strtod(text, &end);
    if (end != text && *end == '\0' && isfinite(*number))
        return true;
    mt_command_usage(&mt_command_evaluate, "%s %s: a number is wanted", option, text);
    return false;
}

static int check(const char *folder, evaluate_options *o)
{
    if (o->level != NULL && strcmp(o->level, "case") != 0 && strcmp(o->level, "patient") != 0)
        return mt_command_usage(&mt_command_evaluate, "--level %s: case or patient is wanted", o->level);
    o->params.threshold = NAN;
    if (!parse_number("--threshold", o->threshold, &o->params.threshold) ||
        !parse_number("--prevalence", o->prevalence, &o->params.prevalence))
        return 64;
    if (o->prevalence != NULL && !(o->params.prevalence > 0 && o->params.prevalence < 1))
        return mt_command_usage(&mt_command_evaluate, "--prevalence %s: a share between 0 and 1 is wanted, as 0.02", o->prevalence);
    if (o->gallery < 0 || o->gallery > 1000)
        return mt_command_usage(&mt_command_evaluate, "--gallery %d: 0 to 1000 is wanted", o->gallery);
    o->params.by_patient = g_strcmp0(o->level, "patient") == 0;
    return show(folder, o);
}

static int run(int argc, char **argv)
{
    evaluate_options o = {.gallery = GALLERY};
    g_autofree char *labels = NULL, *out = NULL, *task = NULL, *column = NULL, *positive = NULL, *split = NULL, *level = NULL;
    g_autofree char *goals_file = NULL, *internal = NULL, *internal_labels = NULL, *compare = NULL, *train_labels = NULL, *splits = NULL;
    g_autofree char *readers = NULL, *threshold = NULL, *fold = NULL, *head = NULL, *prevalence = NULL, *time = NULL, *event = NULL,
                    *uncertain = NULL;
    g_auto(GStrv) by = NULL, goals = NULL;
    gint64       seed = 0;
    gboolean     allow_missing = FALSE, allow_trained = FALSE;
    GOptionEntry entries[] = {
        {"labels", 0, 0, G_OPTION_ARG_FILENAME, &labels, "the truth: id, label and more", "CSV"},
        {"out", 'o', 0, G_OPTION_ARG_FILENAME, &out, "folder for evaluation.html, evaluation.json, cases.csv", "DIR"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &o.json, "JSON on standard output", NULL},
        {"level", 0, 0, G_OPTION_ARG_STRING, &level, "what counts as one (default: case)", "case|patient"},
        {"task", 0, 0, G_OPTION_ARG_STRING, &task, "binary, multiclass, multilabel, ordinal, hazard, cox (default: from the scores)",
         "TASK"},
        {"column", 0, 0, G_OPTION_ARG_STRING, &column, "column of the truth (default: label)", "NAME"},
        {"positive", 0, 0, G_OPTION_ARG_STRING, &positive, "the positive label (default: the head's)", "LABEL"},
        {"time", 0, 0, G_OPTION_ARG_STRING, &time, "survival: column of the time (default: time)", "NAME"},
        {"event", 0, 0, G_OPTION_ARG_STRING, &event, "survival: column of the event, 1 or 0 (default: event)", "NAME"},
        {"uncertain", 0, 0, G_OPTION_ARG_STRING, &uncertain, "findings of -1 (default: ignore)", "ignore|zeros|ones"},
        {"split", 0, 0, G_OPTION_ARG_STRING, &split, "only rows whose column split says so", "NAME"},
        {"threshold", 0, 0, G_OPTION_ARG_STRING, &threshold, "call positive from this score on (default: the head's)", "T"},
        {"allow-missing", 0, 0, G_OPTION_ARG_NONE, &allow_missing, "leave out cases that have no result or no label", NULL},
        {"bootstrap", 0, 0, G_OPTION_ARG_INT, &o.params.bootstrap, "intervals by drawing patients again N times (2000 is usual)", "N"},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "of the draws (default: 0)", "S"},
        {"by", 0, 0, G_OPTION_ARG_STRING_ARRAY, &by, "subgroups of a column, or its bands: --by sex --by age:40,60,80", "COLUMN[:EDGES]"},
        {"goal", 0, 0, G_OPTION_ARG_STRING_ARRAY, &goals, "held against the bound of the interval: --goal sensitivity=0.95", "NAME=VALUE"},
        {"goals", 0, 0, G_OPTION_ARG_FILENAME, &goals_file, "recipe or key file with [goals]", "FILE"},
        {"compare", 0, 0, G_OPTION_ARG_FILENAME, &compare, "another run over the same cases: DeLong, McNemar, C-index", "OUT2"},
        {"internal", 0, 0, G_OPTION_ARG_FILENAME, &internal, "results of the internal cases, or which cases of OUT are internal",
         "OUT2|COLUMN=VALUE"},
        {"internal-labels", 0, 0, G_OPTION_ARG_FILENAME, &internal_labels, "their truth (default: that of --labels)", "CSV"},
        {"readers", 0, 0, G_OPTION_ARG_STRING, &readers,
         "columns, one a reader: their agreement; without a column label their majority is the truth", "A,B,.."},
        {"train-labels", 0, 0, G_OPTION_ARG_FILENAME, &train_labels, "the training set: a case or patient of it is refused", "CSV"},
        {"splits", 0, 0, G_OPTION_ARG_FILENAME, &splits, "splits of train or CLAM: their test cases alone, and no other's patient",
         "FILE|DIR"},
        {"fold", 0, 0, G_OPTION_ARG_STRING, &fold, "which one of --splits made the head", "NAME"},
        {"head", 0, 0, G_OPTION_ARG_FILENAME, &head, "the head of these scores: a case or patient it was trained on is refused", "HEAD"},
        {"allow-trained", 0, 0, G_OPTION_ARG_NONE, &allow_trained, "measure them all the same; every output says so", NULL},
        {"prevalence", 0, 0, G_OPTION_ARG_STRING, &prevalence, "PPV and NPV where this share is positive, as 0.02", "P"},
        {"gallery", 0, 0, G_OPTION_ARG_INT, &o.gallery, "wrong cases of each kind on the page (default: 12)", "N"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (mt_evaluate_places_asked(argc, argv))
        return mt_evaluate_places(argc, argv);
    if (!mt_command_parse(&mt_command_evaluate, entries, &argc, &argv))
        return 64;
    if (argc != 2 || labels == NULL)
        return mt_command_usage(&mt_command_evaluate, "name one folder of results and give --labels CSV");
    o.out = out;
    o.level = level;
    o.threshold = threshold;
    o.prevalence = prevalence;
    g_auto(GStrv) columns = readers != NULL ? g_strsplit(readers, ",", -1) : NULL;
    o.params = (mt_evaluation_params){.bootstrap = o.params.bootstrap,
                                      .seed = (uint64_t)seed,
                                      .by = (const char *const *)by,
                                      .readers = (const char *const *)columns,
                                      .goals = (const char *const *)goals,
                                      .goals_file = goals_file,
                                      .internal = internal,
                                      .internal_labels = internal_labels,
                                      .compare = compare,
                                      .train_labels = train_labels,
                                      .splits = splits,
                                      .fold = fold,
                                      .head = head,
                                      .allow_trained = allow_trained,
                                      .labels = labels,
                                      .task = task,
                                      .column = column,
                                      .positive = positive,
                                      .time = time,
                                      .event = event,
                                      .uncertain = uncertain,
                                      .split = split,
                                      .allow_missing = allow_missing};
    return check(argv[1], &o);
}

const mt_command mt_command_evaluate = {
    .name = "evaluate",
    .arguments = "OUT --labels CSV",
    .summary = "Say how good the scores of a folder are, with intervals, and show the cases that went wrong.",
    .help = HELP,
    .run = run,
};

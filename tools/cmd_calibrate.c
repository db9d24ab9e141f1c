#include "tools/command.h"

#include <microtome/calibrate.h>

#include <stdio.h>

static const char HELP[] =
    "PREDICTIONS are held out: a folder of results of this head on cases that it was not trained with, or the HEAD-predictions.csv of\n"
    "`train` (columns id, label and logit_<label>).  The card is written beside what its numbers rest on, HEAD.points.json.\n\n"
    "A threshold is chosen by the lower end of the 95 % interval, not by what the cases show: a sensitivity of 0.99 wants 381 positive\n"
    "cases even without a miss.  Where there are fewer, the claim is refused with the number that is needed.\n"
    "With --sensitivity (or --npv) and --specificity (or --ppv) the card has two thresholds: clear, review, urgent.\n\n"
    "Examples:\n"
    "  microtome calibrate HEAD-predictions.csv -m HEAD.safetensors --sensitivity 0.95 -o HEAD.card --force\n"
    "  microtome calibrate OUT --labels held-out.csv -m HEAD.safetensors --method platt --npv 0.999 --prevalence 0.02 -o HEAD.card\n";

static int run(int argc, char **argv)
{
    mt_calibrate_params p = {0};
    g_autofree char    *labels = NULL, *head = NULL, *card = NULL, *method = NULL, *positive = NULL, *text = NULL, *points = NULL,
                    *reference = NULL;
    gboolean by_class = FALSE, stack = FALSE, exact = FALSE, force = FALSE, json = FALSE;
    g_autoptr(GError) error = NULL;
    GOptionEntry entries[] = {
        {"labels", 0, 0, G_OPTION_ARG_FILENAME, &labels, "what was true: id, label", "CSV"},
        {"head", 'm', 0, G_OPTION_ARG_FILENAME, &head, "the head whose predictions these are", "HEAD"},
        {"out", 'o', 0, G_OPTION_ARG_FILENAME, &card, "card to write; beside the head it is the head's", "HEAD.card"},
        {"method", 0, 0, G_OPTION_ARG_STRING, &method, "temperature (default), platt, isotonic or none", "NAME"},
        {"positive", 0, 0, G_OPTION_ARG_STRING, &positive, "label that is called positive (default: the card's)", "LABEL"},
        {"sensitivity", 0, 0, G_OPTION_ARG_DOUBLE, &p.sensitivity, "threshold whose sensitivity is at least S by its lower bound", "S"},
        {"specificity", 0, 0, G_OPTION_ARG_DOUBLE, &p.specificity, "threshold whose specificity is at least S, likewise", "S"},
        {"npv", 0, 0, G_OPTION_ARG_DOUBLE, &p.npv, "threshold whose NPV is at least V at --prevalence, likewise", "V"},
        {"ppv", 0, 0, G_OPTION_ARG_DOUBLE, &p.ppv, "threshold whose PPV is at least V at --prevalence, likewise", "V"},
        {"prevalence", 0, 0, G_OPTION_ARG_DOUBLE, &p.prevalence, "share of positives among those who will be tested", "P"},
        {"conformal", 0, 0, G_OPTION_ARG_DOUBLE, &p.conformal, "sets of labels that miss the truth in a share of at most ALPHA", "ALPHA"},
        {"by-class", 0, 0, G_OPTION_ARG_NONE, &by_class, "keep that promise within each class", NULL},
        {"exact", 0, 0, G_OPTION_ARG_NONE, &exact, "Clopper-Pearson bounds in place of Wilson's", NULL},
        {"reference", 0, 0, G_OPTION_ARG_FILENAME, &reference, "folder of the training cases' features: cases unlike them are never clear",
         "DIR"},
        {"stack", 0, 0, G_OPTION_ARG_NONE, &stack, "of an ensemble: weights of its members, from a folder of its results", NULL},
        {"force", 0, 0, G_OPTION_ARG_NONE, &force, "replace a card that is there", NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "machine output", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_calibrate, entries, &argc, &argv))
        return 64;
    if (argc != 2 || head == NULL || card == NULL)
        return mt_command_usage(&mt_command_calibrate, "name a folder or CSV of predictions and give -m HEAD and -o HEAD.card");
    p.predictions = argv[1];
    p.labels = labels;
    p.head = head;
    p.card = card;
    p.method = method;
    p.positive = positive;
    p.by_class = by_class;
    p.clopper_pearson = exact;
    p.reference = reference;
    p.force = force;
    p.stack = stack;
    if (!mt_calibrate(&p, &text, &points, &error))
        return mt_command_fail(&mt_command_calibrate, error);
    fputs(json ? points : text, stdout);
    return 0;
}

const mt_command mt_command_calibrate = {
    .name = "calibrate",
    .arguments = "PREDICTIONS",
    .summary = "Fit a head's card to held-out predictions: calibration, thresholds with bounds, conformal sets.",
    .help = HELP,
    .run = run,
};

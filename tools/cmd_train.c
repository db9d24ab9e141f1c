#include "tools/command.h"
#include "tools/train_report.h"

#include <microtome/train.h>

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t stop_asked;

static void on_stop(int signal_number)
{
    (void)signal_number;
    if (stop_asked)
        _exit(75);
    stop_asked = 1;
}

typedef struct train_verb {
    mt_train_options o;
    char            *labels, *head, *model, *task, *label_column, *label_names, *positive, *uncertain, *time, *event, *splits, *leave_out,
        *split_column, *memory, *init, *watch;
    gint64   seed;
    gboolean class_weights, log_steps, keep_folds, allow_missing, force, json;
} train_verb;

static bool on_epoch(void *user, const mt_train_epoch *epoch)
{
    mt_epoch_line_draw(user, epoch);
    return !stop_asked;
}

static bool parse_labels_part(train_verb *v, int *argc, char ***argv)
{
    mt_train_options *o = &v->o;
    GOptionEntry      entries[] = {
             {"labels", 'l', 0, G_OPTION_ARG_FILENAME, &v->labels, "CSV: id (slide_id), label, patient (case_id), other columns", "CSV"},
             {"model", 'm', 0, G_OPTION_ARG_STRING, &v->model, "what to learn (default abmil)", "abmil|clam_sb|clam_mb|mean|max|linear|knn"},
             {"head", 'o', 0, G_OPTION_ARG_FILENAME, &v->head, "head to write; its card, curves and predictions stand beside it",
              "HEAD.safetensors"},
             {"task", 't', 0, G_OPTION_ARG_STRING, &v->task, "what the labels are (default binary)",
              "binary|multiclass|multilabel|ordinal|survival|cox"},
             {"column", 0, 0, G_OPTION_ARG_STRING, &v->label_column, "column of the label (default label)", "NAME"},
             {"label-names", 0, 0, G_OPTION_ARG_STRING, &v->label_names,
              "labels in order, or the columns of findings; the default is those of the file", "A,B,..."},
             {"positive", 0, 0, G_OPTION_ARG_STRING, &v->positive, "label whose score is the score", "NAME"},
             {"uncertain", 0, 0, G_OPTION_ARG_STRING, &v->uncertain, "what -1 of a finding means: not known (default), absent, present",
              "ignore|zeros|ones"},
             {"time", 0, 0, G_OPTION_ARG_STRING, &v->time, "survival: column of the time (default time)", "NAME"},
             {"event", 0, 0, G_OPTION_ARG_STRING, &v->event, "survival: column of the event, 1 or 0 (default event)", "NAME"},
             {"intervals", 0, 0, G_OPTION_ARG_INT, &o->intervals, "survival: intervals of time, between quantiles of the events (default 4)",
              "N"},
             {"folds", 'k', 0, G_OPTION_ARG_INT, &o->folds, "judge on K folds of patients, then learn on all (default: neither)", "K"},
             {"fold", 0, 0, G_OPTION_ARG_INT, &o->fold, "learn this fold alone, counted from 0; its head is the head", "I"},
             {"splits", 0, 0, G_OPTION_ARG_FILENAME, &v->splits, "folds from CLAM's splits_<i>.csv or a splits.csv", "DIR|CSV"},
             {"leave-out", 0, 0, G_OPTION_ARG_STRING, &v->leave_out, "a fold for each value of a column: sites, scanners", "COLUMN"},
             {"split-column", 0, 0, G_OPTION_ARG_STRING, &v->split_column, "column that says train, val or test", "COLUMN"},
             {"json", 0, 0, G_OPTION_ARG_NONE, &v->json, "what came of it as JSON", NULL},
             {"epochs", 0, 0, G_OPTION_ARG_INT, &o->epochs, "times through the cases (default 20; steps of linear: 200)", "N"},
             {"lr", 0, 0, G_OPTION_ARG_DOUBLE, &o->lr, "learning rate (default 2e-4), falling to 0 as a cosine", "F"},
             {"weight-decay", 0, 0, G_OPTION_ARG_DOUBLE, &o->weight_decay, "default 1e-5; linear: 1 / cases", "F"},
             {"dropout", 0, 0, G_OPTION_ARG_DOUBLE, &o->dropout, "default 0.25", "F"},
             {"hidden", 0, 0, G_OPTION_ARG_INT, &o->hidden, "width of a tile's embedding (default 512)", "N"},
             {"attention", 0, 0, G_OPTION_ARG_INT, &o->attention, "width of the attention (default 256; abmil 384)", "N"},
             {"neighbours", 0, 0, G_OPTION_ARG_INT, &o->neighbours, "of knn (default 20)", "N"},
             {"class-weights", 0, 0, G_OPTION_ARG_NONE, &v->class_weights, "rare classes count as much as common ones", NULL},
             {"instance-weight", 0, 0, G_OPTION_ARG_DOUBLE, &o->instance_weight, "clam: share of the instance loss (default 0.3; 0: without)",
              "F"},
             {"init", 0, 0, G_OPTION_ARG_FILENAME, &v->init, "begin with the weights of this head; classifiers of other labels begin anew",
              "HEAD"},
             {"patience", 0, 0, G_OPTION_ARG_INT, &o->patience, "stop after N epochs that are no better on validation (default: never)", "N"},
             {"watch", 0, 0, G_OPTION_ARG_STRING, &v->watch, "what --patience looks at: loss (default), or the figure of merit", "loss|metric"},
             {"val-share", 0, 0, G_OPTION_ARG_DOUBLE, &o->val_share, "patients watched, not learnt from (default 0.15 with --patience)", "F"},
             {"seed", 0, 0, G_OPTION_ARG_INT64, &v->seed, "of folds, weights and order (default 0)", "N"},
             {"threads", 0, 0, G_OPTION_ARG_INT, &o->threads, "default: the CPUs; what is written does not depend on it", "N"},
             {"memory", 0, 0, G_OPTION_ARG_STRING, &v->memory, "of features kept; the rest is read again each epoch (default 1G)", "SIZE"},
             {"log-steps", 0, 0, G_OPTION_ARG_NONE, &v->log_steps, "the loss of every step too: HEAD-steps.csv", NULL},
             {"keep-folds", 0, 0, G_OPTION_ARG_NONE, &v->keep_folds, "keep HEAD-fold<i>.safetensors, for an ensemble", NULL},
             {"allow-missing", 0, 0, G_OPTION_ARG_NONE, &v->allow_missing, "leave out labelled cases without a result", NULL},
             {"force", 0, 0, G_OPTION_ARG_NONE, &v->force, "replace a head of that name", NULL},
             {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    return mt_command_parse(&mt_command_train, entries, argc, argv);
}

static int train(train_verb *v, const char *out)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) names = v->label_names != NULL ? g_strsplit(v->label_names, ",", -1) : NULL;
    mt_train_options *o = &v->o;

    o->out = out;
    o->labels = v->labels;
    o->head = v->head;
    o->model = v->model != NULL ? v->model : "abmil";
    o->task = v->task;
    o->label_column = v->label_column;
    o->label_names = (const char *const *)names;
    o->positive = v->positive;
    o->uncertain = v->uncertain;
    o->time_column = v->time;
    o->event_column = v->event;
    o->splits = v->splits;
    o->leave_out = v->leave_out;
    o->split_column = v->split_column;
    o->init = v->init;
    o->watch = v->watch;
    o->log_steps = v->log_steps;
    o->seed = (uint64_t)v->seed;
    o->class_weights = v->class_weights;
    o->keep_folds = v->keep_folds;
    o->allow_missing = v->allow_missing;
    o->force = v->force;
    o->threads = mt_command_threads(o->threads);
    mt_epoch_line *line = mt_epoch_line_new();
    g_autoptr(mt_train_report) report = mt_train_run(o, on_epoch, line, &error);
    mt_epoch_line_free(line);
    if (report == NULL)
        return mt_command_fail(&mt_command_train, error);
    mt_train_report_print(report, v->json);
    return 0;
}

static void free_strings(train_verb *v)
{
    char *const strings[] = {v->labels, v->head,  v->model,  v->task,      v->label_column, v->label_names, v->positive, v->uncertain,
                             v->time,   v->event, v->splits, v->leave_out, v->split_column, v->memory,      v->init,     v->watch};

    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
        g_free(strings[i]);
}

static int run(int argc, char **argv)
{
    train_verb v = {0};
    int        code = 64;

    mt_train_options_init(&v.o);
    if (parse_labels_part(&v, &argc, &argv)) {
        if (argc != 2 || v.labels == NULL || v.head == NULL)
            code = mt_command_usage(&mt_command_train, "name one folder of results and give --labels CSV and -o HEAD.safetensors");
        else if (v.memory == NULL || mt_command_size(&mt_command_train, "--memory", v.memory, 1, &v.o.memory_bytes)) {
            struct sigaction action = {.sa_handler = on_stop};
            sigaction(SIGINT, &action, NULL);
            sigaction(SIGTERM, &action, NULL);
            code = train(&v, argv[1]);
        }
    }
    free_strings(&v);
    return code;
}

const mt_command mt_command_train = {
    .name = "train",
    .arguments = "OUT",
    .summary = "Learn a head from stored features and a labels file; judge it on patients it has not seen.",
    .help =
        "OUT is the folder of a run, or one of CLAM's or TRIDENT's feature files.  With folds, each head is scored on the patients it "
        "was not\n"
        "learnt from (HEAD-predictions.csv, for `calibrate`), and the final head is learnt on all.  A patient never stands on both sides.\n"
        "Findings: columns of 1, 0, -1 (uncertain) and nothing, named by --label-names, or one column \"Effusion|Mass\".\n"
        "Beside HEAD.safetensors: HEAD.card, HEAD-curves.csv and .png, HEAD-predictions.csv, HEAD-splits/.\n\n"
        "Examples:\n"
        "  microtome train out --labels cohort.csv --positive tumour --folds 5 -o head.safetensors\n"
        "  microtome train out --labels dataset.csv --splits task_1/ -m clam_sb --task multiclass -o clam.safetensors\n"
        "  microtome train xrays --labels chexpert.csv -m linear --task multilabel --label-names Edema,Effusion --folds 5 -o "
        "probe.safetensors\n"
        "  microtome train out --labels cohort.csv --task ordinal --column grade --leave-out site -o grade.safetensors",
    .run = run,
};

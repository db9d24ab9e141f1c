#include "src/train/train_settings.h"

#include "src/train/fit.h"

#include <math.h>
#include <string.h>

#define DEFAULT_EPOCHS 20
#define DEFAULT_STEPS 200 /* of the linear probe, which converges before */
#define DEFAULT_VAL_SHARE 0.15

void mt_train_options_init(mt_train_options *options)
{
    *options = (mt_train_options){.fold = -1, .val_share = -1, .weight_decay = -1, .dropout = -1, .instance_weight = -1};
}

static bool refuse(const char *option, double value, const char *wanted, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "%s %g: %s", option, value, wanted);
    return false;
}

static bool check_numbers(const mt_train_options *o, GError **error)
{
    if (o->folds < 0 || o->folds > 1000)
        return refuse("--folds", o->folds, "0 to 1000 are wanted", error);
    if (o->epochs < 0 || o->epochs > 100000)
        return refuse("--epochs", o->epochs, "1 to 100000 are wanted", error);
    if (!(o->lr >= 0) || o->lr > 10)
        return refuse("--lr", o->lr, "above 0 and at most 10 is wanted", error);
    if (isnan(o->weight_decay) || o->weight_decay > 1000)
        return refuse("--weight-decay", o->weight_decay, "0 to 1000 is wanted", error);
    if (isnan(o->dropout) || o->dropout >= 1)
        return refuse("--dropout", o->dropout, "0 to below 1 is wanted", error);
    if (o->hidden < 0 || o->hidden > 65536)
        return refuse("--hidden", o->hidden, "1 to 65536 are wanted", error);
    if (o->attention < 0 || o->attention > 65536)
        return refuse("--attention", o->attention, "1 to 65536 are wanted", error);
    if (o->neighbours < 0 || o->neighbours > 1000000)
        return refuse("--neighbours", o->neighbours, "1 to 1000000 are wanted", error);
    if (isnan(o->instance_weight) || o->instance_weight >= 1)
        return refuse("--instance-weight", o->instance_weight, "0 (without that loss) to below 1 is wanted", error);
    if (o->patience < 0)
        return refuse("--patience", o->patience, "0 (no early stopping) or more is wanted", error);
    if (isnan(o->val_share) || o->val_share > 0.5)
        return refuse("--val-share", o->val_share, "0 to 0.5 is wanted", error);
    return true;
}

static bool check_watch(const mt_train_options *o, GError **error)
{
    bool network = strcmp(o->model, "linear") != 0 && strcmp(o->model, "mean") != 0 && strcmp(o->model, "knn") != 0;

    if (o->watch != NULL && strcmp(o->watch, "loss") != 0 && strcmp(o->watch, "metric") != 0)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--watch %s: loss or metric is wanted", o->watch);
    else if (o->watch != NULL && o->patience == 0)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--watch %s: it says what --patience looks at: give that too", o->watch);
    else if (!network && (o->init != NULL || o->log_steps))
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "%s: %s takes no steps from given weights: abmil, clam_sb, clam_mb and max do",
                    o->init != NULL ? "--init" : "--log-steps", o->model);
    else
        return true;
    return false;
}

static bool check_splits(const mt_train_options *o, GError **error)
{
    int given = (o->folds > 1) + (o->splits != NULL) + (o->leave_out != NULL) + (o->split_column != NULL);

    if (given > 1)
        g_set_error_literal(error, MT_ERROR, MT_ERROR_USAGE, "--folds, --splits, --leave-out and --split-column exclude each other");
    else if (o->fold >= 0 && given == 0)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--fold %d: there are no folds; give --folds, --splits or --leave-out", o->fold);
    else if (!g_str_has_suffix(o->head, ".safetensors"))
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "-o %s: a name that ends in .safetensors is wanted", o->head);
    else
        return true;
    return false;
}

static bool read_words(const mt_train_options *o, mt_targets_params *targets, GError **error)
{
    static const char *const words[] = {"ignore", "zeros", "ones"};
    const char              *task = o->task != NULL ? o->task : "binary", *uncertain = o->uncertain != NULL ? o->uncertain : "ignore";
    int                      policy = 0;

    if (!mt_task_from_name(task, &targets->task)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--task %s: binary, multiclass, multilabel, ordinal, survival or cox is wanted", task);
        return false;
    }
    while (policy < 3 && strcmp(words[policy], uncertain) != 0)
        policy++;
    if (policy == 3) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--uncertain %s: ignore, zeros or ones is wanted", uncertain);
        return false;
    }
    targets->uncertain = (mt_uncertain)policy;
    targets->column = o->label_column;
    targets->labels = o->label_names;
    targets->positive = o->positive;
    targets->time = o->time_column;
    targets->event = o->event_column;
    targets->intervals = o->intervals;
    return true;
}

static void fill_defaults(mt_train_options *o)
{
    bool linear = strcmp(o->model, "linear") == 0 || strcmp(o->model, "mean") == 0;

    o->epochs = o->epochs > 0 ? o->epochs : linear ? DEFAULT_STEPS : DEFAULT_EPOCHS;
    o->lr = o->lr > 0 ? o->lr : 2e-4;
    if (o->weight_decay < 0 && !linear)
        o->weight_decay = 1e-5;
    o->dropout = o->dropout >= 0 ? o->dropout : 0.25;
    o->instance_weight = o->instance_weight >= 0 ? o->instance_weight : 0.3;
    if (o->init == NULL) { /* else those of the checkpoint */
        o->hidden = o->hidden > 0 ? o->hidden : 512;
        o->attention = o->attention > 0 ? o->attention : strcmp(o->model, "abmil") == 0 ? 384 : 256;
    }
    o->neighbours = o->neighbours > 0 ? o->neighbours : 20;
    o->threads = MAX(o->threads, 1);
    if (o->val_share < 0)
        o->val_share = o->patience > 0 ? DEFAULT_VAL_SHARE : 0;
    if (strcmp(o->model, "knn") == 0)
        o->val_share = 0;
}

bool mt_train_settings_check(const mt_train_options *options, mt_train_options *complete, mt_targets_params *targets, GError **error)
{
    *targets = (mt_targets_params){0};
    *complete = *options;
    if (!read_words(options, targets, error) || !mt_fit_check(options->model, targets->task, error) || !check_numbers(options, error) ||
        !check_watch(options, error) || !check_splits(options, error))
        return false;
    fill_defaults(complete);
    return true;
}

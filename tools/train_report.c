#include "tools/train_report.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_CELLS 24

struct mt_epoch_line {
    bool   terminal, drawn;
    gint64 start_us;
    char  *last; /* what the newest epoch is told as once its head is done; not on a terminal */
    int    last_fold;
};

mt_epoch_line *mt_epoch_line_new(void)
{
    mt_epoch_line *line = g_new0(mt_epoch_line, 1);

    line->terminal = isatty(STDERR_FILENO) && g_strcmp0(g_getenv("TERM"), "dumb") != 0;
    line->start_us = g_get_monotonic_time();
    line->last_fold = -1;
    return line;
}

static void erase(mt_epoch_line *line)
{
    if (line->drawn)
        fputs("\r\033[K", stderr);
    line->drawn = false;
}

static char *losses_text(const mt_train_epoch *e)
{
    if (isfinite(e->val_loss) && isfinite(e->val_metric))
        return g_strdup_printf("loss %.4f, validation %.4f (merit %.4f)", e->train_loss, e->val_loss, e->val_metric);
    if (isfinite(e->val_loss))
        return g_strdup_printf("loss %.4f, validation %.4f", e->train_loss, e->val_loss);
    return g_strdup_printf("loss %.4f", e->train_loss);
}

/* [2/6] fold 1 ████░░░░ epoch 7/20, loss 0.4321, validation 0.5012, 12 s left */
static void draw_bar(mt_epoch_line *line, const mt_train_epoch *e)
{
    double share = (e->fold_index + (double)e->epoch / e->n_epochs) / e->n_folds;
    double spent = (double)(g_get_monotonic_time() - line->start_us) / 1e6;

    erase(line);
    fprintf(stderr, "[%d/%d] fold %.20s ", e->fold_index + 1, e->n_folds, e->fold);
    for (int i = 0; i < BAR_CELLS; i++)
        fputs(i < (int)(share * BAR_CELLS) ? "█" : "░", stderr);
    g_autofree char *losses = losses_text(e);
    fprintf(stderr, " epoch %d/%d, %s, %.0f s left", e->epoch, e->n_epochs, losses, spent / share * (1 - share));
    fflush(stderr);
    line->drawn = true;
}

static void tell_last(mt_epoch_line *line)
{
    if (line->last != NULL)
        fputs(line->last, stderr);
    g_clear_pointer(&line->last, g_free);
}

void mt_epoch_line_draw(mt_epoch_line *line, const mt_train_epoch *e)
{
    if (line->terminal) {
        draw_bar(line, e);
        return;
    }
    if (e->fold_index != line->last_fold)
        tell_last(line);
    line->last_fold = e->fold_index;
    g_autofree char *losses = losses_text(e);
    g_free(line->last);
    line->last = g_strdup_printf("[%d/%d] fold %s: %d epochs, %s\n", e->fold_index + 1, e->n_folds, e->fold, e->epoch, losses);
}

void mt_epoch_line_free(mt_epoch_line *line)
{
    tell_last(line);
    erase(line);
    g_free(line);
}

static void print_counts(const mt_train_report *r)
{
    g_autofree char *labels = g_strjoinv(", ", r->labels);

    printf("%s of %s: %u cases of %u patients, %" G_GINT64_FORMAT " tiles\n", r->task, labels, r->n_cases, r->n_patients, r->n_tiles);
    if (r->positive != NULL)
        printf("positive: %s\n", r->positive);
    if (r->n_missing > 0)
        printf("left out: %u labelled cases without a result\n", r->n_missing);
    if (r->n_withheld > 0)
        printf("left out: %u labelled cases that a control case withholds\n", r->n_withheld);
    if (r->n_empty > 0)
        printf("left out: %u labelled cases without a tile\n", r->n_empty);
    if (r->n_unlabelled > 0)
        printf("left out: %u rows without a label\n", r->n_unlabelled);
    if (r->n_without_row > 0)
        printf("left out: %u results that the labels file does not name\n", r->n_without_row);
}

static void print_folds(const mt_train_report *r)
{
    for (guint i = 0; i < r->folds->len; i++) {
        const mt_train_fold *f = &g_array_index(r->folds, mt_train_fold, i);
        printf("fold %-8s train %u, validation %u, held out %u: ", f->name, f->n_train, f->n_val, f->n_test);
        if (isnan(f->metric))
            printf("%s not defined\n", r->metric_name);
        else
            printf("%s %.4f\n", r->metric_name, f->metric);
    }
    if (isfinite(r->deviation))
        printf("held-out %s by fold: %.4f ± %.4f\n", r->metric_name, r->mean, r->deviation);
    if (isfinite(r->pooled) && isfinite(r->low))
        printf("held-out %s of all %u cases: %.4f (95 %% %.4f to %.4f, DeLong)\n", r->metric_name, r->n_held_out, r->pooled, r->low,
               r->high);
    else if (isfinite(r->pooled))
        printf("held-out %s of all %u cases: %.4f\n", r->metric_name, r->n_held_out, r->pooled);
}

static void print_final(const mt_train_report *r)
{
    if (r->final_is_fold)
        printf("the head is the fold's own: its held-out cases were not learnt from\n");
    else if (r->final_val > 0)
        printf("the head: learnt on %u cases, %u watched for early stopping\n", r->final_train, r->final_val);
    else
        printf("the head: learnt on all %u cases\n", r->final_train);
    if (r->folds->len == 0)
        printf("it was not judged: there were no held-out cases (--folds 5)\n");
    if (r->init_kept > 0)
        printf("begun from given weights, but for %d tensors of classifiers, which began anew\n", r->init_kept);
    if (r->no_reference != NULL)
        printf("no reference of the training bags, so that cases unlike them will not be told: %s\n", r->no_reference);
    if (r->demonstration)
        printf("DEMONSTRATION: the features are the sample encoder's\n");
}

static void print_text(const mt_train_report *r)
{
    const char *const files[] = {r->head, r->card, r->reference, r->predictions, r->curves_csv, r->curves_png, r->steps_csv, r->splits};

    print_counts(r);
    print_folds(r);
    print_final(r);
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
        if (files[i] != NULL)
            puts(files[i]);
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *text(const char *value)
{
    return value != NULL ? json_string(value) : json_null();
}

static json_t *folds_json(const mt_train_report *r)
{
    json_t *folds = json_array();

    for (guint i = 0; i < r->folds->len; i++) {
        const mt_train_fold *f = &g_array_index(r->folds, mt_train_fold, i);
        json_array_append_new(folds,
                              json_pack("{s:s, s:i, s:i, s:i, s:o, s:i}", "name", f->name, "train", (int)f->n_train, "validation",
                                        (int)f->n_val, "held_out", (int)f->n_test, "metric", number(f->metric), "epochs", f->epochs));
    }
    return folds;
}

static json_t *labels_json(char **labels)
{
    json_t *array = json_array();

    for (; *labels != NULL; labels++)
        json_array_append_new(array, json_string(*labels));
    return array;
}

static void print_json(const mt_train_report *r)
{
    json_t *root = json_pack("{s:s, s:o, s:o, s:i, s:i, s:I}", "task", r->task, "labels", labels_json(r->labels), "positive",
                             text(r->positive), "cases", (int)r->n_cases, "patients", (int)r->n_patients, "tiles", (json_int_t)r->n_tiles);
    json_t *left_out = json_pack("{s:i, s:i, s:i, s:i, s:i}", "missing", (int)r->n_missing, "withheld", (int)r->n_withheld, "empty",
                                 (int)r->n_empty, "unlabelled", (int)r->n_unlabelled, "not_in_labels", (int)r->n_without_row);
    json_t *held_out = json_pack("{s:i, s:o, s:o, s:o, s:o, s:o}", "cases", (int)r->n_held_out, "pooled", number(r->pooled), "low",
                                 number(r->low), "high", number(r->high), "mean", number(r->mean), "deviation", number(r->deviation));
    json_t *final = json_pack("{s:b, s:i, s:i, s:i}", "is_fold", r->final_is_fold, "train", (int)r->final_train, "validation",
                              (int)r->final_val, "epochs", r->final_epochs);
    json_t *files = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "head", text(r->head), "card", text(r->card), "predictions",
                              text(r->predictions), "curves_csv", text(r->curves_csv), "curves_png", text(r->curves_png), "splits",
                              text(r->splits), "reference", text(r->reference), "steps_csv", text(r->steps_csv));

    json_object_set_new(root, "left_out", left_out);
    json_object_set_new(root, "metric", json_string(r->metric_name));
    json_object_set_new(root, "folds", folds_json(r));
    json_object_set_new(root, "held_out", held_out);
    json_object_set_new(root, "final", final);
    json_object_set_new(root, "no_reference", text(r->no_reference));
    json_object_set_new(root, "init_kept", r->init_kept >= 0 ? json_integer(r->init_kept) : json_null());
    json_object_set_new(root, "demonstration", json_boolean(r->demonstration));
    json_object_set_new(root, "files", files);
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}

void mt_train_report_print(const mt_train_report *report, bool json)
{
    if (json)
        print_json(report);
    else
        print_text(report);
}

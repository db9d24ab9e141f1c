/* A training from labels file to head: cohort, folds, held-out scores, final head. */
#include "mil/feature_reference.h"
#include "mil/training_list.h"
#include "src/base/csv.h"
#include "src/base/decimal.h"
#include "src/base/publish.h"
#include "src/train/fit.h"
#include "src/train/held_out.h"
#include "src/train/learning_curves.h"
#include "src/train/splits.h"
#include "src/train/train_settings.h"
#include "src/train/trained_head.h"

#include <microtome/head.h>

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define FINAL_NAME "all"

/* One head's part of the work. */
typedef struct training {
    mt_train_options  o;
    mt_targets_params target_params;
    mt_labels        *labels;
    mt_targets       *targets;
    mt_cohort        *cohort;
    mt_split_case    *cases; /* as the cohort's */
    mt_splits        *splits, *whole;
    mt_held_out      *held_out;
    GPtrArray        *fitted; /* mt_fitted *, one a trained head */
    GPtrArray        *names;  /* char *, of the folds and of the final head */
    mt_train_report  *report;
    mt_train_progress progress;
    void             *user;
    int               trained, to_train;
    char             *stem;         /* HEAD without .safetensors */
    GString          *no_reference; /* heads that stay without one, and why */
} training;

static void training_clear(training *t)
{
    g_clear_pointer(&t->held_out, mt_held_out_free);
    g_clear_pointer(&t->fitted, g_ptr_array_unref);
    g_clear_pointer(&t->names, g_ptr_array_unref);
    mt_splits_free(t->splits);
    mt_splits_free(t->whole);
    g_free(t->cases);
    mt_cohort_free(t->cohort);
    mt_targets_free(t->targets);
    mt_labels_free(t->labels);
    mt_train_report_free(t->report);
    g_free(t->stem);
    if (t->no_reference != NULL)
        g_string_free(t->no_reference, TRUE);
}

static void free_fitted(gpointer data)
{
    mt_fitted_free(data);
}

static bool open_cohort(training *t, GError **error)
{
    const mt_cohort_params params = {.allow_missing = t->o.allow_missing, .cache_bytes = t->o.memory_bytes};

    t->labels = mt_labels_read(t->o.labels, error);
    t->targets = t->labels != NULL ? mt_targets_new(t->labels, &t->target_params, error) : NULL;
    if (t->targets == NULL)
        return false;
    for (const char *const *label = mt_targets_labels(t->targets); *label != NULL; label++)
        if (strchr(*label, ';') != NULL) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "label '%s': a card separates labels by ';': rename it", *label);
            return false;
        }
    t->cohort = mt_cohort_open(t->o.out, t->labels, t->targets, &params, error);
    return t->cohort != NULL;
}

/* The column that groups the cases; -1: none is asked for, -2: it is not there. */
static int group_column(const training *t, GError **error)
{
    const char *name = t->o.leave_out != NULL ? t->o.leave_out : t->o.split_column;

    if (name == NULL)
        return -1;
    int column = mt_labels_column(t->labels, name);
    if (column >= 0)
        return column;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "labels %s: no column '%s' to split by", t->o.labels, name);
    return -2;
}

static bool make_splits(training *t, GError **error)
{
    guint                   n = t->cohort->cases->len;
    int                     column = group_column(t, error);
    const mt_train_options *o = &t->o;

    if (column == -2)
        return false;
    t->cases = g_new0(mt_split_case, n);
    for (guint i = 0; i < n; i++) {
        const mt_cohort_case *c = t->cohort->cases->pdata[i];
        t->cases[i] = (mt_split_case){.id = c->id,
                                      .patient = c->patient,
                                      .stratum = mt_targets_stratum(t->targets, c->row),
                                      .group = column >= 0 ? mt_labels_cell(t->labels, c->row, column) : NULL};
    }
    t->splits = o->leave_out != NULL      ? mt_splits_leave_out(t->cases, n, o->leave_out, o->val_share, o->seed, error)
                : o->split_column != NULL ? mt_splits_of_column(t->cases, n, o->split_column, o->val_share, o->seed, error)
                : o->splits != NULL       ? mt_splits_read(o->splits, t->cases, n, o->allow_missing, error)
                : o->folds > 1            ? mt_splits_k_fold(t->cases, n, o->folds, o->val_share, o->seed, error)
                                          : mt_splits_whole(t->cases, n, o->val_share, o->seed, error);
    if (t->splits == NULL)
        return false;
    if (o->fold < mt_splits_n(t->splits))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "--fold %d: there are %d folds, counted from 0", o->fold, mt_splits_n(t->splits));
    return false;
}

static GArray *members(const mt_splits *splits, int fold, mt_side side, guint n)
{
    GArray *found = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = 0; i < n; i++)
        if (mt_splits_side(splits, fold, i) == side)
            g_array_append_val(found, i);
    return found;
}

static bool on_epoch(void *user, mt_train_epoch *epoch)
{
    training *t = user;

    epoch->fold = t->names->pdata[t->names->len - 1];
    epoch->fold_index = t->trained;
    epoch->n_folds = t->to_train;
    return t->progress == NULL || t->progress(t->user, epoch);
}

/* Numbers that share nothing, from one seed and a place (splitmix64's last steps). */
static uint64_t seed_of(uint64_t seed, int place)
{
    uint64_t z = seed + UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(place + 1);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void note_reference(training *t, const char *name, const char *path, const char *reason)
{
    bool final = strcmp(path, t->o.head) == 0;

    if (reason == NULL || (!final && !t->o.keep_folds))
        return;
    g_string_append_printf(t->no_reference, "%s%s%s: %s", t->no_reference->len > 0 ? "; " : "", final ? "the head" : "fold ",
                           final ? "" : name, reason);
}

/* Learn from train and val of a fold, and write the head to `path`; NULL on failure, else it belongs to t->fitted. */
static mt_fitted *learn(training *t, const mt_splits *splits, int fold, const char *name, const char *path, GError **error)
{
    guint n = t->cohort->cases->len;
    g_autoptr(GArray) train = members(splits, fold, MT_SIDE_TRAIN, n);
    g_autoptr(GArray) val = members(splits, fold, MT_SIDE_VAL, n);
    const mt_fit_job job = {.cohort = t->cohort,
                            .targets = t->targets,
                            .options = &t->o,
                            .train = (const guint *)(void *)train->data,
                            .n_train = train->len,
                            .val = (const guint *)(void *)val->data,
                            .n_val = val->len,
                            .seed = seed_of(t->o.seed, t->trained),
                            .progress = on_epoch,
                            .user = t};

    g_ptr_array_add(t->names, g_strdup(name));
    g_autofree char *reason = NULL;
    mt_fitted       *fitted = mt_fit(&job, error);
    if (fitted == NULL || !mt_trained_head_write(fitted, &job, path, &reason, error)) {
        g_prefix_error(error, "train %s%s: ", strcmp(name, FINAL_NAME) == 0 ? "" : "fold ", name);
        mt_fitted_free(fitted);
        return NULL;
    }
    note_reference(t, name, path, reason);
    t->trained++;
    g_ptr_array_add(t->fitted, fitted);
    return fitted;
}

/* Score the test cases of a fold with the head that was just written. */
static bool judge(training *t, int fold, const char *path, GError **error)
{
    g_autoptr(mt_head) head = mt_head_load(path, error);

    for (guint i = 0; head != NULL && i < t->cohort->cases->len; i++)
        if (mt_splits_side(t->splits, fold, i) == MT_SIDE_TEST && !mt_held_out_add(t->held_out, head, i, fold, t->o.threads, error))
            return false;
    return head != NULL;
}

static void note_fold(training *t, int fold, const mt_fitted *fitted)
{
    mt_train_fold note = {.name = g_strdup(mt_splits_name(t->splits, fold)),
                          .n_train = mt_splits_count(t->splits, fold, MT_SIDE_TRAIN),
                          .n_val = mt_splits_count(t->splits, fold, MT_SIDE_VAL),
                          .n_test = mt_splits_count(t->splits, fold, MT_SIDE_TEST),
                          .metric = mt_held_out_metric(t->held_out, fold),
                          .epochs = fitted->epochs};

    g_array_append_val(t->report->folds, note);
}

static void remove_head(const char *path)
{
    g_autofree char *card = g_strdup(path), *reference = mt_feature_reference_path(path), *list = mt_training_list_path(path);

    g_unlink(path);
    g_unlink(reference);
    g_unlink(list);
    memcpy(card + strlen(card) - strlen(".safetensors"), ".card", sizeof ".card");
    g_unlink(card);
}

/* `alone`: it is the final head too. */
static bool train_fold(training *t, int fold, bool alone, GError **error)
{
    const char      *name = mt_splits_name(t->splits, fold);
    g_autofree char *fold_path = g_strdup_printf("%s-fold%d.safetensors", t->stem, fold);
    const char      *path = alone ? t->o.head : fold_path;
    const mt_fitted *fitted = learn(t, t->splits, fold, name, path, error);
    bool             ok = fitted != NULL && judge(t, fold, path, error);

    if (ok)
        note_fold(t, fold, fitted);
    if (!alone && (!ok || !t->o.keep_folds))
        remove_head(path);
    return ok;
}

static bool train_final(training *t, GError **error)
{
    guint n = t->cohort->cases->len;

    t->whole = mt_splits_whole(t->cases, n, t->o.val_share, t->o.seed, error);
    const mt_fitted *fitted = t->whole != NULL ? learn(t, t->whole, 0, FINAL_NAME, t->o.head, error) : NULL;
    if (fitted == NULL)
        return false;
    t->report->final_train = mt_splits_count(t->whole, 0, MT_SIDE_TRAIN);
    t->report->final_val = mt_splits_count(t->whole, 0, MT_SIDE_VAL);
    return true;
}

/* HEAD-ensemble.card: the average of the folds' heads, which stay beside it.  Of grades and survival there is no ensemble. */
static bool write_ensemble(const training *t, int n, GError **error)
{
    mt_activation    activation = ((const mt_fitted *)t->fitted->pdata[0])->activation;
    g_autofree char *path = g_strconcat(t->stem, "-ensemble.card", NULL), *name = g_path_get_basename(t->stem);
    g_autoptr(GString) text = g_string_new("# the heads of the folds as one\n[head]\nkind=ensemble\ncombine=average\nmembers=");
    bool sound = activation == MT_ACTIVATION_SOFTMAX || activation == MT_ACTIVATION_SIGMOID;

    if (!t->o.keep_folds || !sound || t->target_params.task == MT_TASK_COX || strchr(name, ';') != NULL)
        return true;
    for (int fold = 0; fold < n; fold++)
        g_string_append_printf(text, "%s%s-fold%d.safetensors", fold > 0 ? ";" : "", name, fold);
    g_string_append_c(text, '\n');
    return mt_publish_text(path, text->str, true, error);
}

/* One fold, or one that was chosen: its head is the head.  Several: each is judged, then one is learnt on all cases. */
static bool train_all(training *t, GError **error)
{
    int n = mt_splits_n(t->splits);

    if (t->o.folds <= 1 && t->o.splits == NULL && t->o.leave_out == NULL && t->o.split_column == NULL) {
        t->to_train = 1;
        return train_final(t, error);
    }
    t->report->final_is_fold = n == 1 || t->o.fold >= 0;
    t->to_train = t->report->final_is_fold ? 1 : n + 1;
    if (t->report->final_is_fold)
        return train_fold(t, MAX(t->o.fold, 0), true, error);
    for (int fold = 0; fold < n; fold++)
        if (!train_fold(t, fold, false, error))
            return false;
    return write_ensemble(t, n, error) && train_final(t, error);
}

static char *beside(const training *t, const char *suffix)
{
    return g_strconcat(t->stem, suffix, NULL);
}

static bool write_curves(training *t, GError **error)
{
    guint                         n = t->fitted->len;
    g_autofree mt_learning_curve *curves = g_new0(mt_learning_curve, n);
    g_autofree char              *title = g_strdup_printf("%s, %s", t->o.model, t->report->task);
    guint                         points = 0;

    for (guint i = 0; i < n; i++) {
        curves[i] = (mt_learning_curve){t->names->pdata[i], ((const mt_fitted *)t->fitted->pdata[i])->curve};
        points += curves[i].curve->len;
    }
    if (points == 0) /* nearest neighbours are stored, not learnt */
        return true;
    t->report->curves_csv = beside(t, "-curves.csv");
    t->report->curves_png = beside(t, "-curves.png");
    return mt_learning_curves_csv(curves, (int)n, t->report->curves_csv, error) &&
           mt_learning_curves_png(curves, (int)n, title, t->report->metric_name, t->report->curves_png, error);
}

static void append_cell(GString *text, double value)
{
    char digits[MT_DECIMAL_BYTES];

    g_string_append_printf(text, ",%s", isfinite(value) ? mt_decimal_text(value, digits) : "");
}

/* fold, step, epoch, id, loss, instance_loss, lr: in the order that they were taken. */
static bool write_steps(training *t, GError **error)
{
    g_autoptr(GString) text = g_string_new("fold,step,epoch,id,loss,instance_loss,lr\n");

    if (!t->o.log_steps)
        return true;
    for (guint k = 0; k < t->fitted->len; k++) {
        const GArray *steps = ((const mt_fitted *)t->fitted->pdata[k])->steps;
        for (guint i = 0; i < steps->len; i++) {
            const mt_fit_step *one = &g_array_index(steps, mt_fit_step, i);
            mt_csv_append_text(text, t->names->pdata[k], true);
            g_string_append_printf(text, ",%u,%d", i + 1, one->epoch);
            mt_csv_append_text(text, ((const mt_cohort_case *)t->cohort->cases->pdata[one->at])->id, false);
            append_cell(text, one->loss);
            append_cell(text, one->instance_loss);
            append_cell(text, one->lr);
            g_string_append_c(text, '\n');
        }
    }
    t->report->steps_csv = beside(t, "-steps.csv");
    return mt_publish_text(t->report->steps_csv, text->str, true, error);
}

/* What the last head, the final one, was made with. */
static void note_final(training *t)
{
    g_autofree char *reference = mt_feature_reference_path(t->o.head);
    const mt_fitted *final = t->fitted->pdata[t->fitted->len - 1];

    t->report->final_epochs = final->epochs;
    t->report->init_kept = final->init_kept;
    t->report->no_reference = t->no_reference->len > 0 ? g_strdup(t->no_reference->str) : NULL;
    t->report->reference = g_file_test(reference, G_FILE_TEST_EXISTS) ? g_steal_pointer(&reference) : NULL;
}

static bool write_splits(training *t, GError **error)
{
    g_autofree char *folder = beside(t, "-splits");

    if (g_mkdir_with_parents(folder, 0755) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "create folder %s: %s", folder, g_strerror(errno));
        return false;
    }
    t->report->splits = g_steal_pointer(&folder);
    return mt_splits_write(t->splits, t->cases, t->cohort->cases->len, t->report->splits, error);
}

static bool write_held_out(training *t, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (t->held_out->rows->len == 0)
        return true;
    for (int fold = 0; fold < mt_splits_n(t->splits); fold++)
        g_ptr_array_add(names, (gpointer)(uintptr_t)mt_splits_name(t->splits, fold));
    t->report->predictions = beside(t, "-predictions.csv");
    return mt_held_out_write(t->held_out, (const char *const *)names->pdata, t->report->predictions, error);
}

/* Mean and sample deviation of the folds' metrics, and the metric over all held-out cases: not of Cox, whose risks have no common scale. */
static void sum_up(training *t)
{
    mt_train_report *r = t->report;
    double           sum = 0, squares = 0;
    int              n = 0;

    for (guint i = 0; i < r->folds->len; i++) {
        double metric = g_array_index(r->folds, mt_train_fold, i).metric;
        if (isnan(metric))
            continue;
        sum += metric;
        n++;
    }
    r->mean = n > 0 ? sum / n : NAN;
    for (guint i = 0; i < r->folds->len; i++) {
        double metric = g_array_index(r->folds, mt_train_fold, i).metric;
        squares += isnan(metric) ? 0 : (metric - r->mean) * (metric - r->mean);
    }
    r->deviation = n > 1 ? sqrt(squares / (n - 1)) : NAN;
    r->n_held_out = t->held_out->rows->len;
    r->pooled = r->low = r->high = NAN;
    if (r->n_held_out > 0 && mt_held_out_once(t->held_out) && t->target_params.task != MT_TASK_COX) {
        r->pooled = mt_held_out_metric(t->held_out, -1);
        mt_held_out_interval(t->held_out, &r->low, &r->high);
    }
}

static void describe(training *t)
{
    mt_train_report *r = t->report;
    g_autoptr(GHashTable) patients = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < t->cohort->cases->len; i++) {
        const mt_cohort_case *c = t->cohort->cases->pdata[i];
        g_hash_table_add(patients, (gpointer)(uintptr_t)c->patient);
        r->n_tiles += c->bag.n;
    }
    r->task = g_strdup(mt_task_name(t->target_params.task));
    r->metric_name = g_strdup(mt_held_out_metric_name(t->target_params.task));
    r->labels = g_strdupv((char **)(uintptr_t)mt_targets_labels(t->targets));
    r->positive = g_strdup(mt_targets_positive(t->targets));
    r->n_cases = t->cohort->cases->len;
    r->n_patients = g_hash_table_size(patients);
    r->n_missing = t->cohort->n_missing;
    r->n_withheld = t->cohort->n_withheld;
    r->n_unlabelled = t->cohort->n_unlabelled;
    r->n_empty = t->cohort->n_empty;
    r->n_without_row = t->cohort->n_without_row;
    r->demonstration = t->cohort->demonstration;
    r->head = g_strdup(t->o.head);
    r->card = beside(t, ".card");
}

static void clear_fold(gpointer data)
{
    g_free(((mt_train_fold *)data)->name);
}

static bool prepare(training *t, const mt_train_options *options, GError **error)
{
    if (!mt_train_settings_check(options, &t->o, &t->target_params, error))
        return false;
    if (!t->o.force && g_file_test(t->o.head, G_FILE_TEST_EXISTS)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "write %s: it exists: give another name, or --force to replace it", t->o.head);
        return false;
    }
    t->stem = g_strndup(t->o.head, strlen(t->o.head) - strlen(".safetensors"));
    t->report = g_new0(mt_train_report, 1);
    t->report->folds = g_array_new(FALSE, FALSE, sizeof(mt_train_fold));
    g_array_set_clear_func(t->report->folds, clear_fold);
    t->no_reference = g_string_new(NULL);
    t->fitted = g_ptr_array_new_with_free_func(free_fitted);
    t->names = g_ptr_array_new_with_free_func(g_free);
    if (!open_cohort(t, error) || !make_splits(t, error))
        return false;
    t->held_out = mt_held_out_new(t->cohort, t->targets);
    describe(t);
    return true;
}

mt_train_report *mt_train_run(const mt_train_options *options, mt_train_progress progress, void *user, GError **error)
{
    training         t = {.progress = progress, .user = user};
    mt_train_report *report = NULL;

    if (prepare(&t, options, error) && write_splits(&t, error) && train_all(&t, error) && write_held_out(&t, error) &&
        write_curves(&t, error) && write_steps(&t, error)) {
        note_final(&t);
        sum_up(&t);
        report = g_steal_pointer(&t.report);
    }
    training_clear(&t);
    return report;
}

void mt_train_report_free(mt_train_report *report)
{
    if (report == NULL)
        return;
    g_free(report->task);
    g_free(report->metric_name);
    g_strfreev(report->labels);
    g_free(report->positive);
    if (report->folds != NULL)
        g_array_unref(report->folds);
    g_free(report->head);
    g_free(report->card);
    g_free(report->curves_csv);
    g_free(report->curves_png);
    g_free(report->steps_csv);
    g_free(report->reference);
    g_free(report->no_reference);
    g_free(report->predictions);
    g_free(report->splits);
    g_free(report);
}

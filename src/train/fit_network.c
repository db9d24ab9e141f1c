/* Attention and max pooling heads by gradient descent: one bag a step, AdamW, the rate falling as a cosine; the weights of the smallest
 * validation loss where one is watched.  The loss of a step is the cohort's with the other cases' latest logits, which for Cox is what
 * ranks a case against the others and for all else changes nothing. */
#include "src/train/adamw.h"
#include "src/train/bag_pass.h"
#include "src/train/fit.h"
#include "src/train/network_weights.h"
#include "src/train/target_loss.h"

#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

#define INSTANCE_K 8

typedef struct learner {
    const mt_fit_job *job;
    mt_bag_network    net;
    mt_bag_pass      *pass;
    mt_target_loss   *loss, *val_loss;
    mt_adamw          adamw;
    float            *weights, *gradient, *best; /* layout.n each */
    double           *logits, *slopes;           /* n_train x n_logits: the latest */
    double           *val_logits;
    guint            *order;
    mt_fit_best       watched;
    int               epochs;
    GArray           *names; /* mt_network_weight */
} learner;

static void learner_clear(learner *l)
{
    mt_bag_pass_free(l->pass);
    mt_target_loss_free(l->loss);
    mt_target_loss_free(l->val_loss);
    mt_adamw_clear(&l->adamw);
    mt_free(l->weights);
    mt_free(l->logits);
    g_free(l->order);
    g_clear_pointer(&l->names, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(learner, learner_clear)

static bool is_model(const learner *l, const char *name)
{
    return strcmp(l->job->options->model, name) == 0;
}

static bool choose_network(learner *l, GError **error)
{
    const mt_train_options *o = l->job->options;
    mt_task                 task = mt_targets_task(l->job->targets);
    bool                    classes = task == MT_TASK_BINARY || task == MT_TASK_MULTICLASS;

    l->net = (mt_bag_network){.dim = l->job->cohort->dim,
                              .hidden = o->hidden,
                              .attention = o->attention,
                              .n_logits = mt_target_loss_n_logits(l->loss),
                              .max_pool = is_model(l, "max"),
                              .branch_per_class = is_model(l, "clam_mb"),
                              .instance_k = is_model(l, "clam_sb") || is_model(l, "clam_mb") ? INSTANCE_K : 0,
                              .instance_weight = classes ? o->instance_weight : 0,
                              .dropout = o->dropout,
                              .threads = MAX(1, o->threads)};
    return o->init == NULL || mt_network_weights_sizes(o->init, o->model, &l->net.hidden, &l->net.attention, error);
}

/* Random weights, or those of a checkpoint. */
static bool begin(learner *l, mt_fitted *fitted, GError **error)
{
    const char *init = l->job->options->init;

    mt_bag_pass_begin(l->pass, l->job->seed, l->weights);
    l->names = mt_network_weights(l->job->options->model, &l->net, mt_bag_pass_layout(l->pass));
    return init == NULL || mt_network_weights_read(init, l->names, l->weights, &fitted->init_kept, error);
}

static mt_target_loss *new_loss(const mt_fit_job *job, const guint *cases, guint n, bool weighted, GError **error)
{
    g_autofree guint *rows = mt_fit_rows(job, cases, n);

    return mt_target_loss_new(job->targets, rows, n, weighted, error);
}

static bool prepare(learner *l, mt_fitted *fitted, GError **error)
{
    const mt_fit_job *job = l->job;

    l->loss = new_loss(job, job->train, job->n_train, job->options->class_weights, error);
    if (l->loss == NULL)
        return false;
    if (job->n_val > 0) {
        l->val_loss = new_loss(job, job->val, job->n_val, false, error);
        if (l->val_loss == NULL)
            return false;
    }
    if (!choose_network(l, error))
        return false;
    l->pass = mt_bag_pass_new(&l->net, error);
    if (l->pass == NULL)
        return false;
    int64_t n = mt_bag_pass_layout(l->pass)->n, cases = 2 * (int64_t)job->n_train + job->n_val;
    l->weights = mt_alloc(3 * n, sizeof(float), error);
    l->logits = l->weights != NULL ? mt_alloc(cases * l->net.n_logits, sizeof(double), error) : NULL;
    if (l->logits == NULL || !mt_adamw_init(&l->adamw, n, error))
        return false;
    l->gradient = l->weights + n;
    l->best = l->gradient + n;
    l->slopes = l->logits + job->n_train * l->net.n_logits;
    l->val_logits = l->slopes + job->n_train * l->net.n_logits;
    l->order = g_new(guint, job->n_train);
    return begin(l, fitted, error);
}

/* Fisher and Yates. */
static void shuffle(learner *l, int epoch)
{
    guint n = l->job->n_train;

    for (guint i = 0; i < n; i++)
        l->order[i] = i;
    for (guint i = n; i > 1; i--) {
        guint j = (guint)(mt_bag_random(l->job->seed + 31 * (uint64_t)epoch, i) * i), kept = l->order[i - 1];
        l->order[i - 1] = l->order[j];
        l->order[j] = kept;
    }
}

static const mt_cohort_case *case_at(const learner *l, guint index)
{
    return l->job->cohort->cases->pdata[index];
}

static void note_step(const learner *l, const mt_fit_step *noted, mt_fitted *fitted)
{
    if (l->job->options->log_steps)
        g_array_append_vals(fitted->steps, noted, 1);
}

static bool step(learner *l, guint place, int64_t done, mt_fitted *fitted, GError **error)
{
    const mt_train_options *o = l->job->options;
    const mt_cohort_case   *c = case_at(l, l->job->train[place]);
    double                 *logits = l->logits + place * l->net.n_logits, *slope = l->slopes + place * l->net.n_logits;
    int64_t                 all = (int64_t)o->epochs * l->job->n_train;
    double                  lr = o->lr * 0.5 * (1 + cos(M_PI * (double)done / (double)all));
    int                     bag_class = l->net.instance_weight > 0 ? mt_targets_class(l->job->targets, c->row) : -1;

    if (!mt_bag_pass_forward(l->pass, l->weights, &c->bag, true, l->job->seed * 1000003 + (uint64_t)done, logits, error)) {
        g_prefix_error(error, "case %s: ", c->id);
        return false;
    }
    mt_target_loss_value(l->loss, l->logits, l->slopes);
    for (int64_t k = 0; k < l->net.n_logits; k++)
        slope[k] *= l->job->n_train; /* the mean over the cohort; one case a step */
    if (!mt_bag_pass_backward(l->pass, l->weights, slope, bag_class, l->gradient, error))
        return false;
    note_step(l,
              &(mt_fit_step){.epoch = (int)(done / l->job->n_train) + 1,
                             .at = l->job->train[place],
                             .loss = mt_target_loss_case(l->loss, place, logits),
                             .instance_loss = mt_bag_pass_instance_loss(l->pass),
                             .lr = lr},
              fitted);
    mt_adamw_step(&l->adamw, l->weights, l->gradient, lr, o->weight_decay, l->net.threads);
    return true;
}

/* Loss and figure of merit of the validation cases; NAN without any. */
static bool validate(learner *l, mt_train_epoch *note, GError **error)
{
    note->val_loss = note->val_metric = NAN;
    for (guint i = 0; i < l->job->n_val; i++)
        if (!mt_bag_pass_forward(l->pass, l->weights, &case_at(l, l->job->val[i])->bag, false, 0, l->val_logits + i * l->net.n_logits,
                                 error))
            return false;
    if (l->job->n_val > 0) {
        note->val_loss = mt_target_loss_value(l->val_loss, l->val_logits, NULL);
        note->val_metric = mt_fit_metric(l->job, l->val_logits);
    }
    return true;
}

static bool run_epoch(learner *l, int epoch, mt_fitted *fitted, GError **error)
{
    mt_train_epoch note = {.epoch = epoch, .n_epochs = l->job->options->epochs};

    shuffle(l, epoch);
    for (guint i = 0; i < l->job->n_train; i++)
        if (!step(l, l->order[i], (int64_t)(epoch - 1) * l->job->n_train + i, fitted, error))
            return false;
    note.train_loss = mt_target_loss_value(l->loss, l->logits, NULL);
    if (!validate(l, &note, error) || !mt_fit_watch(l->job, &note, &l->watched, error))
        return false;
    l->epochs = epoch;
    if (l->watched.epoch == epoch)
        memcpy(l->best, l->weights, (size_t)mt_bag_pass_layout(l->pass)->n * sizeof(float));
    mt_fitted_note(fitted, &note);
    if (l->job->progress != NULL && !l->job->progress(l->job->user, &note)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_STOPPED, "stopped: no head was written");
        return false;
    }
    return true;
}

static bool add_weights(const learner *l, const float *values, mt_fitted *fitted, GError **error)
{
    for (guint i = 0; i < l->names->len; i++) {
        const mt_network_weight *one = &g_array_index(l->names, mt_network_weight, i);
        mt_tensor               *tensor = mt_tensor_new(MT_F32, one->in > 0 ? 2 : 1, (int64_t[]){one->out, one->in}, error);
        if (tensor == NULL)
            return false;
        memcpy(tensor->data, values + one->at, mt_tensor_bytes(tensor));
        mt_fitted_add(fitted, one->name, tensor);
    }
    return true;
}

mt_fitted *mt_fit_network(const mt_fit_job *job, GError **error)
{
    g_auto(learner) l = {.job = job};
    g_autoptr(mt_fitted) fitted = mt_fitted_new(mt_task_activation(mt_targets_task(job->targets)));
    const mt_train_options *o = job->options;

    if (!prepare(&l, fitted, error))
        return NULL;
    for (int epoch = 1; epoch <= o->epochs; epoch++) {
        if (!run_epoch(&l, epoch, fitted, error))
            return NULL;
        if (job->n_val > 0 && o->patience > 0 && epoch - l.watched.epoch >= o->patience)
            break;
    }
    bool         best = job->n_val > 0 && o->patience > 0 && l.watched.epoch > 0;
    const float *w = best ? l.best : l.weights;
    fitted->epochs = best ? l.watched.epoch : l.epochs;
    if (!add_weights(&l, w, fitted, error))
        return NULL;
    return g_steal_pointer(&fitted);
}

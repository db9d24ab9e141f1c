#include "src/train/fit.h"

#include "src/base/alloc.h"

#include <microtome/head.h>

#include <string.h>

static void clear_tensor(gpointer data)
{
    mt_fitted_tensor *one = data;

    g_free(one->name);
    mt_tensor_unref(one->tensor);
}

mt_fitted *mt_fitted_new(mt_activation activation)
{
    mt_fitted *fitted = g_new0(mt_fitted, 1);

    fitted->activation = activation;
    fitted->tensors = g_array_new(FALSE, TRUE, sizeof(mt_fitted_tensor));
    g_array_set_clear_func(fitted->tensors, clear_tensor);
    fitted->curve = g_array_new(FALSE, TRUE, sizeof(mt_train_epoch));
    fitted->steps = g_array_new(FALSE, TRUE, sizeof(mt_fit_step));
    fitted->init_kept = -1;
    return fitted;
}

void mt_fitted_free(mt_fitted *fitted)
{
    if (fitted == NULL)
        return;
    g_array_unref(fitted->tensors);
    g_array_unref(fitted->curve);
    g_array_unref(fitted->steps);
    g_free(fitted);
}

void mt_fitted_add(mt_fitted *fitted, const char *name, mt_tensor *tensor)
{
    mt_fitted_tensor one = {g_strdup(name), tensor};

    g_array_append_val(fitted->tensors, one);
}

void mt_fitted_note(mt_fitted *fitted, const mt_train_epoch *epoch)
{
    g_array_append_val(fitted->curve, *epoch);
}

/* The mean of the bag and a classifier is a linear probe; the largest tile is CLAM's MIL_fc. */
static const struct {
    const char *name, *kind; /* of the card */
    mt_fitted *(*fit)(const mt_fit_job *job, GError **error);
    bool survival;
} models[] = {
    {"abmil", "abmil", mt_fit_network, true}, {"clam_sb", "clam_sb", mt_fit_network, true}, {"clam_mb", "clam_mb", mt_fit_network, true},
    {"mean", "linear", mt_fit_linear, true},  {"max", "mil_fc", mt_fit_network, true},      {"linear", "linear", mt_fit_linear, true},
    {"knn", "knn", mt_fit_knn, false},
};

static int find_model(const char *name)
{
    for (int i = 0; i < (int)G_N_ELEMENTS(models); i++)
        if (strcmp(models[i].name, name) == 0)
            return i;
    return -1;
}

bool mt_fit_check(const char *model, mt_task task, GError **error)
{
    int  i = find_model(model);
    bool survival = task == MT_TASK_HAZARD || task == MT_TASK_COX;

    if (i < 0)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--model %s: abmil, clam_sb, clam_mb, mean, max, linear or knn is wanted", model);
    else if (survival && !models[i].survival)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--model %s learns no survival: take linear or abmil", model);
    else
        return true;
    return false;
}

const char *mt_fit_kind(const char *model)
{
    return models[find_model(model)].kind;
}

mt_fitted *mt_fit(const mt_fit_job *job, GError **error)
{
    return models[find_model(job->options->model)].fit(job, error);
}

guint *mt_fit_rows(const mt_fit_job *job, const guint *cases, guint n)
{
    guint *rows = g_new(guint, MAX(n, 1));

    for (guint i = 0; i < n; i++)
        rows[i] = ((const mt_cohort_case *)job->cohort->cases->pdata[cases[i]])->row;
    return rows;
}

static bool take_mean(const mt_head *mean, const mt_cohort_case *c, float *out, GError **error)
{
    g_autoptr(mt_head_output) output = mt_head_predict(mean, &c->bag, NULL, error);

    if (output == NULL) {
        g_prefix_error(error, "case %s: ", c->id);
        return false;
    }
    memcpy(out, output->embedding, (gsize)output->dim * sizeof(float));
    return true;
}

float *mt_fit_means(const mt_fit_job *job, const guint *cases, guint n, GError **error)
{
    g_autoptr(mt_head) mean = mt_head_load("mean", error);
    int64_t dim = job->cohort->dim;
    float  *means = mean != NULL ? mt_alloc(n, (gsize)dim * sizeof(float), error) : NULL;

    for (guint i = 0; means != NULL && i < n; i++)
        if (!take_mean(mean, job->cohort->cases->pdata[cases[i]], means + (gsize)i * (gsize)dim, error)) {
            mt_free(means);
            return NULL;
        }
    return means;
}

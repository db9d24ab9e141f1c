#include "src/train/trained_head.h"

#include "mil/feature_reference.h"
#include "mil/head_card.h"
#include "mil/safetensors_writer.h"
#include "mil/score_activation.h"
#include "mil/training_list.h"
#include "src/base/alloc.h"
#include "src/base/decimal.h"
#include "src/base/publish.h"

#include <glib/gstdio.h>

static mt_head_card *make_card(const mt_fitted *fitted, const mt_fit_job *job)
{
    mt_head_card *card = mt_head_card_new();

    card->has_card = true;
    card->kind = g_strdup(mt_fit_kind(job->options->model));
    card->encoder = g_strdup(job->cohort->encoder);
    card->encoder_sha256 = g_strdup(job->cohort->encoder_sha256);
    card->target_mpp = job->cohort->target_mpp;
    card->labels = g_strdupv((char **)(uintptr_t)mt_targets_labels(job->targets));
    card->positive = g_strdup(mt_targets_positive(job->targets));
    card->activation = fitted->activation;
    card->demonstration = job->cohort->demonstration;
    return card;
}

/* Key and value of what the card says. */
static void add_pair(GPtrArray *pairs, const char *key, const char *value)
{
    if (value == NULL || *value == '\0')
        return;
    g_ptr_array_add(pairs, g_strdup(key));
    g_ptr_array_add(pairs, g_strdup(value));
}

static GPtrArray *make_metadata(const mt_head_card *card)
{
    GPtrArray       *pairs = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *labels = g_strjoinv(";", card->labels);
    char             mpp[MT_DECIMAL_BYTES];

    add_pair(pairs, "kind", card->kind);
    add_pair(pairs, "encoder", card->encoder);
    add_pair(pairs, "encoder_sha256", card->encoder_sha256);
    add_pair(pairs, "target_mpp", card->target_mpp > 0 ? mt_decimal_text(card->target_mpp, mpp) : NULL);
    add_pair(pairs, "labels", labels);
    add_pair(pairs, "positive", card->positive);
    add_pair(pairs, "activation", mt_activation_name(card->activation));
    add_pair(pairs, "demonstration", card->demonstration ? "true" : NULL);
    g_ptr_array_add(pairs, NULL);
    return pairs;
}

static bool write_weights(const mt_fitted *fitted, const mt_head_card *card, const char *path, GError **error)
{
    g_autofree mt_named_tensor *tensors = g_new(mt_named_tensor, fitted->tensors->len);
    g_autoptr(GPtrArray) metadata = make_metadata(card);

    for (guint i = 0; i < fitted->tensors->len; i++) {
        const mt_fitted_tensor *one = &g_array_index(fitted->tensors, mt_fitted_tensor, i);
        tensors[i] = (mt_named_tensor){one->name, one->tensor};
    }
    return mt_safetensors_write(path, tensors, (int)fitted->tensors->len, (const char *const *)metadata->pdata, error);
}

static double *read_means(const mt_fit_job *job, GError **error)
{
    int64_t n = job->n_train, dim = job->cohort->dim;
    double *means = mt_alloc(n * dim, sizeof(double), error);

    for (int64_t i = 0; means != NULL && i < n; i++)
        if (!mt_bag_mean(&((const mt_cohort_case *)job->cohort->cases->pdata[job->train[i]])->bag, means + i * dim, error)) {
            mt_free(means);
            return NULL;
        }
    return means;
}

/* What the training bags look like, beside the head; too few of them, or none that differ: the reason, and an older file is taken away. */
static bool write_reference(const mt_fit_job *job, mt_head_card *card, const char *path, char **reason, GError **error)
{
    g_autofree char *file = mt_feature_reference_path(path);
    bool             few = job->n_train < MT_REFERENCE_BAGS;
    double          *means = few ? NULL : read_means(job, error);
    g_autoptr(GError) cause = NULL;

    *reason = NULL;
    if (!few && means == NULL)
        return false;
    g_autoptr(mt_feature_reference) reference = mt_feature_reference_fit(means, job->n_train, job->cohort->dim, &cause);
    mt_free(means);
    if (reference == NULL) {
        *reason = g_strdup(cause->message);
        g_unlink(file);
        return true;
    }
    card->reference = g_path_get_basename(file);
    return mt_feature_reference_write(reference, file, error);
}

/* Who chose the epoch was learnt from too. */
static bool write_list(const mt_fit_job *job, const char *path, GError **error)
{
    guint                       n = job->n_train + job->n_val;
    g_autofree mt_trained_case *cases = g_new0(mt_trained_case, n + 1);

    for (guint i = 0; i < n; i++) {
        bool                  val = i >= job->n_train;
        const mt_cohort_case *c = job->cohort->cases->pdata[val ? job->val[i - job->n_train] : job->train[i]];
        cases[i] = (mt_trained_case){.id = c->id, .patient = c->patient, .validation = val};
    }
    return mt_training_list_write(path, job->options->init, cases, n, error);
}

bool mt_trained_head_write(const mt_fitted *fitted, const mt_fit_job *job, const char *path, char **no_reference, GError **error)
{
    g_autoptr(mt_head_card) card = make_card(fitted, job);
    g_autofree char *card_path = mt_head_card_path(path);

    if (!write_reference(job, card, path, no_reference, error))
        return false;
    g_autofree char *text = mt_head_card_text(card);
    return write_weights(fitted, card, path, error) && write_list(job, path, error) && mt_publish_text(card_path, text, true, error);
}

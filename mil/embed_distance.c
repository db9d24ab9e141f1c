/* The encoder's feature alone, and how unlike the normal cases of a reference it is: the score is the percentile of the distance among
 * theirs (docs/tasks.md). */
#include "mil/feature_reference.h"
#include "mil/head_card.h"
#include "mil/task_head.h"
#include "src/base/alloc.h"
#include "src/base/hash.h"
#include "src/base/key_file.h"

#include <math.h>

#define LABEL "unlike_normal"

typedef struct embed {
    mt_feature_reference *reference;
} embed;

static void free_embed(void *data)
{
    embed *self = data;

    if (self == NULL)
        return;
    g_clear_pointer(&self->reference, mt_feature_reference_free);
    g_free(self);
}

static bool predict(const void *data, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const embed *self = data;
    double      *mean = mt_alloc(bag->dim, sizeof(double), error);

    (void)options;
    raw->n = bag->n;
    raw->dim = bag->dim;
    raw->n_logits = 1;
    bool ok = mean != NULL && (raw->embedding = mt_alloc(bag->dim, sizeof(float), error)) != NULL &&
              (raw->logits = mt_alloc(1, sizeof(float), error)) != NULL && mt_bag_mean(bag, mean, error);
    for (int64_t j = 0; ok && j < bag->dim; j++)
        raw->embedding[j] = (float)mean[j];
    if (ok) {
        double p = mt_feature_reference_percentile(self->reference, mt_feature_reference_distance(self->reference, mean));
        raw->logits[0] = (float)(log(fmax(p, 1e-30)) - log1p(-p));
    }
    mt_free(mean);
    return ok;
}

const mt_aggregator mt_aggregator_embed = {"embed", NULL, NULL, predict, free_embed};

static bool take_normal(mt_head *head, embed *self, const mt_task_settings *settings, GError **error)
{
    int64_t dim = mt_feature_reference_dim(settings->normal);

    self->reference = mt_feature_reference_copy(settings->normal);
    head->sha256 = mt_feature_reference_hash(settings->normal);
    if (dim == settings->dim)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                "the normal cases have %" G_GINT64_FORMAT " features, the encoder gives %" G_GINT64_FORMAT ": make them with this encoder",
                dim, settings->dim);
    return false;
}

static bool load_reference(mt_head *head, embed *self, const mt_task_settings *settings, GError **error)
{
    mt_head_card    *card = head->card;
    g_autofree char *beside =
        settings->reference == NULL && card->reference != NULL ? mt_key_file_resolve(head->path, card->reference, error) : NULL;
    const char *path = settings->reference != NULL ? settings->reference : beside;

    if (path == NULL) {
        if (card->reference == NULL)
            g_set_error_literal(error, MT_ERROR, MT_ERROR_USAGE,
                                "no reference is named: give [head] reference=, a folder of normal cases' features or FILE.safetensors");
        return false;
    }
    head->sha256 = mt_hash_file(path, error);
    self->reference = head->sha256 != NULL ? mt_feature_reference_load(path, settings->dim, error) : NULL;
    if (self->reference == NULL)
        return false;
    if (card->reference_sha256 != NULL && settings->reference == NULL && g_ascii_strcasecmp(card->reference_sha256, head->sha256) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "reference %s is another file than the card's: its sha256 is %.8s…, %.8s… is wanted",
                    path, head->sha256, card->reference_sha256);
        return false;
    }
    if (!isnan(mt_feature_reference_percentile(self->reference, 1)))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "reference %s holds no 'distances' of its cases, which percentiles are of: make it again",
                path);
    return false;
}

bool mt_embed_build(mt_head *head, const mt_task_settings *settings, GError **error)
{
    mt_head_card *card = head->card;
    embed        *self = g_new0(embed, 1);

    head->aggregator = &mt_aggregator_embed;
    head->state = self;
    head->shape = (mt_aggregator_shape){.dim = settings->dim, .n_logits = 1};
    if (settings->normal != NULL ? !take_normal(head, self, settings, error) : !load_reference(head, self, settings, error))
        return false;
    mt_head_card_suggest_activation(card, MT_ACTIVATION_SIGMOID);
    if (card->labels == NULL) {
        card->labels = g_strdupv((char *[]){(char *)LABEL, NULL});
        card->positive = card->positive != NULL ? card->positive : g_strdup(LABEL);
        card->has_card = true; /* what the score means is known without one */
    }
    if (card->activation == MT_ACTIVATION_SIGMOID)
        return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "task embed has one score, a percentile: activation=sigmoid is wanted");
    return false;
}

/* Classes described in words: text embeddings from a file beside the image tower, cosine of a tile's embedding and a class's times the
 * file's scale is the logit.  Several prompts of a class are averaged after normalisation, as CLIP's ensembles are; a row of zeros is no
 * prompt.  docs/tasks.md */
#include "mil/head_card.h"
#include "mil/safetensors.h"
#include "mil/task_head.h"
#include "src/base/alloc.h"
#include "src/base/hash.h"

#include <math.h>

#define TENSOR "embeddings"

typedef struct zero_shot {
    mt_combination combination;
    int64_t        n_classes, dim;
    double        *classes; /* n_classes x dim, of length 1 */
    double         scale;
} zero_shot;

static void free_zero_shot(void *data)
{
    zero_shot *self = data;

    if (self == NULL)
        return;
    mt_free(self->classes);
    g_free(self);
}

static bool tile_logits(const void *data, const float *rows, int64_t n, int64_t dim, float *logits, GError **error)
{
    const zero_shot *self = data;

    for (int64_t i = 0; i < n; i++) {
        const float *x = rows + i * dim;
        double       length = 0;
        for (int64_t j = 0; j < dim; j++)
            length += (double)x[j] * x[j];
        if (!(length > 0)) {
            g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "the embedding of a tile is all zeros: it has no direction");
            return false;
        }
        for (int64_t c = 0; c < self->n_classes; c++) {
            double dot = 0;
            for (int64_t j = 0; j < dim; j++)
                dot += x[j] * self->classes[c * dim + j];
            logits[i * self->n_classes + c] = (float)(self->scale * dot / sqrt(length));
        }
    }
    return true;
}

static bool predict(const void *data, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const zero_shot *self = data;

    (void)options;
    return mt_task_run(self, tile_logits, &self->combination, bag, self->n_classes, raw, error);
}

const mt_aggregator mt_aggregator_zero_shot = {"zero-shot", NULL, NULL, predict, free_zero_shot};

/* The tensor of that name, or the only one; labels and scale from the metadata where no card says them. */
static mt_tensor *read_safetensors(mt_head *head, GError **error)
{
    g_autoptr(mt_safetensors) file = mt_safetensors_open(head->path, error);

    if (file == NULL)
        return NULL;
    if (head->card == NULL) {
        g_autoptr(GError) cause = NULL;
        head->card = mt_head_card_from_metadata(mt_safetensors_metadata(file), head->path, true, &cause);
        if (cause != NULL) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return NULL;
        }
    }
    const mt_safetensors_entry *entry = mt_safetensors_find(file, TENSOR);
    if (entry == NULL && mt_safetensors_n(file) == 1)
        entry = mt_safetensors_get(file, 0);
    if (entry == NULL || !mt_safetensors_is_float(entry)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "no tensor '" TENSOR "' of floats: (C,D), or (P,C,D) of P prompts, is wanted");
        return NULL;
    }
    return mt_safetensors_read(file, entry, error);
}

static mt_tensor *read_embeddings(mt_head *head, GError **error)
{
    if (g_str_has_suffix(head->path, ".safetensors"))
        return read_safetensors(head, error);
    if (g_str_has_suffix(head->path, ".npy"))
        return mt_tensor_read_npy(head->path, error);
    g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "text embeddings are FILE.safetensors or FILE.npy");
    return NULL;
}

static bool check_shape(const mt_tensor *text, int64_t dim, GError **error)
{
    g_autofree char *shape = mt_shape_to_string(text->rank, text->shape);
    bool             ranks = text->dtype == MT_F32 && (text->rank == 2 || text->rank == 3);

    if (!ranks || mt_tensor_count(text) == 0)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "text embeddings of %s %s: float32 (C,D), or (P,C,D) of P prompts, is wanted",
                    mt_dtype_name(text->dtype), shape);
    else if (text->shape[text->rank - 1] != dim)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "text embeddings of %" G_GINT64_FORMAT " numbers, the encoder gives %" G_GINT64_FORMAT
                    ": text and image tower must be of one model",
                    text->shape[text->rank - 1], dim);
    else
        return true;
    return false;
}

/* To length 1; false: nothing but zeros. */
static bool normalise(double *x, int64_t dim)
{
    double length = 0;

    for (int64_t j = 0; j < dim; j++)
        length += x[j] * x[j];
    for (int64_t j = 0; j < dim && length > 0; j++)
        x[j] /= sqrt(length);
    return length > 0;
}

static bool average_prompts(const zero_shot *self, const mt_tensor *text, double *prompt, GError **error)
{
    int64_t      prompts = text->rank == 3 ? text->shape[0] : 1, classes = self->n_classes, dim = self->dim;
    const float *values = text->data;

    for (int64_t c = 0; c < classes; c++) {
        double *sum = self->classes + c * dim;
        for (int64_t j = 0; j < dim; j++)
            sum[j] = 0;
        for (int64_t p = 0; p < prompts; p++) {
            for (int64_t j = 0; j < dim; j++)
                prompt[j] = values[(p * classes + c) * dim + j];
            bool some = normalise(prompt, dim);
            for (int64_t j = 0; some && j < dim; j++)
                sum[j] += prompt[j] / (double)prompts;
        }
        bool some = normalise(sum, dim);
        for (int64_t j = 0; j < dim; j++)
            some = some && isfinite(sum[j]);
        if (!some) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the text embedding of class %" G_GINT64_FORMAT " has no direction", c);
            return false;
        }
    }
    return true;
}

static bool settle_scale(zero_shot *self, const mt_head_card *card, GError **error)
{
    self->scale = card->logit_scale > 0 ? card->logit_scale : 1;
    if (card->logit_scale > 0 || card->temperature != 1)
        return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL,
                        "neither metadata nor card says logit_scale (of CLIP 100, the exponential of its parameter) or temperature");
    return false;
}

static bool fill(zero_shot *self, const mt_head *head, const mt_tensor *text, GError **error)
{
    self->n_classes = text->shape[text->rank - 2];
    self->dim = text->shape[text->rank - 1];
    self->classes = mt_alloc(self->n_classes * self->dim, sizeof(double), error);
    double *prompt = self->classes != NULL ? mt_alloc(self->dim, sizeof(double), error) : NULL;
    bool    ok = prompt != NULL && average_prompts(self, text, prompt, error) && settle_scale(self, head->card, error);

    mt_free(prompt);
    return ok;
}

bool mt_zero_shot_build(mt_head *head, const mt_task_settings *settings, GError **error)
{
    zero_shot *self = g_new0(zero_shot, 1);

    head->aggregator = &mt_aggregator_zero_shot;
    head->state = self;
    g_autoptr(mt_tensor) text = read_embeddings(head, error);
    if (text == NULL || !check_shape(text, settings->dim, error))
        return false;
    if (head->card == NULL)
        head->card = mt_head_card_new();
    mt_head_card_suggest_activation(head->card, text->shape[text->rank - 2] == 1 ? MT_ACTIVATION_SIGMOID : MT_ACTIVATION_SOFTMAX);
    if (!fill(self, head, text, error) || !mt_task_combination(head, settings, head->card->activation, &self->combination, error))
        return false;
    head->shape = (mt_aggregator_shape){.dim = self->dim, .n_logits = self->n_classes};
    head->sha256 = mt_hash_file(head->path, error);
    return head->sha256 != NULL;
}

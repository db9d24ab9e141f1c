#include "mil/token_head.h"

#include "mil/bag_rows.h"
#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

void mt_token_head_init(mt_token_head *self, GDestroyNotify free_layer)
{
    *self = (mt_token_head){.layers = g_ptr_array_new_with_free_func(free_layer)};
}

void mt_token_head_clear(mt_token_head *self)
{
    mt_linear_clear(&self->embed);
    mt_linear_clear(&self->classifier);
    g_clear_pointer(&self->class_token, mt_tensor_unref);
    mt_layer_norm_clear(&self->norm);
    g_clear_pointer(&self->layers, g_ptr_array_unref);
    g_clear_pointer(&self->model, mt_model_unref);
}

bool mt_token_head_take_first(mt_token_head *self, mt_state_dict *dict, const char *embed, const char *class_token, int rank,
                              GError **error)
{
    int64_t shape[MT_MAX_RANK];

    if (!mt_state_dict_take_linear(dict, embed, 0, 0, NULL, &self->embed, error))
        return false;
    self->dim = self->embed.out;
    for (int i = 0; i < rank; i++)
        shape[i] = i + 1 < rank ? 1 : self->dim;
    self->class_token = mt_state_dict_take_tensor(dict, class_token, rank, shape, error);
    return self->class_token != NULL;
}

bool mt_token_head_take_last(mt_token_head *self, mt_state_dict *dict, const char *norm, const char *classifier, const char *activation,
                             const char *kind, GError **error)
{
    if (!mt_layer_norm_take(dict, norm, self->dim, &self->norm, error) ||
        !mt_state_dict_take_linear(dict, classifier, self->dim, 0, &self->embed, &self->classifier, error) ||
        !mt_state_dict_check_used(dict, kind, error))
        return false;
    self->model = mt_bag_rows_model(&self->embed, activation, error);
    return self->model != NULL;
}

mt_aggregator_shape mt_token_head_shape(const mt_token_head *self)
{
    return (mt_aggregator_shape){.dim = self->embed.in, .n_logits = self->classifier.out};
}

bool mt_token_head_allocate(const mt_token_head *self, int64_t n, int64_t heads, mt_raw_output *raw, GError **error)
{
    raw->n = n;
    raw->n_attention = heads;
    raw->heads = true;
    raw->n_logits = self->classifier.out;
    raw->dim = self->dim;
    return (raw->logits = mt_alloc(raw->n_logits, sizeof(float), error)) != NULL &&
           (raw->embedding = mt_alloc(raw->dim, sizeof(float), error)) != NULL &&
           (raw->attention_logits = mt_alloc(n * heads, sizeof(float), error)) != NULL;
}

bool mt_token_head_begin(const mt_token_head *self, const mt_bag *bag, int threads, float *rows, GError **error)
{
    memcpy(rows, self->class_token->data, (size_t)self->dim * sizeof *rows);
    return mt_bag_rows_run(self->model, bag, self->dim, threads, rows + self->dim, error);
}

static void normalise(const mt_layer_norm *norm, const float *row, int64_t dim, float *out)
{
    double mean = 0, square = 0;

    for (int64_t j = 0; j < dim; j++)
        mean += row[j] / (double)dim;
    for (int64_t j = 0; j < dim; j++)
        square += (row[j] - mean) * (row[j] - mean) / (double)dim;
    for (int64_t j = 0; j < dim; j++)
        out[j] = (float)((row[j] - mean) / sqrt(square + MT_LAYERS_NORM_EPSILON) * ((const float *)norm->weight->data)[j] +
                         ((const float *)norm->bias->data)[j]);
}

void mt_token_head_finish(const mt_token_head *self, const float *row, mt_raw_output *raw)
{
    const mt_linear *classifier = &self->classifier;

    normalise(&self->norm, row, self->dim, raw->embedding);
    for (int64_t c = 0; c < classifier->out; c++) {
        const float *w = (const float *)classifier->weight->data + c * self->dim;
        double       sum = ((const float *)classifier->bias->data)[c];
        for (int64_t j = 0; j < self->dim; j++)
            sum += (double)w[j] * raw->embedding[j];
        raw->logits[c] = (float)sum;
    }
}

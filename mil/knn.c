/* Nearest neighbours: the bag's mean feature against stored ones, by cosine; the k nearest vote with exp(cosine / 0.07), as DINO's protocol
 * has it.  Keys: neighbours (n, D), targets (n, C) with 1, 0 or -1 (not known: no vote on that label), k as a vector of one. */
#include "mil/aggregator.h"
#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

#define TEMPERATURE 0.07
#define SMOOTHING 1e-3 /* votes that every label has beforehand: no probability is 0 */

typedef struct knn {
    mt_tensor *neighbours, *targets;
    float     *norms; /* n: 1 / length, 0 of a zero vector */
    int64_t    n, dim, n_logits, k;
} knn;

typedef struct neighbour {
    double  cosine;
    int64_t at;
} neighbour;

static bool recognise(const mt_state_dict *dict)
{
    return mt_state_dict_find(dict, "neighbours") != NULL && mt_state_dict_find(dict, "targets") != NULL;
}

static void free_knn(void *data)
{
    knn *self = data;

    if (self == NULL)
        return;
    g_clear_pointer(&self->neighbours, mt_tensor_unref);
    g_clear_pointer(&self->targets, mt_tensor_unref);
    mt_free(self->norms);
    g_free(self);
}

static bool take_norms(knn *self, GError **error)
{
    const float *x = self->neighbours->data;

    self->norms = mt_alloc(self->n, sizeof(float), error);
    for (int64_t i = 0; self->norms != NULL && i < self->n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < self->dim; j++)
            sum += (double)x[i * self->dim + j] * x[i * self->dim + j];
        self->norms[i] = sum > 0 ? (float)(1 / sqrt(sum)) : 0;
    }
    return self->norms != NULL;
}

static bool check_shapes(knn *self, const mt_tensor *k, GError **error)
{
    float wanted = ((const float *)k->data)[0];

    self->n = self->neighbours->shape[0];
    self->dim = self->neighbours->shape[1];
    self->n_logits = self->targets->shape[1];
    if (!(wanted >= 1) || wanted > 1e6f || wanted != floorf(wanted)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "key 'k': one whole number of neighbours is wanted");
        return false;
    }
    self->k = MIN((int64_t)wanted, self->n);
    return true;
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    knn *self = g_new0(knn, 1);
    g_autoptr(mt_tensor) k = NULL;

    const int64_t any[2] = {-1, -1}, one = 1;

    self->neighbours = mt_state_dict_take_tensor(dict, "neighbours", 2, any, error);
    const int64_t same[2] = {self->neighbours != NULL ? self->neighbours->shape[0] : 0, -1};
    self->targets = self->neighbours != NULL ? mt_state_dict_take_tensor(dict, "targets", 2, same, error) : NULL;
    k = self->targets != NULL ? mt_state_dict_take_tensor(dict, "k", 1, &one, error) : NULL;
    if (k == NULL || !check_shapes(self, k, error) || !mt_state_dict_check_used(dict, "knn", error) || !take_norms(self, error)) {
        free_knn(self);
        return NULL;
    }
    *shape = (mt_aggregator_shape){.dim = self->dim, .n_logits = self->n_logits};
    return self;
}

/* Nearest first; of equal ones the earlier. */
static int compare(const void *a, const void *b)
{
    const neighbour *x = a, *y = b;

    if (x->cosine != y->cosine)
        return x->cosine > y->cosine ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void measure(const knn *self, const float *x, neighbour *all)
{
    const float *stored = self->neighbours->data;
    double       length = 0;

    for (int64_t j = 0; j < self->dim; j++)
        length += (double)x[j] * x[j];
    for (int64_t i = 0; i < self->n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < self->dim; j++)
            sum += (double)stored[i * self->dim + j] * x[j];
        all[i] = (neighbour){length > 0 ? sum * self->norms[i] / sqrt(length) : 0, i};
    }
    qsort(all, (size_t)self->n, sizeof *all, compare);
}

/* Shares of the votes on each label among those that know it. -1 stands for "not known". */
static void vote(const knn *self, const neighbour *nearest, float *probabilities)
{
    const float *targets = self->targets->data;

    for (int64_t c = 0; c < self->n_logits; c++) {
        double votes = SMOOTHING, all = SMOOTHING * (self->n_logits > 1 ? (double)self->n_logits : 2);
        for (int64_t i = 0; i < self->k; i++) {
            double holds = targets[nearest[i].at * self->n_logits + c];
            double weight = exp((nearest[i].cosine - nearest[0].cosine) / TEMPERATURE);
            if (holds < 0)
                continue;
            votes += weight * holds;
            all += weight;
        }
        probabilities[c] = (float)(votes / all);
    }
}

static bool predict(const void *data, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const knn *self = data;

    if (!mt_aggregator_mean.predict(NULL, bag, options, raw, error))
        return false;
    neighbour *all = mt_alloc(self->n, sizeof *all, error);
    raw->n_logits = self->n_logits;
    raw->probabilities = true;
    raw->logits = all != NULL ? mt_alloc(self->n_logits, sizeof(float), error) : NULL;
    if (raw->logits != NULL) {
        measure(self, raw->embedding, all);
        vote(self, all, raw->logits);
    }
    mt_free(all);
    return raw->logits != NULL;
}

const mt_aggregator mt_aggregator_knn = {"knn", recognise, build, predict, free_knn};

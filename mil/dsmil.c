/* DSMIL (Li, Li, Eliceiri 2021): two streams over one bag.
 *   c = W x + b of each tile; for each class the critical tile m is the one with the largest c
 *   A = softmax over tiles of q(x) . q(x_m) / sqrt(width of q)       B_c = sum of A_c v(x)       bag = fcc B + f
 * Two spellings:
 *   dsmil-wsi   i_classifier.fc.0 (FCLayer) or i_classifier.fc (IClassifier; its feature_extractor is the encoder), b_classifier.q.0 and .q.2
 *               (Linear, ReLU, Linear, Tanh) or .q (one Linear), b_classifier.v.1 (Linear, ReLU) or v(x) = x, b_classifier.fcc.
 *               The score is sigmoid(bag), or with the card's average=true half of sigmoid(max c) + sigmoid(bag), so that it stays in [0, 1]
 *   MIL-Lab     patch_embed.0 (Linear, ReLU) first; i_classifier.inst_classifier, b_classifier.q, .v.1 (Linear), .norm over B, classifier;
 *               logits = half of bag + max c.  Its b_classifier.fcc takes part in nothing
 * The bag is read twice: for the critical tiles, and for the sums against them. */
#include "kernels/graph/model_from_graph.h"
#include "mil/aggregator.h"
#include "mil/bag_stream.h"
#include "mil/dsmil_layers.h"
#include "mil/head_card.h"
#include "mil/softmax_sums.h"
#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

typedef struct dsmil {
    mt_dsmil_layers layers;
    mt_model       *scores; /* x -> c */
    mt_model       *values; /* x -> q, logits of the tile as a bag of one, then v where that is not x */
    bool            average;
} dsmil;

/* One prediction. */
typedef struct dsmil_run {
    const dsmil    *self;
    mt_raw_output  *raw;
    float          *instance; /* N x C */
    int64_t        *critical; /* C tiles */
    float          *wanted;   /* C x Q: q of them */
    float          *q, *v;    /* a block for each slot */
    mt_softmax_sums sums;     /* a part for each slot, then the whole */
} dsmil_run;

static void run_clear(dsmil_run *run)
{
    mt_free(run->instance);
    mt_free(run->critical);
    mt_free(run->wanted);
    mt_free(run->q);
    mt_free(run->v);
    mt_softmax_sums_clear(&run->sums);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(dsmil_run, run_clear)

static void free_dsmil(void *data)
{
    dsmil *self = data;

    if (self == NULL)
        return;
    mt_dsmil_layers_clear(&self->layers);
    g_clear_pointer(&self->scores, mt_model_unref);
    g_clear_pointer(&self->values, mt_model_unref);
    g_free(self);
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    dsmil *self = g_new0(dsmil, 1);

    if (!mt_dsmil_layers_take(dict, &self->layers, error) || (self->scores = mt_dsmil_score_model(&self->layers, error)) == NULL ||
        (self->values = mt_dsmil_value_model(&self->layers, error)) == NULL) {
        free_dsmil(self);
        return NULL;
    }
    *shape = (mt_aggregator_shape){.dim = self->layers.dim, .n_logits = self->layers.classes};
    return self;
}

static bool configure(void *data, mt_head_card *card, GError **error)
{
    dsmil *self = data;

    self->average = card->average;
    if (!self->layers.millab)
        mt_head_card_suggest_activation(card, MT_ACTIVATION_SIGMOID);
    if (!self->average || (!self->layers.millab && card->activation == MT_ACTIVATION_SIGMOID))
        return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL,
                        self->layers.millab ? "the card says average=true: MIL-Lab's dsmil averages logits already"
                                            : "the card says average=true: that is of sigmoid scores, activation=sigmoid is wanted");
    return false;
}

static bool score_block(void *user, mt_session *session, int64_t slot, int64_t tile, int64_t rows, const float *x, GError **error)
{
    const dsmil_run *run = user;
    int64_t          classes = run->self->layers.classes;
    float           *c = run->instance + tile * classes;

    (void)slot;
    if (!mt_session_run(session, (const void *const[]){x}, (void *const[]){c}, error))
        return false;
    for (int64_t i = 0; i < rows * classes; i++)
        if (!isfinite(c[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the logits of tile %" G_GINT64_FORMAT " are not finite", tile + i / classes);
            return false;
        }
    return true;
}

/* The first of the largest, whatever the order of sorting would have been. */
static void find_critical(dsmil_run *run, int64_t n)
{
    int64_t classes = run->self->layers.classes;

    for (int64_t c = 0; c < classes; c++) {
        int64_t best = 0;
        for (int64_t i = 1; i < n; i++)
            if (run->instance[i * classes + c] > run->instance[best * classes + c])
                best = i;
        run->critical[c] = best;
    }
}

/* q of the critical tiles. */
static bool query_critical(dsmil_run *run, const mt_bag *bag, GError **error)
{
    const mt_dsmil_layers *layers = &run->self->layers;
    mt_port                input = {.dtype = MT_F32, .rank = 2, .shape = {1, bag->dim}};
    mt_session_params      params = {.backend = MT_BACKEND_AUTO, .threads = 1, .inputs = &input, .n_inputs = 1};
    g_autoptr(mt_session) session = mt_session_new(run->self->values, &params, error);
    float *x = session != NULL ? mt_alloc(bag->dim, sizeof(float), error) : NULL;
    bool   ok = x != NULL;

    for (int64_t c = 0; ok && c < layers->classes; c++)
        ok = mt_bag_read(bag, run->critical[c], 1, x, error) &&
             mt_session_run(session, (const void *const[]){x},
                            (void *const[]){run->wanted + c * layers->query, run->raw->tile_logits, run->v}, error);
    mt_free(x);
    return ok;
}

static bool value_block(void *user, mt_session *session, int64_t slot, int64_t tile, int64_t rows, const float *x, GError **error)
{
    dsmil_run             *run = user;
    const mt_dsmil_layers *layers = &run->self->layers;
    int64_t                classes = layers->classes;
    float                 *q = run->q + slot * MT_BAG_STREAM_ROWS * layers->query, *v = run->v + slot * MT_BAG_STREAM_ROWS * layers->width;
    float                 *s = run->raw->attention_logits + tile * classes;

    if (!mt_session_run(session, (const void *const[]){x}, (void *const[]){q, run->raw->tile_logits + tile * classes, v}, error))
        return false;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t c = 0; c < classes; c++) {
            const float *a = q + i * layers->query, *b = run->wanted + c * layers->query;
            double       sum = 0;
            for (int64_t j = 0; j < layers->query; j++)
                sum += (double)a[j] * b[j];
            s[i * classes + c] = (float)(sum / sqrt((double)layers->query));
        }
    mt_softmax_sums_empty(&run->sums, slot);
    for (int64_t c = 0; c < classes; c++)
        mt_softmax_sums_add_block(&run->sums, slot, c, s + c, classes, layers->plain_values ? x : v, rows);
    return true;
}

static void merge_block(void *user, int64_t slot)
{
    dsmil_run *run = user;

    mt_softmax_sums_merge(&run->sums, run->sums.parts - 1, slot);
}

/* The log-odds of the mean of both sigmoids, without losing them where a sigmoid rounds to 1. */
static double average_logit(double a, double b)
{
    return log(1 / (1 + exp(-a)) + 1 / (1 + exp(-b))) - log(1 / (1 + exp(a)) + 1 / (1 + exp(b)));
}

/* What a bag gives, whose bag logit and largest instance logit these are. */
static float settle(const dsmil *self, double bag, double instance)
{
    if (self->layers.millab)
        return (float)((bag + instance) / 2);
    return (float)(self->average ? average_logit(bag, instance) : bag);
}

static bool finish(dsmil_run *run, int64_t n, GError **error)
{
    const mt_dsmil_layers *layers = &run->self->layers;
    int64_t                classes = layers->classes, width = layers->width;
    double                *pooled = mt_alloc(classes * width, sizeof(double), error);

    if (pooled == NULL)
        return false;
    for (int64_t c = 0; c < classes; c++) {
        mt_softmax_sums_mean(&run->sums, run->sums.parts - 1, c, pooled + c * width);
        mt_dsmil_normalise(layers, pooled + c * width);
    }
    for (int64_t j = 0; j < classes * width; j++)
        run->raw->embedding[j] = (float)pooled[j];
    for (int64_t c = 0; c < classes; c++) {
        const float *w = (const float *)layers->joined->data + c * classes * width;
        double       sum = ((const float *)layers->joined_bias->data)[c];
        for (int64_t j = 0; j < classes * width; j++)
            sum += w[j] * pooled[j];
        run->raw->logits[c] = settle(run->self, sum, run->instance[run->critical[c] * classes + c]);
    }
    for (int64_t i = 0; i < n * classes; i++)
        run->raw->tile_logits[i] = settle(run->self, run->raw->tile_logits[i], run->instance[i]);
    mt_free(pooled);
    return true;
}

static bool allocate(dsmil_run *run, int64_t n, int64_t slots, GError **error)
{
    const mt_dsmil_layers *layers = &run->self->layers;
    mt_raw_output         *raw = run->raw;
    int64_t                blocks = slots > 1 ? slots * MT_BAG_STREAM_ROWS : MIN(n, MT_BAG_STREAM_ROWS);

    raw->n = n;
    raw->n_logits = raw->n_attention = layers->classes;
    raw->dim = layers->classes * layers->width;
    return (raw->logits = mt_alloc(raw->n_logits, sizeof(float), error)) != NULL &&
           (raw->embedding = mt_alloc(raw->dim, sizeof(float), error)) != NULL &&
           (raw->attention_logits = mt_alloc(n * layers->classes, sizeof(float), error)) != NULL &&
           (raw->tile_logits = mt_alloc(n * layers->classes, sizeof(float), error)) != NULL &&
           (run->instance = mt_alloc(n * layers->classes, sizeof(float), error)) != NULL &&
           (run->critical = mt_alloc(layers->classes, sizeof(int64_t), error)) != NULL &&
           (run->wanted = mt_alloc(layers->classes * layers->query, sizeof(float), error)) != NULL &&
           (run->q = mt_alloc(blocks * layers->query, sizeof(float), error)) != NULL &&
           (run->v = mt_alloc(blocks * layers->width, sizeof(float), error)) != NULL &&
           mt_softmax_sums_new(&run->sums, layers->classes, layers->width, slots + 1, error);
}

static bool predict(const void *data, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const dsmil *self = data;
    g_auto(dsmil_run) run = {.self = self, .raw = raw};
    mt_bag_stream first = {.model = self->scores, .block = score_block, .user = &run};
    mt_bag_stream second = {.model = self->values, .block = value_block, .merge = merge_block, .user = &run};

    if (!allocate(&run, bag->n, mt_bag_stream_slots(bag->n, options->threads), error) ||
        !mt_bag_stream_run(&first, bag, options->threads, error))
        return false;
    find_critical(&run, bag->n);
    return query_critical(&run, bag, error) && mt_bag_stream_run(&second, bag, options->threads, error) && finish(&run, bag->n, error);
}

const mt_aggregator mt_aggregator_dsmil = {"dsmil", mt_dsmil_recognise, build, predict, free_dsmil, configure, "average"};

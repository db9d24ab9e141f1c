/* A linear probe: logits = W mean(x) + b.  For bags of one (X-ray, fundus, a slide embedding) logistic regression on the feature; for more
 * tiles on their mean, and W x + b of a tile is what it adds.  Keys: classifier, or fc, alone in the file. */
#include "mil/aggregator.h"
#include "src/base/alloc.h"

#include <string.h>

#define BLOCK_ROWS INT64_C(1024)

static const char *const keys[] = {"classifier", "fc", "linear", "head"};

static const char *find_key(const mt_state_dict *dict)
{
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        if (mt_state_dict_has_linear(dict, keys[i]))
            return keys[i];
    return NULL;
}

static bool recognise(const mt_state_dict *dict)
{
    return find_key(dict) != NULL && mt_state_dict_n(dict) == 2;
}

static void free_probe(void *self)
{
    mt_linear *probe = self;

    if (probe == NULL)
        return;
    mt_linear_clear(probe);
    g_free(probe);
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    const char *key = find_key(dict);
    mt_linear  *probe = g_new0(mt_linear, 1);

    if (!mt_state_dict_take_linear(dict, key != NULL ? key : keys[0], 0, 0, NULL, probe, error) ||
        !mt_state_dict_check_used(dict, "linear", error)) {
        free_probe(probe);
        return NULL;
    }
    *shape = (mt_aggregator_shape){.dim = probe->in, .n_logits = probe->out};
    return probe;
}

static void apply(const mt_linear *probe, const float *x, float *logits)
{
    const float *weight = probe->weight->data, *bias = probe->bias->data;

    for (int64_t c = 0; c < probe->out; c++) {
        double sum = bias[c];
        for (int64_t j = 0; j < probe->in; j++)
            sum += (double)weight[c * probe->in + j] * x[j];
        logits[c] = (float)sum;
    }
}

static bool predict_tiles(const mt_linear *probe, const mt_bag *bag, mt_raw_output *raw, GError **error)
{
    float *block = mt_alloc(MIN(BLOCK_ROWS, bag->n), (size_t)bag->dim * sizeof(float), error);
    bool   ok = block != NULL;

    for (int64_t first = 0; ok && first < bag->n; first += BLOCK_ROWS) {
        int64_t rows = MIN(BLOCK_ROWS, bag->n - first);
        ok = mt_bag_read(bag, first, rows, block, error);
        for (int64_t i = 0; ok && i < rows; i++)
            apply(probe, block + i * bag->dim, raw->tile_logits + (first + i) * probe->out);
    }
    mt_free(block);
    return ok;
}

static bool predict(const void *self, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const mt_linear *probe = self;

    if (!mt_aggregator_mean.predict(NULL, bag, options, raw, error))
        return false;
    raw->n_logits = probe->out;
    raw->logits = mt_alloc(probe->out, sizeof(float), error);
    raw->tile_logits = raw->logits != NULL ? mt_alloc(bag->n, (size_t)probe->out * sizeof(float), error) : NULL;
    if (raw->tile_logits == NULL || !predict_tiles(probe, bag, raw, error))
        return false;
    apply(probe, raw->embedding, raw->logits);
    return true;
}

const mt_aggregator mt_aggregator_linear = {"linear", recognise, build, predict, free_probe};

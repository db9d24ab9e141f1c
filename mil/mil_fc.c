/* Max-pooling MIL as CLAM trains it: logits of each tile, and the bag's are those of one tile.
 *   MIL_fc     fc.0, classifier (older: classifier.0 and .3, or .2), two classes: the tile with the highest p(class 1)
 *   MIL_fc_mc  fc.0, classifiers: the tile with the highest p of any class
 * No attention: the tile scores show which tile it was. */
#include "mil/tile_classifier.h"

#include <math.h>
#include <string.h>

typedef struct mil_fc {
    mt_tile_classifier tiles;
    bool               any_class;
} mil_fc;

static bool recognise(const mt_state_dict *dict)
{
    bool newer = mt_state_dict_has_linear(dict, "fc.0") &&
                 (mt_state_dict_has_linear(dict, "classifier") || mt_state_dict_has_linear(dict, "classifiers"));
    bool older = mt_state_dict_has_linear(dict, "classifier.0") &&
                 (mt_state_dict_has_linear(dict, "classifier.3") || mt_state_dict_has_linear(dict, "classifier.2"));

    return newer || older;
}

static void free_mil_fc(void *data)
{
    mil_fc *self = data;

    if (self == NULL)
        return;
    mt_tile_classifier_clear(&self->tiles);
    g_free(self);
}

static bool check_classes(const mil_fc *self, GError **error)
{
    const mt_linear *output = &self->tiles.output;

    if (self->any_class || output->out == 2)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                "key '%s.weight' has shape %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT ": mil_fc of two classes has 2 rows, of more the key "
                "'classifiers'",
                output->key, output->out, output->in);
    return false;
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    mil_fc     *self = g_new0(mil_fc, 1);
    bool        older = mt_state_dict_has_linear(dict, "classifier.0");
    const char *output = mt_state_dict_has_linear(dict, "classifier.2") ? "classifier.2" : "classifier.3";

    self->any_class = !older && mt_state_dict_has_linear(dict, "classifiers");
    if (!older)
        output = self->any_class ? "classifiers" : "classifier";
    if (!mt_tile_classifier_take(dict, older ? "classifier.0" : "fc.0", output, "mil_fc", &self->tiles, shape, error) ||
        !check_classes(self, error)) {
        free_mil_fc(self);
        return NULL;
    }
    return self;
}

/* log of softmax's share of class c: of shares near 1 it tells more apart than they do. */
static double log_share(const float *logits, int64_t n, int64_t c)
{
    double sum = 0;

    for (int64_t j = 0; j < n; j++)
        if (j != c)
            sum += exp((double)logits[j] - logits[c]);
    return -log1p(sum);
}

static bool predict(const void *data, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const mil_fc *self = data;
    double        best = -INFINITY;
    int64_t       top = 0;

    if (!mt_tile_classifier_run(&self->tiles, bag, options->threads, 0, raw, error))
        return false;
    for (int64_t i = 0; i < raw->n; i++)
        for (int64_t c = self->any_class ? 0 : 1; c < raw->n_logits; c++) {
            double share = log_share(raw->tile_logits + i * raw->n_logits, raw->n_logits, c);
            if (share > best) {
                best = share;
                top = i;
            }
        }
    memcpy(raw->logits, raw->tile_logits + top * raw->n_logits, (size_t)raw->n_logits * sizeof(float));
    return true;
}

const mt_aggregator mt_aggregator_mil_fc = {"mil_fc", recognise, build, predict, free_mil_fc};

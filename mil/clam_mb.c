/* CLAM with one attention branch per class: M_c = sum of softmax(s_c) h, logit_c = w_c . M_c + b_c.
 * The classifiers are one Linear per class (classifiers.0, classifiers.1, ...) or, in checkpoints of April 2024, one Linear
 * whose row c belongs to class c (classifiers). */
#include "mil/aggregator.h"
#include "mil/attention_pool.h"
#include "mil/clam_layout.h"

#include <string.h>

static bool recognise(const mt_state_dict *dict)
{
    return mt_clam_branches(dict) > 1;
}

/* Row c of `joined` from classifiers.c. */
static bool take_row(mt_state_dict *dict, int64_t c, mt_attention_layers *layers, mt_linear *joined, GError **error)
{
    g_autofree char *key = g_strdup_printf("classifiers.%" G_GINT64_FORMAT, c);
    mt_linear        row = {0};

    if (!mt_state_dict_take_linear(dict, key, mt_attention_layers_hidden(layers), 1, &layers->tanh_branch, &row, error))
        return false;
    memcpy((float *)joined->weight->data + c * joined->in, row.weight->data, (size_t)joined->in * sizeof(float));
    ((float *)joined->bias->data)[c] = ((const float *)row.bias->data)[0];
    mt_linear_clear(&row);
    return true;
}

static bool join_classifiers(mt_state_dict *dict, mt_attention_layers *layers, GError **error)
{
    mt_linear *joined = &layers->classifier;

    joined->key = g_strdup("classifiers");
    joined->out = layers->logits.out;
    joined->in = mt_attention_layers_hidden(layers);
    joined->weight = mt_tensor_new(MT_F32, 2, (int64_t[]){joined->out, joined->in}, error);
    joined->bias = joined->weight != NULL ? mt_tensor_new(MT_F32, 1, &joined->out, error) : NULL;
    bool ok = joined->bias != NULL;
    for (int64_t c = 0; ok && c < joined->out; c++)
        ok = take_row(dict, c, layers, joined, error);
    return ok;
}

static bool take_classifiers(mt_state_dict *dict, mt_attention_layers *layers, GError **error)
{
    if (!mt_state_dict_has_linear(dict, "classifiers"))
        return join_classifiers(dict, layers, error);
    return mt_state_dict_take_linear(dict, "classifiers", mt_attention_layers_hidden(layers), layers->logits.out, &layers->logits,
                                     &layers->classifier, error);
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    g_auto(mt_attention_layers) layers = {.branch_per_class = true};

    if (!mt_clam_take_layers(dict, &layers, error) || !take_classifiers(dict, &layers, error) ||
        !mt_state_dict_check_used(dict, "clam_mb", error))
        return NULL;
    return mt_attention_pool_new(&layers, shape, error);
}

const mt_aggregator mt_aggregator_clam_mb = {"clam_mb", recognise, build, mt_attention_pool_predict, mt_attention_pool_free};

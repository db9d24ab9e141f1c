/* Attention-based MIL (Ilse, Tomczak, Welling 2018): M = sum of softmax(s) h, logits = W M + b.
 * Two spellings of one model:
 *   Ilse               h = x; attention_V.0, attention_U.0 (gate), attention_w, classifier.0
 *                      h = x; attention.0, attention.2 (no gate), classifier.0
 *   MIL-Lab, FEATHER   h = relu(patch_embed.0 x); global_attn.attention_a.0, _b.0 (gate), _c, classifier
 *                      or without gate global_attn.0, global_attn.3
 * Without a classifier the head is a slide embedding. */
#include "mil/aggregator.h"
#include "mil/attention_pool.h"

static bool is_millab(const mt_state_dict *dict)
{
    return mt_state_dict_has_linear(dict, "patch_embed.0") &&
           (mt_state_dict_has_linear(dict, "global_attn.attention_c") || mt_state_dict_has_linear(dict, "global_attn.0"));
}

static bool recognise(const mt_state_dict *dict)
{
    bool gated = mt_state_dict_has_linear(dict, "attention_V.0") && mt_state_dict_has_linear(dict, "attention_w");
    bool plain = mt_state_dict_has_linear(dict, "attention.0") && mt_state_dict_has_linear(dict, "attention.2");

    return gated || plain || is_millab(dict);
}

static bool take_ilse(mt_state_dict *dict, mt_attention_layers *layers, GError **error)
{
    if (mt_state_dict_has_linear(dict, "attention_V.0"))
        return mt_attention_layers_take(dict, NULL, "attention_V.0",
                                        mt_state_dict_has_linear(dict, "attention_U.0") ? "attention_U.0" : NULL, "attention_w", layers,
                                        error);
    return mt_attention_layers_take(dict, NULL, "attention.0", NULL, "attention.2", layers, error);
}

static bool take_layers(mt_state_dict *dict, mt_attention_layers *layers, GError **error)
{
    bool        millab = is_millab(dict);
    const char *classifier = millab ? "classifier" : "classifier.0";

    if (millab ? !mt_attention_layers_take_global_attn(dict, layers, error) : !take_ilse(dict, layers, error))
        return false;
    return mt_attention_layers_one_branch(layers, "abmil", error) &&
           (!mt_state_dict_has_linear(dict, classifier) || mt_attention_layers_take_classifier(dict, classifier, layers, error));
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    g_auto(mt_attention_layers) layers = {0};

    if (!take_layers(dict, &layers, error) || !mt_state_dict_check_used(dict, "abmil", error))
        return NULL;
    return mt_attention_pool_new(&layers, shape, error);
}

const mt_aggregator mt_aggregator_abmil = {"abmil", recognise, build, mt_attention_pool_predict, mt_attention_pool_free};

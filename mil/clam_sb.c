/* CLAM with a single attention branch (Lu et al. 2021): h = relu(W1 x + b1), M = sum of softmax(s) h, logits = W M + b.
 * CLAM's own spelling is in clam_layout.c; MIL-Lab's (patch_embed, global_attn, classifier) is told from ABMIL, with which it
 * shares the maths, by its instance classifiers. */
#include "mil/aggregator.h"
#include "mil/attention_pool.h"
#include "mil/clam_layout.h"

static bool is_millab(const mt_state_dict *dict)
{
    return mt_state_dict_has_linear(dict, "patch_embed.0") && !mt_state_dict_has_linear(dict, "attention_net.0");
}

static bool recognise(const mt_state_dict *dict)
{
    if (is_millab(dict))
        return mt_state_dict_mentions(dict, "instance_classifiers");
    return mt_clam_branches(dict) == 1;
}

static bool take_layers(mt_state_dict *dict, mt_attention_layers *layers, GError **error)
{
    if (is_millab(dict))
        return mt_attention_layers_take_global_attn(dict, layers, error) && mt_attention_layers_one_branch(layers, "clam_sb", error) &&
               mt_attention_layers_take_classifier(dict, "classifier", layers, error);
    return mt_clam_take_layers(dict, layers, error) && mt_attention_layers_one_branch(layers, "clam_sb", error) &&
           mt_attention_layers_take_classifier(dict, "classifiers", layers, error);
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    g_auto(mt_attention_layers) layers = {0};

    if (!take_layers(dict, &layers, error) || !mt_state_dict_check_used(dict, "clam_sb", error))
        return NULL;
    return mt_attention_pool_new(&layers, shape, error);
}

const mt_aggregator mt_aggregator_clam_sb = {"clam_sb", recognise, build, mt_attention_pool_predict, mt_attention_pool_free};

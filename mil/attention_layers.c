#include "mil/attention_pool.h"

void mt_attention_layers_clear(mt_attention_layers *layers)
{
    mt_linear_clear(&layers->project);
    mt_linear_clear(&layers->tanh_branch);
    mt_linear_clear(&layers->gate);
    mt_linear_clear(&layers->logits);
    mt_linear_clear(&layers->classifier);
}

int64_t mt_attention_layers_hidden(const mt_attention_layers *layers)
{
    return layers->tanh_branch.in;
}

bool mt_attention_layers_take(mt_state_dict *dict, const char *project, const char *tanh_branch, const char *gate, const char *logits,
                              mt_attention_layers *layers, GError **error)
{
    const mt_linear *first = NULL;

    if (project != NULL) {
        if (!mt_state_dict_take_linear(dict, project, 0, 0, NULL, &layers->project, error))
            return false;
        first = &layers->project;
    }
    if (!mt_state_dict_take_linear(dict, tanh_branch, first != NULL ? first->out : 0, 0, first, &layers->tanh_branch, error))
        return false;
    const mt_linear *branch = &layers->tanh_branch;
    if (gate != NULL && !mt_state_dict_take_linear(dict, gate, branch->in, branch->out, branch, &layers->gate, error))
        return false;
    return mt_state_dict_take_linear(dict, logits, branch->out, 0, branch, &layers->logits, error);
}

bool mt_attention_layers_take_global_attn(mt_state_dict *dict, mt_attention_layers *layers, GError **error)
{
    if (mt_state_dict_has_linear(dict, "global_attn.attention_c"))
        return mt_attention_layers_take(dict, "patch_embed.0", "global_attn.attention_a.0", "global_attn.attention_b.0",
                                        "global_attn.attention_c", layers, error);
    /* Linear, Tanh, (Dropout,) Linear */
    const char *last = mt_state_dict_has_linear(dict, "global_attn.2") ? "global_attn.2" : "global_attn.3";
    return mt_attention_layers_take(dict, "patch_embed.0", "global_attn.0", NULL, last, layers, error);
}

bool mt_attention_layers_take_classifier(mt_state_dict *dict, const char *key, mt_attention_layers *layers, GError **error)
{
    return mt_state_dict_take_linear(dict, key, mt_attention_layers_hidden(layers), 0, &layers->tanh_branch, &layers->classifier, error);
}

bool mt_attention_layers_one_branch(const mt_attention_layers *layers, const char *kind, GError **error)
{
    if (layers->logits.out == 1)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                "key '%s.weight' has shape %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT ": %s has one attention branch", layers->logits.key,
                layers->logits.out, layers->logits.in, kind);
    return false;
}

#include "mil/clam_layout.h"

/* Gated: attention_a.0, attention_b.0, attention_c.  Not gated: Linear, Tanh, (Dropout,) Linear, the last at 2 or 3. */
static const struct {
    const char *tanh_branch, *gate, *logits;
} layouts[] = {
    {"attention_net.3.attention_a.0", "attention_net.3.attention_b.0", "attention_net.3.attention_c"},
    {"attention_net.2.attention_a.0", "attention_net.2.attention_b.0", "attention_net.2.attention_c"},
    {"attention_net.3.0", NULL, "attention_net.3.3"},
    {"attention_net.3.0", NULL, "attention_net.3.2"},
    {"attention_net.2.0", NULL, "attention_net.2.3"},
    {"attention_net.2.0", NULL, "attention_net.2.2"},
};

static int find_layout(const mt_state_dict *dict)
{
    if (!mt_state_dict_has_linear(dict, "attention_net.0"))
        return -1;
    for (int i = 0; i < (int)G_N_ELEMENTS(layouts); i++)
        if (mt_state_dict_has_linear(dict, layouts[i].tanh_branch) && mt_state_dict_has_linear(dict, layouts[i].logits))
            return i;
    return -1;
}

int64_t mt_clam_branches(const mt_state_dict *dict)
{
    int layout = find_layout(dict);

    if (layout < 0)
        return 0;
    g_autofree char            *weight = g_strconcat(layouts[layout].logits, ".weight", NULL);
    const mt_weight *entry = mt_state_dict_find(dict, weight);
    return entry->rank == 2 ? entry->shape[0] : 1; /* another rank is refused where the layer is taken */
}

bool mt_clam_take_layers(mt_state_dict *dict, mt_attention_layers *layers, GError **error)
{
    int layout = find_layout(dict);

    if (layout < 0) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "key 'attention_net.0.weight' or the attention after it is missing");
        return false;
    }
    return mt_attention_layers_take(dict, "attention_net.0", layouts[layout].tanh_branch, layouts[layout].gate, layouts[layout].logits,
                                    layers, error);
}

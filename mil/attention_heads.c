#include "mil/attention_heads.h"

bool mt_attention_heads_find(const mt_state_dict *dict, int64_t keyed, int64_t *heads, GError **error)
{
    int card = mt_state_dict_card_heads(dict), noted = mt_state_dict_noted_heads(dict);

    if (keyed > 0 && card > 0 && card != keyed) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the card says heads=%d, the keys are of %" G_GINT64_FORMAT " heads", card, keyed);
        return false;
    }
    if (keyed <= 0 && card > 0 && noted > 0 && card != noted) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the card says heads=%d, the checkpoint's hyper_parameters say %d", card, noted);
        return false;
    }
    *heads = keyed > 0 ? keyed : card > 0 ? card : noted > 0 ? noted : MT_ATTENTION_HEADS;
    return true;
}

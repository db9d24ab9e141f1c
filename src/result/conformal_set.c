#include "src/result/conformal_set.h"

static bool single(const mt_head_card *card)
{
    return card->activation == MT_ACTIVATION_SIGMOID && g_strv_length(card->labels) == 1;
}

int mt_conformal_n_classes(const mt_head_card *card)
{
    return single(card) ? 2 : (int)g_strv_length(card->labels);
}

double mt_conformal_score(const mt_head_card *card, const float *scores, int i)
{
    if (!single(card))
        return scores[i];
    return i == 1 ? (double)scores[0] : 1 - (double)scores[0];
}

char *mt_conformal_name(const mt_head_card *card, int i)
{
    if (!single(card))
        return g_strdup(card->labels[i]);
    return i == 1 ? g_strdup(card->labels[0]) : g_strconcat("not ", card->labels[0], NULL);
}

char **mt_conformal_set(const mt_head_card *card, const float *scores)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (card->n_conformal == 0)
        return NULL;
    for (int i = 0; i < mt_conformal_n_classes(card); i++)
        if (1 - mt_conformal_score(card, scores, i) <= card->conformal[card->n_conformal == 1 ? 0 : i])
            g_ptr_array_add(names, mt_conformal_name(card, i));
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_steal(names, NULL);
}

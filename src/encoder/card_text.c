#include "src/encoder/card_text.h"

#include "src/base/decimal.h"
#include "src/encoder/card_words.h"

void mt_card_text_put(GString *text, const char *key, const char *value)
{
    if (value != NULL)
        g_string_append_printf(text, "%s=%s\n", key, value);
}

void mt_card_text_put_numbers(GString *text, const char *key, const double *values, int n)
{
    char digits[MT_DECIMAL_BYTES];

    g_string_append_printf(text, "%s=", key);
    for (int i = 0; i < n; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ";" : "", mt_decimal_text(values[i], digits));
    g_string_append_c(text, '\n');
}

static void put_value(GString *text, const mt_card *card)
{
    char low[MT_DECIMAL_BYTES], high[MT_DECIMAL_BYTES];

    if (card->value == MT_VALUE_RANGE)
        g_string_append_printf(text, "value=range:%s,%s\n", mt_decimal_text(card->range[0], low), mt_decimal_text(card->range[1], high));
    else
        mt_card_text_put(text, "value", mt_card_value_rules[card->value]);
}

void mt_card_text_put_contract(GString *text, const mt_card *card)
{
    mt_card_text_put(text, "input", card->input);
    mt_card_text_put(text, "output", card->output);
    mt_card_text_put(text, "pool", mt_card_pools[card->pool]);
    g_string_append_printf(text, "prefix_tokens=%d\nsize_px=%d\ntile_px=%d\nresize_px=%d\ncrop_px=%d\n", card->prefix_tokens, card->size_px,
                           card->tile_px, card->resize_px, card->crop_px);
    mt_card_text_put(text, "fit", mt_card_fits[card->fit]);
    mt_card_text_put(text, "channels", mt_card_channels[card->channels]);
    put_value(text, card);
    mt_card_text_put_numbers(text, "mean", card->mean, card->n_mean);
    mt_card_text_put_numbers(text, "std", card->std, card->n_mean);
    mt_card_text_put(text, "interpolation", mt_card_filters[card->interpolation]);
}

char *mt_card_text_new(const mt_card *card)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "# what %s says\n[encoder]\n", card->source);
    mt_card_text_put(text, "name", card->name);
    mt_card_text_put_contract(text, card);
    if (card->mpp > 0)
        mt_card_text_put_numbers(text, "mpp", &card->mpp, 1);
    g_string_append_printf(text, "batch=%d\n", card->batch);
    mt_card_text_put(text, "requires", card->requires);
    mt_card_text_put(text, "licence", card->licence);
    if (card->demonstration)
        mt_card_text_put(text, "demonstration", "true");
    return g_string_free(text, FALSE);
}

char *mt_card_to_text(const mt_card *card, const char *name)
{
    mt_card renamed = *card;

    renamed.name = (char *)name;
    return mt_card_text_new(&renamed);
}

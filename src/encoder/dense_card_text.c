/* A dense card as a key file with the values in force: what a result says of its model. */
#include "src/encoder/card_text.h"
#include "src/encoder/dense_card.h"

static void put_list(GString *text, const char *key, char **values)
{
    g_autofree char *joined = values != NULL ? g_strjoinv(";", values) : NULL;

    mt_card_text_put(text, key, joined);
}

static void put_pixels(GString *text, const mt_dense_card *card)
{
    g_string_append_printf(text, "size_px=%" G_GINT64_FORMAT "x%" G_GINT64_FORMAT "x%" G_GINT64_FORMAT "\nslices=%d\n", card->patch[0],
                           card->patch[1], card->patch[2], card->slices);
    if (card->stretch)
        mt_card_text_put(text, "fit", "stretch");
    put_list(text, "channels", card->channels);
    g_string_append(text, "value=");
    for (int c = 0; c < card->n_channels; c++) {
        g_autofree char *scheme = mt_intensity_scheme_text(&card->scheme[c]);
        g_string_append_printf(text, "%s%s", c > 0 ? ";" : "", scheme);
    }
    g_string_append_c(text, '\n');
    mt_card_text_put_numbers(text, "mean", card->mean, card->n_channels);
    mt_card_text_put_numbers(text, "std", card->std, card->n_channels);
    mt_card_text_put_numbers(text, "spacing_mm", card->spacing_mm, 3);
    mt_card_text_put(text, "crop", card->crop_nonzero ? "nonzero" : "none");
    mt_card_text_put(text, "orientation", card->order == MT_VOLUME_RAS ? "ras" : "stored");
}

/* Of a region: the value it is painted with, and all that make it up. */
static void put_regions(GString *text, const mt_dense_card *card)
{
    g_string_append(text, "regions=");
    for (int i = 0; i < card->n_labels; i++) {
        const char *between = i > 0 ? ";" : "";

        for (int v = 1; v < 256; v++)
            if (mt_dense_card_is_member(card, i, (uint8_t)v)) {
                g_string_append_printf(text, "%s%d", between, v);
                between = ",";
            }
    }
    g_string_append(text, "\npaint=");
    for (int i = 0; i < card->n_labels; i++)
        g_string_append_printf(text, "%s%d", i > 0 ? ";" : "", card->values[i]);
    g_string_append_c(text, '\n');
}

static void put_windows(GString *text, const mt_dense_card *card)
{
    char mirror[4] = "";

    for (int a = 0, n = 0; a < 3; a++)
        if (card->mirror[a])
            mirror[n++] = "xyz"[a];
    mt_card_text_put(text, "windows", card->monai ? "monai" : "nnunet");
    mt_card_text_put_numbers(text, "step", &card->step, 1);
    mt_card_text_put(text, "weight", card->constant ? "constant" : "gaussian");
    mt_card_text_put(text, "mirror", *mirror != '\0' ? mirror : "none");
}

char *mt_dense_card_text(const mt_dense_card *card)
{
    static const char *const activations[] = {[MT_DENSE_SOFTMAX] = "softmax", [MT_DENSE_SIGMOID] = "sigmoid", [MT_DENSE_NONE] = "none"};
    g_autoptr(GString) text = g_string_new("[encoder]\n");

    mt_card_text_put(text, "name", card->name);
    mt_card_text_put(text, "input", card->input);
    mt_card_text_put(text, "output", card->output);
    put_pixels(text, card);
    put_list(text, "labels", card->labels);
    mt_card_text_put(text, "activation", activations[card->activation]);
    if (card->regions)
        put_regions(text, card);
    put_windows(text, card);
    /* what only plans say */
    if (card->axes[0] != 0 || card->axes[1] != 1)
        g_string_append_printf(text, "# axes %c%c%c\n", "xyz"[card->axes[0]], "xyz"[card->axes[1]], "xyz"[card->axes[2]]);
    if (card->image_order != 3 || card->logits_order != 1 || card->apart >= 0)
        g_string_append_printf(text, "# resampled by order %d, back by %d%s\n", card->image_order, card->logits_order,
                               card->apart == 1   ? ", the coarse axis apart"
                               : card->apart == 0 ? ", no axis apart"
                                                  : "");
    mt_card_text_put(text, "requires", card->requires);
    mt_card_text_put(text, "licence", card->licence);
    if (card->demonstration)
        mt_card_text_put(text, "demonstration", "true");
    return g_string_free(g_steal_pointer(&text), FALSE);
}

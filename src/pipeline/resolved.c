#include "src/pipeline/resolved.h"

#include <math.h>
#include <string.h>

/* The shortest decimal that reads back as the same double. */
static const char *shortest(double value, char digits[32])
{
    for (int precision = 6; precision <= 17; precision++) {
        char format[8];
        g_snprintf(format, sizeof format, "%%.%dg", precision);
        g_ascii_formatd(digits, 32, format, value);
        if (g_ascii_strtod(digits, NULL) == value)
            break;
    }
    return digits;
}

static void put_numbers(GString *text, const char *key, const double *values, int n)
{
    char digits[32];

    g_string_append_printf(text, "%s=", key);
    for (int i = 0; i < n; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ";" : "", shortest(values[i], digits));
    g_string_append_c(text, '\n');
}

static void put_number(GString *text, const char *key, double value)
{
    put_numbers(text, key, &value, 1);
}

static void put_text(GString *text, const char *key, const char *value)
{
    if (value != NULL)
        g_string_append_printf(text, "%s=%s\n", key, value);
}

static void put_file(GString *text, const char *key, const char *path)
{
    g_autofree char *name = g_path_get_basename(path);

    put_text(text, key, name);
}

static void put_encoder(GString *text, const mt_encoder *encoder, const char *path, int batch)
{
    static const char *const pools[] = {"none", "cls", "mean", "cls+mean"}, *const fits[] = {"tiles", "stretch", "pad", "crop"},
                             *const channels[] = {"rgb", "bgr", "gray"}, *const values[] = {"rgb8", "hu", "percentile", "zscore", "range"},
                             *const filters[] = {"bilinear", "bicubic", "lanczos", "nearest"};
    const mt_card                  *card = mt_encoder_card(encoder);

    g_string_append(text, "\n[encoder]\n");
    put_text(text, "name", card->name);
    put_file(text, "model", path);
    put_text(text, "sha256", mt_model_sha256(mt_encoder_model(encoder)));
    put_text(text, "precision", "fp32");
    put_text(text, "input", card->input);
    put_text(text, "output", card->output);
    put_text(text, "pool", pools[card->pool]);
    g_string_append_printf(text, "prefix_tokens=%d\nsize_px=%d\ntile_px=%d\nresize_px=%d\ncrop_px=%d\n", card->prefix_tokens, card->size_px,
                           card->tile_px, card->resize_px, card->crop_px);
    put_text(text, "fit", fits[card->fit]);
    put_text(text, "channels", channels[card->channels]);
    put_text(text, "value", values[card->value]);
    if (card->value == MT_VALUE_RANGE)
        put_numbers(text, "range", card->range, 2);
    put_numbers(text, "mean", card->mean, card->n_mean);
    put_numbers(text, "std", card->std, card->n_mean);
    put_text(text, "interpolation", filters[card->interpolation]);
    g_string_append_printf(text, "batch=%d\n", batch);
}

static void put_head(GString *text, const mt_head *head, const mt_head_card *card, const char *path)
{
    static const char *const activations[] = {"softmax", "sigmoid", "ordinal", "hazard"};
    g_autofree char         *labels = card->labels != NULL ? g_strjoinv(";", card->labels) : NULL;

    g_string_append(text, "\n[head]\n");
    put_text(text, "kind", mt_head_kind(head));
    put_file(text, "model", path);
    put_text(text, "sha256", mt_head_sha256(head));
    put_text(text, "activation", activations[card->activation]);
    put_number(text, "temperature", card->temperature);
    put_text(text, "labels", labels);
    put_text(text, "positive", card->positive);
    if (!isnan(card->threshold))
        put_number(text, "threshold", card->threshold);
}

char *mt_resolved_text(const mt_recipe *recipe, const mt_contract *contract, const mt_encoder *encoder, int batch, const mt_head *head,
                       const mt_head_card *head_card)
{
    static const char *const axes[] = {"axial", "coronal", "sagittal"};
    GString                 *text = g_string_new("# microtome: the recipe of this folder, every choice made\n[input]\n");

    put_text(text, "modality", recipe->modality);
    put_text(text, "plane_axis", axes[recipe->plane_axis]);
    put_text(text, "backend", recipe->backend);
    g_string_append(text, "\n[mask]\n");
    put_text(text, "method", recipe->mask_method != NULL ? recipe->mask_method : "by kind");
    put_number(text, "min_share", recipe->min_share);
    g_string_append(text, "\n[grid]\n");
    if (!contract->whole_plane) {
        put_number(text, "mpp", contract->mpp);
        g_string_append_printf(text, "tile=%d\n", contract->tile_px);
        put_number(text, "overlap", contract->overlap);
    }
    put_encoder(text, encoder, recipe->encoder, batch);
    if (head != NULL)
        put_head(text, head, head_card, recipe->head);
    return g_string_free(text, FALSE);
}

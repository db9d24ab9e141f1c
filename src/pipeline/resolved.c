#include "src/pipeline/resolved.h"

#include "mil/head_card.h"
#include "mil/score_activation.h"
#include "mil/score_calibration.h"
#include "src/base/hash.h"
#include "src/encoder/card_text.h"
#include "src/pipeline/named_heads.h"
#include "src/pipeline/recipe_explain.h"
#include "src/pipeline/recipe_findings.h"
#include "src/pipeline/recipe_series.h"

#include <math.h>
#include <string.h>

static void put_number(GString *text, const char *key, double value)
{
    mt_card_text_put_numbers(text, key, &value, 1);
}

static void put_file(GString *text, const char *key, const char *path)
{
    g_autofree char *name = g_path_get_basename(path);

    mt_card_text_put(text, key, name);
}

void mt_resolved_put_stain(GString *text, const mt_stain_target *target)
{
    const mt_stain_fit *fit = &target->fit;

    g_string_append(text, "\n[stain]\n");
    mt_card_text_put(text, "method", mt_stain_methods[fit->method]);
    mt_card_text_put(text, "target", target->name);
    mt_card_text_put(text, "target_sha256", target->sha256);
    if (fit->method == MT_STAIN_MACENKO) {
        mt_card_text_put_numbers(text, "target_matrix", &fit->macenko.matrix[0][0], 6);
        mt_card_text_put_numbers(text, "target_max_concentration", fit->macenko.max_concentration, 2);
    } else {
        mt_card_text_put_numbers(text, "target_lab_mean", fit->reinhard.mean, 3);
        mt_card_text_put_numbers(text, "target_lab_std", fit->reinhard.std, 3);
    }
}

static void put_encoder(GString *text, const mt_encoder *encoder, const char *path, mt_precision precision, int batch)
{
    g_string_append(text, "\n[encoder]\n");
    mt_card_text_put(text, "name", mt_encoder_card(encoder)->name);
    put_file(text, "model", path);
    mt_card_text_put(text, "sha256", mt_model_sha256(mt_encoder_model(encoder)));
    mt_card_text_put(text, "precision", mt_precision_name(precision));
    mt_card_text_put_contract(text, mt_encoder_card(encoder));
    g_string_append_printf(text, "batch=%d\n", batch);
}

/* Only what a card says: recipes from before these keys stay the same. */
static void put_decision(GString *text, const mt_head_card *card)
{
    if (card->threshold_high > 0)
        put_number(text, "threshold_high", card->threshold_high);
    if (card->positive != NULL && !isnan(card->threshold))
        put_number(text, "audit_share", card->audit_share);
    if (card->min_tissue_mm2 > 0)
        put_number(text, "min_tissue_mm2", card->min_tissue_mm2);
    if (card->min_tiles > 0)
        put_number(text, "min_tiles", card->min_tiles);
    if (card->platt[0] > 0 || card->n_isotonic > 0 || card->n_conformal > 0 || card->reference != NULL || card->min_sharpness > 0 ||
        card->min_field_share > 0 || card->min_exposure > 0 || card->max_exposure > 0 || card->max_clipping > 0 || card->max_blur > 0 ||
        card->max_ghosting > 0 || card->min_illumination > 0 || card->min_field_complete > 0) { /* lists that may be long: by their hash */
        g_autofree char *all = mt_head_card_text(card), *sha256 = mt_hash_bytes(all, strlen(all));
        g_autofree char *calibration = mt_calibration_text(card);
        mt_card_text_put(text, "calibration", calibration);
        mt_card_text_put(text, "card_sha256", sha256);
    }
}

void mt_resolved_put_head(GString *text, const mt_head *head, const mt_head_card *card, const char *path)
{
    g_autofree char *labels = card->labels != NULL ? g_strjoinv(";", card->labels) : NULL;

    g_string_append(text, "\n[head]\n");
    mt_card_text_put(text, "kind", mt_head_kind(head));
    if (mt_head_task_known(mt_head_kind(head)))
        mt_card_text_put(text, "combine", mt_head_get_card(head)->combine);
    if (path != NULL)
        put_file(text, "model", path);
    mt_card_text_put(text, "sha256", mt_head_sha256(head));
    mt_card_text_put(text, "activation", mt_activation_name(card->activation));
    put_number(text, "temperature", card->temperature);
    mt_card_text_put(text, "labels", labels);
    mt_card_text_put(text, "positive", card->positive);
    if (!isnan(card->threshold))
        put_number(text, "threshold", card->threshold);
    put_decision(text, card);
}

char *mt_resolved_text(const mt_recipe *recipe, const mt_masker *masker, const mt_contract *contract, const mt_encoder *encoder, int batch,
                       const mt_stain_target *stain, const mt_head *head, const mt_head_card *head_card)
{
    g_autofree char *mask = mt_masker_text(masker);
    GString         *text = g_string_new("# microtome: the recipe of this folder, every choice made\n[input]\n");

    mt_card_text_put(text, "modality", recipe->modality);
    mt_card_text_put(text, "preparation", recipe->preparation);
    mt_card_text_put(text, "plane_axis", mt_plane_axes[recipe->plane_axis]);
    mt_card_text_put(text, "unit", recipe->unit_mm ? "mm" : NULL);
    mt_card_text_put(text, "backend", recipe->backend);
    g_string_append_printf(text, "\n[mask]\n%s", mask);
    if (recipe->compat != MT_COMPAT_CLAM)
        put_number(text, "min_share", mt_recipe_min_share(recipe));
    if (stain != NULL)
        mt_resolved_put_stain(text, stain);
    g_string_append(text, "\n[grid]\n");
    if (!contract->whole_plane) {
        put_number(text, "mpp", contract->mpp);
        g_string_append_printf(text, "tile=%d\n", contract->tile_px);
        put_number(text, "overlap", contract->overlap);
        mt_card_text_put(text, "compat", mt_compat_name(recipe->compat));
        if (recipe->patch_level >= 0)
            g_string_append_printf(text, "patch_level=%d\n", recipe->patch_level);
        if (recipe->approximate)
            mt_card_text_put(text, "approximate", "true");
    }
    g_string_append(text, "\n[quality]\n");
    put_number(text, "degraded_invalid", recipe->degraded_invalid);
    put_number(text, "withheld_invalid", recipe->withheld_invalid);
    put_encoder(text, encoder, recipe->encoder, contract->precision, batch);
    if (recipe->language != NULL)
        g_string_append_printf(text, "\n[report]\nlanguage=%s\n", recipe->language);
    if (head != NULL)
        mt_resolved_put_head(text, head, head_card, recipe->head);
    mt_named_heads_text(recipe, text);
    mt_recipe_series_text(recipe, text);
    mt_recipe_findings_text(recipe, text);
    mt_recipe_explain_text(recipe, text);
    return g_string_free(text, FALSE);
}

char *mt_resolved_precision(const char *text)
{
    g_autoptr(GKeyFile) file = g_key_file_new();

    return g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, NULL)
               ? g_key_file_get_string(file, "encoder", "precision", NULL)
               : NULL;
}

char *mt_resolved_head_sha256(const char *text)
{
    g_autoptr(GKeyFile) file = g_key_file_new();

    return g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, NULL) ? g_key_file_get_string(file, "head", "sha256", NULL)
                                                                                      : NULL;
}

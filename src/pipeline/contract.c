#include "src/pipeline/contract.h"

#include "src/pipeline/compat.h"

#include <math.h>
#include <string.h>

void mt_contract_clear(mt_contract *contract)
{
    g_clear_pointer(&contract->encoder, g_free);
}

static bool resolve_mpp(const mt_recipe *recipe, const mt_card *card, mt_contract *contract, GError **error)
{
    if (recipe->mpp < 0 && card->mpp <= 0 && recipe->compat != MT_COMPAT_CLAM) { /* CLAM thinks in levels */
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "prepare encoder '%s': neither its card nor the command names a µm/px: give --mpp (0 = level 0 as it is)", card->name);
        return false;
    }
    contract->mpp = recipe->mpp < 0 ? MAX(card->mpp, 0) : recipe->mpp;
    if (card->mpp <= 0 || contract->mpp <= 0 || fabs(contract->mpp / card->mpp - 1) <= MT_MPP_TOLERANCE)
        return true;
    contract->off = true;
    if (!contract->off_allowed)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "prepare encoder '%s': %g µm/px is wanted and its card says %g: leave --mpp out, or give --off-contract (the result is "
                    "then degraded)",
                    card->name, contract->mpp, card->mpp);
    return contract->off_allowed;
}

static bool resolve_tile(const mt_recipe *recipe, const mt_card *card, mt_contract *contract, GError **error)
{
    contract->tile_px = recipe->tile_px > 0 ? recipe->tile_px : card->tile_px;
    if (contract->tile_px == card->tile_px)
        return true;
    contract->off = true;
    if (!contract->off_allowed)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "prepare encoder '%s': tiles of %d px are wanted and its card says %d: leave --tile out, or give --off-contract (the "
                    "result is then degraded)",
                    card->name, contract->tile_px, card->tile_px);
    return contract->off_allowed;
}

bool mt_contract_resolve(const mt_recipe *recipe, const mt_card *card, mt_contract *contract, GError **error)
{
    *contract = (mt_contract){.overlap = recipe->overlap,
                              .whole_plane = card->fit != MT_FIT_TILES,
                              .compat = recipe->compat,
                              .patch_level = recipe->patch_level,
                              .off_allowed = recipe->off_contract,
                              .card_mpp = card->mpp,
                              .encoder = g_strdup(card->name)};
    if (!mt_compat_check(recipe, error))
        return false;
    if (contract->whole_plane) {
        contract->tile_px = card->size_px;
        if (recipe->tile_px > 0 || recipe->overlap > 0 || recipe->mpp >= 0 || recipe->compat != MT_COMPAT_NONE) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                        "prepare encoder '%s': its card reads whole planes: leave --mpp, --tile, --overlap and --compat out", card->name);
            return false;
        }
        return true;
    }
    return resolve_mpp(recipe, card, contract, error) && resolve_tile(recipe, card, contract, error);
}

/* Without oneDNN there are the plain loops alone, which compute in float32 whatever is asked. */
static bool built_in(mt_precision precision)
{
    return MT_HAVE_ONEDNN || precision == MT_PRECISION_FP32;
}

static bool can_run(const mt_encoder *encoder, mt_precision precision)
{
    return built_in(precision) && (precision != MT_PRECISION_INT8 || mt_model_is_quantized(mt_encoder_model(encoder)));
}

/* What the folder holds already; false: this run cannot add to it, which the folder's recipe then says. */
static bool follow_folder(const mt_recipe *recipe, const mt_encoder *encoder, mt_contract *contract)
{
    mt_precision precision;

    if (recipe->folder_precision == NULL || !mt_precision_parse(recipe->folder_precision, &precision) || !can_run(encoder, precision))
        return false;
    bool verified = mt_encoder_is_verified(encoder, precision);
    if (!verified && !contract->off_allowed)
        return false;
    contract->precision = precision;
    contract->off = contract->off || !verified;
    return true;
}

/* "fp32, bf16": what the card lists and that holds for this model file. */
static char *verified_names(const mt_encoder *encoder)
{
    GString *names = g_string_new("fp32");

    for (mt_precision p = MT_PRECISION_FP32 + 1; p <= MT_PRECISION_INT8; p++)
        if (mt_encoder_is_verified(encoder, p))
            g_string_append_printf(names, ", %s", mt_precision_name(p));
    return g_string_free(names, FALSE);
}

static bool take_named(const mt_encoder *encoder, mt_precision precision, mt_contract *contract, GError **error)
{
    const mt_card   *card = mt_encoder_card(encoder);
    g_autofree char *listed = verified_names(encoder);

    contract->precision = precision;
    if (!built_in(precision)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "prepare encoder '%s': precision %s needs oneDNN, which this build is without",
                    card->name, mt_precision_name(precision));
        return false;
    }
    if (!can_run(encoder, precision)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "prepare encoder '%s': precision int8 is wanted and the model is not quantised: make one that is with microtome model "
                    "quantize",
                    card->name);
        return false;
    }
    if (mt_encoder_is_verified(encoder, precision))
        return true;
    contract->off = true;
    if (!contract->off_allowed)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "prepare encoder '%s': precision %s is wanted and not among those verified (%s): run microtome model verify, "
                    "leave --precision out, or give --off-contract (the result is then degraded)",
                    card->name, mt_precision_name(precision), listed);
    return contract->off_allowed;
}

bool mt_contract_choose_precision(const mt_recipe *recipe, const mt_encoder *encoder, mt_contract *contract, GError **error)
{
    mt_precision named;

    if (recipe->precision != NULL && strcmp(recipe->precision, "auto") != 0) {
        if (mt_precision_parse(recipe->precision, &named))
            return take_named(encoder, named, contract, error);
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "prepare the run: precision %s: fp32, bf16, int8 or auto is wanted",
                    recipe->precision);
        return false;
    }
    if (!follow_folder(recipe, encoder, contract))
        contract->precision = MT_HAVE_ONEDNN ? mt_encoder_auto_precision(encoder, NULL) : MT_PRECISION_FP32;
    return true;
}

bool mt_contract_check_case(const mt_contract *contract, const mt_case *c, bool *degraded, GError **error)
{
    double x, y;
    bool   known = mt_case_mpp(c, &x, &y);

    *degraded = contract->off;
    if (contract->whole_plane)
        return true;
    double wanted = contract->mpp > 0 ? contract->mpp : contract->card_mpp;
    if (wanted <= 0)
        return true;
    if (!known && contract->mpp > 0)
        return true; /* the grid refuses it, with the reason */
    bool fits = contract->mpp > 0 ? fmax(x, y) <= wanted * (1 + MT_COARSE_TOLERANCE)
                                  : known && fabs(x / wanted - 1) <= MT_MPP_TOLERANCE && fabs(y / wanted - 1) <= MT_MPP_TOLERANCE;
    if (fits)
        return true;
    *degraded = true;
    if (contract->off_allowed)
        return true;
    if (known)
        g_set_error(error, MT_ERROR, MT_ERROR_SPACING,
                    "lay the grid over %s: it has %g x %g µm/px and encoder '%s' wants %g: give --off-contract to read it all the same "
                    "(the result is then degraded)",
                    mt_case_path(c), x, y, contract->encoder, wanted);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_SPACING,
                    "lay the grid over %s: its µm/px is unknown (%s) and encoder '%s' wants %g: give --slide-mpp or a manifest column mpp",
                    mt_case_path(c), mt_case_mpp_source(c), contract->encoder, wanted);
    return false;
}

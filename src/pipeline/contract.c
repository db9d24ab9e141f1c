#include "src/pipeline/contract.h"

#include <math.h>

#define MPP_TOLERANCE 0.02    /* share by which a wanted µm/px may differ from the card's */
#define COARSE_TOLERANCE 0.10 /* share by which a case may be coarser than wanted */

void mt_contract_clear(mt_contract *contract)
{
    g_clear_pointer(&contract->encoder, g_free);
}

static bool resolve_mpp(const mt_recipe *recipe, const mt_card *card, mt_contract *contract, GError **error)
{
    if (recipe->mpp < 0 && card->mpp <= 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "prepare encoder '%s': neither its card nor the command names a µm/px: give --mpp (0 = level 0 as it is)", card->name);
        return false;
    }
    contract->mpp = recipe->mpp < 0 ? card->mpp : recipe->mpp;
    if (card->mpp <= 0 || contract->mpp <= 0 || fabs(contract->mpp / card->mpp - 1) <= MPP_TOLERANCE)
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
                              .off_allowed = recipe->off_contract,
                              .card_mpp = card->mpp,
                              .encoder = g_strdup(card->name)};
    if (contract->whole_plane) {
        contract->tile_px = card->size_px;
        if (recipe->tile_px > 0 || recipe->overlap > 0 || recipe->mpp >= 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                        "prepare encoder '%s': its card reads whole planes: leave --mpp, --tile and --overlap out", card->name);
            return false;
        }
        return true;
    }
    return resolve_mpp(recipe, card, contract, error) && resolve_tile(recipe, card, contract, error);
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
    bool fits = contract->mpp > 0 ? fmax(x, y) <= wanted * (1 + COARSE_TOLERANCE)
                                  : known && fabs(x / wanted - 1) <= MPP_TOLERANCE && fabs(y / wanted - 1) <= MPP_TOLERANCE;
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

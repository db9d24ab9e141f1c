#include "src/pipeline/compat.h"

#include <math.h>

static bool refuse(GError **error, const char *problem)
{
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "prepare the grid: %s", problem);
    return false;
}

bool mt_compat_check(const mt_recipe *recipe, GError **error)
{
    bool clam = recipe->compat == MT_COMPAT_CLAM;

    if (recipe->patch_level >= 0 && !clam)
        return refuse(error, "a patch level is CLAM's: give --compat clam too, or leave --patch-level out");
    if (clam && recipe->mask_method != NULL && !g_str_has_prefix(recipe->mask_method, "clam:"))
        return refuse(error, "--compat clam needs CLAM's contours: leave --mask out, or give --mask clam:PRESET");
    if (clam && recipe->min_share >= 0)
        return refuse(error, "--compat clam keeps tiles by CLAM's four points, not by their share of mask: leave --min-share out");
    return true;
}

static void explain(const mt_contract *contract, const mt_case *c, const mt_grid_tool *tool, double wanted, GError **error)
{
    static const char *const remedy = "leave --compat out, or give --off-contract to read it all the same (the result is then degraded)";
    double                   x = 0, y = 0;

    if (!mt_case_mpp(c, &x, &y))
        g_set_error(error, MT_ERROR, MT_ERROR_SPACING,
                    "lay the grid over %s: its µm/px is unknown (%s) and %g is wanted: give --slide-mpp or a manifest column mpp",
                    mt_case_path(c), mt_case_mpp_source(c), wanted);
    else if (contract->compat == MT_COMPAT_CLAM)
        g_set_error(error, MT_ERROR, MT_ERROR_SPACING,
                    "lay the grid over %s: level %d, which --compat clam reads, has %.4g x %.4g µm/px and %g is wanted: %s",
                    mt_case_path(c), tool->level, tool->true_mpp[0], tool->true_mpp[1], wanted, remedy);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_SPACING,
                    "lay the grid over %s: it has %.4g x %.4g µm/px, which --compat trident takes for %gx: tiles at %gx have %.4g x %.4g "
                    "µm/px and %g is wanted: %s",
                    mt_case_path(c), x, y, tool->level0_magnification, tool->target_magnification, tool->true_mpp[0], tool->true_mpp[1],
                    wanted, remedy);
}

/* TRIDENT's tiles start at multiples of the step, CLAM's anywhere. */
static bool starts_on_pixels(const mt_contract *contract, const mt_grid_tool *tool)
{
    double d = tool->level_downsample;

    return d == 1 || (contract->compat == MT_COMPAT_TRIDENT && d == floor(d) && tool->step[0] % (int64_t)d == 0);
}

bool mt_compat_check_case(const mt_contract *contract, const mt_case *c, bool *degraded, bool *on_pixels, GError **error)
{
    mt_grid_params params = {.tile_px = contract->tile_px,
                             .mpp = contract->mpp,
                             .overlap = contract->overlap,
                             .compat = contract->compat,
                             .patch_level = contract->patch_level};
    mt_grid_tool   tool;
    double         x, y, wanted = contract->mpp > 0 ? contract->mpp : contract->card_mpp;

    if (!mt_grid_tool_find(c, &params, &tool, error))
        return false;
    *on_pixels = starts_on_pixels(contract, &tool);
    if (wanted <= 0 || (mt_case_mpp(c, &x, &y) && fmax(x, y) <= wanted * (1 + MT_COARSE_TOLERANCE) &&
                        fabs(tool.true_mpp[0] / wanted - 1) <= MT_MPP_TOLERANCE && fabs(tool.true_mpp[1] / wanted - 1) <= MT_MPP_TOLERANCE))
        return true;
    *degraded = true;
    if (!contract->off_allowed)
        explain(contract, c, &tool, wanted, error);
    return contract->off_allowed;
}

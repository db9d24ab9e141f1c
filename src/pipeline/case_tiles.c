#include "src/pipeline/case_tiles.h"

#include "src/case/intensity.h"
#include "src/case/preparation.h"
#include "src/pipeline/compat.h"
#include "src/pipeline/recipe_series.h"
#include "tiling/stain_sample.h"

#include <string.h>

int64_t mt_pipeline_cache_bytes(int64_t memory_bytes, int halvings)
{
    int64_t bytes = memory_bytes > 0 ? MIN(memory_bytes / 4, MT_CASE_CACHE_BYTES) : MT_CASE_CACHE_BYTES;

    return MAX(1, bytes >> CLAMP(halvings, 0, 30));
}

/* chosen NULL: the path is the case. */
static mt_case *open_chosen(const mt_recipe *recipe, const mt_job *job, const char *backend, const mt_study *study, const mt_series *chosen,
                            GError **error)
{
    g_autofree char *how = chosen != NULL ? mt_study_text(study) : NULL;
    mt_case_options  options = {.mpp_x = job->mpp_x,
                                .mpp_y = job->mpp_y,
                                .mpp_source = job->mpp_source,
                                .backend = backend,
                                .modality = recipe->modality,
                                .unit_mm = recipe->unit_mm,
                                .plane_axis = recipe->plane_axis,
                                .files = chosen != NULL ? (const char *const *)chosen->files : NULL,
                                .series = how,
                                .approximate = recipe->approximate,
                                .cache_bytes = mt_pipeline_cache_bytes(recipe->memory_bytes, job->halvings)};

    return mt_case_open(job->path, &options, error);
}

static mt_case *open_with(const mt_recipe *recipe, const mt_job *job, const char *backend, GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autoptr(mt_study) study = mt_recipe_series_open(recipe, job->path, &reason);

    if (reason == NULL)
        return open_chosen(recipe, job, backend, study, study != NULL ? mt_study_chosen(study, NULL) : NULL, error);
    g_propagate_error(error, g_steal_pointer(&reason));
    return NULL;
}

GPtrArray *mt_pipeline_open_roles(const mt_recipe *recipe, const mt_job *job, GError **error)
{
    g_autoptr(mt_study) study = mt_recipe_series_open(recipe, job->path, error);
    g_autoptr(GPtrArray) cases = study != NULL ? g_ptr_array_new_with_free_func((GDestroyNotify)mt_case_free) : NULL;

    for (char **role = recipe->sequences; study != NULL && *role != NULL; role++) {
        mt_case *c = open_chosen(recipe, job, recipe->backend, study, mt_study_chosen(study, *role), error);
        if (c == NULL)
            return NULL;
        g_ptr_array_add(cases, c);
    }
    return g_steal_pointer(&cases);
}

mt_case *mt_pipeline_open_case(const mt_recipe *recipe, const mt_job *job, GError **error)
{
    return open_with(recipe, job, recipe->backend, error);
}

mt_case *mt_pipeline_open_compat(const mt_recipe *recipe, const mt_contract *contract, const mt_job *job, bool *degraded, GError **error)
{
    g_autoptr(mt_case) c = mt_pipeline_open_case(recipe, job, error);
    bool on_pixels;

    if (c == NULL || !mt_compat_check_case(contract, c, degraded, &on_pixels, error))
        return NULL;
    if (on_pixels || recipe->backend != NULL)
        return g_steal_pointer(&c);
    mt_case *slide = open_with(recipe, job, "openslide", NULL);
    return slide != NULL ? slide : g_steal_pointer(&c); /* what OpenSlide cannot open, neither tool reads with it */
}

mt_grid_params mt_pipeline_grid_params(const mt_recipe *recipe, const mt_contract *contract)
{
    return (mt_grid_params){.tile_px = contract->tile_px,
                            .mpp = contract->mpp,
                            .overlap = contract->overlap,
                            .min_share = mt_recipe_min_share(recipe),
                            .whole_plane = contract->whole_plane,
                            .compat = contract->compat,
                            .patch_level = contract->patch_level};
}

static bool wants_intensity(const mt_card *card)
{
    return card->value == MT_VALUE_PERCENTILE || card->value == MT_VALUE_ZSCORE;
}

/* Colour has no intensity statistics: said before the whole case is read for them. */
static bool check_value_rule(const mt_case *c, const mt_card *card, const mt_job *job, GError **error)
{
    if (!wants_intensity(card) || mt_case_channels(c) == 1)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "prepare %s: encoder '%s' wants value=%s, and the case has %d channels: use an encoder for colour", job->path, card->name,
                card->value == MT_VALUE_ZSCORE ? "zscore" : "percentile", mt_case_channels(c));
    return false;
}

bool mt_case_tiles_check_prepared(const char *required, const mt_recipe *recipe, const mt_job *job, GError **error)
{
    const char *of_all = recipe->preparation != NULL ? recipe->preparation : "", *own = job->preparation != NULL ? job->preparation : "";
    g_autofree char *done = g_strdup_printf("%s;%s", of_all, own);

    return mt_preparation_check(required, done, job->path, error);
}

bool mt_case_tiles_open(mt_case_tiles *tiles, const mt_recipe *recipe, const mt_contract *contract, const mt_card *card, const mt_job *job,
                        GError **error)
{
    tiles->off_contract = contract->off;
    if (!mt_case_tiles_check_prepared(card->requires, recipe, job, error))
        return false;
    tiles->c = contract->compat != MT_COMPAT_NONE ? mt_pipeline_open_compat(recipe, contract, job, &tiles->off_contract, error)
                                                  : mt_pipeline_open_case(recipe, job, error);
    return tiles->c != NULL && check_value_rule(tiles->c, card, job, error) &&
           (contract->compat != MT_COMPAT_NONE || mt_contract_check_case(contract, tiles->c, &tiles->off_contract, error));
}

bool mt_case_tiles_lay(mt_case_tiles *tiles, mt_masker *masker, const char *id, const mt_recipe *recipe, const mt_contract *contract,
                       GError **error)
{
    mt_grid_params params = mt_pipeline_grid_params(recipe, contract);

    tiles->mask = mt_masker_run(masker, tiles->c, id, error);
    if (tiles->mask == NULL)
        return false;
    /* without a mask every tile is kept, also one that hangs over the edge */
    bool masked = strcmp(mt_mask_method(tiles->mask), "none") != 0 || mt_mask_excluded(tiles->mask) != 0;
    tiles->grid = mt_grid_new(tiles->c, masked ? tiles->mask : NULL, &params, error);
    return tiles->grid != NULL;
}

bool mt_case_tiles_intensity(mt_case_tiles *tiles, const mt_card *card, const mt_intensity **intensity, GError **error)
{
    *intensity = wants_intensity(card) ? &tiles->intensity : NULL;
    return *intensity == NULL || mt_case_intensity(tiles->c, &tiles->intensity, error);
}

bool mt_pipeline_load_stain(const mt_recipe *recipe, mt_stain_target **target, GError **error)
{
    mt_stain_method method;

    if (recipe->stain_method == NULL)
        return true;
    if (!mt_stain_parse(recipe->stain_method, &method)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "prepare the run: unknown stain method '%s': use macenko or reinhard",
                    recipe->stain_method);
        return false;
    }
    *target = mt_stain_target_new(method, recipe->stain_target, error);
    return *target != NULL;
}

bool mt_case_tiles_fit_stain(mt_case_tiles *tiles, const mt_stain_target *target, mt_filter filter, GError **error)
{
    g_autoptr(GError) cause = NULL;
    mt_stain_fit fit;

    if (target == NULL)
        return true;
    if (!mt_stain_check_case(tiles->c, error))
        return false;
    if (mt_grid_count(tiles->grid) == 0) /* nothing to change */
        return true;
    if (!mt_stain_sample(tiles->c, tiles->grid, tiles->mask, filter, target->fit.method, &fit, error))
        return false;
    tiles->stain = mt_stain_new(&fit, &target->fit, &cause);
    if (tiles->stain == NULL)
        g_set_error(error, cause->domain, cause->code, "fit %s stains of %s: %s: check its mask, or run it without stain normalisation",
                    mt_stain_methods[fit.method], mt_case_path(tiles->c), cause->message);
    return tiles->stain != NULL;
}

void mt_case_tiles_clear(mt_case_tiles *tiles)
{
    g_clear_pointer(&tiles->stain, mt_stain_free);
    g_clear_pointer(&tiles->grid, mt_grid_free);
    g_clear_pointer(&tiles->mask, mt_mask_free);
    g_clear_pointer(&tiles->c, mt_case_free);
}

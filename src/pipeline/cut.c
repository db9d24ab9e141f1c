/* Cutting a case into pictures: the grid without an encoder. */
#include "src/base/publish.h"
#include "src/pipeline/compat.h"
#include "src/pipeline/cut_team.h"
#include "src/pipeline/grid_store.h"
#include "src/result/prediction.h"

#include <unistd.h>

static bool open_tiles(mt_cut *cut, GError **error)
{
    const mt_contract wanted = {.tile_px = cut->recipe->tile_px,
                                .mpp = MAX(cut->recipe->mpp, 0),
                                .overlap = cut->recipe->overlap,
                                .compat = cut->recipe->compat,
                                .patch_level = cut->recipe->patch_level,
                                .off_allowed = cut->recipe->off_contract};

    if (!mt_compat_check(cut->recipe, error))
        return false;
    cut->tiles.c = cut->recipe->compat != MT_COMPAT_NONE
                       ? mt_pipeline_open_compat(cut->recipe, &wanted, cut->job, &cut->tiles.off_contract, error)
                       : mt_pipeline_open_case(cut->recipe, cut->job, error);
    if (cut->tiles.c == NULL)
        return false;
    if (!mt_picture_check(&cut->options->picture, mt_case_dtype(cut->tiles.c), error)) {
        g_prefix_error(error, "cut %s: ", cut->job->path);
        return false;
    }
    return mt_case_tiles_lay(&cut->tiles, cut->options->masker, cut->job->id, cut->recipe, &wanted, error);
}

/* coords.h5: the /coords of a result, without features. */
static bool write_coords(const mt_cut *cut, GError **error)
{
    g_autofree char *path = g_build_filename(cut->folder, "coords.h5", NULL);

    if (access(path, F_OK) == 0)
        return true; /* published whole, for the same settings */
    g_autoptr(mt_store) store = mt_store_create(path, error);
    return store != NULL && mt_grid_store(cut->tiles.grid, cut->tiles.c, cut->job->id, store, error) &&
           mt_store_publish(store, "{\"schema\":1,\"status\":\"coords\"}", error);
}

/* Tiles from the first that is missing.  What was put before a failure is kept: the next run goes on behind it. */
static bool cut_tiles(mt_cut *cut, mt_cut_ledger *ledger, GError **error)
{
    g_autoptr(mt_cut_sink) sink = mt_cut_sink_new(cut, ledger);
    if (!mt_case_tiles_fit_stain(&cut->tiles, cut->stain, MT_CUT_FILTER, error))
        return false;
    bool ok = mt_cut_team_run(cut, mt_cut_ledger_settled(ledger), sink, error);

    return mt_cut_sink_settle(sink, ok, ok ? error : NULL) && ok;
}

static bool cut_case(mt_cut *cut, mt_cut_summary *summary, GError **error)
{
    if (!open_tiles(cut, error))
        return false;
    summary->tiles = mt_grid_count(cut->tiles.grid);
    summary->excluded_tiles = mt_grid_n_excluded(cut->tiles.grid);
    g_autoptr(mt_cut_ledger) ledger = mt_cut_ledger_open(cut, summary, error);
    if (ledger == NULL)
        return false;
    int64_t settled = mt_cut_ledger_settled(ledger);
    summary->finished = mt_cut_ledger_finished(ledger);
    bool ok = settled == summary->tiles || cut_tiles(cut, ledger, error);
    summary->cut_now = mt_cut_ledger_settled(ledger) - settled;
    summary->unusable = summary->tiles > 0 && (summary->invalid_tiles == summary->tiles ||
                                               (double)summary->invalid_tiles / (double)summary->tiles > cut->recipe->withheld_invalid);
    return ok && (summary->finished || mt_publish_sync(cut->folder, error)) && write_coords(cut, error) &&
           mt_cut_ledger_finish(ledger, error);
}

static void clear_invalid(void *invalid)
{
    g_free(((mt_cut_invalid *)invalid)->reason);
}

bool mt_cut_run(const mt_recipe *recipe, const mt_job *job, const char *folder, const mt_cut_options *options, mt_cut_summary *summary,
                GError **error)
{
    mt_cut cut = {.recipe = recipe, .job = job, .options = options, .folder = folder};
    gint64 start = g_get_monotonic_time();

    summary->invalid = g_array_new(FALSE, FALSE, sizeof(mt_cut_invalid));
    g_array_set_clear_func(summary->invalid, clear_invalid);
    bool ok = mt_pipeline_load_stain(recipe, &cut.stain, error) && cut_case(&cut, summary, error);
    mt_case_tiles_clear(&cut.tiles);
    g_clear_pointer(&cut.stain, mt_stain_target_free);
    summary->seconds = (double)(g_get_monotonic_time() - start) / 1e6;
    return ok;
}

void mt_cut_summary_clear(mt_cut_summary *summary)
{
    if (summary->invalid != NULL)
        g_array_unref(summary->invalid);
    *summary = (mt_cut_summary){0};
}

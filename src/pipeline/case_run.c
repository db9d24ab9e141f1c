/* One case, stage by stage. */
#include "src/pipeline/case_run.h"

#include "src/base/alloc.h"
#include "src/case/intensity.h"
#include "src/pipeline/stored_bag.h"
#include "src/pipeline/team.h"
#include "src/store/schema.h"

#include <omp.h>
#include <string.h>

static double lap(gint64 *start)
{
    gint64 now = g_get_monotonic_time();
    double seconds = (double)(now - *start) / 1e6;

    *start = now;
    return seconds;
}

mt_case *mt_pipeline_open_case(const mt_recipe *recipe, const mt_job *job, GError **error)
{
    mt_case_options options = {.mpp_x = job->mpp_x,
                               .mpp_y = job->mpp_y,
                               .mpp_source = job->mpp_source,
                               .backend = recipe->backend,
                               .modality = recipe->modality,
                               .plane_axis = recipe->plane_axis};

    return mt_case_open(job->path, &options, error);
}

/* Colour has no intensity statistics: said before the whole case is read for them. */
static bool check_value_rule(const mt_case_run *run, GError **error)
{
    mt_value_rule rule = mt_encoder_card(run->p->encoder)->value;

    if ((rule != MT_VALUE_PERCENTILE && rule != MT_VALUE_ZSCORE) || mt_case_channels(run->c) == 1)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "prepare %s: encoder '%s' wants value=%s, and the case has %d channels: use an encoder for colour", run->job->path,
                mt_encoder_card(run->p->encoder)->name, rule == MT_VALUE_ZSCORE ? "zscore" : "percentile", mt_case_channels(run->c));
    return false;
}

static bool open_case(mt_case_run *run, GError **error)
{
    run->c = mt_pipeline_open_case(run->p->recipe, run->job, error);
    if (run->c == NULL)
        return false;
    run->identity = mt_case_identity(run->job->path, error);
    if (run->identity == NULL || !check_value_rule(run, error))
        return false;
    return mt_contract_check_case(&run->p->contract, run->c, &run->off_contract, error);
}

static bool find_tiles(mt_case_run *run, GError **error)
{
    const mt_contract *contract = &run->p->contract;
    mt_grid_params     params = {.tile_px = contract->tile_px,
                                 .mpp = contract->mpp,
                                 .overlap = contract->overlap,
                                 .min_share = run->p->recipe->min_share,
                                 .whole_plane = contract->whole_plane};

    run->mask = mt_mask_new(run->c, run->p->recipe->mask_method, error);
    if (run->mask == NULL)
        return false;
    run->tissue_mm2 = mt_mask_area_mm2(run->mask);
    /* without a mask every tile is kept, also one that hangs over the edge */
    run->grid = mt_grid_new(run->c, strcmp(mt_mask_method(run->mask), "none") == 0 ? NULL : run->mask, &params, error);
    if (run->grid == NULL)
        return false;
    run->n = mt_grid_count(run->grid);
    run->valid = mt_alloc(run->n, 1, error);
    return run->valid != NULL;
}

static bool take_rows(void *user, int64_t first, int64_t n, const float *features, const uint8_t *valid, GError **error)
{
    mt_case_run *run = user;

    memcpy(run->valid + first, valid, (size_t)n);
    for (int64_t i = 0; i < n; i++)
        run->n_valid += valid[i] != 0;
    return mt_store_append(run->store, MT_OBJECT_FEATURES, features, n, error);
}

static bool encode(mt_case_run *run, mt_progress progress, void *user, GError **error)
{
    mt_value_rule  rule = mt_encoder_card(run->p->encoder)->value;
    bool           wants_intensity = rule == MT_VALUE_PERCENTILE || rule == MT_VALUE_ZSCORE;
    mt_intensity   intensity;
    mt_team_params params = {.c = run->c,
                             .grid = run->grid,
                             .encoder = run->p->encoder,
                             .intensity = wants_intensity ? &intensity : NULL,
                             .backend = MT_BACKEND_AUTO,
                             .batch = run->p->batch,
                             .threads = run->p->threads,
                             .progress = progress,
                             .progress_user = user,
                             .sink = take_rows,
                             .sink_user = run};

    if (wants_intensity && !mt_case_intensity(run->c, &intensity, error))
        return false;
    return mt_schema_grow_features(run->store, MT_F32, mt_encoder_dim(run->p->encoder), run->n, mt_encoder_card(run->p->encoder)->name,
                                   mt_model_sha256(mt_encoder_model(run->p->encoder)), "fp32", error) &&
           mt_team_run(&params, run->timings, error) && mt_schema_write_valid(run->store, run->valid, run->n, error);
}

static bool score(mt_case_run *run, GError **error)
{
    mt_stored_bag stored;

    if (run->p->head == NULL || run->n_valid == 0)
        return true;
    mt_bag bag = mt_stored_bag_new(&stored, run->store, run->valid, run->n, mt_encoder_dim(run->p->encoder));
    run->output = mt_head_predict(run->p->head, &bag, error);
    return run->output != NULL;
}

static bool publish(mt_case_run *run, GError **error)
{
    g_autofree char *headline = NULL;

    return mt_case_run_record_prediction(run, &headline, error) && mt_store_publish(run->store, headline, error);
}

static bool run_stages(mt_case_run *run, const char *target, mt_progress progress, void *user, GError **error)
{
    gint64 start = g_get_monotonic_time();

    if (!open_case(run, error))
        return false;
    run->timings->open_s = lap(&start);
    run->timings->stage = "mask";
    if (!find_tiles(run, error))
        return false;
    run->timings->mask_s = lap(&start);
    run->timings->stage = "encode";
    run->store = mt_store_create(target, error);
    if (run->store == NULL || !mt_case_run_record_case(run, error) || !encode(run, progress, user, error))
        return false;
    lap(&start);
    run->timings->stage = "score";
    if (!score(run, error))
        return false;
    run->timings->head_s = lap(&start);
    run->timings->stage = "publish";
    if (!publish(run, error))
        return false;
    run->timings->publish_s = lap(&start);
    return true;
}

bool mt_pipeline_run(mt_pipeline *p, const mt_job *job, const char *target, mt_progress progress, void *user, mt_timings *timings,
                     GError **error)
{
    mt_timings  unwanted = {0};
    mt_case_run run = {.p = p, .job = job, .timings = timings != NULL ? timings : &unwanted};
    gint64      start = g_get_monotonic_time();
    omp_set_num_threads(p->threads); /* the mask's loops use the calling thread's team */
    run.timings->stage = "open";
    bool ok = run_stages(&run, target, progress, user, error);

    run.timings->total_s = lap(&start);
    g_clear_pointer(&run.store, mt_store_free); /* an unpublished one removes its temporary */
    g_clear_pointer(&run.output, mt_head_output_free);
    g_clear_pointer(&run.grid, mt_grid_free);
    g_clear_pointer(&run.mask, mt_mask_free);
    g_clear_pointer(&run.c, mt_case_free);
    mt_free(run.valid);
    g_free(run.identity);
    return ok;
}

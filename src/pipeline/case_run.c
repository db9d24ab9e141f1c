/* One case, stage by stage. */
#include "src/pipeline/case_stages.h"
#include "src/pipeline/key_plane.h"

#include "src/base/alloc.h"
#include "src/base/publish.h"
#include "src/pipeline/detect_case.h"
#include "src/pipeline/explain_case.h"
#include "src/pipeline/named_heads.h"
#include "src/pipeline/recipe_explain.h"
#include "src/pipeline/stored_bag.h"
#include "src/pipeline/team.h"
#include "src/result/modality_quality.h"
#include "src/store/schema.h"
#include "tiling/thumbnail.h"

#include <omp.h>
#include <string.h>

#define THUMBNAIL_PX 1024

double mt_case_stage_lap(gint64 *start)
{
    gint64 now = g_get_monotonic_time();
    double seconds = (double)(now - *start) / 1e6;

    *start = now;
    return seconds;
}

static bool open_case(mt_case_run *run, GError **error)
{
    const mt_pipeline *p = run->p;
    g_autoptr(GError) unidentified = NULL;

    /* First: it reads both ends of the file at once, where slow storage would give the directories bit by bit. */
    run->identity = mt_case_identity(run->job->path, &unidentified);
    if (!mt_case_tiles_open(&run->tiles, p->recipe, &p->contract, mt_encoder_card(p->encoder), run->job, error))
        return false;
    if (run->identity == NULL)
        g_propagate_error(error, g_steal_pointer(&unidentified));
    return run->identity != NULL;
}

static bool find_tiles(mt_case_run *run, GError **error)
{
    if (!mt_case_tiles_lay(&run->tiles, run->p->masker, run->job->id, run->p->recipe, &run->p->contract, error) ||
        !mt_case_tiles_fit_stain(&run->tiles, run->p->stain, mt_encoder_card(run->p->encoder)->interpolation, error))
        return false;
    run->tissue_mm2 = mt_mask_area_mm2(run->tiles.mask);
    run->n = mt_grid_count(run->tiles.grid);
    run->valid = mt_alloc(run->n, 1, error);
    return run->valid != NULL;
}

/* What is read of the case beside its tiles: before our own file is begun, so that a failure here is the case's alone. */
bool mt_case_stage_overview(mt_case_run *run, GError **error)
{
    int64_t width, height;

    run->thumbnail_plane = mt_case_planes(run->tiles.c) / 2;
    run->thumbnail = mt_thumbnail_new(run->tiles.c, run->thumbnail_plane, THUMBNAIL_PX, error);
    if (run->thumbnail == NULL)
        return false;
    mt_mask_size(run->tiles.mask, &width, &height);
    mt_image_quality_measure(run->thumbnail, mt_mask_pixels(run->tiles.mask), width, height, &run->quality);
    mt_modality_quality_measure(run->thumbnail, mt_mask_pixels(run->tiles.mask), width, height, mt_case_modality(run->tiles.c),
                                &run->quality);
    return true;
}

static bool read_overview(mt_case_run *run, GError **error)
{
    return mt_case_stage_overview(run, error) &&
           mt_case_tiles_intensity(&run->tiles, mt_encoder_card(run->p->encoder), &run->intensity, error);
}

static bool take_rows(void *user, int64_t first, int64_t n, const float *features, const uint8_t *valid, GError **error)
{
    mt_case_run *run = user;

    memcpy(run->valid + first, valid, (size_t)n);
    for (int64_t i = 0; i < n; i++)
        run->n_valid += valid[i] != 0;
    for (int64_t i = 0; run->boxes != NULL && i < n; i++)
        if (valid[i] != 0 && !mt_detect_take_tile(run, first + i, features + i * mt_encoder_dim(run->p->encoder), error))
            return false;
    if (run->boxes != NULL)
        return true;
    run->unwritten = !mt_store_append(run->store, MT_OBJECT_FEATURES, features, n, error);
    return !run->unwritten;
}

/* A failure that is not our own disk's is said to be of reading: only that case is lost. */
static bool run_team(mt_case_run *run, const mt_team_params *params, GError **error)
{
    bool ok = mt_team_run(params, run->timings, error);

    if (!ok && !run->unwritten)
        run->timings->stage = "read";
    return ok;
}

static void take_unread(void *user, int64_t tile, const char *reason)
{
    mt_case_run *run = user;

    mt_invalid_tiles_add(run->invalid, tile, reason);
}

int mt_case_stage_threads(const mt_case_run *run)
{
    return MAX(1, run->p->threads >> CLAMP(run->job->halvings, 0, 30));
}

static bool grow_features(mt_case_run *run, GError **error)
{
    return mt_schema_grow_features(run->store, MT_F32, mt_encoder_dim(run->p->encoder), run->n, run->p->model_name, run->p->model_sha256,
                                   mt_precision_name(run->p->contract.precision), error);
}

static bool encode(mt_case_run *run, mt_progress progress, void *user, GError **error)
{
    mt_team_params params = {.c = run->tiles.c,
                             .grid = run->tiles.grid,
                             .encoder = run->p->encoder,
                             .intensity = run->intensity,
                             .stain = run->tiles.stain,
                             .backend = MT_BACKEND_AUTO,
                             .precision = run->p->contract.precision,
                             .batch = run->p->batch,
                             .threads = mt_case_stage_threads(run),
                             .progress = progress,
                             .progress_user = user,
                             .sink = take_rows,
                             .unread = take_unread,
                             .sink_user = run};

    if (run->p->boxes != NULL)
        run->boxes = g_array_new(FALSE, FALSE, sizeof(mt_found_box));
    return (run->boxes != NULL || grow_features(run, error)) && run_team(run, &params, error) &&
           mt_schema_write_valid(run->store, run->valid, run->n, error) && mt_invalid_tiles_store(run->invalid, run->store, error);
}

/* Too many tiles could not be read: no score of the case may be told. */
static bool is_withheld(const mt_case_run *run)
{
    return (double)(run->n - run->n_valid) / (double)run->n > run->p->recipe->withheld_invalid;
}

static bool score(mt_case_run *run, mt_progress progress, void *user, GError **error)
{
    mt_stored_bag stored;

    if (run->boxes != NULL)
        return mt_detect_finish(run, error) && mt_detect_store(run, error);
    if (run->p->head == NULL || run->n_valid == 0)
        return true;
    mt_bag bag = mt_stored_bag_new(&stored, run->store, run->tiles.c, run->tiles.grid, run->valid, mt_encoder_dim(run->p->encoder));
    const mt_head_options options = {.memory_bytes = run->p->recipe->memory_bytes, .threads = mt_case_stage_threads(run)};
    run->output = mt_head_predict(run->p->head, &bag, &options, error);
    if (run->output == NULL || is_withheld(run))
        return run->output != NULL;
    if (run->p->dense != NULL && !mt_dense_run_case_stage(run, progress, user, error))
        return false;
    if (mt_recipe_explains(run->p->recipe) && !mt_explain_case_run(run, &bag, &options, error))
        return false;
    if (run->p->recipe->task == MT_RECIPE_TILES)
        return mt_case_run_store_candidates(run, error);
    return run->p->named == NULL || mt_named_heads_store(run->p->named, &bag, &options, run->valid, run->n, run->store, error);
}

/* The small picture is of the plane that is talked about: a map laid over another would show a lesion where there is none. */
static bool record_thumbnail(mt_case_run *run, GError **error)
{
    int64_t wanted = run->key_plane >= 0 ? run->key_plane : mt_key_plane_of_tiles(run);

    if (mt_case_planes(run->tiles.c) > 1 && wanted >= 0 && wanted != run->thumbnail_plane) {
        mt_tensor *key = mt_thumbnail_new(run->tiles.c, wanted, THUMBNAIL_PX, error);
        if (key == NULL)
            return false;
        mt_tensor_unref(run->thumbnail);
        run->thumbnail = key;
        run->thumbnail_plane = wanted;
    }
    return mt_schema_write_thumbnail(run->store, run->thumbnail, run->thumbnail_plane, error) &&
           mt_image_quality_store(&run->quality, run->store, error);
}

bool mt_case_stage_publish(mt_case_run *run, GError **error)
{
    g_autofree char *headline = NULL;

    return record_thumbnail(run, error) && mt_case_run_record_prediction(run, &headline, error) &&
           mt_store_publish(run->store, headline, error);
}

bool mt_case_stage_enter(mt_case_run *run, const char *stage, mt_progress progress, void *user, GError **error)
{
    run->timings->stage = stage;
    if (progress == NULL || progress(user, 0, 0))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_STOPPED, "stopped before stage '%s': run again to resume", stage);
    return false;
}

/* Before hours of encoding, not after. */
static bool check_room(const mt_case_run *run, const char *target, GError **error)
{
    g_autofree char *what = g_strdup_printf("the features of %" G_GINT64_FORMAT " tiles", run->n);

    return run->p->boxes != NULL ||
           mt_publish_check_room(target, what, run->n * mt_encoder_dim(run->p->encoder) * (int64_t)sizeof(float), error);
}

bool mt_case_stage_create(mt_case_run *run, const char *target, GError **error)
{
    const mt_fence fence = {.folder = run->job->claims, .id = run->job->id, .run = run->job->run, .epoch = run->job->epoch};

    run->store = mt_store_create_fenced(target, &fence, error);
    return run->store != NULL && mt_case_run_record_case(run, error);
}

static bool run_stages(mt_case_run *run, const char *target, mt_progress progress, void *user, GError **error)
{
    gint64 start = g_get_monotonic_time();

    if (!mt_case_stage_enter(run, "open", progress, user, error) || !open_case(run, error))
        return false;
    run->timings->open_s = mt_case_stage_lap(&start);
    if (!mt_case_stage_enter(run, "mask", progress, user, error) || !find_tiles(run, error))
        return false;
    run->timings->mask_s = mt_case_stage_lap(&start);
    if (!mt_case_stage_enter(run, "read", progress, user, error) || !read_overview(run, error))
        return false;
    if (!mt_case_stage_enter(run, "encode", progress, user, error))
        return false;
    if (!check_room(run, target, error))
        return false;
    if (!mt_case_stage_create(run, target, error))
        return false;
    if (run->p->dense == NULL)
        mt_mask_drop_raster(run->tiles.mask); /* so that memory does not follow the size of the slide */
    if (!encode(run, progress, user, error))
        return false;
    mt_case_stage_lap(&start);
    if (!mt_case_stage_enter(run, "score", progress, user, error) || !score(run, progress, user, error))
        return false;
    run->timings->head_s = mt_case_stage_lap(&start);
    if (!mt_case_stage_enter(run, "publish", progress, user, error) || !mt_case_stage_publish(run, error))
        return false;
    run->timings->publish_s = mt_case_stage_lap(&start);
    return true;
}

bool mt_pipeline_run(mt_pipeline *p, const mt_job *job, const char *target, mt_progress progress, void *user, mt_timings *timings,
                     GError **error)
{
    mt_timings  unwanted = {0};
    mt_case_run run = {.p = p, .job = job, .key_plane = -1, .timings = timings != NULL ? timings : &unwanted};
    gint64      start = g_get_monotonic_time();
    run.invalid = mt_invalid_tiles_new();
    omp_set_num_threads(mt_case_stage_threads(&run)); /* the mask's loops use the calling thread's team */
    run.timings->stage = "open";
    bool ok =
        p->encoder == NULL ? mt_dense_run_stages(&run, target, progress, user, error) : run_stages(&run, target, progress, user, error);

    run.timings->total_s = mt_case_stage_lap(&start);
    if (run.tiles.c != NULL)
        mt_case_get_counts(run.tiles.c, &run.timings->reading);
    g_clear_pointer(&run.store, mt_store_free); /* an unpublished one removes its temporary */
    g_clear_pointer(&run.output, mt_head_output_free);
    g_clear_pointer(&run.boxes, g_array_unref);
    mt_findings_clear(&run.findings);
    mt_free(run.stage_map);
    mt_case_tiles_clear(&run.tiles);
    mt_tensor_unref(run.thumbnail);
    mt_free(run.valid);
    mt_invalid_tiles_free(run.invalid);
    g_free(run.identity);
    return ok;
}

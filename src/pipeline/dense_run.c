/* One case of a dense task, stage by stage: read whole (a slide part by part), windows of the network over it, the map, what it says. */
#include "src/base/alloc.h"
#include "src/base/publish.h"
#include "src/case/sequence_files.h"
#include "src/case/volume_read.h"
#include "src/case/volume_sequences.h"
#include "src/encoder/box_model.h"
#include "src/pipeline/case_stages.h"
#include "src/pipeline/dense_load.h"
#include "src/pipeline/detect_case.h"
#include "src/pipeline/detect_windows.h"
#include "src/pipeline/key_plane.h"
#include "src/pipeline/label_findings.h"
#include "src/pipeline/reconstruct_case.h"
#include "src/pipeline/segment_slide.h"
#include "src/store/schema.h"
#include "tiling/dense_frame.h"
#include "tiling/sliding.h"

#include <math.h>
#include <string.h>

typedef struct dense_run {
    mt_case_run    *run;
    GPtrArray      *sequences; /* mt_case *, of the recipe's sequences; the first is run->tiles.c */
    mt_dense_frame  frame;
    mt_volume      *volume; /* as the network wants it */
    mt_label_slabs *slabs;
    mt_case_map     map;
    mt_findings     findings;
    mt_error_slabs  errors; /* of task=reconstruct */
    double          mean_error;
    float          *error_map; /* of each voxel of the planes */
} dense_run;

static dense_run of_case(mt_case_run *run)
{
    const mt_pipeline *p = run->p;

    return (dense_run){.run = run, .map.card = p->box_model != NULL ? mt_box_model_card(p->box_model) : mt_dense_get_card(p->dense)};
}

/* Every sequence is a case of its own; what is said of the exam is said on the grid of the first. */
static bool open_sequences(dense_run *d, GError **error)
{
    const mt_recipe *recipe = d->run->p->recipe;
    g_autoptr(GError) reason = NULL;

    d->sequences = mt_pipeline_open_roles(recipe, d->run->job, &reason);
    if (reason != NULL) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return false;
    }
    if (d->sequences != NULL) {
        d->run->tiles.c = g_ptr_array_steal_index(d->sequences, 0);
        return true;
    }
    g_auto(GStrv) paths = mt_sequence_files(d->run->job->path, (const char *const *)recipe->sequences, error);

    d->sequences = g_ptr_array_new_with_free_func((GDestroyNotify)mt_case_free);
    for (char **path = paths; path != NULL && *path != NULL; path++) {
        mt_job job = *d->run->job;
        job.path = *path;
        mt_case *c = mt_pipeline_open_case(recipe, &job, error);
        if (c == NULL)
            return false;
        if (path == paths)
            d->run->tiles.c = c;
        else
            g_ptr_array_add(d->sequences, c);
    }
    return paths != NULL;
}

static bool open_pixels(dense_run *d, GError **error)
{
    const mt_recipe *recipe = d->run->p->recipe;

    if (recipe->sequences != NULL)
        return open_sequences(d, error);
    d->run->tiles.c = mt_pipeline_open_case(recipe, d->run->job, error);
    return d->run->tiles.c != NULL;
}

static bool open_case(dense_run *d, GError **error)
{
    mt_case_run       *run = d->run;
    const mt_pipeline *p = run->p;

    run->identity = mt_case_identity(run->job->path, error);
    run->tiles.off_contract = p->contract.off;
    if (run->identity == NULL || !mt_case_tiles_check_prepared(d->map.card->requires, p->recipe, run->job, error) || !open_pixels(d, error))
        return false;
    d->map.slide = mt_case_get_kind(run->tiles.c) == MT_CASE_SLIDE;
    if (!d->map.slide || (p->dense != NULL && p->recipe->task == MT_RECIPE_SEGMENT))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: task=%s takes pictures and volumes whole, and this is a slide", run->job->path,
                mt_recipe_task_name(p->recipe->task));
    return false;
}

static bool find_foreground(mt_case_run *run, GError **error)
{
    run->tiles.mask = mt_masker_run(run->p->masker, run->tiles.c, run->job->id, error);
    if (run->tiles.mask == NULL)
        return false;
    run->tissue_mm2 = mt_mask_area_mm2(run->tiles.mask);
    return mt_case_stage_overview(run, error);
}

/* The network's wish before hours of reading. */
static bool check_channels(const dense_run *d, GError **error)
{
    const mt_dense_card *card = d->map.card;
    mt_case             *c = d->run->tiles.c;
    int                  sequences = d->sequences != NULL ? (int)d->sequences->len + 1 : 0;
    int                  channels = sequences > 0 ? sequences : mt_case_channels(c);

    if (channels == card->n_channels)
        return true;
    g_autofree char *names = g_strjoinv(", ", card->channels);
    g_set_error(
        error, MT_ERROR, MT_ERROR_INPUT, "prepare %s: network '%s' wants %d channel%s (%s), the %s %d%s", d->run->job->path, card->name,
        card->n_channels, card->n_channels == 1 ? "" : "s", names, sequences > 0 ? "recipe names" : "case has", channels,
        sequences == 0 && card->n_channels > 1 && channels == 1 ? ": [input] sequences of a recipe names the files of a folder" : "");
    return false;
}

static mt_registering registering(const mt_recipe *recipe)
{
    if (g_strcmp0(recipe->registering, "header") == 0)
        return MT_REGISTER_HEADER;
    return g_strcmp0(recipe->registering, "stated") == 0 ? MT_REGISTER_STATED : MT_REGISTER_NONE;
}

static mt_volume *read_whole(dense_run *d, int threads, GError **error)
{
    const mt_recipe *recipe = d->run->p->recipe;
    mt_case         *cases[MT_DENSE_MAX_CHANNELS] = {d->run->tiles.c};

    if (d->sequences == NULL)
        return mt_volume_read(d->run->tiles.c, d->map.card->order, recipe->memory_bytes, threads, error);
    for (guint i = 0; i < d->sequences->len; i++)
        cases[i + 1] = d->sequences->pdata[i];
    return mt_volume_read_sequences(cases, (const char *const *)recipe->sequences, (int)d->sequences->len + 1, d->map.card->order,
                                    registering(recipe), recipe->memory_bytes, threads, error);
}

static bool read_volume(dense_run *d, GError **error)
{
    mt_case           *c = d->run->tiles.c;
    const mt_level    *level = mt_case_level(c, 0);
    mt_intensity_facts facts = mt_intensity_facts_of(c);
    int                threads = mt_case_stage_threads(d->run);

    if (d->map.slide)
        return true;
    d->map.size[0] = level->width;
    d->map.size[1] = level->height;
    d->map.size[2] = mt_case_planes(c);
    if (!check_channels(d, error))
        return false;
    mt_volume *whole = read_whole(d, threads, error);
    d->volume = whole != NULL ? mt_dense_frame_bring(&d->frame, d->map.card, whole, &facts, threads, error) : NULL;
    if (whole != NULL && d->volume == NULL && error != NULL && g_error_matches(*error, MT_ERROR, MT_ERROR_SPACING))
        g_prefix_error(error, "prepare %s (its spacing: %s; --slide-mpp or a manifest column mpp gives one): ", mt_case_path(c),
                       mt_case_mpp_source(c));
    return d->volume != NULL;
}

static bool reconstructs(const dense_run *d)
{
    return d->run->p->recipe->task == MT_RECIPE_RECONSTRUCT;
}

static bool slide_into(dense_run *d, mt_sliding_sink sink, void *sink_user, mt_progress progress, void *user, GError **error)
{
    const mt_pipeline *p = d->run->p;
    bool               verified = p->encoder == NULL || mt_dense_is_verified(p->dense, p->contract.precision);
    mt_sliding_params  params = {.precision = verified ? p->contract.precision : MT_PRECISION_FP32,
                                 .threads = mt_case_stage_threads(d->run),
                                 .mirror = !reconstructs(d),
                                 .limit_bytes = d->run->p->recipe->memory_bytes,
                                 .progress = progress,
                                 .progress_user = user,
                                 .sink = sink,
                                 .sink_user = sink_user};

    int64_t windows;

    if (!mt_sliding_windows(d->run->p->dense, d->volume->size, &params, &windows, error))
        return false;
    if (d->run->p->encoder == NULL)
        d->run->n = d->run->n_valid = windows;
    return mt_sliding_run(d->run->p->dense, d->volume, &params, error);
}

static bool slide_over_slide(dense_run *d, mt_progress progress, void *user, GError **error)
{
    return mt_segment_slide(d->run, mt_positive_channel(d->run->p), &d->map, progress, user, error);
}

static bool slide(dense_run *d, mt_progress progress, void *user, GError **error)
{
    if (d->map.slide)
        return slide_over_slide(d, progress, user, error);
    if (d->run->p->box_model != NULL)
        return mt_detect_windows(d->run, &d->frame, d->volume, progress, user, error);
    if (reconstructs(d)) {
        d->errors = (mt_error_slabs){d->volume, mt_alloc(mt_volume_voxels(d->volume), sizeof(float), error)};
        return d->errors.errors != NULL && slide_into(d, mt_error_slabs_take, &d->errors, progress, user, error);
    }
    mt_label_slabs_params slabs = mt_dense_frame_back(&d->frame, d->map.card, mt_positive_channel(d->run->p));
    d->slabs = mt_label_slabs_new(&slabs, error);
    return d->slabs != NULL && slide_into(d, mt_label_slabs_take, d->slabs, progress, user, error);
}

/* The map in the order of the case's planes, in which everything else is said. */
static bool turn_maps(dense_run *d, GError **error)
{
    uint8_t *labels = mt_label_slabs_steal_labels(d->slabs);
    float   *probability = mt_label_slabs_steal_map(d->slabs);
    bool     ok = (d->map.labels = mt_alloc(mt_case_map_voxels(&d->map), 1, error)) != NULL &&
              (probability == NULL || (d->map.probability = mt_alloc(mt_case_map_voxels(&d->map), sizeof(float), error)) != NULL);

    if (ok)
        mt_volume_turn_labels(d->run->tiles.c, d->map.card->order, MT_VOLUME_PLANES, labels, d->map.labels);
    if (ok && probability != NULL)
        mt_volume_turn_values(d->run->tiles.c, d->map.card->order, MT_VOLUME_PLANES, probability, d->map.probability);
    mt_free(labels);
    mt_free(probability);
    return ok;
}

/* The score is the share of normal cases that were drawn better. */
static bool score_errors(dense_run *d, GError **error)
{
    mt_case_run *run = d->run;
    float       *read = mt_alloc(mt_case_map_voxels(&d->map), sizeof *read, error);
    bool         ok = read != NULL && (d->error_map = mt_alloc(mt_case_map_voxels(&d->map), sizeof *read, error)) != NULL &&
              mt_errors_back(&d->frame, d->map.card, d->errors.errors, mt_case_stage_threads(run), read, error);

    if (ok)
        mt_volume_turn_values(run->tiles.c, d->map.card->order, MT_VOLUME_PLANES, read, d->error_map);
    mt_free(read);
    d->mean_error = mt_error_mean(&d->errors);
    if (ok)
        run->key_plane = mt_key_plane_of_values(d->error_map, d->map.size);
    if (!ok || run->p->normal == NULL)
        return ok;
    run->output = mt_score_output(mt_normal_errors_rank(run->p->normal, d->mean_error), error);
    return run->output != NULL;
}

static bool record_errors(dense_run *d, GError **error)
{
    return mt_case_map_store(d->run->store, MT_OBJECT_ERROR_MAP, MT_F32, d->map.size, d->error_map, error) &&
           mt_store_attr_double(d->run->store, MT_OBJECT_ERROR_MAP, "mean", &d->mean_error, 1, error);
}

static bool find_and_score(dense_run *d, GError **error)
{
    if (reconstructs(d))
        return score_errors(d, error);
    g_clear_pointer(&d->volume, mt_volume_free);
    if (d->run->p->box_model != NULL)
        return mt_detect_finish(d->run, error);
    if ((!d->map.slide && !turn_maps(d, error)) || !mt_label_findings_run(d->run, &d->map, &d->findings, error))
        return false;
    int channel = mt_positive_channel(d->run->p);
    d->run->key_plane = mt_key_plane_of_map(&d->map, d->map.card->members[channel >= 0 ? channel : d->run->p->rules->channels[0]]);
    d->run->output = mt_findings_output(&d->findings, d->run->p->rules, error);
    return d->run->output != NULL;
}

static bool record_task(dense_run *d, GError **error)
{
    if (d->run->p->box_model != NULL)
        return mt_detect_store(d->run, error);
    return reconstructs(d) ? record_errors(d, error) : mt_label_findings_store(d->run, &d->map, &d->findings, error);
}

static bool check_room(const dense_run *d, const char *target, GError **error)
{
    return mt_publish_check_room(target, "the maps",
                                 mt_case_map_voxels(&d->map) * (1 + (d->map.probability != NULL ? (int64_t)sizeof(float) : 0)), error);
}

static bool run_stages(dense_run *d, const char *target, mt_progress progress, void *user, GError **error)
{
    mt_case_run *run = d->run;
    gint64       start = g_get_monotonic_time();

    if (!mt_case_stage_enter(run, "open", progress, user, error) || !open_case(d, error))
        return false;
    run->timings->open_s = mt_case_stage_lap(&start);
    if (!mt_case_stage_enter(run, "mask", progress, user, error) || !find_foreground(run, error))
        return false;
    run->timings->mask_s = mt_case_stage_lap(&start);
    if (!mt_case_stage_enter(run, "read", progress, user, error) || !read_volume(d, error))
        return false;
    run->timings->decode_s = mt_case_stage_lap(&start);
    if (!mt_case_stage_enter(run, "encode", progress, user, error) || !slide(d, progress, user, error))
        return false;
    run->timings->tiles = run->n;
    run->timings->tiles_s = run->timings->encode_s = mt_case_stage_lap(&start);
    if (!mt_case_stage_enter(run, "score", progress, user, error) || !find_and_score(d, error))
        return false;
    g_clear_pointer(&d->volume, mt_volume_free);
    run->timings->head_s = mt_case_stage_lap(&start);
    if (!mt_case_stage_enter(run, "publish", progress, user, error) || !check_room(d, target, error) ||
        !mt_case_stage_create(run, target, error) || !record_task(d, error) || !mt_case_stage_publish(run, error))
        return false;
    run->timings->publish_s = mt_case_stage_lap(&start);
    return true;
}

static void clear(dense_run *d)
{
    mt_findings_clear(&d->findings);
    g_clear_pointer(&d->slabs, mt_label_slabs_free);
    g_clear_pointer(&d->volume, mt_volume_free);
    g_clear_pointer(&d->sequences, g_ptr_array_unref);
    mt_case_map_clear(&d->map);
    mt_free(d->errors.errors);
    mt_free(d->error_map);
}

/* The classifier's score of its positive label against its threshold; "" where the stage runs. */
static char *why_not(const mt_case_run *run)
{
    const mt_head_card   *card = &run->p->head_card;
    const mt_head_output *output = run->output;

    for (int i = 0; card->positive != NULL && isfinite(card->threshold) && card->labels != NULL && i < output->n_classes; i++)
        if (strcmp(card->labels[i], card->positive) == 0 && (double)output->scores[i] < card->threshold)
            return g_strdup_printf("not run: %s %.4g is below %.4g", card->positive, (double)output->scores[i], card->threshold);
    return g_strdup("run");
}

static bool segment_case(dense_run *d, mt_progress progress, void *user, GError **error)
{
    mt_case_run *run = d->run;

    if (mt_case_get_kind(run->tiles.c) == MT_CASE_SLIDE) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "read %s: [stage.2] task=segment takes pictures and volumes whole, and this is a slide", run->job->path);
        return false;
    }
    if (!read_volume(d, error) || !slide(d, progress, user, error))
        return false;
    g_clear_pointer(&d->volume, mt_volume_free);
    return turn_maps(d, error) && mt_label_findings_run(run, &d->map, &d->findings, error) &&
           mt_label_findings_store(run, &d->map, &d->findings, error);
}

bool mt_dense_run_case_stage(mt_case_run *run, mt_progress progress, void *user, GError **error)
{
    g_autofree char *what = why_not(run);
    dense_run        d = of_case(run);
    bool             ok = strcmp(what, "run") != 0 || segment_case(&d, progress, user, error);

    clear(&d);
    return ok && mt_store_write_string(run->store, MT_OBJECT_STAGE2, what, error);
}

bool mt_dense_run_stages(mt_case_run *run, const char *target, mt_progress progress, void *user, GError **error)
{
    dense_run d = of_case(run);
    bool      ok = run_stages(&d, target, progress, user, error);

    clear(&d);
    return ok;
}

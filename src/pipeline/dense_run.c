/* One case of a dense task: read whole, a map of it, the objects in the map, what is measured on them. */
#include "src/base/alloc.h"
#include "src/base/publish.h"
#include "src/case/volume_read.h"
#include "src/pipeline/case_stages.h"
#include "src/pipeline/dense_load.h"
#include "src/store/schema.h"
#include "tiling/dense_frame.h"
#include "tiling/sliding.h"

#include <string.h>

/* Parts of fewer voxels are the network's noise. */
#define MIN_OBJECT_VOXELS 3

typedef struct dense_run {
    mt_case_run     *run;
    mt_dense_frame   frame;
    mt_volume       *volume; /* as the network wants it */
    mt_label_slabs  *slabs;
    int64_t          size[3]; /* of the case's planes */
    int64_t          voxels;
    uint8_t         *labels;      /* of each voxel of the planes */
    float           *probability; /* of the positive label, likewise; NULL: there is none */
    mt_label_counts *counts;      /* of each label of the rules */
    mt_findings      findings;
} dense_run;

static const mt_dense_card *card_of(const dense_run *d)
{
    return mt_dense_get_card(d->run->p->dense);
}

static bool open_case(mt_case_run *run, GError **error)
{
    const mt_pipeline *p = run->p;

    run->identity = mt_case_identity(run->job->path, error);
    run->tiles.off_contract = p->contract.off;
    if (run->identity == NULL || (run->tiles.c = mt_pipeline_open_case(p->recipe, run->job, error)) == NULL)
        return false;
    if (mt_case_get_kind(run->tiles.c) != MT_CASE_SLIDE)
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
    const mt_dense_card *card = card_of(d);
    mt_case             *c = d->run->tiles.c;

    if (mt_case_channels(c) == card->n_channels)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "prepare %s: network '%s' wants %d channel%s, the case has %d", mt_case_path(c),
                card->name, card->n_channels, card->n_channels == 1 ? "" : "s", mt_case_channels(c));
    return false;
}

static bool read_volume(dense_run *d, GError **error)
{
    const mt_pipeline *p = d->run->p;
    mt_case           *c = d->run->tiles.c;
    const mt_level    *level = mt_case_level(c, 0);
    mt_intensity_facts facts = mt_intensity_facts_of(c);
    int                threads = mt_case_stage_threads(d->run);

    d->size[0] = level->width;
    d->size[1] = level->height;
    d->size[2] = mt_case_planes(c);
    d->voxels = d->size[0] * d->size[1] * d->size[2];
    if (!check_channels(d, error))
        return false;
    mt_volume *whole = mt_volume_read(c, card_of(d)->order, p->recipe->memory_bytes, threads, error);
    d->volume = whole != NULL ? mt_dense_frame_bring(&d->frame, card_of(d), whole, &facts, threads, error) : NULL;
    if (whole != NULL && d->volume == NULL && error != NULL && g_error_matches(*error, MT_ERROR, MT_ERROR_SPACING))
        g_prefix_error(error, "prepare %s (its spacing: %s; --slide-mpp or a manifest column mpp gives one): ", mt_case_path(c),
                       mt_case_mpp_source(c));
    return d->volume != NULL;
}

/* The output's channel that decides; -1: none. */
static int positive_channel(const mt_pipeline *p)
{
    for (int i = 0; p->head_card.positive != NULL && i < p->rules->n; i++)
        if (strcmp(p->rules->labels[i], p->head_card.positive) == 0)
            return p->rules->channels[i];
    return -1;
}

static bool slide(dense_run *d, mt_progress progress, void *user, GError **error)
{
    mt_label_slabs_params slabs = mt_dense_frame_back(&d->frame, card_of(d), positive_channel(d->run->p));
    mt_sliding_params     params = {.precision = d->run->p->contract.precision,
                                    .threads = mt_case_stage_threads(d->run),
                                    .mirror = true,
                                    .limit_bytes = d->run->p->recipe->memory_bytes,
                                    .progress = progress,
                                    .progress_user = user,
                                    .sink = mt_label_slabs_take};

    d->slabs = mt_label_slabs_new(&slabs, error);
    if (d->slabs == NULL || !mt_sliding_windows(d->run->p->dense, d->volume->size, &params, &d->run->n, error))
        return false;
    params.sink_user = d->slabs;
    d->run->n_valid = d->run->n;
    return mt_sliding_run(d->run->p->dense, d->volume, &params, error);
}

/* The map in the order of the case's planes, in which everything else is said. */
static bool turn_maps(dense_run *d, GError **error)
{
    uint8_t *labels = mt_label_slabs_steal_labels(d->slabs);
    float   *probability = mt_label_slabs_steal_map(d->slabs);
    bool     ok = (d->labels = mt_alloc(d->voxels, 1, error)) != NULL &&
              (probability == NULL || (d->probability = mt_alloc(d->voxels, sizeof(float), error)) != NULL);

    if (ok)
        mt_volume_turn_labels(d->run->tiles.c, card_of(d)->order, MT_VOLUME_PLANES, labels, d->labels);
    if (ok && probability != NULL)
        mt_volume_turn_values(d->run->tiles.c, card_of(d)->order, MT_VOLUME_PLANES, probability, d->probability);
    mt_free(labels);
    mt_free(probability);
    return ok;
}

static const uint8_t *members_of(const dense_run *d, int label)
{
    return card_of(d)->members[d->run->p->rules->channels[label]];
}

static bool has(const uint8_t members[32], uint8_t value)
{
    return members[value / 8] >> (value % 8) & 1;
}

static void count_labels(dense_run *d)
{
    const mt_finding_rules *rules = d->run->p->rules;
    int64_t                 histogram[256] = {0};
    int                     positive = positive_channel(d->run->p);

    d->counts = g_new0(mt_label_counts, rules->n);
    for (int64_t i = 0; i < d->voxels; i++)
        histogram[d->labels[i]]++;
    for (int k = 0; k < rules->n; k++) {
        mt_label_counts *count = &d->counts[k];
        bool             known = d->probability != NULL && rules->channels[k] == positive;
        for (int v = 0; v < 256; v++)
            count->voxels += has(members_of(d, k), (uint8_t)v) ? histogram[v] : 0;
        count->sure = count->possible = known ? 0 : -1;
        for (int64_t i = 0; known && i < d->voxels; i++) {
            count->sure += d->probability[i] >= 0.75f;
            count->possible += d->probability[i] >= 0.25f;
        }
    }
}

static bool find_objects(dense_run *d, GError **error)
{
    const mt_finding_rules *rules = d->run->p->rules;
    int                     positive = positive_channel(d->run->p);
    double                  affine[16];
    mt_objects_frame        frame = mt_finding_frame(d->run->tiles.c, affine);

    d->findings.objects = mt_objects_new(&frame, rules->labels);
    for (int k = 0; k < rules->n; k++)
        if (!mt_objects_add_labels(d->findings.objects, k, d->labels, members_of(d, k),
                                   rules->channels[k] == positive ? d->probability : NULL, MIN_OBJECT_VOXELS, error))
            return false;
    count_labels(d);
    return true;
}

/* Of a picture: pixels of the mask, as far as its own resolution tells; of a volume there is no mask of all planes. */
static double mask_voxels(const dense_run *d)
{
    return d->size[2] == 1 ? mt_mask_share(d->run->tiles.mask, 0, 0, (double)d->size[0], (double)d->size[1]) * (double)d->voxels : 0;
}

static void measure(dense_run *d)
{
    const mt_measure_facts facts = {.objects = d->findings.objects, .counts = d->counts, .mask_voxels = mask_voxels(d)};

    mt_findings_measure(&d->findings, d->run->p->rules, &facts, d->run->p->language);
}

static bool write_map(const dense_run *d, const char *object, mt_dtype dtype, void *values, GError **error)
{
    int64_t shape[] = {d->size[2], d->size[1], d->size[0]};
    g_autoptr(mt_tensor) map = mt_tensor_new_view(dtype, 3, shape, values, NULL);

    return mt_store_write_packed(d->run->store, object, map, error);
}

/* What a value of the map means: "1=nodule", a label each; of regions the values that belong to it. */
static bool name_values(const dense_run *d, GError **error)
{
    const mt_finding_rules *rules = d->run->p->rules;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    for (int k = 0; k < rules->n; k++) {
        g_autoptr(GString) name = g_string_new(NULL);
        for (int v = 1; v < 256; v++)
            if (has(members_of(d, k), (uint8_t)v))
                g_string_append_printf(name, "%s%d", name->len > 0 ? "," : "", v);
        g_string_append_printf(name, "=%s", rules->labels[k]);
        g_ptr_array_add(names, g_string_free(g_steal_pointer(&name), FALSE));
    }
    g_ptr_array_add(names, NULL);
    return mt_store_attr_strings(d->run->store, MT_OBJECT_SEGMENTATION, MT_ATTR_LABELS, (const char *const *)names->pdata, error);
}

static bool record(dense_run *d, GError **error)
{
    mt_store *store = d->run->store;

    return write_map(d, MT_OBJECT_SEGMENTATION, MT_U8, d->labels, error) && name_values(d, error) &&
           (d->probability == NULL || write_map(d, MT_OBJECT_PROBABILITY, MT_F32, d->probability, error)) &&
           mt_findings_store(&d->findings, store, error);
}

static bool check_room(const dense_run *d, const char *target, GError **error)
{
    return mt_publish_check_room(target, "the maps", d->voxels * (d->probability != NULL ? 2 : 1), error);
}

static bool run_stages(dense_run *d, const char *target, mt_progress progress, void *user, GError **error)
{
    mt_case_run *run = d->run;
    gint64       start = g_get_monotonic_time();

    if (!mt_case_stage_enter(run, "open", progress, user, error) || !open_case(run, error))
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
    g_clear_pointer(&d->volume, mt_volume_free);
    run->timings->tiles = run->n;
    run->timings->tiles_s = run->timings->encode_s = mt_case_stage_lap(&start);
    if (!mt_case_stage_enter(run, "score", progress, user, error) || !turn_maps(d, error) || !find_objects(d, error))
        return false;
    measure(d);
    if ((run->output = mt_findings_output(&d->findings, run->p->rules, error)) == NULL)
        return false;
    run->timings->head_s = mt_case_stage_lap(&start);
    if (!mt_case_stage_enter(run, "publish", progress, user, error) || !check_room(d, target, error) ||
        !mt_case_stage_create(run, target, error) || !record(d, error) || !mt_case_stage_publish(run, error))
        return false;
    run->timings->publish_s = mt_case_stage_lap(&start);
    return true;
}

bool mt_dense_run_stages(mt_case_run *run, const char *target, mt_progress progress, void *user, GError **error)
{
    dense_run d = {.run = run};
    bool      ok = run_stages(&d, target, progress, user, error);

    mt_findings_clear(&d.findings);
    g_clear_pointer(&d.slabs, mt_label_slabs_free);
    g_clear_pointer(&d.volume, mt_volume_free);
    mt_free(d.labels);
    mt_free(d.probability);
    g_free(d.counts);
    return ok;
}

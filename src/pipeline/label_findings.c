/* What a label map of a case says: the objects in it, the stages over them, what is measured. */
#include "src/pipeline/label_findings.h"
#include "src/pipeline/invalid_tiles.h"
#include "src/pipeline/object_stages.h"
#include "src/result/object_places.h"
#include "src/store/schema.h"

#include <string.h>

/* Parts of fewer voxels are the network's noise. */
#define MIN_OBJECT_VOXELS 3

typedef struct label_findings {
    mt_case_run     *run;
    mt_case_map     *map;
    mt_findings     *found;
    mt_label_counts *counts; /* of each label of the rules */
} label_findings;

int mt_positive_channel(const mt_pipeline *p)
{
    for (int i = 0; p->head_card.positive != NULL && i < p->rules->n; i++)
        if (strcmp(p->rules->labels[i], p->head_card.positive) == 0)
            return p->rules->channels[i];
    return -1;
}

static const uint8_t *members_of(const label_findings *f, int label)
{
    return f->map->card->members[f->run->p->rules->channels[label]];
}

static bool has(const uint8_t members[32], uint8_t value)
{
    return members[value / 8] >> (value % 8) & 1;
}

static void count_labels(label_findings *f)
{
    const mt_finding_rules *rules = f->run->p->rules;
    int64_t                 histogram[256] = {0};
    int                     positive = mt_positive_channel(f->run->p);

    f->counts = g_new0(mt_label_counts, rules->n);
    for (int64_t i = 0; i < mt_case_map_voxels(f->map); i++)
        histogram[f->map->labels[i]]++;
    for (int k = 0; k < rules->n; k++) {
        mt_label_counts *count = &f->counts[k];
        bool             known = f->map->probability != NULL && rules->channels[k] == positive;
        for (int v = 0; v < 256; v++)
            count->voxels += has(members_of(f, k), (uint8_t)v) ? histogram[v] : 0;
        count->sure = count->possible = known ? 0 : -1;
        for (int64_t i = 0; known && i < mt_case_map_voxels(f->map); i++) {
            count->sure += f->map->probability[i] >= 0.75f;
            count->possible += f->map->probability[i] >= 0.25f;
        }
    }
}

/* By lobes and organs that the map shows. */
static void place_objects(label_findings *f)
{
    const mt_finding_rules     *rules = f->run->p->rules;
    char                      **wanted = f->run->p->recipe->places;
    g_autofree mt_object_place *places = g_new0(mt_object_place, rules->n + 1);
    int                         n = 0;

    for (int k = 0; wanted != NULL && k < rules->n; k++) {
        if (!g_strv_contains((const char *const *)wanted, rules->labels[k]))
            continue;
        places[n].label = k;
        memcpy(places[n++].members, members_of(f, k), sizeof places->members);
    }
    mt_objects_place(f->found->objects, f->map->labels, places, n);
}

/* Only the positive label's probability is kept. */
static const float *probability_of(const label_findings *f, int label)
{
    return f->run->p->rules->channels[label] == mt_positive_channel(f->run->p) ? f->map->probability : NULL;
}

/* Several regions share voxels: a part of one may be a whole of another, and they stay as they are. */
static bool clean_map(label_findings *f, GError **error)
{
    const mt_recipe *r = f->run->p->recipe;
    bool             ok = true;

    if ((f->map->card->regions && f->map->card->n_labels > 1) || (r->min_mm <= 0 && r->min_score <= 0))
        return true;
    for (int k = 0; ok && k < f->run->p->rules->n; k++)
        ok =
            mt_objects_clean_map(f->found->objects, f->map->labels, members_of(f, k), probability_of(f, k), r->min_mm, r->min_score, error);
    return ok;
}

/* Objects of a slide are looked for in the map's px. */
static void frame_of_map(const label_findings *f, mt_objects_frame *frame)
{
    for (int a = 0; a < 2; a++) {
        frame->size[a] = f->map->size[a];
        frame->spacing_mm[a] *= f->map->px[a];
    }
    frame->affine = NULL;
}

static bool find_objects(label_findings *f, GError **error)
{
    const mt_finding_rules *rules = f->run->p->rules;
    double                  affine[16];
    mt_objects_frame        frame = mt_finding_frame(f->run->tiles.c, affine);
    mt_objects_frame        whole = frame;

    if (f->map->slide)
        frame_of_map(f, &frame);

    f->found->objects = mt_objects_new(&frame, rules->labels);
    if (!clean_map(f, error))
        return false;
    for (int k = 0; k < rules->n; k++)
        if (!mt_objects_add_labels(f->found->objects, k, f->map->labels, members_of(f, k), probability_of(f, k), MIN_OBJECT_VOXELS, error))
            return false;
    mt_objects_drop(f->found->objects, f->run->p->recipe->min_mm, f->run->p->recipe->min_score);
    place_objects(f);
    if (f->map->slide)
        mt_objects_rescale(f->found->objects, f->map->px, &whole);
    count_labels(f);
    return true;
}

/* Of a picture: pixels of the mask, as far as its own resolution tells; of a volume there is no mask of all planes. */
static double mask_voxels(const label_findings *f)
{
    const mt_level *level = mt_case_level(f->run->tiles.c, 0);

    return f->map->size[2] == 1
               ? mt_mask_share(f->run->tiles.mask, 0, 0, (double)level->width, (double)level->height) * (double)mt_case_map_voxels(f->map)
               : 0;
}

static void measure(label_findings *f)
{
    const mt_measure_facts facts = {.objects = f->found->objects, .counts = f->counts, .mask_voxels = mask_voxels(f)};

    mt_findings_measure(f->found, f->run->p->rules, &facts);
}

/* What a value of the map means: "1=nodule", a label each; of regions the values that belong to it. */
static bool name_values(const label_findings *f, GError **error)
{
    const mt_finding_rules *rules = f->run->p->rules;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    for (int k = 0; k < rules->n; k++) {
        g_autoptr(GString) name = g_string_new(NULL);
        for (int v = 1; v < 256; v++)
            if (has(members_of(f, k), (uint8_t)v))
                g_string_append_printf(name, "%s%d", name->len > 0 ? "," : "", v);
        g_string_append_printf(name, "=%s", rules->labels[k]);
        g_ptr_array_add(names, g_string_free(g_steal_pointer(&name), FALSE));
    }
    g_ptr_array_add(names, NULL);
    return mt_store_attr_strings(f->run->store, MT_OBJECT_SEGMENTATION, MT_ATTR_LABELS, (const char *const *)names->pdata, error);
}

bool mt_label_findings_run(mt_case_run *run, mt_case_map *map, mt_findings *found, GError **error)
{
    label_findings f = {run, map, found, NULL};
    bool           ok = find_objects(&f, error) && mt_object_stages_run(run, found->objects, error);

    if (ok)
        measure(&f);
    g_free(f.counts);
    return ok;
}

bool mt_label_findings_store(mt_case_run *run, mt_case_map *map, const mt_findings *found, GError **error)
{
    const label_findings f = {.run = run, .map = map};
    mt_store            *store = run->store;

    return (!map->slide || mt_invalid_tiles_store(run->invalid, store, error)) &&
           mt_case_map_store(store, MT_OBJECT_SEGMENTATION, MT_U8, map->size, map->labels, error) && name_values(&f, error) &&
           (map->probability == NULL || mt_case_map_store(store, MT_OBJECT_PROBABILITY, MT_F32, map->size, map->probability, error)) &&
           mt_findings_store(found, run->p->language, store, error);
}

#include "src/pipeline/object_stages.h"

#include "src/base/alloc.h"
#include "src/case/volume_crop.h"
#include "src/case/volume_read.h"
#include "src/case/volume_sample.h"
#include "src/pipeline/case_stages.h"

#include <math.h>
#include <string.h>

static bool check(const mt_recipe *recipe, int number, const mt_recipe_stage *stage, const mt_finding_rules *rules,
                  const mt_crop_model *model, GError **error)
{
    const mt_dense_card *card = mt_crop_model_card(model);
    const char          *source = recipe->path != NULL ? recipe->path : "the recipe";

    if (stage->labels != NULL && g_strv_length(stage->labels) != (guint)card->n_labels)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [stage.%d] names %u labels, its network has %d", source, number,
                    g_strv_length(stage->labels), card->n_labels);
    else if (stage->objects != NULL && !g_strv_contains((const char *const *)rules->labels, stage->objects))
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [stage.%d] objects=%s is none of the classes", source, number,
                    stage->objects);
    else if (stage->task != MT_RECIPE_CLASSIFY || recipe->sequences != NULL || card->n_channels != 1)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [stage.%d]: task=classify over cases of one channel is what a stage does",
                    source, number);
    else
        return true;
    return false;
}

GPtrArray *mt_object_stages_load(const mt_recipe *recipe, const mt_finding_rules *rules, int threads, GError **error)
{
    g_autoptr(GPtrArray) stages = g_ptr_array_new_with_free_func((GDestroyNotify)mt_crop_model_free);

    for (int i = 0; i < recipe->n_stages; i++) {
        mt_crop_model *model = mt_crop_model_load(recipe->stages[i].model, threads, error);
        if (model == NULL)
            return NULL;
        g_ptr_array_add(stages, model);
        if (!check(recipe, i + 2, &recipe->stages[i], rules, model, error))
            return NULL;
    }
    return g_steal_pointer(&stages);
}

/* The whole case in the network's order of axes and values. */
static mt_volume *read_case(mt_case_run *run, const mt_dense_card *card, GError **error)
{
    mt_intensity_facts  facts = mt_intensity_facts_of(run->tiles.c);
    mt_intensity_scheme scheme = card->scheme[0];
    int                 threads = mt_case_stage_threads(run);
    uint8_t            *mask = NULL;
    g_autoptr(mt_volume) v = NULL;

    if (!mt_intensity_scheme_fit(&scheme, &facts, error))
        return NULL;
    v = mt_volume_read(run->tiles.c, card->order, run->p->recipe->memory_bytes, threads, error);
    bool ok = v != NULL && (!mt_intensity_scheme_needs_mask(&scheme) || (mask = mt_volume_nonzero_mask(v, error)) != NULL) &&
              mt_intensity_scheme_apply(&scheme, v, 0, mask, threads, error);
    mt_free(mask);
    for (int64_t i = 0; ok && (card->mean[0] != 0 || card->std[0] != 1) && i < mt_volume_voxels(v); i++)
        v->data[i] = (v->data[i] - (float)card->mean[0]) / (float)card->std[0];
    return ok ? g_steal_pointer(&v) : NULL;
}

/* Voxels from one sample to the next: the stage's mm, else the card's, else the case's own. */
static bool find_step(const mt_case_run *run, const mt_recipe_stage *stage, const mt_dense_card *card, const mt_volume *v, double step[3],
                      GError **error)
{
    for (int d = 0; d < 3; d++) {
        double wanted = stage->crop_mm > 0 ? stage->crop_mm / (double)card->patch[d] : card->spacing_mm[d];
        step[d] = 1;
        if (wanted <= 0 || v->size[d] == 1)
            continue;
        if (v->spacing_mm[d] <= 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_SPACING,
                        "crop the objects of %s: its spacing is unknown (%s): give --slide-mpp or a manifest "
                        "column mpp",
                        run->job->path, mt_case_mpp_source(run->tiles.c));
            return false;
        }
        step[d] = wanted / v->spacing_mm[d];
    }
    return true;
}

/* From the case's planes to the order in which the volume was read. */
static void turn_point(const mt_case *c, mt_volume_order order, const double from[3], double to[3])
{
    mt_volume_turn turn = mt_volume_turn_between(c, MT_VOLUME_PLANES, order);
    int64_t        size[3];

    mt_volume_order_size(c, MT_VOLUME_PLANES, size);
    for (int d = 0; d < 3; d++)
        to[d] = turn.flip[d] ? (double)(size[turn.axis[d]] - 1) - from[turn.axis[d]] : from[turn.axis[d]];
}

static void tell(const mt_recipe_stage *stage, const mt_dense_card *card, int number, const float *scores, mt_object *object)
{
    char *const *labels = stage->labels != NULL ? stage->labels : card->labels;
    int          best = card->n_labels == 2 ? 1 : 0;

    for (int i = 1; card->n_labels > 2 && i < card->n_labels; i++)
        best = scores[i] > scores[best] ? i : best;
    g_free(object->finding);
    object->finding = g_strdup(labels[best]);
    object->finding_score = (double)scores[best];
    object->stage = number;
}

static bool run_stage(mt_case_run *run, int i, mt_objects *objects, GError **error)
{
    const mt_recipe_stage *stage = &run->p->recipe->stages[i];
    mt_crop_model         *model = run->p->stages->pdata[i];
    const mt_dense_card   *card = mt_crop_model_card(model);
    int64_t                voxels = card->patch[0] * card->patch[1] * card->patch[2];
    g_autoptr(mt_volume) v = read_case(run, card, error);
    double step[3];

    if (v == NULL || !find_step(run, stage, card, v, step, error))
        return false;
    float *crop = mt_alloc(voxels + card->n_labels, sizeof *crop, error), *scores = crop != NULL ? crop + voxels : NULL;
    bool   ok = crop != NULL;
    for (guint k = 0; ok && k < objects->list->len; k++) {
        mt_object *object = objects->list->pdata[k];
        double     centre[3];
        if (stage->objects != NULL && strcmp(objects->labels[object->label], stage->objects) != 0)
            continue;
        turn_point(run->tiles.c, card->order, object->centre, centre);
        mt_volume_sample(v, centre, step, card->patch, crop);
        ok = mt_crop_model_run(model, crop, scores, error);
        if (ok)
            tell(stage, card, i + 2, scores, object);
    }
    mt_free(crop);
    return ok;
}

bool mt_object_stages_run(mt_case_run *run, mt_objects *objects, GError **error)
{
    bool ok = true;

    for (guint i = 0; ok && run->p->stages != NULL && objects->list->len > 0 && i < run->p->stages->len; i++)
        ok = run_stage(run, (int)i, objects, error);
    return ok;
}

#include "src/pipeline/object_stages.h"

#include "src/base/alloc.h"
#include "src/base/hash.h"
#include "src/encoder/card_text.h"
#include "src/encoder/nnunet.h"
#include "src/pipeline/case_stages.h"
#include "src/pipeline/object_crop.h"
#include "src/pipeline/object_mask.h"

#include <math.h>
#include <string.h>

static void free_stage(gpointer data)
{
    mt_object_stage *stage = data;

    mt_crop_model_free(stage->what);
    mt_dense_unref(stage->where);
    g_free(stage);
}

const mt_dense_card *mt_object_stage_card(const mt_object_stage *stage)
{
    return stage->what != NULL ? mt_crop_model_card(stage->what) : mt_dense_get_card(stage->where);
}

static bool check(const mt_recipe *recipe, int number, const mt_recipe_stage *stage, const mt_finding_rules *rules,
                  const mt_dense_card *card, GError **error)
{
    const char *source = recipe->path != NULL ? recipe->path : "the recipe";

    if (stage->labels != NULL && g_strv_length(stage->labels) != (guint)card->n_labels)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [stage.%d] names %u labels, its network has %d", source, number,
                    g_strv_length(stage->labels), card->n_labels);
    else if (stage->objects != NULL && !g_strv_contains((const char *const *)rules->labels, stage->objects))
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [stage.%d] objects=%s is none of the classes", source, number,
                    stage->objects);
    else if (recipe->sequences != NULL || card->slices != 1)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [stage.%d]: a stage takes crops of one file, with slices=1", source, number);
    else
        return true;
    return false;
}

static bool load(mt_object_stage *stage, const mt_recipe_stage *of, int threads, GError **error)
{
    if (of->task == MT_RECIPE_CLASSIFY)
        stage->what = mt_crop_model_load(of->model, threads, error);
    else
        stage->where = mt_nnunet_is_folder(of->model) ? mt_nnunet_load(of->model, NULL, error) : mt_dense_load(of->model, error);
    return stage->what != NULL || stage->where != NULL;
}

GPtrArray *mt_object_stages_load(const mt_recipe *recipe, const mt_finding_rules *rules, int threads, GError **error)
{
    g_autoptr(GPtrArray) stages = g_ptr_array_new_with_free_func(free_stage);

    for (int i = 0; i < recipe->n_stages; i++) {
        mt_object_stage *stage = g_new0(mt_object_stage, 1);
        g_ptr_array_add(stages, stage);
        if (!load(stage, &recipe->stages[i], threads, error) ||
            !check(recipe, i + 2, &recipe->stages[i], rules, mt_object_stage_card(stage), error))
            return NULL;
    }
    return g_steal_pointer(&stages);
}

void mt_object_stages_text(const GPtrArray *stages, GString *text)
{
    for (guint i = 0; stages != NULL && i < stages->len; i++) {
        const mt_object_stage *stage = stages->pdata[i];
        g_autofree char       *card = mt_dense_card_text(mt_object_stage_card(stage));
        g_autofree char       *sha256 = mt_hash_bytes(card, strlen(card));

        if (stage->what != NULL)
            g_string_append_printf(text, "stage_%u_sha256=%s\n", i + 2, mt_crop_model_sha256(stage->what));
        for (int fold = 0; stage->where != NULL && fold < mt_dense_n_folds(stage->where); fold++)
            g_string_append_printf(text, "stage_%u_sha256_%d=%s\n", i + 2, fold, mt_model_sha256(mt_dense_model(stage->where, fold)));
        g_string_append_printf(text, "stage_%u_card_sha256=%s\n", i + 2, sha256);
    }
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

/* Logits of the labels to what belongs to any of them: the background's complement, or the most probable of findings. */
static void join_labels(const mt_dense_card *card, const float *logits, int64_t voxels, float *out)
{
    bool exclusive = card->activation == MT_DENSE_SOFTMAX && card->n_labels > 1;

    for (int64_t i = 0; i < voxels; i++) {
        double sum = 0, largest = -HUGE_VAL;
        for (int k = 0; k < card->n_labels; k++)
            largest = fmax(largest, (double)logits[k * voxels + i]);
        for (int k = 0; exclusive && k < card->n_labels; k++)
            sum += exp((double)logits[k * voxels + i] - largest);
        out[i] = exclusive                           ? (float)(1 - exp((double)logits[i] - largest) / sum)
                 : card->activation == MT_DENSE_NONE ? (float)largest
                                                     : (float)(1 / (1 + exp(-largest)));
    }
}

static bool wanted(const mt_recipe_stage *stage, const mt_objects *objects, const mt_object *object)
{
    return stage->objects == NULL || strcmp(objects->labels[object->label], stage->objects) == 0;
}

static bool classify(mt_case_run *run, int i, mt_objects *objects, GError **error)
{
    const mt_recipe_stage *stage = &run->p->recipe->stages[i];
    mt_crop_model         *model = ((mt_object_stage *)run->p->stages->pdata[i])->what;
    const mt_dense_card   *card = mt_crop_model_card(model);
    g_autofree float      *scores = g_new0(float, card->n_labels);
    g_auto(mt_object_crop) crop = {0};
    bool ok = mt_object_crop_begin(&crop, run, stage, card, error);

    for (guint k = 0; ok && k < objects->list->len; k++) {
        mt_object *object = objects->list->pdata[k];
        if (!wanted(stage, objects, object))
            continue;
        ok = mt_object_crop_take(&crop, object->centre, error) && mt_crop_model_run(model, crop.samples, scores, error);
        if (ok)
            tell(stage, card, i + 2, scores, object);
    }
    return ok;
}

#define MAX_PASSES 8 /* of a crop that follows its mask */

typedef struct segmenter {
    mt_dense_session *session;
    float            *logits; /* of each label, then what belongs to any */
} segmenter;

/* The map that the masks of boxes are drawn into: of pictures and volumes that have none of their own. */
static bool begin_map(mt_case_run *run, const mt_object_crop *crop, GError **error)
{
    if (crop->whole == NULL || run->p->boxes == NULL || run->stage_map != NULL)
        return true;
    run->stage_map = mt_alloc(crop->size[0] * crop->size[1] * crop->size[2], 1, error);
    return run->stage_map != NULL;
}

/* One object: again round its new middle, where the mask goes on beyond the crop. */
static bool outline(const segmenter *s, mt_object_crop *crop, mt_objects *objects, mt_object *object, uint8_t *map, GError **error)
{
    static const bool    upright[3] = {false, false, false};
    const mt_dense_card *card = crop->card;
    int64_t              voxels = card->patch[0] * card->patch[1] * card->patch[2];
    float               *probability = s->logits + voxels * card->n_labels;
    bool                 cut = true, ok = true;

    for (int pass = 0; ok && cut && pass < MAX_PASSES; pass++) {
        double from[3] = {object->centre[0], object->centre[1], object->centre[2]}, moved = 0;

        ok = mt_object_crop_take(crop, object->centre, error) && mt_dense_session_run(s->session, crop->samples, upright, s->logits, error);
        if (!ok)
            break;
        join_labels(card, s->logits, voxels, probability);
        ok = mt_object_mask_take(crop, probability, objects, object, map, &cut, error);
        for (int d = 0; d < 3; d++)
            moved = fmax(moved, fabs(object->centre[d] - from[d]));
        cut = cut && moved >= 0.25;
    }
    return ok;
}

static bool segment(mt_case_run *run, int i, mt_objects *objects, GError **error)
{
    const mt_recipe_stage *stage = &run->p->recipe->stages[i];
    mt_dense              *where = ((mt_object_stage *)run->p->stages->pdata[i])->where;
    const mt_dense_card   *card = mt_dense_get_card(where);
    int64_t                voxels = mt_dense_patch_voxels(where);
    g_autoptr(mt_dense_session) session = mt_dense_session_new(where, MT_PRECISION_FP32, mt_case_stage_threads(run), error);
    g_auto(mt_object_crop) crop = {0};
    float *logits = session != NULL ? mt_alloc(voxels * (card->n_labels + 1), sizeof *logits, error) : NULL;
    bool   ok = logits != NULL && mt_object_crop_begin(&crop, run, stage, card, error) && begin_map(run, &crop, error);

    for (guint k = 0; ok && k < objects->list->len; k++) {
        mt_object *object = objects->list->pdata[k];
        if (wanted(stage, objects, object))
            ok = outline(&(segmenter){session, logits}, &crop, objects, object, run->stage_map, error);
    }
    mt_free(logits);
    if (ok)
        mt_objects_join_masks(objects);
    return ok;
}

bool mt_object_stages_run(mt_case_run *run, mt_objects *objects, GError **error)
{
    bool ok = true;

    guint first = run->p->encoder != NULL && run->p->dense != NULL ? 1 : 0; /* the case's own stage has been */

    for (guint i = first; ok && run->p->stages != NULL && objects->list->len > 0 && i < run->p->stages->len; i++)
        ok = ((mt_object_stage *)run->p->stages->pdata[i])->what != NULL ? classify(run, (int)i, objects, error)
                                                                         : segment(run, (int)i, objects, error);
    return ok;
}

/* What a run holds: the loaded encoder and head, and the contract between them and the cases. */
#include "src/encoder/box_model.h"
#include "src/pipeline/pipeline_private.h"

#include "src/base/hash.h"
#include "src/encoder/shared_weights.h"
#include "src/pipeline/case_tiles.h"
#include "src/pipeline/dense_load.h"
#include "src/pipeline/detect_case.h"
#include "src/pipeline/detect_windows.h"
#include "src/pipeline/named_heads.h"
#include "src/pipeline/object_stages.h"
#include "src/pipeline/recipe_tasks.h"
#include "src/pipeline/reconstruct_case.h"
#include "src/pipeline/resolved.h"

#include <math.h>
#include <string.h>

void mt_recipe_override_triage(const mt_recipe *recipe, mt_head_card *card)
{
    if (!isnan(recipe->threshold))
        card->threshold = recipe->threshold;
    if (!isnan(recipe->threshold_high))
        card->threshold_high = recipe->threshold_high;
    if (!isnan(recipe->audit_share))
        card->audit_share = recipe->audit_share;
    if (!isnan(recipe->min_tissue_mm2))
        card->min_tissue_mm2 = recipe->min_tissue_mm2;
    if (recipe->min_tiles >= 0)
        card->min_tiles = recipe->min_tiles;
}

bool mt_recipe_head_card(const mt_recipe *recipe, const mt_head *head, mt_head_card *card, GError **error)
{
    *card = *mt_head_get_card(head);
    const char *path = recipe->head != NULL ? recipe->head : recipe->encoder;
    guint       n = card->labels != NULL ? g_strv_length(card->labels) : 0;

    if (recipe->label_names != NULL) {
        if (g_strv_length(recipe->label_names) != n) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "load head %s: it has %u classes and the recipe's [labels] names %u", path, n,
                        g_strv_length(recipe->label_names));
            return false;
        }
        card->labels = recipe->label_names;
    }
    if (recipe->positive != NULL) {
        card->positive = recipe->positive;
        card->has_card = card->has_card || !isnan(recipe->threshold); /* the recipe says what the card would */
    }
    if (card->positive != NULL && !g_strv_contains((const char *const *)card->labels, card->positive)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "load head %s: positive=%s is none of its labels", path, card->positive);
        return false;
    }
    mt_recipe_override_triage(recipe, card);
    if (card->threshold_high == 0 || card->threshold_high >= card->threshold)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "load head %s: the upper threshold %g needs a threshold that is not above it", path,
                card->threshold_high);
    return false;
}

static bool load_head(mt_pipeline *p, const mt_recipe *recipe, GError **error)
{
    if (!mt_recipe_has_head(recipe))
        return true;
    p->head = mt_recipe_load_head(recipe, p->encoder, error);
    if (p->head == NULL)
        return false;
    if (recipe->heads != NULL && (p->named = mt_named_heads_load(recipe, p->encoder, error)) == NULL)
        return false;
    mt_feature_origin origin = {.encoder = mt_encoder_card(p->encoder)->name,
                                .encoder_sha256 = mt_model_sha256(mt_encoder_model(p->encoder)),
                                .target_mpp = p->contract.whole_plane ? 0 : p->contract.mpp,
                                .dim = mt_encoder_dim(p->encoder)};
    if (!mt_head_accepts(p->head, &origin, error) || !mt_recipe_head_card(recipe, p->head, &p->head_card, error))
        return false;
    if (p->contract.card_mpp <= 0) /* level 0 as it is: the head still knows what it was made for */
        p->contract.card_mpp = p->head_card.target_mpp;
    return true;
}

/* The networks behind a classifier make another recipe. */
static void add_stages(mt_pipeline *p)
{
    GString *text = g_string_new(p->resolved);

    mt_object_stages_text(p->stages, text);
    g_free(p->resolved);
    p->resolved = g_string_free(text, FALSE);
}

/* A detector whose card says that boxes are outputs of their own; p->boxes is read then. */
static bool finds_explicit_boxes(mt_pipeline *p, GError **error)
{
    size_t           stem = strlen(p->recipe->encoder) - (g_str_has_suffix(p->recipe->encoder, ".onnx") ? strlen(".onnx") : 0);
    g_autofree char *card = g_strdup_printf("%.*s.card", (int)stem, p->recipe->encoder);

    if (!g_file_test(card, G_FILE_TEST_EXISTS))
        return false;
    g_autoptr(mt_box_card) boxes = mt_box_card_read(card, error);
    if (boxes == NULL || boxes->format != MT_BOX_EXPLICIT)
        return false;
    p->boxes = g_steal_pointer(&boxes);
    return true;
}

mt_pipeline *mt_pipeline_new(const mt_recipe *recipe, int threads, GError **error)
{
    g_autoptr(mt_pipeline) p = g_new0(mt_pipeline, 1);
    g_autofree char *json = mt_recipe_to_json(recipe);
    g_autoptr(GError) cause = NULL;

    p->recipe = mt_recipe_from_json(json, error); /* a copy of our own */
    p->language = mt_language_of(recipe->language);
    p->threads = MAX(1, threads);
    if (p->recipe == NULL)
        return NULL;
    if (recipe->encoder == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "prepare the run: no encoder is named");
        return NULL;
    }
    if (!mt_recipe_check_task(recipe, error))
        return NULL;
    p->masker = mt_masker_new(mt_recipe_mask_method(recipe), error);
    if (p->masker == NULL)
        return NULL;
    mt_masker_exclude(p->masker, recipe->exclude);
    if (mt_recipe_task_is_dense(recipe->task) && recipe->task != MT_RECIPE_DETECT)
        return mt_pipeline_load_dense(p, error) ? g_steal_pointer(&p) : NULL;
    if (recipe->task == MT_RECIPE_DETECT && finds_explicit_boxes(p, &cause))
        return mt_pipeline_load_box_model(p, error) ? g_steal_pointer(&p) : NULL;
    if (cause != NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    if (!mt_pipeline_load_stain(p->recipe, &p->stain, error))
        return NULL;
    p->encoder = mt_recipe_load_encoder(recipe, error);
    if (p->encoder == NULL || !mt_contract_resolve(p->recipe, mt_encoder_card(p->encoder), &p->contract, error) ||
        !(recipe->task == MT_RECIPE_DETECT ? mt_pipeline_load_detector(p, error) : load_head(p, p->recipe, error)))
        return NULL;
    if ((mt_recipe_segments_case(recipe) && !mt_pipeline_load_case_stage(p, error)) || !mt_finding_rules_of_scores(p, error))
        return NULL;
    p->model_name = g_strdup(mt_encoder_card(p->encoder)->name);
    p->model_sha256 = g_strdup(mt_model_sha256(mt_encoder_model(p->encoder)));
    if (!mt_contract_choose_precision(p->recipe, p->encoder, &p->contract, error))
        return NULL;
    p->batch = recipe->batch > 0 ? recipe->batch : mt_encoder_card(p->encoder)->batch;
    p->resolved = mt_resolved_text(p->recipe, p->masker, &p->contract, p->encoder, p->batch, p->stain, p->head, &p->head_card);
    if (p->boxes != NULL)
        mt_detect_resolve(p);
    else if (p->stages != NULL)
        add_stages(p);
    p->recipe_sha256 = mt_hash_bytes(p->resolved, strlen(p->resolved));
    return g_steal_pointer(&p);
}

void mt_pipeline_free(mt_pipeline *p)
{
    if (p == NULL)
        return;
    g_clear_pointer(&p->masker, mt_masker_free);
    g_clear_pointer(&p->encoder, mt_encoder_unref);
    g_clear_pointer(&p->dense, mt_dense_unref);
    g_clear_pointer(&p->box_model, mt_box_model_free);
    g_clear_pointer(&p->rules, mt_finding_rules_free);
    g_clear_pointer(&p->stages, g_ptr_array_unref);
    g_clear_pointer(&p->boxes, mt_box_card_free);
    if (p->normal != NULL)
        mt_normal_errors_clear(p->normal);
    g_free(p->normal);
    g_free(p->model_name);
    g_free(p->model_sha256);
    g_clear_pointer(&p->head, mt_head_unref);
    g_clear_pointer(&p->named, g_ptr_array_unref);
    g_clear_pointer(&p->recipe, mt_recipe_free);
    mt_contract_clear(&p->contract);
    g_clear_pointer(&p->stain, mt_stain_target_free);
    g_free(p->resolved);
    g_free(p->recipe_sha256);
    g_free(p);
}

const mt_head_card *mt_pipeline_card(const mt_pipeline *p)
{
    return p->head != NULL || p->rules != NULL ? &p->head_card : NULL;
}

const char *mt_pipeline_head_kind(const mt_pipeline *p)
{
    if (p->rules != NULL && p->head == NULL)
        return mt_recipe_task_name(p->recipe->task);
    return p->head != NULL ? mt_head_kind(p->head) : NULL;
}

const char *mt_pipeline_resolved(const mt_pipeline *p)
{
    return p->resolved;
}

const char *mt_pipeline_share_weights(mt_pipeline *p, int fd)
{
    if (p->encoder == NULL) /* the kernels of a network for whole cases are few */
        return "own";
    return mt_weights_origin_name(mt_encoder_share_weights(p->encoder, p->contract.precision, p->batch, fd));
}

bool mt_pipeline_demonstration(const mt_pipeline *p)
{
    if (p->box_model != NULL)
        return mt_box_model_card(p->box_model)->demonstration;
    if (p->dense != NULL && (p->encoder == NULL || mt_dense_get_card(p->dense)->demonstration))
        return mt_dense_get_card(p->dense)->demonstration;
    return mt_encoder_card(p->encoder)->demonstration || (p->head != NULL && p->head_card.demonstration);
}

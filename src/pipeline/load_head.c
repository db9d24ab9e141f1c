/* The head that a recipe names: a file of its own, or a task of the encoder. */
#include "mil/head_private.h"
#include "src/pipeline/named_heads.h"
#include "src/train/training_reference.h"

#include <string.h>

bool mt_recipe_has_head(const mt_recipe *recipe)
{
    return recipe->head != NULL || (recipe->task != MT_RECIPE_MIL && !mt_recipe_task_is_dense(recipe->task));
}

mt_encoder *mt_recipe_load_encoder(const mt_recipe *recipe, GError **error)
{
    if (recipe->task != MT_RECIPE_MULTI || recipe->heads == NULL)
        return mt_encoder_load(recipe->encoder, error);
    g_auto(GStrv) outputs = mt_named_heads_outputs(recipe, error);
    return outputs != NULL ? mt_encoder_load_outputs(recipe->encoder, (const char *const *)outputs, error) : NULL;
}

static mt_head *primary_of(const mt_recipe *recipe, const mt_encoder *encoder, GError **error)
{
    g_autoptr(GPtrArray) heads = mt_named_heads_load(recipe, encoder, error);

    return heads != NULL ? mt_head_ref((mt_head *)(uintptr_t)mt_named_heads_primary(heads)) : NULL;
}

/* The features of normal cases that a run with this encoder left in a folder. */
static mt_feature_reference *fit_normal(const char *folder, const mt_encoder *encoder, GError **error)
{
    g_autoptr(mt_head) mean = mt_head_load("mean", error);

    if (mean == NULL)
        return NULL;
    mean->card->encoder = g_strdup(mt_encoder_card(encoder)->name); /* others are refused */
    mean->card->encoder_sha256 = g_strdup(mt_model_sha256(mt_encoder_model(encoder)));
    mt_feature_reference *normal = mt_training_reference(folder, mean, error);
    if (normal == NULL)
        g_prefix_error(error, "task embed, normal cases of %s: ", folder);
    return normal;
}

static mt_head *load_task(const mt_recipe *recipe, const mt_encoder *encoder, GError **error)
{
    g_autoptr(mt_feature_reference) normal = NULL;
    mt_head_task task = {.name = mt_recipe_task_name(recipe->task),
                         .dim = mt_encoder_dim(encoder),
                         .combine = recipe->combine,
                         .k = recipe->top_k,
                         .reference = recipe->reference,
                         .model = mt_encoder_model(encoder)};

    if (recipe->reference != NULL && g_file_test(recipe->reference, G_FILE_TEST_IS_DIR)) {
        task.normal = normal = fit_normal(recipe->reference, encoder, error);
        if (normal == NULL)
            return NULL;
    }
    return mt_head_load_task(recipe->head != NULL ? recipe->head : recipe->encoder, &task, error);
}

mt_head *mt_recipe_load_head(const mt_recipe *recipe, mt_encoder *encoder, GError **error)
{
    g_autoptr(mt_encoder) own = NULL;

    if (recipe->task == MT_RECIPE_MIL)
        return mt_head_load(recipe->head, error);
    if (encoder == NULL && (encoder = own = mt_recipe_load_encoder(recipe, error)) == NULL)
        return NULL;
    if (recipe->task == MT_RECIPE_MULTI)
        return primary_of(recipe, encoder, error);
    return load_task(recipe, encoder, error);
}

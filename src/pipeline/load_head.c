/* The head that a recipe names: a file of its own, or a task of the encoder. */
#include <microtome/pipeline.h>

#include <string.h>

bool mt_recipe_has_head(const mt_recipe *recipe)
{
    return recipe->head != NULL || (recipe->task != MT_RECIPE_MIL && !mt_recipe_task_is_dense(recipe->task));
}

mt_head *mt_recipe_load_head(const mt_recipe *recipe, mt_encoder *encoder, GError **error)
{
    g_autoptr(mt_encoder) own = NULL;

    if (recipe->task == MT_RECIPE_MIL)
        return mt_head_load(recipe->head, error);
    if (encoder == NULL && (encoder = own = mt_encoder_load(recipe->encoder, error)) == NULL)
        return NULL;
    const mt_head_task task = {.name = mt_recipe_task_name(recipe->task),
                               .dim = mt_encoder_dim(encoder),
                               .combine = recipe->combine,
                               .k = recipe->top_k,
                               .reference = recipe->reference,
                               .model = mt_encoder_model(encoder)};
    return mt_head_load_task(recipe->head != NULL ? recipe->head : recipe->encoder, &task, error);
}

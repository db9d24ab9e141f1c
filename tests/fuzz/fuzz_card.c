/* Key files: the encoder's card, a dense network's, the segmenter's, the head's, the recipe.  Every input is read as each of them. */
#include "tests/fuzz/fuzz_target.h"

#include "mil/head_card.h"
#include "src/encoder/card.h"
#include "src/encoder/dense_card.h"
#include "src/result/box_decode.h"
#include "tiling/segmenter_card.h"

#include <microtome/recipe.h>

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(mt_card) card = mt_card_read_text((const char *)data, size, "fuzz.card", NULL);

    if (card != NULL)
        mt_card_complete(card, 224, "fuzz", NULL);
    g_autoptr(mt_dense_card) dense = mt_dense_card_read_text((const char *)data, size, "fuzz.card", NULL);
    if (dense != NULL)
        g_free(mt_dense_card_text(dense));
    const char      *path = fuzz_file_write(data, size, ".card");
    g_autofree char *head = g_strdup(path);
    g_autoptr(mt_recipe) recipe = mt_recipe_load(path, NULL);
    g_autoptr(mt_segmenter_card) segmenter = mt_segmenter_card_read(path, NULL);
    if (segmenter != NULL)
        mt_segmenter_card_fit(segmenter, 2, NULL);
    strcpy(strrchr(head, '.'), ".st"); /* the head whose card the file is */
    g_autofree char *text = g_strndup(size > 0 ? (const char *)data : "", size);
    g_autoptr(mt_box_card) boxes = mt_box_card_read_text(text, "fuzz.card", NULL);
    g_autoptr(mt_head_card) task_card = mt_head_card_load_model(head, NULL);
    if (task_card != NULL)
        mt_head_card_fit(task_card, "classify", 2, NULL);
    g_autoptr(mt_head_card) head_card = mt_head_card_load(head, NULL);
    if (head_card != NULL)
        mt_head_card_fit(head_card, "clam_sb", 2, NULL);
    if (recipe != NULL)
        g_free(mt_recipe_to_json(recipe));
    fuzz_file_remove();
    return 0;
}

#include "mil/task_head.h"

#include "mil/head_card.h"
#include "mil/score_calibration.h"
#include "src/base/alloc.h"
#include "src/base/hash.h"

#include <string.h>

#define BLOCK_ROWS INT64_C(1024)
#define TOP_TILES 10

typedef struct task_kind {
    const char *name;
    bool (*build)(mt_head *head, const mt_task_settings *settings, GError **error);
    bool file; /* it has one of its own: its card stands beside that, not beside the model */
} task_kind;

static const task_kind kinds[] = {
    {"classify", mt_classify_build, false},
    {"tiles", mt_classify_build, false},
    {"zero-shot", mt_zero_shot_build, true},
    {"embed", mt_embed_build, false},
};

static const task_kind *find_kind(const char *name, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (g_strcmp0(kinds[i].name, name) == 0)
            return &kinds[i];
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "prepare the task %s: classify, tiles, zero-shot or embed is wanted", name);
    return NULL;
}

/* What the metadata_props of the model say: a whole card, or one property for each key. */
static mt_head_card *card_of_model(const mt_model *model, const char *path, GError **error)
{
    g_autoptr(GHashTable) metadata = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    const char      *whole = mt_model_metadata(model, "microtome.card");
    g_autofree char *name = g_strdup_printf("the metadata of %s", path);

    if (whole != NULL)
        return mt_head_card_from_text(whole, name, error);
    for (const char *const *key = mt_head_card_keys(); *key != NULL; key++)
        if (mt_model_metadata(model, *key) != NULL)
            g_hash_table_insert(metadata, (gpointer)(uintptr_t)*key, g_strdup(mt_model_metadata(model, *key)));
    return mt_head_card_from_metadata(metadata, path, false, error);
}

static bool find_card(mt_head *head, const task_kind *kind, const mt_head_task *task, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (task->card != NULL)
        head->card = mt_head_card_from_text(task->card, head->path, &cause);
    else
        head->card = kind->file ? mt_head_card_load(head->path, &cause) : mt_head_card_load_model(head->path, &cause);
    if (head->card == NULL && cause == NULL && task->card == NULL && task->model != NULL && !kind->file)
        head->card = card_of_model(task->model, head->path, &cause);
    if (cause != NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    if (head->card == NULL && !kind->file)
        head->card = mt_head_card_new();
    return true;
}

bool mt_task_combination(mt_head *head, const mt_task_settings *settings, mt_activation activation, mt_combination *combination,
                         GError **error)
{
    mt_head_card *card = head->card;
    const char   *word = settings->combine != NULL ? settings->combine : card->combine; /* the command beats the card */
    int64_t       k = settings->k > 0 ? settings->k : card->k;

    *combination = (mt_combination){.rule = mt_combine_default(activation),
                                    .activation = activation,
                                    .k = k > 0 ? k : TOP_TILES,
                                    .positive = mt_head_card_label(card, card->positive)};
    if (word != NULL && !mt_combine_parse(word, &combination->rule)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "combine=%s: max, mean, noisy-or or top-k is wanted", word);
        return false;
    }
    const char *why = mt_combine_refusal(combination->rule, activation);
    if (why == NULL && k > 0 && combination->rule != MT_COMBINE_TOP_K)
        why = "k is of top-k alone";
    if (why != NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "combine=%s: %s", mt_combine_name(combination->rule), why);
    else { /* what is in force */
        g_free(card->combine);
        card->combine = g_strdup(mt_combine_name(combination->rule));
        card->k = combination->rule == MT_COMBINE_TOP_K ? (int)combination->k : 0;
    }
    return why == NULL;
}

/* What the answer is made with beyond a file: the card as it was understood. */
static char *hash_settings(const mt_head *head)
{
    g_autofree char *card = mt_head_card_text(head->card);
    g_autofree char *all = g_strconcat(head->aggregator->name, "\n", head->sha256, "\n", card, NULL);

    return mt_hash_bytes(all, strlen(all));
}

static bool build(mt_head *head, const task_kind *kind, const mt_head_task *task, GError **error)
{
    mt_task_settings settings = {.dim = task->dim,
                                 .first = task->first,
                                 .width = task->width > 0 ? task->width : task->dim,
                                 .combine = task->combine,
                                 .k = task->k,
                                 .reference = task->reference,
                                 .normal = task->normal};

    if (!find_card(head, kind, task, error) || !kind->build(head, &settings, error))
        return false;
    if (strcmp(kind->name, "tiles") == 0)
        head->aggregator = &mt_aggregator_tiles;
    if (!mt_head_card_fit(head->card, head->aggregator->name, head->shape.n_logits, error))
        return false;
    char *sha256 = hash_settings(head);
    g_free(head->sha256);
    head->sha256 = sha256;
    return true;
}

mt_head *mt_head_load_task(const char *path, const mt_head_task *task, GError **error)
{
    const task_kind *kind = find_kind(task->name, error);
    g_autoptr(mt_head) head = g_new0(mt_head, 1);

    head->ref_count = 1;
    head->path = g_strdup(path);
    if (kind == NULL)
        return NULL;
    if (build(head, kind, task, error))
        return g_steal_pointer(&head);
    if (kind->file)
        g_prefix_error(error, "head %s: ", path);
    else
        g_prefix_error(error, "task %s of %s: ", kind->name, path);
    return NULL;
}

bool mt_task_run(const void *self, mt_tile_logits tile_logits, const mt_combination *combination, const mt_bag *bag, int64_t n_logits,
                 mt_raw_output *raw, GError **error)
{
    int64_t block = MIN(BLOCK_ROWS, bag->n);
    float  *rows = mt_alloc(block * bag->dim, sizeof(float), error);

    raw->n = bag->n;
    raw->n_logits = n_logits;
    bool ok = rows != NULL && (raw->logits = mt_alloc(n_logits, sizeof(float), error)) != NULL &&
              (raw->tile_logits = mt_alloc(raw->n * n_logits, sizeof(float), error)) != NULL;
    for (int64_t first = 0; ok && first < bag->n; first += block) {
        int64_t n = MIN(block, bag->n - first);
        ok = mt_bag_read(bag, first, n, rows, error) && tile_logits(self, rows, n, bag->dim, raw->tile_logits + first * n_logits, error);
    }
    mt_free(rows);
    return ok && mt_combine_logits(combination, raw->tile_logits, raw->n, n_logits, raw->logits, error);
}

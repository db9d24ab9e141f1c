#include "src/pipeline/named_heads.h"

#include "src/store/schema.h"

#include <math.h>
#include <string.h>

static void free_named(gpointer data)
{
    mt_named_head *named = data;

    g_free(named->name);
    g_free(named->output);
    g_clear_pointer(&named->head, mt_head_unref);
    g_free(named);
}

static GKeyFile *read_heads(const mt_recipe *recipe)
{
    g_autoptr(GKeyFile) file = g_key_file_new();

    return g_key_file_load_from_data(file, recipe->heads, strlen(recipe->heads), G_KEY_FILE_NONE, NULL) ? g_steal_pointer(&file) : NULL;
}

static bool refuse(const char *name, const char *what, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "load head %s: %s", name, what);
    return false;
}

/* It becomes a group of the result beside the primary's scores. */
static bool check_name(const char *name, GError **error)
{
    static const char *const taken[] = {"scores", "logits", "members", NULL};

    if (*name != '\0' && name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == '\0' &&
        !g_strv_contains(taken, name))
        return true;
    return refuse(name, "a name of letters, digits, - and _ is wanted, and none of scores, logits and members", error);
}

char **mt_named_heads_outputs(const mt_recipe *recipe, GError **error)
{
    g_autoptr(GKeyFile) file = read_heads(recipe);
    g_auto(GStrv) names = file != NULL ? g_key_file_get_groups(file, NULL) : NULL;
    g_autoptr(GPtrArray) outputs = g_ptr_array_new_with_free_func(g_free);

    for (char **name = names; name != NULL && *name != NULL; name++) {
        g_autofree char *output = g_key_file_get_string(file, *name, "output", NULL);
        if (!check_name(*name, error))
            return NULL;
        if (output == NULL) {
            refuse(*name, "output= is missing: which output of the graph is it", error);
            return NULL;
        }
        if (!g_ptr_array_find_with_equal_func(outputs, output, g_str_equal, NULL))
            g_ptr_array_add(outputs, g_steal_pointer(&output));
    }
    g_ptr_array_add(outputs, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&outputs), FALSE);
}

/* The group without what is ours, as a card. */
static char *card_text(GKeyFile *file, const char *name)
{
    g_autoptr(GKeyFile) card = g_key_file_new();
    g_auto(GStrv) keys = g_key_file_get_keys(file, name, NULL, NULL);

    g_key_file_set_value(card, "head", "activation", ""); /* so that the group is there */
    for (char **key = keys; key != NULL && *key != NULL; key++) {
        g_autofree char *value = g_key_file_get_value(file, name, *key, NULL);
        if (strcmp(*key, "output") != 0 && strcmp(*key, "primary") != 0)
            g_key_file_set_value(card, "head", *key, value);
    }
    return g_key_file_to_data(card, NULL, NULL);
}

static mt_named_head *load_one(GKeyFile *file, const char *name, const mt_recipe *recipe, const mt_encoder *encoder, GError **error)
{
    mt_named_head   *named = g_new0(mt_named_head, 1);
    g_autofree char *card = card_text(file, name), *label = g_strconcat("head.", name, NULL);
    mt_head_task task = {.name = "classify", .dim = mt_encoder_dim(encoder), .combine = recipe->combine, .k = recipe->top_k, .card = card};

    named->name = g_strdup(name);
    named->output = g_key_file_get_string(file, name, "output", NULL);
    named->primary = g_key_file_get_boolean(file, name, "primary", NULL);
    if (g_key_file_has_key(file, name, "combine", NULL))
        task.combine = NULL; /* its own */
    if (!mt_encoder_columns(encoder, named->output, &task.first, &task.width))
        refuse(name, "its output was not loaded", error);
    else
        named->head = mt_head_load_task(label, &task, error);
    if (named->head != NULL)
        return named;
    free_named(named);
    return NULL;
}

GPtrArray *mt_named_heads_load(const mt_recipe *recipe, const mt_encoder *encoder, GError **error)
{
    g_autoptr(GKeyFile) file = read_heads(recipe);
    g_auto(GStrv) names = file != NULL ? g_key_file_get_groups(file, NULL) : NULL;
    g_autoptr(GPtrArray) heads = g_ptr_array_new_with_free_func(free_named);
    int primaries = 0;

    for (char **name = names; name != NULL && *name != NULL; name++) {
        mt_named_head *named = load_one(file, *name, recipe, encoder, error);
        if (named == NULL)
            return NULL;
        primaries += named->primary;
        g_ptr_array_add(heads, named);
    }
    if (heads->len == 1)
        primaries = ((mt_named_head *)heads->pdata[0])->primary = true;
    if (primaries == 1)
        return g_steal_pointer(&heads);
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                "load the heads of task multi: %d of %u say primary=true, one is wanted: its score is the case's", primaries, heads->len);
    return NULL;
}

const mt_head *mt_named_heads_primary(const GPtrArray *heads)
{
    for (guint i = 0; i < heads->len; i++)
        if (((const mt_named_head *)heads->pdata[i])->primary)
            return ((const mt_named_head *)heads->pdata[i])->head;
    return NULL;
}

static bool store_one(const mt_named_head *named, const mt_head_output *output, const uint8_t *valid, int64_t n, mt_store *store,
                      GError **error)
{
    const mt_head_card *card = mt_head_get_card(named->head);
    const char *const  *labels = (const char *const *)card->labels;
    g_autofree char    *scores = g_strdup_printf("/prediction/%s/scores", named->name);
    g_autofree char    *logits = g_strdup_printf("/prediction/%s/logits", named->name);
    g_autofree char    *tiles = g_strdup_printf("/prediction/%s/tile_scores", named->name);

    return mt_schema_write_floats(store, scores, output->scores, output->n_classes, error) &&
           mt_schema_write_floats(store, logits, output->logits, output->n_classes, error) &&
           mt_store_attr_strings(store, scores, MT_ATTR_LABELS, labels, error) &&
           mt_store_attr_strings(store, logits, MT_ATTR_LABELS, labels, error) &&
           mt_store_attr_string(store, scores, "output", named->output, error) &&
           (card->positive == NULL || mt_store_attr_string(store, scores, MT_ATTR_POSITIVE, card->positive, error)) &&
           (isnan(card->threshold) || mt_store_attr_double(store, scores, MT_ATTR_THRESHOLD, &card->threshold, 1, error)) &&
           (n == 1 || mt_schema_write_tile_table(store, tiles, output->tile_scores, output->n_classes, valid, n, 0, labels, error));
}

bool mt_named_heads_store(const GPtrArray *heads, const mt_bag *bag, const mt_head_options *options, const uint8_t *valid, int64_t n,
                          mt_store *store, GError **error)
{
    for (guint i = 0; i < heads->len; i++) {
        const mt_named_head *named = heads->pdata[i];
        g_autoptr(mt_head_output) output = mt_head_predict(named->head, bag, options, error);
        if (output == NULL || !store_one(named, output, valid, n, store, error))
            return false;
    }
    return true;
}

void mt_named_heads_text(const mt_recipe *recipe, GString *text)
{
    g_autoptr(GKeyFile) file = recipe->heads != NULL ? read_heads(recipe) : NULL;
    g_auto(GStrv) names = file != NULL ? g_key_file_get_groups(file, NULL) : NULL;

    for (char **name = names; name != NULL && *name != NULL; name++) {
        g_auto(GStrv) keys = g_key_file_get_keys(file, *name, NULL, NULL);
        g_string_append_printf(text, "\n[head.%s]\n", *name);
        for (char **key = keys; key != NULL && *key != NULL; key++) {
            g_autofree char *value = g_key_file_get_value(file, *name, *key, NULL);
            g_string_append_printf(text, "%s=%s\n", *key, value);
        }
    }
}

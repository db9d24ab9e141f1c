#include "mil/state_dict.h"

#include <string.h>

typedef struct item {
    char            *key; /* canonical */
    const mt_weight *entry;
    bool             used;
} item;

struct mt_state_dict {
    const mt_weights *file;
    GPtrArray        *items;  /* item *, in the file's order */
    GHashTable       *by_key; /* item.key -> item */
    int               card_heads;
};

static void item_free(gpointer data)
{
    item *self = data;

    g_free(self->key);
    g_free(self);
}

void mt_state_dict_free(mt_state_dict *dict)
{
    if (dict == NULL)
        return;
    g_hash_table_unref(dict->by_key);
    g_ptr_array_unref(dict->items);
    g_free(dict);
}

static char *canonical(const char *name)
{
    for (bool again = true; again;) {
        again = g_str_has_prefix(name, "model.") || g_str_has_prefix(name, "module.") || g_str_has_prefix(name, "vision_transformer.");
        if (again)
            name = strchr(name, '.') + 1;
    }
    g_auto(GStrv) parts = g_strsplit(name, ".module.", -1);
    return g_strjoinv(".", parts);
}

static bool training_only(const char *name)
{
    return strstr(name, "instance_loss_fn") != NULL || strstr(name, "instance_classifiers") != NULL;
}

mt_state_dict *mt_state_dict_new(const mt_weights *file, GError **error)
{
    g_autoptr(mt_state_dict) dict = g_new0(mt_state_dict, 1);

    dict->file = file;
    dict->items = g_ptr_array_new_with_free_func(item_free);
    dict->by_key = g_hash_table_new(g_str_hash, g_str_equal);
    for (int i = 0; i < mt_weights_n(file); i++) {
        const mt_weight *entry = mt_weights_get(file, i);
        if (training_only(entry->name))
            continue;
        item *self = g_new0(item, 1);
        self->key = canonical(entry->name);
        self->entry = entry;
        g_ptr_array_add(dict->items, self);
        const item *twin = g_hash_table_lookup(dict->by_key, self->key);
        if (twin != NULL) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "keys '%s' and '%s' are both '%s'", twin->entry->name, entry->name, self->key);
            return NULL;
        }
        g_hash_table_insert(dict->by_key, self->key, self);
    }
    return g_steal_pointer(&dict);
}

void mt_state_dict_set_card_heads(mt_state_dict *dict, int heads)
{
    dict->card_heads = heads;
}

int mt_state_dict_card_heads(const mt_state_dict *dict)
{
    return dict->card_heads;
}

int mt_state_dict_noted_heads(const mt_state_dict *dict)
{
    return mt_weights_heads(dict->file);
}

const mt_weight *mt_state_dict_find(const mt_state_dict *dict, const char *key)
{
    const item *self = g_hash_table_lookup(dict->by_key, key);

    return self != NULL ? self->entry : NULL;
}

bool mt_state_dict_has_linear(const mt_state_dict *dict, const char *key)
{
    g_autofree char *weight = g_strconcat(key, ".weight", NULL);

    return mt_state_dict_find(dict, weight) != NULL;
}

bool mt_state_dict_mentions(const mt_state_dict *dict, const char *text)
{
    for (int i = 0; i < mt_weights_n(dict->file); i++)
        if (strstr(mt_weights_get(dict->file, i)->name, text) != NULL)
            return true;
    return false;
}

void mt_linear_clear(mt_linear *linear)
{
    g_clear_pointer(&linear->weight, mt_tensor_unref);
    g_clear_pointer(&linear->bias, mt_tensor_unref);
    g_clear_pointer(&linear->key, g_free);
}

static mt_tensor *take(mt_state_dict *dict, const char *key, const char *part, int rank, GError **error)
{
    g_autofree char *name = g_strconcat(key, part, NULL);
    item            *self = g_hash_table_lookup(dict->by_key, name);

    if (self == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "key '%s' is missing", name);
        return NULL;
    }
    if (self->entry->rank != rank || self->entry->count == 0) {
        g_autofree char *shape = mt_shape_to_string(self->entry->rank, self->entry->shape);
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "key '%s' has shape %s: a %s with values is wanted", name, shape,
                    rank == 2 ? "matrix" : "vector");
        return NULL;
    }
    self->used = true;
    return mt_weights_read(dict->file, self->entry, error);
}

static bool shape_error(const mt_linear *linear, const char *what, int64_t wanted, const mt_linear *because, GError **error)
{
    g_autoptr(GString) why = g_string_new(NULL);

    if (because != NULL)
        g_string_printf(why, " ('%s.weight' has shape %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT ")", because->key, because->out, because->in);
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                "key '%s.weight' has shape %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT ": %" G_GINT64_FORMAT " %s are wanted%s", linear->key,
                linear->out, linear->in, wanted, what, why->str);
    return false;
}

static bool check_linear(const mt_linear *linear, int64_t in, int64_t out, const mt_linear *because, GError **error)
{
    if (linear->bias->shape[0] != linear->out) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "key '%s.bias' has %" G_GINT64_FORMAT " values, '%s.weight' has %" G_GINT64_FORMAT " rows", linear->key,
                    linear->bias->shape[0], linear->key, linear->out);
        return false;
    }
    if (in > 0 && linear->in != in)
        return shape_error(linear, "columns", in, because, error);
    if (out > 0 && linear->out != out)
        return shape_error(linear, "rows", out, because, error);
    return true;
}

bool mt_state_dict_take_linear(mt_state_dict *dict, const char *key, int64_t in, int64_t out, const mt_linear *because, mt_linear *linear,
                               GError **error)
{
    mt_linear taken = {.key = g_strdup(key)};

    taken.weight = take(dict, key, ".weight", 2, error);
    taken.bias = taken.weight != NULL ? take(dict, key, ".bias", 1, error) : NULL;
    if (taken.bias != NULL) {
        taken.out = taken.weight->shape[0];
        taken.in = taken.weight->shape[1];
    }
    if (taken.bias == NULL || !check_linear(&taken, in, out, because, error)) {
        mt_linear_clear(&taken);
        return false;
    }
    *linear = taken;
    return true;
}

/* "512x1x7x7", with "any" where every size will do. */
static char *wanted_shape(int rank, const int64_t *shape)
{
    GString *text = g_string_new(NULL);

    for (int i = 0; i < rank; i++) {
        g_string_append(text, i > 0 ? "x" : "");
        if (shape[i] < 0)
            g_string_append(text, "any");
        else
            g_string_append_printf(text, "%" G_GINT64_FORMAT, shape[i]);
    }
    return g_string_free(text, FALSE);
}

mt_tensor *mt_state_dict_take_tensor(mt_state_dict *dict, const char *key, int rank, const int64_t *shape, GError **error)
{
    item *self = g_hash_table_lookup(dict->by_key, key);

    if (self == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "key '%s' is missing", key);
        return NULL;
    }
    bool fits = self->entry->rank == rank && self->entry->count > 0;
    for (int i = 0; fits && i < rank; i++)
        fits = shape[i] < 0 || shape[i] == self->entry->shape[i];
    if (!fits) {
        g_autofree char *is = mt_shape_to_string(self->entry->rank, self->entry->shape), *wanted = wanted_shape(rank, shape);
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "key '%s' has shape %s: %s is wanted", key, is, wanted);
        return NULL;
    }
    self->used = true;
    return mt_weights_read(dict->file, self->entry, error);
}

guint mt_state_dict_n(const mt_state_dict *dict)
{
    return dict->items->len;
}

void mt_state_dict_leave_out(mt_state_dict *dict, const char *prefix)
{
    for (guint i = 0; i < dict->items->len; i++) {
        item *self = g_ptr_array_index(dict->items, i);
        if (g_str_has_prefix(self->key, prefix))
            self->used = true;
    }
}

bool mt_state_dict_check_used(const mt_state_dict *dict, const char *kind, GError **error)
{
    for (guint i = 0; i < dict->items->len; i++) {
        const item *self = g_ptr_array_index(dict->items, i);
        if (!self->used && mt_weight_is_float(self->entry)) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "key '%s' has no place in %s: its weights would be ignored", self->entry->name,
                        kind);
            return false;
        }
    }
    return true;
}

char *mt_state_dict_keys(const mt_state_dict *dict)
{
    GString *list = g_string_new(NULL);

    for (guint i = 0; i < MIN(dict->items->len, 4); i++) {
        const item *self = g_ptr_array_index(dict->items, i);
        g_string_append_printf(list, "%s%s", i > 0 ? ", " : "", self->entry->name);
    }
    if (dict->items->len > 4)
        g_string_append_printf(list, " and %u more", dict->items->len - 4);
    return g_string_free(list, FALSE);
}

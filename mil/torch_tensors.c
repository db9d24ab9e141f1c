#include "mil/torch_private.h"
#include "src/base/limits.h"

#include <string.h>

#define NAME_BYTES 1000 /* of a flattened name */
#define STEPS 1000000   /* through a pickle whose values refer to each other */
#define KEPT "hyper_parameters"

/* Where training scripts put the weights, and what they keep beside them. */
static const char *const wrappers[] = {"state_dict", "model_state_dict", "model_state", "model", "net",
                                       "network",    "module",           "weights",     NULL};
static const char *const training[] = {"optimizer",
                                       "optimizers",
                                       "optimizer_state_dict",
                                       "optimizer_states",
                                       "optim",
                                       "scheduler",
                                       "lr_scheduler",
                                       "lr_schedulers",
                                       "scheduler_state_dict",
                                       "scaler",
                                       "loops",
                                       "callbacks",
                                       KEPT,
                                       "datamodule_hyper_parameters",
                                       NULL};

typedef struct walk {
    mt_torch_checkpoint   *file;
    const mt_pickle_value *root;
    int                    steps;
    GError               **error;
} walk;

static bool refuse(const walk *w, const char *name, const char *what)
{
    g_set_error(w->error, MT_ERROR, MT_ERROR_MODEL, "tensor '%s' %s", name, what);
    return false;
}

/* -1 when `value` is no integer in [0, limit]. */
static int64_t natural(const mt_pickle_value *value, int64_t limit)
{
    return value->kind == MT_PICKLE_INT && value->integer >= 0 && value->integer <= limit ? value->integer : -1;
}

static bool read_shape(const walk *w, const mt_pickle_value *args, mt_torch_tensor *tensor)
{
    const mt_pickle_value *size = args->items[2], *stride = args->items[3];
    mt_weight             *weight = &tensor->weight;

    tensor->offset = natural(args->items[1], INT64_MAX);
    if (tensor->offset < 0)
        return refuse(w, weight->name, "has an offset that is no count");
    if (size->kind != MT_PICKLE_TUPLE || stride->kind != MT_PICKLE_TUPLE || size->n != stride->n)
        return refuse(w, weight->name, "has no tuple of sizes and of as many strides");
    if (size->n > MT_MAX_RANK)
        return refuse(w, weight->name, "has more than 8 axes");
    weight->rank = (int)size->n;
    weight->count = 1;
    for (int i = 0; i < weight->rank; i++) {
        weight->shape[i] = natural(size->items[i], INT64_MAX);
        tensor->stride[i] = natural(stride->items[i], INT64_MAX);
        if (weight->shape[i] < 0 || tensor->stride[i] < 0)
            return refuse(w, weight->name, "has a size or a stride that is no count");
        if (__builtin_mul_overflow(weight->count, weight->shape[i], &weight->count))
            return refuse(w, weight->name, "has more values than can be counted");
    }
    return true;
}

/* Inside its storage, and without more values than it: a tensor that repeats values could be of any size. */
static bool check_extent(const walk *w, mt_torch_tensor *tensor)
{
    const mt_torch_storage *storage = tensor->storage;
    mt_weight              *weight = &tensor->weight;
    int64_t                 last = tensor->offset, step;
    bool                    fits = weight->count <= storage->n && tensor->offset <= storage->n;

    for (int i = 0; fits && weight->count > 0 && i < weight->rank; i++)
        fits = !__builtin_mul_overflow(weight->shape[i] - 1, tensor->stride[i], &step) && !__builtin_add_overflow(last, step, &last);
    if (!fits || (weight->count > 0 && last >= storage->n)) {
        g_autofree char *shape = mt_shape_to_string(weight->rank, weight->shape);
        g_set_error(w->error, MT_ERROR, MT_ERROR_MODEL, "tensor '%s' of shape %s does not fit its storage of %" G_GINT64_FORMAT " values",
                    weight->name, shape, storage->n);
        return false;
    }
    size_t item = mt_weight_item_bytes(storage->dtype);
    weight->begin = storage->begin + (size_t)tensor->offset * item;
    weight->end = weight->count > 0 ? storage->begin + (size_t)(last + 1) * item : weight->begin;
    return true;
}

static bool add_tensor(const walk *w, const char *name, const mt_pickle_value *args)
{
    mt_torch_checkpoint *file = w->file;

    if (file->tensors->len >= MT_LIMIT_TORCH_ENTRIES) {
        g_set_error(w->error, MT_ERROR, MT_ERROR_MODEL, "more than %d tensors", MT_LIMIT_TORCH_ENTRIES);
        return false;
    }
    const mt_pickle_value *id = args->items[0]->items[2];
    g_autofree char       *key = g_strndup(id->bytes, MIN(id->n, 100));
    mt_torch_tensor       *tensor = g_new0(mt_torch_tensor, 1);
    tensor->weight.name = g_strdup(name);
    tensor->storage = g_hash_table_lookup(file->storages, key);
    tensor->weight.dtype = tensor->storage->dtype;
    g_ptr_array_add(file->tensors, tensor);
    return read_shape(w, args, tensor) && check_extent(w, tensor);
}

/* The first few only: a message shows them. */
static void skip(const walk *w, const char *name)
{
    if (w->file->heads > 0 && strcmp(name, KEPT) == 0) /* they were looked at */
        return;
    if (w->file->n_skipped++ < 8)
        g_string_append_printf(w->file->skipped, "%s%.80s", w->file->skipped->len > 0 ? ", " : "", name);
}

static bool count_step(walk *w)
{
    if (++w->steps <= STEPS)
        return true;
    g_set_error_literal(w->error, MT_ERROR, MT_ERROR_MODEL, "its containers refer to each other too often");
    return false;
}

/* Whether a tensor stands in it at any depth; the steps bound the work. */
static bool has_tensors(walk *w, const mt_pickle_value *value, int depth)
{
    bool is_dict = value->kind == MT_PICKLE_DICT;

    if (value->kind == MT_PICKLE_TENSOR)
        return true;
    if (depth >= MT_LIMIT_PICKLE_DEPTH || (!is_dict && value->kind != MT_PICKLE_LIST && value->kind != MT_PICKLE_TUPLE))
        return false;
    for (uint32_t i = is_dict ? 1 : 0; i < value->n; i += is_dict ? 2 : 1)
        if (++w->steps > STEPS || has_tensors(w, value->items[i], depth + 1))
            return w->steps <= STEPS;
    return false;
}

static bool is_one_of(const char *const *names, const char *name)
{
    return g_strv_contains(names, name);
}

/* prefix.key; NULL and an error for one that is no text. */
static char *flat_name(const walk *w, const char *prefix, const mt_pickle_value *key)
{
    g_autofree char *part = NULL;

    if (key->kind == MT_PICKLE_INT)
        part = g_strdup_printf("%" G_GINT64_FORMAT, key->integer);
    else if (key->kind == MT_PICKLE_TEXT && key->n < NAME_BYTES && memchr(key->bytes, '\0', key->n) == NULL &&
             g_utf8_validate(key->bytes, key->n, NULL))
        part = g_strndup(key->bytes, key->n);
    char *name = part != NULL ? g_strconcat(prefix, prefix[0] != '\0' ? "." : "", part, NULL) : NULL;
    if (name == NULL || strlen(name) > NAME_BYTES) {
        g_set_error(w->error, MT_ERROR, MT_ERROR_MODEL, "a key of '%.80s' is no text of at most %d bytes",
                    prefix[0] != '\0' ? prefix : "the top", NAME_BYTES);
        g_clear_pointer(&name, g_free);
    }
    return name;
}

static bool flatten(walk *w, const mt_pickle_value *dict, const char *prefix, int depth);

static bool flatten_one(walk *w, const mt_pickle_value *value, const char *name, int depth)
{
    if (value->kind == MT_PICKLE_TENSOR)
        return add_tensor(w, name, value);
    if (value->kind == MT_PICKLE_DICT && depth < MT_LIMIT_PICKLE_DEPTH && has_tensors(w, value, depth))
        return flatten(w, value, name, depth + 1);
    if (has_tensors(w, value, depth)) {
        g_set_error(w->error, MT_ERROR, MT_ERROR_MODEL, "'%s' is a list of tensors: a state dict has a name for each", name);
        return false;
    }
    skip(w, name);
    return true;
}

static bool flatten(walk *w, const mt_pickle_value *dict, const char *prefix, int depth)
{
    for (uint32_t i = 0; i + 1 < dict->n; i += 2) {
        g_autofree char *name = count_step(w) ? flat_name(w, prefix, dict->items[i]) : NULL;
        if (name == NULL)
            return false;
        if (dict == w->root && is_one_of(training, name))
            skip(w, name);
        else if (!flatten_one(w, dict->items[i + 1], name, depth))
            return false;
    }
    return true;
}

static bool has_own_tensors(const mt_pickle_value *dict)
{
    for (uint32_t i = 1; i < dict->n; i += 2)
        if (dict->items[i]->kind == MT_PICKLE_TENSOR)
            return true;
    return false;
}

/* The dictionary of weights inside one of training; what stands beside it is told as skipped. */
static const mt_pickle_value *unwrap(walk *w, const mt_pickle_value *dict)
{
    for (int depth = 0; depth < 4 && !has_own_tensors(dict); depth++) {
        const mt_pickle_value *inner = NULL;
        for (int i = 0; inner == NULL && wrappers[i] != NULL; i++) {
            inner = mt_pickle_find(dict, wrappers[i]);
            if (inner != NULL && (inner->kind != MT_PICKLE_DICT || !has_tensors(w, inner, 0)))
                inner = NULL;
        }
        if (inner == NULL)
            break;
        for (uint32_t i = 0; i + 1 < dict->n; i += 2)
            if (dict->items[i + 1] != inner && dict->items[i]->kind == MT_PICKLE_TEXT) {
                g_autofree char *name = mt_pickle_shown(dict->items[i]->bytes, dict->items[i]->n);
                skip(w, name);
            }
        dict = inner;
    }
    return dict;
}

/* A number of heads, where the script kept its hyper-parameters. */
static int find_heads(const mt_pickle_value *root)
{
    static const char *const names[] = {"n_heads", "num_heads", "nhead"};
    const mt_pickle_value   *kept = mt_pickle_find(root, KEPT);

    for (guint i = 0; kept != NULL && kept->kind == MT_PICKLE_DICT && i < G_N_ELEMENTS(names); i++) {
        const mt_pickle_value *value = mt_pickle_find(kept, names[i]);
        int64_t                heads = value != NULL ? natural(value, MT_LIMIT_ATTENTION_HEADS) : 0;
        if (heads > 0)
            return (int)heads;
    }
    return 0;
}

bool mt_torch_collect_tensors(mt_torch_checkpoint *file, const mt_pickle_value *root, GError **error)
{
    walk w = {.file = file, .error = error};

    if (root->kind != MT_PICKLE_DICT) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "holds %s, no dictionary of weights: save the model's state_dict",
                    root->kind == MT_PICKLE_TENSOR ? "one tensor" : "no tensors by name");
        return false;
    }
    file->heads = find_heads(root);
    w.root = unwrap(&w, root);
    if (!flatten(&w, w.root, "", 0))
        return false;
    if (file->n_skipped > 8)
        g_string_append_printf(file->skipped, " and %d more", file->n_skipped - 8);
    if (file->tensors->len == 0)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "holds no tensors%s%s", file->skipped->len > 0 ? ", but " : "", file->skipped->str);
    return file->tensors->len > 0;
}

#include "kernels/graph/compiled.h"

#include "kernels/graph/passes.h"
#include "kernels/tensor/mapped.h"
#include "src/base/alloc.h"

#include <pthread.h>
#include <string.h>

/* Smaller constants are not worth a place in a store. */
#define LARGE_BYTES ((size_t)64 << 10)
#define SAMPLES 64

typedef struct packed {
    char       *stored; /* its name in a store: the same in every process */
    const void *memory;
    size_t      bytes;
    bool        shared; /* lies in the store */
} packed;

struct mt_compiled {
    mt_graph        *graph;
    GHashTable      *own;    /* mt_tensor * of the graph, which keeps them alive -> mt_value * */
    pthread_mutex_t  lock;   /* of the two below; pthread's: ThreadSanitizer knows it, GLib's futex it does not */
    GHashTable      *packed; /* "tensor key" -> packed */
    size_t           packed_bytes;
    mt_weight_store *store; /* NULL: none */
};

static void free_packed(gpointer data)
{
    packed *p = data;

    if (!p->shared)
        mt_free((void *)p->memory);
    g_free(p->stored);
    g_free(p);
}

mt_compiled *mt_compiled_new(const mt_graph *graph, bool bytes, GError **error)
{
    g_autoptr(mt_compiled) compiled = g_new0(mt_compiled, 1);

    pthread_mutex_init(&compiled->lock, NULL);
    compiled->graph = mt_graph_clone(graph);
    compiled->own = g_hash_table_new(NULL, NULL);
    compiled->packed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_packed);
    compiled->graph->fold_quantised = !bytes;
    if (!mt_graph_infer_open(compiled->graph, error) || !mt_passes_of_model(compiled->graph, bytes, error))
        return NULL;
    for (guint i = 0; i < compiled->graph->values->len; i++) {
        mt_value *value = compiled->graph->values->pdata[i];
        if (value->constant != NULL && !g_hash_table_contains(compiled->own, value->constant))
            g_hash_table_insert(compiled->own, value->constant, value);
    }
    return g_steal_pointer(&compiled);
}

void mt_compiled_free(mt_compiled *compiled)
{
    if (compiled == NULL)
        return;
    g_hash_table_unref(compiled->packed);
    g_hash_table_unref(compiled->own);
    mt_graph_free(compiled->graph);
    mt_weight_store_unref(compiled->store);
    pthread_mutex_destroy(&compiled->lock);
    g_free(compiled);
}

const mt_graph *mt_compiled_graph(const mt_compiled *compiled)
{
    return compiled->graph;
}

bool mt_compiled_owns(const mt_compiled *compiled, const mt_tensor *tensor)
{
    return g_hash_table_contains(compiled->own, tensor);
}

/* A few bytes from all over the tensor: names alone would trust every pass to give them in one order. */
static guint fingerprint(const mt_tensor *tensor)
{
    size_t bytes = mt_tensor_bytes(tensor), step = MAX(bytes / SAMPLES, 1);
    guint  hash = 5381;

    for (size_t at = 0; at < bytes; at += step)
        hash = hash * 33 + ((const uint8_t *)tensor->data)[at];
    return hash;
}

static char *name_in_store(const mt_compiled *compiled, const mt_tensor *tensor, const char *key)
{
    const mt_value  *value = g_hash_table_lookup(compiled->own, tensor);
    g_autofree char *shape = mt_shape_to_string(tensor->rank, tensor->shape);

    return g_strdup_printf("%s %s %s %08x %s", value->name, mt_dtype_name(tensor->dtype), shape, fingerprint(tensor), key);
}

static const void *pack_fresh(size_t bytes, mt_pack_fn pack, void *data, GError **error)
{
    void *memory = mt_alloc((int64_t)bytes, 1, error);

    if (memory != NULL && pack(memory, data, error))
        return memory;
    mt_free(memory);
    return NULL;
}

static packed *pack_new(mt_compiled *compiled, const mt_tensor *tensor, const char *key, size_t bytes, mt_pack_fn pack, void *data,
                        GError **error)
{
    g_autofree char *stored = name_in_store(compiled, tensor, key);
    const void      *memory = compiled->store != NULL ? mt_weight_store_find(compiled->store, stored, bytes) : NULL;
    bool             shared = memory != NULL;

    if (!shared)
        memory = pack_fresh(bytes, pack, data, error);
    if (memory == NULL)
        return NULL;
    packed *p = g_new0(packed, 1);
    *p = (packed){.stored = g_steal_pointer(&stored), .memory = memory, .bytes = bytes, .shared = shared};
    compiled->packed_bytes += bytes;
    return p;
}

const void *mt_compiled_pack(mt_compiled *compiled, const mt_tensor *tensor, const char *key, size_t bytes, mt_pack_fn pack, void *data,
                             GError **error)
{
    if (!mt_compiled_owns(compiled, tensor))
        return NULL;
    g_autofree char *name = g_strdup_printf("%p %s", (const void *)tensor, key);

    pthread_mutex_lock(&compiled->lock);
    packed *found = g_hash_table_lookup(compiled->packed, name);
    if (found == NULL) {
        found = pack_new(compiled, tensor, key, bytes, pack, data, error);
        if (found != NULL)
            g_hash_table_insert(compiled->packed, g_strdup(name), found);
        mt_tensor_give_back(tensor);
    }
    pthread_mutex_unlock(&compiled->lock);
    return found == NULL ? NULL : found->memory;
}

size_t mt_compiled_packed_bytes(mt_compiled *compiled)
{
    pthread_mutex_lock(&compiled->lock);
    size_t bytes = compiled->packed_bytes;
    pthread_mutex_unlock(&compiled->lock);
    return bytes;
}

/* Made by a pass or by folding, in memory of its own. */
static bool is_large_made(const mt_tensor *tensor)
{
    return !tensor->mapped && tensor->owner != NULL && mt_tensor_bytes(tensor) >= LARGE_BYTES;
}

static void add_entry(GArray *entries, const char *name, const void *data, size_t bytes)
{
    mt_weight_entry entry = {.name = name, .data = data, .bytes = bytes};

    g_array_append_val(entries, entry);
}

#define CONSTANT_KEY "as it is"

bool mt_compiled_fill_store(mt_compiled *compiled, int fd, const char *key)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(mt_weight_entry));
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer       item;

    g_hash_table_iter_init(&iter, compiled->packed);
    while (g_hash_table_iter_next(&iter, NULL, &item)) {
        const packed *p = item;
        add_entry(entries, p->stored, p->memory, p->bytes);
    }
    g_hash_table_iter_init(&iter, compiled->own);
    while (g_hash_table_iter_next(&iter, &item, NULL)) {
        const mt_tensor *tensor = item;
        if (!is_large_made(tensor))
            continue;
        g_ptr_array_add(names, name_in_store(compiled, tensor, CONSTANT_KEY));
        add_entry(entries, names->pdata[names->len - 1], tensor->data, mt_tensor_bytes(tensor));
    }
    return mt_weight_store_fill(fd, key, (const mt_weight_entry *)entries->data, entries->len);
}

static void unref_store(gpointer store)
{
    mt_weight_store_unref(store);
}

/* The tensor lies in the store from here on, if the very same bytes are there. */
static void move_constant(mt_compiled *compiled, mt_tensor *tensor)
{
    g_autofree char *name = name_in_store(compiled, tensor, CONSTANT_KEY);
    size_t           bytes = mt_tensor_bytes(tensor);
    const void      *data = mt_weight_store_find(compiled->store, name, bytes);

    if (data == NULL || memcmp(data, tensor->data, bytes) != 0)
        return;
    g_bytes_unref(tensor->owner);
    tensor->owner = g_bytes_new_with_free_func(data, bytes, unref_store, mt_weight_store_ref(compiled->store));
    tensor->data = (void *)data;
}

void mt_compiled_use_store(mt_compiled *compiled, mt_weight_store *store)
{
    GHashTableIter iter;
    gpointer       item;

    if (compiled->store != NULL)
        return;
    compiled->store = mt_weight_store_ref(store);
    g_hash_table_iter_init(&iter, compiled->packed);
    while (g_hash_table_iter_next(&iter, NULL, &item)) {
        packed     *p = item;
        const void *data = mt_weight_store_find(store, p->stored, p->bytes);
        if (data == NULL || memcmp(data, p->memory, p->bytes) != 0)
            continue;
        mt_free((void *)p->memory);
        p->memory = data;
        p->shared = true;
    }
    g_hash_table_iter_init(&iter, compiled->own);
    while (g_hash_table_iter_next(&iter, &item, NULL))
        if (is_large_made(item))
            move_constant(compiled, item);
}

static bool is_in_store(const mt_compiled *compiled, const void *data)
{
    return compiled->store != NULL && mt_weight_store_holds(compiled->store, data);
}

size_t mt_compiled_own_bytes(mt_compiled *compiled)
{
    GHashTableIter iter;
    gpointer       item;
    size_t         bytes = 0;

    g_hash_table_iter_init(&iter, compiled->packed);
    while (g_hash_table_iter_next(&iter, NULL, &item))
        bytes += ((packed *)item)->shared ? 0 : ((packed *)item)->bytes;
    g_hash_table_iter_init(&iter, compiled->own);
    while (g_hash_table_iter_next(&iter, &item, NULL)) {
        const mt_tensor *tensor = item;
        bytes += is_large_made(tensor) && !is_in_store(compiled, tensor->data) ? mt_tensor_bytes(tensor) : 0;
    }
    return bytes;
}

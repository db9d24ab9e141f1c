#include "kernels/graph/compiled.h"

#include "kernels/graph/passes.h"
#include "kernels/tensor/mapped.h"
#include "src/base/alloc.h"

#include <pthread.h>

typedef struct packed {
    void  *memory;
    size_t bytes;
} packed;

struct mt_compiled {
    mt_graph       *graph;
    GHashTable     *own;    /* mt_tensor * of the graph, which keeps them alive */
    pthread_mutex_t lock;   /* of the two below; pthread's: ThreadSanitizer knows it, GLib's futex it does not */
    GHashTable     *packed; /* "tensor key" -> packed */
    size_t          packed_bytes;
};

static void free_packed(gpointer data)
{
    packed *p = data;

    mt_free(p->memory);
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
        if (value->constant != NULL)
            g_hash_table_add(compiled->own, value->constant);
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

static packed *pack_new(mt_compiled *compiled, const char *name, size_t bytes, mt_pack_fn pack, void *data, GError **error)
{
    void   *memory = mt_alloc((int64_t)bytes, 1, error);
    packed *p;

    if (memory == NULL || !pack(memory, data, error)) {
        mt_free(memory);
        return NULL;
    }
    p = g_new0(packed, 1);
    *p = (packed){.memory = memory, .bytes = bytes};
    compiled->packed_bytes += bytes;
    g_hash_table_insert(compiled->packed, g_strdup(name), p);
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
        found = pack_new(compiled, name, bytes, pack, data, error);
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

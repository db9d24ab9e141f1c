#include "kernels/onnx/model_hash.h"

#include "kernels/tensor/mapped.h"
#include "src/base/hash.h"

#include <pthread.h>

/* Pages are given back behind the hash: all of them at once would count as much memory as the packed weights. */
#define BLOCK_BYTES ((size_t)4 << 20)

struct mt_model_hash {
    GPtrArray      *files; /* GBytes */
    bool            mapped;
    GThread        *thread; /* until it is joined; NULL: whoever asks first computes */
    gint            stop;
    char           *text;
    pthread_mutex_t lock; /* of thread and text; pthread's: ThreadSanitizer knows it */
};

static void hash_bytes(mt_model_hash *hash, mt_hasher *hasher, GBytes *bytes)
{
    size_t         size;
    const uint8_t *data = g_bytes_get_data(bytes, &size);

    for (size_t at = 0; at < size && g_atomic_int_get(&hash->stop) == 0; at += BLOCK_BYTES) {
        size_t n = MIN(size - at, BLOCK_BYTES);

        mt_hasher_update(hasher, data + at, n);
        if (hash->mapped)
            mt_give_back_pages(data + at, n);
    }
}

static gpointer compute(gpointer data)
{
    mt_model_hash *hash = data;
    mt_hasher     *hasher = mt_hasher_new();

    for (guint i = 0; i < hash->files->len; i++)
        hash_bytes(hash, hasher, hash->files->pdata[i]);
    return mt_hasher_finish(hasher);
}

mt_model_hash *mt_model_hash_new(const GPtrArray *files, bool mapped)
{
    mt_model_hash *hash = g_new0(mt_model_hash, 1);

    hash->files = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    for (guint i = 0; i < files->len; i++)
        g_ptr_array_add(hash->files, g_bytes_ref(files->pdata[i]));
    hash->mapped = mapped;
    pthread_mutex_init(&hash->lock, NULL);
    hash->thread = g_thread_try_new("hash", compute, hash, NULL);
    return hash;
}

const char *mt_model_hash_text(mt_model_hash *hash)
{
    pthread_mutex_lock(&hash->lock);
    if (hash->text == NULL)
        hash->text = hash->thread != NULL ? g_thread_join(g_steal_pointer(&hash->thread)) : compute(hash);
    pthread_mutex_unlock(&hash->lock);
    return hash->text;
}

void mt_model_hash_free(mt_model_hash *hash)
{
    if (hash == NULL)
        return;
    g_atomic_int_set(&hash->stop, 1);
    if (hash->thread != NULL)
        g_free(g_thread_join(hash->thread));
    pthread_mutex_destroy(&hash->lock);
    g_ptr_array_unref(hash->files);
    g_free(hash->text);
    g_free(hash);
}

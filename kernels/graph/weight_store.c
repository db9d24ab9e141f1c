/* The file: a head, an index sorted as it was given, then the bytes of each entry on 64-byte boundaries.  Names are kept as
 * their SHA-256, so that all records have one size. */
#include "kernels/graph/weight_store.h"

#include "src/base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "MTWGHT1\n"
#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define ALIGNMENT 64
#define HEX 64

typedef struct head {
    char     magic[8];
    uint64_t bytes, n; /* of the whole file; entries */
    char     key[HEX];
} head;

typedef struct record {
    char     name[HEX];
    uint64_t offset, bytes;
} record;

struct mt_weight_store {
    gint        ref_count;
    const char *memory;
    size_t      bytes;
    GHashTable *records; /* hex of the name, in the mapping, -> record */
};

int mt_weight_store_file(void)
{
    return memfd_create("microtome-weights", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

bool mt_weight_store_is_empty(int fd)
{
    struct stat status;

    return fcntl(fd, F_GET_SEALS) == 0 && fstat(fd, &status) == 0 && status.st_size == 0;
}

static bool write_at(int fd, uint64_t offset, const void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pwrite(fd, (const char *)data + done, bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

static uint64_t aligned(uint64_t offset)
{
    return (offset + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void set_hash(char hex[HEX], const char *text)
{
    g_autofree char *hash = mt_hash_bytes(text, strlen(text));

    memcpy(hex, hash, HEX);
}

bool mt_weight_store_fill(int fd, const char *key, const mt_weight_entry *entries, guint n)
{
    g_autofree record *records = g_new0(record, n + 1);
    head               h = {.magic = MAGIC, .n = n};
    bool               done = true;

    set_hash(h.key, key);
    h.bytes = aligned(sizeof h + n * sizeof *records);
    for (guint i = 0; i < n; i++) {
        set_hash(records[i].name, entries[i].name);
        records[i].offset = h.bytes;
        records[i].bytes = entries[i].bytes;
        h.bytes = aligned(h.bytes + entries[i].bytes);
    }
    done = ftruncate(fd, (off_t)h.bytes) == 0 && write_at(fd, 0, &h, sizeof h) && write_at(fd, sizeof h, records, n * sizeof *records);
    for (guint i = 0; done && i < n; i++)
        done = write_at(fd, records[i].offset, entries[i].data, entries[i].bytes);
    return done && fcntl(fd, F_ADD_SEALS, ALL_SEALS) == 0;
}

static guint hash_hex(gconstpointer hex)
{
    guint hash;

    memcpy(&hash, hex, sizeof hash); /* digits of a SHA-256 are as good as any */
    return hash;
}

static gboolean equal_hex(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, HEX) == 0;
}

/* The index, every record of which lies within the file. */
static bool read_index(mt_weight_store *store, const char *key)
{
    const head   *h = (const head *)store->memory;
    const record *records = (const record *)(store->memory + sizeof *h);
    char          wanted[HEX];

    set_hash(wanted, key);
    if (store->bytes < sizeof *h || memcmp(h->magic, MAGIC, sizeof h->magic) != 0 || h->bytes != store->bytes ||
        memcmp(h->key, wanted, HEX) != 0 || h->n > (store->bytes - sizeof *h) / sizeof *records)
        return false;
    for (uint64_t i = 0; i < h->n; i++) {
        const record *r = &records[i];

        if (r->offset % ALIGNMENT != 0 || r->offset > store->bytes || r->bytes > store->bytes - r->offset)
            return false;
        g_hash_table_insert(store->records, (gpointer)r->name, (gpointer)r);
    }
    return true;
}

mt_weight_store *mt_weight_store_open(int fd, const char *key)
{
    struct stat status;
    int         seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || (seals & ALL_SEALS) != ALL_SEALS || fstat(fd, &status) != 0 || status.st_size < (off_t)sizeof(head))
        return NULL;
    void *memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return NULL;
    g_autoptr(mt_weight_store) store = g_new0(mt_weight_store, 1);
    store->ref_count = 1;
    store->memory = memory;
    store->bytes = (size_t)status.st_size;
    store->records = g_hash_table_new(hash_hex, equal_hex);
    return read_index(store, key) ? g_steal_pointer(&store) : NULL;
}

mt_weight_store *mt_weight_store_ref(mt_weight_store *store)
{
    g_atomic_int_inc(&store->ref_count);
    return store;
}

void mt_weight_store_unref(mt_weight_store *store)
{
    if (store == NULL || !g_atomic_int_dec_and_test(&store->ref_count))
        return;
    g_hash_table_unref(store->records);
    munmap((void *)store->memory, store->bytes);
    g_free(store);
}

const void *mt_weight_store_find(const mt_weight_store *store, const char *name, size_t bytes)
{
    char hex[HEX];

    set_hash(hex, name);
    const record *r = g_hash_table_lookup(store->records, hex);
    return r != NULL && r->bytes == bytes ? store->memory + r->offset : NULL;
}

bool mt_weight_store_holds(const mt_weight_store *store, const void *data)
{
    return (const char *)data >= store->memory && (const char *)data < store->memory + store->bytes;
}

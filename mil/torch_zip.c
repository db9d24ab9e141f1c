#include "mil/torch_zip.h"

#include "src/base/limits.h"

#include <string.h>
#include <zlib.h>

#define END_BYTES 22
#define END64_BYTES 56
#define LOCATOR_BYTES 20
#define CENTRAL_BYTES 46
#define LOCAL_BYTES 30

struct mt_torch_zip {
    const char *bytes;
    size_t      size;
    GPtrArray  *entries; /* mt_zip_entry * */
    GHashTable *by_name;
    bool        has_checksums; /* torch.save can be told to write 0 for all of them */
};

static uint16_t u16(const char *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof(value));
    return GUINT16_FROM_LE(value);
}

static uint32_t u32(const char *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return GUINT32_FROM_LE(value);
}

static uint64_t u64(const char *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return GUINT64_FROM_LE(value);
}

static void entry_free(gpointer data)
{
    mt_zip_entry *entry = data;

    g_free(entry->name);
    g_free(entry);
}

void mt_torch_zip_free(mt_torch_zip *zip)
{
    if (zip == NULL)
        return;
    g_hash_table_unref(zip->by_name);
    g_ptr_array_unref(zip->entries);
    g_free(zip);
}

bool mt_torch_zip_is(const char *bytes, size_t size)
{
    return size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0;
}

static bool refuse(GError **error, const char *what)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "damaged zip archive: %s", what);
    return false;
}

static bool refuse_entry(GError **error, const char *name, size_t bytes, const char *what)
{
    g_autofree char *text = g_utf8_make_valid(name, (gssize)MIN(bytes, 200)), *shown = g_strescape(text, NULL);

    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "zip entry '%s' %s", shown, what);
    return false;
}

typedef struct directory {
    uint64_t begin, bytes, n;
    size_t   end; /* where the records behind the directory begin */
} directory;

/* What torch.save writes has no comment, so the end record stands at the very end; one with a comment is searched for as
 * the format says. */
static const char *find_end(const mt_torch_zip *zip)
{
    for (size_t comment = 0; comment <= 65535 && END_BYTES + comment <= zip->size; comment++) {
        const char *end = zip->bytes + zip->size - END_BYTES - comment;
        if (memcmp(end, "PK\5\6", 4) == 0 && u16(end + 20) == comment)
            return end;
    }
    return NULL;
}

/* The directory as the zip64 records in front of `end` say. */
static bool read_end64(const mt_torch_zip *zip, const char *end, directory *d, GError **error)
{
    const char *locator = end - LOCATOR_BYTES;
    size_t      room = (size_t)(locator - zip->bytes);
    uint64_t    at = u64(locator + 8);

    if (room < END64_BYTES || at > room - END64_BYTES || memcmp(zip->bytes + at, "PK\6\6", 4) != 0)
        return refuse(error, "its zip64 end record is not where it should be");
    const char *record = zip->bytes + at;
    if (u32(record + 16) != 0 || u32(record + 20) != 0 || u64(record + 24) != u64(record + 32))
        return refuse(error, "it is one part of several");
    d->n = u64(record + 32);
    d->bytes = u64(record + 40);
    d->begin = u64(record + 48);
    d->end = (size_t)at;
    return true;
}

static bool find_directory(const mt_torch_zip *zip, directory *d, GError **error)
{
    const char *end = find_end(zip);

    if (end == NULL)
        return refuse(error, "its end record is missing: truncated?");
    size_t at = (size_t)(end - zip->bytes);
    if (at >= LOCATOR_BYTES && memcmp(end - LOCATOR_BYTES, "PK\6\7", 4) == 0) {
        if (!read_end64(zip, end, d, error))
            return false;
    } else {
        if (u16(end + 4) != 0 || u16(end + 6) != 0 || u16(end + 8) != u16(end + 10))
            return refuse(error, "it is one part of several");
        *d = (directory){.n = u16(end + 10), .bytes = u32(end + 12), .begin = u32(end + 16), .end = at};
    }
    if (d->bytes > d->end || d->begin > d->end - d->bytes || d->begin + d->bytes != d->end)
        return refuse(error, "its directory is not where it should be");
    if (d->n > d->bytes / CENTRAL_BYTES)
        return refuse(error, "its directory is too short for its entries");
    return true;
}

typedef struct record {
    const char *name;
    size_t      name_bytes;
    uint64_t    size, packed, local;
    uint32_t    crc;
} record;

/* Fields of 32 bits that are full stand in the zip64 extra field, in this order. */
static bool read_extra(const char *extra, size_t bytes, record *r, GError **error)
{
    uint64_t *wanted[] = {&r->size, &r->packed, &r->local};

    while (bytes >= 4) {
        size_t length = u16(extra + 2);
        if (length > bytes - 4)
            break;
        const char *field = extra + 4;
        size_t      left = length;
        for (guint i = 0; u16(extra) == 1 && i < G_N_ELEMENTS(wanted); i++) {
            if (*wanted[i] != UINT32_MAX)
                continue;
            if (left < 8)
                return refuse_entry(error, r->name, r->name_bytes, "has a zip64 field that is too short");
            *wanted[i] = u64(field);
            field += 8;
            left -= 8;
        }
        extra += 4 + length;
        bytes -= 4 + length;
    }
    return true;
}

/* One record of the directory; how many bytes it takes, 0 on error. */
static size_t read_record(const char *at, size_t left, record *r, GError **error)
{
    if (left < CENTRAL_BYTES || memcmp(at, "PK\1\2", 4) != 0) {
        refuse(error, "a record of its directory is not one");
        return 0;
    }
    size_t name = u16(at + 28), extra = u16(at + 30), comment = u16(at + 32), all = CENTRAL_BYTES + name + extra + comment;
    if (all > left) {
        refuse(error, "a record of its directory is cut short");
        return 0;
    }
    *r = (record){.name = at + CENTRAL_BYTES,
                  .name_bytes = name,
                  .crc = u32(at + 16),
                  .packed = u32(at + 20),
                  .size = u32(at + 24),
                  .local = u32(at + 42)};
    const char *what = NULL;
    if (name == 0 || memchr(r->name, '\0', name) != NULL || !g_utf8_validate(r->name, (gssize)name, NULL))
        what = "has a name that is no text";
    else if ((u16(at + 8) & 0x2041) != 0)
        what = "is encrypted";
    else if (u16(at + 10) != 0)
        what = "is compressed: torch.save stores its entries; save the checkpoint again with torch";
    if (what != NULL)
        refuse_entry(error, r->name, name, what);
    else if (read_extra(r->name + name, extra, r, error))
        return all;
    return 0;
}

/* Where the entry's bytes stand, behind its local header; false when that is another's or beyond `end`. */
static bool place(const mt_torch_zip *zip, const record *r, size_t end, size_t *begin, GError **error)
{
    if (r->size != r->packed)
        return refuse_entry(error, r->name, r->name_bytes, "claims two sizes for stored bytes");
    if (end < LOCAL_BYTES || r->local > end - LOCAL_BYTES || memcmp(zip->bytes + r->local, "PK\3\4", 4) != 0)
        return refuse_entry(error, r->name, r->name_bytes, "has no header where the directory says");
    const char *local = zip->bytes + r->local;
    size_t      head = LOCAL_BYTES + (size_t)u16(local + 26) + u16(local + 28), left = end - (size_t)r->local;
    if (head > left || u16(local + 26) != r->name_bytes || memcmp(local + LOCAL_BYTES, r->name, r->name_bytes) != 0)
        return refuse_entry(error, r->name, r->name_bytes, "has another name in its header");
    if (r->size > left - head)
        return refuse_entry(error, r->name, r->name_bytes, "is larger than the file: truncated?");
    *begin = (size_t)r->local + head;
    return true;
}

static bool hostile_name(const char *name)
{
    return name[0] == '/' || name[0] == '\\' || strchr(name, '\\') != NULL || strcmp(name, "..") == 0 || g_str_has_prefix(name, "../") ||
           strstr(name, "/../") != NULL || g_str_has_suffix(name, "/..");
}

/* Takes the archive's folder (what stands in front of the first slash) off; every entry has the same. */
static bool add_entry(mt_torch_zip *zip, const record *r, size_t begin, GError **error)
{
    g_autofree char *whole = g_strndup(r->name, r->name_bytes);
    const char      *slash = strchr(whole, '/');

    if (hostile_name(whole))
        return refuse_entry(error, whole, r->name_bytes, "leaves the archive");
    if (slash == NULL)
        return refuse_entry(error, whole, r->name_bytes, "stands outside the archive's folder: not what torch.save writes");
    mt_zip_entry *entry = g_new0(mt_zip_entry, 1);
    *entry = (mt_zip_entry){.name = g_strdup(slash + 1), .begin = begin, .size = (size_t)r->size, .crc = r->crc};
    zip->has_checksums |= entry->crc != 0;
    g_ptr_array_add(zip->entries, entry);
    if (!g_hash_table_add(zip->by_name, entry) || g_hash_table_size(zip->by_name) != zip->entries->len)
        return refuse_entry(error, whole, r->name_bytes, "stands twice in the archive");
    return true;
}

static gint by_begin(gconstpointer a, gconstpointer b)
{
    const mt_zip_entry *x = *(const mt_zip_entry *const *)a, *y = *(const mt_zip_entry *const *)b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size;
}

/* No byte belongs to two entries: a small file cannot claim to hold much. */
static bool check_apart(mt_torch_zip *zip, GError **error)
{
    size_t end = 0;

    g_ptr_array_sort(zip->entries, by_begin);
    for (guint i = 0; i < zip->entries->len; i++) {
        const mt_zip_entry *entry = g_ptr_array_index(zip->entries, i);
        if (entry->begin < end)
            return refuse_entry(error, entry->name, strlen(entry->name), "overlaps another");
        end = entry->begin + entry->size;
    }
    return true;
}

static bool read_directory(mt_torch_zip *zip, GError **error)
{
    directory d;
    record    r;
    size_t    begin = 0;

    if (!find_directory(zip, &d, error))
        return false;
    if (d.n > MT_LIMIT_TORCH_ENTRIES) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the zip archive has %" G_GUINT64_FORMAT " entries, at most %d are read", d.n,
                    MT_LIMIT_TORCH_ENTRIES);
        return false;
    }
    const char *at = zip->bytes + d.begin;
    size_t      left = (size_t)d.bytes;
    for (uint64_t i = 0; i < d.n; i++) {
        size_t taken = read_record(at, left, &r, error);
        if (taken == 0 || !place(zip, &r, (size_t)d.begin, &begin, error) || !add_entry(zip, &r, begin, error))
            return false;
        at += taken;
        left -= taken;
    }
    return left == 0 ? check_apart(zip, error) : refuse(error, "its directory holds more than its entries");
}

static guint name_hash(gconstpointer entry)
{
    return g_str_hash(((const mt_zip_entry *)entry)->name);
}

static gboolean name_equal(gconstpointer a, gconstpointer b)
{
    return strcmp(((const mt_zip_entry *)a)->name, ((const mt_zip_entry *)b)->name) == 0;
}

mt_torch_zip *mt_torch_zip_new(const char *bytes, size_t size, GError **error)
{
    g_autoptr(mt_torch_zip) zip = g_new0(mt_torch_zip, 1);

    zip->bytes = bytes;
    zip->size = size;
    zip->entries = g_ptr_array_new_with_free_func(entry_free);
    zip->by_name = g_hash_table_new(name_hash, name_equal);
    return read_directory(zip, error) ? g_steal_pointer(&zip) : NULL;
}

const mt_zip_entry *mt_torch_zip_find(const mt_torch_zip *zip, const char *name)
{
    mt_zip_entry wanted = {.name = (char *)(uintptr_t)name};

    return g_hash_table_lookup(zip->by_name, &wanted);
}

bool mt_torch_zip_check(const mt_torch_zip *zip, const mt_zip_entry *entry, GError **error)
{
    uLong crc = crc32(0, NULL, 0);

    for (size_t at = 0; zip->has_checksums && at < entry->size; at += 1 << 20)
        crc = crc32(crc, (const Bytef *)zip->bytes + entry->begin + at, (uInt)MIN(entry->size - at, 1 << 20));
    return crc == entry->crc || !zip->has_checksums ||
           refuse_entry(error, entry->name, strlen(entry->name), "is damaged: its checksum differs");
}

/* The archive: NAME/data.pkl, NAME/byteorder, NAME/data/0, NAME/version, stored without packing; the data begin at a multiple of 64 bytes,
 * as PyTorch has them for mapping.  NAME is fixed and there are no times: equal tensors are equal bytes. */
#include "src/export/torch_file.h"

#include "src/base/publish.h"
#include "src/export/published_stream.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#define NAME "archive"
#define ALIGN 64
#define MAX_BYTES ((INT64_C(4) << 30) - (INT64_C(1) << 20))
#define MAX_ENTRIES 4
#define DOS_DATE 33 /* 1 January 1980 */

typedef struct entry {
    const char *name;
    uint32_t    crc, bytes, at;
    uint16_t    padding; /* of its local header */
} entry;

struct mt_torch_file {
    mt_published_stream stream; /* temporary NULL: over */
    char               *path;
    int64_t             rows, columns, appended;
    entry               entries[MAX_ENTRIES];
    int                 n_entries;
};

static void put16(GByteArray *bytes, uint32_t value)
{
    g_byte_array_append(bytes, (const guint8[]){value & 255, value >> 8 & 255}, 2);
}

static void put32(GByteArray *bytes, uint32_t value)
{
    put16(bytes, value & 65535);
    put16(bytes, value >> 16);
}

static void put_text(GByteArray *bytes, const char *text)
{
    g_byte_array_append(bytes, (const guint8 *)text, (guint)strlen(text));
}

/* What stands in a local header and in the directory alike. */
static void put_facts(GByteArray *bytes, const entry *e)
{
    put16(bytes, 20); /* version needed */
    put16(bytes, 0);  /* flags */
    put16(bytes, 0);  /* stored */
    put16(bytes, 0);
    put16(bytes, DOS_DATE);
    put32(bytes, e->crc);
    put32(bytes, e->bytes);
    put32(bytes, e->bytes);
    put16(bytes, (uint32_t)strlen(e->name));
}

static void write_bytes(mt_torch_file *file, const GByteArray *bytes)
{
    fwrite(bytes->data, 1, bytes->len, file->stream.out);
}

static void write_header(mt_torch_file *file, const entry *e)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    put32(bytes, 0x04034b50);
    put_facts(bytes, e);
    put16(bytes, e->padding);
    put_text(bytes, e->name);
    if (e->padding > 0) {
        g_autofree guint8 *filler = g_malloc0(e->padding);
        filler[0] = 'F'; /* the field's name, as PyTorch's */
        filler[1] = 'B';
        filler[2] = (guint8)((e->padding - 4) & 255);
        filler[3] = (guint8)((e->padding - 4) >> 8);
        g_byte_array_append(bytes, filler, e->padding);
    }
    write_bytes(file, bytes);
}

static entry *begin_entry(mt_torch_file *file, const char *name, int64_t size)
{
    entry  *e = &file->entries[file->n_entries++];
    int64_t at = ftello(file->stream.out), data = at + 30 + (int64_t)strlen(name) + 4;

    *e = (entry){.name = name, .bytes = (uint32_t)size, .at = (uint32_t)at};
    e->padding = (uint16_t)(4 + (ALIGN - data % ALIGN) % ALIGN);
    e->crc = (uint32_t)crc32(0, NULL, 0);
    write_header(file, e);
    return e;
}

static void write_entry(mt_torch_file *file, const char *name, const void *data, size_t size)
{
    off_t  at = ftello(file->stream.out);
    entry *e = begin_entry(file, name, (int64_t)size);

    e->crc = (uint32_t)crc32(e->crc, data, (uInt)size);
    fseeko(file->stream.out, at, SEEK_SET);
    write_header(file, e);
    fwrite(data, 1, size, file->stream.out);
}

static void put_int(GByteArray *pickle, int64_t value)
{
    put_text(pickle, "J");
    put32(pickle, (uint32_t)value);
}

static void put_unicode(GByteArray *pickle, const char *text)
{
    put_text(pickle, "X");
    put32(pickle, (uint32_t)strlen(text));
    put_text(pickle, text);
}

/* torch._utils._rebuild_tensor_v2(('storage', FloatStorage, '0', 'cpu', n), 0, (rows, columns), (columns, 1), False, OrderedDict()) */
static void write_pickle(mt_torch_file *file)
{
    g_autoptr(GByteArray) p = g_byte_array_new();

    put_text(p, "\x80\x02"
                "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_unicode(p, "storage");
    put_text(p, "ctorch\nFloatStorage\n");
    put_unicode(p, "0");
    put_unicode(p, "cpu");
    put_int(p, file->rows * file->columns);
    put_text(p, "tQ");
    put_int(p, 0);
    put_int(p, file->rows);
    put_int(p, file->columns);
    put_text(p, "\x86");
    put_int(p, file->columns);
    put_int(p, 1);
    put_text(p, "\x86\x89"
                "ccollections\nOrderedDict\n)RtR.");
    write_entry(file, NAME "/data.pkl", p->data, p->len);
}

mt_torch_file *mt_torch_file_begin(const char *path, int64_t rows, int64_t columns, GError **error)
{
    if (columns < 1 || rows < 0 || rows > MAX_BYTES / (int64_t)sizeof(float) / columns) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                    "write %s: %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " floats are more than the 4 GiB of such a file", path, rows,
                    columns);
        return NULL;
    }
    g_autoptr(mt_torch_file) file = g_new0(mt_torch_file, 1);
    file->path = g_strdup(path);
    file->rows = rows;
    file->columns = columns;
    if (!mt_published_stream_begin(&file->stream, path, error))
        return NULL;
    write_pickle(file);
    write_entry(file, NAME "/byteorder", "little", 6);
    begin_entry(file, NAME "/data/0", rows * columns * (int64_t)sizeof(float));
    return g_steal_pointer(&file);
}

bool mt_torch_file_append(mt_torch_file *file, const float *rows, int64_t count, GError **error)
{
    entry *e = &file->entries[file->n_entries - 1];
    size_t bytes = (size_t)(count * file->columns) * sizeof(float);

    file->appended += count;
    e->crc = (uint32_t)crc32_z(e->crc, (const Bytef *)rows, bytes);
    errno = 0;
    if (fwrite(rows, 1, bytes, file->stream.out) == bytes)
        return true;
    mt_publish_io_error(error, "write", file->path, errno);
    return false;
}

static void write_directory(mt_torch_file *file)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint32_t at = (uint32_t)ftello(file->stream.out), size;

    for (int i = 0; i < file->n_entries; i++) {
        const entry *e = &file->entries[i];
        put32(bytes, 0x02014b50);
        put16(bytes, 20); /* made by */
        put_facts(bytes, e);
        put16(bytes, 0); /* extra */
        put16(bytes, 0); /* comment */
        put16(bytes, 0); /* disk */
        put16(bytes, 0);
        put32(bytes, 0);
        put32(bytes, e->at);
        put_text(bytes, e->name);
    }
    size = bytes->len;
    put32(bytes, 0x06054b50);
    put32(bytes, 0);
    put16(bytes, (uint32_t)file->n_entries);
    put16(bytes, (uint32_t)file->n_entries);
    put32(bytes, size);
    put32(bytes, at);
    put16(bytes, 0);
    write_bytes(file, bytes);
}

bool mt_torch_file_commit(mt_torch_file *file, bool replace, GError **error)
{
    bool whole = file->appended == file->rows;

    if (!whole)
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "write %s: %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " rows have come", file->path,
                    file->appended, file->rows);
    if (whole) {
        entry *data = &file->entries[file->n_entries - 1];
        off_t  end = ftello(file->stream.out);
        fseeko(file->stream.out, (off_t)data->at, SEEK_SET); /* its checksum is known now */
        write_header(file, data);
        fseeko(file->stream.out, end, SEEK_SET);
        write_entry(file, NAME "/version", "3\n", 2);
        write_directory(file);
    }
    return mt_published_stream_end(&file->stream, file->path, replace, whole, error);
}

void mt_torch_file_free(mt_torch_file *file)
{
    if (file == NULL)
        return;
    if (file->stream.temporary != NULL)
        mt_published_stream_end(&file->stream, file->path, false, false, NULL);
    g_free(file->path);
    g_free(file);
}

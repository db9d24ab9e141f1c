#include "src/export/tiff_stream.h"

#include "src/base/publish.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Field types of TIFF. */
enum { TYPE_SHORT = 3, TYPE_LONG = 4, TYPE_RATIONAL = 5, TYPE_UNDEFINED = 7, TYPE_LONG8 = 16 };

/* A directory being built: entries in ascending order of tags, and what did not fit into them. */
typedef struct directory {
    bool        big;
    uint64_t    start;     /* where the entries will stand */
    uint64_t    n_entries; /* known beforehand: extra stands behind them */
    GByteArray *entries, *extra;
} directory;

static void put(GByteArray *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        const guint8 byte = (guint8)(value >> (8 * i));
        g_byte_array_append(to, &byte, 1);
    }
}

static int type_bytes(int type)
{
    return type == TYPE_SHORT ? 2 : type == TYPE_LONG ? 4 : type == TYPE_UNDEFINED ? 1 : 8;
}

static uint64_t directory_bytes(bool big, uint64_t n_entries)
{
    return big ? 8 + 20 * n_entries + 8 : 2 + 12 * n_entries + 4;
}

/* A rational is two numbers of four bytes: `values` then has 2 x count. */
static void put_values(GByteArray *to, int type, uint64_t count, const uint64_t *values)
{
    const int bytes = type == TYPE_RATIONAL ? 4 : type_bytes(type);

    for (uint64_t i = 0; i < (type == TYPE_RATIONAL ? 2 * count : count); i++)
        put(to, values[i], bytes);
}

static void add(directory *d, int tag, int type, uint64_t count, const uint64_t *values)
{
    const uint64_t bytes = count * (uint64_t)type_bytes(type);
    const int      word = d->big ? 8 : 4;

    put(d->entries, (uint64_t)tag, 2);
    put(d->entries, (uint64_t)type, 2);
    put(d->entries, count, word);
    if (bytes <= (uint64_t)word) {
        put_values(d->entries, type, count, values);
        put(d->entries, 0, word - (int)bytes);
        return;
    }
    put(d->entries, d->start + directory_bytes(d->big, d->n_entries) + d->extra->len, word);
    put_values(d->extra, type, count, values);
    if (d->extra->len % 2 != 0)
        put(d->extra, 0, 1);
}

static void add_one(directory *d, int tag, int type, uint64_t value)
{
    add(d, tag, type, 1, &value);
}

/* A positive double as numerator and denominator with as many decimals as fit. */
static void to_rational(double value, uint64_t out[2])
{
    uint64_t denominator = 1;

    while (denominator < 100000000 && value * (double)denominator * 10 < 4e9)
        denominator *= 10;
    out[0] = (uint64_t)(value * (double)denominator + 0.5);
    out[1] = denominator;
}

static void add_all(directory *d, const mt_tiff_level *level, uint64_t tables, size_t table_bytes)
{
    static const uint64_t reference[] = {0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1};
    const uint64_t        bits[] = {8, 8, 8}, sampling[] = {level->full_colour ? 1 : 2, level->full_colour ? 1 : 2};
    const bool            known = level->px_per_cm > 0;
    const int             offset_type = d->big ? TYPE_LONG8 : TYPE_LONG;
    uint64_t              resolution[2] = {1, 1};

    if (known)
        to_rational(level->px_per_cm, resolution);
    add_one(d, 254, TYPE_LONG, level->reduced ? 1 : 0); /* NewSubfileType */
    add_one(d, 256, TYPE_LONG, (uint64_t)level->width);
    add_one(d, 257, TYPE_LONG, (uint64_t)level->height);
    add(d, 258, TYPE_SHORT, 3, bits); /* BitsPerSample */
    add_one(d, 259, TYPE_SHORT, 7);   /* Compression: JPEG */
    add_one(d, 262, TYPE_SHORT, 6);   /* Photometric: YCbCr */
    add_one(d, 274, TYPE_SHORT, 1);   /* Orientation: top left */
    add_one(d, 277, TYPE_SHORT, 3);   /* SamplesPerPixel */
    add(d, 282, TYPE_RATIONAL, 1, resolution);
    add(d, 283, TYPE_RATIONAL, 1, resolution);
    add_one(d, 284, TYPE_SHORT, 1);             /* PlanarConfiguration: together */
    add_one(d, 296, TYPE_SHORT, known ? 3 : 1); /* ResolutionUnit: cm, or none */
    add_one(d, 322, TYPE_LONG, (uint64_t)level->tile_px);
    add_one(d, 323, TYPE_LONG, (uint64_t)level->tile_px);
    add(d, 324, offset_type, (uint64_t)level->n_tiles, level->offsets);
    add(d, 325, offset_type, (uint64_t)level->n_tiles, level->counts);
    put(d->entries, 347, 2); /* JPEGTables: all levels share one copy */
    put(d->entries, TYPE_UNDEFINED, 2);
    put(d->entries, table_bytes, d->big ? 8 : 4);
    put(d->entries, tables, d->big ? 8 : 4);
    add(d, 530, TYPE_SHORT, 2, sampling);     /* YCbCrSubSampling */
    add(d, 532, TYPE_RATIONAL, 6, reference); /* ReferenceBlackWhite */
}

#define N_ENTRIES 19

static bool write_all(mt_tiff_stream *stream, const void *data, size_t bytes, GError **error)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(stream->fd, (const char *)data + done, bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            mt_publish_io_error(error, "write", stream->path, errno);
            return false;
        }
        done += (size_t)n;
    }
    stream->position += bytes;
    return true;
}

bool mt_tiff_stream_append(mt_tiff_stream *stream, const void *data, size_t bytes, uint64_t *offset, GError **error)
{
    static const char zero = 0;

    if (stream->position % 2 != 0 && !write_all(stream, &zero, 1, error)) /* TIFF wants even offsets */
        return false;
    if (!stream->big && stream->position + bytes > UINT32_MAX) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "write %s: its tiles passed the 4 GiB of a classic TIFF", stream->path);
        return false;
    }
    *offset = stream->position;
    return write_all(stream, data, bytes, error);
}

bool mt_tiff_stream_begin(mt_tiff_stream *stream, GError **error)
{
    static const unsigned char classic[8] = {'I', 'I', 42, 0}, big[16] = {'I', 'I', 43, 0, 8};
    uint64_t                   offset;

    return stream->big ? mt_tiff_stream_append(stream, big, sizeof big, &offset, error)
                       : mt_tiff_stream_append(stream, classic, sizeof classic, &offset, error);
}

/* One directory at the end of the file; the last one links to none. */
static bool append_directory(mt_tiff_stream *stream, const mt_tiff_level *level, bool last, uint64_t tables, size_t table_bytes,
                             GError **error)
{
    g_autoptr(GByteArray) entries = g_byte_array_new(), extra = g_byte_array_new();
    directory d = {
        .big = stream->big, .start = stream->position + stream->position % 2, .n_entries = N_ENTRIES, .entries = entries, .extra = extra};
    uint64_t offset;

    put(entries, N_ENTRIES, stream->big ? 8 : 2);
    add_all(&d, level, tables, table_bytes);
    const uint64_t next = d.start + directory_bytes(d.big, N_ENTRIES) + extra->len;
    put(entries, last ? 0 : next, stream->big ? 8 : 4);
    g_assert(entries->len == directory_bytes(d.big, N_ENTRIES));
    return mt_tiff_stream_append(stream, entries->data, entries->len, &offset, error) && write_all(stream, extra->data, extra->len, error);
}

static bool link_first(mt_tiff_stream *stream, uint64_t first, GError **error)
{
    g_autoptr(GByteArray) link = g_byte_array_new();

    put(link, first, stream->big ? 8 : 4);
    if (pwrite(stream->fd, link->data, link->len, stream->big ? 8 : 4) == (ssize_t)link->len)
        return true;
    mt_publish_io_error(error, "write", stream->path, errno);
    return false;
}

bool mt_tiff_stream_end(mt_tiff_stream *stream, const mt_tiff_level *levels, int n, const void *tables, size_t table_bytes, GError **error)
{
    uint64_t table_offset;

    if (!mt_tiff_stream_append(stream, tables, table_bytes, &table_offset, error))
        return false;
    const uint64_t first = stream->position + stream->position % 2;
    for (int i = 0; i < n; i++)
        if (!append_directory(stream, &levels[i], i == n - 1, table_offset, table_bytes, error))
            return false;
    return link_first(stream, first, error);
}

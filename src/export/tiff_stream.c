#include "src/export/tiff_stream.h"

#include "src/base/publish.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Field types of TIFF. */
enum { TYPE_ASCII = 2, TYPE_SHORT = 3, TYPE_LONG = 4, TYPE_RATIONAL = 5, TYPE_UNDEFINED = 7, TYPE_LONG8 = 16 };

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
    return type == TYPE_SHORT ? 2 : type == TYPE_LONG ? 4 : type == TYPE_UNDEFINED || type == TYPE_ASCII ? 1 : 8;
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

static void add_text(directory *d, int tag, const char *text)
{
    g_autofree uint64_t *letters = g_new(uint64_t, strlen(text) + 1);

    for (size_t i = 0; i <= strlen(text); i++)
        letters[i] = (unsigned char)text[i];
    add(d, tag, TYPE_ASCII, strlen(text) + 1, letters);
}

static void add_size(directory *d, const mt_tiff_level *level)
{
    const uint64_t bits[] = {level->floats ? 32 : 8, 8, 8};

    add_one(d, 254, TYPE_LONG, level->reduced ? 1 : 0); /* NewSubfileType */
    add_one(d, 256, TYPE_LONG, (uint64_t)level->width);
    add_one(d, 257, TYPE_LONG, (uint64_t)level->height);
    add(d, 258, TYPE_SHORT, level->floats ? 1 : 3, bits); /* BitsPerSample */
    add_one(d, 259, TYPE_SHORT, level->floats ? 8 : 7);   /* Compression: deflate, JPEG */
    add_one(d, 262, TYPE_SHORT, level->floats ? 1 : 6);   /* Photometric: black is zero, YCbCr */
}

static void add_places(directory *d, const mt_tiff_level *level)
{
    const bool known = level->px_per_cm > 0;
    const int  offset_type = d->big ? TYPE_LONG8 : TYPE_LONG;
    uint64_t   resolution[2] = {1, 1};

    if (known)
        to_rational(level->px_per_cm, resolution);
    add_one(d, 274, TYPE_SHORT, 1);                     /* Orientation: top left */
    add_one(d, 277, TYPE_SHORT, level->floats ? 1 : 3); /* SamplesPerPixel */
    add(d, 282, TYPE_RATIONAL, 1, resolution);
    add(d, 283, TYPE_RATIONAL, 1, resolution);
    add_one(d, 284, TYPE_SHORT, 1);             /* PlanarConfiguration: together */
    add_one(d, 296, TYPE_SHORT, known ? 3 : 1); /* ResolutionUnit: cm, or none */
    add_one(d, 322, TYPE_LONG, (uint64_t)level->tile_px);
    add_one(d, 323, TYPE_LONG, (uint64_t)level->tile_px);
    add(d, 324, offset_type, (uint64_t)level->n_tiles, level->offsets);
    add(d, 325, offset_type, (uint64_t)level->n_tiles, level->counts);
}

/* JPEGTables: all levels share one copy. */
static void add_jpeg(directory *d, const mt_tiff_level *level, uint64_t tables, size_t table_bytes)
{
    static const uint64_t reference[] = {0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1};
    const uint64_t        sampling[] = {level->full_colour ? 1 : 2, level->full_colour ? 1 : 2};

    put(d->entries, 347, 2);
    put(d->entries, TYPE_UNDEFINED, 2);
    put(d->entries, table_bytes, d->big ? 8 : 4);
    put(d->entries, tables, d->big ? 8 : 4);
    add(d, 530, TYPE_SHORT, 2, sampling);     /* YCbCrSubSampling */
    add(d, 532, TYPE_RATIONAL, 6, reference); /* ReferenceBlackWhite */
}

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

/* What one directory has beyond its level. */
typedef struct extras {
    const char     *description; /* NULL: none */
    const uint64_t *subifds;
    uint64_t        n_subifds;
} extras;

static uint64_t count_entries(const mt_tiff_level *level, const extras *more)
{
    return (level->floats ? 17 : 19) + (more->description != NULL) + (more->n_subifds > 0);
}

/* A directory as bytes; `start` is where it will stand. */
static void build_directory(directory *d, const mt_tiff_level *level, const extras *more, uint64_t tables, size_t table_bytes)
{
    d->n_entries = count_entries(level, more);
    put(d->entries, d->n_entries, d->big ? 8 : 2);
    add_size(d, level);
    if (more->description != NULL)
        add_text(d, 270, more->description);
    add_places(d, level);
    if (more->n_subifds > 0)
        add(d, 330, d->big ? TYPE_LONG8 : TYPE_LONG, more->n_subifds, more->subifds);
    if (level->floats)
        add_one(d, 339, TYPE_SHORT, 3); /* SampleFormat: IEEE floats */
    else
        add_jpeg(d, level, tables, table_bytes);
}

/* One directory at the end of the file; `chained`: the next one will stand right behind it. */
static bool append_directory(mt_tiff_stream *stream, const mt_tiff_level *level, const extras *more, bool chained, uint64_t tables,
                             size_t table_bytes, uint64_t *at, GError **error)
{
    g_autoptr(GByteArray) entries = g_byte_array_new(), extra = g_byte_array_new();
    directory d = {.big = stream->big, .start = stream->position + stream->position % 2, .entries = entries, .extra = extra};

    build_directory(&d, level, more, tables, table_bytes);
    const uint64_t behind = d.start + directory_bytes(d.big, d.n_entries) + extra->len;
    put(entries, chained ? behind : 0, stream->big ? 8 : 4);
    g_assert(entries->len == directory_bytes(d.big, d.n_entries));
    return mt_tiff_stream_append(stream, entries->data, entries->len, at, error) && write_all(stream, extra->data, extra->len, error);
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

bool mt_tiff_stream_end(mt_tiff_stream *stream, const mt_tiff_level *levels, int n, const mt_tiff_layout *layout, GError **error)
{
    uint64_t             tables = 0, first = 0;
    g_autofree uint64_t *at = g_new0(uint64_t, n);
    extras               main = {.description = layout->description};
    bool ok = layout->table_bytes == 0 || mt_tiff_stream_append(stream, layout->tables, layout->table_bytes, &tables, error);

    for (int i = 1; ok && layout->subifds && i < n; i++)
        ok = append_directory(stream, &levels[i], &(extras){0}, false, tables, layout->table_bytes, &at[i], error);
    if (layout->subifds) {
        main.subifds = at + 1;
        main.n_subifds = (uint64_t)n - 1;
    }
    ok = ok && append_directory(stream, &levels[0], &main, !layout->subifds && n > 1, tables, layout->table_bytes, &first, error);
    for (int i = 1; ok && !layout->subifds && i < n; i++)
        ok = append_directory(stream, &levels[i], &(extras){0}, i < n - 1, tables, layout->table_bytes, &at[i], error);
    return ok && link_first(stream, first, error);
}

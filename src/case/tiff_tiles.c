#include "src/case/tiff_tiles.h"

#include "src/base/alloc.h"
#include "src/base/limits.h"
#include "src/case/file_bytes.h"
#include "src/case/stored_tile.h"
#include "src/case/tile_cache.h"
#include "src/case/tile_decoder.h"

#include <pthread.h>
#include <string.h>

#define RGB_BYTES 3

typedef struct tiff_level {
    const mt_tiff_directory *directory; /* NULL: not read here */
    int                      reduce;
    uint32_t                 tile_width, tile_height; /* as decoded */
    GQueue                   idle;                    /* mt_tile_decoder */
    uint8_t                 *told;                    /* a bit for each tile: read ahead was asked for it */
} tiff_level;

struct mt_tiff_tiles {
    char           *path;
    mt_file_bytes  *file;
    pthread_mutex_t lock;   /* of every level's idle decoders; pthread's: ThreadSanitizer knows it */
    GArray         *levels; /* tiff_level */
    mt_tile_cache  *cache;
    int64_t         decoded, reused, decoded_bytes; /* atomic */
};

mt_tiff_tiles *mt_tiff_tiles_new(const char *path, size_t cache_bytes, GError **error)
{
    mt_file_bytes *file = mt_file_bytes_open(path, error);

    if (file == NULL)
        return NULL;
    mt_tiff_tiles *self = g_new0(mt_tiff_tiles, 1);
    pthread_mutex_init(&self->lock, NULL);
    self->path = g_strdup(path);
    self->file = file;
    self->levels = g_array_new(FALSE, TRUE, sizeof(tiff_level));
    self->cache = mt_tile_cache_new(cache_bytes);
    return self;
}

static tiff_level *get_level(const mt_tiff_tiles *self, int number)
{
    return &g_array_index(self->levels, tiff_level, number);
}

void mt_tiff_tiles_free(mt_tiff_tiles *self)
{
    if (self == NULL)
        return;
    for (guint i = 0; i < self->levels->len; i++) {
        g_queue_clear_full(&get_level(self, (int)i)->idle, mt_tile_decoder_free);
        g_free(get_level(self, (int)i)->told);
    }
    g_array_unref(self->levels);
    mt_tile_cache_free(self->cache);
    mt_file_bytes_free(self->file);
    pthread_mutex_destroy(&self->lock);
    g_free(self->path);
    g_free(self);
}

void mt_tiff_tiles_add_level(mt_tiff_tiles *self, const mt_tiff_directory *directory, int reduce)
{
    tiff_level l = {.directory = directory, .reduce = reduce};

    if (directory != NULL) {
        l.tile_width = directory->tile_width / (uint32_t)reduce;
        l.tile_height = directory->tile_height / (uint32_t)reduce;
        l.told = g_malloc0(directory->n_tiles / 8 + 1);
    }
    g_array_append_val(self->levels, l);
}

bool mt_tiff_tiles_has(const mt_tiff_tiles *self, int level)
{
    return self != NULL && get_level(self, level)->directory != NULL;
}

static mt_tile_decoder *borrow_decoder(mt_tiff_tiles *self, tiff_level *l, GError **error)
{
    pthread_mutex_lock(&self->lock);
    mt_tile_decoder *decoder = g_queue_pop_head(&l->idle);
    pthread_mutex_unlock(&self->lock);
    return decoder != NULL ? decoder : mt_tile_decoder_new(self->path, l->directory, l->reduce, error);
}

static void return_decoder(mt_tiff_tiles *self, tiff_level *l, mt_tile_decoder *decoder)
{
    pthread_mutex_lock(&self->lock);
    g_queue_push_head(&l->idle, decoder);
    pthread_mutex_unlock(&self->lock);
}

static bool read_bytes(mt_tiff_tiles *self, mt_tile_decoder *decoder, uint32_t index, GError **error)
{
    size_t   n = decoder->directory->tile_bytes[index];
    uint64_t offset = decoder->directory->tile_offsets[index], size = mt_file_bytes_size(self->file);

    if (n > MT_LIMIT_TILE_BYTES || offset > size || n > size - offset) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "tile %u cannot be read: its %zu bytes lie beyond the end of the file", index, n);
        return false;
    }
    if (decoder->room < n) {
        mt_free(decoder->bytes);
        decoder->room = 0;
        decoder->bytes = mt_alloc((int64_t)(n + n / 2), 1, error);
        if (decoder->bytes == NULL)
            return false;
        decoder->room = n + n / 2;
    }
    if (mt_file_bytes_read(self->file, offset, n, decoder->bytes, error))
        return true;
    g_prefix_error(error, "tile %u cannot be read: ", index);
    return false;
}

static bool try_tile(mt_tiff_tiles *self, tiff_level *l, uint32_t index, uint8_t *rgb, size_t row_bytes, GError **error)
{
    mt_tile_decoder *decoder = borrow_decoder(self, l, error);

    if (decoder == NULL)
        return false;
    if (!read_bytes(self, decoder, index, error) ||
        !mt_tile_decoder_run(decoder, index, decoder->bytes, l->directory->tile_bytes[index], rgb, row_bytes, error)) {
        mt_tile_decoder_free(decoder); /* what a codec holds after a failure is not relied on */
        return false;
    }
    return_decoder(self, l, decoder);
    return true;
}

static void fill_white(const tiff_level *l, uint8_t *rgb, size_t row_bytes)
{
    for (uint32_t y = 0; y < l->tile_height; y++)
        memset(rgb + y * row_bytes, 0xff, (size_t)l->tile_width * RGB_BYTES);
}

/* A tile that cannot be decoded is read and decoded once more before it is called bad. */
static bool decode_tile(mt_tiff_tiles *self, tiff_level *l, uint32_t index, uint8_t *rgb, size_t row_bytes, GError **error)
{
    g_autoptr(GError) first = NULL;

    if (l->directory->tile_bytes[index] == 0 && l->directory->tile_offsets[index] > 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "tile %u cannot be read: it has a place in the file and no bytes", index);
        return false;
    }
    if (l->directory->tile_bytes[index] == 0) {
        fill_white(l, rgb, row_bytes);
        return true;
    }
    __atomic_fetch_add(&self->decoded, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&self->decoded_bytes, (int64_t)l->tile_width * l->tile_height * RGB_BYTES, __ATOMIC_RELAXED);
    if (try_tile(self, l, index, rgb, row_bytes, &first))
        return true;
    if (g_error_matches(first, MT_ERROR, MT_ERROR_INPUT))
        return try_tile(self, l, index, rgb, row_bytes, error);
    g_propagate_error(error, g_steal_pointer(&first));
    return false;
}

static uint64_t key_of(int number, uint32_t index)
{
    return (uint64_t)number << 32 | index;
}

static mt_cached_tile *get_tile(mt_tiff_tiles *self, int number, uint32_t index, GError **error)
{
    tiff_level     *l = get_level(self, number);
    uint64_t        key = key_of(number, index);
    mt_cached_tile *tile = mt_tile_cache_claim(self->cache, key);
    size_t          line = (size_t)l->tile_width * RGB_BYTES;

    if (tile != NULL) {
        __atomic_fetch_add(&self->reused, 1, __ATOMIC_RELAXED);
        return tile;
    }
    tile = mt_tile_cache_room(self->cache, line * l->tile_height, error);
    if (tile == NULL || !decode_tile(self, l, index, tile->data, line, error)) {
        mt_tile_cache_give_up(self->cache, key);
        mt_cached_tile_unref(tile);
        return NULL;
    }
    mt_tile_cache_keep(self->cache, key, tile);
    return tile;
}

/* Copy what `tile` at (left, top) shares with the rectangle. */
static void copy_shared(const tiff_level *l, const mt_cached_tile *tile, int64_t left, int64_t top, const mt_rect *rect, uint8_t *out,
                        size_t row_bytes)
{
    int64_t x0 = MAX(left, rect->x), x1 = MIN(left + l->tile_width, rect->x + rect->width);
    int64_t y0 = MAX(top, rect->y), y1 = MIN(top + l->tile_height, rect->y + rect->height);

    for (int64_t y = y0; y < y1; y++)
        memcpy(out + (size_t)(y - rect->y) * row_bytes + (size_t)(x0 - rect->x) * RGB_BYTES,
               tile->data + ((size_t)(y - top) * l->tile_width + (size_t)(x0 - left)) * RGB_BYTES, (size_t)(x1 - x0) * RGB_BYTES);
}

static bool covers(const mt_rect *rect, const tiff_level *l, int64_t left, int64_t top)
{
    return left >= rect->x && top >= rect->y && left + l->tile_width <= rect->x + rect->width &&
           top + l->tile_height <= rect->y + rect->height;
}

/* The part of the rectangle that the tile in (column, row) holds. */
static bool read_part(mt_tiff_tiles *self, int number, int64_t column, int64_t row, const mt_rect *rect, bool once, uint8_t *out,
                      size_t row_bytes, GError **error)
{
    tiff_level *l = get_level(self, number);
    int64_t     left = column * l->tile_width, top = row * l->tile_height;
    uint32_t    index = (uint32_t)(row * l->directory->tiles_across + column);

    if (once && covers(rect, l, left, top) && !mt_tile_cache_has(self->cache, key_of(number, index)))
        return decode_tile(self, l, index, out + (size_t)(top - rect->y) * row_bytes + (size_t)(left - rect->x) * RGB_BYTES, row_bytes,
                           error);
    g_autoptr(mt_cached_tile) tile = get_tile(self, number, index, error);
    if (tile != NULL)
        copy_shared(l, tile, left, top, rect, out, row_bytes);
    return tile != NULL;
}

/* Columns and rows of the stored tiles under a rectangle, both ends included. */
typedef struct span {
    int64_t left, right, top, bottom;
} span;

static span tiles_under(const tiff_level *l, const mt_rect *rect)
{
    return (span){rect->x / l->tile_width, (rect->x + rect->width - 1) / l->tile_width, rect->y / l->tile_height,
                  (rect->y + rect->height - 1) / l->tile_height};
}

bool mt_tiff_tiles_read(mt_tiff_tiles *self, int level, const mt_rect *rect, bool once, uint8_t *out, size_t row_bytes, GError **error)
{
    span under = tiles_under(get_level(self, level), rect);

    for (int64_t row = under.top; row <= under.bottom; row++)
        for (int64_t column = under.left; column <= under.right; column++)
            if (!read_part(self, level, column, row, rect, once, out, row_bytes, error))
                return false;
    return true;
}

/* True once for each tile. */
static bool is_news(tiff_level *l, uint32_t index)
{
    uint8_t bit = (uint8_t)(1 << index % 8);

    return (__atomic_fetch_or(&l->told[index / 8], bit, __ATOMIC_RELAXED) & bit) == 0;
}

bool mt_tiff_tiles_ahead(mt_tiff_tiles *self, int level, const mt_rect *rect)
{
    tiff_level              *l = get_level(self, level);
    const mt_tiff_directory *d = l->directory;
    span                     under = tiles_under(l, rect);

    for (int64_t row = under.top; row <= under.bottom; row++)
        for (int64_t column = under.left; column <= under.right; column++) {
            uint32_t index = (uint32_t)(row * d->tiles_across + column);

            if (d->tile_bytes[index] == 0 || d->tile_bytes[index] > MT_LIMIT_TILE_BYTES || !is_news(l, index))
                continue;
            if (!mt_file_bytes_ahead(self->file, d->tile_offsets[index], d->tile_bytes[index])) {
                __atomic_fetch_and(&l->told[index / 8], (uint8_t) ~(1 << index % 8), __ATOMIC_RELAXED);
                return false;
            }
        }
    return true;
}

void mt_tiff_tiles_counts(const mt_tiff_tiles *self, mt_case_counts *counts)
{
    mt_file_counts file = mt_file_bytes_counts(self->file);

    counts->tiles_decoded = __atomic_load_n(&self->decoded, __ATOMIC_RELAXED);
    counts->tiles_reused = __atomic_load_n(&self->reused, __ATOMIC_RELAXED);
    counts->decoded_bytes = __atomic_load_n(&self->decoded_bytes, __ATOMIC_RELAXED);
    counts->read_bytes = (int64_t)file.bytes;
    counts->reads = (int64_t)file.reads;
    counts->reads_ahead = (int64_t)file.ahead_hits;
    counts->read_retries = (int64_t)file.retries;
}

bool mt_tiff_tiles_visit(const mt_tiff_tiles *self, int level, const mt_rect *rect, mt_tiff_visit visit, void *user)
{
    const tiff_level *l = get_level(self, level);
    span              under = tiles_under(l, rect);

    for (int64_t row = under.top; row <= under.bottom; row++)
        for (int64_t column = under.left; column <= under.right; column++)
            if (!visit(user, l->directory, (uint32_t)(row * l->directory->tiles_across + column)))
                return false;
    return true;
}

bool mt_tiff_tiles_stored_size(const mt_tiff_tiles *self, int level, int64_t size[2])
{
    const tiff_level *l = mt_tiff_tiles_has(self, level) ? get_level(self, level) : NULL;

    if (l == NULL || l->reduce != 1 || !mt_tiff_directory_is_jpeg(l->directory))
        return false;
    size[0] = l->tile_width;
    size[1] = l->tile_height;
    return true;
}

GBytes *mt_tiff_tiles_stored_jpeg(mt_tiff_tiles *self, int level, int64_t column, int64_t row)
{
    int64_t size[2];

    if (!mt_tiff_tiles_stored_size(self, level, size))
        return NULL;
    const mt_tiff_directory *d = get_level(self, level)->directory;
    if (column < 0 || column >= d->tiles_across || row < 0 || row >= d->n_tiles / d->tiles_across)
        return NULL;
    int64_t  index = row * d->tiles_across + column;
    size_t   n = d->tile_bytes[index];
    uint64_t offset = d->tile_offsets[index], end = mt_file_bytes_size(self->file);
    if (n == 0 || n > MT_LIMIT_TILE_BYTES || offset > end || n > end - offset)
        return NULL;
    uint8_t *bytes = mt_alloc((int64_t)n, 1, NULL);
    GBytes  *file = bytes != NULL && mt_file_bytes_read(self->file, offset, n, bytes, NULL) ? mt_stored_tile_jpeg(d, bytes, n) : NULL;
    mt_free(bytes);
    return file;
}

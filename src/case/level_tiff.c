#include "src/case/level_tiff.h"

#include "src/base/limits.h"
#include "src/case/tile_cache.h"

#include <math.h>
#include <pthread.h>
#include <string.h>
#include <tiffio.h>

#define CACHE_BYTES ((size_t)32 << 20)
#define RGB_BYTES 3
#define MAX_DIRECTORIES 1024

/* One libtiff handle, standing at one level's directory; used by one thread at a time. */
typedef struct handle {
    TIFF *tiff;
    char  problem[256]; /* libtiff's first complaint since it was emptied */
} handle;

typedef struct tiff_level {
    bool     found, readable, misread;
    uint64_t directory; /* offset in the file */
    uint32_t tile_width, tile_height, tiles_across;
    GQueue   idle; /* handle */
} tiff_level;

struct mt_level_tiff {
    char           *path;
    pthread_mutex_t lock; /* of every level's idle handles; pthread's: ThreadSanitizer knows it */
    int             n_levels;
    tiff_level     *levels;
    mt_tile_cache  *cache;
};

static int keep_error(TIFF *tiff, void *user_data, const char *module, const char *format, va_list arguments)
{
    handle *h = user_data;

    (void)tiff, (void)module;
    if (h->problem[0] == '\0')
        g_vsnprintf(h->problem, sizeof h->problem, format, arguments);
    return 1;
}

/* libjpeg fills the rest of a truncated tile with grey and only warns. */
static int keep_truncation(TIFF *tiff, void *user_data, const char *module, const char *format, va_list arguments)
{
    handle *h = user_data;
    char    text[sizeof h->problem];

    (void)tiff, (void)module;
    g_vsnprintf(text, sizeof text, format, arguments);
    if (h->problem[0] == '\0' && strstr(text, "Premature end") != NULL)
        g_strlcpy(h->problem, text, sizeof h->problem);
    return 1;
}

static void handle_free(void *data)
{
    handle *h = data;

    if (h->tiff != NULL)
        TIFFClose(h->tiff);
    g_free(h);
}

static handle *handle_new(const char *path)
{
    handle          *h = g_new0(handle, 1);
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();

    TIFFOpenOptionsSetErrorHandlerExtR(options, keep_error, h);
    TIFFOpenOptionsSetWarningHandlerExtR(options, keep_truncation, h);
    /* m: no memory map (a file cut short while mapped kills the process); O: tile offsets on demand */
    h->tiff = TIFFOpenExt(path, "rmO", options);
    TIFFOpenOptionsFree(options);
    return h;
}

static uint32_t field(TIFF *tiff, uint32_t tag)
{
    uint16_t value = 0;

    TIFFGetFieldDefaulted(tiff, tag, &value);
    return value;
}

static bool is_plain_rgb(TIFF *tiff)
{
    uint32_t compression = field(tiff, TIFFTAG_COMPRESSION), photometric = field(tiff, TIFFTAG_PHOTOMETRIC);
    bool     jpeg = compression == COMPRESSION_JPEG;
    bool     packed = compression == COMPRESSION_NONE || compression == COMPRESSION_LZW || compression == COMPRESSION_ADOBE_DEFLATE ||
                  compression == COMPRESSION_DEFLATE;

    return (photometric == PHOTOMETRIC_RGB && (jpeg || packed)) || (photometric == PHOTOMETRIC_YCBCR && jpeg);
}

/* Stands `h` at the directory in RGB mode; false for a kind of picture that is left to OpenSlide. */
static bool stand_at(TIFF *tiff, uint64_t directory)
{
    if (!TIFFSetSubDirectory(tiff, directory) || !is_plain_rgb(tiff))
        return false;
    if (field(tiff, TIFFTAG_COMPRESSION) == COMPRESSION_JPEG && field(tiff, TIFFTAG_PHOTOMETRIC) == PHOTOMETRIC_YCBCR)
        TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    return field(tiff, TIFFTAG_BITSPERSAMPLE) == 8 && field(tiff, TIFFTAG_SAMPLESPERPIXEL) == RGB_BYTES &&
           field(tiff, TIFFTAG_PLANARCONFIG) == PLANARCONFIG_CONTIG && field(tiff, TIFFTAG_ORIENTATION) == ORIENTATION_TOPLEFT &&
           field(tiff, TIFFTAG_SAMPLEFORMAT) == SAMPLEFORMAT_UINT;
}

static bool has_holes(TIFF *tiff)
{
    uint32_t n = TIFFNumberOfTiles(tiff);

    for (uint32_t i = 0; i < n; i++)
        if (TIFFGetStrileByteCount(tiff, i) == 0)
            return true;
    return false;
}

static bool is_misread(TIFF *tiff, const mt_level *wanted, uint32_t tile_width, uint32_t tile_height)
{
    bool packed = TIFFIsCODECConfigured((uint16_t)field(tiff, TIFFTAG_COMPRESSION)) && field(tiff, TIFFTAG_COMPRESSION) != COMPRESSION_JPEG;

    return packed && (tile_width > wanted->width || tile_height > wanted->height);
}

/* OpenSlide's downsample is the mean of both axes'; whole ones it reads exactly. */
static bool has_fraction(const mt_level *wanted)
{
    double mean = (wanted->downsample_x + wanted->downsample_y) / 2;

    return mean != floor(mean);
}

/* Take the directory at which `tiff` stands for level `l` when its size fits. */
static void offer_directory(tiff_level *l, const mt_level *wanted, TIFF *tiff, uint64_t directory, bool holes_are_white)
{
    uint32_t width = 0, height = 0, tile_width = 0, tile_height = 0;

    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height);
    if (l->found || width != wanted->width || height != wanted->height)
        return;
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &tile_width);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &tile_height);
    l->found = true;
    l->misread = is_misread(tiff, wanted, tile_width, tile_height);
    if ((!l->misread && !has_fraction(wanted)) || !stand_at(tiff, directory))
        return;
    int64_t bytes = (int64_t)tile_width * tile_height * RGB_BYTES;
    if (bytes <= 0 || bytes > MT_LIMIT_TILE_BYTES || TIFFTileSize(tiff) != bytes || (!holes_are_white && has_holes(tiff)))
        return;
    l->readable = true;
    l->directory = directory;
    l->tile_width = tile_width;
    l->tile_height = tile_height;
    l->tiles_across = (width + tile_width - 1) / tile_width;
}

static bool find_levels(mt_level_tiff *self, TIFF *tiff, const GArray *levels, bool holes_are_white)
{
    g_autoptr(GArray) directories = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    bool any = false;

    do {
        uint64_t offset = TIFFCurrentDirOffset(tiff);
        if (TIFFIsTiled(tiff))
            g_array_append_val(directories, offset);
    } while (directories->len < MAX_DIRECTORIES && TIFFReadDirectory(tiff));
    for (guint d = 0; d < directories->len; d++) {
        uint64_t offset = g_array_index(directories, uint64_t, d);

        for (int i = 0; i < self->n_levels; i++) {
            if (TIFFSetSubDirectory(tiff, offset))
                offer_directory(&self->levels[i], &g_array_index(levels, mt_level, i), tiff, offset, holes_are_white);
            any |= self->levels[i].found;
        }
    }
    return any;
}

mt_level_tiff *mt_level_tiff_new(const char *path, const GArray *levels, bool holes_are_white)
{
    handle *h = handle_new(path);

    if (h->tiff == NULL) {
        handle_free(h);
        return NULL;
    }
    mt_level_tiff *self = g_new0(mt_level_tiff, 1);
    pthread_mutex_init(&self->lock, NULL);
    self->path = g_strdup(path);
    self->cache = mt_tile_cache_new(CACHE_BYTES);
    self->n_levels = (int)levels->len;
    self->levels = g_new0(tiff_level, self->n_levels);
    bool any = find_levels(self, h->tiff, levels, holes_are_white);
    handle_free(h);
    if (!any)
        g_clear_pointer(&self, mt_level_tiff_free);
    return self;
}

void mt_level_tiff_free(mt_level_tiff *self)
{
    if (self == NULL)
        return;
    for (int i = 0; i < self->n_levels; i++)
        g_queue_clear_full(&self->levels[i].idle, handle_free);
    mt_tile_cache_free(self->cache);
    pthread_mutex_destroy(&self->lock);
    g_free(self->levels);
    g_free(self->path);
    g_free(self);
}

bool mt_level_tiff_is_misread(const mt_level_tiff *self, int level)
{
    return self != NULL && self->levels[level].misread;
}

bool mt_level_tiff_has(const mt_level_tiff *self, int level)
{
    return self != NULL && self->levels[level].readable;
}

static handle *borrow_handle(mt_level_tiff *self, tiff_level *l, GError **error)
{
    pthread_mutex_lock(&self->lock);
    handle *h = g_queue_pop_head(&l->idle);
    pthread_mutex_unlock(&self->lock);
    if (h != NULL)
        return h;
    h = handle_new(self->path);
    if (h->tiff != NULL && stand_at(h->tiff, l->directory))
        return h;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "open it again: %s", h->problem[0] != '\0' ? h->problem : "the file has changed");
    handle_free(h);
    return NULL;
}

static void return_handle(mt_level_tiff *self, tiff_level *l, handle *h)
{
    pthread_mutex_lock(&self->lock);
    g_queue_push_head(&l->idle, h);
    pthread_mutex_unlock(&self->lock);
}

static bool decode(handle *h, uint32_t index, mt_cached_tile *tile, GError **error)
{
    h->problem[0] = '\0';
    if (TIFFGetStrileByteCount(h->tiff, index) == 0) {
        memset(tile->data, 0xff, tile->bytes);
        return true;
    }
    tmsize_t got = TIFFReadEncodedTile(h->tiff, index, tile->data, (tmsize_t)tile->bytes);
    if (got == (tmsize_t)tile->bytes && h->problem[0] == '\0')
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "tile %u cannot be decoded: %s", index,
                h->problem[0] != '\0' ? h->problem : "it is cut short");
    return false;
}

static mt_cached_tile *get_tile(mt_level_tiff *self, int number, uint32_t index, GError **error)
{
    tiff_level *l = &self->levels[number];
    uint64_t    key = (uint64_t)number << 32 | index;
    g_autoptr(mt_cached_tile) tile = mt_tile_cache_find(self->cache, key);

    if (tile != NULL)
        return g_steal_pointer(&tile);
    tile = mt_cached_tile_new((size_t)l->tile_width * l->tile_height * RGB_BYTES, error);
    handle *h = tile != NULL ? borrow_handle(self, l, error) : NULL;
    if (h == NULL)
        return NULL;
    if (!decode(h, index, tile, error)) {
        /* What libtiff holds after a failure is not relied on. */
        handle_free(h);
        return NULL;
    }
    return_handle(self, l, h);
    mt_tile_cache_add(self->cache, key, tile);
    return g_steal_pointer(&tile);
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

bool mt_level_tiff_read(mt_level_tiff *self, int number, const mt_rect *rect, uint8_t *out, size_t row_bytes, GError **error)
{
    const tiff_level *l = &self->levels[number];
    int64_t           right = (rect->x + rect->width - 1) / l->tile_width, bottom = (rect->y + rect->height - 1) / l->tile_height;

    for (int64_t row = rect->y / l->tile_height; row <= bottom; row++) {
        for (int64_t column = rect->x / l->tile_width; column <= right; column++) {
            g_autoptr(mt_cached_tile) tile = get_tile(self, number, (uint32_t)(row * l->tiles_across + column), error);

            if (tile == NULL)
                return false;
            copy_shared(l, tile, column * l->tile_width, row * l->tile_height, rect, out, row_bytes);
        }
    }
    return true;
}

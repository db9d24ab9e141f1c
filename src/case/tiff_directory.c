#include "src/case/tiff_directory.h"

#include "src/base/limits.h"

#include <string.h>
#include <tiffio.h>

#define MAX_DIRECTORIES 1024
#define MAX_TILES (INT64_C(1) << 26)
#define RGB_BYTES 3

struct mt_tiff_handle {
    TIFF *tiff;
    char  problem[256];
};

static int keep_error(TIFF *tiff, void *user_data, const char *module, const char *format, va_list arguments)
{
    mt_tiff_handle *h = user_data;

    (void)tiff, (void)module;
    if (h->problem[0] == '\0')
        g_vsnprintf(h->problem, sizeof h->problem, format, arguments);
    return 1;
}

static int drop_warning(TIFF *tiff, void *user_data, const char *module, const char *format, va_list arguments)
{
    (void)tiff, (void)user_data, (void)module, (void)format, (void)arguments;
    return 1;
}

void mt_tiff_handle_free(void *handle)
{
    mt_tiff_handle *h = handle;

    if (h == NULL)
        return;
    TIFFClose(h->tiff);
    g_free(h);
}

mt_tiff_handle *mt_tiff_handle_open(const char *path)
{
    mt_tiff_handle  *h = g_new0(mt_tiff_handle, 1);
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();

    TIFFOpenOptionsSetErrorHandlerExtR(options, keep_error, h);
    TIFFOpenOptionsSetWarningHandlerExtR(options, drop_warning, h);
    /* m: no memory map (a file cut short while mapped kills the process) */
    h->tiff = TIFFOpenExt(path, "rm", options);
    TIFFOpenOptionsFree(options);
    if (h->tiff == NULL)
        g_clear_pointer(&h, g_free);
    return h;
}

void *mt_tiff_handle_get(mt_tiff_handle *handle)
{
    return handle->tiff;
}

const char *mt_tiff_handle_problem(const mt_tiff_handle *handle)
{
    return handle->problem;
}

void mt_tiff_handle_forget(mt_tiff_handle *handle)
{
    handle->problem[0] = '\0';
}

void mt_tiff_directory_free(void *directory)
{
    mt_tiff_directory *d = directory;

    g_free(d->tile_offsets);
    g_free(d->tile_bytes);
    g_free(d->jpeg_tables);
    g_free(d);
}

static uint16_t field(TIFF *tiff, uint32_t tag)
{
    uint16_t value = 0;

    TIFFGetFieldDefaulted(tiff, tag, &value);
    return value;
}

static bool is_packed(uint16_t compression)
{
    return (compression == COMPRESSION_NONE || compression == COMPRESSION_LZW || compression == COMPRESSION_ADOBE_DEFLATE ||
            compression == COMPRESSION_DEFLATE || compression == COMPRESSION_ZSTD || compression == COMPRESSION_PACKBITS) &&
           TIFFIsCODECConfigured(compression);
}

/* Colour that decodes to RGB without a choice to make. */
static bool is_plain_colour(const mt_tiff_directory *d)
{
    if (d->compression == MT_TIFF_JP2K_YCBCR || d->compression == MT_TIFF_JP2K_RGB)
        return true; /* the compression says which; Aperio's photometric tag does not always agree */
    if (d->photometric == PHOTOMETRIC_RGB)
        return d->compression == COMPRESSION_JPEG || is_packed(d->compression);
    return d->photometric == PHOTOMETRIC_YCBCR && d->compression == COMPRESSION_JPEG;
}

static bool is_decodable(TIFF *tiff, const mt_tiff_directory *d)
{
    int64_t bytes = (int64_t)d->tile_width * d->tile_height * RGB_BYTES;

    return is_plain_colour(d) && d->n_tiles > 0 && bytes > 0 && bytes <= MT_LIMIT_TILE_BYTES && field(tiff, TIFFTAG_BITSPERSAMPLE) == 8 &&
           field(tiff, TIFFTAG_SAMPLESPERPIXEL) == RGB_BYTES && field(tiff, TIFFTAG_PLANARCONFIG) == PLANARCONFIG_CONTIG &&
           field(tiff, TIFFTAG_ORIENTATION) == ORIENTATION_TOPLEFT && field(tiff, TIFFTAG_SAMPLEFORMAT) == SAMPLEFORMAT_UINT;
}

static bool read_places(TIFF *tiff, mt_tiff_directory *d)
{
    uint64_t *offsets = NULL, *bytes = NULL;

    if (!TIFFGetField(tiff, TIFFTAG_TILEOFFSETS, &offsets) || !TIFFGetField(tiff, TIFFTAG_TILEBYTECOUNTS, &bytes) || offsets == NULL ||
        bytes == NULL)
        return false;
    d->tile_offsets = g_memdup2(offsets, d->n_tiles * sizeof *offsets);
    d->tile_bytes = g_new(uint32_t, d->n_tiles);
    for (uint32_t i = 0; i < d->n_tiles; i++) {
        d->tile_bytes[i] = (uint32_t)MIN(bytes[i], UINT32_MAX);
        d->has_holes |= bytes[i] == 0;
    }
    return true;
}

static void read_tables(TIFF *tiff, mt_tiff_directory *d)
{
    uint32_t bytes = 0;
    void    *tables = NULL;

    if (d->compression != COMPRESSION_JPEG || !TIFFGetField(tiff, TIFFTAG_JPEGTABLES, &bytes, &tables) || tables == NULL)
        return;
    d->jpeg_tables = g_memdup2(tables, bytes);
    d->jpeg_tables_bytes = bytes;
}

/* The directory at which `tiff` stands; NULL when it holds no tiles. */
static mt_tiff_directory *read_directory(TIFF *tiff, int first)
{
    mt_tiff_directory *d = g_new0(mt_tiff_directory, 1);

    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &d->width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &d->height);
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &d->tile_width);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &d->tile_height);
    if (!TIFFIsTiled(tiff) || d->tile_width == 0 || d->tile_height == 0 || d->width == 0 || d->height == 0) {
        mt_tiff_directory_free(d);
        return NULL;
    }
    int64_t across = ((int64_t)d->width + d->tile_width - 1) / d->tile_width;
    int64_t down = ((int64_t)d->height + d->tile_height - 1) / d->tile_height;
    d->first = first;
    d->offset = TIFFCurrentDirOffset(tiff);
    d->tiles_across = (uint32_t)across;
    d->n_tiles = across * down <= MAX_TILES && across * down == TIFFNumberOfTiles(tiff) ? (uint32_t)(across * down) : 0;
    d->compression = field(tiff, TIFFTAG_COMPRESSION);
    d->photometric = field(tiff, TIFFTAG_PHOTOMETRIC);
    d->decodable = is_decodable(tiff, d) && read_places(tiff, d);
    read_tables(tiff, d);
    return d;
}

static void add_subdirectories(TIFF *tiff, int first, GPtrArray *found)
{
    uint16_t  n = 0;
    uint64_t *listed = NULL;

    if (!TIFFGetField(tiff, TIFFTAG_SUBIFD, &n, &listed) || listed == NULL)
        return;
    g_autofree uint64_t *offsets = g_memdup2(listed, n * sizeof *listed);
    for (uint16_t i = 0; i < n && found->len < MAX_DIRECTORIES; i++) {
        mt_tiff_directory *d = TIFFSetSubDirectory(tiff, offsets[i]) ? read_directory(tiff, first) : NULL;

        if (d != NULL)
            g_ptr_array_add(found, d);
    }
}

GPtrArray *mt_tiff_directories_read(const char *path, char **description)
{
    mt_tiff_handle *h = mt_tiff_handle_open(path);
    const char     *text = NULL;

    *description = NULL;
    if (h == NULL)
        return NULL;
    GPtrArray *found = g_ptr_array_new_with_free_func(mt_tiff_directory_free);
    if (TIFFGetField(h->tiff, TIFFTAG_IMAGEDESCRIPTION, &text) && text != NULL)
        *description = g_strdup(text);
    for (int first = 0; first < MAX_DIRECTORIES && TIFFSetDirectory(h->tiff, (tdir_t)first); first++) {
        mt_tiff_directory *d = read_directory(h->tiff, first);

        if (d == NULL)
            continue;
        g_ptr_array_add(found, d);
        add_subdirectories(h->tiff, first, found);
    }
    mt_tiff_handle_free(h);
    return found;
}

const mt_tiff_directory *mt_tiff_directory_of_size(const GPtrArray *directories, const mt_level *level)
{
    for (guint i = 0; i < directories->len; i++) {
        const mt_tiff_directory *d = directories->pdata[i];

        if (d->width == level->width && d->height == level->height)
            return d;
    }
    return NULL;
}

bool mt_tiff_directory_is_jpeg(const mt_tiff_directory *directory)
{
    return directory->compression == COMPRESSION_JPEG;
}

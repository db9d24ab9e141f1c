/* Lossless packings: libtiff unpacks bytes that were read by us. */
#include "src/case/tile_decoder.h"

#include "src/base/alloc.h"

#include <string.h>
#include <tiffio.h>

typedef struct packed_decoder {
    mt_tile_decoder base;
    mt_tiff_handle *handle;
    uint8_t        *tile; /* where rows are not contiguous */
} packed_decoder;

static mt_tile_decoder *packed_open(const char *path, const mt_tiff_directory *directory, GError **error)
{
    mt_tiff_handle *handle = mt_tiff_handle_open(path);

    if (handle == NULL || !TIFFSetSubDirectory(mt_tiff_handle_get(handle), directory->offset) ||
        TIFFTileSize(mt_tiff_handle_get(handle)) != (tmsize_t)directory->tile_width * directory->tile_height * 3) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "open it again: the file has changed");
        mt_tiff_handle_free(handle);
        return NULL;
    }
    packed_decoder *d = g_new0(packed_decoder, 1);
    d->handle = handle;
    return &d->base;
}

static void packed_close(mt_tile_decoder *decoder)
{
    packed_decoder *d = (packed_decoder *)decoder;

    mt_tiff_handle_free(d->handle);
    mt_free(d->tile);
    g_free(d);
}

static bool packed_run(mt_tile_decoder *decoder, uint32_t index, const uint8_t *bytes, size_t n_bytes, uint8_t *rgb, size_t row_bytes,
                       GError **error)
{
    packed_decoder          *d = (packed_decoder *)decoder;
    const mt_tiff_directory *t = decoder->directory;
    size_t                   line = (size_t)t->tile_width * 3, size = line * t->tile_height;
    bool                     whole = row_bytes == line;

    if (!whole && d->tile == NULL && (d->tile = mt_alloc((int64_t)size, 1, error)) == NULL)
        return false;
    mt_tiff_handle_forget(d->handle);
    /* libtiff may turn bytes around in place, so what is given must be ours: it is, each time anew */
    if (!TIFFReadFromUserBuffer(mt_tiff_handle_get(d->handle), index, (void *)(uintptr_t)bytes, (tmsize_t)n_bytes, whole ? rgb : d->tile,
                                (tmsize_t)size) ||
        mt_tiff_handle_problem(d->handle)[0] != '\0') {
        const char *problem = mt_tiff_handle_problem(d->handle);

        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "tile %u cannot be decoded: %s", index,
                    problem[0] != '\0' ? problem : "it is cut short");
        return false;
    }
    for (uint32_t y = 0; !whole && y < t->tile_height; y++)
        memcpy(rgb + y * row_bytes, d->tile + y * line, line);
    return true;
}

const mt_tile_decoder_class mt_tile_packed = {packed_open, packed_run, packed_close};

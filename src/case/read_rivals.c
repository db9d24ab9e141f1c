#include "src/case/read_rivals.h"

#include "src/base/alloc.h"
#include "src/base/limits.h"
#include "src/case/file_bytes.h"
#include "src/case/tiff_directory.h"

#include <omp.h>
#include <openslide.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <tiff.h>

#include <jpeglib.h>

#define ITEMS_AT_ONCE 16 /* a thread takes this many in a row, as the batches of a run */

typedef struct codec_tile {
    size_t   offset; /* in `bytes` */
    uint32_t size;
} codec_tile;

struct mt_rival {
    bool         codec;
    int64_t      n;
    openslide_t *slide;
    mt_rect     *rects;
    GPtrArray   *directories;
    GArray      *tiles; /* codec_tile */
    GByteArray  *bytes;
};

void mt_rival_free(mt_rival *r)
{
    if (r == NULL)
        return;
    g_clear_pointer(&r->slide, openslide_close);
    g_clear_pointer(&r->directories, g_ptr_array_unref);
    g_clear_pointer(&r->tiles, g_array_unref);
    g_clear_pointer(&r->bytes, g_byte_array_unref);
    g_free(r->rects);
    g_free(r);
}

static bool load_tile(mt_rival *r, mt_file_bytes *file, const mt_tiff_directory *d, uint32_t index, GError **error)
{
    codec_tile tile = {r->bytes->len, d->tile_bytes[index]};

    if (tile.size == 0 || tile.size > MT_LIMIT_TILE_BYTES || r->bytes->len > G_MAXINT32)
        return true;
    g_byte_array_set_size(r->bytes, (guint)(tile.offset + tile.size));
    g_array_append_val(r->tiles, tile);
    return mt_file_bytes_read(file, d->tile_offsets[index], tile.size, r->bytes->data + tile.offset, error);
}

/* Each stored tile under the rectangles once, in the order in which they are met. */
static bool load_tiles(mt_rival *r, const char *path, const mt_rect *rects, int64_t n, GError **error)
{
    const mt_tiff_directory *d = r->directories->pdata[0];
    g_autoptr(mt_file_bytes) file = mt_file_bytes_open(path, error);
    g_autofree uint8_t *seen = g_malloc0(d->n_tiles);

    for (int64_t i = 0; file != NULL && i < n; i++) {
        int64_t right = MIN(rects[i].x + rects[i].width, d->width), bottom = MIN(rects[i].y + rects[i].height, d->height);

        for (int64_t row = rects[i].y / d->tile_height; row * d->tile_height < bottom; row++)
            for (int64_t column = rects[i].x / d->tile_width; column * d->tile_width < right; column++) {
                uint32_t index = (uint32_t)(row * d->tiles_across + column);

                if (!seen[index]++ && !load_tile(r, file, d, index, error))
                    return false;
            }
    }
    return file != NULL;
}

mt_rival *mt_rival_codec_new(const char *path, const mt_rect *rects, int64_t n, GError **error)
{
    g_autoptr(mt_rival) r = g_new0(mt_rival, 1);
    g_autofree char *description = NULL;

    r->codec = true;
    r->tiles = g_array_new(FALSE, FALSE, sizeof(codec_tile));
    r->bytes = g_byte_array_new();
    r->directories = mt_tiff_directories_read(path, &description);
    const mt_tiff_directory *d = r->directories != NULL && r->directories->len > 0 ? r->directories->pdata[0] : NULL;
    if (d == NULL || !d->decodable || !mt_tiff_directory_is_jpeg(d)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "measure the codec over %s: its first level does not hold JPEG tiles", path);
        return NULL;
    }
    if (!load_tiles(r, path, rects, n, error))
        return NULL;
    r->n = r->tiles->len;
    return g_steal_pointer(&r);
}

mt_rival *mt_rival_openslide_new(const char *path, const mt_rect *rects, int64_t n, GError **error)
{
    openslide_t *slide = openslide_open(path);

    if (slide == NULL || openslide_get_error(slide) != NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "measure OpenSlide over %s: it does not open it", path);
        g_clear_pointer(&slide, openslide_close);
        return NULL;
    }
    mt_rival *r = g_new0(mt_rival, 1);
    r->slide = slide;
    r->rects = g_memdup2(rects, (gsize)n * sizeof *rects);
    r->n = n;
    return r;
}

typedef struct decoder {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr         errors;
    jmp_buf                       failed;
} decoder;

static void on_error(j_common_ptr info)
{
    longjmp(((decoder *)info->client_data)->failed, 1);
}

static void no_message(j_common_ptr info, int level)
{
    (void)info, (void)level;
}

static void open_decoder(decoder *d, const mt_tiff_directory *t)
{
    d->info.err = jpeg_std_error(&d->errors);
    d->errors.error_exit = on_error;
    d->errors.emit_message = no_message;
    d->info.client_data = d;
    jpeg_create_decompress(&d->info);
    if (t->jpeg_tables == NULL)
        return;
    jpeg_mem_src(&d->info, t->jpeg_tables, t->jpeg_tables_bytes);
    jpeg_read_header(&d->info, FALSE);
}

static void decode(decoder *d, const mt_tiff_directory *t, const uint8_t *bytes, size_t n, uint8_t *rgb)
{
    jpeg_mem_src(&d->info, bytes, n);
    jpeg_read_header(&d->info, TRUE);
    d->info.jpeg_color_space = t->photometric == PHOTOMETRIC_YCBCR ? JCS_YCbCr : JCS_RGB;
    d->info.out_color_space = JCS_RGB;
    if (d->info.image_width > t->tile_width || d->info.image_height > t->tile_height)
        longjmp(d->failed, 1);
    jpeg_start_decompress(&d->info);
    while (d->info.output_scanline < d->info.output_height) {
        JSAMPROW row = rgb + (size_t)d->info.output_scanline * t->tile_width * 3;
        jpeg_read_scanlines(&d->info, &row, 1);
    }
    jpeg_finish_decompress(&d->info);
}

static bool run_codec(mt_rival *r, int64_t *next)
{
    const mt_tiff_directory *t = r->directories->pdata[0];
    uint8_t                 *rgb = mt_alloc((int64_t)t->tile_width * t->tile_height, 3, NULL);
    decoder                 *d = g_new0(decoder, 1);
    volatile bool            ok = rgb != NULL;

    d->info.client_data = d;
    if (ok && setjmp(d->failed) == 0) {
        open_decoder(d, t);
        for (int64_t first; (first = __atomic_fetch_add(next, ITEMS_AT_ONCE, __ATOMIC_RELAXED)) < r->n;)
            for (int64_t i = first; i < MIN(first + ITEMS_AT_ONCE, r->n); i++) {
                const codec_tile *tile = &g_array_index(r->tiles, codec_tile, i);
                decode(d, t, r->bytes->data + tile->offset, tile->size, rgb);
            }
    } else {
        ok = false;
    }
    jpeg_destroy_decompress(&d->info);
    g_free(d);
    mt_free(rgb);
    return ok;
}

static bool run_openslide(mt_rival *r, int64_t *next)
{
    uint32_t *argb = mt_alloc(r->rects[0].width * r->rects[0].height, sizeof *argb, NULL);

    for (int64_t first; argb != NULL && (first = __atomic_fetch_add(next, ITEMS_AT_ONCE, __ATOMIC_RELAXED)) < r->n;)
        for (int64_t i = first; i < MIN(first + ITEMS_AT_ONCE, r->n); i++)
            openslide_read_region(r->slide, argb, r->rects[i].x, r->rects[i].y, 0, r->rects[0].width, r->rects[0].height);
    mt_free(argb);
    return argb != NULL && openslide_get_error(r->slide) == NULL;
}

bool mt_rival_run(mt_rival *r, int threads, double *seconds, int64_t *pixels, GError **error)
{
    int64_t next = 0;
    bool    ok = r->n > 0;
    gint64  start = g_get_monotonic_time();

#pragma omp parallel num_threads(threads)
    if (r->n > 0 && !(r->codec ? run_codec(r, &next) : run_openslide(r, &next)))
        __atomic_store_n(&ok, false, __ATOMIC_RELAXED);
    *seconds = (double)(g_get_monotonic_time() - start) / 1e6;
    const mt_tiff_directory *t = r->codec ? r->directories->pdata[0] : NULL;
    *pixels = r->n * (r->codec ? (int64_t)t->tile_width * t->tile_height : r->n > 0 ? r->rects[0].width * r->rects[0].height : 0);
    if (!ok)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "measure %s: %s", r->codec ? "the codec" : "OpenSlide",
                    r->n == 0 ? "there is no tile" : "a tile cannot be decoded");
    return ok;
}

int64_t mt_rival_items(const mt_rival *rival)
{
    return rival->n;
}

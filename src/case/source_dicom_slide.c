/* DICOM VL Whole Slide Microscopy: the instances of a series are the levels of a pyramid, their frames its tiles (TILED_FULL, or placed
 * one by one), a level may be cut into several files (concatenations).  Label, overview and thumbnail are kept out. */
#include "src/case/source_dicom.h"

#include "src/base/alloc.h"
#include "src/case/dicom_frame.h"
#include "src/case/tile_cache.h"

#include <math.h>
#include <string.h>

#define UM_PER_MM 1000
#define LEVEL_SHIFT 48 /* of a tile's key in the cache */

typedef struct tile_place {
    const mt_dicom_file *file;
    int64_t              frame;
} tile_place;

typedef struct pyramid_level {
    const mt_dicom_file *first;
    int64_t              width, height, columns; /* columns of tiles */
    GHashTable          *tiles;                  /* row * columns + column -> tile_place */
} pyramid_level;

typedef struct slide {
    mt_source        source;
    mt_dicom_folder *folder;
    GPtrArray       *levels; /* pyramid_level, finest first */
    mt_dicom_samples samples;
    size_t           pixel_bytes;
    mt_tile_cache   *cache;
} slide;

static void level_free(void *data)
{
    pyramid_level *level = data;

    g_hash_table_unref(level->tiles);
    g_free(level);
}

bool mt_source_dicom_is_slide(const mt_dicom_series *series)
{
    const mt_dicom_file *f = g_ptr_array_index(series->files, 0);

    return f->matrix_columns > 0 && f->matrix_rows > 0;
}

/* Third value of ImageType. */
static bool is_level(const mt_dicom_file *f)
{
    g_auto(GStrv) words = g_strsplit(f->image_type != NULL ? f->image_type : "", "\\", -1);

    if (g_strv_length(words) < 3)
        return true;
    return strcmp(words[2], "LABEL") != 0 && strcmp(words[2], "OVERVIEW") != 0 && strcmp(words[2], "THUMBNAIL") != 0 &&
           strcmp(words[2], "LOCALIZER") != 0;
}

static bool refuse(GError **error, const char *problem)
{
    g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, problem);
    return false;
}

static bool check_file(const mt_dicom_file *f, GError **error)
{
    if (f->segments > 0)
        return refuse(error, "it is a segmentation of a slide, not a slide");
    if (f->matrix_columns == 0)
        return refuse(error, "one of its images is no part of a slide");
    if (f->focal_planes > 1 || f->optical_paths > 1)
        return refuse(error, "it has several focal planes or optical paths: name an image with one of each");
    return mt_dicom_frame_check(f, error);
}

/* Parts of one picture: the same level. */
static pyramid_level *find_level(slide *s, const mt_dicom_file *f)
{
    for (guint i = 0; i < s->levels->len; i++) {
        pyramid_level *level = g_ptr_array_index(s->levels, i);

        if (f->concatenation != NULL && g_strcmp0(level->first->concatenation, f->concatenation) == 0)
            return level;
    }
    pyramid_level *level = g_new0(pyramid_level, 1);
    level->first = f;
    level->width = f->matrix_columns;
    level->height = f->matrix_rows;
    level->columns = (f->matrix_columns + f->columns - 1) / f->columns;
    level->tiles = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    g_ptr_array_add(s->levels, level);
    return level;
}

/* The tile's number in row-major order, -1 for a frame that is none. */
static int64_t tile_number(const pyramid_level *level, const mt_dicom_file *f, int64_t frame)
{
    const mt_dicom_place *p = &f->places[frame];
    int64_t               rows = (level->height + f->rows - 1) / f->rows;

    if (f->tiled_full) {
        int64_t number = f->concatenation_offset + frame;
        return number < rows * level->columns ? number : -1;
    }
    if (p->tile_x < 0 || p->tile_y < 0 || p->tile_x % f->columns != 0 || p->tile_y % f->rows != 0 || p->tile_x >= level->width ||
        p->tile_y >= level->height)
        return -1;
    return p->tile_y / f->rows * level->columns + p->tile_x / f->columns;
}

static bool add_tiles(pyramid_level *level, const mt_dicom_file *f, GError **error)
{
    if (f->rows != level->first->rows || f->columns != level->first->columns || f->matrix_columns != level->width ||
        f->matrix_rows != level->height)
        return refuse(error, "the parts of one level have tiles of two sizes");
    for (int64_t k = 0; k < f->frames; k++) {
        gint64      number = tile_number(level, f, k);
        tile_place *place = g_new(tile_place, 1);

        *place = (tile_place){f, k};
        if (number < 0) {
            g_free(place);
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "frame %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " stands at no tile of its level of %" G_GINT64_FORMAT
                        " x %" G_GINT64_FORMAT " pixels",
                        k + 1, f->frames, level->width, level->height);
            return false;
        }
        if (!g_hash_table_insert(level->tiles, g_memdup2(&number, sizeof number), place))
            return refuse(error, "two of its frames stand at one tile: several focal planes or optical paths are not read");
    }
    return true;
}

/* A level that claims to be full is. */
static bool check_full(const pyramid_level *level, GError **error)
{
    int64_t rows = (level->height + level->first->rows - 1) / level->first->rows, wanted = rows * level->columns;

    if (!level->first->tiled_full || g_hash_table_size(level->tiles) == (guint64)wanted)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "its level of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " pixels has %u of %" G_GINT64_FORMAT
                " tiles: name the folder with all parts of the concatenation",
                level->width, level->height, g_hash_table_size(level->tiles), wanted);
    return false;
}

static int compare_levels(gconstpointer a, gconstpointer b)
{
    const pyramid_level *x = *(const pyramid_level *const *)a, *y = *(const pyramid_level *const *)b;

    if (x->width != y->width)
        return (x->width < y->width) - (x->width > y->width);
    return (x->height < y->height) - (x->height > y->height);
}

static bool gather_levels(slide *s, GError **error)
{
    const mt_dicom_series *series = g_ptr_array_index(s->folder->series, 0);

    for (guint i = 0; i < series->files->len; i++) {
        const mt_dicom_file *f = g_ptr_array_index(series->files, i);

        if (is_level(f) && (!check_file(f, error) || !add_tiles(find_level(s, f), f, error)))
            return false;
    }
    if (s->levels->len == 0)
        return refuse(error, "it holds the label, overview or thumbnail of a slide alone");
    g_ptr_array_sort(s->levels, compare_levels);
    for (guint i = 0; i < s->levels->len; i++) {
        const pyramid_level *level = g_ptr_array_index(s->levels, i);

        if (!check_full(level, error))
            return false;
        if (i > 0 && compare_levels(&s->levels->pdata[i - 1], &s->levels->pdata[i]) == 0)
            return refuse(error, "it has two levels of one size: several focal planes, stains or copies; name one of them");
    }
    return true;
}

static bool choose_samples(slide *s, GError **error)
{
    for (guint i = 0; i < s->levels->len; i++) {
        const mt_dicom_file *f = ((const pyramid_level *)g_ptr_array_index(s->levels, i))->first;
        mt_dicom_samples     samples = mt_dicom_samples_choose(&f, 1);

        if (i > 0 && (samples.dtype != s->samples.dtype || samples.channels != s->samples.channels))
            return refuse(error, "its levels have two kinds of samples");
        s->samples = samples;
    }
    s->pixel_bytes = (size_t)s->samples.channels * mt_source_sample_bytes(s->samples.dtype);
    return true;
}

static void set_facts(slide *s)
{
    const mt_dicom_file *f = ((const pyramid_level *)g_ptr_array_index(s->levels, 0))->first;
    const double        *mm = f->places[0].spacing;

    s->source.kind = MT_CASE_SLIDE;
    s->source.format = g_strdup("dicom-wsi");
    s->source.modality = f->modality != NULL ? f->modality : "SM";
    s->source.dtype = s->samples.dtype;
    s->source.channels = s->samples.channels;
    s->source.objective_power = f->objective_power;
    for (guint i = 0; i < s->levels->len; i++) {
        const pyramid_level *level = g_ptr_array_index(s->levels, i);
        mt_source_add_level(&s->source, level->width, level->height);
    }
    if (mm[0] > 0 && mm[1] > 0)
        mt_spacing_set(&s->source.spacing, mm[0] * UM_PER_MM, mm[1] * UM_PER_MM, "PixelSpacing");
    else
        mt_spacing_set_unknown(&s->source.spacing, "the DICOM header has no PixelSpacing above 0");
    mt_source_dicom_note_samples(&s->source, f);
}

static void slide_free(slide *s)
{
    mt_tile_cache_free(s->cache);
    g_ptr_array_unref(s->levels);
    mt_dicom_folder_free(s->folder);
    mt_source_clear(&s->source);
    g_free(s);
}

mt_source *mt_source_dicom_slide_open(mt_dicom_folder *folder, const mt_case_options *options, GError **error)
{
    slide *s = g_new0(slide, 1);

    mt_source_init(&s->source, &mt_source_dicom);
    s->folder = folder;
    s->levels = g_ptr_array_new_with_free_func(level_free);
    if (!gather_levels(s, error) || !choose_samples(s, error)) {
        slide_free(s);
        return NULL;
    }
    set_facts(s);
    s->cache =
        mt_tile_cache_new(options->cache_bytes < 0 ? 0 : (size_t)(options->cache_bytes > 0 ? options->cache_bytes : MT_CASE_CACHE_BYTES));
    return &s->source;
}

void mt_source_dicom_slide_close(mt_source *source)
{
    slide_free((slide *)source);
}

static mt_cached_tile *decode_tile(slide *s, const tile_place *place, GError **error)
{
    size_t          bytes = (size_t)(place->file->rows * place->file->columns) * s->pixel_bytes;
    mt_cached_tile *tile = mt_tile_cache_room(s->cache, bytes, error);

    if (tile == NULL || mt_dicom_frame_read(place->file, place->frame, s->samples, tile->data, error))
        return tile;
    mt_cached_tile_unref(tile);
    return NULL;
}

static mt_cached_tile *take_tile(slide *s, int level, int64_t number, const tile_place *place, GError **error)
{
    uint64_t        key = (uint64_t)level << LEVEL_SHIFT | (uint64_t)number;
    mt_cached_tile *tile = mt_tile_cache_claim(s->cache, key);

    if (tile != NULL)
        return tile;
    tile = decode_tile(s, place, error);
    if (tile != NULL)
        mt_tile_cache_keep(s->cache, key, tile);
    else
        mt_tile_cache_give_up(s->cache, key);
    return tile;
}

/* A tile that is not stored is background. */
static void put_white(const slide *s, uint8_t *out, int64_t pixels)
{
    int64_t n = pixels * s->samples.channels;

    for (int64_t i = 0; i < n && s->samples.dtype == MT_F32; i++)
        ((float *)(void *)out)[i] = 1;
    for (int64_t i = 0; i < n && s->samples.dtype == MT_I16; i++)
        ((int16_t *)(void *)out)[i] = INT16_MAX;
    if (s->samples.dtype == MT_U8 || s->samples.dtype == MT_U16)
        memset(out, 0xff, (size_t)pixels * s->pixel_bytes);
}

/* What `rect` has of one tile. */
static bool read_tile(slide *s, int level, int64_t column, int64_t row, const mt_rect *rect, uint8_t *out, size_t row_bytes, GError **error)
{
    const pyramid_level *l = g_ptr_array_index(s->levels, (guint)level);
    int64_t              w = l->first->columns, h = l->first->rows, number = row * l->columns + column;
    int64_t              left = MAX(rect->x, column * w), right = MIN(rect->x + rect->width, (column + 1) * w);
    int64_t              top = MAX(rect->y, row * h), bottom = MIN(rect->y + rect->height, (row + 1) * h);
    const tile_place    *place = g_hash_table_lookup(l->tiles, &number);
    g_autoptr(mt_cached_tile) tile = place != NULL ? take_tile(s, level, number, place, error) : NULL;

    if (place != NULL && tile == NULL)
        return false;
    for (int64_t y = top; y < bottom; y++) {
        uint8_t *to = out + (size_t)(y - rect->y) * row_bytes + (size_t)(left - rect->x) * s->pixel_bytes;

        if (tile == NULL)
            put_white(s, to, right - left);
        else
            memcpy(to, tile->data + (size_t)((y - row * h) * w + left - column * w) * s->pixel_bytes,
                   (size_t)(right - left) * s->pixel_bytes);
    }
    return true;
}

bool mt_source_dicom_slide_read(mt_source *source, int level, const mt_rect *rect, uint8_t *out, size_t row_bytes, GError **error)
{
    slide               *s = (slide *)source;
    const pyramid_level *l = g_ptr_array_index(s->levels, (guint)level);
    int64_t              w = l->first->columns, h = l->first->rows;

    for (int64_t row = rect->y / h; row * h < rect->y + rect->height; row++)
        for (int64_t column = rect->x / w; column * w < rect->x + rect->width; column++)
            if (!read_tile(s, level, column, row, rect, out, row_bytes, error))
                return false;
    return true;
}

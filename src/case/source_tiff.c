/* Direct tiles: Aperio SVS, generic tiled TIFF and OME-TIFF without OpenSlide's detour over ARGB, its lock and its cache.
 *
 * OpenSlide says what the file is, its properties and its levels (OME-XML does for OME-TIFF, whose sub-directories OpenSlide
 * does not look at).  A level whose size agrees with a directory of plain 8-bit colour is read by tiff_tiles.c, any other by
 * OpenSlide.  Measured on 2 threads (`microtome bench tiles`): see docs/architecture.md. */
#include "src/case/source.h"

#include "src/case/ome_tiff.h"
#include "src/case/source_openslide.h"
#include "src/case/tiff_tiles.h"

#include <math.h>
#include <string.h>

#define MAX_REDUCE 8

typedef struct direct {
    mt_source      source;
    GPtrArray     *directories;
    mt_tiff_tiles *tiles;
    mt_source     *slide;       /* OpenSlide's; NULL: not needed */
    GArray        *slide_level; /* int per level: OpenSlide's */
} direct;

static void direct_close(mt_source *source)
{
    direct *d = (direct *)source;

    mt_tiff_tiles_free(d->tiles);
    if (d->slide != NULL)
        d->slide->backend->close(d->slide);
    g_array_unref(d->slide_level);
    g_ptr_array_unref(d->directories);
    mt_source_clear(source);
    g_free(d);
}

/* Aperio's missing tiles of coarser levels are for OpenSlide to fill from finer ones; elsewhere they are empty. */
static bool is_direct(const mt_tiff_directory *directory, bool aperio, guint level)
{
    return directory != NULL && directory->decodable && !(aperio && level > 0 && directory->has_holes);
}

static void add_level(direct *d, const mt_level *level, const mt_tiff_directory *directory, int reduce, int slide_level)
{
    g_array_append_val(d->source.levels, *level);
    g_array_append_val(d->slide_level, slide_level);
    mt_tiff_tiles_add_level(d->tiles, directory, reduce);
}

/* JPEG tiles can be decoded at half, quarter and eighth of their size: levels between the stored ones, up to the next. */
static void add_reduced_levels(direct *d, const mt_level *level, const mt_tiff_directory *directory, const mt_level *next)
{
    for (int reduce = 2; reduce <= MAX_REDUCE; reduce *= 2) {
        mt_level reduced = {level->width / reduce, level->height / reduce, level->downsample_x * reduce, level->downsample_y * reduce};

        if (reduced.width < 1 || reduced.height < 1 || (next != NULL && reduced.downsample_x > 0.75 * next->downsample_x) ||
            directory->tile_width % (uint32_t)MAX_REDUCE != 0 || directory->tile_height % (uint32_t)MAX_REDUCE != 0)
            return;
        add_level(d, &reduced, directory, reduce, -1);
    }
}

/* Every level of `levels` in its order; true when OpenSlide is wanted for none of them. */
static bool take_levels(direct *d, const GArray *levels, bool approximate)
{
    bool aperio = strcmp(d->source.format, "aperio") == 0, all = true;

    for (guint i = 0; i < levels->len; i++) {
        const mt_level          *level = &g_array_index(levels, mt_level, i);
        const mt_level          *next = i + 1 < levels->len ? level + 1 : NULL;
        const mt_tiff_directory *directory = mt_tiff_directory_of_size(d->directories, level);
        bool                     ours = is_direct(directory, aperio, i);

        if (!ours && mt_slide_level_is_misread(directory))
            break; /* and all coarser ones with it, so that a level keeps its number */
        add_level(d, level, ours ? directory : NULL, 1, (int)i);
        all &= ours;
        if (ours && approximate && mt_tiff_directory_is_jpeg(directory))
            add_reduced_levels(d, level, directory, next);
    }
    return all;
}

static bool has_direct_level(const direct *d)
{
    for (guint i = 0; i < d->source.levels->len; i++)
        if (mt_tiff_tiles_has(d->tiles, (int)i))
            return true;
    return false;
}

/* What OpenSlide says, its levels apart. */
static bool take_slide(direct *d, const char *path, GArray **levels, GError **error)
{
    mt_source *slide = mt_slide_open(path, error);

    if (slide == NULL)
        return false;
    d->slide = slide;
    *levels = slide->levels;
    d->source.format = g_steal_pointer(&slide->format);
    d->source.quickhash = g_steal_pointer(&slide->quickhash);
    mt_spacing_clear(&d->source.spacing);
    d->source.spacing = slide->spacing;
    slide->spacing = (mt_spacing){0};
    d->source.objective_power = slide->objective_power;
    memcpy(d->source.bounds, slide->bounds, sizeof d->source.bounds);
    return true;
}

/* OME-TIFF: the first image's main directory, then its sub-directories as they get smaller. */
static bool take_ome(direct *d, const mt_ome_image *image, GArray *levels, GError **error)
{
    const mt_tiff_directory *main_one = d->directories->pdata[0];

    if (image->planes != 1 || main_one->first != 0 || !main_one->decodable || image->channels > 3) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "an OME-TIFF other than one plane of tiled 8-bit colour");
        return false;
    }
    for (guint i = 0; i < d->directories->len; i++) {
        const mt_tiff_directory *t = d->directories->pdata[i];
        const mt_level          *last = levels->len > 0 ? &g_array_index(levels, mt_level, levels->len - 1) : NULL;
        mt_level                 level = {t->width, t->height, (double)main_one->width / t->width, (double)main_one->height / t->height};

        if (t->first == 0 && t->decodable && (last == NULL || (t->width < last->width && t->height < last->height)))
            g_array_append_val(levels, level);
    }
    d->source.format = g_strdup("ome-tiff");
    mt_spacing_clear(&d->source.spacing);
    d->source.spacing = image->spacing;
    d->source.objective_power = image->objective_power;
    return true;
}

static bool take_file(direct *d, const char *path, const char *description, bool approximate, GError **error)
{
    mt_ome_image image;

    if (mt_ome_image_read(description, &image)) {
        g_autoptr(GArray) levels = g_array_new(FALSE, FALSE, sizeof(mt_level));
        if (!take_ome(d, &image, levels, error)) {
            mt_spacing_clear(&image.spacing);
            return false;
        }
        take_levels(d, levels, approximate);
        return true;
    }
    GArray *levels = NULL;
    if (!take_slide(d, path, &levels, error))
        return false;
    if (take_levels(d, levels, approximate)) {
        d->slide->backend->close(d->slide);
        d->slide = NULL;
    }
    if (has_direct_level(d))
        return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "no level holds tiles of plain 8-bit colour");
    return false;
}

static mt_source *direct_open(const char *path, const mt_case_options *options, GError **error)
{
    g_autofree char *description = NULL;
    const char      *vendor = mt_slide_vendor(path);
    size_t cache_bytes = options->cache_bytes > 0 ? (size_t)options->cache_bytes : options->cache_bytes == 0 ? MT_CASE_CACHE_BYTES : 0;

    if (vendor != NULL && strcmp(vendor, "aperio") != 0 && strcmp(vendor, "generic-tiff") != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "the tiles of %s are for OpenSlide", vendor);
        return NULL;
    }
    g_autoptr(GPtrArray) directories = mt_tiff_directories_read(path, &description);
    if (directories == NULL || directories->len == 0) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, directories == NULL ? "not a TIFF" : "a TIFF without tiles");
        return NULL;
    }
    mt_tiff_tiles *tiles = mt_tiff_tiles_new(path, cache_bytes, error);
    if (tiles == NULL)
        return NULL;
    direct *d = g_new0(direct, 1);
    mt_source_init(&d->source, &mt_source_tiff);
    d->source.kind = MT_CASE_SLIDE;
    d->source.modality = "SM";
    d->source.dtype = MT_U8;
    d->source.channels = 3;
    d->tiles = tiles;
    d->directories = g_steal_pointer(&directories);
    d->slide_level = g_array_new(FALSE, FALSE, sizeof(int));
    if (take_file(d, path, description, options->approximate, error))
        return &d->source;
    direct_close(&d->source);
    return NULL;
}

static bool direct_read(mt_source *source, int64_t plane, int level, const mt_rect *rect, bool once, uint8_t *out, size_t row_bytes,
                        GError **error)
{
    direct *d = (direct *)source;

    if (mt_tiff_tiles_has(d->tiles, level))
        return mt_tiff_tiles_read(d->tiles, level, rect, once, out, row_bytes, error);
    return d->slide->backend->read(d->slide, plane, g_array_index(d->slide_level, int, level), rect, once, out, row_bytes, error);
}

static bool direct_ahead(mt_source *source, int64_t plane, int level, const mt_rect *rect)
{
    direct *d = (direct *)source;

    (void)plane;
    return !mt_tiff_tiles_has(d->tiles, level) || mt_tiff_tiles_ahead(d->tiles, level, rect);
}

static void direct_counts(const mt_source *source, mt_case_counts *counts)
{
    mt_tiff_tiles_counts(((const direct *)source)->tiles, counts);
}

static bool direct_stored_size(const mt_source *source, int level, int64_t size[2])
{
    return mt_tiff_tiles_stored_size(((const direct *)source)->tiles, level, size);
}

static GBytes *direct_stored_jpeg(mt_source *source, int level, int64_t column, int64_t row)
{
    return mt_tiff_tiles_stored_jpeg(((direct *)source)->tiles, level, column, row);
}

const mt_source_class mt_source_tiff = {.name = "direct",
                                        .is_shortcut = true,
                                        .open = direct_open,
                                        .read = direct_read,
                                        .ahead = direct_ahead,
                                        .stored_size = direct_stored_size,
                                        .stored_jpeg = direct_stored_jpeg,
                                        .counts = direct_counts,
                                        .close = direct_close};

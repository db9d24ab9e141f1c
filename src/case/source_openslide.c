/* Slides through OpenSlide (3.4.1 or 4.x).
 *
 * openslide_read_region takes level-0 coordinates, divides them by the mean of both axes' downsample and paints with
 * bilinear filtering at the fractional offset.  Its pixels are the stored ones only where the origin divides without rest:
 * always at level 0 and at whole downsamples. */
#include "src/case/source_openslide.h"
#include "src/base/alloc.h"
#include "src/base/limits.h"
#include "src/case/argb.h"

#include <math.h>
#include <openslide.h>
#include <pthread.h>
#include <string.h>

/* Words of one openslide_read_region call: bounds the scratch memory of a large rectangle. */
#define BAND_PX (INT64_C(1) << 22)

typedef struct slide {
    mt_source        source;
    char            *path;
    pthread_rwlock_t lock; /* reading: shared; replacing a dead handle: alone.  pthread's: ThreadSanitizer knows it */
    openslide_t     *handle;
    double          *downsample; /* OpenSlide's own, per level */
} slide;

static const char *property(openslide_t *handle, const char *name)
{
    return openslide_get_property_value(handle, name);
}

static bool number_property(openslide_t *handle, const char *name, double *value)
{
    const char *text = property(handle, name);
    char       *end = NULL;

    if (text == NULL)
        return false;
    *value = g_ascii_strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*value);
}

static void read_spacing(slide *s, mt_spacing *spacing)
{
    openslide_t *h = s->handle;
    double       x = 0, y = 0;
    bool         generic = strcmp(s->source.format, "generic-tiff") == 0;

    /* OpenSlide 4 turns a generic TIFF's resolution tags into mpp as they are: 72 dpi too.  So they are judged here. */
    if (generic && property(h, "tiff.XResolution") != NULL) {
        number_property(h, "tiff.XResolution", &x);
        number_property(h, "tiff.YResolution", &y);
        mt_spacing_set_resolution(spacing, "TIFF", x, y, property(h, "tiff.ResolutionUnit"), "tiff-resolution");
    } else if (!mt_spacing_set_text(spacing, property(h, OPENSLIDE_PROPERTY_NAME_MPP_X), property(h, OPENSLIDE_PROPERTY_NAME_MPP_Y),
                                    "openslide")) {
        const char *aperio = property(h, "aperio.MPP");

        mt_spacing_set_text(spacing, aperio, aperio, "aperio");
    }
}

static void read_bounds(slide *s)
{
    static const char *const names[] = {OPENSLIDE_PROPERTY_NAME_BOUNDS_X, OPENSLIDE_PROPERTY_NAME_BOUNDS_Y,
                                        OPENSLIDE_PROPERTY_NAME_BOUNDS_WIDTH, OPENSLIDE_PROPERTY_NAME_BOUNDS_HEIGHT};
    int64_t                  bounds[4] = {0};

    for (int i = 0; i < 4; i++) {
        double value;

        if (!number_property(s->handle, names[i], &value) || fabs(value) > (double)MT_LIMIT_SLIDE_EDGE_PX)
            return;
        bounds[i] = (int64_t)value;
    }
    memcpy(s->source.bounds, bounds, sizeof bounds);
}

static bool check_tile_sizes(openslide_t *handle, int levels, GError **error)
{
    for (int level = 0; level < levels; level++) {
        g_autofree char *width_name = g_strdup_printf("openslide.level[%d].tile-width", level);
        g_autofree char *height_name = g_strdup_printf("openslide.level[%d].tile-height", level);
        double           width, height;

        if (number_property(handle, width_name, &width) && number_property(handle, height_name, &height) &&
            width * height * 4 > (double)MT_LIMIT_TILE_BYTES) {
            g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                        "level %d is stored in tiles of %.0f x %.0f pixels, over the limit of %d MiB a tile", level, width, height,
                        (int)(MT_LIMIT_TILE_BYTES >> 20));
            return false;
        }
    }
    return true;
}

static bool read_facts(slide *s, GError **error)
{
    openslide_t *h = s->handle;
    int          levels = openslide_get_level_count(h);
    const char  *vendor = property(h, OPENSLIDE_PROPERTY_NAME_VENDOR);

    if (!check_tile_sizes(h, levels, error))
        return false;
    s->source.kind = MT_CASE_SLIDE;
    s->source.format = g_strdup(vendor != NULL ? vendor : "unknown");
    s->source.modality = "SM";
    s->source.dtype = MT_U8;
    s->source.channels = 3;
    s->downsample = g_new0(double, (gsize)MAX(levels, 0));
    for (int i = 0; i < levels; i++) {
        int64_t width, height;

        openslide_get_level_dimensions(h, i, &width, &height);
        mt_source_add_level(&s->source, width, height);
        s->downsample[i] = openslide_get_level_downsample(h, i);
    }
    read_spacing(s, &s->source.spacing);
    read_bounds(s);
    number_property(h, OPENSLIDE_PROPERTY_NAME_OBJECTIVE_POWER, &s->source.objective_power);
    s->source.quickhash = g_strdup(property(h, OPENSLIDE_PROPERTY_NAME_QUICKHASH1));
    return true;
}

static void slide_close(mt_source *source)
{
    slide *s = (slide *)source;

    g_clear_pointer(&s->handle, openslide_close);
    pthread_rwlock_destroy(&s->lock);
    g_free(s->downsample);
    g_free(s->path);
    mt_source_clear(source);
    g_free(s);
}

static openslide_t *open_handle(const char *path, GError **error)
{
    openslide_t *handle = openslide_open(path);
    const char  *text = handle != NULL ? openslide_get_error(handle) : "not a slide";

    if (text == NULL)
        return handle;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, text);
    g_clear_pointer(&handle, openslide_close);
    return NULL;
}

bool mt_slide_level_is_misread(const mt_tiff_directory *directory)
{
    return directory != NULL && !mt_tiff_directory_is_jpeg(directory) &&
           (directory->tile_width > directory->width || directory->tile_height > directory->height);
}

/* A level that OpenSlide misreads is left out, with all coarser ones, so that a level keeps its number. */
static bool cut_misread_levels(mt_source *source, const char *path, GError **error)
{
    g_autofree char *description = NULL;
    g_autoptr(GPtrArray) directories = strcmp(source->format, "generic-tiff") == 0 || strcmp(source->format, "aperio") == 0
                                           ? mt_tiff_directories_read(path, &description)
                                           : NULL;

    for (guint i = 0; directories != NULL && i < source->levels->len; i++) {
        if (!mt_slide_level_is_misread(mt_tiff_directory_of_size(directories, &g_array_index(source->levels, mt_level, i))))
            continue;
        if (i == 0) {
            g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its tiles are larger than the picture");
            return false;
        }
        g_array_set_size(source->levels, i);
    }
    return true;
}

const char *mt_slide_vendor(const char *path)
{
    return openslide_detect_vendor(path);
}

mt_source *mt_slide_open(const char *path, GError **error)
{
    if (mt_slide_vendor(path) == NULL) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "not a slide");
        return NULL;
    }
    openslide_t *handle = open_handle(path, error);
    if (handle == NULL)
        return NULL;

    slide *s = g_new0(slide, 1);
    mt_source_init(&s->source, &mt_source_openslide);
    pthread_rwlock_init(&s->lock, NULL);
    s->path = g_strdup(path);
    s->handle = handle;
    if (read_facts(s, error))
        return &s->source;
    slide_close(&s->source);
    return NULL;
}

static mt_source *slide_open(const char *path, const mt_case_options *options, GError **error)
{
    mt_source *source = mt_slide_open(path, error);

    (void)options;
    if (source == NULL || cut_misread_levels(source, path, error))
        return source;
    slide_close(source);
    return NULL;
}

/* The address is rect->x * unit. */
static bool read_with(openslide_t *handle, double unit, int level, const mt_rect *rect, uint32_t *argb)
{
    if (handle == NULL)
        return false;
    openslide_read_region(handle, argb, llround((double)rect->x * unit), llround((double)rect->y * unit), level, rect->width, rect->height);
    return openslide_get_error(handle) == NULL;
}

/* A handle is dead after its first error: replace it.  The lock is held alone. */
static bool revive(slide *s, GError **error)
{
    if (s->handle != NULL && openslide_get_error(s->handle) == NULL)
        return true;
    g_clear_pointer(&s->handle, openslide_close);
    s->handle = open_handle(s->path, error);
    return s->handle != NULL;
}

/* With no other reader: an error is then this rectangle's own, not that of a neighbour who killed the shared handle. */
static bool read_alone(slide *s, double unit, int level, const mt_rect *rect, uint32_t *argb, GError **error)
{
    bool ok = false;

    pthread_rwlock_wrlock(&s->lock);
    if (revive(s, error)) {
        ok = read_with(s->handle, unit, level, rect, argb);
        if (!ok) {
            g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, openslide_get_error(s->handle));
            revive(s, NULL);
        }
    }
    pthread_rwlock_unlock(&s->lock);
    return ok;
}

static bool read_band(slide *s, double unit, int level, const mt_rect *rect, uint32_t *argb, GError **error)
{
    pthread_rwlock_rdlock(&s->lock);
    bool ok = read_with(s->handle, unit, level, rect, argb);
    pthread_rwlock_unlock(&s->lock);
    return ok || read_alone(s, unit, level, rect, argb, error);
}

/* Aperio's levels have no holes: where a stored tile is missing OpenSlide paints another level's pixels, or, without one, nothing
 * at all, which would look like glass. */
static bool has_hole(const slide *s, int level, const mt_rect *rect, const uint32_t *argb)
{
    int64_t n = rect->width * rect->height, i = 0;

    if (strcmp(s->source.format, "aperio") != 0 || s->downsample[level] != floor(s->downsample[level]))
        return false; /* at the edges of a level of fractional downsample OpenSlide leaves pixels out by itself */
    while (i < n && argb[i] != 0)
        i++;
    return i < n;
}

static bool slide_read(mt_source *source, int64_t plane, int level, const mt_rect *rect, bool once, uint8_t *out, size_t row_bytes,
                       GError **error)
{
    slide  *s = (slide *)source;
    int64_t band_rows = CLAMP(BAND_PX / rect->width, 1, rect->height);

    (void)plane, (void)once;
    uint32_t *argb = mt_alloc(rect->width * band_rows, sizeof *argb, error);
    if (argb == NULL)
        return false;
    for (int64_t row = 0; row < rect->height; row += band_rows) {
        mt_rect band = {rect->x, rect->y + row, rect->width, MIN(band_rows, rect->height - row)};

        bool ok = read_band(s, s->downsample[level], level, &band, argb, error);
        if (ok && has_hole(s, level, &band, argb)) {
            g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "a stored tile is missing");
            ok = false;
        }
        if (!ok) {
            mt_free(argb);
            return false;
        }
        mt_argb_over_white(argb, band.width, band.height, out + (size_t)row * row_bytes, row_bytes);
    }
    mt_free(argb);
    return true;
}

static bool slide_read_region(mt_source *source, int level, const mt_rect *rect, uint8_t *out, GError **error)
{
    slide    *s = (slide *)source;
    uint32_t *argb = mt_alloc(rect->width * rect->height, sizeof *argb, error);
    bool      ok = argb != NULL && read_band(s, 1, level, rect, argb, error);

    if (ok)
        mt_argb_drop_alpha(argb, rect->width * rect->height, out);
    mt_free(argb);
    return ok;
}

const mt_source_class mt_source_openslide = {
    .name = "openslide", .open = slide_open, .read = slide_read, .read_region = slide_read_region, .close = slide_close};

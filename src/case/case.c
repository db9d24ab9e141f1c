#include "src/base/limits.h"
#include "src/case/source.h"
#include "src/case/stored_tile.h"
#include "src/case/vips_start.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

struct mt_case {
    char      *path;
    char      *modality, *series;
    mt_source *source;
    mt_spacing spacing;
};

/* In the order in which they are asked. */
static const mt_source_class *const backends[] = {&mt_source_tiff,  &mt_source_openslide, &mt_source_vips,
                                                  &mt_source_nifti, &mt_source_metaimage, &mt_source_nrrd,
#ifdef MT_HAVE_DCMTK
                                                  &mt_source_dicom
#endif
};

bool mt_case_backend_known(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(backends); i++)
        if (strcmp(name, backends[i]->name) == 0)
            return true;
    return false;
}

static bool check_options(const mt_case_options *options, GError **error)
{
    double x = options->mpp_x, y = options->mpp_y;

    if (!(isfinite(x) && isfinite(y) && x >= 0 && y >= 0) || (x == 0 && y > 0)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "the case's own µm/px: %g x %g is not a pair of positive numbers", x, y);
        return false;
    }
    if (options->backend == NULL || mt_case_backend_known(options->backend))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "backend \"%s\" is not known: direct, openslide, vips, nifti, metaimage, nrrd or dicom",
                options->backend);
    return false;
}

/* A folder is a case when it holds a series of DICOM images; the backend says what is wrong with it. */
static bool is_series(const char *path, const mt_case_options *options)
{
#ifdef MT_HAVE_DCMTK
    return options->backend == NULL ? mt_source_dicom.claims(path) : strcmp(options->backend, mt_source_dicom.name) == 0;
#else
    (void)path, (void)options;
    return false;
#endif
}

static bool check_file(const char *path, const mt_case_options *options, GError **error)
{
    struct stat status;
    const char *problem = NULL;
    int         code = MT_ERROR_INPUT;

    if (stat(path, &status) != 0) {
        code = errno == ENOENT || errno == ENOTDIR ? MT_ERROR_MISSING : MT_ERROR_IO;
        problem = code == MT_ERROR_MISSING ? "no such file" : g_strerror(errno);
    } else if (S_ISDIR(status.st_mode) && is_series(path, options)) {
        return true;
    } else if (S_ISDIR(status.st_mode)) {
        problem = "it is a folder; name the file of one case";
    } else if (!S_ISREG(status.st_mode)) {
        problem = "it is not a regular file";
    } else if (status.st_size == 0) {
        problem = "the file is empty";
    }
    if (problem != NULL)
        g_set_error(error, MT_ERROR, code, "open %s: %s", path, problem);
    return problem == NULL;
}

static bool check_limits(const mt_source *source, GError **error)
{
    for (guint i = 0; i < source->levels->len; i++) {
        const mt_level *level = &g_array_index(source->levels, mt_level, i);

        if (level->width < 1 || level->height < 1) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "level %u is %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " pixels", i, level->width,
                        level->height);
            return false;
        }
        if (level->width > MT_LIMIT_SLIDE_EDGE_PX || level->height > MT_LIMIT_SLIDE_EDGE_PX ||
            level->width > MT_LIMIT_SLIDE_PX / level->height) {
            g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                        "level %u of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " pixels is over the limit of %" G_GINT64_FORMAT " pixels",
                        i, level->width, level->height, MT_LIMIT_SLIDE_PX);
            return false;
        }
    }
    return true;
}

static mt_source *open_with(const mt_source_class *backend, const char *path, const mt_case_options *options, GError **error)
{
    mt_source *source = backend->open(path, options, error);

    if (source != NULL && !check_limits(source, error)) {
        backend->close(source);
        return NULL;
    }
    return source;
}

/* A backend that claims the file, or is asked for by name, has the only word. */
static const mt_source_class *only_backend(const char *path, const mt_case_options *options)
{
#ifdef MT_HAVE_DCMTK
    if (options->files != NULL)
        return &mt_source_dicom;
#endif
    for (size_t i = 0; i < G_N_ELEMENTS(backends); i++) {
        if (options->backend != NULL && strcmp(options->backend, backends[i]->name) == 0)
            return backends[i];
        if (options->backend == NULL && backends[i]->claims != NULL && backends[i]->claims(path))
            return backends[i];
    }
    return NULL;
}

static mt_source *open_source(const char *path, const mt_case_options *options, GError **error)
{
    const mt_source_class *only = only_backend(path, options);
    g_autoptr(GString) reasons = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(backends); i++) {
        g_autoptr(GError) reason = NULL;

        if (only != NULL && backends[i] != only)
            continue;
        mt_source *source = open_with(backends[i], path, options, &reason);
        if (source != NULL)
            return source;
        if (only == NULL && backends[i]->is_shortcut)
            continue;
        /* A limit or lack of memory is no matter of format: the next backend would not do better. */
        if (only != NULL || reason->code != MT_ERROR_INPUT) {
            g_set_error(error, MT_ERROR, reason->code, "open %s: %s: %s", path, backends[i]->name, reason->message);
            return NULL;
        }
        g_string_append_printf(reasons, "%s%s: %s", reasons->len > 0 ? "; " : "", backends[i]->name, reason->message);
    }
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "open %s: no backend reads it: %s", path, reasons->str);
    return NULL;
}

#define SPACING_TOLERANCE 0.02

/* A tag that any program writes: not a scanner's word. */
static bool is_resolution_tag(const mt_spacing *spacing)
{
    return strcmp(spacing->source, "tiff-resolution") == 0 || strcmp(spacing->source, "resolution") == 0;
}

/* What the operator says fills in where the file is silent, and corrects a resolution tag; against the scanner's own word it is refused. */
static bool choose_spacing(mt_case *c, const char *path, const mt_case_options *options, GError **error)
{
    double            stated_y = options->mpp_y > 0 ? options->mpp_y : options->mpp_x;
    const mt_spacing *own = &c->source->spacing;
    bool              vendor = own->known && !is_resolution_tag(own);

    mt_spacing_init(&c->spacing);
    if (options->mpp_x > 0 && vendor &&
        (fabs(options->mpp_x / own->x - 1) > SPACING_TOLERANCE || fabs(stated_y / own->y - 1) > SPACING_TOLERANCE)) {
        g_set_error(error, MT_ERROR, MT_ERROR_SPACING,
                    "open %s: %g x %g µm/px is stated and the file says %g x %g (%s): leave the statement out for this case", path,
                    options->mpp_x, stated_y, own->x, own->y, own->source);
        return false;
    }
    if (options->mpp_x > 0 && !vendor)
        mt_spacing_set(&c->spacing, options->mpp_x, stated_y, options->mpp_source != NULL ? options->mpp_source : "option");
    else if (own->known)
        mt_spacing_set(&c->spacing, own->x, own->y, own->source);
    else
        mt_spacing_set_unknown(&c->spacing, "%s", own->source);
    return true;
}

/* A colour photograph is no CT or MR, and a volume no film, photograph or slide, whatever is stated. */
static bool check_stated(const mt_case *c, const char *path, GError **error)
{
    static const char *const flat[] = {"CR", "DX", "RG", "MG", "OP", "XC", "SM", NULL}, *const grey[] = {"CT", "MR", NULL};
    const char *has = NULL;

    if (g_strv_contains(grey, c->modality) && c->source->channels != 1)
        has = "colours";
    else if (g_strv_contains(flat, c->modality) && c->source->planes > 1)
        has = "several planes";
    if (has != NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "open %s: %s is stated, and the file has %s: leave this case out", path, c->modality,
                    has);
    return has == NULL;
}

/* What a recipe is for holds where the file is silent; against the file's own word it is refused.  "SM" of a TIFF that no scanner signed is a
 * guess: a photograph may be saved as one. */
static bool choose_modality(mt_case *c, const char *path, const mt_case_options *options, GError **error)
{
    const char *own = c->source->modality;
    g_auto(GStrv) wanted = g_strsplit(options->modality != NULL ? options->modality : own, ";", -1);
    bool vendor = c->source->spacing.known && !is_resolution_tag(&c->source->spacing);
    bool silent = strcmp(own, "unknown") == 0 || (strcmp(own, "SM") == 0 && !vendor);

    if (!silent && !g_strv_contains((const char *const *)wanted, own)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "open %s: its modality is %s, and the recipe is for %s ([input] modality): leave this case out", path, own,
                    options->modality);
        return false;
    }
    c->modality = g_strdup(g_strv_contains((const char *const *)wanted, own) ? own : wanted[0]);
    return !silent || check_stated(c, path, error);
}

mt_case *mt_case_open(const char *path, const mt_case_options *options, GError **error)
{
    static const mt_case_options defaults;

    if (options == NULL)
        options = &defaults;
    if (!mt_vips_start(error) || !check_options(options, error) || !check_file(path, options, error))
        return NULL;
    mt_source *source = open_source(path, options, error);
    if (source == NULL)
        return NULL;

    mt_case *c = g_new0(mt_case, 1);
    c->path = g_strdup(path);
    c->source = source;
    c->series = g_strdup(options->series);
    if (!choose_modality(c, path, options, error) || !choose_spacing(c, path, options, error)) {
        mt_case_free(c);
        return NULL;
    }
    return c;
}

void mt_case_free(mt_case *c)
{
    if (c == NULL)
        return;
    c->source->backend->close(c->source);
    mt_spacing_clear(&c->spacing);
    g_free(c->modality);
    g_free(c->series);
    g_free(c->path);
    g_free(c);
}

const char *mt_case_path(const mt_case *c)
{
    return c->path;
}

mt_case_kind mt_case_get_kind(const mt_case *c)
{
    return c->source->kind;
}

const char *mt_case_backend(const mt_case *c)
{
    return c->source->backend->name;
}

const char *mt_case_format(const mt_case *c)
{
    return c->source->format;
}

const char *mt_case_modality(const mt_case *c)
{
    return c->modality;
}

int64_t mt_case_planes(const mt_case *c)
{
    return c->source->planes;
}

int mt_case_levels(const mt_case *c)
{
    return (int)c->source->levels->len;
}

const mt_level *mt_case_level(const mt_case *c, int level)
{
    return &g_array_index(c->source->levels, mt_level, level);
}

bool mt_case_mpp(const mt_case *c, double *mpp_x, double *mpp_y)
{
    *mpp_x = c->spacing.x;
    *mpp_y = c->spacing.y;
    return c->spacing.known;
}

const char *mt_case_mpp_source(const mt_case *c)
{
    return c->spacing.source;
}

double mt_case_plane_spacing_um(const mt_case *c)
{
    return c->source->plane_spacing_um;
}

double mt_case_objective_power(const mt_case *c)
{
    return c->source->objective_power;
}

void mt_case_bounds(const mt_case *c, int64_t bounds[4])
{
    const mt_level *whole = mt_case_level(c, 0);

    if (c->source->bounds[2] > 0 && c->source->bounds[3] > 0) {
        memcpy(bounds, c->source->bounds, sizeof c->source->bounds);
        return;
    }
    bounds[0] = bounds[1] = 0;
    bounds[2] = whole->width;
    bounds[3] = whole->height;
}

const char *mt_case_series(const mt_case *c)
{
    return c->series;
}

const char *mt_case_notes(const mt_case *c)
{
    return c->source->notes;
}

const char *mt_case_quickhash(const mt_case *c)
{
    return c->source->quickhash;
}

bool mt_case_affine(const mt_case *c, double affine[16])
{
    if (c->source->has_affine)
        memcpy(affine, c->source->affine, sizeof c->source->affine);
    return c->source->has_affine;
}

const mt_orientation *mt_case_orientation(const mt_case *c)
{
    return &c->source->orientation;
}

/* 16-bit pictures seldom say how many of their bits count. */
int mt_case_stored_bits(const mt_case *c)
{
    if (c->source->stored_bits > 0)
        return c->source->stored_bits;
    return c->source->dtype == MT_U8 && c->source->kind != MT_CASE_VOLUME ? 8 : 0;
}

bool mt_case_own_window(const mt_case *c, mt_case_window *window)
{
    *window = c->source->window;
    return c->source->has_window;
}

const char *mt_case_frame_of_reference(const mt_case *c)
{
    return c->source->has_affine ? c->source->frame_of_reference : NULL;
}

mt_dtype mt_case_dtype(const mt_case *c)
{
    return c->source->dtype;
}

int mt_case_channels(const mt_case *c)
{
    return c->source->channels;
}

/* White for slides and images (the largest integer, 1.0 in float), 0 for volumes. */
static void fill_background(const mt_source *source, void *out, size_t samples)
{
    if (source->kind == MT_CASE_VOLUME) {
        memset(out, 0, samples * mt_source_sample_bytes(source->dtype));
        return;
    }
    for (size_t i = 0; source->dtype == MT_F32 && i < samples; i++)
        ((float *)out)[i] = 1.0f;
    for (size_t i = 0; source->dtype == MT_I16 && i < samples; i++)
        ((int16_t *)out)[i] = INT16_MAX;
    if (source->dtype == MT_U8 || source->dtype == MT_U16)
        memset(out, 0xff, samples * mt_source_sample_bytes(source->dtype));
}

static bool check_rect(const mt_case *c, int64_t plane, int level, const mt_rect *r, GError **error)
{
    const int64_t far = INT64_C(1) << 40;

    if (plane < 0 || plane >= c->source->planes || level < 0 || level >= mt_case_levels(c)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "read %s: it has no plane %" G_GINT64_FORMAT " of level %d", c->path, plane, level);
        return false;
    }
    if (r->width < 1 || r->height < 1 || r->width > MT_LIMIT_SLIDE_EDGE_PX || r->height > MT_LIMIT_SLIDE_EDGE_PX || r->x < -far ||
        r->x > far || r->y < -far || r->y > far) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                    "read %s: %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " pixels at (%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT
                    ") are no rectangle",
                    c->path, r->width, r->height, r->x, r->y);
        return false;
    }
    return true;
}

/* The part of the wanted rectangle that the level has; an empty one has no width or height. */
static mt_rect clip(const mt_case *c, int level, const mt_rect *wanted)
{
    const mt_level *whole = mt_case_level(c, level);
    int64_t         left = CLAMP(wanted->x, 0, whole->width), right = CLAMP(wanted->x + wanted->width, 0, whole->width);
    int64_t         top = CLAMP(wanted->y, 0, whole->height), bottom = CLAMP(wanted->y + wanted->height, 0, whole->height);

    return (mt_rect){left, top, right - left, bottom - top};
}

static bool read_rect(mt_case *c, int64_t plane, int level, const mt_rect *wanted, bool once, void *out, GError **error)
{
    mt_source *source = c->source;

    if (!check_rect(c, plane, level, wanted, error))
        return false;
    mt_rect inside = clip(c, level, wanted);
    size_t  pixel_bytes = (size_t)source->channels * mt_source_sample_bytes(source->dtype), row_bytes = (size_t)wanted->width * pixel_bytes;
    if (inside.width < wanted->width || inside.height < wanted->height)
        fill_background(source, out, (size_t)wanted->width * (size_t)wanted->height * (size_t)source->channels);
    if (inside.width == 0 || inside.height == 0)
        return true;
    uint8_t *first = (uint8_t *)out + (size_t)(inside.y - wanted->y) * row_bytes + (size_t)(inside.x - wanted->x) * pixel_bytes;
    if (source->backend->read(source, plane, level, &inside, once, first, row_bytes, error))
        return true;
    g_prefix_error(
        error,
        "read %s: level %d, %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " pixels at (%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT "): ", c->path,
        level, wanted->width, wanted->height, wanted->x, wanted->y);
    return false;
}

bool mt_case_read(mt_case *c, int64_t plane, int level, int64_t x, int64_t y, int64_t width, int64_t height, void *out, GError **error)
{
    return read_rect(c, plane, level, &(mt_rect){x, y, width, height}, false, out, error);
}

bool mt_case_read_once(mt_case *c, int64_t plane, int level, int64_t x, int64_t y, int64_t width, int64_t height, void *out, GError **error)
{
    return read_rect(c, plane, level, &(mt_rect){x, y, width, height}, true, out, error);
}

/* What lies outside the level: transparent to OpenSlide, and black once alpha is dropped. */
static void blacken_outside(const mt_level *level, const mt_rect *rect, uint8_t *rgb)
{
    int64_t left = CLAMP(-rect->x, 0, rect->width), right = CLAMP(level->width - rect->x, left, rect->width);

    for (int64_t i = 0; i < rect->height; i++) {
        uint8_t *row = rgb + 3 * (size_t)i * (size_t)rect->width;
        bool     outside = rect->y + i < 0 || rect->y + i >= level->height;
        memset(row, 0, 3 * (size_t)(outside ? rect->width : left));
        if (!outside)
            memset(row + 3 * right, 0, 3 * (size_t)(rect->width - right));
    }
}

/* The nearest stored pixels. */
static bool read_nearest(mt_case *c, int level, mt_rect rect, uint8_t *rgb, GError **error)
{
    const mt_level *l = mt_case_level(c, level);
    double          downsample = (l->downsample_x + l->downsample_y) / 2; /* as OpenSlide takes it */

    rect.x = (int64_t)floor((double)rect.x / downsample + 0.5);
    rect.y = (int64_t)floor((double)rect.y / downsample + 0.5);
    if (!read_rect(c, 0, level, &rect, false, rgb, error))
        return false;
    blacken_outside(l, &rect, rgb);
    return true;
}

bool mt_case_read_region(mt_case *c, int level, int64_t x0, int64_t y0, int64_t width, int64_t height, void *out, GError **error)
{
    const mt_source_class *backend = c->source->backend;
    mt_rect                rect = {x0, y0, width, height};

    if (!check_rect(c, 0, level, &rect, error))
        return false;
    if (c->source->dtype != MT_U8 || c->source->channels != 3) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "read %s as OpenSlide does: only 8-bit colour can be", c->path);
        return false;
    }
    if (backend->read_region == NULL)
        return read_nearest(c, level, rect, out, error);
    if (backend->read_region(c->source, level, &rect, out, error))
        return true;
    g_prefix_error(error,
                   "read %s: level %d, %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " pixels at (%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT
                   ") of level 0: ",
                   c->path, level, width, height, x0, y0);
    return false;
}

bool mt_case_read_ahead(mt_case *c, int64_t plane, int level, int64_t x, int64_t y, int64_t width, int64_t height)
{
    mt_rect wanted = {x, y, width, height};

    if (c->source->backend->ahead == NULL || !check_rect(c, plane, level, &wanted, NULL))
        return true;
    mt_rect inside = clip(c, level, &wanted);
    return inside.width == 0 || inside.height == 0 || c->source->backend->ahead(c->source, plane, level, &inside);
}

void mt_case_get_counts(const mt_case *c, mt_case_counts *counts)
{
    *counts = (mt_case_counts){0};
    if (c->source->backend->counts != NULL)
        c->source->backend->counts(c->source, counts);
}

bool mt_case_stored_size(const mt_case *c, int level, int64_t size[2])
{
    return c->source->backend->stored_size != NULL && level >= 0 && level < mt_case_levels(c) &&
           c->source->backend->stored_size(c->source, level, size);
}

GBytes *mt_case_stored_jpeg(mt_case *c, int level, int64_t column, int64_t row)
{
    int64_t size[2];

    return mt_case_stored_size(c, level, size) ? c->source->backend->stored_jpeg(c->source, level, column, row) : NULL;
}

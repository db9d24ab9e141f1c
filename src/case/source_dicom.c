/* DICOM: volumes of slices, single images (X-ray, fundus, ultrasound); slides are in source_dicom_slide.c.
 *
 * Headers are read when the case is opened, pixels plane by plane when they are asked for: a plane that follows the stored slices costs
 * the decoding of one frame, once while it stays in the cache.  Across the slices (coronal planes of an axial series) every slice has a
 * row of every plane: slabs of planes are made, each at the cost of decoding the series once, as large as half the cache allows. */
#include "src/case/source_dicom.h"

#include "src/base/alloc.h"
#include "src/base/limits.h"
#include "src/case/dicom_frame.h"
#include "src/case/orientation.h"
#include "src/case/tile_cache.h"

#include <math.h>
#include <string.h>

#define MAX_LISTED 20

typedef struct volume {
    mt_source        source;
    mt_dicom_folder *folder;
    mt_dicom_stack  *stack;
    mt_orientation   o;
    mt_dicom_samples samples;
    size_t           pixel_bytes;
    int64_t          slab;  /* planes decoded together; 1 along the slices */
    mt_tile_cache   *cache; /* of slabs */
} volume;

static bool dicom_claims(const char *path)
{
    return g_file_test(path, G_FILE_TEST_IS_DIR) ? mt_dicom_folder_matches(path) : mt_dicom_layout_file_matches(path);
}

void mt_source_dicom_note(mt_source *source, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments), *before = source->notes;
    va_end(arguments);
    source->notes = before != NULL ? g_strconcat(before, "; ", text, NULL) : g_strdup(text);
}

void mt_source_dicom_note_samples(mt_source *source, const mt_dicom_file *f)
{
    const mt_dicom_place *p = &f->places[0];

    if (f->colour == MT_DICOM_MONOCHROME1)
        mt_source_dicom_note(source, "MONOCHROME1 turned round: high values are bright");
    if (f->lut == NULL && (p->slope != 1 || p->intercept != 0))
        mt_source_dicom_note(source, "rescaled by %g and %g%s", p->slope, p->intercept,
                             g_strcmp0(f->modality, "CT") == 0 ? " to Hounsfield units" : "");
    if (f->lut != NULL)
        mt_source_dicom_note(source, "stored values taken through the modality look-up table");
    if (f->dose_scaling > 0)
        mt_source_dicom_note(source, "one unit is %g Gy (DoseGridScaling), not applied", f->dose_scaling);
    if (f->windows > 0)
        mt_source_dicom_note(source, "window centre %g width %g, not applied", f->window_centre, f->window_width);
    if (f->has_voi_lut)
        mt_source_dicom_note(source, "its VOI look-up table is not applied");
    if (f->has_padding)
        mt_source_dicom_note(source, "stored value %g is padding", f->padding);
}

static const mt_dicom_slice *slice_at(const volume *v, int64_t k)
{
    return &g_array_index(v->stack->slices, mt_dicom_slice, k);
}

/* mm between pixels of a picture that has no place in the patient, and the attribute that says so. */
static const char *image_spacing(const mt_dicom_file *f, double mm[2])
{
    const double *own = f->places[0].spacing;
    const struct {
        const double *mm;
        const char   *name;
    } all[] = {{own, "PixelSpacing"},
               {f->imager_spacing, "ImagerPixelSpacing (at the detector)"},
               {f->scanned_spacing, "NominalScannedPixelSpacing (of the film)"},
               {f->region_spacing, "SequenceOfUltrasoundRegions"}};
    bool at_detector = own[0] > 0 && own[0] == f->imager_spacing[0] && own[1] == f->imager_spacing[1];

    for (size_t i = at_detector ? 1 : 0; i < G_N_ELEMENTS(all); i++)
        if (all[i].mm[0] > 0 && all[i].mm[1] > 0) {
            memcpy(mm, all[i].mm, 2 * sizeof *mm);
            return all[i].name;
        }
    return NULL;
}

static void set_spacing(volume *v)
{
    const mt_dicom_file *f = slice_at(v, 0)->file;
    double               mm[3] = {0}, um[3];
    const char          *name = image_spacing(f, mm);

    mm[2] = v->stack->step;
    for (int d = 0; d < 3; d++)
        um[d] = mm[v->o.axis[d]] * 1000;
    if (name == NULL)
        mt_spacing_set_unknown(&v->source.spacing, "the DICOM header has no PixelSpacing above 0");
    else if (um[0] > 0 && um[1] > 0)
        mt_spacing_set(&v->source.spacing, um[0], um[1], name);
    else
        mt_spacing_set_unknown(&v->source.spacing, "one slice alone has no spacing across it");
    if (v->source.planes > 1)
        v->source.plane_spacing_um = um[2];
}

/* One for all slices, or none. */
static const char *frame_of_reference(const volume *v)
{
    const char *first = slice_at(v, 0)->file->frame_of_reference;

    for (guint k = 1; k < v->stack->slices->len; k++)
        if (g_strcmp0(first, slice_at(v, k)->file->frame_of_reference) != 0)
            return NULL;
    return first;
}

static void set_facts(volume *v)
{
    mt_source           *s = &v->source;
    const mt_dicom_file *f = slice_at(v, 0)->file;

    s->kind = v->stack->has_frame || v->stack->slices->len > 1 ? MT_CASE_VOLUME : MT_CASE_IMAGE;
    s->format = g_strdup("dicom");
    s->modality = f->modality != NULL ? f->modality : "unknown";
    s->planes = v->o.size[2];
    s->dtype = v->samples.dtype;
    s->channels = v->samples.channels;
    s->orientation = v->o;
    s->stored_bits = f->stored;
    s->frame_of_reference = frame_of_reference(v);
    s->has_affine = v->stack->has_frame;
    if (s->has_affine)
        memcpy(s->affine, v->o.affine, sizeof s->affine);
    mt_source_add_level(s, v->o.size[0], v->o.size[1]);
    set_spacing(v);
    mt_source_dicom_note_samples(s, f);
    if (v->stack->tilt > 0)
        mt_source_dicom_note(s, "gantry tilt of %.1f degrees: the volume is sheared, and its affine says so", v->stack->tilt);
    if (v->stack->copies > 0)
        mt_source_dicom_note(s, "%u files that are copies of others left out", v->stack->copies);
    if (!v->stack->has_frame && v->stack->slices->len > 1)
        mt_source_dicom_note(s, "frames in their stored order: the header gives them no place");
    if (f->segments > 0)
        mt_source_dicom_note(s, "a segmentation: its samples are labels");
}

/* The first slice's window; where MONOCHROME1 was turned round, so is the window (LINEAR has its centre half a unit off). */
static void set_window(volume *v)
{
    const mt_dicom_file  *f = slice_at(v, 0)->file;
    const mt_dicom_place *p = &f->places[slice_at(v, 0)->frame];
    mt_case_window       *w = &v->source.window;
    double                low, high, slope = f->lut != NULL ? 1 : p->slope, intercept = f->lut != NULL ? 0 : p->intercept;

    if (f->windows == 0 || v->samples.channels != 1)
        return;
    w->centre = f->window_centre;
    w->width = f->window_width;
    w->function = g_strcmp0(f->window_function, "SIGMOID") == 0        ? MT_WINDOW_SIGMOID
                  : g_strcmp0(f->window_function, "LINEAR_EXACT") == 0 ? MT_WINDOW_LINEAR_EXACT
                                                                       : MT_WINDOW_LINEAR;
    mt_dicom_frame_range(f, &low, &high);
    if (f->colour == MT_DICOM_MONOCHROME1)
        w->centre = slope * (low + high) + 2 * intercept - w->centre + (w->function == MT_WINDOW_LINEAR ? 1 : 0);
    v->source.has_window = isfinite(w->centre) && isfinite(w->width) && w->width > 0;
}

/* Columns and rows of a stored slice, [from, to) each. */
typedef struct part {
    int64_t from[2], to[2];
} part;

/* A part of stored slice k, turned, to `out`: where its first pixel would go and the steps along its rows and columns. */
static bool decode_slice(const volume *v, int64_t k, const part *p, uint8_t *out, int64_t first, const int64_t step[3], GError **error)
{
    const mt_dicom_slice *s = slice_at(v, k);
    int64_t               columns = s->file->columns, rows = s->file->rows;
    size_t                b = v->pixel_bytes;
    uint8_t              *stored = mt_alloc(rows * columns, b, error);
    bool                  ok = stored != NULL && mt_dicom_frame_read(s->file, s->frame, v->samples, stored, error);

    for (int64_t j = p->from[1]; ok && j < p->to[1]; j++)
        for (int64_t i = p->from[0]; i < p->to[0]; i++)
            memcpy(out + (size_t)(first + i * step[0] + j * step[1]) * b, stored + (size_t)(j * columns + i) * b, b);
    mt_free(stored);
    if (!ok && error != NULL && *error != NULL) {
        g_autofree char *name = g_path_get_basename(s->file->layout->path);
        g_prefix_error(error, "%s: ", name);
    }
    return ok;
}

/* Planes [first, last) to `out`, from every slice that has a part of them. */
static bool decode_slab(const volume *v, int64_t first, int64_t last, uint8_t *out, GError **error)
{
    const mt_dicom_file *f = slice_at(v, 0)->file;
    int64_t              origin, step[3], slices = v->stack->slices->len, area = v->o.size[0] * v->o.size[1];
    int64_t              from[3] = {0}, to[3] = {f->columns, f->rows, slices}, across = v->o.axis[2], n = to[across];

    from[across] = v->o.flip[2] ? n - last : first;
    to[across] = v->o.flip[2] ? n - first : last;
    const part p = {{from[0], from[1]}, {to[0], to[1]}};
    mt_orientation_strides(&v->o, &origin, step);
    for (int64_t k = from[2]; k < to[2]; k++)
        if (!decode_slice(v, k, &p, out, origin + k * step[2] - first * area, step, error))
            return false;
    return true;
}

static bool check_slices(const volume *v, GError **error)
{
    for (guint k = 0; k < v->stack->slices->len; k++) {
        const mt_dicom_slice *s = slice_at(v, k);

        if (s->frame > 0 || mt_dicom_frame_check(s->file, error))
            continue;
        g_autofree char *name = g_path_get_basename(s->file->layout->path);
        if (v->stack->slices->len > 1)
            g_prefix_error(error, "its file %s: ", name);
        return false;
    }
    return true;
}

static bool set_up(volume *v, const mt_case_options *options, GError **error)
{
    const mt_dicom_series *series = g_ptr_array_index(v->folder->series, 0);
    const mt_dicom_file   *f = g_ptr_array_index(series->files, 0);
    int64_t                size[3] = {f->columns, f->rows, v->stack->slices->len};

    v->samples = mt_dicom_samples_choose((const mt_dicom_file *const *)(void *)series->files->pdata, series->files->len);
    v->pixel_bytes = (size_t)v->samples.channels * mt_source_sample_bytes(v->samples.dtype);
    if (size[0] * size[1] > MT_LIMIT_DICOM_VOLUME_BYTES / size[2] / (int64_t)v->pixel_bytes) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "its voxels are over the limit of %" G_GINT64_FORMAT " bytes",
                    MT_LIMIT_DICOM_VOLUME_BYTES);
        return false;
    }
    if (!check_slices(v, error))
        return false;
    /* without a patient frame the stored planes are the planes */
    if (!mt_orientation_choose(v->stack->has_frame ? v->stack->affine : NULL, size,
                               v->stack->has_frame ? options->plane_axis : MT_AXIS_AXIAL, &v->o)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its orientation is singular: two axes of the volume point the same way");
        return false;
    }
    set_facts(v);
    set_window(v);
    int64_t budget = options->cache_bytes < 0 ? 0 : options->cache_bytes > 0 ? options->cache_bytes : MT_CASE_CACHE_BYTES;
    int64_t plane_bytes = v->o.size[0] * v->o.size[1] * (int64_t)v->pixel_bytes;
    v->slab = v->o.axis[2] == 2 ? 1 : CLAMP(budget / 2 / plane_bytes, 1, v->o.size[2]);
    v->cache = mt_tile_cache_new((size_t)budget);
    return true;
}

static void volume_free(volume *v)
{
    mt_tile_cache_free(v->cache);
    mt_dicom_stack_free(v->stack);
    mt_dicom_folder_free(v->folder);
    mt_source_clear(&v->source);
    g_free(v);
}

/* Takes the folder. */
static mt_source *open_volume(mt_dicom_folder *folder, const mt_case_options *options, GError **error)
{
    volume *v = g_new0(volume, 1);

    mt_source_init(&v->source, &mt_source_dicom);
    v->folder = folder;
    v->stack = mt_dicom_stack_new(g_ptr_array_index(folder->series, 0), error);
    if (v->stack != NULL && set_up(v, options, error))
        return &v->source;
    volume_free(v);
    return NULL;
}

static void refuse_many(const mt_dicom_folder *folder, GError **error)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (guint i = 0; i < MIN(folder->series->len, MAX_LISTED); i++) {
        g_autofree char *text = mt_dicom_series_text(g_ptr_array_index(folder->series, i));

        g_string_append_printf(list, "%s[%u] %s", i > 0 ? "; " : "", i + 1, text);
    }
    if (folder->series->len > MAX_LISTED)
        g_string_append(list, "; ...");
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "it holds %u series, a case is one of them: name a folder with one series, or choose by [series] of a recipe (%s)",
                folder->series->len, list->str);
}

static mt_source *dicom_open(const char *path, const mt_case_options *options, GError **error)
{
    mt_dicom_folder *folder = options->files != NULL ? mt_dicom_folder_of(options->files, error) : mt_dicom_folder_read(path, error);

    if (folder == NULL)
        return NULL;
    if (folder->series->len > 1) {
        refuse_many(folder, error);
        mt_dicom_folder_free(folder);
        return NULL;
    }
    if (mt_source_dicom_is_slide(g_ptr_array_index(folder->series, 0)))
        return mt_source_dicom_slide_open(folder, options, error);
    return open_volume(folder, options, error);
}

static void copy_rect(const volume *v, const uint8_t *plane, const mt_rect *rect, uint8_t *out, size_t row_bytes)
{
    for (int64_t row = 0; row < rect->height; row++)
        memcpy(out + (size_t)row * row_bytes, plane + (size_t)((rect->y + row) * v->o.size[0] + rect->x) * v->pixel_bytes,
               (size_t)rect->width * v->pixel_bytes);
}

/* The slab from the cache, or decoded into it; NULL with the reason. */
static mt_cached_tile *take_slab(volume *v, int64_t slab, GError **error)
{
    int64_t         area = v->o.size[0] * v->o.size[1], first = slab * v->slab, last = MIN(first + v->slab, v->o.size[2]);
    mt_cached_tile *tile = mt_tile_cache_claim(v->cache, (uint64_t)slab);

    if (tile != NULL)
        return tile;
    tile = mt_tile_cache_room(v->cache, (size_t)((last - first) * area) * v->pixel_bytes, error);
    if (tile != NULL && decode_slab(v, first, last, tile->data, error)) {
        mt_tile_cache_keep(v->cache, (uint64_t)slab, tile);
        return tile;
    }
    mt_cached_tile_unref(tile);
    mt_tile_cache_give_up(v->cache, (uint64_t)slab);
    return NULL;
}

static bool dicom_read(mt_source *source, int64_t plane, int level, const mt_rect *rect, bool once, uint8_t *out, size_t row_bytes,
                       GError **error)
{
    volume *v = (volume *)source;

    if (source->kind == MT_CASE_SLIDE)
        return mt_source_dicom_slide_read(source, level, rect, out, row_bytes, error);
    /* a whole slice that nobody wants again */
    if (once && v->slab == 1 && rect->width == v->o.size[0] && rect->height == v->o.size[1] &&
        row_bytes == (size_t)rect->width * v->pixel_bytes)
        return decode_slab(v, plane, plane + 1, out, error);
    g_autoptr(mt_cached_tile) tile = take_slab(v, plane / v->slab, error);
    if (tile != NULL)
        copy_rect(v, tile->data + (size_t)(plane % v->slab * v->o.size[0] * v->o.size[1]) * v->pixel_bytes, rect, out, row_bytes);
    return tile != NULL;
}

static void dicom_close(mt_source *source)
{
    if (source->kind == MT_CASE_SLIDE)
        mt_source_dicom_slide_close(source);
    else
        volume_free((volume *)source);
}

const mt_source_class mt_source_dicom = {
    .name = "dicom", .is_shortcut = true, .claims = dicom_claims, .open = dicom_open, .read = dicom_read, .close = dicom_close};

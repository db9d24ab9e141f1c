/* NIfTI-1 and NIfTI-2 volumes: .nii, .nii.gz, .hdr with .img, either byte order, one volume.
 *
 * The volume is read whole when it is opened, turned as orientation.h says.  Voxels keep their type where it is one of a
 * case's (u8, i16, u16; i8 becomes i16) and no scaling is stored; else they become float, slope * v + inter computed in
 * double.  Spacing is that of the header, known only when the header names its unit of length. */
#include "src/base/alloc.h"
#include "src/base/limits.h"
#include "src/case/nifti_header.h"
#include "src/case/orientation.h"
#include "src/case/source.h"

#include <math.h>
#include <nifti/nifti1_io.h>
#include <string.h>
#include <sys/stat.h>

/* pixdim and affine may differ by rounding, not more. */
#define SPACING_TOLERANCE 0.01

typedef struct volume {
    mt_source source;
    uint8_t  *voxels; /* [plane][y][x] */
    int64_t   width, height;
    size_t    sample_bytes;
} volume;

typedef struct znzptr zfile;

static void close_zfile(zfile *file)
{
    znzclose(file);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(zfile, close_zfile)

/* Plain files are read through the same calls: zlib passes them on. */
static zfile *open_zfile(const char *path, GError **error)
{
    zfile *file = znzopen(path, "rb", 1);

    if (file == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s cannot be opened", path);
    return file;
}

/* `path` with the last `from` before an optional ".gz" replaced by `to`; NULL when it has none. */
static char *sibling(const char *path, const char *from, const char *to)
{
    g_autofree char *stem = g_strdup(path);
    const char      *gz = "";

    if (g_str_has_suffix(stem, ".gz")) {
        gz = ".gz";
        stem[strlen(stem) - strlen(gz)] = '\0';
    }
    if (!g_str_has_suffix(stem, from))
        return NULL;
    stem[strlen(stem) - strlen(from)] = '\0';
    return g_strconcat(stem, to, gz, NULL);
}

static char *header_path(const char *path)
{
    char *header = sibling(path, ".img", ".hdr");

    return header != NULL ? header : g_strdup(path);
}

static size_t read_start(const char *path, uint8_t bytes[MT_NIFTI_HEADER_BYTES])
{
    g_autofree char *header = header_path(path);
    g_autoptr(zfile) file = znzopen(header, "rb", 1);

    return file != NULL ? znzread(bytes, 1, MT_NIFTI_HEADER_BYTES, file) : 0;
}

static bool nifti_claims(const char *path)
{
    uint8_t bytes[MT_NIFTI_HEADER_BYTES];

    return mt_nifti_header_matches(bytes, read_start(path, bytes));
}

static bool is_gzip(const char *path)
{
    FILE   *file = fopen(path, "rb");
    uint8_t magic[2] = {0};
    bool    ok = file != NULL && fread(magic, 1, 2, file) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;

    if (file != NULL)
        fclose(file);
    return ok;
}

/* What the header asks for, against what the file can hold. */
static bool check_file_size(const char *path, const mt_nifti_header *h, GError **error)
{
    int64_t     bytes = h->size[0] * h->size[1] * h->size[2] * h->sample_bytes;
    struct stat status;

    if (bytes > MT_LIMIT_NIFTI_BYTES) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "its header claims %" G_GINT64_FORMAT " bytes, over the limit of %" G_GINT64_FORMAT,
                    bytes, MT_LIMIT_NIFTI_BYTES);
        return false;
    }
    if (stat(path, &status) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its voxels are missing: no file %s", path);
        return false;
    }
    if (!is_gzip(path) && status.st_size < h->offset + bytes) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "its header claims %" G_GINT64_FORMAT " bytes of voxels at byte %" G_GINT64_FORMAT ", the file has %" G_GINT64_FORMAT
                    " bytes",
                    bytes, h->offset, (int64_t)status.st_size);
        return false;
    }
    if (is_gzip(path) && h->offset + bytes > (int64_t)status.st_size * MT_LIMIT_GZIP_RATIO) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                    "its header claims %" G_GINT64_FORMAT " bytes, more than %d times the file's %" G_GINT64_FORMAT, h->offset + bytes,
                    MT_LIMIT_GZIP_RATIO, (int64_t)status.st_size);
        return false;
    }
    return true;
}

static mt_dtype kept_type(const mt_nifti_header *h)
{
    if (h->slope != 1 || h->inter != 0)
        return MT_F32;
    switch (h->datatype) {
    case DT_UINT8:
        return MT_U8;
    case DT_INT8:
    case DT_INT16:
        return MT_I16;
    case DT_UINT16:
        return MT_U16;
    default:
        return MT_F32;
    }
}

#define SAMPLE(type) ((double)((const type *)stored)[i])

static double sample(const void *stored, int64_t i, int datatype)
{
    switch (datatype) {
    case DT_UINT8:
        return SAMPLE(uint8_t);
    case DT_INT8:
        return SAMPLE(int8_t);
    case DT_INT16:
        return SAMPLE(int16_t);
    case DT_UINT16:
        return SAMPLE(uint16_t);
    case DT_INT32:
        return SAMPLE(int32_t);
    case DT_UINT32:
        return SAMPLE(uint32_t);
    case DT_FLOAT32:
        return SAMPLE(float);
    default:
        return SAMPLE(double);
    }
}

/* One stored row to where it stands in the turned volume. */
static void scatter_row(const mt_nifti_header *h, const void *stored, mt_dtype dtype, uint8_t *voxels, int64_t first, int64_t step)
{
    for (int64_t i = 0; i < h->size[0]; i++) {
        double  value = sample(stored, i, h->datatype);
        int64_t at = first + i * step;

        if (dtype == MT_U8)
            voxels[at] = (uint8_t)value;
        else if (dtype == MT_I16)
            ((int16_t *)(void *)voxels)[at] = (int16_t)value;
        else if (dtype == MT_U16)
            ((uint16_t *)(void *)voxels)[at] = (uint16_t)value;
        else
            ((float *)(void *)voxels)[at] = (float)(h->slope * value + h->inter);
    }
}

static bool read_voxels(zfile *file, const mt_nifti_header *h, const mt_orientation *o, mt_dtype dtype, uint8_t *voxels, GError **error)
{
    size_t              row_bytes = (size_t)h->size[0] * (size_t)h->sample_bytes;
    g_autofree uint8_t *row = g_try_malloc(row_bytes);
    int64_t             origin, step[3];

    mt_orientation_strides(o, &origin, step);
    if (row == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MEMORY, "allocate %zu bytes: the system refused", row_bytes);
        return false;
    }
    for (int64_t k = 0; k < h->size[2]; k++) {
        for (int64_t j = 0; j < h->size[1]; j++) {
            if (znzread(row, 1, row_bytes, file) != row_bytes) {
                g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its voxels are cut short in slice %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT,
                            k + 1, h->size[2]);
                return false;
            }
            if (h->swapped && h->sample_bytes > 1)
                nifti_swap_Nbytes((size_t)h->size[0], h->sample_bytes, row);
            scatter_row(h, row, dtype, voxels, origin + j * step[1] + k * step[2], step[0]);
        }
    }
    return true;
}

static uint8_t *load_voxels(const char *path, const mt_nifti_header *h, const mt_orientation *o, mt_dtype dtype, GError **error)
{
    g_autoptr(zfile) file = open_zfile(path, error);

    if (file == NULL)
        return NULL;
    if (znzseek(file, (znz_off_t)h->offset, SEEK_SET) < 0) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its voxels are cut short");
        return NULL;
    }
    uint8_t *voxels = mt_alloc(h->size[0] * h->size[1] * h->size[2], mt_source_sample_bytes(dtype), error);
    if (voxels != NULL && !read_voxels(file, h, o, dtype, voxels, error)) {
        mt_free(voxels);
        return NULL;
    }
    return voxels;
}

static double column_length(const double affine[16], int column)
{
    return sqrt(affine[column] * affine[column] + affine[4 + column] * affine[4 + column] + affine[8 + column] * affine[8 + column]);
}

static void read_spacing(volume *v, const mt_nifti_header *h, const mt_orientation *o)
{
    double mm = mt_nifti_unit_mm(h->unit), um[3];

    if (mm == 0) {
        mt_spacing_set_unknown(&v->source.spacing, "the NIfTI header names no unit of length");
        return;
    }
    for (int d = 0; d < 3; d++) {
        um[d] = h->pixdim[o->axis[d]] * mm * 1000;
        double length = h->has_frame ? column_length(h->affine, o->axis[d]) * 1000 : um[d];

        if (o->size[d] > 1 && !(fabs(um[d] - length) <= SPACING_TOLERANCE * length)) {
            mt_spacing_set_unknown(&v->source.spacing, "the NIfTI header contradicts itself: voxels of %g and of %g µm", um[d], length);
            return;
        }
    }
    mt_spacing_set(&v->source.spacing, um[0], um[1], "header");
    if (v->source.spacing.known && v->source.planes > 1 && isfinite(um[2]))
        v->source.plane_spacing_um = um[2];
}

static mt_source *make_volume(uint8_t *voxels, const mt_nifti_header *h, const mt_orientation *o, mt_dtype dtype)
{
    volume *v = g_new0(volume, 1);

    mt_source_init(&v->source, &mt_source_nifti);
    v->voxels = voxels;
    v->width = o->size[0];
    v->height = o->size[1];
    v->sample_bytes = mt_source_sample_bytes(dtype);
    v->source.kind = MT_CASE_VOLUME;
    v->source.format = g_strdup(h->version == 1 ? "nifti1" : "nifti2");
    v->source.planes = o->size[2];
    v->source.dtype = dtype;
    v->source.channels = 1;
    v->source.orientation = *o;
    v->source.frame_of_reference = h->frame_code == NIFTI_XFORM_TALAIRACH ? "talairach"
                                   : h->frame_code == NIFTI_XFORM_MNI_152 ? "mni"
                                                                          : NULL;
    v->source.has_affine = h->has_frame;
    if (h->has_frame)
        memcpy(v->source.affine, o->affine, sizeof o->affine);
    mt_source_add_level(&v->source, v->width, v->height);
    read_spacing(v, h, o);
    return &v->source;
}

static mt_source *nifti_open(const char *path, const mt_case_options *options, GError **error)
{
    uint8_t          bytes[MT_NIFTI_HEADER_BYTES];
    mt_nifti_header  h;
    mt_orientation   o;
    g_autofree char *header = header_path(path);

    if (!mt_nifti_header_parse(bytes, read_start(path, bytes), &h, error))
        return NULL;
    g_autofree char *image = h.pair ? sibling(header, ".hdr", ".img") : g_strdup(path);
    if (image == NULL) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT,
                            "its voxels are in an .img file beside it, but its own name does not end in .hdr");
        return NULL;
    }
    if (!mt_orientation_choose(h.has_frame ? h.affine : NULL, h.size, options->plane_axis, &o)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its affine is singular: two axes of the volume point the same way");
        return NULL;
    }
    if (!check_file_size(image, &h, error))
        return NULL;
    mt_dtype dtype = kept_type(&h);
    uint8_t *voxels = load_voxels(image, &h, &o, dtype, error);
    return voxels != NULL ? make_volume(voxels, &h, &o, dtype) : NULL;
}

static bool nifti_read(mt_source *source, int64_t plane, int level, const mt_rect *rect, bool once, uint8_t *out, size_t row_bytes,
                       GError **error)
{
    const volume *v = (const volume *)source;

    (void)level, (void)once, (void)error;
    for (int64_t row = 0; row < rect->height; row++) {
        int64_t first = (plane * v->height + rect->y + row) * v->width + rect->x;

        memcpy(out + (size_t)row * row_bytes, v->voxels + (size_t)first * v->sample_bytes, (size_t)rect->width * v->sample_bytes);
    }
    return true;
}

static void nifti_close(mt_source *source)
{
    volume *v = (volume *)source;

    mt_free(v->voxels);
    mt_source_clear(source);
    g_free(v);
}

const mt_source_class mt_source_nifti = {
    .name = "nifti", .claims = nifti_claims, .open = nifti_open, .read = nifti_read, .close = nifti_close};

#include "src/case/voxel_file.h"

#include "src/base/alloc.h"
#include "src/base/limits.h"
#include "src/case/orientation.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

/* What a header says twice may differ by rounding, not more. */
#define SPACING_TOLERANCE 0.01
#define INPUT_BYTES (64 << 10)

typedef struct volume {
    mt_source source;
    uint8_t  *voxels; /* [plane][y][x] */
    int64_t   width, height;
    size_t    sample_bytes;
} volume;

size_t mt_voxel_bytes(mt_voxel_type type)
{
    static const size_t bytes[] = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8};

    return bytes[type];
}

/* What the header asks for, against what the file can hold. */
static bool check_file_size(const mt_voxel_file *f, GError **error)
{
    int64_t     bytes = f->size[0] * f->size[1] * f->size[2] * (int64_t)mt_voxel_bytes(f->type);
    struct stat status;

    if (bytes > MT_LIMIT_NIFTI_BYTES) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "its header claims %" G_GINT64_FORMAT " bytes, over the limit of %" G_GINT64_FORMAT,
                    bytes, MT_LIMIT_NIFTI_BYTES);
        return false;
    }
    if (stat(f->path, &status) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its voxels are missing: no file %s", f->path);
        return false;
    }
    if (f->packing == MT_VOXELS_PLAIN && status.st_size < f->offset + bytes) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "its header claims %" G_GINT64_FORMAT " bytes of voxels at byte %" G_GINT64_FORMAT ", the file has %" G_GINT64_FORMAT
                    " bytes",
                    bytes, f->offset, (int64_t)status.st_size);
        return false;
    }
    if (f->packing == MT_VOXELS_GZIP)
        bytes += f->offset;
    if (f->packing != MT_VOXELS_PLAIN && bytes > (int64_t)status.st_size * MT_LIMIT_DEFLATE_RATIO) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                    "its header claims %" G_GINT64_FORMAT " bytes, more than %d times the file's %" G_GINT64_FORMAT, bytes,
                    MT_LIMIT_DEFLATE_RATIO, (int64_t)status.st_size);
        return false;
    }
    return true;
}

static mt_dtype kept_type(const mt_voxel_file *f)
{
    if (f->slope != 1 || f->inter != 0)
        return MT_F32;
    switch (f->type) {
    case MT_VOXEL_U8:
        return MT_U8;
    case MT_VOXEL_I8:
    case MT_VOXEL_I16:
        return MT_I16;
    case MT_VOXEL_U16:
        return MT_U16;
    default:
        return MT_F32;
    }
}

/* Bytes of the file from a place on, inflated where they are packed. */
typedef struct stream {
    FILE    *file;
    bool     packed, begun;
    z_stream z;
    uint8_t  input[INPUT_BYTES];
} stream;

static void stream_free(stream *s)
{
    if (s == NULL)
        return;
    if (s->begun)
        inflateEnd(&s->z);
    if (s->file != NULL)
        fclose(s->file);
    g_free(s);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(stream, stream_free)

/* Several members one behind the other are one stream. */
static bool inflate_bytes(stream *s, uint8_t *out, size_t n)
{
    s->z.next_out = out;
    s->z.avail_out = (uInt)n;
    while (s->z.avail_out > 0) {
        if (s->z.avail_in == 0) {
            s->z.next_in = s->input;
            s->z.avail_in = (uInt)fread(s->input, 1, sizeof s->input, s->file);
            if (s->z.avail_in == 0)
                return false;
        }
        int code = inflate(&s->z, Z_NO_FLUSH);
        if (code == Z_STREAM_END ? inflateReset(&s->z) != Z_OK : code != Z_OK)
            return false;
    }
    return true;
}

static bool stream_read(stream *s, uint8_t *out, size_t n)
{
    const size_t most = (size_t)1 << 30; /* zlib counts in 32 bits */
    size_t       part;

    for (; n > 0; n -= part, out += part) {
        part = MIN(n, most);
        if (s->packed ? !inflate_bytes(s, out, part) : fread(out, 1, part, s->file) != part)
            return false;
    }
    return true;
}

static bool stream_skip(stream *s, int64_t n)
{
    uint8_t scratch[4096];

    for (; n > 0; n -= MIN(n, (int64_t)sizeof scratch))
        if (!stream_read(s, scratch, (size_t)MIN(n, (int64_t)sizeof scratch)))
            return false;
    return true;
}

static stream *stream_open(const mt_voxel_file *f, GError **error)
{
    g_autoptr(stream) s = g_new0(stream, 1);

    s->file = fopen(f->path, "rb");
    s->packed = f->packing != MT_VOXELS_PLAIN;
    if (s->file == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s cannot be opened: %s", f->path, g_strerror(errno));
        return NULL;
    }
    /* 32: zlib and gzip headers are told apart */
    s->begun = s->packed && inflateInit2(&s->z, MAX_WBITS + 32) == Z_OK;
    bool ok =
        s->begun == s->packed && (f->packing == MT_VOXELS_GZIP ? stream_skip(s, f->offset) : fseeko(s->file, f->offset, SEEK_SET) == 0);
    if (ok)
        return g_steal_pointer(&s);
    g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its voxels are cut short");
    return NULL;
}

/* One type to another along a row. */
#define CONVERT(from, to, value)                                                                                                           \
    for (int64_t i = 0; i < n; i++) {                                                                                                      \
        from v;                                                                                                                            \
        memcpy(&v, stored + i * (int64_t)sizeof v, sizeof v);                                                                              \
        ((to *)(void *)voxels)[first + i * step] = (to)(value);                                                                            \
    }
#define SCALED (f->slope * (double)v + f->inter)

static void keep_row(const mt_voxel_file *f, const uint8_t *stored, uint8_t *voxels, int64_t first, int64_t step)
{
    int64_t n = f->size[0];

    switch (f->type) {
    case MT_VOXEL_U8:
        CONVERT(uint8_t, uint8_t, v);
        break;
    case MT_VOXEL_I8:
        CONVERT(int8_t, int16_t, v);
        break;
    case MT_VOXEL_U16:
        CONVERT(uint16_t, uint16_t, v);
        break;
    default:
        CONVERT(int16_t, int16_t, v);
    }
}

static void scale_row(const mt_voxel_file *f, const uint8_t *stored, uint8_t *voxels, int64_t first, int64_t step)
{
    int64_t n = f->size[0];

    switch (f->type) {
    case MT_VOXEL_U8:
        CONVERT(uint8_t, float, SCALED);
        break;
    case MT_VOXEL_I8:
        CONVERT(int8_t, float, SCALED);
        break;
    case MT_VOXEL_U16:
        CONVERT(uint16_t, float, SCALED);
        break;
    case MT_VOXEL_I16:
        CONVERT(int16_t, float, SCALED);
        break;
    case MT_VOXEL_U32:
        CONVERT(uint32_t, float, SCALED);
        break;
    case MT_VOXEL_I32:
        CONVERT(int32_t, float, SCALED);
        break;
    case MT_VOXEL_U64:
        CONVERT(uint64_t, float, SCALED);
        break;
    case MT_VOXEL_I64:
        CONVERT(int64_t, float, SCALED);
        break;
    case MT_VOXEL_F32:
        CONVERT(float, float, SCALED);
        break;
    default:
        CONVERT(double, float, SCALED);
    }
}

static void swap_row(uint8_t *row, size_t n, size_t width)
{
    for (size_t i = 0; i < n; i++, row += width)
        for (size_t k = 0; k < width / 2; k++) {
            uint8_t byte = row[k];

            row[k] = row[width - 1 - k];
            row[width - 1 - k] = byte;
        }
}

static bool read_rows(stream *s, const mt_voxel_file *f, const mt_orientation *o, mt_dtype dtype, uint8_t *voxels, GError **error)
{
    size_t   width = mt_voxel_bytes(f->type), row_bytes = (size_t)f->size[0] * width;
    uint8_t *row = mt_alloc(f->size[0], width, error);
    bool     ok = row != NULL;
    int64_t  origin, step[3];

    mt_orientation_strides(o, &origin, step);
    for (int64_t k = 0; ok && k < f->size[2]; k++)
        for (int64_t j = 0; ok && j < f->size[1]; j++) {
            ok = stream_read(s, row, row_bytes);
            if (!ok)
                g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its voxels are cut short in slice %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT,
                            k + 1, f->size[2]);
            else if (f->swapped && width > 1)
                swap_row(row, (size_t)f->size[0], width);
            if (ok)
                (dtype == MT_F32 ? scale_row : keep_row)(f, row, voxels, origin + j * step[1] + k * step[2], step[0]);
        }
    mt_free(row);
    return ok;
}

static uint8_t *load_voxels(const mt_voxel_file *f, const mt_orientation *o, mt_dtype dtype, GError **error)
{
    g_autoptr(stream) s = stream_open(f, error);
    uint8_t *voxels = s != NULL ? mt_alloc(f->size[0] * f->size[1] * f->size[2], mt_source_sample_bytes(dtype), error) : NULL;

    if (voxels != NULL && !read_rows(s, f, o, dtype, voxels, error)) {
        mt_free(voxels);
        return NULL;
    }
    return voxels;
}

static double column_length(const double a[16], int column)
{
    return sqrt(a[column] * a[column] + a[4 + column] * a[4 + column] + a[8 + column] * a[8 + column]);
}

static void read_spacing(volume *v, const mt_voxel_file *f, const mt_orientation *o)
{
    double um[3];

    if (f->unknown != NULL) {
        mt_spacing_set_unknown(&v->source.spacing, "%s", f->unknown);
        return;
    }
    for (int d = 0; d < 3; d++) {
        um[d] = f->mm[o->axis[d]] * 1000;
        double length = f->has_frame ? column_length(f->affine, o->axis[d]) * 1000 : um[d];

        if (o->size[d] > 1 && !(fabs(um[d] - length) <= SPACING_TOLERANCE * length)) {
            mt_spacing_set_unknown(&v->source.spacing, "the %s header contradicts itself: voxels of %g and of %g µm",
                                   g_str_has_prefix(v->source.format, "nifti") ? "NIfTI" : v->source.format, um[d], length);
            return;
        }
    }
    mt_spacing_set(&v->source.spacing, um[0], um[1], f->spacing_source);
    if (v->source.spacing.known && v->source.planes > 1 && isfinite(um[2]))
        v->source.plane_spacing_um = um[2];
}

static mt_source *make_volume(uint8_t *voxels, const mt_voxel_file *f, const mt_orientation *o, mt_dtype dtype,
                              const mt_source_class *backend, const char *format)
{
    volume *v = g_new0(volume, 1);

    mt_source_init(&v->source, backend);
    v->voxels = voxels;
    v->width = o->size[0];
    v->height = o->size[1];
    v->sample_bytes = mt_source_sample_bytes(dtype);
    v->source.kind = MT_CASE_VOLUME;
    v->source.format = g_strdup(format);
    v->source.planes = o->size[2];
    v->source.dtype = dtype;
    v->source.channels = 1;
    v->source.orientation = *o;
    v->source.has_affine = f->has_frame;
    if (f->has_frame)
        memcpy(v->source.affine, o->affine, sizeof o->affine);
    mt_source_add_level(&v->source, v->width, v->height);
    read_spacing(v, f, o);
    return &v->source;
}

mt_source *mt_voxel_source_new(const mt_voxel_file *f, const mt_source_class *backend, const char *format, const mt_case_options *options,
                               GError **error)
{
    mt_orientation o;
    mt_dtype       dtype = kept_type(f);

    if (!mt_orientation_choose(f->has_frame ? f->affine : NULL, f->size, options->plane_axis, &o)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its affine is singular: two axes of the volume point the same way");
        return NULL;
    }
    if (!check_file_size(f, error))
        return NULL;
    uint8_t *voxels = load_voxels(f, &o, dtype, error);
    return voxels != NULL ? make_volume(voxels, f, &o, dtype, backend, format) : NULL;
}

bool mt_voxel_source_read(mt_source *source, int64_t plane, int level, const mt_rect *rect, bool once, uint8_t *out, size_t row_bytes,
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

void mt_voxel_source_close(mt_source *source)
{
    volume *v = (volume *)source;

    mt_free(v->voxels);
    mt_source_clear(source);
    g_free(v);
}

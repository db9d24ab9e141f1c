/* The header is filled in with nifti_clib's types and its quaternions; nothing in it but numbers that describe the grid. */
#include "src/export/nifti_file.h"

#include "src/base/alloc.h"
#include "src/case/source.h"
#include "src/export/packed_stream.h"

#include <math.h>
#include <nifti1_io.h>
#include <string.h>

#define VOXELS_AT 352 /* the header's 348 bytes and the mark that no extension follows */
#define QFORM_TOLERANCE_MM 1e-3

static bool is_rgb24(const mt_plane_feed *f)
{
    return f->channels == 3 && f->dtype == MT_U8;
}

static bool set_dims(const mt_plane_feed *f, nifti_1_header *h, GError **error)
{
    bool wide = f->channels > 1 && !is_rgb24(f);

    h->dim[0] = wide ? 5 : 3;
    for (int d = 0; d < 3; d++) {
        if (f->size[d] > INT16_MAX) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "it has %" G_GINT64_FORMAT " samples along an axis, NIfTI-1 holds %d: take npy or png", f->size[d], INT16_MAX);
            return false;
        }
        h->dim[d + 1] = (short)f->size[d];
    }
    h->dim[4] = h->dim[6] = h->dim[7] = 1;
    h->dim[5] = (short)(wide ? f->channels : 1);
    h->intent_code = (short)(wide ? NIFTI_INTENT_VECTOR : NIFTI_INTENT_NONE);
    return true;
}

static void set_type(const mt_plane_feed *f, nifti_1_header *h)
{
    static const short types[] = {[MT_U8] = DT_UINT8, [MT_U16] = DT_UINT16, [MT_I16] = DT_INT16, [MT_F32] = DT_FLOAT32};

    h->datatype = (short)(is_rgb24(f) ? DT_RGB24 : types[f->dtype]);
    h->bitpix = (short)(8 * f->sample_bytes * (is_rgb24(f) ? 3 : 1));
    h->scl_slope = 1;
}

static short frame_code(const mt_plane_feed *f)
{
    const char *name = f->c != NULL ? mt_case_frame_of_reference(f->c) : f->frame;

    return g_strcmp0(name, "mni") == 0         ? NIFTI_XFORM_MNI_152
           : g_strcmp0(name, "talairach") == 0 ? NIFTI_XFORM_TALAIRACH
                                               : NIFTI_XFORM_SCANNER_ANAT;
}

static mat44 as_mat44(const double affine[16])
{
    mat44 m;

    for (int i = 0; i < 16; i++)
        m.m[i / 4][i % 4] = (float)affine[i];
    return m;
}

/* The two put the grid's corners at one place. */
static bool same_grid(const mat44 *a, const mat44 *b, const int64_t size[3])
{
    for (int corner = 0; corner < 8; corner++)
        for (int row = 0; row < 3; row++) {
            double off = (double)a->m[row][3] - (double)b->m[row][3];

            for (int d = 0; d < 3; d++)
                off += (corner >> d & 1) ? ((double)a->m[row][d] - (double)b->m[row][d]) * (double)(size[d] - 1) : 0;
            if (!(fabs(off) <= QFORM_TOLERANCE_MM))
                return false;
        }
    return true;
}

/* A quaternion turns and flips: a sheared grid has none, and says where it is by sform alone. */
static void set_frame(const mt_plane_feed *f, nifti_1_header *h)
{
    mat44 m = as_mat44(f->affine);
    float dx, dy, dz, qfac;

    h->sform_code = frame_code(f);
    memcpy(h->srow_x, m.m[0], sizeof h->srow_x);
    memcpy(h->srow_y, m.m[1], sizeof h->srow_y);
    memcpy(h->srow_z, m.m[2], sizeof h->srow_z);
    nifti_mat44_to_quatern(m, &h->quatern_b, &h->quatern_c, &h->quatern_d, &h->qoffset_x, &h->qoffset_y, &h->qoffset_z, &dx, &dy, &dz,
                           &qfac);
    mat44 back =
        nifti_quatern_to_mat44(h->quatern_b, h->quatern_c, h->quatern_d, h->qoffset_x, h->qoffset_y, h->qoffset_z, dx, dy, dz, qfac);
    if (same_grid(&m, &back, f->size)) {
        h->qform_code = h->sform_code;
        h->pixdim[0] = qfac;
    } else {
        h->quatern_b = h->quatern_c = h->quatern_d = h->qoffset_x = h->qoffset_y = h->qoffset_z = 0;
    }
}

static bool make_header(const mt_plane_feed *f, nifti_1_header *h, GError **error)
{
    memset(h, 0, sizeof *h);
    h->sizeof_hdr = (int)sizeof *h;
    h->regular = 'r'; /* as SPM wants it */
    h->vox_offset = VOXELS_AT;
    memcpy(h->magic, "n+1", 4);
    if (!set_dims(f, h, error))
        return false;
    set_type(f, h);
    for (int d = 0; d < 8; d++)
        h->pixdim[d] = 1;
    for (int d = 0; d < 3; d++)
        if (f->spacing_mm[d] > 0)
            h->pixdim[d + 1] = (float)f->spacing_mm[d];
    if (f->unit_mm && f->spacing_mm[0] > 0 && f->spacing_mm[1] > 0)
        h->xyzt_units = NIFTI_UNITS_MM;
    if (f->has_frame)
        set_frame(f, h);
    return true;
}

/* One channel out of interleaved samples, in place behind each other. */
static void pick_channel(const mt_plane_feed *f, int channel, const uint8_t *plane, uint8_t *out)
{
    int64_t n = f->size[0] * f->size[1];

    for (int64_t i = 0; i < n; i++)
        memcpy(out + (size_t)i * f->sample_bytes, plane + (size_t)(i * f->channels + channel) * f->sample_bytes, f->sample_bytes);
}

/* RGB24 has its channels together; others follow each other as whole volumes. */
static bool write_planes(mt_plane_feed *f, mt_packed_stream *s, uint8_t *plane, uint8_t *single, mt_plane_seen seen, void *user,
                         GError **error)
{
    int    passes = single != NULL ? f->channels : 1;
    size_t bytes = mt_plane_feed_bytes(f);

    for (int channel = 0; channel < passes; channel++)
        for (int64_t k = 0; k < f->size[2]; k++) {
            if (!mt_plane_feed_read(f, k, plane, error))
                return false;
            if (single != NULL)
                pick_channel(f, channel, plane, single);
            if (!mt_packed_stream_write(s, single != NULL ? single : plane, bytes / (size_t)passes, error))
                return false;
            if (channel == 0 && seen != NULL)
                seen(user, plane, k);
        }
    return true;
}

bool mt_nifti_file_write(mt_plane_feed *f, const char *path, bool gzip, bool replace, mt_plane_seen seen, void *user, GError **error)
{
    nifti_1_header h;
    const uint8_t  no_extension[VOXELS_AT - sizeof h] = {0};
    bool           split = f->channels > 1 && !is_rgb24(f);

    if (!make_header(f, &h, error))
        return false;
    uint8_t *plane = mt_alloc((int64_t)mt_plane_feed_bytes(f), 1, error);
    uint8_t *single = plane != NULL && split ? mt_alloc((int64_t)mt_plane_feed_bytes(f) / f->channels, 1, error) : NULL;
    g_autoptr(mt_packed_stream) s = plane != NULL && (single != NULL) == split ? mt_packed_stream_begin(path, gzip, error) : NULL;
    bool ok = s != NULL && mt_packed_stream_write(s, &h, sizeof h, error) &&
              mt_packed_stream_write(s, no_extension, sizeof no_extension, error) && write_planes(f, s, plane, single, seen, user, error) &&
              mt_packed_stream_commit(s, replace, error);
    mt_free(plane);
    mt_free(single);
    return ok;
}

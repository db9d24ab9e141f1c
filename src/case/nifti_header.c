#include "src/case/nifti_header.h"

#include "src/base/limits.h"

#include <math.h>
#include <nifti/nifti1_io.h>
#include <nifti/nifti2.h>
#include <stddef.h>
#include <string.h>

#define NIFTI1_BYTES 348
#define NIFTI2_BYTES 540
/* Voxels of a one-file NIfTI-1 begin here unless the header says a later place. */
#define NIFTI1_FIRST_VOXEL 352
#define NIFTI2_FIRST_VOXEL 544

/* Fields of either version, in this machine's byte order. */
typedef struct fields {
    int64_t dim[8];
    double  pixdim[8], offset, slope, inter, quatern[3], qoffset[3], srow[3][4];
    int     datatype, unit, qform_code, sform_code;
} fields;

static const struct {
    int datatype, bytes;
} kinds[] = {
    {DT_UINT8, 1},  {DT_INT8, 1},  {DT_INT16, 2},  {DT_UINT16, 2},  {DT_INT32, 4},
    {DT_UINT32, 4}, {DT_INT64, 8}, {DT_UINT64, 8}, {DT_FLOAT32, 4}, {DT_FLOAT64, 8},
};

static int32_t header_bytes(const uint8_t *bytes, size_t n, bool *swapped)
{
    int32_t size = 0;

    if (n < NIFTI1_BYTES)
        return 0;
    memcpy(&size, bytes, sizeof size);
    *swapped = size != NIFTI1_BYTES && size != NIFTI2_BYTES;
    if (*swapped)
        size = (int32_t)GUINT32_SWAP_LE_BE((uint32_t)size);
    return size;
}

static int version_of(const uint8_t *bytes, size_t n, bool *swapped)
{
    int32_t     size = header_bytes(bytes, n, swapped);
    const char *magic1 = (const char *)bytes + offsetof(struct nifti_1_header, magic);
    const char *magic2 = (const char *)bytes + offsetof(struct nifti_2_header, magic);

    if (size == NIFTI1_BYTES && (memcmp(magic1, "n+1", 4) == 0 || memcmp(magic1, "ni1", 4) == 0))
        return 1;
    if (size == NIFTI2_BYTES && n >= NIFTI2_BYTES && (memcmp(magic2, "n+2", 4) == 0 || memcmp(magic2, "ni2", 4) == 0))
        return 2;
    return 0;
}

bool mt_nifti_header_matches(const uint8_t *bytes, size_t n)
{
    bool swapped;

    return version_of(bytes, n, &swapped) != 0;
}

static void swap_nifti1(struct nifti_1_header *h)
{
    nifti_swap_Nbytes(8, 2, h->dim);
    nifti_swap_Nbytes(1, 2, &h->datatype);
    nifti_swap_Nbytes(8, 4, h->pixdim);
    nifti_swap_Nbytes(3, 4, &h->vox_offset); /* and scl_slope, scl_inter */
    nifti_swap_Nbytes(2, 2, &h->qform_code); /* and sform_code */
    nifti_swap_Nbytes(6, 4, &h->quatern_b);  /* to qoffset_z */
    nifti_swap_Nbytes(12, 4, h->srow_x);     /* to srow_z */
}

static void take_nifti1(const uint8_t *bytes, bool swapped, fields *f)
{
    struct nifti_1_header h;

    memcpy(&h, bytes, sizeof h);
    if (swapped)
        swap_nifti1(&h);
    for (int i = 0; i < 8; i++) {
        f->dim[i] = h.dim[i];
        f->pixdim[i] = (double)h.pixdim[i];
    }
    f->offset = (double)h.vox_offset;
    f->slope = (double)h.scl_slope;
    f->inter = (double)h.scl_inter;
    f->datatype = h.datatype;
    f->unit = XYZT_TO_SPACE(h.xyzt_units);
    f->qform_code = h.qform_code;
    f->sform_code = h.sform_code;
    const float  quatern[3] = {h.quatern_b, h.quatern_c, h.quatern_d}, shift[3] = {h.qoffset_x, h.qoffset_y, h.qoffset_z};
    const float *rows[3] = {h.srow_x, h.srow_y, h.srow_z};
    for (int i = 0; i < 3; i++) {
        f->quatern[i] = (double)quatern[i];
        f->qoffset[i] = (double)shift[i];
        for (int k = 0; k < 4; k++)
            f->srow[i][k] = (double)rows[i][k];
    }
}

static void swap_nifti2(struct nifti_2_header *h)
{
    nifti_swap_Nbytes(1, 2, &h->datatype);
    nifti_swap_Nbytes(8, 8, h->dim);
    nifti_swap_Nbytes(8, 8, h->pixdim);
    nifti_swap_Nbytes(3, 8, &h->vox_offset);
    nifti_swap_Nbytes(2, 4, &h->qform_code);
    nifti_swap_Nbytes(6, 8, &h->quatern_b);
    nifti_swap_Nbytes(12, 8, h->srow_x);
    nifti_swap_Nbytes(1, 4, &h->xyzt_units);
}

static void take_nifti2(const uint8_t *bytes, bool swapped, fields *f)
{
    struct nifti_2_header h;

    memcpy(&h, bytes, sizeof h);
    if (swapped)
        swap_nifti2(&h);
    memcpy(f->dim, h.dim, sizeof f->dim);
    memcpy(f->pixdim, h.pixdim, sizeof f->pixdim);
    f->offset = (double)h.vox_offset;
    f->slope = h.scl_slope;
    f->inter = h.scl_inter;
    f->datatype = h.datatype;
    f->unit = XYZT_TO_SPACE(h.xyzt_units);
    f->qform_code = h.qform_code;
    f->sform_code = h.sform_code;
    memcpy(f->quatern, &h.quatern_b, sizeof f->quatern);
    memcpy(f->qoffset, &h.qoffset_x, sizeof f->qoffset);
    memcpy(f->srow, h.srow_x, sizeof f->srow);
}

static bool take_size(const fields *f, mt_nifti_header *header, GError **error)
{
    int64_t voxels = 1, volumes = 1;

    if (f->dim[0] < 1 || f->dim[0] > 7) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its header claims %" G_GINT64_FORMAT " dimensions", f->dim[0]);
        return false;
    }
    for (int i = 1; i <= 7; i++) {
        int64_t n = i <= f->dim[0] ? f->dim[i] : 1;

        if (n < 1) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its header claims a size of %" G_GINT64_FORMAT " along axis %d", n, i);
            return false;
        }
        if (n > MT_LIMIT_NIFTI_VOXELS / (voxels * volumes)) {
            g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "its header claims more than the limit of %" G_GINT64_FORMAT " voxels",
                        MT_LIMIT_NIFTI_VOXELS);
            return false;
        }
        if (i <= 3)
            voxels *= header->size[i - 1] = n;
        else
            volumes *= n;
    }
    if (volumes == 1)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "it has %" G_GINT64_FORMAT " volumes; choose one and save it as a file of its own",
                volumes);
    return false;
}

static bool take_kind(const fields *f, mt_nifti_header *header, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i].datatype == f->datatype) {
            header->datatype = f->datatype;
            header->sample_bytes = kinds[i].bytes;
            return true;
        }
    }
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its voxels are of type %s (%d); integers and floats of up to 64 bits are read",
                nifti_datatype_string(f->datatype), f->datatype);
    return false;
}

static bool take_offset(const fields *f, mt_nifti_header *header, GError **error)
{
    int64_t first = header->pair ? 0 : header->version == 1 ? NIFTI1_FIRST_VOXEL : NIFTI2_FIRST_VOXEL;

    if (!(f->offset >= 0 && f->offset < 0x1p53)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its header puts the voxels at byte %g", f->offset);
        return false;
    }
    /* 0 is written for "right behind the header". */
    header->offset = MAX((int64_t)f->offset, first);
    return true;
}

/* NaN and 0 mean that no scaling was stored. */
static bool take_scaling(const fields *f, mt_nifti_header *header, GError **error)
{
    header->slope = 1;
    header->inter = 0;
    if (isnan(f->slope) || f->slope == 0)
        return true;
    if (!isfinite(f->slope) || !isfinite(f->inter)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its header scales voxels by %g and adds %g", f->slope, f->inter);
        return false;
    }
    header->slope = f->slope;
    header->inter = f->inter;
    return true;
}

double mt_nifti_unit_mm(int unit)
{
    return unit == NIFTI_UNITS_METER ? 1000 : unit == NIFTI_UNITS_MM ? 1 : unit == NIFTI_UNITS_MICRON ? 0.001 : 0;
}

static void qform_rows(const fields *f, double rows[3][4])
{
    mat44 m = nifti_quatern_to_mat44((float)f->quatern[0], (float)f->quatern[1], (float)f->quatern[2], (float)f->qoffset[0],
                                     (float)f->qoffset[1], (float)f->qoffset[2], (float)f->pixdim[1], (float)f->pixdim[2],
                                     (float)f->pixdim[3], f->pixdim[0] < 0 ? -1.0f : 1.0f);

    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++)
            rows[i][k] = (double)m.m[i][k];
}

static bool take_frame(const fields *f, mt_nifti_header *header, GError **error)
{
    double rows[3][4], mm = mt_nifti_unit_mm(f->unit);

    for (int i = 0; i < 3; i++)
        header->pixdim[i] = fabs(f->pixdim[i + 1]);
    header->unit = f->unit;
    header->has_frame = f->sform_code > 0 || f->qform_code > 0;
    header->frame_code = f->sform_code > 0 ? f->sform_code : f->qform_code;
    if (!header->has_frame)
        return true;
    if (f->sform_code > 0)
        memcpy(rows, f->srow, sizeof rows);
    else
        qform_rows(f, rows);
    for (int i = 0; i < 12; i++) {
        header->affine[i] = rows[i / 4][i % 4] * (mm > 0 ? mm : 1);
        if (!isfinite(header->affine[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its %s is not finite", f->sform_code > 0 ? "sform" : "qform");
            return false;
        }
    }
    header->affine[15] = 1;
    return true;
}

bool mt_nifti_header_parse(const uint8_t *bytes, size_t n, mt_nifti_header *header, GError **error)
{
    fields f = {0};

    *header = (mt_nifti_header){0};
    header->version = version_of(bytes, n, &header->swapped);
    if (header->version == 0) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "not a NIfTI file");
        return false;
    }
    if (header->version == 1) {
        header->pair = bytes[offsetof(struct nifti_1_header, magic) + 1] == 'i';
        take_nifti1(bytes, header->swapped, &f);
    } else {
        header->pair = bytes[offsetof(struct nifti_2_header, magic) + 1] == 'i';
        take_nifti2(bytes, header->swapped, &f);
    }
    return take_size(&f, header, error) && take_kind(&f, header, error) && take_offset(&f, header, error) &&
           take_scaling(&f, header, error) && take_frame(&f, header, error);
}

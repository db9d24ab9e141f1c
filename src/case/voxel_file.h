/* The voxels of one volume where some header says they stand (NIfTI, MetaImage, NRRD): checked against the file and the limits, read whole
 * and turned as orientation.h says.  Voxels keep their type where it is one of a case's (u8, i16, u16; i8 becomes i16) and no
 * scaling is stored; else they become float, slope * v + inter computed in double. */
#ifndef MT_VOXEL_FILE_H
#define MT_VOXEL_FILE_H

#include "src/case/source.h"

typedef enum mt_voxel_type {
    MT_VOXEL_U8,
    MT_VOXEL_I8,
    MT_VOXEL_U16,
    MT_VOXEL_I16,
    MT_VOXEL_U32,
    MT_VOXEL_I32,
    MT_VOXEL_U64,
    MT_VOXEL_I64,
    MT_VOXEL_F32,
    MT_VOXEL_F64
} mt_voxel_type;

typedef enum mt_voxel_packing {
    MT_VOXELS_PLAIN,
    MT_VOXELS_DEFLATED, /* a zlib or gzip stream from `offset` on */
    MT_VOXELS_GZIP      /* the file is one; `offset` counts in what it holds */
} mt_voxel_packing;

typedef struct mt_voxel_file {
    const char      *path;
    int64_t          size[3]; /* each above 0, the product within MT_LIMIT_NIFTI_VOXELS */
    mt_voxel_type    type;
    mt_voxel_packing packing;
    bool             swapped; /* of the other byte order than this machine */
    int64_t          offset;
    double           slope, inter; /* 1 and 0: stored values stand as they are */
    bool             has_frame;
    double           affine[16]; /* stored voxel to RAS, row-major */
    double           mm[3];      /* between voxels along the stored axes; used when the spacing is known */
    const char      *unknown;    /* why the spacing is not known; NULL: it is */
    const char      *spacing_source;
} mt_voxel_file;

size_t mt_voxel_bytes(mt_voxel_type type);
/* MT_ERROR_LIMIT when the header claims more than the limits or than such a file can hold, MT_ERROR_INPUT when it is cut short. */
mt_source *mt_voxel_source_new(const mt_voxel_file *file, const mt_source_class *backend, const char *format,
                               const mt_case_options *options, GError **error);
/* read and close of a backend whose sources come from here. */
bool mt_voxel_source_read(mt_source *source, int64_t plane, int level, const mt_rect *rect, bool once, uint8_t *out, size_t row_bytes,
                          GError **error);
void mt_voxel_source_close(mt_source *source);

#endif

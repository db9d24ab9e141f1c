/* The header of a NIfTI-1 or NIfTI-2 file, checked against itself before anything is allocated from it. */
#ifndef MT_NIFTI_HEADER_H
#define MT_NIFTI_HEADER_H

#include <microtome/error.h>

#define MT_NIFTI_HEADER_BYTES 540

typedef struct mt_nifti_header {
    int     version; /* 1 or 2 */
    bool    swapped; /* of the other byte order than this machine */
    bool    pair;    /* voxels in a .img beside the .hdr */
    int64_t size[3];
    int     datatype; /* DT_* of nifti1.h */
    int     sample_bytes;
    int64_t offset;       /* of the first voxel */
    double  slope, inter; /* 1 and 0: stored values stand as they are */
    double  pixdim[3];    /* as stored, in `unit` */
    int     unit;         /* NIFTI_UNITS_* of length, 0 unknown */
    bool    has_frame;    /* sform, else qform */
    int     frame_code;   /* NIFTI_XFORM_* of it */
    double  affine[16];   /* stored voxel to RAS, row-major; mm where the unit is known, else as stored */
} mt_nifti_header;

/* Magic and header size fit. */
bool mt_nifti_header_matches(const uint8_t *bytes, size_t n);
/* MT_ERROR_INPUT for what is malformed or of a kind that is refused, MT_ERROR_LIMIT for claimed sizes over the limits. */
bool mt_nifti_header_parse(const uint8_t *bytes, size_t n, mt_nifti_header *header, GError **error);
/* Millimetres per `unit`, 0 when it is unknown. */
double mt_nifti_unit_mm(int unit);

#endif

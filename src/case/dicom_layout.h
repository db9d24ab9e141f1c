/* Where things stand in a DICOM file: transfer syntax, header elements, pixel data and its fragments.  Every length is checked against
 * the file, the limits and a depth before DCMTK sees a byte: it recurses without a bound. */
#ifndef MT_DICOM_LAYOUT_H
#define MT_DICOM_LAYOUT_H

#include <microtome/error.h>

G_BEGIN_DECLS

#define MT_DICOM_UID_BYTES 65

typedef struct mt_dicom_fragment {
    uint64_t offset, bytes; /* in the file */
} mt_dicom_fragment;

typedef enum mt_dicom_pixel_kind { MT_DICOM_NO_PIXELS, MT_DICOM_INTEGERS, MT_DICOM_FLOATS, MT_DICOM_DOUBLES } mt_dicom_pixel_kind;

typedef struct mt_dicom_layout {
    char    *path;
    char     syntax[MT_DICOM_UID_BYTES];
    bool     explicit_vr, big_endian, deflated;
    uint8_t *header; /* data set up to the pixel data, in this syntax */
    size_t   header_bytes;

    mt_dicom_pixel_kind pixels;
    bool                encapsulated, words; /* words: VR OW */
    uint64_t            pixel_offset, pixel_bytes;
    GArray             *fragments; /* mt_dicom_fragment, without the offset table */
    GArray             *offsets;   /* uint64_t, of the first byte of a frame's first item after the offset table; may be empty */
    uint8_t            *inflated;  /* deflated: the whole data set, and offsets count in it */
    size_t              inflated_bytes;
} mt_dicom_layout;

/* The first bytes are those of a DICOM file, with or without preamble. */
bool mt_dicom_layout_matches(const uint8_t *bytes, size_t n);
bool mt_dicom_layout_file_matches(const char *path);

/* MT_ERROR_INPUT with the element and byte at which the file is wrong, MT_ERROR_LIMIT. */
mt_dicom_layout *mt_dicom_layout_read(const char *path, GError **error);
void             mt_dicom_layout_free(mt_dicom_layout *layout);
/* Header bytes are no longer wanted. */
void mt_dicom_layout_drop_header(mt_dicom_layout *layout);

/* The bytes of compressed frame `frame` of `frames`, its fragments joined; mt_free.  */
uint8_t *mt_dicom_layout_frame(const mt_dicom_layout *layout, int64_t frame, int64_t frames, size_t *n, GError **error);
/* `bytes` of native pixel data from its byte `offset`. */
bool mt_dicom_layout_native(const mt_dicom_layout *layout, uint64_t offset, uint64_t bytes, void *out, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_dicom_layout, mt_dicom_layout_free)

G_END_DECLS

#endif

/* Compressed bytes of one frame to samples, one function per family of codecs. */
#ifndef MT_DICOM_CODEC_H
#define MT_DICOM_CODEC_H

#include <microtome/error.h>

G_BEGIN_DECLS

/* What the file says of a frame, and the codec of what came out. */
typedef struct mt_dicom_picture {
    int64_t rows, columns;
    int     samples;
    bool    ybr;       /* JPEG: three samples are luminance and chroma */
    bool    is_signed; /* out, JPEG 2000 and JPEG-LS: of the samples */
    int     precision; /* in: bits of the samples; out: those that the codec names */
} mt_dicom_picture;

/* Size, samples and precision that a JPEG or JPEG-LS frame header claims: false without one. */
bool mt_dicom_jpeg_header(const uint8_t *bytes, size_t n, mt_dicom_picture *claimed);

/* 8-bit baseline JPEG to rows x columns x samples, colour as RGB; a picture that is another size is refused. */
bool mt_dicom_jpeg8(const uint8_t *bytes, size_t n, const mt_dicom_picture *picture, uint8_t *out, GError **error);
/* JPEG 2000 and its high-throughput form. */
bool mt_dicom_jp2k(const uint8_t *bytes, size_t n, mt_dicom_picture *picture, int32_t *out, GError **error);
/* RLE: `sample_bytes` each, little endian, by pixel. */
bool mt_dicom_rle(const uint8_t *bytes, size_t n, const mt_dicom_picture *picture, int sample_bytes, uint8_t *out, GError **error);
/* JPEG extended and lossless and JPEG-LS through DCMTK; `out` holds 8-bit samples up to precision 8, else 16-bit ones. */
bool mt_dicom_dcmtk(const char *syntax, const uint8_t *bytes, size_t n, const mt_dicom_picture *picture, void *out, GError **error);

G_END_DECLS

#endif

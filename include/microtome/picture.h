/* <microtome/picture.h>  A tile as the bytes of a PNG, JPEG or WebP file.
 * The same pixels and parameters give the same bytes.  Call from any thread. */
#ifndef MICROTOME_PICTURE_H
#define MICROTOME_PICTURE_H

#include <microtome/tile_reader.h>

G_BEGIN_DECLS

typedef enum mt_picture_format { MT_PICTURE_PNG, MT_PICTURE_JPEG, MT_PICTURE_WEBP } mt_picture_format;

typedef struct mt_picture_params {
    mt_picture_format format;
    int               quality; /* 1..100; JPEG keeps full colour (4:4:4) from 90 on, WebP is lossless at 100; PNG ignores it */
} mt_picture_params;

/* "png", "jpeg" (or "jpg"), "webp". */
MT_PUBLIC bool        mt_picture_format_parse(const char *text, mt_picture_format *format);
MT_PUBLIC const char *mt_picture_format_name(mt_picture_format format);
/* "png", "jpg", "webp" */
MT_PUBLIC const char *mt_picture_extension(mt_picture_format format);

/* Whether tiles of a case of `stored` samples can be such pictures.  8-bit can be all of them; unsigned 16-bit a PNG of 16 bits;
 * signed 16-bit too, as value + 32768, which mt_picture_offset tells; float none: its range is not guessed.  MT_ERROR_USAGE for a
 * format that cannot hold the samples or that the libvips at hand lacks, MT_ERROR_INPUT for samples that none can hold. */
MT_PUBLIC bool mt_picture_check(const mt_picture_params *params, mt_dtype stored, GError **error);
/* What was added to the samples: 32768 for MT_I16, else 0. */
MT_PUBLIC int mt_picture_offset(mt_dtype stored);
/* Bytes of the file, g_bytes_unref; NULL on error. */
MT_PUBLIC GBytes *mt_picture_encode(const mt_picture_params *params, const mt_tile_pixels *pixels, mt_dtype stored, GError **error);

G_END_DECLS

#endif

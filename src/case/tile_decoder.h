/* One stored tile of a TIFF directory from its bytes to 8-bit RGB: JPEG through libjpeg-turbo, JPEG 2000 through OpenJPEG, the
 * lossless packings through libtiff.  One thread at a time; the pixels are a function of the bytes alone. */
#ifndef MT_TILE_DECODER_H
#define MT_TILE_DECODER_H

#include "src/case/tiff_directory.h"

typedef struct mt_tile_decoder mt_tile_decoder;

typedef struct mt_tile_decoder_class {
    mt_tile_decoder *(*open)(const char *path, const mt_tiff_directory *directory, GError **error);
    bool (*run)(mt_tile_decoder *decoder, uint32_t index, const uint8_t *bytes, size_t n_bytes, uint8_t *rgb, size_t row_bytes,
                GError **error);
    void (*close)(mt_tile_decoder *decoder);
} mt_tile_decoder_class;

struct mt_tile_decoder {
    const mt_tile_decoder_class *codec;
    const mt_tiff_directory     *directory;
    int                          reduce; /* JPEG: 1, 2, 4, 8: the picture at this part of its size, cut in the DCT domain */
    uint8_t                     *bytes;  /* room for compressed bytes: the caller's */
    size_t                       room;
};

extern const mt_tile_decoder_class mt_tile_jpeg;
extern const mt_tile_decoder_class mt_tile_jp2k;
extern const mt_tile_decoder_class mt_tile_packed;

mt_tile_decoder *mt_tile_decoder_new(const char *path, const mt_tiff_directory *directory, int reduce, GError **error);
void             mt_tile_decoder_free(void *decoder);
/* tile_height / reduce rows of tile_width / reduce pixels, `row_bytes` apart.  MT_ERROR_INPUT with the codec's own words; the
 * decoder is not to be used after a failure. */
bool mt_tile_decoder_run(mt_tile_decoder *decoder, uint32_t index, const uint8_t *bytes, size_t n_bytes, uint8_t *rgb, size_t row_bytes,
                         GError **error);

#endif

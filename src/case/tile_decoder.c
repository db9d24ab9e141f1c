#include "src/case/tile_decoder.h"

#include "src/base/alloc.h"

#include <tiff.h>

static const mt_tile_decoder_class *find_codec(uint16_t compression)
{
    if (compression == COMPRESSION_JPEG)
        return &mt_tile_jpeg;
    if (compression == MT_TIFF_JP2K_YCBCR || compression == MT_TIFF_JP2K_RGB)
        return &mt_tile_jp2k;
    return &mt_tile_packed;
}

mt_tile_decoder *mt_tile_decoder_new(const char *path, const mt_tiff_directory *directory, int reduce, GError **error)
{
    const mt_tile_decoder_class *codec = find_codec(directory->compression);
    mt_tile_decoder             *decoder = codec->open(path, directory, error);

    if (decoder == NULL)
        return NULL;
    decoder->codec = codec;
    decoder->directory = directory;
    decoder->reduce = reduce;
    return decoder;
}

void mt_tile_decoder_free(void *decoder)
{
    mt_tile_decoder *d = decoder;

    if (d == NULL)
        return;
    mt_free(d->bytes);
    d->codec->close(d);
}

bool mt_tile_decoder_run(mt_tile_decoder *decoder, uint32_t index, const uint8_t *bytes, size_t n_bytes, uint8_t *rgb, size_t row_bytes,
                         GError **error)
{
    return decoder->codec->run(decoder, index, bytes, n_bytes, rgb, row_bytes, error);
}

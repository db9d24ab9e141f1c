#include <microtome/picture.h>

#include "src/export/picture_jpeg.h"
#include "src/export/picture_png.h"
#include "src/export/picture_webp.h"

#include <string.h>

static const struct {
    const char *name, *extension;
} FORMATS[] = {[MT_PICTURE_PNG] = {"png", "png"}, [MT_PICTURE_JPEG] = {"jpeg", "jpg"}, [MT_PICTURE_WEBP] = {"webp", "webp"}};

bool mt_picture_format_parse(const char *text, mt_picture_format *format)
{
    for (size_t i = 0; i < G_N_ELEMENTS(FORMATS); i++)
        if (strcmp(text, FORMATS[i].name) == 0 || strcmp(text, FORMATS[i].extension) == 0) {
            *format = (mt_picture_format)i;
            return true;
        }
    return false;
}

const char *mt_picture_format_name(mt_picture_format format)
{
    return FORMATS[format].name;
}

const char *mt_picture_extension(mt_picture_format format)
{
    return FORMATS[format].extension;
}

bool mt_picture_check(const mt_picture_params *params, mt_dtype stored, GError **error)
{
    if (stored != MT_U8 && stored != MT_U16 && stored != MT_I16)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "the case's samples are %s, and their range in a picture is not guessed: convert it to 8 or 16 bits first",
                    mt_dtype_name(stored));
    else if (stored != MT_U8 && params->format != MT_PICTURE_PNG)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "the case has 16 bits a sample, and %s holds 8: take --format png",
                    mt_picture_format_name(params->format));
    else if (params->format == MT_PICTURE_WEBP && !mt_picture_webp_available())
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "the installed libvips writes no WebP: take --format png or jpeg");
    else
        return true;
    return false;
}

int mt_picture_offset(mt_dtype stored)
{
    return stored == MT_I16 ? 32768 : 0;
}

GBytes *mt_picture_encode(const mt_picture_params *params, const mt_tile_pixels *pixels, mt_dtype stored, GError **error)
{
    if (!mt_picture_check(params, stored, error))
        return NULL;
    switch (params->format) {
    case MT_PICTURE_JPEG:
        return mt_picture_jpeg(pixels, params->quality, error);
    case MT_PICTURE_WEBP:
        return mt_picture_webp(pixels, params->quality, error);
    default:
        return mt_picture_png(pixels, mt_picture_offset(stored), error);
    }
}

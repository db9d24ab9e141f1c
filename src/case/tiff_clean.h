/* A tiled slide's pyramid alone, tile for tile as it is stored: no label, no macro, no thumbnail, no text but what is needed to read it. */
#ifndef MT_TIFF_CLEAN_H
#define MT_TIFF_CLEAN_H

#include <microtome/error.h>

typedef struct mt_tiff_clean {
    int        levels, dropped; /* directories that were kept, and not */
    GPtrArray *removed;         /* char *: "ImageDescription: Filename", "DateTime": what was there and is not */
    GPtrArray *needles;         /* GBytes *: the values of those, 4 bytes and more */
    int64_t    comments;        /* bytes overwritten in compressed tiles */
    bool       aperio;
} mt_tiff_clean;

/* `scrub` overwrites comments in one stored tile and returns how many bytes.  MT_ERROR_INPUT for what is no tiled TIFF, or one of a maker whose
 * files hold more than their tiles (Hamamatsu, Philips, Ventana, Leica, OME). */
bool mt_tiff_clean_copy(const char *path, const char *target, size_t (*scrub)(uint8_t *bytes, size_t n), mt_tiff_clean *clean,
                        GError **error);
void mt_tiff_clean_clear(mt_tiff_clean *clean);

#endif

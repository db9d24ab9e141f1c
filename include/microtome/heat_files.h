/* <microtome/heat_files.h>  A heatmap as picture files of any size, streamed: one picture, a pyramid, DeepZoom. */
#ifndef MICROTOME_HEAT_FILES_H
#define MICROTOME_HEAT_FILES_H

#include <microtome/heat_picture.h>

G_BEGIN_DECLS

/* PNG, JPEG (65,535 px an edge at most), WEBP (16,383).
 * OME: a pyramid with SubIFDs and OME-XML, which QuPath, Bio-Formats and tifffile read.  OME_FLOAT: the same of the bare numbers, NaN where
 *   there is none.  TIFF: a chain of levels, which OpenSlide reads.
 * DZI: NAME.dzi and NAME_files/ with JPEG tiles of 254 px and an overlap of 1.  SZI: the same as one uncompressed zip, as
 *   viewers open it.  ZIP: to be unpacked beside a web page. */
typedef enum mt_heat_format {
    MT_HEAT_PNG,
    MT_HEAT_JPEG,
    MT_HEAT_WEBP,
    MT_HEAT_OME,
    MT_HEAT_OME_FLOAT,
    MT_HEAT_TIFF,
    MT_HEAT_DZI, /* DeepZoom from here on */
    MT_HEAT_SZI,
    MT_HEAT_ZIP
} mt_heat_format;

typedef struct mt_heat_file_params {
    mt_heat_format format;
    double         um_per_px; /* 0: the case's own px */
    int            quality;   /* of JPEG and WebP, 1..100; 0: 85 */
    int            threads;   /* 0: 2 */
    bool           replace;
} mt_heat_file_params;

/* The file appears whole or not at all (of DZI the .dzi last).  MT_ERROR_RANGE for a picture that the format cannot hold: the message names
 * one that can; MT_ERROR_USAGE when the file exists; MT_ERROR_IO. */
MT_PUBLIC bool mt_heat_file_write(const mt_heat_picture *picture, const mt_heatmap *heatmap, const mt_heat_file_params *params,
                                  const char *path, GError **error);
/* "png", "jpeg", "webp", "ome", "ome-float", "tiff", "dzi", "szi", "zip"; false for another word. */
MT_PUBLIC bool        mt_heat_format_parse(const char *text, mt_heat_format *format);
MT_PUBLIC const char *mt_heat_format_names(void);
/* ".png", ".ome.tif" ... */
MT_PUBLIC const char *mt_heat_format_ending(mt_heat_format format);

G_END_DECLS

#endif

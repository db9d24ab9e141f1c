/* <microtome/heat_page.h>  A heatmap as a folder with a page that opens in a browser without a network or a server. */
#ifndef MICROTOME_HEAT_PAGE_H
#define MICROTOME_HEAT_PAGE_H

#include <microtome/heat_picture.h>

G_BEGIN_DECLS

typedef struct mt_heat_page_params {
    const mt_colormap *colormap;  /* chosen at first; NULL: the default */
    double             threshold; /* at first, [0, 1) */
    double             um_per_px; /* of the slide's picture; 0: 2, or the case's own px where those are coarser or unknown */
    int                quality;   /* of its JPEG tiles, 1..100; 0: 85 */
    int                threads;   /* 0: 2 */
    const char        *language;  /* "en", "ko": at first; NULL: the browser's */
    bool               replace;
} mt_heat_page_params;

/* Writes FOLDER/index.html with its scripts, the values of the heatmap, and the slide as DeepZoom; opacity, threshold and colours
 * are the reader's.  `slide`: the open case of the result; NULL: its stored thumbnail.  The folder appears whole.
 * MT_ERROR_MISSING for a program built without OpenSeadragon; MT_ERROR_USAGE when the folder exists; MT_ERROR_INPUT, MT_ERROR_IO. */
MT_PUBLIC bool mt_heat_page_write(const mt_heatmap *heatmap, const mt_result *result, mt_case *slide, const mt_heat_page_params *params,
                                  const char *folder, GError **error);

G_END_DECLS

#endif

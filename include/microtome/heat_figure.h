/* <microtome/heat_figure.h>  A figure for a paper or a board: the slide beside its heatmap, with scale bar and legend. */
#ifndef MICROTOME_HEAT_FIGURE_H
#define MICROTOME_HEAT_FIGURE_H

#include <microtome/heat_picture.h>

G_BEGIN_DECLS

typedef enum mt_figure_format { MT_FIGURE_PNG, MT_FIGURE_SVG, MT_FIGURE_PDF } mt_figure_format;

typedef struct mt_heat_figure_params {
    mt_figure_format format;
    int              side_px; /* of the long side of each picture in it, 100..8,192; 0: 1,200 */
    bool             replace;
} mt_heat_figure_params;

/* Text and lines are vectors in SVG and PDF.  `slide`: the open case of the result; NULL: its stored thumbnail.  The same bytes for the same
 * input.  The file appears whole or not at all.  MT_ERROR_INPUT for another slide; MT_ERROR_USAGE when the file exists; MT_ERROR_RANGE. */
MT_PUBLIC bool mt_heat_figure_write(const mt_heatmap *heatmap, const mt_result *result, mt_case *slide, const mt_heat_style *style,
                                    const mt_heat_figure_params *params, const char *path, GError **error);

G_END_DECLS

#endif

/* What a heatmap shows, in words: the same under every picture of it. */
#ifndef MT_HEAT_LEGEND_H
#define MT_HEAT_LEGEND_H

#include <microtome/heatmap.h>

/* Evidence for "tumour". */
char *mt_heat_legend_title(const mt_heatmap *heatmap);
/* absolute scale: comparable between cases */
const char *mt_heat_legend_scale(const mt_heatmap *heatmap);
/* Why there is nothing under the heat; NULL: there is. */
const char *mt_heat_legend_bare(const mt_heatmap *heatmap, bool slide);
/* The number that is drawn at `share` (0..1) of the colours. */
char *mt_heat_legend_number(const mt_heatmap *heatmap, double share);

#endif

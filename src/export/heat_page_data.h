/* What the page of a heatmap knows of its case: a script that names the values. */
#ifndef MT_HEAT_PAGE_DATA_H
#define MT_HEAT_PAGE_DATA_H

#include <microtome/heat_page.h>

/* `slide`: the view in which the slide's picture is written; slide_given: not the stored picture. */
char *mt_heat_page_data(const mt_heatmap *heatmap, const mt_result *result, const mt_heat_picture *picture,
                        const mt_heat_page_params *params, const mt_heat_view *slide, bool slide_given, GError **error);

#endif

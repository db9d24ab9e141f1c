/* <microtome/heat_sheet.h>  The strongest and the weakest tiles of a case as one picture, each with its number and its place. */
#ifndef MICROTOME_HEAT_SHEET_H
#define MICROTOME_HEAT_SHEET_H

#include <microtome/case.h>
#include <microtome/heatmap.h>

G_BEGIN_DECLS

#define MT_HEAT_SHEET_MOST 200 /* tiles of either kind */

typedef struct mt_heat_sheet_params {
    int  top, bottom; /* tiles, 0..MT_HEAT_SHEET_MOST */
    bool replace;
} mt_heat_sheet_params;

/* A PNG that appears whole.  `slide`: the open case of the result; NULL: each tile is marked on the stored thumbnail.  MT_ERROR_INPUT for a
 * slide of another size than the result's, and for a case without a tile that was read; MT_ERROR_USAGE when the file exists; MT_ERROR_RANGE. */
MT_PUBLIC bool mt_heat_sheet_write(const mt_heatmap *heatmap, const mt_result *result, mt_case *slide, const mt_heat_sheet_params *params,
                                   const char *path, GError **error);

G_END_DECLS

#endif

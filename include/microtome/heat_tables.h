/* <microtome/heat_tables.h>  What the tiles of a heatmap say, as GeoJSON for QuPath, CSV and JSON. */
#ifndef MICROTOME_HEAT_TABLES_H
#define MICROTOME_HEAT_TABLES_H

#include <microtome/heatmap.h>

G_BEGIN_DECLS

typedef struct mt_heat_table_params {
    double threshold;    /* of hot regions and tiles, in what is drawn, (0, 1]; 0: 0.5 */
    bool   regions_only; /* GeoJSON without a feature a tile */
    bool   replace;
} mt_heat_table_params;

/* Hot regions as annotations with area and mean, tiles as detections with measurements (value, attention, the score of each class); hot ones
 * have the class, unread ones the class "Unread".  Level-0 px counted from the corner of the slide's bounds, as QuPath shows it.  A stored map
 * has regions alone.  Ids follow from the input's hash: the same file from the same result. */
MT_PUBLIC bool mt_heat_geojson_write(const mt_heatmap *heatmap, const mt_result *result, const mt_heat_table_params *params,
                                     const char *path, GError **error);
/* A row a tile: x, y, width, height (level-0 px of the whole plane), plane, valid, value, drawn, attention, score_CLASS ... */
MT_PUBLIC bool mt_heat_csv_write(const mt_heatmap *heatmap, const mt_result *result, const mt_heat_table_params *params, const char *path,
                                 GError **error);
/* The same numbers in columns, with class, meaning, scale and range, and the hot regions. */
MT_PUBLIC bool mt_heat_json_write(const mt_heatmap *heatmap, const mt_result *result, const mt_heat_table_params *params, const char *path,
                                  GError **error);

G_END_DECLS

#endif

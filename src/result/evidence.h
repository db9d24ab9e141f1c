/* One value per tile for one class, from what a result has: the numbers behind a heatmap. */
#ifndef MT_EVIDENCE_H
#define MT_EVIDENCE_H

#include "src/result/heat_plane.h"

#include <microtome/heatmap.h>

/* Fill label, labels, meaning, range, n_valid, tile_numbers and tile_values of `heatmap`, whose n_tiles is known. */
bool mt_evidence_fill(mt_heatmap *heatmap, const mt_result *result, const mt_heatmap_params *params, GError **error);

/* Whether a stored map is to be drawn in place of tiles: asked for, or all that the case has. */
bool mt_evidence_is_map(const mt_heatmap *heatmap, const mt_result *result);
/* Fill source, label, labels, meaning, range and plane of `heatmap`; *map is its plane. */
bool mt_evidence_map(mt_heatmap *heatmap, const mt_result *result, const mt_heatmap_params *params, mt_heat_plane **map, GError **error);

/* rank('average') / n of n values among those with valid[i] != 0 (NULL: all), into out; NAN for the others. */
bool mt_evidence_rank(const float *values, int64_t stride, const uint8_t *valid, int64_t n, float *out, GError **error);

/* numbers[i] becomes its share of the n_reference ascending ones, as scipy's percentileofscore(kind='rank') / 100. */
void mt_evidence_rank_among(const float *reference, int64_t n_reference, float *numbers, int64_t n);

/* Append what PERCENTILE ranks of the valid tiles of a result; *label is the class (NULL: none), *object where they stand; a result without
 * tiles has neither. */
bool mt_evidence_ranked(const mt_result *result, const mt_heatmap_params *params, GArray *numbers, char **label, const char **object,
                        GError **error);

/* Whether the numbers of this class and object of `result` may be held against the reference. */
bool mt_heat_reference_fits(const mt_heat_reference *reference, const mt_result *result, const char *label, const char *object,
                            GError **error);

#endif

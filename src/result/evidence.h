/* One value per tile for one class, from what a result has: the numbers behind a heatmap. */
#ifndef MT_EVIDENCE_H
#define MT_EVIDENCE_H

#include <microtome/heatmap.h>

/* Fill label, meaning, n_valid and tile_values of `heatmap`, whose n_tiles is known. */
bool mt_evidence_fill(mt_heatmap *heatmap, const mt_result *result, const char *label, GError **error);

/* rank('average') / n of n values among those with valid[i] != 0 (NULL: all), into out; NAN for the others. */
bool mt_evidence_rank(const float *values, int64_t stride, const uint8_t *valid, int64_t n, float *out, GError **error);

#endif

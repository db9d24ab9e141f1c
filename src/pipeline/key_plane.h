/* The plane of a volume that its small picture shows: the one that is talked about. */
#ifndef MT_KEY_PLANE_H
#define MT_KEY_PLANE_H

#include "src/pipeline/case_map.h"
#include "src/pipeline/case_run.h"

/* Where the values of `size` (x, y, plane) have the largest mean, the first of equal ones. */
int64_t mt_key_plane_of_values(const float *values, const int64_t size[3]);
/* The probability's, else that of the label with the most of `members`. */
int64_t mt_key_plane_of_map(const mt_case_map *map, const uint8_t members[32]);
/* That of the tile that says most for the class that decides (evidence, as <microtome/heatmap.h> has it); -1: no tile says anything. */
int64_t mt_key_plane_of_tiles(const mt_case_run *run);

#endif

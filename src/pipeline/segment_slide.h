/* task=segment over a whole slide: part by part at the network's µm/px, windows blended within each part. */
#ifndef MT_SEGMENT_SLIDE_H
#define MT_SEGMENT_SLIDE_H

#include "src/pipeline/case_map.h"
#include "src/pipeline/case_run.h"

/* Pixels of the largest map: it is held whole while objects are looked for. */
#define MT_SLIDE_MAP_PX (INT64_C(1) << 31)

/* map->card is given; labels and, unless the map is larger than 2^26 px, the probability of map_label (-1: of none) are filled in.
 * Parts without foreground are 0 and not read.  A part that cannot be read is 0 too, and an invalid tile of the case (run->n parts with
 * foreground, run->n_valid of them read).  MT_ERROR_SPACING where the network wants a spacing that the slide lacks, MT_ERROR_LIMIT for a map
 * over MT_SLIDE_MAP_PX, MT_ERROR_STOPPED. */
bool mt_segment_slide(mt_case_run *run, int map_label, mt_case_map *map, mt_progress progress, void *user, GError **error);

#endif

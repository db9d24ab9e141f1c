/* Where the tiles or the map of a case speak for a class, in words. */
#ifndef MT_IMPRESSION_REGIONS_H
#define MT_IMPRESSION_REGIONS_H

#include "src/result/messages.h"

#include <microtome/result.h>

/* Append sentences on the largest regions whose evidence for `label` reaches half of the strongest.  Nothing where no part of the case is told
 * from the rest: one tile, a region that fills it. */
bool mt_impression_regions(const mt_result *result, const char *label, mt_language language, GPtrArray *sentences, GError **error);

#endif

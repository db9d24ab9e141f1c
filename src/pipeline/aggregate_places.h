/* What another tool's file says of its tiles beside their features: CLAM keeps it in a file of coordinates of its own. */
#ifndef MT_AGGREGATE_PLACES_H
#define MT_AGGREGATE_PLACES_H

#include "mil/feature_file.h"
#include "src/store/store.h"

/* The file of coordinates FOLDER/ID.h5 or FOLDER/ID_patches.h5 that belongs to the features; `file` learns its edge and µm/px.  MT_ERROR_MISSING
 * where there is none, MT_ERROR_INPUT where the features' tiles are not among its own. */
mt_result *mt_aggregate_places_open(const char *folder, mt_feature_file *file, GError **error);
/* The attributes of /coords, of `places` where there is one, else of the features' own; in our terms, level-0 px and all. */
bool mt_aggregate_places_keep(const mt_feature_file *file, const mt_result *places, mt_store *store, GError **error);

#endif

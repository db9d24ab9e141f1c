/* The planes of a case as PNG: one of them in a file, or all in a folder that appears whole. */
#ifndef MT_PLANE_FOLDER_H
#define MT_PLANE_FOLDER_H

#include "src/export/plane_feed.h"

/* facts: size, dtype of what was written. */
bool mt_plane_folder_write(mt_plane_feed *feed, const char *path, const mt_convert_params *params, mt_convert_facts *facts, GError **error);

#endif

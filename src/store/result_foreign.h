/* Feature files of other tools (CLAM, TRIDENT), read with the same care as our own results. */
#ifndef MT_RESULT_FOREIGN_H
#define MT_RESULT_FOREIGN_H

#include <microtome/result.h>

/* As mt_result_open, for an HDF5 file without a headline. */
mt_result *mt_result_open_foreign(const char *path, GError **error);

#endif

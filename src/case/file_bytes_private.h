/* File bytes over calls of one's own: the seam of the tests. */
#ifndef MT_FILE_BYTES_PRIVATE_H
#define MT_FILE_BYTES_PRIVATE_H

#include "src/case/file_bytes.h"
#include "src/case/file_medium.h"

mt_file_bytes *mt_file_bytes_open_with(const char *path, const mt_medium_calls *calls, GError **error);

#endif

/* A checkpoint in memory. */
#ifndef MT_MAPPED_FILE_H
#define MT_MAPPED_FILE_H

#include <microtome/error.h>

/* Only a plain file is mapped: opening a pipe would wait for ever.  MT_ERROR_MISSING, MT_ERROR_IO or MT_ERROR_MODEL. */
GMappedFile *mt_map_plain_file(const char *path, GError **error);

#endif

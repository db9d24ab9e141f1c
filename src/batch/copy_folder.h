/* A folder of our own inside one that was named for local copies.  It keeps a list of what it made, on disk too, and only what
 * stands there is ever deleted: by its owner, or by a later run when the owner is dead. */
#ifndef MT_COPY_FOLDER_H
#define MT_COPY_FOLDER_H

#include <microtome/error.h>

typedef struct mt_copy_folder mt_copy_folder;

/* Make PARENT when needed, delete there what dead owners left, make PARENT/microtome-copies-XXXXXX.  MT_ERROR_IO. */
mt_copy_folder *mt_copy_folder_new(const char *parent, GError **error);
/* Delete what is left of all that was made. */
void mt_copy_folder_free(mt_copy_folder *self);
/* The path of NUMBER/relative inside; free with g_free. */
char *mt_copy_folder_path(const mt_copy_folder *self, int number, const char *relative);
/* Create the file NUMBER/relative with the folders above it; *fd is open for writing. */
bool mt_copy_folder_create(mt_copy_folder *self, int number, const char *relative, int *fd, GError **error);
/* Delete the files that were created under the number. */
void mt_copy_folder_delete(mt_copy_folder *self, int number);

#endif

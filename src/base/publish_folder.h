/* Folders that appear whole: written beside the target, renamed. */
#ifndef MT_PUBLISH_FOLDER_H
#define MT_PUBLISH_FOLDER_H

#include <microtome/error.h>

/* A new folder `.tmp-XXXXXX` beside `target`; NULL with MT_ERROR_IO, or MT_ERROR_USAGE when the target exists and is not to be replaced. */
char *mt_publish_folder_begin(const char *target, bool replace, GError **error);
/* Syncs and renames it; an older one is moved aside first and then removed.  On failure nothing is left of the new one. */
bool mt_publish_folder_commit(const char *temporary, const char *target, bool replace, GError **error);
/* Removes a file, or a folder with all that is in it; links are not followed. */
void mt_publish_folder_remove(const char *path);

#endif

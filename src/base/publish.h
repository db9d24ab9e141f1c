/* Files that appear whole: temporary beside the target, fsync, rename, fsync of the folder. */
#ifndef MT_PUBLISH_H
#define MT_PUBLISH_H

#include <microtome/error.h>

/* Create `.tmp-<16 random hex>` beside `target` (O_EXCL, mode 0644); *fd is open for reading and writing.  Returns its path. */
char *mt_publish_begin(const char *target, int *fd, GError **error);
/* The same with a name of the caller's for the temporary, which must not exist. */
bool mt_publish_begin_as(const char *temporary, const char *target, int *fd, GError **error);
/* The temporary beside `target` that process `pid` of this host may have: who started it removes it when the process was killed. */
char *mt_publish_temporary_of(const char *target, int pid);
/* fsync fd, rename `temporary` to `target` without replace (or over it when `replace`), fsync the folder; closes fd in any
 * case and removes the temporary on failure.  MT_ERROR_USAGE when the target exists, MT_ERROR_IO else. */
bool mt_publish_commit(const char *temporary, int fd, const char *target, bool replace, GError **error);
/* The same without any fsync, for the many small files of a folder whose owner calls mt_publish_sync before it declares them complete:
 * a killed process leaves whole files alone, a power cut may leave short ones. */
bool mt_publish_rename(const char *temporary, int fd, const char *target, bool replace, GError **error);
/* Give a published file another name, never over another file: false with errno. */
bool mt_publish_move(const char *from, const char *to);
/* All that was written to the file system of `folder` is on the disk. */
bool mt_publish_sync(const char *folder, GError **error);
void mt_publish_abandon(const char *temporary, int fd);

/* All bytes to fd, which is of a temporary for `target`; MT_ERROR_IO. */
bool mt_publish_write(int fd, const void *data, size_t bytes, const char *target, GError **error);

/* All in one for small files. */
bool mt_publish_text(const char *target, const char *text, bool replace, GError **error);

/* Bytes that the file system still takes beside `target`; -1: it does not say. */
int64_t mt_publish_room(const char *target);
/* MT_ERROR_IO when `bytes` of `what` will not fit beside `target`. */
bool mt_publish_check_room(const char *target, const char *what, int64_t bytes, GError **error);

/* MT_ERROR_IO: "write PATH: No space left on device (12 MB free)". */
void mt_publish_io_error(GError **error, const char *doing, const char *path, int saved_errno);

#endif

/* A tar archive that appears whole: POSIX ustar, with a pax record for a name that ustar cannot hold.
 * Members have mode 0644, owner 0, time 0 and no user names: equal contents are equal bytes. */
#ifndef MT_TILE_TAR_H
#define MT_TILE_TAR_H

#include <microtome/error.h>

typedef struct mt_tar mt_tar;

/* Written beside `target` under a temporary name. */
mt_tar *mt_tar_create(const char *target, GError **error);
/* MT_ERROR_LIMIT for a member of 8 GiB or more, MT_ERROR_IO. */
bool mt_tar_add(mt_tar *tar, const char *name, const void *data, size_t bytes, GError **error);
/* Bytes of the archive so far, without its end. */
int64_t mt_tar_bytes(const mt_tar *tar);
/* What a member adds to the archive. */
int64_t mt_tar_member_bytes(const char *name, size_t bytes);
/* End the archive and give it its name, over what has that name; it is on the disk then.  Frees `tar` also on failure. */
bool mt_tar_publish(mt_tar *tar, GError **error);
/* Members of a published archive of ours, by its headers alone; -1: it cannot be read, or is none. */
int64_t mt_tar_count(const char *path);
/* Without a trace; NULL is ignored. */
void mt_tar_abandon(mt_tar *tar);

#endif

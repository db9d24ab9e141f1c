/* Bytes of one file of a case, by position, from many threads: the way to stored tiles on slow or shaky storage. */
#ifndef MT_FILE_BYTES_H
#define MT_FILE_BYTES_H

#include <microtome/error.h>

typedef struct mt_file_bytes mt_file_bytes;

typedef struct mt_file_counts {
    uint64_t reads, bytes; /* asked from the file system */
    uint64_t ahead_hits;   /* reads served by what was read ahead */
    uint64_t retries;      /* after a transient error */
} mt_file_counts;

mt_file_bytes *mt_file_bytes_open(const char *path, GError **error);
void           mt_file_bytes_free(mt_file_bytes *self);
uint64_t       mt_file_bytes_size(const mt_file_bytes *self);
/* Exactly `size` bytes at `offset`.  MT_ERROR_INPUT when the file ends before or the medium does not give them, MT_ERROR_IO
 * from then on when the storage is gone or the file has changed.  Errors that may pass are tried again. */
bool mt_file_bytes_read(mt_file_bytes *self, uint64_t offset, uint64_t size, void *out, GError **error);
/* Say that this range will be read soon: ranges are told in the order of need, each once.  Threads read them ahead while reads
 * are seen to be slow, otherwise they are only remembered.  False: 32 MiB were told that nobody has read yet, tell it again
 * after the next read; what is never read is forgotten. */
bool mt_file_bytes_ahead(mt_file_bytes *self, uint64_t offset, uint64_t size);
/* This range is read next, as a whole: the system may begin with all of it.  Nothing is held here. */
void           mt_file_bytes_will_read(mt_file_bytes *self, uint64_t offset, uint64_t size);
mt_file_counts mt_file_bytes_counts(const mt_file_bytes *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_file_bytes, mt_file_bytes_free)

#endif

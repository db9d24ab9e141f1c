/* One file on a medium that may be slow or shaky: reads that are tried again, and what its errors mean. */
#ifndef MT_FILE_MEDIUM_H
#define MT_FILE_MEDIUM_H

#include <microtome/error.h>

#include <sys/stat.h>
#include <sys/types.h>

/* Tries of one read, with a pause of 20, 40 and 80 ms between them. */
#define MT_MEDIUM_TRIES 4
/* So many ranges in a row that no try gives are no bad sectors: the storage is gone. */
#define MT_MEDIUM_LOST_RANGES 16

/* What the medium asks of the system; a test puts faults and a clock of its own here. */
typedef struct mt_medium_calls {
    int (*open)(const char *path, void *user);
    int (*stat)(int fd, struct stat *status, void *user);
    ssize_t (*pread)(int fd, void *out, size_t size, off_t offset, void *user);
    void (*pause)(int ms, void *user);
    int64_t (*now_us)(void *user);
    int64_t (*waits)(void *user); /* how often this thread has given up the CPU of itself; 0: it cannot be told */
    void *user;
} mt_medium_calls;

typedef struct mt_file_medium mt_file_medium;

extern const mt_medium_calls mt_medium_system;

mt_file_medium *mt_file_medium_open(const char *path, const mt_medium_calls *calls, GError **error);
void            mt_file_medium_close(mt_file_medium *self);
uint64_t        mt_file_medium_size(const mt_file_medium *self);
/* What a read is measured with: the time it took, but none when it never waited: a thread that lost its CPU for a while is no
 * slow storage. */
typedef struct mt_medium_watch {
    int64_t start_us, waits;
} mt_medium_watch;
mt_medium_watch mt_file_medium_watch(const mt_file_medium *self);
int64_t         mt_file_medium_waited_us(const mt_file_medium *self, mt_medium_watch since);
/* The range will be read at once: let the system begin with all of it. */
void mt_file_medium_will_read(const mt_file_medium *self, uint64_t offset, uint64_t size);
/* All `size` bytes, with patience: MT_ERROR_INPUT for bytes that are not there or not given, MT_ERROR_IO from then on once
 * the storage is gone or the file is another one. */
bool mt_file_medium_read(mt_file_medium *self, uint64_t offset, uint64_t size, void *out, GError **error);
/* All `size` bytes at the first try; false is told to nobody, and the bytes are to be asked for with patience. */
bool mt_file_medium_try(mt_file_medium *self, uint64_t offset, uint64_t size, void *out);
void mt_file_medium_counts(const mt_file_medium *self, uint64_t *reads, uint64_t *bytes, uint64_t *retries);

#endif

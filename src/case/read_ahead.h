/* Ranges of a file that are read by threads before they are asked for, as long as the medium is slow. */
#ifndef MT_READ_AHEAD_H
#define MT_READ_AHEAD_H

#include "src/case/file_medium.h"

/* What is told and not yet read, and what is held of it, together. */
#define MT_AHEAD_HELD_BYTES (UINT64_C(32) << 20)
#define MT_AHEAD_RANGES 8192
#define MT_AHEAD_THREADS 32

typedef struct mt_read_ahead mt_read_ahead;

mt_read_ahead *mt_read_ahead_new(mt_file_medium *medium);
/* Waits for the reads under way. */
void mt_read_ahead_free(mt_read_ahead *self);
/* False: full. */
bool mt_read_ahead_tell(mt_read_ahead *self, uint64_t offset, uint64_t size);
/* True: `out` has the bytes.  Waits for a read that is under way.  False: read them yourself; the range is no longer told. */
bool mt_read_ahead_take(mt_read_ahead *self, uint64_t offset, uint64_t size, void *out);
/* A read of `size` bytes waited for `us`: what decides whether the medium is slow. */
void     mt_read_ahead_note(mt_read_ahead *self, int64_t us, uint64_t size);
uint64_t mt_read_ahead_hits(mt_read_ahead *self);

#endif

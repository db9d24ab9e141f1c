/* Allocation of sizes that come from files, tensors or pixels: never aborts, 64-byte aligned. */
#ifndef MT_ALLOC_H
#define MT_ALLOC_H

#include <microtome/error.h>

/* count x size bytes, zeroed, 64-byte aligned; free with mt_free.  NULL and MT_ERROR_MEMORY with the bytes asked for, or
 * MT_ERROR_LIMIT when the product overflows.  0 bytes give a valid pointer. */
void *mt_alloc(int64_t count, size_t size, GError **error);
void  mt_free(void *memory);

/* Tests: let the k-th allocation from now fail (1 = the next); 0 turns it off. */
void mt_alloc_fail_at(int64_t k);

#endif

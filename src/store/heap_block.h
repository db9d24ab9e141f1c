/* HDF5's blocks of texts of any length, as a file holds them: what HDF5 1.10 walks through without looking. */
#ifndef MT_HEAP_BLOCK_H
#define MT_HEAP_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a length in a file of this superblock, 0 where `bytes` holds none. */
int mt_heap_block_length_bytes(const uint8_t *bytes, size_t n);

/* False for a block whose walk from object to object never ends, or leaves it: HDF5 1.10 hangs, or reads what is not its own.
 * True for a part of a block, and for what HDF5 refuses itself. */
bool mt_heap_block_sound(const uint8_t *bytes, size_t n, int length_bytes);

#endif

/* Places for buffers with lifetimes in one arena: two that live at the same time never overlap. */
#ifndef MT_MEMORY_PLAN_H
#define MT_MEMORY_PLAN_H

#include <stddef.h>

typedef struct mt_extent {
    size_t bytes;
    int    first, last; /* steps between which it lives, both included */
    size_t offset;      /* result, a multiple of 64 */
} mt_extent;

/* Sets every offset and returns the bytes of the arena. */
size_t mt_memory_plan(mt_extent *extents, int n);

#endif

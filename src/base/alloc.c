#include "src/base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64

static gint64 fail_at; /* tests only: counts down, 1 fails */

void mt_alloc_fail_at(int64_t k)
{
    __atomic_store_n(&fail_at, k, __ATOMIC_RELAXED);
}

static bool told_to_fail(void)
{
    if (G_LIKELY(__atomic_load_n(&fail_at, __ATOMIC_RELAXED) == 0))
        return false;
    return __atomic_sub_fetch(&fail_at, 1, __ATOMIC_RELAXED) == 0;
}

void *mt_alloc(int64_t count, size_t size, GError **error)
{
    size_t bytes;

    if (count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes) || bytes > SIZE_MAX - ALIGNMENT) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "allocate %" G_GINT64_FORMAT " x %zu bytes: more than an address can hold", count,
                    size);
        return NULL;
    }
    bytes = MAX(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    void *memory = told_to_fail() ? NULL : aligned_alloc(ALIGNMENT, bytes);
    if (memory == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MEMORY, "allocate %zu bytes: the system refused", bytes);
        return NULL;
    }
    return memset(memory, 0, bytes);
}

void mt_free(void *memory)
{
    free(memory);
}

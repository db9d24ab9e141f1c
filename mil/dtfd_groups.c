#include "mil/dtfd_groups.h"

#include "src/base/alloc.h"

void mt_dtfd_groups_strided(int64_t n, int64_t groups, int32_t *group)
{
    for (int64_t i = 0; i < n; i++)
        group[i] = (int32_t)(i % groups);
}

static uint64_t next_number(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

bool mt_dtfd_groups_seeded(int64_t n, int64_t groups, uint64_t seed, uint64_t repeat, int32_t *group, GError **error)
{
    int64_t *order = mt_alloc(n, sizeof(int64_t), error);
    uint64_t state = seed + repeat;

    if (order == NULL)
        return false;
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)(next_number(&state) % (uint64_t)(i + 1)), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    for (int64_t at = 0, g = 0; g < groups; g++)
        for (int64_t last = at + n / groups + (g < n % groups); at < last; at++)
            group[order[at]] = (int32_t)g;
    mt_free(order);
    return true;
}

#include "src/case/order_statistics.h"

#include <math.h>
#include <string.h>

static double float_of_key(uint32_t key)
{
    uint32_t bits = (key >> 31) != 0 ? key & UINT32_C(0x7fffffff) : ~key;
    float    value;

    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

/* Index of the bucket that holds `*rank`, which becomes its rank within. */
static uint32_t find_bucket(const int64_t *counts, int64_t *rank)
{
    uint32_t bucket = 0;

    while (*rank >= counts[bucket])
        *rank -= counts[bucket++];
    return bucket;
}

/* numpy: position (n - 1) * q, then lerp between the neighbours, from the nearer end. */
static double position(const mt_order_statistics *s, int which)
{
    return (double)(s->count - 1) * s->q[which];
}

void mt_order_place(mt_order_statistics *s)
{
    for (int r = 0; r < MT_ORDER_RANKS; r++) {
        s->rank[r] = MIN((int64_t)floor(position(s, r / 2)) + r % 2, s->count - 1);
        s->bucket[r] = find_bucket(s->upper, &s->rank[r]);
    }
}

void mt_order_add_upper(mt_order_statistics *s, const mt_order_statistics *part)
{
    for (int b = 0; b < MT_ORDER_BUCKETS; b++)
        s->upper[b] += part->upper[b];
    s->count += part->count;
}

void mt_order_place_as(mt_order_statistics *part, const mt_order_statistics *s)
{
    memcpy(part->bucket, s->bucket, sizeof part->bucket);
}

void mt_order_add_lower(mt_order_statistics *s, const mt_order_statistics *part)
{
    for (int r = 0; r < MT_ORDER_RANKS; r++)
        for (int b = 0; b < MT_ORDER_BUCKETS; b++)
            s->lower[r][b] += part->lower[r][b];
}

double mt_order_percentile(const mt_order_statistics *s, int which)
{
    double ends[2], at = position(s, which), t = at - floor(at);

    for (int side = 0; side < 2; side++) {
        int     r = 2 * which + side;
        int64_t rank = s->rank[r];

        ends[side] = float_of_key(s->bucket[r] << 16 | find_bucket(s->lower[r], &rank));
    }
    double step = ends[1] - ends[0];
    return t >= 0.5 ? ends[1] - step * (1 - t) : ends[0] + step * t;
}

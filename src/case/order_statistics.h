/* Exact percentiles without keeping the samples: they are counted by the upper 16 bits of a 32-bit key that sorts as they do; a second
 * pass counts the lower 16 bits of the few buckets in which the wanted ranks fall.  As numpy.percentile(..., method="linear") of float64. */
#ifndef MT_ORDER_STATISTICS_H
#define MT_ORDER_STATISTICS_H

#include <microtome/error.h>
#include <string.h>

#define MT_ORDER_BUCKETS 65536
/* The ranks below and above each of two percentiles. */
#define MT_ORDER_RANKS 4

typedef struct mt_order_statistics {
    double   q[2]; /* wanted, 0..1 */
    int64_t  count;
    int64_t  upper[MT_ORDER_BUCKETS];
    int64_t  lower[MT_ORDER_RANKS][MT_ORDER_BUCKETS];
    uint32_t bucket[MT_ORDER_RANKS]; /* upper half of the key of each rank */
    int64_t  rank[MT_ORDER_RANKS];   /* within its bucket */
} mt_order_statistics;

/* Floats sort as their bits do once negative ones are turned round; -0 and 0 are one value. */
static inline uint32_t mt_order_key(float value)
{
    uint32_t bits;

    value += 0.0f;
    memcpy(&bits, &value, sizeof bits);
    return (bits >> 31) != 0 ? ~bits : bits | UINT32_C(0x80000000);
}

/* Zeroed memory with `q` set is a start.  Values are finite. */
static inline void mt_order_count_upper(mt_order_statistics *s, float value)
{
    s->upper[mt_order_key(value) >> 16]++;
    s->count++;
}

/* Between the passes; at least one value was counted. */
void mt_order_place(mt_order_statistics *s);

static inline void mt_order_count_lower(mt_order_statistics *s, float value)
{
    uint32_t key = mt_order_key(value);

    for (int r = 0; r < MT_ORDER_RANKS; r++)
        if (s->bucket[r] == key >> 16)
            s->lower[r][key & 0xffff]++;
}

/* Counts of another part of the values, of either pass: the second after mt_order_place of the sum and mt_order_place_as of the parts. */
void mt_order_add_upper(mt_order_statistics *s, const mt_order_statistics *part);
void mt_order_place_as(mt_order_statistics *part, const mt_order_statistics *s);
void mt_order_add_lower(mt_order_statistics *s, const mt_order_statistics *part);
/* After both. */
double mt_order_percentile(const mt_order_statistics *s, int which);

#endif

/* Random numbers by counter: number k of a seed is the same whoever asks, in whatever order (SplitMix64 of Steele, Lea and Flood, 2014). */
#ifndef MT_RANDOM_DRAW_H
#define MT_RANDOM_DRAW_H

#include <stdint.h>

static inline uint64_t mt_random_bits(uint64_t seed, uint64_t k)
{
    uint64_t x = seed + (k + 1) * UINT64_C(0x9E3779B97F4A7C15);

    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* In 0 .. n - 1: the high half of the product, whose bias is below n / 2^64. */
static inline uint64_t mt_random_below(uint64_t seed, uint64_t k, uint64_t n)
{
    __extension__ unsigned __int128 product = (unsigned __int128)mt_random_bits(seed, k) * n;

    return (uint64_t)(product >> 64);
}

/* In [0, 1), 53 bits. */
static inline double mt_random_unit(uint64_t seed, uint64_t k)
{
    return (double)(mt_random_bits(seed, k) >> 11) * 0x1p-53;
}

#endif

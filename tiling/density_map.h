/* A linear map of optical densities, on 8-bit pixels: out = 240 exp(-(od * d)), d = -ln((in + 1) / 240).
 * The exponential of a sum is a product of what each input channel gives, so a pixel costs three look-ups and two products a
 * channel and no exponential. */
#ifndef MT_DENSITY_MAP_H
#define MT_DENSITY_MAP_H

#include <microtome/error.h>

typedef struct mt_density_map {
    _Alignas(32) double factor[3][256][4]; /* input channel, its level: what it gives to R, G, B; the fourth is unused */
} mt_density_map;

/* MT_ERROR_INPUT when a row of `od` is not finite or its magnitudes sum to more than 100: such a map tears noise apart, and its
 * products could leave the range of double. */
bool mt_density_map_init(mt_density_map *map, double od[3][3], GError **error);
/* n pixels in place, rounded to the nearest level: what implementations that truncate give is at most one level below. */
void mt_density_map_apply(const mt_density_map *map, uint8_t *rgb, int64_t n);

#endif

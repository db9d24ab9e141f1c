#include "tiling/density_map.h"

#include "kernels/pixel/clones.h"
#include "tiling/macenko.h"

#include <math.h>

#define MAX_ROW 100.0 /* densities end at ln 240 = 5.5: exp(+-550) is a double */

bool mt_density_map_init(mt_density_map *map, double od[3][3], GError **error)
{
    double density[256];

    for (int to = 0; to < 3; to++)
        if (!(fabs(od[to][0]) + fabs(od[to][1]) + fabs(od[to][2]) <= MAX_ROW)) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its stains are too faint or too alike to be told apart");
            return false;
        }
    mt_macenko_densities(density);
    for (int from = 0; from < 3; from++)
        for (int level = 0; level < 256; level++)
            for (int to = 0; to < 4; to++)
                map->factor[from][level][to] = to < 3 ? (from == 0 ? MT_MACENKO_LIGHT : 1) * exp(-od[to][from] * density[level]) : 0;
    return true;
}

/* Four doubles (the fourth is unused), whatever the CPU makes of them. */
typedef double  quad __attribute__((vector_size(32), may_alias));
typedef int64_t quad_bits __attribute__((vector_size(32)));
typedef int32_t quad_levels __attribute__((vector_size(16)));

MT_ALWAYS_INLINE uint32_t map_pixel(const mt_density_map *map, const uint8_t rgb[3])
{
    const quad *r = (const quad *)map->factor[0][rgb[0]], *g = (const quad *)map->factor[1][rgb[1]];
    const quad *b = (const quad *)map->factor[2][rgb[2]];
    quad        product = *r * *g * *b, most = {255, 255, 255, 255}, half = {0.5, 0.5, 0.5, 0.5};
    quad_bits   fits = product < most;

    product = (quad)(((quad_bits)product & fits) | ((quad_bits)most & ~fits)) + half;
    quad_levels levels = __builtin_convertvector(product, quad_levels);
    return (uint32_t)levels[0] | (uint32_t)levels[1] << 8 | (uint32_t)levels[2] << 16;
}

MT_CLONES void mt_density_map_apply(const mt_density_map *map, uint8_t *rgb, int64_t n)
{
    for (int64_t i = 0; i < n; i++, rgb += 3) {
        uint32_t levels = map_pixel(map, rgb);
        rgb[0] = (uint8_t)levels;
        rgb[1] = (uint8_t)(levels >> 8);
        rgb[2] = (uint8_t)(levels >> 16);
    }
}

#include "tiling/density_map.h"

#include "kernels/pixel/clones.h"
#include "tiling/macenko.h"

#include <math.h>

#define MAX_ROW 100.0 /* densities end at ln 240 = 5.5: exp(+-550) is a double */
#define BLOCK 64

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

/* Up to BLOCK pixels: products four at a time, then rounding as many at a time as the CPU has. */
MT_ALWAYS_INLINE void apply_block(const mt_density_map *map, uint8_t *rgb, int n)
{
    float   products[4 * BLOCK];
    uint8_t levels[4 * BLOCK];

    for (int i = 0; i < n; i++) {
        const double *r = map->factor[0][rgb[3 * i]], *g = map->factor[1][rgb[3 * i + 1]], *b = map->factor[2][rgb[3 * i + 2]];
        for (int c = 0; c < 4; c++)
            products[4 * i + c] = (float)(r[c] * g[c] * b[c]);
    }
    for (int k = 0; k < 4 * n; k++)
        levels[k] = (uint8_t)(int)((products[k] < 255 ? products[k] : 255) + 0.5f);
    for (int i = 0; i < n; i++)
        for (int c = 0; c < 3; c++)
            rgb[3 * i + c] = levels[4 * i + c];
}

MT_CLONES void mt_density_map_apply(const mt_density_map *map, uint8_t *rgb, int64_t n)
{
    for (int64_t i = 0; i < n; i += BLOCK)
        apply_block(map, rgb + 3 * i, (int)(n - i < BLOCK ? n - i : BLOCK));
}

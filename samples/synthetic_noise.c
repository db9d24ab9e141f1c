#include "samples/synthetic.h"

#include <math.h>

uint32_t syn_hash(uint32_t seed, int32_t x, int32_t y, uint32_t salt)
{
    uint32_t h = seed ^ (salt * 0x9e3779b9U);

    h = (h ^ (uint32_t)x) * 0x85ebca6bU;
    h ^= h >> 15;
    h = (h ^ (uint32_t)y) * 0xc2b2ae35U;
    h ^= h >> 13;
    h *= 0x27d4eb2fU;
    return h ^ (h >> 16);
}

float syn_uniform(uint32_t hash, uint32_t k)
{
    uint32_t h = hash + k * 0x9e3779b9U;

    h = (h ^ (h >> 16)) * 0x7feb352dU;
    h = (h ^ (h >> 15)) * 0x846ca68bU;
    return (float)((h ^ (h >> 16)) >> 8) * (1.0f / 16777216.0f);
}

static float smooth(float t)
{
    return t * t * t * (t * (t * 6 - 15) + 10);
}

/* Value noise on a lattice that wraps after wrap_x by wrap_y cells (0: never), in [-1, 1]. */
static float lattice_noise(uint32_t seed, float x, float y, int32_t wrap_x, int32_t wrap_y)
{
    const float fx = floorf(x), fy = floorf(y), tx = smooth(x - fx), ty = smooth(y - fy);
    int32_t     ix = (int32_t)fx, iy = (int32_t)fy, jx = ix + 1, jy = iy + 1;

    if (wrap_x > 0) {
        ix %= wrap_x, jx %= wrap_x;
        iy %= wrap_y, jy %= wrap_y;
    }
    const float a = syn_uniform(syn_hash(seed, ix, iy, 1), 0), b = syn_uniform(syn_hash(seed, jx, iy, 1), 0);
    const float c = syn_uniform(syn_hash(seed, ix, jy, 1), 0), d = syn_uniform(syn_hash(seed, jx, jy, 1), 0);
    const float top = a + (b - a) * tx, bottom = c + (d - c) * tx;
    return 2 * (top + (bottom - top) * ty) - 1;
}

float syn_fractal(uint32_t seed, float x, float y, float size, int octaves)
{
    float sum = 0, weight = 0, amplitude = 1;

    for (int i = 0; i < octaves; i++, size *= 0.5f, amplitude *= 0.5f) {
        sum += amplitude * lattice_noise(seed + (uint32_t)i * 977, x / size, y / size, 0, 0);
        weight += amplitude;
    }
    return 1.6f * sum / weight;
}

/* Sum of octaves whose first has cells of cell_x by cell_y texels; ridged makes thin bright lines of its zero lines. */
static uint8_t *texture_new(uint32_t seed, int cell_x, int cell_y, int octaves, bool ridged)
{
    const int n = SYN_TEXTURE;
    uint8_t  *texture = g_malloc((gsize)n * n);

    for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++) {
            float sum = 0, weight = 0, amplitude = 1;
            for (int i = 0, cx = cell_x, cy = cell_y; i < octaves && cx > 0 && cy > 0; i++, cx /= 2, cy /= 2, amplitude *= 0.6f) {
                float value = lattice_noise(seed + (uint32_t)i, (float)x / (float)cx, (float)y / (float)cy, n / cx, n / cy);
                sum += amplitude * (ridged ? 1 - 2.5f * fabsf(value) : 1.5f * value);
                weight += amplitude;
            }
            texture[y * n + x] = (uint8_t)CLAMP(128 + 127 * sum / weight, 0, 255);
        }
    return texture;
}

syn_textures *syn_textures_new(void)
{
    syn_textures *t = g_new(syn_textures, 1);

    t->fibre = texture_new(11, 128, 16, 3, true);
    t->cloud = texture_new(12, 128, 128, 4, false);
    t->grain = texture_new(13, 8, 8, 2, false);
    t->white = texture_new(14, 1, 1, 1, false);
    return t;
}

void syn_textures_free(syn_textures *t)
{
    g_free(t->fibre);
    g_free(t->cloud);
    g_free(t->grain);
    g_free(t->white);
    g_free(t);
}

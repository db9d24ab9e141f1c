#include "samples/phantoms.h"

#include <math.h>

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

ph_random ph_random_of(uint64_t seed, uint64_t stream)
{
    return (ph_random){mix(seed * 0x9e3779b97f4a7c15U + mix(stream + 0x632be59bd9b4e019U))};
}

/* splitmix64 */
uint64_t ph_next(ph_random *r)
{
    r->state += 0x9e3779b97f4a7c15U;
    return mix(r->state);
}

double ph_uniform(ph_random *r, double low, double high)
{
    return low + (high - low) * ((double)(ph_next(r) >> 11) * (1.0 / 9007199254740992.0));
}

int ph_whole(ph_random *r, int low, int high)
{
    return low + (int)(ph_next(r) % (uint64_t)(high - low + 1));
}

/* Four 16-bit uniforms of one draw: close enough to a bell, and the same on every machine. */
double ph_gauss(ph_random *r)
{
    const uint64_t u = ph_next(r);
    const int64_t  sum = (int64_t)(u & 0xffff) + (int64_t)((u >> 16) & 0xffff) + (int64_t)((u >> 32) & 0xffff) + (int64_t)(u >> 48);

    return (double)(sum - 131070) * (1.0 / 37837.0); /* sqrt(4 * 65536^2 / 12) */
}

void ph_direction(ph_random *r, double d[3])
{
    const double z = ph_uniform(r, -1, 1), turn = ph_uniform(r, 0, 2 * G_PI), flat = sqrt(1 - z * z);

    d[0] = flat * cos(turn);
    d[1] = flat * sin(turn);
    d[2] = z;
}

static double corner(uint64_t seed, int64_t x, int64_t y, int64_t z)
{
    const uint64_t h = mix(seed ^ ((uint64_t)x * 0x8da6b343U) ^ ((uint64_t)y * 0xd8163841U << 8) ^ ((uint64_t)z * 0xcb1ab31fU << 16));

    return (double)(h >> 40) * (2.0 / 16777216.0) - 1;
}

static double ease(double t)
{
    return t * t * (3 - 2 * t);
}

double ph_noise(uint64_t seed, double x, double y, double z, double size)
{
    const double  fx = floor(x / size), fy = floor(y / size), fz = floor(z / size);
    const double  tx = ease(x / size - fx), ty = ease(y / size - fy), tz = ease(z / size - fz);
    const int64_t ix = (int64_t)fx, iy = (int64_t)fy, iz = (int64_t)fz;
    double        layer[2];

    for (int k = 0; k < 2; k++) {
        const double a = corner(seed, ix, iy, iz + k), b = corner(seed, ix + 1, iy, iz + k);
        const double c = corner(seed, ix, iy + 1, iz + k), d = corner(seed, ix + 1, iy + 1, iz + k);
        const double top = a + (b - a) * tx, bottom = c + (d - c) * tx;
        layer[k] = top + (bottom - top) * ty;
    }
    return layer[0] + (layer[1] - layer[0]) * tz;
}

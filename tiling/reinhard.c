#include "tiling/reinhard.h"

#include "kernels/pixel/clones.h"

#include <math.h>
#include <string.h>

#define MIN_PIXELS 1000
#define MIN_STD 0.1 /* of L*, a* or b*: less is one colour, and scaling it would make colour out of rounding */
#define BLOCK 64

/* CIE's f, its two halves as scikit-image has them. */
#define F_BREAK 0.008856
#define F_SLOPE 7.787
#define F_OFFSET (16.0 / 116.0)
#define F_INVERSE_BREAK 0.2068966

static const double SRGB_TO_XYZ[3][3] = {{0.412453, 0.357580, 0.180423}, {0.212671, 0.715160, 0.072169}, {0.019334, 0.119193, 0.950227}};
static const double WHITE[3] = {0.95047, 1, 1.08883};

static double to_light(int level)
{
    double v = level / 255.0;

    return v > 0.04045 ? pow((v + 0.055) / 1.055, 2.4) : v / 12.92;
}

static uint8_t to_level(double light)
{
    return (uint8_t)(255 * (light > 0.0031308 ? 1.055 * pow(light, 1 / 2.4) - 0.055 : 12.92 * light) + 0.5);
}

static void to_lab(const double light[256], const uint8_t rgb[3], double lab[3])
{
    double f[3];

    for (int i = 0; i < 3; i++) {
        double t = 0;
        for (int c = 0; c < 3; c++)
            t += SRGB_TO_XYZ[i][c] * light[rgb[c]];
        t /= WHITE[i];
        f[i] = t > F_BREAK ? cbrt(t) : F_SLOPE * t + F_OFFSET;
    }
    lab[0] = 116 * f[1] - 16;
    lab[1] = 500 * (f[0] - f[1]);
    lab[2] = 200 * (f[1] - f[2]);
}

/* Around a value near the mean, so that little is lost in the difference of squares. */
static void find_moments(const uint8_t *rgb, int64_t n, mt_reinhard *fit)
{
    double light[256], lab[3], first[3], sum[3] = {0}, squares[3] = {0};

    for (int level = 0; level < 256; level++)
        light[level] = to_light(level);
    to_lab(light, rgb, first);
    for (int64_t i = 0; i < n; i++) {
        to_lab(light, rgb + 3 * i, lab);
        for (int k = 0; k < 3; k++) {
            double d = lab[k] - first[k];
            sum[k] += d;
            squares[k] += d * d;
        }
    }
    for (int k = 0; k < 3; k++) {
        double mean = sum[k] / (double)n;
        fit->mean[k] = first[k] + mean;
        fit->std[k] = sqrt(fmax(0, squares[k] / (double)n - mean * mean));
    }
}

bool mt_reinhard_fit(const uint8_t *rgb, int64_t n, mt_reinhard *fit, GError **error)
{
    if (n < MIN_PIXELS) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "too little tissue: %" G_GINT64_FORMAT " pixels, at least %d are wanted", n,
                    MIN_PIXELS);
        return false;
    }
    find_moments(rgb, n, fit);
    for (int k = 0; k < 3; k++)
        if (!(fit->std[k] >= MIN_STD)) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its pixels are of one colour (standard deviation of %c %.3f)", "Lab"[k],
                        fit -> std[k]);
            return false;
        }
    return true;
}

static void invert(const double m[3][3], double inverse[3][3])
{
    double determinant = 0;

    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) /* the cofactor of (j, i), its sign by the cyclic order */
            inverse[i][j] =
                m[(j + 1) % 3][(i + 1) % 3] * m[(j + 2) % 3][(i + 2) % 3] - m[(j + 1) % 3][(i + 2) % 3] * m[(j + 2) % 3][(i + 1) % 3];
    for (int j = 0; j < 3; j++)
        determinant += m[0][j] * inverse[j][0];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            inverse[i][j] /= determinant;
}

void mt_reinhard_map_init(mt_reinhard_map *map, const mt_reinhard *from, const mt_reinhard *to)
{
    static const double unit[3] = {116, 500, 200};
    double              inverse[3][3];

    for (int level = 0; level < 256; level++)
        map->linear[level] = (float)to_light(level);
    for (int step = 0; step < MT_REINHARD_LIGHTS; step++)
        map->levels[step] = to_level(step / (MT_REINHARD_LIGHTS - 1.0));
    invert(SRGB_TO_XYZ, inverse);
    for (int i = 0; i < 3; i++) {
        double scale = to->std[i] / from->std[i], shift = to->mean[i] - scale * from->mean[i];
        map->scale[i] = (float)scale;
        map->offset[i] = (float)((i == 0 ? shift + 16 - 16 * scale : shift) / unit[i]);
        for (int c = 0; c < 3; c++) {
            map->to_xyz[i][c] = (float)(SRGB_TO_XYZ[i][c] / WHITE[i]);
            map->from_xyz[i][c] = (float)(inverse[i][c] * WHITE[c]);
        }
    }
}

MT_ALWAYS_INLINE float refine(float y, float x)
{
    return y * (4.0f / 3 - x * y * y * y * (1.0f / 3));
}

/* The cube root of x >= 2^-10: 1 / root by Newton's method from a guess in the exponent, which needs no division; three steps
 * take the guess's 3.5 % below the rounding of float. */
MT_ALWAYS_INLINE float cube_root(float x)
{
    union {
        float    f;
        uint32_t bits;
    } guess = {x};

    guess.bits = 0x54a2fa8cu - guess.bits / 3;
    float y = refine(refine(refine(guess.f, x), x), x);
    return x * y * y;
}

/* The part of x above 0, and below: without a comparison, which the compiler would turn into branches that keep the loop scalar. */
MT_ALWAYS_INLINE float positive(float x)
{
    return 0.5f * (x + __builtin_fabsf(x));
}

MT_ALWAYS_INLINE float negative(float x)
{
    return 0.5f * (x - __builtin_fabsf(x));
}

/* A curve above a break and its tangent below, as the sum of both, each held at the break where the other one counts. */
MT_ALWAYS_INLINE float cie(float t)
{
    float past = t - (float)F_BREAK;

    return cube_root((float)F_BREAK + positive(past)) + (float)F_SLOPE * negative(past);
}

MT_ALWAYS_INLINE float cie_inverse(float f)
{
    float past = f - (float)F_INVERSE_BREAK, above = (float)F_INVERSE_BREAK + positive(past);

    return above * above * above + negative(past) * (float)(1 / F_SLOPE);
}

/* The step of light in the table of levels; what leaves sRGB is clipped. */
MT_ALWAYS_INLINE float to_step(float light)
{
    float most = MT_REINHARD_LIGHTS - 1;

    return most + negative(positive(light) * most - most);
}

MT_ALWAYS_INLINE float mix(const float row[3], float a, float b, float c)
{
    return row[0] * a + row[1] * b + row[2] * c;
}

MT_ALWAYS_INLINE void map_lights(const mt_reinhard_map *m, float light[3][BLOCK])
{
    for (int i = 0; i < BLOCK; i++) {
        float r = light[0][i], g = light[1][i], b = light[2][i];
        float fx = cie(mix(m->to_xyz[0], r, g, b)), fy = cie(mix(m->to_xyz[1], r, g, b)), fz = cie(mix(m->to_xyz[2], r, g, b));
        float y = m->scale[0] * fy + m->offset[0];
        float x = y + m->scale[1] * (fx - fy) + m->offset[1];
        float z = positive(y - m->scale[2] * (fy - fz) - m->offset[2]);
        x = cie_inverse(x);
        y = cie_inverse(y);
        z = cie_inverse(z);
        light[0][i] = to_step(mix(m->from_xyz[0], x, y, z));
        light[1][i] = to_step(mix(m->from_xyz[1], x, y, z));
        light[2][i] = to_step(mix(m->from_xyz[2], x, y, z));
    }
}

/* Whole blocks are computed, of which n pixels count. */
MT_ALWAYS_INLINE void apply_block(const mt_reinhard_map *map, uint8_t *rgb, int n)
{
    float light[3][BLOCK] = {{0}};

    for (int i = 0; i < n; i++)
        for (int c = 0; c < 3; c++)
            light[c][i] = map->linear[rgb[3 * i + c]];
    map_lights(map, light);
    for (int i = 0; i < n; i++)
        for (int c = 0; c < 3; c++)
            rgb[3 * i + c] = map->levels[(int)(light[c][i] + 0.5f)];
}

MT_CLONES void mt_reinhard_map_apply(const mt_reinhard_map *map, uint8_t *rgb, int64_t n)
{
    for (int64_t i = 0; i < n; i += BLOCK)
        apply_block(map, rgb + 3 * i, (int)(n - i < BLOCK ? n - i : BLOCK));
}

/* Half and bfloat conversions against the compiler's own _Float16 and against the nearest neighbour by exact arithmetic. */
#include "kernels/pixel/half.h"

#include <math.h>
#include <string.h>

__extension__ typedef _Float16 compiler_half;

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void test_every_half(void)
{
    g_autofree uint16_t *halves = g_new(uint16_t, 65536), *back = g_new(uint16_t, 65536);
    g_autofree float    *floats = g_new(float, 65536);

    for (int i = 0; i < 65536; i++)
        halves[i] = (uint16_t)i;
    mt_half_to_f32(halves, 65536, floats);
    mt_half_from_f32(floats, 65536, back);
    for (int i = 0; i < 65536; i++) {
        compiler_half value;
        memcpy(&value, &halves[i], sizeof value);
        if (isnan((float)value)) {
            g_assert_true(isnan(floats[i]));
            g_assert_cmpint(back[i] & 0x7e00, ==, 0x7e00);
        } else {
            g_assert_cmpint(memcmp(&floats[i], &(float){(float)value}, 4), ==, 0);
            g_assert_cmpint(back[i], ==, i);
        }
    }
}

static void check_half(uint32_t bits)
{
    float         value = float_of(bits);
    compiler_half want = (compiler_half)value;
    uint16_t      got, want_bits;

    mt_half_from_f32(&value, 1, &got);
    memcpy(&want_bits, &want, sizeof want_bits);
    if (isnan(value))
        g_assert_cmpint(got & 0x7e00, ==, 0x7e00);
    else
        g_assert_cmphex(got, ==, want_bits);
}

/* Floats of all exponents, and all ties between neighbouring halves, a bit below and a bit above. */
static void test_rounding_half(void)
{
    uint32_t state = 1;

    for (int i = 0; i < 300000; i++) {
        state = state * 1664525 + 1013904223;
        check_half(state);
    }
    for (uint32_t half = 0; half < 0x7c00; half++) {
        uint16_t pair[2] = {(uint16_t)half, (uint16_t)(half + 1)};
        float    ends[2], tie;
        uint32_t bits;
        mt_half_to_f32(pair, 2, ends);
        tie = isinf(ends[1]) ? 65520.0f : (ends[0] + ends[1]) / 2;
        memcpy(&bits, &tie, sizeof bits);
        for (uint32_t delta = 0; delta < 3; delta++) {
            check_half(bits + delta - 1);
            check_half((bits + delta - 1) | 0x80000000);
        }
    }
}

/* Of the two neighbours the nearer, of two equally near the even one. */
static uint16_t nearest_bfloat(uint32_t bits)
{
    uint32_t down = bits >> 16, up = down + 1;
    double   value = float_of(bits), below = value - float_of(down << 16);
    double   above = (down & 0x7fff) == 0x7f7f ? copysign(pow(2, 128), value) - value : float_of(up << 16) - value;

    if (fabs(below) == fabs(above))
        return (uint16_t)(down & 1 ? up : down);
    return (uint16_t)(fabs(below) < fabs(above) ? down : up);
}

static void test_rounding_bfloat(void)
{
    uint32_t state = 7;

    for (int i = 0; i < 300000; i++) {
        state = state * 1664525 + 1013904223;
        uint32_t bits = i % 3 == 0 ? (state & 0xffff0000) | 0x8000 : state; /* a third of them ties */
        float    value = float_of(bits);
        uint16_t got;
        float    back;
        mt_bfloat_from_f32(&value, 1, &got);
        mt_bfloat_to_f32(&got, 1, &back);
        if (isnan(value))
            g_assert_true(isnan(back));
        else if (isinf(value))
            g_assert_true(isinf(back) && signbit(back) == signbit(value));
        else
            g_assert_cmphex(got, ==, nearest_bfloat(bits));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/half/every-half", test_every_half);
    g_test_add_func("/half/rounding", test_rounding_half);
    g_test_add_func("/half/bfloat", test_rounding_bfloat);
    return g_test_run();
}

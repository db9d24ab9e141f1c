/* The planes a network reads, against the formula written out for single pixels. */
#include "kernels/pixel/normalise.h"

#include <math.h>

static const mt_normalise imagenet = {
    .low = -INFINITY, .high = INFINITY, .divide = 255, .mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}};

static mt_normalise with_order(mt_plane_order order)
{
    mt_normalise n = imagenet;

    n.order = order;
    mt_normalise_init(&n);
    return n;
}

static float formula(int v, int plane)
{
    float x = (float)v / 255.0f;
    return (x - imagenet.mean[plane]) / imagenet.std[plane];
}

/* 5 x 3 pixels cut out of rows of 7, into planes with a margin that must stay untouched. */
enum { WIDTH = 5, HEIGHT = 3, SRC_WIDTH = 7, DST_STRIDE = 6, PLANE = 24 };

static const uint8_t *pixels(void)
{
    static uint8_t data[SRC_WIDTH * HEIGHT * 3];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37 + i / 7);
    return data;
}

static void check_planes(mt_plane_order order, int channels)
{
    const mt_normalise_area area = {WIDTH, HEIGHT, SRC_WIDTH * channels, DST_STRIDE, PLANE};
    mt_normalise            n = with_order(order);
    const uint8_t          *src = pixels();
    float                   dst[3 * PLANE];

    for (int i = 0; i < 3 * PLANE; i++)
        dst[i] = -777;
    mt_normalise_u8(&n, src, channels, &area, dst);
    for (int plane = 0; plane < 3; plane++)
        for (int i = 0; i < PLANE; i++) {
            int   x = i % DST_STRIDE, y = i / DST_STRIDE, from = order == MT_PLANES_BGR ? 2 - plane : plane;
            float want = -777;
            if (x < WIDTH && y < HEIGHT)
                want = formula(src[(y * SRC_WIDTH + x) * channels + (channels == 3 ? from : 0)], plane);
            g_assert_cmpfloat(dst[plane * PLANE + i], ==, want);
        }
}

static void test_planes(void)
{
    check_planes(MT_PLANES_RGB, 3);
    check_planes(MT_PLANES_BGR, 3);
    check_planes(MT_PLANES_RGB, 1);
    check_planes(MT_PLANES_BGR, 1);
}

static void test_gray(void)
{
    /* Pillow: Image.new("RGB", (1, 1), c).convert("L") of these is 76, 150, 29, 255, 128, 71 */
    static const uint8_t    colours[6][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}, {128, 128, 128}, {10, 100, 80}};
    static const int        want[6] = {76, 150, 29, 255, 128, 71};
    const mt_normalise_area area = {6, 1, 18, 6, 6};
    mt_normalise            n = with_order(MT_PLANES_GRAY);
    float                   dst[7] = {[6] = 5};

    mt_normalise_u8(&n, &colours[0][0], 3, &area, dst);
    for (int i = 0; i < 6; i++)
        g_assert_cmpfloat(dst[i], ==, formula(want[i], 0));
    g_assert_cmpfloat(dst[6], ==, 5);
}

static void test_float(void)
{
    const mt_normalise_area area = {4, 1, 4, 4, 4};
    const float             src[4] = {-2000, 0, 3000, NAN};
    mt_normalise            n = {
                   .order = MT_PLANES_RGB, .low = -1000, .high = 1000, .subtract = -1000, .divide = 2000, .mean = {0.5f, 0, 0}, .std = {0.5f, 1, 2}};
    float dst[12];

    mt_normalise_init(&n);
    mt_normalise_f32(&n, src, &area, dst);
    static const float want[3][3] = {{-1, 0, 1}, {0, 0.5f, 1}, {0, 0.25f, 0.5f}};
    for (int plane = 0; plane < 3; plane++) {
        for (int i = 0; i < 3; i++)
            g_assert_cmpfloat(dst[4 * plane + i], ==, want[plane][i]);
        g_assert_true(isnan(dst[4 * plane + 3]));
    }
}

static void test_fill(void)
{
    const mt_normalise_area area = {2, 1, 0, 2, 2};
    mt_normalise            n = with_order(MT_PLANES_RGB);
    float                   dst[6];

    mt_normalise_fill(&n, &area, dst);
    for (int i = 0; i < 6; i++)
        g_assert_cmpfloat(dst[i], ==, formula(0, i / 2));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/normalise/planes", test_planes);
    g_test_add_func("/normalise/gray", test_gray);
    g_test_add_func("/normalise/float", test_float);
    g_test_add_func("/normalise/fill", test_fill);
    return g_test_run();
}

/* How pictures were taken, of known truth: blurred, dark, clipped, moved, lit from one side, cropped; and what a card makes of it. */
#include "src/result/modality_quality.h"
#include "src/result/reason.h"
#include "tests/unit/modality_quality_expected.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define N 64

typedef struct scene {
    uint8_t          rgb[N * N * 3], mask[N * N];
    mt_image_quality q;
} scene;

static void set(scene *s, int64_t x, int64_t y, double value)
{
    memset(s->rgb + 3 * (y * N + x), (int)value, 3);
}

static void measure(scene *s, bool masked, const char *modality)
{
    g_autoptr(mt_tensor) rgb = mt_tensor_new_view(MT_U8, 3, (int64_t[]){N, N, 3}, s->rgb, NULL);

    mt_image_quality_measure(rgb, masked ? s->mask : NULL, N, N, &s->q);
    mt_modality_quality_measure(rgb, masked ? s->mask : NULL, N, N, modality, &s->q);
}

static int hashed(int64_t x, int64_t y)
{
    return (int)((((uint64_t)x * 2654435761u + (uint64_t)y * 40503u) >> 7) % 256);
}

/* Mean over taps x taps, rounded down, edges repeated. */
static int boxed(int64_t x, int64_t y, int64_t taps)
{
    int64_t sum = 0;

    for (int64_t j = y - taps / 2; j <= y + taps / 2; j++)
        for (int64_t i = x - taps / 2; i <= x + taps / 2; i++)
            sum += hashed(CLAMP(i, 0, N - 1), CLAMP(j, 0, N - 1));
    return (int)(sum / (taps * taps));
}

static void test_blur(void)
{
    static const int64_t taps[3] = {1, 3, 7};
    scene                s;

    for (int k = 0; k < 3; k++) {
        for (int64_t y = 0; y < N; y++)
            for (int64_t x = 0; x < N; x++)
                set(&s, x, y, boxed(x, y, taps[k]));
        measure(&s, false, "CR");
        g_assert_true(s.q.by_modality);
        g_assert_cmpfloat_with_epsilon(s.q.blur, expected_blur[k], 1e-9);
    }
    memset(s.rgb, 100, sizeof s.rgb);
    measure(&s, false, "CR");
    g_assert_cmpfloat(s.q.blur, ==, 1);
}

static void test_exposure(void)
{
    scene s;

    memset(s.rgb, 51, sizeof s.rgb);
    memset(s.rgb, 255, sizeof s.rgb / 4);
    memset(s.rgb + sizeof s.rgb / 4, 0, sizeof s.rgb / 8);
    measure(&s, false, "DX");
    g_assert_cmpfloat_with_epsilon(s.q.exposure, 0.25 + 0.625 * 0.2, 1e-12);
    g_assert_cmpfloat(s.q.clipping, ==, 0.375);
    g_assert_false(s.q.has_ghosting);
    g_assert_false(s.q.has_field);
    measure(&s, false, "SM");
    g_assert_false(s.q.by_modality);
}

/* A head of 32 x 32 at 200 in air of 4; what moved leaves 14 above and below it. */
static void test_ghosting(void)
{
    scene s;

    for (int moved = 0; moved < 2; moved++) {
        for (int64_t y = 0; y < N; y++)
            for (int64_t x = 0; x < N; x++) {
                bool across = x >= 16 && x < 48, inside = across && y >= 16 && y < 48;

                s.mask[y * N + x] = inside;
                set(&s, x, y, inside ? 200 : across && moved ? 14 : 4);
            }
        measure(&s, true, "MR");
        g_assert_true(s.q.has_ghosting);
        g_assert_cmpfloat_with_epsilon(s.q.ghosting, moved ? 2.0 * 10 / (2 * 200) : 0, 1e-12);
    }
    measure(&s, true, "CT");
    g_assert_false(s.q.has_ghosting);
    measure(&s, false, "MR"); /* no air is seen */
    g_assert_false(s.q.has_ghosting);
}

/* A disc, lit evenly or from the left, whole or cropped. */
static void test_fundus(void)
{
    scene s;

    for (int kind = 0; kind < 3; kind++) {
        for (int64_t y = 0; y < N; y++)
            for (int64_t x = 0; x < N; x++) {
                double dx = (double)x - 31.5, dy = (double)y - 31.5;
                bool   inside = dx * dx + dy * dy < 30 * 30 && (kind != 2 || (y >= 20 && y < 44));

                s.mask[y * N + x] = inside;
                set(&s, x, y, !inside ? 0 : kind == 1 && dx > 0 ? 30 : 120);
            }
        measure(&s, true, "OP");
        g_assert_true(s.q.has_field);
        g_assert_cmpfloat_with_epsilon(s.q.illumination, kind == 1 ? 0.25 : 1, 1e-12);
        if (kind < 2)
            g_assert_cmpfloat_with_epsilon(s.q.field_complete, 1, 0.01);
        else
            g_assert_cmpfloat(s.q.field_complete, <, 0.55);
    }
}

static void test_limits(void)
{
    mt_head_card             card = {.min_exposure = 0.2,
                                     .max_exposure = 0.8,
                                     .max_clipping = 0.3,
                                     .max_blur = 0.6,
                                     .max_ghosting = 0.05,
                                     .min_illumination = 0.5,
                                     .min_field_complete = 0.7};
    mt_image_quality         q = {.known = true,
                                  .by_modality = true,
                                  .has_ghosting = true,
                                  .has_field = true,
                                  .exposure = 0.1,
                                  .clipping = 0.4,
                                  .blur = 0.75,
                                  .ghosting = 0.06,
                                  .illumination = 0.25,
                                  .field_complete = 0.5};
    static const char *const reasons[] = {
        "The picture's exposure is 0.1, at least 0.2 is wanted.",      "The picture's clipping is 0.4, at most 0.3 is wanted.",
        "The picture's blur is 0.75, at most 0.6 is wanted.",          "The picture's ghosting is 0.06, at most 0.05 is wanted.",
        "The picture's illumination is 0.25, at least 0.5 is wanted.", "The picture's field_complete is 0.5, at least 0.7 is wanted."};
    g_autoptr(GPtrArray) limits = g_ptr_array_new_with_free_func((GDestroyNotify)mt_reason_free), none = g_ptr_array_new();

    mt_modality_quality_limit(&card, &q, limits);
    g_assert_cmpuint(limits->len, ==, G_N_ELEMENTS(reasons));
    for (guint i = 0; i < limits->len; i++)
        g_assert_cmpstr(((const mt_reason *)limits->pdata[i])->text[MT_LANGUAGE_EN], ==, reasons[i]);
    /* what a case does not have is held against nothing */
    q.by_modality = q.has_ghosting = q.has_field = false;
    mt_modality_quality_limit(&card, &q, none);
    g_assert_cmpuint(none->len, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/modality-quality/blur", test_blur);
    g_test_add_func("/modality-quality/exposure", test_exposure);
    g_test_add_func("/modality-quality/ghosting", test_ghosting);
    g_test_add_func("/modality-quality/fundus", test_fundus);
    g_test_add_func("/modality-quality/limits", test_limits);
    return g_test_run();
}

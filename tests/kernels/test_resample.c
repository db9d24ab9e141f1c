/* mt_resample against Pillow (make_resample_data.py wrote the expected pixels), and the fast passes against the plain loops. */
#include "kernels/pixel/resample_private.h"
#include "src/base/alloc.h"
#include "src/base/hash.h"

#include <string.h>

typedef struct resample_case {
    int32_t src_w, src_h, dst_w, dst_h, filter, channels, seed, n;
    double  box[4];
} resample_case;

static uint8_t *noise(uint32_t state, size_t n)
{
    uint8_t *out = g_malloc(n);

    for (size_t i = 0; i < n; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        uint8_t byte = (uint8_t)(state >> 24);
        out[i] = byte < 24 ? 0 : byte > 231 ? 255 : byte;
    }
    return out;
}

static float *as_float(const uint8_t *pixels, size_t n)
{
    float *out = g_new(float, n);

    for (size_t i = 0; i < n; i++)
        out[i] = (float)pixels[i] * 1.7f - 150.0f;
    return out;
}

/* Pixels of the case as bytes; *bytes is their number. */
static uint8_t *run(const resample_case *c, bool reference, size_t *bytes)
{
    size_t              n = (size_t)c->src_w * (size_t)c->src_h * (size_t)MAX(c->channels, 1);
    g_autofree uint8_t *src = noise((uint32_t)c->seed, n);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_resample) r = mt_resample_new(c->src_w, c->src_h, c->box, c->dst_w, c->dst_h, (mt_filter)c->filter, &error);
    g_assert_no_error(error);

    *bytes = (size_t)c->dst_w * (size_t)c->dst_h * (size_t)(c->channels == 0 ? 4 : c->channels);
    uint8_t *dst = g_malloc(*bytes);
    if (c->channels == 0) {
        g_autofree float *src_f = as_float(src, n), *dst_f = g_malloc(*bytes);
        mt_resample_f32(r, src_f, dst_f, &error);
        memcpy(dst, dst_f, *bytes);
    } else if (reference) {
        mt_resample_u8_reference(r, src, c->channels, dst, &error);
    } else {
        mt_resample_u8(r, src, c->channels, dst, &error);
    }
    g_assert_no_error(error);
    return dst;
}

static bool hash_equal(const uint8_t *got, size_t bytes, const uint8_t *want)
{
    g_autofree char *hex = mt_hash_bytes(got, bytes);
    g_autoptr(GString) expected = g_string_new(NULL);

    for (int i = 0; i < 32; i++)
        g_string_append_printf(expected, "%02x", want[i]);
    return strcmp(hex, expected->str) == 0;
}

static void check_case(const resample_case *c, const uint8_t *want)
{
    for (int reference = 0; reference <= (c->channels > 0); reference++) {
        size_t              bytes;
        g_autofree uint8_t *got = run(c, reference, &bytes);
        bool                equal = bytes == (size_t)c->n ? memcmp(got, want, bytes) == 0 : c->n == 32 && hash_equal(got, bytes, want);
        if (!equal)
            g_error("%d x %d -> %d x %d, filter %d, channels %d, box %g %g %g %g, %s: not Pillow's pixels", c->src_w, c->src_h, c->dst_w,
                    c->dst_h, c->filter, c->channels, c->box[0], c->box[1], c->box[2], c->box[3], reference ? "reference" : "fast");
    }
}

static void test_pillow(void)
{
    g_autofree char *path = g_build_filename(g_getenv("G_TEST_SRCDIR"), "kernels", "data", "resample.bin", NULL);
    g_autofree char *data = NULL;
    gsize            bytes;
    g_autoptr(GError) error = NULL;
    int n = 0;

    g_file_get_contents(path, &data, &bytes, &error);
    g_assert_no_error(error);
    for (gsize at = 0; at < bytes; n++) {
        resample_case c;
        memcpy(&c, data + at, sizeof c);
        check_case(&c, (const uint8_t *)data + at + sizeof c);
        at += sizeof c + (gsize)c.n;
    }
    g_assert_cmpint(n, >, 300);
}

/* Wide, tall and many-tap geometries, 1 to 4 channels, guard bytes behind the output. */
static void test_fast_is_reference(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(11);

    for (int i = 0; i < 300; i++) {
        int                 w = g_rand_int_range(rand, 1, 150), h = g_rand_int_range(rand, 1, 150);
        int                 dw = g_rand_int_range(rand, 1, 150), dh = g_rand_int_range(rand, 1, 150);
        int                 channels = g_rand_int_range(rand, 1, 5);
        double              x = g_rand_double_range(rand, 0, w * 0.9), y = g_rand_double_range(rand, 0, h * 0.9);
        double              box[4] = {x, y, g_rand_double_range(rand, x + 0.05 * w, w), g_rand_double_range(rand, y + 0.05 * h, h)};
        size_t              bytes = (size_t)(dw * dh * channels);
        g_autofree uint8_t *src = noise((uint32_t)i + 1, (size_t)(w * h * channels));
        g_autofree uint8_t *fast = g_malloc(bytes + 16), *plain = g_malloc(bytes);
        g_autoptr(mt_resample) r = mt_resample_new(w, h, box, dw, dh, (mt_filter)(i / 2 % 4), NULL);
        memset(fast + bytes, 0xa5, 16);
        r->portable = i % 2 == 1; /* every filter meets both loops */
        g_assert_true(mt_resample_u8(r, src, channels, fast, NULL));
        g_assert_true(mt_resample_u8_reference(r, src, channels, plain, NULL));
        g_assert_cmpmem(fast, bytes, plain, bytes);
        for (int k = 0; k < 16; k++)
            g_assert_cmpint(fast[bytes + (size_t)k], ==, 0xa5);
    }
}

/* One object serves images of other channel counts. */
static void test_reuse(void)
{
    g_autofree uint8_t *src = noise(5, 60 * 50 * 4);
    g_autoptr(mt_resample) r = mt_resample_new(60, 50, NULL, 41, 33, MT_FILTER_BICUBIC, NULL);
    static const int order[] = {3, 1, 4, 1, 3};

    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        size_t              bytes = (size_t)(41 * 33 * order[i]);
        g_autofree uint8_t *fast = g_malloc(bytes), *plain = g_malloc(bytes);
        g_assert_true(mt_resample_u8(r, src, order[i], fast, NULL));
        g_assert_true(mt_resample_u8_reference(r, src, order[i], plain, NULL));
        g_assert_cmpmem(fast, bytes, plain, bytes);
    }
}

static void test_constant(void)
{
    uint8_t src[37 * 29], dst[50 * 11];

    memset(src, 200, sizeof src);
    for (int filter = 0; filter < 4; filter++) {
        g_autoptr(mt_resample) r = mt_resample_new(37, 29, NULL, 50, 11, (mt_filter)filter, NULL);
        g_assert_true(mt_resample_u8(r, src, 1, dst, NULL));
        for (size_t i = 0; i < sizeof dst; i++)
            g_assert_cmpint(dst[i], ==, 200);
    }
}

static void test_is_copy(void)
{
    const double box[4] = {1, 0, 9, 8};
    g_autoptr(mt_resample) same = mt_resample_new(8, 8, NULL, 8, 8, MT_FILTER_LANCZOS, NULL);
    g_autoptr(mt_resample) shifted = mt_resample_new(9, 8, box, 8, 8, MT_FILTER_LANCZOS, NULL);

    g_assert_true(mt_resample_is_copy(same));
    g_assert_false(mt_resample_is_copy(shifted));
}

static void check_refused(int64_t src_w, const double *box, int64_t dst_w, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_resample_new(src_w, 8, box, dst_w, 8, MT_FILTER_BILINEAR, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_refusals(void)
{
    const double outside[4] = {0, 0, 9, 8}, negative[4] = {-1, 0, 8, 8}, empty[4] = {3, 0, 3, 8};
    uint8_t      pixels[5 * 8 * 8] = {0};

    check_refused(0, NULL, 8, "resize 0 x 8 to 8 x 8 pixels: edges are 1 to 2147483647");
    check_refused(8, NULL, -1, "resize 8 x 8 to -1 x 8 pixels: edges are 1 to 2147483647");
    check_refused(8, outside, 8, "resize the box (0, 0, 9, 8) of 8 x 8 pixels: the box is empty or leaves the image");
    check_refused(8, negative, 8, "resize the box (-1, 0, 8, 8) of 8 x 8 pixels: the box is empty or leaves the image");
    check_refused(8, empty, 8, "resize the box (3, 0, 3, 8) of 8 x 8 pixels: the box is empty or leaves the image");

    g_autoptr(mt_resample) r = mt_resample_new(8, 8, NULL, 4, 4, MT_FILTER_BILINEAR, NULL);
    g_autoptr(GError) error = NULL;
    g_assert_false(mt_resample_u8(r, pixels, 5, pixels, &error));
    g_assert_cmpstr(error->message, ==, "resize an image of 5 channels: 1 to 4 are possible");
}

/* Refused memory is an error, and the object is usable after it. */
static void test_memory(void)
{
    g_autofree uint8_t *src = noise(3, 64 * 64);
    uint8_t             dst[32 * 32];

    for (int k = 1; k <= 10; k++) {
        g_autoptr(GError) error = NULL;
        mt_alloc_fail_at(k);
        g_autoptr(mt_resample) r = mt_resample_new(64, 64, NULL, 32, 32, MT_FILTER_BILINEAR, &error);
        bool made = r != NULL && mt_resample_u8(r, src, 1, dst, &error);
        mt_alloc_fail_at(0);
        g_assert_false(made);
        g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
        if (r != NULL)
            g_assert_true(mt_resample_u8(r, src, 1, dst, NULL));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/resample/pillow", test_pillow);
    g_test_add_func("/resample/fast-is-reference", test_fast_is_reference);
    g_test_add_func("/resample/reuse", test_reuse);
    g_test_add_func("/resample/constant", test_constant);
    g_test_add_func("/resample/is-copy", test_is_copy);
    g_test_add_func("/resample/refusals", test_refusals);
    g_test_add_func("/resample/memory", test_memory);
    return g_test_run();
}

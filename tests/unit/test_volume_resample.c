/* Resampling against scikit-image and scipy (volume_resample_expected.py), by slab, by thread, and what is refused. */
#include "src/base/alloc.h"
#include "src/case/volume_resample.h"

#include <math.h>
#include <microtome/tensor.h>
#include <string.h>

typedef struct known {
    const char *name;
    mt_regrid   r;
} known;

static const known fields[] = {
    {"cubic", {{11, 9, 7}, {20, 8, 13}, 3, -1}},           {"cubic_wide", {{70, 6, 5}, {41, 6, 4}, 3, -1}},
    {"cubic_thin", {{2, 5, 1}, {4, 9, 3}, 3, -1}},         {"cubic_z", {{11, 9, 6}, {7, 12, 10}, 3, 2}},
    {"cubic_y", {{11, 9, 6}, {7, 12, 10}, 3, 1}},          {"cubic_x", {{11, 9, 6}, {27, 12, 10}, 3, 0}},
    {"cubic_z_kept", {{11, 9, 6}, {7, 12, 6}, 3, 2}},      {"linear", {{11, 9, 7}, {20, 8, 13}, 1, -1}},
    {"linear_z", {{11, 9, 6}, {7, 12, 17}, 1, 2}},         {"linear_x", {{11, 9, 6}, {7, 12, 17}, 1, 0}},
    {"nearest", {{11, 9, 7}, {20, 8, 13}, 0, -1}},         {"cubic_z_linear", {{11, 9, 6}, {7, 12, 10}, 3, 2, 1}},
    {"cubic_y_cubic", {{11, 9, 6}, {7, 12, 10}, 3, 1, 3}}, {"linear_z_linear", {{11, 9, 6}, {7, 12, 17}, 1, 2, 1}},
};
static const known labels[] = {
    {"labels", {{11, 9, 7}, {20, 8, 13}, 1, -1}},
    {"labels_z", {{11, 9, 6}, {7, 12, 10}, 1, 2}},
    {"labels_nearest", {{11, 9, 7}, {20, 8, 13}, 0, -1}},
};

static uint32_t noise_at(int64_t i)
{
    return (uint32_t)((uint64_t)i * 2654435761U + 12345) >> 12;
}

static int64_t product(const int64_t size[3])
{
    return size[0] * size[1] * size[2];
}

static float *make_noise(const int64_t size[3])
{
    float *values = g_new(float, product(size));

    for (int64_t i = 0; i < product(size); i++)
        values[i] = (float)((double)noise_at(i) / 512 - 1000);
    return values;
}

static mt_tensor *load(const char *name)
{
    g_autofree char *file = g_strdup_printf("resample_%s.npy", name);
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "unit", "data", "volume", file, NULL);
    g_autoptr(GError) error = NULL;
    mt_tensor *t = mt_tensor_read_npy(path, &error);

    g_assert_no_error(error);
    return t;
}

static void test_fields(void)
{
    for (size_t k = 0; k < G_N_ELEMENTS(fields); k++) {
        const mt_regrid *r = &fields[k].r;
        g_autoptr(mt_tensor) wanted = load(fields[k].name);
        g_autofree float *in = make_noise(r->from), *out = g_new(float, product(r->to));
        g_autoptr(GError) error = NULL;
        double worst = 0;

        for (int d = 0; d < 3; d++)
            g_assert_cmpint(wanted->shape[2 - d], ==, r->to[d]);
        g_assert_true(mt_regrid_field(r, in, out, 2, &error));
        for (int64_t i = 0; i < product(r->to); i++) {
            double off = fabs((double)out[i] - (double)((const float *)wanted->data)[i]);
            g_assert_true(isfinite(off));
            worst = MAX(worst, off);
        }
        g_test_message("%s: %g of a range of 2048", fields[k].name, worst);
        g_assert_cmpfloat(worst / 2048, <=, 1e-6);
    }
}

/* Blocks of 3 x 3 x 3 of one label, cut to the size. */
static uint8_t *make_labels(const int64_t size[3])
{
    uint8_t *values = g_new(uint8_t, product(size)), *at = values;
    int64_t  nx = (size[0] + 2) / 3, ny = (size[1] + 2) / 3;

    for (int64_t z = 0; z < size[2]; z++)
        for (int64_t y = 0; y < size[1]; y++)
            for (int64_t x = 0; x < size[0]; x++)
                *at++ = (uint8_t)(noise_at((z / 3 * ny + y / 3) * nx + x / 3) / 7 % 4);
    return values;
}

static void test_labels(void)
{
    for (size_t k = 0; k < G_N_ELEMENTS(labels); k++) {
        const mt_regrid *r = &labels[k].r;
        g_autoptr(mt_tensor) wanted = load(labels[k].name);
        g_autofree uint8_t *in = make_labels(r->from), *out = g_new(uint8_t, product(r->to));

        g_assert_true(mt_regrid_labels(r, in, out, 2, NULL));
        g_assert_cmpmem(out, (size_t)product(r->to), wanted->data, mt_tensor_bytes(wanted));
    }
}

/* What a slab gives is what the whole gives, bit for bit, from no more planes than are said to be needed. */
static void test_rows(void)
{
    for (size_t k = 0; k < G_N_ELEMENTS(fields); k++) {
        const mt_regrid  *r = &fields[k].r;
        int64_t           area_in = r->from[0] * r->from[1], area = r->to[0] * r->to[1];
        g_autofree float *in = make_noise(r->from), *whole = g_new(float, product(r->to)), *out = g_new(float, product(r->to));

        if (r->order == 3)
            continue;
        g_assert_true(mt_regrid_field(r, in, whole, 1, NULL));
        for (int64_t z0 = 0; z0 < r->to[2]; z0 += 3) {
            int64_t z1 = MIN(z0 + 3, r->to[2]), in0, in1;

            g_assert_true(mt_regrid_rows_needed(r, z0, z1, &in0, &in1, NULL));
            g_assert_cmpint(in1 - in0, <=, 5);
            g_autofree float *slab = g_memdup2(in + in0 * area_in, (gsize)((in1 - in0) * area_in) * sizeof *slab);
            g_assert_true(mt_regrid_rows(r, slab, in0, z0, z1, out + z0 * area, 2, NULL));
        }
        g_assert_cmpmem(out, (size_t)product(r->to) * 4, whole, (size_t)product(r->to) * 4);
    }
}

static void test_threads(void)
{
    static const mt_regrid r = {{67, 43, 21}, {41, 60, 33}, 3, -1};
    g_autofree float      *in = make_noise(r.from), *one = g_new(float, product(r.to)), *many = g_new(float, product(r.to));

    g_assert_true(mt_regrid_field(&r, in, one, 1, NULL));
    for (int threads = 2; threads < 6; threads++) {
        g_assert_true(mt_regrid_field(&r, in, many, threads, NULL));
        g_assert_cmpmem(one, (size_t)product(r.to) * 4, many, (size_t)product(r.to) * 4);
    }
}

static void test_same_size(void)
{
    static const mt_regrid r = {{5, 4, 3}, {5, 4, 3}, 3, -1};
    g_autofree float      *in = make_noise(r.from), *out = g_new(float, 60);

    g_assert_true(mt_regrid_field(&r, in, out, 1, NULL));
    g_assert_cmpmem(in, 240, out, 240);
}

/* Halves go to the even number, as Python's round. */
static void test_size(void)
{
    int64_t to[3];
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_regrid_size((int64_t[3]){512, 5, 301}, (double[3]){0.7, 1, 1.25}, (double[3]){0.8, 2, 1.5}, to, NULL));
    g_assert_cmpint(to[0], ==, 448);
    g_assert_cmpint(to[1], ==, 2);
    g_assert_cmpint(to[2], ==, 251);
    g_assert_false(mt_regrid_size((int64_t[3]){5, 5, 5}, (double[3]){0, 1, 1}, (double[3]){1, 2, 3}, to, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_SPACING);
    g_assert_cmpstr(error->message, ==, "resample a volume: from 0 x 1 x 1 to 1 x 2 x 3 mm: a spacing is unknown; state it for this case");
    g_clear_error(&error);
    g_assert_false(mt_regrid_size((int64_t[3]){5, 1, 5}, (double[3]){1, 1, 1}, (double[3]){1, 2.5, 1}, to, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_assert_cmpstr(error->message, ==, "resample a volume: axis 1 of 1 voxels would have 0 when it goes from 1 to 2.5 mm");
}

static void test_separate(void)
{
    g_assert_cmpint(mt_regrid_separate((double[3]){1, 1, 3}, (double[3]){1, 1, 1}), ==, -1);
    g_assert_cmpint(mt_regrid_separate((double[3]){1, 1, 3.01}, (double[3]){1, 1, 1}), ==, 2);
    g_assert_cmpint(mt_regrid_separate((double[3]){5, 1, 1}, (double[3]){1, 1, 4}), ==, 0);
    g_assert_cmpint(mt_regrid_separate((double[3]){1, 1, 1}, (double[3]){1, 4, 1}), ==, 1);
    /* (0.24, 1.25, 1.25): no axis is alone, and the target is not asked */
    g_assert_cmpint(mt_regrid_separate((double[3]){1.25, 1.25, 0.24}, (double[3]){1, 4, 1}), ==, -1);
}

/* Corners of the field stay at their millimetres. */
static void test_place(void)
{
    g_autoptr(mt_volume) v = mt_volume_new((int64_t[3]){8, 6, 4}, 2, NULL);
    static const double affine[16] = {0.5, 0.1, 0, -7, -0.1, 0.6, 0.2, 3, 0, 0.1, 2, 11, 0, 0, 0, 1};

    v->has_frame = true;
    memcpy(v->affine, affine, sizeof affine);
    memcpy(v->spacing_mm, (double[3]){0.51, 0.62, 2.01}, sizeof v->spacing_mm);
    for (int64_t i = 0; i < 2 * 192; i++)
        v->data[i] = i < 192 ? 3 : -5;
    g_autoptr(mt_volume) out = mt_volume_resample(v, (int64_t[3]){4, 9, 5}, 3, 2, 2, NULL);
    for (int corner = 0; corner < 8; corner++)
        for (int row = 0; row < 3; row++) {
            double before = v->affine[4 * row + 3], after = out->affine[4 * row + 3];
            for (int d = 0; d < 3; d++) {
                bool end = (corner >> d & 1) != 0;
                before += v->affine[4 * row + d] * ((end ? (double)v->size[d] : 0) - 0.5);
                after += out->affine[4 * row + d] * ((end ? (double)out->size[d] : 0) - 0.5);
            }
            g_assert_cmpfloat_with_epsilon(before, after, 1e-12);
        }
    g_assert_cmpfloat_with_epsilon(out->spacing_mm[1], 0.62 * 6 / 9, 1e-12);
    for (int64_t i = 0; i < 2 * 180; i++)
        g_assert_cmpfloat((double)out->data[i], ==, i < 180 ? 3 : -5);
}

static void test_refused(void)
{
    mt_regrid r = {{4, 4, 4}, {4, 4, 8}, 2, -1};
    float     in[64] = {0}, out[128];
    int64_t   a, b;
    g_autoptr(GError) error = NULL;

    g_assert_false(mt_regrid_field(&r, in, out, 1, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_assert_cmpstr(error->message, ==,
                    "resample from 4 x 4 x 4 to 4 x 4 x 8 voxels by order 2: sizes from 1 and orders 0, 1 and 3 are known");
    g_clear_error(&error);
    r.order = 3;
    g_assert_false(mt_regrid_rows_needed(&r, 0, 8, &a, &b, &error));
    g_assert_cmpstr(error->message, ==, "resample planes 0 to 8 of 8 by order 3: planes of the output and orders 0 and 1 can be");
    g_clear_error(&error);
    r.order = 1;
    g_assert_false(mt_regrid_rows(&r, in, 2, 2, 4, out, 1, &error));
    g_assert_cmpstr(error->message, ==, "resample planes 2 to 4: plane 0 of the input is wanted, and it starts with 2");
}

static void test_refused_memory(void)
{
    static const mt_regrid r = {{11, 9, 7}, {20, 8, 13}, 3, -1};
    g_autofree float      *in = make_noise(r.from), *out = g_new(float, product(r.to));
    g_autofree uint8_t    *classes = make_labels(r.from), *resized = g_new(uint8_t, product(r.to));
    int                    failures = 0;

    for (int k = 1; k < 40; k++) {
        g_autoptr(GError) error = NULL;

        mt_alloc_fail_at(k);
        if (!mt_regrid_field(&r, in, out, 2, &error)) {
            g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
            failures++;
        }
        g_clear_error(&error);
        mt_alloc_fail_at(k);
        if (!mt_regrid_labels(&(mt_regrid){{11, 9, 7}, {20, 8, 13}, 1, -1}, classes, resized, 1, &error))
            g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
        mt_alloc_fail_at(0);
    }
    g_assert_cmpint(failures, >, 10);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/resample/fields", test_fields);
    g_test_add_func("/resample/labels", test_labels);
    g_test_add_func("/resample/rows", test_rows);
    g_test_add_func("/resample/threads", test_threads);
    g_test_add_func("/resample/same-size", test_same_size);
    g_test_add_func("/resample/size", test_size);
    g_test_add_func("/resample/separate", test_separate);
    g_test_add_func("/resample/place", test_place);
    g_test_add_func("/resample/refused", test_refused);
    g_test_add_func("/resample/refused-memory", test_refused_memory);
    return g_test_run();
}

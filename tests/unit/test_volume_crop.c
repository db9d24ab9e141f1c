/* Cropping against scipy's binary_fill_holes (volume_crop_expected.py), and by construction. */
#include "src/base/alloc.h"
#include "src/case/volume_crop.h"

#include <microtome/tensor.h>
#include <string.h>

static uint32_t noise_at(int64_t i)
{
    return (uint32_t)((uint64_t)i * 2654435761U + 12345) >> 12;
}

static void check_holes(const char *name, const int64_t size[3], uint32_t share, bool filled)
{
    g_autofree char *file = g_strdup_printf("holes_%s.npy", name);
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "unit", "data", "volume", file, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_tensor) wanted = mt_tensor_read_npy(path, &error);
    g_autoptr(mt_volume) v = mt_volume_new(size, 2, NULL);
    int64_t n = mt_volume_voxels(v), inside = 0;

    g_assert_no_error(error);
    for (int64_t i = 0; i < n; i++)
        v->data[i % 2 * n + i] = noise_at(i) % 1024 < share ? -0.25f : 0;
    uint8_t *mask = mt_volume_nonzero_mask(v, NULL);
    g_assert_cmpmem(mask, (size_t)n, wanted->data, mt_tensor_bytes(wanted));
    for (int64_t i = 0; i < n; i++)
        inside += mask[i] != 0 && noise_at(i) % 1024 >= share;
    g_assert_cmpint(inside > 0, ==, filled);
    mt_free(mask);
}

static void test_holes(void)
{
    check_holes("dense", (int64_t[3]){13, 11, 9}, 900, true);
    check_holes("sparse", (int64_t[3]){12, 11, 9}, 600, true);
    check_holes("half", (int64_t[3]){16, 15, 14}, 900, true);
    check_holes("plane", (int64_t[3]){13, 11, 1}, 700, false);
}

/* A corridor that winds through every second row: the seeds' stack has to grow and shrink. */
static void test_long_way(void)
{
    int64_t size[3] = {301, 301, 9};
    g_autoptr(mt_volume) v = mt_volume_new(size, 1, NULL);
    int64_t zeros = 0;

    for (int64_t i = 0; i < mt_volume_voxels(v); i++) {
        int64_t x = i % 301, y = i / 301 % 301, z = i / 301 / 301;
        bool    wall = z == 0 || z == 8 || y == 0 || y == 300 || x == 0 || x == 300 || (y % 2 == 0 && x != (y % 4 == 0 ? 299 : 1));
        v->data[i] = wall && !(z == 4 && y == 1 && x == 0);
        zeros += v->data[i] == 0;
    }
    uint8_t *mask = mt_volume_nonzero_mask(v, NULL);
    for (int64_t i = 0; i < mt_volume_voxels(v); i++)
        zeros -= mask[i] == 0;
    g_assert_cmpint(zeros, ==, 0);
    mt_free(mask);
    v->data[4 * 301 * 301 + 301] = 1; /* the only way in */
    mask = mt_volume_nonzero_mask(v, NULL);
    for (int64_t i = 0; i < mt_volume_voxels(v); i++)
        g_assert_cmpint(mask[i], ==, 1);
    mt_free(mask);
}

static void test_box(void)
{
    int64_t       size[3] = {5, 4, 3};
    uint8_t       mask[60] = {0};
    mt_volume_box box = mt_volume_mask_box(mask, size);

    g_assert_cmpmem(box.size, sizeof size, size, sizeof size);
    g_assert_cmpint(box.start[0] + box.start[1] + box.start[2], ==, 0);
    mask[1 * 20 + 2 * 5 + 3] = mask[2 * 20 + 1 * 5 + 1] = 7;
    box = mt_volume_mask_box(mask, size);
    g_assert_cmpmem(box.start, sizeof size, ((int64_t[3]){1, 1, 1}), sizeof size);
    g_assert_cmpmem(box.size, sizeof size, ((int64_t[3]){3, 2, 2}), sizeof size);
}

static mt_volume *make_volume(void)
{
    static const double affine[16] = {0.5, 0.1, 0, -7, -0.1, 0.6, 0.2, 3, 0, 0.1, 2, 11, 0, 0, 0, 1};
    mt_volume          *v = mt_volume_new((int64_t[3]){5, 4, 3}, 2, NULL);

    v->has_frame = true;
    memcpy(v->affine, affine, sizeof affine);
    memcpy(v->spacing_mm, (double[3]){0.51, 0.62, 2.01}, sizeof v->spacing_mm);
    for (int i = 0; i < 120; i++)
        v->data[i] = (float)(i + 1);
    return v;
}

/* Every voxel of the box stands where it stood in the patient, in both channels. */
static void check_part(const mt_volume *v, const mt_volume *part, const int64_t start[3])
{
    for (int row = 0; row < 3; row++) {
        double wanted = v->affine[4 * row + 3];
        for (int d = 0; d < 3; d++)
            wanted += v->affine[4 * row + d] * (double)start[d];
        g_assert_cmpfloat_with_epsilon(part->affine[4 * row + 3], wanted, 1e-12);
    }
    g_assert_cmpmem(part->spacing_mm, sizeof v->spacing_mm, v->spacing_mm, sizeof v->spacing_mm);
    for (int64_t i = 0; i < 2 * mt_volume_voxels(part); i++) {
        int64_t n = mt_volume_voxels(part),
                at[3] = {i % part->size[0], i / part->size[0] % part->size[1], i % n / part->size[0] / part->size[1]};
        bool inside = true;
        for (int d = 0; d < 3; d++) {
            at[d] += start[d];
            inside = inside && at[d] >= 0 && at[d] < v->size[d];
        }
        float wanted = inside ? v->data[i / n * 60 + (at[2] * 4 + at[1]) * 5 + at[0]] : 0;
        g_assert_cmpfloat((double)part->data[i], ==, (double)wanted);
    }
}

static void test_crop(void)
{
    g_autoptr(mt_volume) v = make_volume();
    mt_volume_box box = {{1, 2, 1}, {3, 2, 2}};
    g_autoptr(mt_volume) part = mt_volume_crop(v, &box, NULL);
    uint8_t labels[60], cut[12], back[60];
    float   values[60];

    check_part(v, part, box.start);
    for (int i = 0; i < 60; i++)
        labels[i] = (uint8_t)(i + 1);
    mt_volume_cut_labels(labels, v->size, &box, cut);
    for (int i = 0; i < 12; i++)
        g_assert_cmpint(cut[i], ==, (int)part->data[i]);
    mt_volume_paste_labels(cut, &box, v->size, back);
    mt_volume_paste_values(part->data, &box, v->size, -1, values);
    for (int i = 0; i < 60; i++) {
        bool inside = i % 5 >= 1 && i % 5 < 4 && i / 5 % 4 >= 2 && i / 20 >= 1;
        g_assert_cmpint(back[i], ==, inside ? labels[i] : 0);
        g_assert_cmpfloat((double)values[i], ==, inside ? labels[i] : -1);
    }
}

static void test_pad(void)
{
    g_autoptr(mt_volume) v = make_volume();
    int64_t before[3];
    g_autoptr(mt_volume) out = mt_volume_pad(v, (int64_t[3]){8, 2, 5}, before, NULL);

    g_assert_cmpmem(out->size, sizeof before, ((int64_t[3]){8, 4, 5}), sizeof before);
    g_assert_cmpmem(before, sizeof before, ((int64_t[3]){1, 0, 1}), sizeof before);
    check_part(v, out, (int64_t[3]){-1, 0, -1});
}

static void test_refused(void)
{
    g_autoptr(mt_volume) v = make_volume();
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_volume_crop(v, &(mt_volume_box){{3, 0, 0}, {3, 1, 1}}, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_assert_cmpstr(error->message, ==, "crop a volume of 5 x 4 x 3 voxels: 3 x 1 x 1 at (3, 0, 0) is no box of it");
    for (int k = 1; k < 3; k++) {
        g_clear_error(&error);
        for (int i = 0; i < 120; i++)
            v->data[i] = 0;
        mt_alloc_fail_at(k);
        g_assert_null(mt_volume_nonzero_mask(v, &error));
        mt_alloc_fail_at(0);
        g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/crop/holes", test_holes);
    g_test_add_func("/crop/long-way", test_long_way);
    g_test_add_func("/crop/box", test_box);
    g_test_add_func("/crop/crop", test_crop);
    g_test_add_func("/crop/pad", test_pad);
    g_test_add_func("/crop/refused", test_refused);
    return g_test_run();
}

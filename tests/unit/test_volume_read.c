/* Cases read whole: every orientation by construction, samples against nibabel and pydicom (volume_expected.py), what is refused. */
#include "made_nifti.h"

#include "src/base/alloc.h"
#include "src/case/volume_read.h"
#include "src/export/picture_png.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <math.h>

static char *folder;

/* ---- by construction ---- */

static const double voxel_mm[3] = {0.5, 0.75, 2};

/* Stored voxel (i, j, k) of 4 x 3 x 2 is i + 10 j + 100 k; stored axis s runs along axis[s], with or against it. */
static char *write_turned(const int axis[3], const int sign[3], char unit)
{
    made_nifti m = {.size = {4, 3, 2}, .datatype = 4, .unit = unit};
    int16_t    voxels[24];

    for (int16_t n = 0; n < 24; n++)
        voxels[n] = (int16_t)(n % 4 + 10 * (n / 4 % 3) + 100 * (n / 12));
    for (int s = 0; s < 3; s++) {
        m.affine[4 * axis[s] + s] = (float)(sign[s] * voxel_mm[s]);
        m.affine[4 * axis[s] + 3] = 10.25f * (float)(axis[s] + 1);
    }
    char *path = g_build_filename(folder, "turned.nii", NULL);
    made_nifti_write(path, &m, voxels, sizeof voxels);
    return path;
}

static void check_spacing(const mt_volume *v)
{
    for (int d = 0; d < 3; d++) {
        double squares = 0;
        for (int row = 0; row < 3; row++)
            squares += v->affine[4 * row + d] * v->affine[4 * row + d];
        g_assert_cmpfloat_with_epsilon(v->spacing_mm[d], sqrt(squares), 1e-12);
    }
}

/* Each voxel must be the stored one that the stored affine puts at the same place in the patient. */
static void check_places(const mt_volume *v, const int axis[3], const int sign[3])
{
    const float *data = v->data;

    for (int64_t z = 0; z < v->size[2]; z++) {
        for (int64_t y = 0; y < v->size[1]; y++) {
            for (int64_t x = 0; x < v->size[0]; x++) {
                double  at[3];
                int64_t stored[3];
                for (int row = 0; row < 3; row++)
                    at[row] = v->affine[4 * row] * (double)x + v->affine[4 * row + 1] * (double)y + v->affine[4 * row + 2] * (double)z +
                              v->affine[4 * row + 3];
                for (int s = 0; s < 3; s++)
                    stored[s] = llround((at[axis[s]] - 10.25 * (axis[s] + 1)) / (sign[s] * voxel_mm[s]));
                g_assert_cmpfloat((double)*data++, ==, (double)(stored[0] + 10 * stored[1] + 100 * stored[2]));
            }
        }
    }
}

static void check_order(mt_case *c, mt_volume_order order, const int axis[3], const int sign[3])
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_volume) v = mt_volume_read(c, order, 0, 2, &error);

    g_assert_no_error(error);
    g_assert_true(v->has_frame);
    check_spacing(v);
    check_places(v, axis, sign);
    for (int64_t n = 0; order == MT_VOLUME_STORED && n < 24; n++)
        g_assert_cmpfloat((double)v->data[n], ==, (double)(n % 4 + 10 * (n / 4 % 3) + 100 * (n / 12)));
    for (int d = 0; order == MT_VOLUME_RAS && d < 3; d++)
        g_assert_cmpfloat(v->affine[5 * d], >, 0);
}

/* Labels made in one order must stand at the voxels of the other. */
static void check_labels(mt_case *c)
{
    for (int from = 0; from < 3; from++) {
        for (int to = 0; to < 3; to++) {
            g_autoptr(mt_volume) a = mt_volume_read(c, (mt_volume_order)from, 0, 1, NULL);
            g_autoptr(mt_volume) b = mt_volume_read(c, (mt_volume_order)to, 0, 1, NULL);
            uint8_t labels[24], turned[24];
            float   values[24];

            for (int n = 0; n < 24; n++)
                labels[n] = (uint8_t)a->data[n];
            mt_volume_turn_labels(c, (mt_volume_order)from, (mt_volume_order)to, labels, turned);
            mt_volume_turn_values(c, (mt_volume_order)from, (mt_volume_order)to, a->data, values);
            for (int n = 0; n < 24; n++)
                g_assert_cmpint(turned[n], ==, (uint8_t)b->data[n]);
            g_assert_cmpmem(values, sizeof values, b->data, sizeof values);
        }
    }
}

static void test_orders(void)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    for (int way = 0; way < 48; way++) {
        int sign[3];

        for (int s = 0; s < 3; s++)
            sign[s] = (way >> s & 1) != 0 ? -1 : 1;
        g_autofree char *path = write_turned(orders[way / 8], sign, 2);
        for (int planes = 0; planes < 3; planes++) {
            g_autoptr(mt_case) c = mt_case_open(path, &(mt_case_options){.plane_axis = (mt_plane_axis)planes}, NULL);
            for (int order = 0; order < 3; order++)
                check_order(c, (mt_volume_order)order, orders[way / 8], sign);
            check_labels(c);
        }
    }
}

/* ---- oblique ---- */

/* Turned about two axes, flipped, voxels of 0.4 x 0.9 x 3 mm. */
static const float oblique[12] = {-0.32f, 0.27f, 1.6f, 41, 0.2f, 0.83f, -0.9f, -17, 0.13f, 0.21f, -2.4f, 63};

/* Whatever the order, what the file holds at a voxel is at the millimetres that the file says, and a mark made there goes back to it. */
static void check_oblique(mt_case *c, mt_volume_order order)
{
    g_autoptr(mt_volume) v = mt_volume_read(c, order, 0, 1, NULL);
    uint8_t marks[60], back[60];

    for (int64_t n = 0; n < 60; n++) {
        int64_t stored = (int64_t)v->data[n], at[3] = {n % v->size[0], n / v->size[0] % v->size[1], n / v->size[0] / v->size[1]};
        int64_t index[3] = {stored % 5, stored / 5 % 4, stored / 20};

        for (int row = 0; row < 3; row++) {
            double wanted = (double)oblique[4 * row + 3], got = v->affine[4 * row + 3];
            for (int d = 0; d < 3; d++) {
                wanted += (double)oblique[4 * row + d] * (double)index[d];
                got += v->affine[4 * row + d] * (double)at[d];
            }
            g_assert_cmpfloat_with_epsilon(got, wanted, 1e-4);
        }
        marks[n] = (uint8_t)stored;
    }
    mt_volume_turn_labels(c, order, MT_VOLUME_STORED, marks, back);
    for (int n = 0; n < 60; n++)
        g_assert_cmpint(back[n], ==, n);
}

static void test_oblique(void)
{
    made_nifti       m = {.size = {5, 4, 3}, .datatype = 2, .unit = 2};
    g_autofree char *path = g_build_filename(folder, "oblique.nii", NULL);
    uint8_t          voxels[60];

    for (uint8_t n = 0; n < 60; n++)
        voxels[n] = n;
    memcpy(m.affine, oblique, sizeof oblique);
    made_nifti_write(path, &m, voxels, sizeof voxels);
    for (int planes = 0; planes < 3; planes++) {
        g_autoptr(mt_case) c = mt_case_open(path, &(mt_case_options){.plane_axis = (mt_plane_axis)planes}, NULL);
        for (int order = 0; order < 3; order++)
            check_oblique(c, (mt_volume_order)order);
    }
}

/* ---- lengths ---- */

static void test_stated_spacing(void)
{
    g_autofree char *path = write_turned((const int[3]){0, 1, 2}, (const int[3]){1, 1, 1}, 0);
    g_autoptr(mt_case) silent = mt_case_open(path, NULL, NULL);
    g_autoptr(mt_case) stated = mt_case_open(path, &(mt_case_options){.mpp_x = 5000, .mpp_y = 7500}, NULL);
    g_autoptr(mt_volume) unknown = mt_volume_read(silent, MT_VOLUME_RAS, 0, 1, NULL);
    g_autoptr(mt_volume) known = mt_volume_read(stated, MT_VOLUME_RAS, 0, 1, NULL);

    for (int d = 0; d < 3; d++) {
        g_assert_cmpfloat(unknown->spacing_mm[d], ==, 0);
        g_assert_cmpfloat_with_epsilon(unknown->affine[5 * d], voxel_mm[d], 1e-12);
        g_assert_cmpfloat_with_epsilon(known->spacing_mm[d], 10 * voxel_mm[d], 1e-12);
        g_assert_cmpfloat_with_epsilon(known->affine[5 * d], 10 * voxel_mm[d], 1e-12);
    }
}

static void test_contradiction(void)
{
    g_autofree char *path = write_turned((const int[3]){0, 1, 2}, (const int[3]){1, 1, 1}, 0);
    g_autoptr(mt_case) c = mt_case_open(path, &(mt_case_options){.mpp_x = 500, .mpp_y = 500, .mpp_source = "manifest"}, NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *wanted = g_strdup_printf("read %s whole: 500 x 500 µm/px (manifest) do not have the proportions of its affine, "
                                              "0.5 x 0.75: correct the statement",
                                              path);

    g_assert_null(mt_volume_read(c, MT_VOLUME_RAS, 0, 1, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_SPACING);
    g_assert_cmpstr(error->message, ==, wanted);
}

/* ---- refusals ---- */

static void test_not_finite(void)
{
    made_nifti       m = {.size = {2, 2, 9}, .datatype = 16, .unit = 2, .affine = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
    float            voxels[36] = {0};
    g_autofree char *path = g_build_filename(folder, "nan.nii", NULL);
    g_autofree char *wanted =
        g_strdup_printf("read %s whole: plane 3 has a sample that is not finite, at (1, 0): replace such samples", path);

    voxels[13] = NAN;
    voxels[30] = INFINITY;
    made_nifti_write(path, &m, voxels, sizeof voxels);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
    for (int threads = 1; threads < 4; threads++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(mt_volume_read(c, MT_VOLUME_RAS, 0, threads, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
        g_assert_cmpstr(error->message, ==, wanted);
    }
}

static void test_memory(void)
{
    g_autofree char *path = write_turned((const int[3]){0, 1, 2}, (const int[3]){1, 1, 1}, 2);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *wanted = g_strdup_printf(
        "read %s whole: 4 x 3 x 2 voxels of 1 channel take 96 bytes, over the limit of 95: raise it, or cut the case", path);

    g_assert_null(mt_volume_read(c, MT_VOLUME_STORED, 95, 1, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
    g_assert_cmpstr(error->message, ==, wanted);
    g_autoptr(mt_volume) v = mt_volume_read(c, MT_VOLUME_STORED, 96, 1, NULL);
    g_assert_nonnull(v);
}

static void test_refused_memory(void)
{
    g_autofree char *path = write_turned((const int[3]){0, 1, 2}, (const int[3]){1, 1, 1}, 2);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);

    for (int k = 1; k < 3; k++) {
        g_autoptr(GError) error = NULL;

        mt_alloc_fail_at(k);
        g_assert_null(mt_volume_read(c, MT_VOLUME_STORED, 0, 1, &error));
        mt_alloc_fail_at(0);
        g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
    }
}

/* ---- pictures ---- */

static void test_colour(void)
{
    uint8_t              rgb[] = "abcdefghijklmnopqr";
    const mt_tile_pixels pixels = {.width = 3, .height = 2, .channels = 3, .dtype = MT_U8, .data = rgb};
    g_autofree char     *path = g_build_filename(folder, "picture.png", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) png = mt_picture_png(&pixels, 0, &error);

    g_assert_no_error(error);
    g_assert_true(g_file_set_contents(path, g_bytes_get_data(png, NULL), (gssize)g_bytes_get_size(png), NULL));
    g_autoptr(mt_case) c = mt_case_open(path, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(mt_volume) v = mt_volume_read(c, MT_VOLUME_STORED, 0, 2, &error);
    g_assert_no_error(error);
    g_assert_cmpint(v->channels, ==, 3);
    g_assert_cmpint(v->size[0] * 100 + v->size[1] * 10 + v->size[2], ==, 321);
    g_assert_false(v->has_frame);
    for (int i = 0; i < 18; i++)
        g_assert_cmpfloat((double)v->data[i % 3 * 6 + i / 3], ==, (double)('a' + i));
}

/* ---- samples ---- */

static void check_sample(mt_case *c, mt_volume_order order, json_t *known)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_volume) v = mt_volume_read(c, order, 0, 2, &error);
    json_t      *affine = json_object_get(known, "affine");
    double       sum = 0, wanted = json_number_value(json_object_get(known, "checksum"));
    const float *at = v != NULL ? v->data : NULL;

    g_assert_no_error(error);
    for (size_t d = 0; d < 3; d++)
        g_assert_cmpint(v->size[d], ==, json_integer_value(json_array_get(json_object_get(known, "size"), d)));
    for (size_t i = 0; json_is_array(affine) && i < 16; i++)
        g_assert_cmpfloat_with_epsilon(v->affine[i], json_number_value(json_array_get(json_array_get(affine, i / 4), i % 4)), 2e-4);
    for (int64_t z = 0; z < v->size[2]; z++)
        for (int64_t y = 0; y < v->size[1]; y++)
            for (int64_t x = 0; x < v->size[0]; x++)
                sum += (double)*at++ * (double)(1 + (3 * x + 5 * y + 7 * z) % 251);
    g_assert_cmpfloat_with_epsilon(sum, wanted, 1e-9 * MAX(1, fabs(wanted)));
}

static void test_samples(void)
{
    const char      *dir = g_getenv("MICROTOME_TEST_DATA"), *name;
    g_autofree char *expected = g_test_build_filename(G_TEST_DIST, "unit", "volume_expected.json", NULL);
    json_t          *root = json_load_file(expected, 0, NULL), *entry;

    g_assert_nonnull(root);
    if (dir == NULL)
        g_test_skip("MICROTOME_TEST_DATA is not set");
    json_object_foreach(dir != NULL ? root : NULL, name, entry)
    {
        g_autofree char *path = g_build_filename(dir, name, NULL);
#ifndef MT_HAVE_DCMTK
        if (g_file_test(path, G_FILE_TEST_IS_DIR))
            continue;
#endif
        g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);

        g_test_message("%s", name);
        check_sample(c, MT_VOLUME_STORED, json_object_get(entry, "stored"));
        check_sample(c, MT_VOLUME_RAS, json_object_get(entry, "ras"));
    }
    json_decref(root);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("volume-XXXXXX", NULL);
    g_test_add_func("/volume/orders", test_orders);
    g_test_add_func("/volume/oblique", test_oblique);
    g_test_add_func("/volume/stated-spacing", test_stated_spacing);
    g_test_add_func("/volume/contradiction", test_contradiction);
    g_test_add_func("/volume/not-finite", test_not_finite);
    g_test_add_func("/volume/memory", test_memory);
    g_test_add_func("/volume/refused-memory", test_refused_memory);
    g_test_add_func("/volume/colour", test_colour);
    g_test_add_func("/volume/samples", test_samples);
    int status = g_test_run();
    g_autoptr(GFile) made = g_file_new_for_path(folder);
    g_autoptr(GFileEnumerator) all = g_file_enumerate_children(made, "standard::name", 0, NULL, NULL);
    for (GFileInfo *info; (info = g_file_enumerator_next_file(all, NULL, NULL)) != NULL; g_object_unref(info)) {
        g_autofree char *path = g_build_filename(folder, g_file_info_get_name(info), NULL);
        g_unlink(path);
    }
    g_rmdir(folder);
    g_free(folder);
    return status;
}

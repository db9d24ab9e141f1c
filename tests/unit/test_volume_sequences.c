/* Sequences of one exam in files that store their axes in different ways. */
#include "made_nifti.h"

#include "src/base/alloc.h"
#include "src/case/volume_read.h"
#include "src/case/volume_sequences.h"

#include <glib/gstdio.h>
#include <math.h>

static char *folder;

/* 5 x 4 x 3 voxels of 1 x 2 x 3 mm along the patient's axes, the value made of the millimetres; stored axis s runs along axis[s]. */
static mt_case *make_case(const char *name, const int axis[3], const bool against[3], float scale, float shift)
{
    static const int16_t size[3] = {5, 4, 3};
    made_nifti           m = {.datatype = 16, .unit = 2};
    float                voxels[60], mm[3];
    g_autofree char     *path = g_build_filename(folder, name, NULL);
    int                  n = 0;

    for (int s = 0; s < 3; s++) {
        int   d = axis[s];
        float step = (float)(d + 1);
        m.size[s] = size[d];
        m.affine[4 * d + s] = against[s] ? -step : step;
        m.affine[4 * d + 3] = (against[s] ? step * (float)(size[d] - 1) : 0) + (d == 0 ? shift : 0);
    }
    for (int k = 0; k < m.size[2]; k++)
        for (int j = 0; j < m.size[1]; j++)
            for (int i = 0; i < m.size[0]; i++) {
                const float at[3] = {(float)i, (float)j, (float)k};
                for (int row = 0; row < 3; row++) {
                    mm[row] = m.affine[4 * row + 3];
                    for (int s = 0; s < 3; s++)
                        mm[row] += m.affine[4 * row + s] * at[s];
                }
                voxels[n++] = scale * (mm[0] + 10 * mm[1] + 100 * mm[2]);
            }
    made_nifti_write(path, &m, voxels, sizeof voxels);
    return mt_case_open(path, NULL, NULL);
}

static mt_case *t1, *t2, *moved;

static void check_values(const mt_volume *v)
{
    int64_t n = mt_volume_voxels(v);

    g_assert_cmpint(v->channels, ==, 2);
    for (int64_t i = 0; i < n; i++) {
        int64_t at[3] = {i % v->size[0], i / v->size[0] % v->size[1], i / v->size[0] / v->size[1]};
        double  mm[3];

        for (int row = 0; row < 3; row++) {
            mm[row] = v->affine[4 * row + 3];
            for (int d = 0; d < 3; d++)
                mm[row] += v->affine[4 * row + d] * (double)at[d];
        }
        for (int ch = 0; ch < 2; ch++)
            g_assert_cmpfloat_with_epsilon((double)v->data[ch * n + i], (ch + 1) * (mm[0] + 10 * mm[1] + 100 * mm[2]), 1e-3);
    }
}

static void test_orders(void)
{
    mt_case    *cases[] = {t1, t2};
    const char *roles[] = {"t1", "t2"};

    for (int order = 0; order < 3; order++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_volume) v = mt_volume_read_sequences(cases, roles, 2, (mt_volume_order)order, MT_REGISTER_NONE, 0, 2, &error);
        g_autoptr(mt_volume) alone = mt_volume_read(t1, (mt_volume_order)order, 0, 1, NULL);

        g_assert_no_error(error);
        check_values(v);
        g_assert_cmpmem(v->size, sizeof v->size, alone->size, sizeof v->size);
        g_assert_cmpmem(v->data, 240, alone->data, 240);
        for (int i = 0; i < 16; i++)
            g_assert_cmpfloat_with_epsilon(v->affine[i], alone->affine[i], 1e-12);
        for (int d = 0; d < 3; d++)
            g_assert_cmpfloat_with_epsilon(v->spacing_mm[d], alone->spacing_mm[d], 1e-12);
    }
}

static void test_refused(void)
{
    mt_case    *cases[] = {t1, moved};
    const char *roles[] = {"t1", "flair"};
    g_autoptr(GError) error = NULL;
    g_autofree char *apart = g_strdup_printf(
        "join t1 (%s) and flair (%s): 5 x 4 x 3 and 5 x 4 x 3 voxels, corners up to 0.5 mm apart: resample them to one grid first, or say "
        "register=header where they share a frame of reference",
        mt_case_path(t1), mt_case_path(moved));
    g_autofree char *missing = g_strdup_printf("join the sequences of a case: flair is missing, and there is t1 (%s)", mt_case_path(t1));
    g_autofree char *spent =
        g_strdup_printf("read %s whole: the sequences before it have taken the memory that is allowed", mt_case_path(moved));

    g_assert_null(mt_volume_read_sequences(cases, roles, 2, MT_VOLUME_STORED, MT_REGISTER_NONE, 0, 1, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, apart);
    g_clear_error(&error);
    g_assert_null(mt_volume_read_sequences(cases, roles, 2, MT_VOLUME_STORED, MT_REGISTER_NONE, 240, 1, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
    g_assert_cmpstr(error->message, ==, spent);
    g_clear_error(&error);
    cases[1] = NULL;
    g_assert_null(mt_volume_read_sequences(cases, roles, 2, MT_VOLUME_STORED, MT_REGISTER_NONE, 0, 1, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, missing);
}

static void test_refused_memory(void)
{
    mt_case    *cases[] = {t1, t2};
    const char *roles[] = {"t1", "t2"};
    int         failures = 0;

    for (int k = 1; k < 12; k++) {
        g_autoptr(GError) error = NULL;

        mt_alloc_fail_at(k);
        g_autoptr(mt_volume) v = mt_volume_read_sequences(cases, roles, 2, MT_VOLUME_STORED, MT_REGISTER_NONE, 0, 1, &error);
        mt_alloc_fail_at(0);
        g_assert_cmpint(v == NULL, ==, error != NULL);
        failures += error != NULL;
    }
    g_assert_cmpint(failures, ==, 6); /* two volumes and planes, the joined one, the turned one */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("sequences-XXXXXX", NULL);
    t1 = make_case("t1.nii", (const int[3]){1, 2, 0}, (const bool[3]){true, false, true}, 1, 0);
    t2 = make_case("t2.nii", (const int[3]){0, 1, 2}, (const bool[3]){true, true, false}, 2, 0);
    moved = make_case("flair.nii", (const int[3]){0, 1, 2}, (const bool[3]){false, false, false}, 2, 0.5f);
    g_test_add_func("/sequences/orders", test_orders);
    g_test_add_func("/sequences/refused", test_refused);
    g_test_add_func("/sequences/refused-memory", test_refused_memory);
    int      status = g_test_run();
    mt_case *all[] = {t1, t2, moved};
    for (int i = 0; i < 3; i++) {
        g_unlink(mt_case_path(all[i]));
        mt_case_free(all[i]);
    }
    g_rmdir(folder);
    g_free(folder);
    return status;
}

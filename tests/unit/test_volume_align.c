/* Sequences on one grid: against scipy and numpy (volume_align_expected.py), by construction, and what is refused. */
#include "made_nifti.h"

#include "src/base/alloc.h"
#include "src/case/source.h"
#include "src/case/volume_affine.h"
#include "src/case/volume_align.h"

#include <glib/gstdio.h>
#include <math.h>
#include <microtome/tensor.h>

static const double reference[16] = {0.9, 0.1, 0, -7, -0.1, 0.9, 0.2, 3, 0, -0.15, 1.5, 11, 0, 0, 0, 1};
static const double moving[16] = {-1.1, 0, 0.3, 9, 0, 1.3, 0.1, -1, 0.2, 0.1, 2.0, 8, 0, 0, 0, 1};

static mt_tensor *load(const char *name)
{
    g_autofree char *file = g_strdup_printf("align_%s.npy", name);
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "unit", "data", "volume", file, NULL);
    g_autoptr(GError) error = NULL;
    mt_tensor *t = mt_tensor_read_npy(path, &error);

    g_assert_no_error(error);
    return t;
}

static mt_volume *make_volume(const double affine[16], int64_t x, int64_t y, int64_t z, int channels)
{
    mt_volume *v = mt_volume_new((int64_t[3]){x, y, z}, channels, NULL);
    int64_t    n = mt_volume_voxels(v);

    memcpy(v->affine, affine, sizeof v->affine);
    mt_affine_spacing(affine, v->spacing_mm);
    v->has_frame = true;
    for (int64_t i = 0; i < n * channels; i++)
        v->data[i] = (float)((double)((uint32_t)((uint64_t)(i % n) * 2654435761U + 12345) >> 12) / 512 - 1000);
    return v;
}

/* ---- affines ---- */

static void test_inverse(void)
{
    g_autoptr(mt_tensor) wanted = load("inverse");
    double inverse[16], unit[16], at[3] = {3, -5, 7};

    g_assert_true(mt_affine_inverse(moving, inverse));
    for (int i = 0; i < 16; i++)
        g_assert_cmpfloat_with_epsilon(inverse[i], ((const double *)wanted->data)[i], 1e-12);
    mt_affine_multiply(moving, inverse, unit);
    for (int i = 0; i < 16; i++)
        g_assert_cmpfloat_with_epsilon(unit[i], i % 5 == 0, 1e-12);
    mt_affine_apply(moving, at, at);
    mt_affine_apply(inverse, at, at);
    g_assert_cmpfloat_with_epsilon(at[0], 3, 1e-12);
    g_assert_cmpfloat_with_epsilon(at[1], -5, 1e-12);
    g_assert_cmpfloat_with_epsilon(at[2], 7, 1e-12);
    g_assert_false(mt_affine_inverse((double[16]){1, 2, 0, 0, 2, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}, inverse));
    g_assert_false(mt_affine_inverse((double[16]){NAN, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}, inverse));
}

static void test_equal(void)
{
    double other[16];

    memcpy(other, reference, sizeof other);
    other[3] += 0.9e-3;
    g_assert_true(mt_affine_equal(reference, other));
    other[3] += 0.2e-3;
    g_assert_false(mt_affine_equal(reference, other));
    memcpy(other, reference, sizeof other);
    other[0] += 2e-3;
    g_assert_false(mt_affine_equal(reference, other));
    memcpy(other, reference, sizeof other);
    other[4] += 1e-3;
    other[1] += 1e-3;
    g_assert_false(mt_affine_equal(reference, other));
    g_assert_cmpfloat_with_epsilon(mt_affine_distance(reference, (int64_t[3]){5, 5, 5}, other, (int64_t[3]){5, 5, 5}), 4e-3 * sqrt(2),
                                   1e-9);
}

/* ---- trilinear ---- */

static void test_moved(void)
{
    g_autoptr(mt_tensor) wanted = load("moved");
    g_autoptr(mt_volume) like = make_volume(reference, 13, 11, 9, 1), v = make_volume(moving, 12, 10, 8, 2);

    for (int threads = 1; threads < 4; threads++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_volume) out = mt_volume_resample_like(v, like, 0, threads, &error);
        int64_t n = mt_volume_voxels(like), outside = 0;

        g_assert_no_error(error);
        for (int64_t i = 0; i < 2 * n; i++) {
            double known = (double)((const float *)wanted->data)[i % n];
            g_assert_cmpfloat_with_epsilon((double)out->data[i], known, 1e-3);
            outside += known == 0;
        }
        g_assert_cmpint(outside, >, 0);
        g_assert_cmpint(outside, <, 2 * n);
        g_assert_cmpmem(out->affine, sizeof reference, reference, sizeof reference);
    }
}

static void test_apart(void)
{
    double far[16];
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_volume) like = make_volume(reference, 5, 5, 5, 1);

    memcpy(far, moving, sizeof far);
    far[3] = 1000;
    g_autoptr(mt_volume) v = make_volume(far, 5, 5, 5, 1);
    g_assert_null(mt_volume_resample_like(v, like, 0, 1, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, "resample a volume onto another's grid: they have no place in common");
    g_clear_error(&error);
    v->has_frame = false;
    g_assert_null(mt_volume_resample_like(v, like, 0, 1, &error));
    g_assert_cmpstr(error->message, ==, "resample a volume onto another's grid: one of them has no place in the patient");
}

/* ---- sequences ---- */

static void test_joined(void)
{
    double nearly[16];

    memcpy(nearly, reference, sizeof nearly);
    nearly[7] += 0.5e-3;
    g_autoptr(mt_volume) a = make_volume(reference, 6, 5, 4, 1), b = make_volume(nearly, 6, 5, 4, 2);
    mt_sequence sequences[] = {{"t1", "a.nii", a, NULL}, {"t2", "b.nii", b, NULL}};

    b->data[121] = 5;
    g_autoptr(mt_volume) out = mt_volume_align(sequences, 2, MT_REGISTER_NONE, 1, NULL);
    g_assert_cmpint(out->channels, ==, 3);
    g_assert_cmpmem(out->data, 480, a->data, 480);
    g_assert_cmpmem(out->data + 120, 960, b->data, 960);
    g_assert_cmpmem(out->affine, sizeof reference, reference, sizeof reference);
}

static void check_refused(const mt_sequence *sequences, int n, mt_registering how, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_volume_align(sequences, n, how, 1, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_missing(void)
{
    g_autoptr(mt_volume) a = make_volume(reference, 6, 5, 4, 1);
    mt_sequence sequences[] = {{"t1", "a.nii", a, NULL}, {"t1c", NULL, NULL, NULL}, {"flair", NULL, NULL, NULL}};

    check_refused(sequences, 3, MT_REGISTER_NONE, "join the sequences of a case: t1c, flair are missing, and there is t1 (a.nii)");
    check_refused(sequences, 2, MT_REGISTER_NONE, "join the sequences of a case: t1c is missing, and there is t1 (a.nii)");
    check_refused(sequences + 1, 1, MT_REGISTER_NONE, "join the sequences of a case: t1c is missing, and there are no others");
}

static void test_misaligned(void)
{
    double shifted[16];

    memcpy(shifted, reference, sizeof shifted);
    shifted[11] += 2.5;
    g_autoptr(mt_volume) a = make_volume(reference, 6, 5, 4, 1), b = make_volume(shifted, 6, 5, 4, 1);
    mt_sequence      sequences[] = {{"t1", "a.nii", a, "1.2"}, {"t2", "b.nii", b, "1.2"}};
    const char      *start = "join t1 (a.nii) and t2 (b.nii): 6 x 5 x 4 and 6 x 5 x 4 voxels, corners up to 2.5 mm apart: ";
    g_autofree char *plain =
        g_strconcat(start, "resample them to one grid first, or say register=header where they share a frame of reference", NULL);
    g_autofree char *differ =
        g_strconcat(start, "their frames of reference differ, so that the headers cannot bring them together: register them first", NULL);
    g_autofree char *silent = g_strconcat(
        start, "a header does not name its frame of reference: register them first, or say register=stated if they share it", NULL);

    check_refused(sequences, 2, MT_REGISTER_NONE, plain);
    g_autoptr(mt_volume) named = mt_volume_align(sequences, 2, MT_REGISTER_HEADER, 1, NULL);
    g_assert_nonnull(named);
    sequences[1].frame_of_reference = "1.3";
    check_refused(sequences, 2, MT_REGISTER_HEADER, differ);
    check_refused(sequences, 2, MT_REGISTER_STATED, differ);
    sequences[1].frame_of_reference = NULL;
    check_refused(sequences, 2, MT_REGISTER_HEADER, silent);
    g_autoptr(mt_volume) stated = mt_volume_align(sequences, 2, MT_REGISTER_STATED, 1, NULL);
    g_assert_nonnull(stated);
    b->has_frame = false;
    check_refused(sequences, 2, MT_REGISTER_STATED,
                  "join t1 (a.nii) and t2 (b.nii): their place in the patient is not known: nothing says that their voxels fit");
}

/* A ramp in millimetres comes out as the same ramp on the other grid. */
static void test_registered(void)
{
    static const double turned[16] = {0, 0, 2, -6, 0, -1, 0, 8, 1.5, 0, 0, -4, 0, 0, 0, 1};
    static const double plain[16] = {1, 0, 0, -2, 0, 1, 0, 2, 0, 0, 1, 0, 0, 0, 0, 1};
    g_autoptr(mt_volume) a = make_volume(plain, 5, 4, 3, 1), b = make_volume(turned, 8, 9, 7, 1);
    mt_sequence sequences[] = {{"t1", "a", a, "1.2"}, {"t2", "b", b, "1.2"}};

    for (int64_t i = 0; i < 504; i++) {
        double at[3] = {(double)(i % 8), (double)(i / 8 % 9), (double)(i / 72)};
        mt_affine_apply(turned, at, at);
        b->data[i] = (float)(at[0] + 10 * at[1] + 100 * at[2]);
    }
    g_autoptr(mt_volume) out = mt_volume_align(sequences, 2, MT_REGISTER_HEADER, 2, NULL);
    for (int64_t i = 0; i < 60; i++) {
        double at[3] = {(double)(i % 5), (double)(i / 5 % 4), (double)(i / 20)};
        mt_affine_apply(plain, at, at);
        g_assert_cmpfloat_with_epsilon((double)out->data[60 + i], at[0] + 10 * at[1] + 100 * at[2], 1e-3);
    }
}

static void test_pictures(void)
{
    g_autoptr(mt_volume) a = mt_volume_new((int64_t[3]){4, 3, 1}, 3, NULL), b = mt_volume_new((int64_t[3]){4, 3, 1}, 1, NULL);
    mt_sequence sequences[] = {{"left", "a.png", a, NULL}, {"right", "b.png", b, NULL}};
    g_autoptr(mt_volume) out = mt_volume_align(sequences, 2, MT_REGISTER_NONE, 1, NULL);

    g_assert_cmpint(out->channels, ==, 4);
}

static void test_refused_memory(void)
{
    double shifted[16];

    memcpy(shifted, reference, sizeof shifted);
    shifted[3] += 1;
    g_autoptr(mt_volume) a = make_volume(reference, 6, 5, 4, 1), b = make_volume(shifted, 6, 5, 4, 1);
    mt_sequence sequences[] = {{"t1", "a", a, "1"}, {"t2", "b", b, "1"}};

    for (int k = 1; k < 3; k++) {
        g_autoptr(GError) error = NULL;

        mt_alloc_fail_at(k);
        g_assert_null(mt_volume_align(sequences, 2, MT_REGISTER_HEADER, 1, &error));
        mt_alloc_fail_at(0);
        g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
    }
}

/* ---- what files say ---- */

static void test_frames_of_files(void)
{
    const char *dir = g_getenv("MICROTOME_TEST_DATA");

    if (dir == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    g_autofree char *standard = g_build_filename(dir, "radiology/nifti/avg152T1_LR_nifti.nii.gz", NULL);
    g_autoptr(mt_case) mni = mt_case_open(standard, NULL, NULL);
    g_assert_cmpstr(mt_case_frame_of_reference(mni), ==, "mni");
#ifdef MT_HAVE_DCMTK
    g_autofree char *series = g_build_filename(dir, "radiology/dicom/CT_small.dcm", NULL);
    g_autoptr(mt_case) ct = mt_case_open(series, NULL, NULL);
    g_assert_cmpstr(mt_case_frame_of_reference(ct), ==, "1.3.6.1.4.1.5962.1.4.1.1.20040119072730.12322");
    g_assert_cmpint(mt_case_stored_bits(ct), ==, 16);
    g_autofree char *radiograph = g_build_filename(dir, "radiology/dicom/RG1_J2KI.dcm", NULL);
    g_autoptr(mt_case) cr = mt_case_open(radiograph, NULL, NULL);
    g_assert_null(mt_case_frame_of_reference(cr));
    g_assert_cmpint(mt_case_stored_bits(cr), ==, 15);
#endif
}

static void test_standard_codes(void)
{
    g_autofree char *folder = g_dir_make_tmp("align-XXXXXX", NULL), *path = g_build_filename(folder, "a.nii", NULL);
    made_nifti       m = {.size = {1, 1, 1}, .datatype = 4, .unit = 2, .affine = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};

    made_nifti_write(path, &m, (int16_t[1]){7}, 2);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
    g_assert_null(mt_case_frame_of_reference(c)); /* code 1: of a scanner, but of which session? */
    g_unlink(path);
    g_rmdir(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/align/inverse", test_inverse);
    g_test_add_func("/align/equal", test_equal);
    g_test_add_func("/align/moved", test_moved);
    g_test_add_func("/align/apart", test_apart);
    g_test_add_func("/align/joined", test_joined);
    g_test_add_func("/align/missing", test_missing);
    g_test_add_func("/align/misaligned", test_misaligned);
    g_test_add_func("/align/registered", test_registered);
    g_test_add_func("/align/pictures", test_pictures);
    g_test_add_func("/align/refused-memory", test_refused_memory);
    g_test_add_func("/align/frames-of-files", test_frames_of_files);
    g_test_add_func("/align/standard-codes", test_standard_codes);
    return g_test_run();
}

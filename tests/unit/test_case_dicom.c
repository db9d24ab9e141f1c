/* DICOM images, series and slides: samples, sizes and affines against pydicom, GDCM and nibabel (dicom_expected.py), the authors' own
 * NIfTI volumes through the affines, and what is refused, with its words. */
#include <microtome/case.h>
#include <microtome/error.h>

#include <jansson.h>
#include <math.h>
#include <string.h>

#define LOSSY_GREY_LEVELS 1.0

static const char *data_folder(void)
{
    const char *data = g_getenv("MICROTOME_TEST_DATA");

    if (data == NULL)
        g_test_skip("MICROTOME_TEST_DATA is not set");
    return data;
}

static mt_case *open_case(const char *path)
{
    g_autoptr(GError) error = NULL;
    mt_case *c = mt_case_open(path, NULL, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(mt_case_backend(c), ==, "dicom");
    return c;
}

static double value_at(const void *plane, int64_t i, mt_dtype dtype)
{
    switch (dtype) {
    case MT_U8:
        return ((const uint8_t *)plane)[i];
    case MT_U16:
        return ((const uint16_t *)plane)[i];
    case MT_I16:
        return ((const int16_t *)plane)[i];
    default:
        return (double)((const float *)plane)[i];
    }
}

static void *read_plane(mt_case *c, int64_t z)
{
    const mt_level *l = mt_case_level(c, 0);
    g_autoptr(GError) error = NULL;
    void *plane = g_malloc((gsize)(l->width * l->height * mt_case_channels(c)) * 4);

    mt_case_read(c, z, 0, 0, 0, l->width, l->height, plane, &error);
    g_assert_no_error(error);
    return plane;
}

typedef struct sums {
    double checksum, mean, min, max;
} sums;

static sums sum_case(mt_case *c)
{
    const mt_level *l = mt_case_level(c, 0);
    int             channels = mt_case_channels(c);
    sums            s = {.min = INFINITY, .max = -INFINITY};

    for (int64_t z = 0; z < mt_case_planes(c); z++) {
        g_autofree void *plane = read_plane(c, z);

        for (int64_t i = 0; i < l->width * l->height * channels; i++) {
            int64_t x = i / channels % l->width, y = i / channels / l->width;
            double  v = value_at(plane, i, mt_case_dtype(c));

            s.checksum += v * (double)(1 + (3 * x + 5 * y + 7 * z) % 251);
            s.mean += v;
            s.min = MIN(s.min, v);
            s.max = MAX(s.max, v);
        }
    }
    s.mean /= (double)(l->width * l->height * channels * mt_case_planes(c));
    return s;
}

static double number(json_t *known, const char *key)
{
    return json_number_value(json_object_get(known, key));
}

static void check_affine(mt_case *c, json_t *known)
{
    double affine[16];

    g_assert_cmpint(mt_case_affine(c, affine), ==, json_is_array(known));
    for (size_t i = 0; json_is_array(known) && i < 16; i++)
        g_assert_cmpfloat_with_epsilon(affine[i], json_number_value(json_array_get(json_array_get(known, i / 4), i % 4)), 1e-4);
}

static void check_case(const char *name, json_t *known)
{
    g_autofree char *path = g_build_filename(data_folder(), name, NULL);
    g_autoptr(mt_case) c = open_case(path);
    const mt_level *l = mt_case_level(c, 0);
    json_t         *size = json_object_get(known, "size");
    bool            lossy = json_is_true(json_object_get(known, "lossy"));

    g_test_message("%s", name);
    g_assert_cmpint(l->width, ==, json_integer_value(json_array_get(size, 0)));
    g_assert_cmpint(l->height, ==, json_integer_value(json_array_get(size, 1)));
    g_assert_cmpint(mt_case_planes(c), ==, json_integer_value(json_array_get(size, 2)));
    g_assert_cmpint(mt_case_channels(c), ==, json_integer_value(json_object_get(known, "channels")));
    check_affine(c, json_object_get(known, "affine"));
    sums s = sum_case(c);
    g_assert_cmpfloat_with_epsilon(s.mean, number(known, "mean"), lossy ? LOSSY_GREY_LEVELS : 0.01);
    if (lossy)
        return;
    g_assert_cmpfloat_with_epsilon(s.checksum, number(known, "checksum"), 1e-6 * fabs(number(known, "checksum")) + 1e-6);
    g_assert_cmpfloat_with_epsilon(s.min, number(known, "min"), 1e-3);
    g_assert_cmpfloat_with_epsilon(s.max, number(known, "max"), 1e-3);
}

static void test_all_known(void)
{
    g_autofree char *file = g_test_build_filename(G_TEST_DIST, "unit", "dicom_expected.json", NULL);
    json_t          *root = json_load_file(file, 0, NULL), *known;
    const char      *name;

    if (data_folder() == NULL) {
        json_decref(root);
        return;
    }
    g_assert_nonnull(root);
    json_object_foreach(root, name, known) check_case(name, known);
    json_decref(root);
}

/* Rows of 3 by 3 and a shift: the inverse of the affine. */
static void invert(const double a[16], double b[16])
{
    double d = 0;

    for (int i = 0; i < 3; i++)
        d += a[i] * (a[4 + (i + 1) % 3] * a[8 + (i + 2) % 3] - a[4 + (i + 2) % 3] * a[8 + (i + 1) % 3]);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            int r = (j + 1) % 3, s = (j + 2) % 3, t = (i + 1) % 3, u = (i + 2) % 3;
            b[4 * i + j] = (a[4 * r + t] * a[4 * s + u] - a[4 * r + u] * a[4 * s + t]) / d;
        }
    for (int i = 0; i < 3; i++)
        b[4 * i + 3] = -(b[4 * i] * a[3] + b[4 * i + 1] * a[7] + b[4 * i + 2] * a[11]);
}

static void apply(const double m[16], const double v[3], double out[3])
{
    for (int i = 0; i < 3; i++)
        out[i] = m[4 * i] * v[0] + m[4 * i + 1] * v[1] + m[4 * i + 2] * v[2] + m[4 * i + 3];
}

static double voxel(mt_case *c, const double at[3])
{
    g_autoptr(GError) error = NULL;
    float   value[4] = {0};
    int64_t x = llround(at[0]), y = llround(at[1]), z = llround(at[2]);

    for (int i = 0; i < 3; i++)
        g_assert_cmpfloat(fabs(at[i] - round(at[i])), <, 2e-2);
    mt_case_read(c, z, 0, x, y, 1, 1, value, &error);
    g_assert_no_error(error);
    return value_at(value, 0, mt_case_dtype(c));
}

/* Every 997th voxel of the DICOM volume is the NIfTI voxel at the same place in the patient. */
static void check_against_nifti(const char *series)
{
    g_autofree char *dicom = g_build_filename(data_folder(), "radiology", series, "dicom", NULL);
    g_autofree char *nifti = g_build_filename(data_folder(), "radiology", series, "expected.nii.gz", NULL);
    g_autoptr(mt_case) a = open_case(dicom);
    g_autoptr(mt_case) b = mt_case_open(nifti, NULL, NULL);
    const mt_level *l = mt_case_level(a, 0);
    double          to_world[16], from_world[16], back[16];

    g_assert_nonnull(b);
    g_assert_true(mt_case_affine(a, to_world));
    g_assert_true(mt_case_affine(b, from_world));
    invert(from_world, back);
    for (int64_t i = 0; i < l->width * l->height * mt_case_planes(a); i += 997) {
        double at[3] = {(double)(i % l->width), (double)(i / l->width % l->height), (double)(i / l->width / l->height)}, world[3], there[3];

        apply(to_world, at, world);
        apply(back, world, there);
        g_assert_cmpfloat_with_epsilon(voxel(a, at), voxel(b, there), 1e-3);
    }
}

static void test_equals_nifti(void)
{
    if (data_folder() == NULL)
        return;
    check_against_nifti("d2n-generic-compressed_j2k");
    check_against_nifti("d2n-generic-compressed_jpegls");
    check_against_nifti("d2n-generic-compressed_rle");
    check_against_nifti("d2n-siemens-anatomical");
    check_against_nifti("d2n-siemens_multiframe-anatomical");
}

/* The same voxels whichever way the planes are cut. */
static void test_plane_axes(void)
{
    mt_case_options across = {.plane_axis = MT_AXIS_CORONAL};

    if (data_folder() == NULL)
        return;
    g_autofree char *path = g_build_filename(data_folder(), "radiology", "d2s-ct-3slice", NULL);
    g_autoptr(mt_case) axial = open_case(path);
    g_autoptr(mt_case) coronal = mt_case_open(path, &across, NULL);
    g_assert_cmpint(mt_case_planes(axial), ==, 3);
    g_assert_cmpint(mt_case_planes(coronal), ==, 512);
    g_assert_cmpfloat_with_epsilon(mt_case_plane_spacing_um(coronal), 810.547, 1e-6);
    for (int i = 0; i < 512; i += 37) {
        double a[3] = {i, 511 - i, i % 3}, b[3] = {i, i % 3, 511 - i};
        g_assert_cmpfloat(voxel(axial, a), ==, voxel(coronal, b));
    }
}

static void expect_spacing(const char *name, double x, double y, const char *source)
{
    g_autofree char *path = g_build_filename(data_folder(), "radiology/dicom", name, NULL);
    g_autoptr(mt_case) c = open_case(path);
    double got_x, got_y;

    g_assert_cmpint(mt_case_mpp(c, &got_x, &got_y), ==, x > 0);
    g_assert_cmpfloat_with_epsilon(got_x, x, 1e-3);
    g_assert_cmpfloat_with_epsilon(got_y, y, 1e-3);
    g_assert_cmpstr(mt_case_mpp_source(c), ==, source);
}

static void test_spacing(void)
{
    if (data_folder() == NULL)
        return;
    expect_spacing("CT_small.dcm", 661.468, 661.468, "PixelSpacing");
    expect_spacing("highdicom-dx_image.dcm", 1201.2, 1200, "ImagerPixelSpacing (at the detector)");
    expect_spacing("RG1_J2KI.dcm", 0, 0, "the DICOM header has no PixelSpacing above 0");
    expect_spacing("examples_ybr_color.dcm", 510.497, 510.497, "SequenceOfUltrasoundRegions");
}

static void expect_refusal(const char *name, int code, const char *reason)
{
    g_autofree char *path = g_build_filename(data_folder(), name, NULL), *message = g_strdup_printf("open %s: dicom: %s", path, reason);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_case_open(path, NULL, &error);

    g_assert_null(c);
    g_assert_error(error, MT_ERROR, code);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_refusals(void)
{
    if (data_folder() == NULL)
        return;
    expect_refusal("radiology/d2n-failing-sliceincrement-001", MT_ERROR_INPUT,
                   "1 of its slices is missing, the first after slice 3 in space (gap of 10 mm where 5 is usual): bring the series whole");
    expect_refusal("radiology/d2n-failing-sliceorientation-001", MT_ERROR_INPUT,
                   "its slices point in different directions (ImageOrientationPatient): it is no volume; give each orientation a folder");
    expect_refusal("radiology/dicomdir/77654033", MT_ERROR_INPUT,
                   "it holds 4 series, a case is one of them: name a folder with one series, or choose by [series] of a recipe ([1] CT, 4 "
                   "images of 16 x 16, HEAD, 1.25 mm, "
                   "\"Routine Brain\"; [2] CR, 1 image of 16 x 16, CSPINE, \"Cervical LAT\"; [3] CR, 1 image of 16 x 16, CSPINE, "
                   "\"Cervical OBLI 1\"; [4] CR, 1 image of 16 x 16, CSPINE, \"Cervical OBLI 2\")");
    expect_refusal("radiology/dicom/highdicom-seg_image_ct_binary_overlap.dcm", MT_ERROR_INPUT,
                   "4 positions hold up to 2 images each (echoes, phases, segments or duplicates): give the folder one image a position");
    expect_refusal("wsi/dicom/highdicom-seg_image_sm_dots_tiled_full.dcm", MT_ERROR_INPUT, "it is a segmentation of a slide, not a slide");
    expect_refusal("malformed/dicom/MR_truncated.dcm", MT_ERROR_INPUT,
                   "its pixel data have 8130 bytes, 8192 are wanted: the file is cut short");
    expect_refusal("malformed/dicom/badVR.dcm", MT_ERROR_INPUT, "its NumberOfFrames is \"1A\", not a number in 1..2000000");
    expect_refusal("malformed/dicom/reportsi.dcm", MT_ERROR_INPUT, "it holds no image: name the file or folder of one (modality SR)");
    expect_refusal("malformed/dicom/rtplan_truncated.dcm", MT_ERROR_INPUT,
                   "element (300a,00b0) at byte 1110 of the data set is longer than what holds it: the file is cut short or damaged");
}

static void test_notes(void)
{
    if (data_folder() == NULL)
        return;
    g_autofree char *tilted = g_build_filename(data_folder(), "radiology/d2n-failing-gantrytilting-001", NULL);
    g_autoptr(mt_case) c = open_case(tilted);
    g_assert_cmpstr(
        mt_case_notes(c), ==,
        "rescaled by 1 and -1024 to Hounsfield units; gantry tilt of 14.0 degrees: the volume is sheared, and its affine says so");
    g_assert_cmpint(mt_case_dtype(c), ==, MT_I16);
    g_assert_cmpfloat_with_epsilon(mt_case_plane_spacing_um(c), 4851.479, 1e-2);
}

/* The identity of a folder is that of its images, whatever their names. */
static void test_identity(void)
{
    if (data_folder() == NULL)
        return;
    g_autofree char *folder = g_build_filename(data_folder(), "radiology/d2s-ct-3slice", NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *identity = mt_case_identity(folder, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(strlen(identity), ==, 64);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/case/dicom/known", test_all_known);
    g_test_add_func("/case/dicom/equals-nifti", test_equals_nifti);
    g_test_add_func("/case/dicom/plane-axes", test_plane_axes);
    g_test_add_func("/case/dicom/spacing", test_spacing);
    g_test_add_func("/case/dicom/refusals", test_refusals);
    g_test_add_func("/case/dicom/notes", test_notes);
    g_test_add_func("/case/dicom/identity", test_identity);
    return g_test_run();
}

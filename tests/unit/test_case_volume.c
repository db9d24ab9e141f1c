/* NIfTI volumes: samples against nibabel (case_expected.py), every orientation by construction, headers that lie. */
#include "src/base/alloc.h"
#include "src/case/intensity.h"
#include "src/case/nifti_header.h"
#include "src/case/source.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

/* ---- samples ---- */

static json_t *load_expected(void)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "unit", "case_expected.json", NULL);
    json_t          *root = json_load_file(path, 0, NULL);

    g_assert_nonnull(root);
    return root;
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

static double plane_checksum(mt_case *c, int64_t z, void *plane)
{
    const mt_level *l = mt_case_level(c, 0);
    g_autoptr(GError) error = NULL;
    double sum = 0;

    mt_case_read(c, z, 0, 0, 0, l->width, l->height, plane, &error);
    g_assert_no_error(error);
    for (int64_t y = 0; y < l->height; y++)
        for (int64_t x = 0; x < l->width; x++)
            sum += value_at(plane, y * l->width + x, mt_case_dtype(c)) * (double)(1 + (3 * x + 5 * y + 7 * z) % 251);
    return sum;
}

static void check_affine(mt_case *c, json_t *known)
{
    double affine[16];

    g_assert_cmpint(mt_case_affine(c, affine), ==, json_is_array(known));
    for (size_t i = 0; json_is_array(known) && i < 16; i++)
        g_assert_cmpfloat_with_epsilon(affine[i], json_number_value(json_array_get(json_array_get(known, i / 4), i % 4)), 2e-4);
}

static void check_number(double got, json_t *known)
{
    double wanted = json_number_value(known);

    g_assert_cmpfloat_with_epsilon(got, wanted, 1e-9 * MAX(1, fabs(wanted)));
}

static void check_sample(const char *path, json_t *entry)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_case_open(path, NULL, &error);
    json_t      *size = json_object_get(entry, "size");
    mt_intensity intensity;
    double       sum = 0;

    g_assert_no_error(error);
    const mt_level *l = mt_case_level(c, 0);
    g_assert_cmpstr(mt_case_backend(c), ==, "nifti");
    g_assert_cmpint(l->width, ==, json_integer_value(json_array_get(size, 0)));
    g_assert_cmpint(l->height, ==, json_integer_value(json_array_get(size, 1)));
    g_assert_cmpint(mt_case_planes(c), ==, json_integer_value(json_array_get(size, 2)));
    check_affine(c, json_object_get(entry, "affine"));
    g_autofree void *plane = g_malloc((gsize)(l->width * l->height) * 4);
    for (int64_t z = 0; z < mt_case_planes(c); z++)
        sum += plane_checksum(c, z, plane);
    check_number(sum, json_object_get(entry, "checksum"));
    g_assert_true(mt_case_intensity(c, &intensity, &error));
    check_number(intensity.low, json_array_get(json_object_get(entry, "percentiles"), 0));
    check_number(intensity.high, json_array_get(json_object_get(entry, "percentiles"), 1));
    check_number(intensity.mean, json_object_get(entry, "mean"));
    check_number(intensity.std, json_object_get(entry, "std"));
}

static void check_many_volumes(const char *path, int volumes)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *wanted =
        g_strdup_printf("open %s: nifti: it has %d volumes; choose one and save it as a file of its own", path, volumes);

    g_assert_null(mt_case_open(path, NULL, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, wanted);
}

static void test_samples(void)
{
    const char *dir = g_getenv("MICROTOME_TEST_DATA"), *name;

    if (dir == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    json_t *root = load_expected(), *entry;
    json_object_foreach(root, name, entry)
    {
        g_autofree char *path = g_build_filename(dir, name, NULL);
        int              volumes = (int)json_integer_value(json_object_get(entry, "volumes"));

        g_test_message("%s", name);
        if (volumes > 1)
            check_many_volumes(path, volumes);
        else
            check_sample(path, entry);
    }
    json_decref(root);
}

static void test_sample_spacing(void)
{
    const char *dir = g_getenv("MICROTOME_TEST_DATA");
    double      x, y;

    if (dir == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    g_autofree char *with_unit = g_build_filename(dir, "radiology/nifti/avg152T1_LR_nifti.nii.gz", NULL);
    g_autofree char *without = g_build_filename(dir, "radiology/nifti/ct_small.nii.gz", NULL);
    g_autofree char *header = g_build_filename(dir, "radiology/nifti/minimal.hdr", NULL);
    g_autoptr(mt_case) known = mt_case_open(with_unit, NULL, NULL), unknown = mt_case_open(without, NULL, NULL);
    g_autoptr(mt_case) pair = mt_case_open(header, NULL, NULL);

    g_assert_true(mt_case_mpp(known, &x, &y));
    g_assert_cmpfloat(x, ==, 2000);
    g_assert_cmpfloat(y, ==, 2000);
    g_assert_cmpfloat(mt_case_plane_spacing_um(known), ==, 2000);
    g_assert_cmpstr(mt_case_mpp_source(known), ==, "header");
    g_assert_cmpstr(mt_case_format(known), ==, "nifti1");
    g_assert_cmpstr(mt_case_modality(known), ==, "unknown");
    g_assert_cmpint(mt_case_dtype(known), ==, MT_U8);
    g_assert_false(mt_case_mpp(unknown, &x, &y));
    g_assert_cmpstr(mt_case_mpp_source(unknown), ==, "the NIfTI header names no unit of length");
    g_assert_cmpint(mt_case_dtype(unknown), ==, MT_I16);
    g_assert_cmpint(mt_case_planes(pair), ==, 10);
}

/* ---- constructed files ---- */

typedef struct made {
    int     version;
    bool    big_endian, pair;
    int64_t dim[8];
    int     datatype, unit, qform_code, sform_code;
    double  pixdim[8], offset, slope, inter, srow[12], quatern[6];
} made;

static const made plain = {.version = 1,
                           .dim = {3, 4, 3, 2, 1, 1, 1, 1},
                           .datatype = 4,
                           .unit = 2,
                           .pixdim = {1, 0.5, 0.75, 2, 0, 0, 0, 0},
                           .offset = 352,
                           .slope = NAN,
                           .inter = NAN,
                           .sform_code = 1,
                           .srow = {0.5, 0, 0, -1, 0, 0.75, 0, -2, 0, 0, 2, -3}};

static void put(GByteArray *bytes, size_t at, const void *value, size_t n, bool big_endian)
{
    for (size_t i = 0; i < n; i++)
        bytes->data[at + i] = ((const uint8_t *)value)[big_endian ? n - 1 - i : i];
}

static void put_integer(GByteArray *bytes, size_t at, int64_t value, size_t n, bool big_endian)
{
    put(bytes, at, &value, n, big_endian);
}

static void put_real(GByteArray *bytes, size_t at, double value, size_t n, bool big_endian)
{
    float single = (float)value;

    put(bytes, at, n == 4 ? (void *)&single : (void *)&value, n, big_endian);
}

/* Byte offsets from the two standards, not from the headers that the code includes. */
static GByteArray *make_header(const made *m)
{
    bool        one = m->version == 1, b = m->big_endian;
    size_t      n = one ? 352 : 544, real = one ? 4 : 8, whole = one ? 2 : 8, code = one ? 2 : 4;
    GByteArray *bytes = g_byte_array_new();

    g_byte_array_set_size(bytes, (guint)n);
    memset(bytes->data, 0, n);
    put_integer(bytes, 0, one ? 348 : 540, 4, b);
    memcpy(bytes->data + (one ? 344 : 4), one ? (m->pair ? "ni1" : "n+1") : (m->pair ? "ni2" : "n+2"), 4);
    for (size_t i = 0; i < 8; i++) {
        put_integer(bytes, (one ? 40 : 16) + i * whole, m->dim[i], whole, b);
        put_real(bytes, (one ? 76 : 104) + i * real, m->pixdim[i], real, b);
    }
    put_integer(bytes, one ? 70 : 12, m->datatype, 2, b);
    if (one)
        put_real(bytes, 108, m->offset, 4, b);
    else
        put_integer(bytes, 168, (int64_t)m->offset, 8, b);
    put_real(bytes, one ? 112 : 176, m->slope, real, b);
    put_real(bytes, one ? 116 : 184, m->inter, real, b);
    put_integer(bytes, one ? 123 : 500, m->unit, one ? 1 : 4, b);
    put_integer(bytes, one ? 252 : 344, m->qform_code, code, b);
    put_integer(bytes, one ? 254 : 348, m->sform_code, code, b);
    for (size_t i = 0; i < 6; i++)
        put_real(bytes, (one ? 256 : 352) + i * real, m->quatern[i], real, b);
    for (size_t i = 0; i < 12; i++)
        put_real(bytes, (one ? 280 : 400) + i * real, m->srow[i], real, b);
    return bytes;
}

static char *folder;

static char *write_file(const char *name, const GByteArray *bytes)
{
    char *path = g_build_filename(folder, name, NULL);

    g_assert_true(g_file_set_contents(path, (const char *)bytes->data, bytes->len, NULL));
    return path;
}

/* Stored voxel (i, j, k) is i + 10 j + 100 k: 16-bit integers. */
static char *write_volume(const char *name, const made *m)
{
    g_autoptr(GByteArray) bytes = make_header(m);

    for (int64_t k = 0; k < m->dim[3]; k++) {
        for (int64_t j = 0; j < m->dim[2]; j++) {
            for (int64_t i = 0; i < m->dim[1]; i++) {
                guint at = bytes->len;

                g_byte_array_set_size(bytes, at + 2);
                put_integer(bytes, at, i + 10 * j + 100 * k, 2, m->big_endian);
            }
        }
    }
    return write_file(name, bytes);
}

static void multiply(const double a[16], double x, double y, double z, double out[3])
{
    for (int row = 0; row < 3; row++)
        out[row] = a[4 * row] * x + a[4 * row + 1] * y + a[4 * row + 2] * z + a[4 * row + 3];
}

static const int canonical[3][3] = {{0, 1, 2}, {0, 2, 1}, {1, 2, 0}};

/* Each voxel read must be the stored voxel that the stored affine puts at the same place in the patient. */
static void check_turned(const char *path, const made *m, mt_plane_axis planes, const int axis[3], const int sign[3])
{
    mt_case_options options = {.plane_axis = planes};
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_case_open(path, &options, &error);
    double affine[16], at[3];

    g_assert_no_error(error);
    g_assert_true(mt_case_affine(c, affine));
    for (int d = 0; d < 3; d++)
        for (int row = 0; row < 3; row++)
            g_assert_cmpint(affine[4 * row + d] > 0, ==, row == canonical[planes][d]);
    for (int64_t z = 0; z < mt_case_planes(c); z++) {
        for (int64_t y = 0; y < mt_case_level(c, 0)->height; y++) {
            for (int64_t x = 0; x < mt_case_level(c, 0)->width; x++) {
                int16_t value = -1;
                int64_t stored[3];

                g_assert_true(mt_case_read(c, z, 0, x, y, 1, 1, &value, NULL));
                multiply(affine, (double)x, (double)y, (double)z, at);
                for (int s = 0; s < 3; s++) {
                    int row = axis[s];
                    stored[s] = llround((at[row] - m->srow[4 * row + 3]) / (sign[s] * m->pixdim[s + 1]));
                }
                g_assert_cmpint(value, ==, stored[0] + 10 * stored[1] + 100 * stored[2]);
            }
        }
    }
}

/* All 48 ways to store a volume: stored axis s runs along axis[s], with or against it. */
static void test_orientations(void)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    for (int way = 0; way < 48; way++) {
        const int *axis = orders[way / 8];
        int        sign[3];
        made       m = plain;

        memset(m.srow, 0, sizeof m.srow);
        for (int s = 0; s < 3; s++) {
            sign[s] = (way >> s & 1) != 0 ? -1 : 1;
            m.srow[4 * axis[s] + s] = sign[s] * m.pixdim[s + 1];
            m.srow[4 * axis[s] + 3] = 10.25 * (axis[s] + 1);
        }
        m.big_endian = way % 3 == 0;
        m.version = 1 + way % 2;
        m.offset = m.version == 1 ? 352 : 544;
        g_autofree char *path = write_volume("turned.nii", &m);
        for (int planes = 0; planes < 3; planes++)
            check_turned(path, &m, (mt_plane_axis)planes, axis, sign);
    }
}

static void test_qform(void)
{
    /* half a turn about the head-foot axis, shifted: (b, c, d) = (0, 0, 1) */
    made m = plain;
    m.sform_code = 0;
    m.qform_code = 1;
    memcpy(m.quatern, (double[6]){0, 0, 1, 7, 8, 9}, sizeof m.quatern);
    g_autofree char *path = write_volume("qform.nii", &m);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
    double  affine[16];
    int16_t value;

    g_assert_true(mt_case_affine(c, affine));
    /* stored (0, 0, 0) is at (7, 8, 9), the last in x and y of the turned planes */
    g_assert_cmpfloat_with_epsilon(affine[3], 7 - 3 * 0.5, 1e-6);
    g_assert_cmpfloat_with_epsilon(affine[7], 8 - 2 * 0.75, 1e-6);
    g_assert_cmpfloat_with_epsilon(affine[11], 9, 1e-6);
    g_assert_true(mt_case_read(c, 0, 0, 3, 2, 1, 1, &value, NULL));
    g_assert_cmpint(value, ==, 0);
    /* a negative pixdim[0] turns the third axis */
    m.pixdim[0] = -1;
    g_autofree char *left = write_volume("qfac.nii", &m);
    g_autoptr(mt_case) d = mt_case_open(left, NULL, NULL);
    g_assert_true(mt_case_read(d, 1, 0, 3, 2, 1, 1, &value, NULL));
    g_assert_cmpint(value, ==, 0);
}

static void test_read_outside(void)
{
    g_autofree char *path = write_volume("outside.nii", &plain);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
    int16_t got[9], wanted[9] = {0, 0, 0, 0, 0, 1, 0, 10, 11};
    int64_t bounds[4];

    g_assert_true(mt_case_read(c, 0, 0, -1, -1, 3, 3, got, NULL));
    g_assert_cmpmem(got, sizeof got, wanted, sizeof wanted);
    g_assert_true(mt_case_read(c, 1, 0, 2, 1, 1, 1, got, NULL));
    g_assert_cmpint(got[0], ==, 112);
    mt_case_bounds(c, bounds);
    g_assert_cmpint(bounds[2], ==, 4);
    g_assert_cmpint(mt_case_get_kind(c), ==, MT_CASE_VOLUME);
}

static void test_no_frame(void)
{
    made m = plain;
    m.sform_code = 0;
    g_autofree char *path = write_volume("frameless.nii", &m);
    mt_case_options  options = {.plane_axis = MT_AXIS_SAGITTAL, .modality = "CT"};
    g_autoptr(mt_case) c = mt_case_open(path, &options, NULL);
    double  affine[16], x, y;
    int16_t value;

    g_assert_false(mt_case_affine(c, affine));
    g_assert_cmpstr(mt_case_modality(c), ==, "CT");
    g_assert_cmpint(mt_case_planes(c), ==, 4);
    g_assert_true(mt_case_mpp(c, &x, &y));
    g_assert_cmpfloat(x, ==, 750);
    g_assert_cmpfloat(y, ==, 2000);
    g_assert_cmpfloat(mt_case_plane_spacing_um(c), ==, 500);
    g_assert_true(mt_case_read(c, 3, 0, 2, 1, 1, 1, &value, NULL));
    g_assert_cmpint(value, ==, 3 + 20 + 100);
}

static void expect_spacing(const made *m, double um, const char *source)
{
    g_autofree char *path = write_volume("spacing.nii", m);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
    double x, y;

    g_assert_cmpint(mt_case_mpp(c, &x, &y), ==, um > 0);
    g_assert_cmpfloat_with_epsilon(x, um, 1e-9);
    g_assert_cmpstr(mt_case_mpp_source(c), ==, source);
    if (um == 0)
        g_assert_cmpfloat(mt_case_plane_spacing_um(c), ==, 0);
}

static void test_spacing(void)
{
    made micron = plain, metre = plain, none = plain, odd = plain, zero = plain;

    micron.unit = 3;
    metre.unit = 1;
    none.unit = 0;
    odd.srow[0] = 0.6;
    zero.pixdim[1] = 0;
    zero.sform_code = 0;
    expect_spacing(&plain, 500, "header");
    expect_spacing(&micron, 0.5, "header");
    expect_spacing(&metre, 500000, "header");
    expect_spacing(&none, 0, "the NIfTI header names no unit of length");
    expect_spacing(&odd, 0, "the NIfTI header contradicts itself: voxels of 500 and of 600 µm");
    expect_spacing(&zero, 0, "the spacing in the file (header) is 0 x 750, not a length");
}

static void test_scaling(void)
{
    made m = plain;
    m.slope = 0.5;
    m.inter = -3;
    g_autofree char *path = write_volume("scaled.nii", &m);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
    float value;

    g_assert_cmpint(mt_case_dtype(c), ==, MT_F32);
    g_assert_true(mt_case_read(c, 1, 0, 2, 1, 1, 1, &value, NULL));
    g_assert_cmpfloat(value, ==, 0.5f * 112 - 3);
    m.slope = 0;
    g_autofree char *unscaled = write_volume("unscaled.nii", &m);
    g_autoptr(mt_case) d = mt_case_open(unscaled, NULL, NULL);
    g_assert_cmpint(mt_case_dtype(d), ==, MT_I16);
}

/* One voxel of each type, both byte orders. */
static void test_types(void)
{
    static const struct {
        int      code, bytes;
        uint64_t bits;
        double   value;
        mt_dtype kept;
    } types[] = {
        {2, 1, 200, 200, MT_U8},
        {256, 1, 0xf6, -10, MT_I16},
        {4, 2, 0xfc18, -1000, MT_I16},
        {512, 2, 60000, 60000, MT_U16},
        {8, 4, 0xfffe7960, -100000, MT_F32},
        {768, 4, 100000, 100000, MT_F32},
        {16, 4, 0x3fc00000, 1.5, MT_F32},
        {64, 8, UINT64_C(0xbfd0000000000000), -0.25, MT_F32},
    };

    for (size_t i = 0; i < 2 * G_N_ELEMENTS(types); i++) {
        made m = plain;
        m.datatype = types[i / 2].code;
        m.big_endian = i % 2 == 1;
        m.dim[1] = m.dim[2] = m.dim[3] = 1;
        g_autoptr(GByteArray) bytes = make_header(&m);
        g_byte_array_set_size(bytes, 352 + (guint)types[i / 2].bytes);
        put(bytes, 352, &types[i / 2].bits, (size_t)types[i / 2].bytes, m.big_endian);
        g_autofree char *path = write_file("type.nii", bytes);
        g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
        uint64_t sample = 0;

        g_assert_cmpint(mt_case_dtype(c), ==, types[i / 2].kept);
        g_assert_true(mt_case_read(c, 0, 0, 0, 0, 1, 1, &sample, NULL));
        g_assert_cmpfloat(value_at(&sample, 0, mt_case_dtype(c)), ==, types[i / 2].value);
        g_assert_cmpfloat(mt_case_plane_spacing_um(c), ==, 0);
    }
}

static void test_pair(void)
{
    made m = plain;
    m.pair = true;
    m.offset = 0;
    g_autoptr(GByteArray) bytes = make_header(&m), voxels = g_byte_array_new();
    g_byte_array_set_size(bytes, 348);
    g_byte_array_set_size(voxels, 4 * 3 * 2 * 2);
    for (guint i = 0; i < voxels->len; i++)
        voxels->data[i] = (guint8)(i % 2 == 0 ? i / 2 : 0);
    g_autofree char *header = write_file("pair.hdr", bytes), *image = write_file("pair.img", voxels);
    g_autoptr(mt_case) a = mt_case_open(header, NULL, NULL), b = mt_case_open(image, NULL, NULL);
    int16_t value = 0;

    g_assert_true(mt_case_read(a, 1, 0, 3, 2, 1, 1, &value, NULL));
    g_assert_cmpint(value, ==, 23);
    g_assert_true(mt_case_read(b, 0, 0, 1, 1, 1, 1, &value, NULL));
    g_assert_cmpint(value, ==, 5);
    g_autofree char *of_header = mt_case_identity(header, NULL), *of_image = mt_case_identity(image, NULL);
    g_assert_cmpstr(of_header, ==, of_image);
}

/* ---- refusals ---- */

static void expect_refusal(const char *path, int code, const char *reason)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *wanted = g_strdup_printf("open %s: nifti: %s", path, reason);

    g_assert_null(mt_case_open(path, NULL, &error));
    g_assert_error(error, MT_ERROR, code);
    g_assert_cmpstr(error->message, ==, wanted);
}

static void expect_header_refusal(const made *m, int code, const char *reason)
{
    g_autofree char *path = write_volume("refused.nii", m);

    expect_refusal(path, code, reason);
}

static void test_refusals(void)
{
    made many = plain, none = plain, empty = plain, negative = plain, huge = plain, complex = plain, before = plain, inf = plain,
         flat = plain, nan = plain;

    many.dim[0] = 5, many.dim[4] = 4, many.dim[5] = 5;
    many.dim[3] = 1;
    none.dim[0] = 0;
    empty.dim[2] = 0;
    negative.dim[1] = -4;
    huge.dim[0] = 7;
    for (int i = 1; i <= 7; i++)
        huge.dim[i] = 32767;
    complex.datatype = 32;
    before.offset = -1;
    inf.slope = INFINITY;
    flat.srow[5] = 0, flat.srow[4] = 1;
    nan.srow[0] = NAN;
    expect_header_refusal(&many, MT_ERROR_INPUT, "it has 20 volumes; choose one and save it as a file of its own");
    expect_header_refusal(&none, MT_ERROR_INPUT, "its header claims 0 dimensions");
    expect_header_refusal(&empty, MT_ERROR_INPUT, "its header claims a size of 0 along axis 2");
    expect_header_refusal(&negative, MT_ERROR_INPUT, "its header claims a size of -4 along axis 1");
    complex.dim[3] = huge.dim[3];
    expect_header_refusal(&complex, MT_ERROR_INPUT, "its voxels are of type COMPLEX64 (32); integers and floats of up to 64 bits are read");
    expect_header_refusal(&before, MT_ERROR_INPUT, "its header puts the voxels at byte -1");
    expect_header_refusal(&inf, MT_ERROR_INPUT, "its header scales voxels by inf and adds nan");
    expect_header_refusal(&flat, MT_ERROR_INPUT, "its affine is singular: two axes of the volume point the same way");
    expect_header_refusal(&nan, MT_ERROR_INPUT, "its sform is not finite");
    g_autoptr(GByteArray) header = make_header(&huge);
    g_autofree char *path = write_file("huge.nii", header);
    expect_refusal(path, MT_ERROR_LIMIT, "its header claims more than the limit of 8589934592 voxels");
}

/* Headers that ask for more than the file holds: nothing may be allocated from them. */
static void test_lying_sizes(void)
{
    made m = plain;
    m.dim[1] = m.dim[2] = 2048;
    m.dim[3] = 2000;
    g_autoptr(GByteArray) bytes = make_header(&m);
    g_byte_array_set_size(bytes, 377);
    g_autofree char *path = write_file("lying.nii", bytes);
    expect_refusal(path, MT_ERROR_INPUT, "its header claims 16777216000 bytes of voxels at byte 352, the file has 377 bytes");
    m.datatype = 64;
    g_autoptr(GByteArray) wide = make_header(&m);
    g_autofree char *wide_path = write_file("wide.nii", wide);
    expect_refusal(wide_path, MT_ERROR_LIMIT, "its header claims 67108864000 bytes, over the limit of 17179869184");
    m.pair = true;
    m.datatype = 2;
    g_autoptr(GByteArray) alone = make_header(&m);
    g_autofree char *alone_path = write_file("alone.hdr", alone), *missing = g_build_filename(folder, "alone.img", NULL);
    g_autofree char *reason = g_strdup_printf("its voxels are missing: no file %s", missing);
    expect_refusal(alone_path, MT_ERROR_INPUT, reason);
    g_autofree char *renamed = write_file("alone.dat", alone);
    expect_refusal(renamed, MT_ERROR_INPUT, "its voxels are in an .img file beside it, but its own name does not end in .hdr");
}

static void write_gzip(const char *path, const GByteArray *bytes)
{
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_autoptr(GFileOutputStream) raw = g_file_replace(file, NULL, FALSE, G_FILE_CREATE_NONE, NULL, NULL);
    g_autoptr(GConverter) zlib = G_CONVERTER(g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP, 9));
    g_autoptr(GOutputStream) out = g_converter_output_stream_new(G_OUTPUT_STREAM(raw), zlib);

    g_assert_true(g_output_stream_write_all(out, bytes->data, bytes->len, NULL, NULL, NULL));
    g_assert_true(g_output_stream_close(out, NULL, NULL));
}

static void test_gzip(void)
{
    made m = plain;
    m.datatype = 2;
    m.dim[1] = m.dim[2] = m.dim[3] = 64;
    g_autoptr(GByteArray) bytes = make_header(&m);
    g_byte_array_set_size(bytes, 352 + 64 * 64 * 64);
    memset(bytes->data + 352, 0, 64 * 64 * 64);
    g_autofree char *path = g_build_filename(folder, "z.nii.gz", NULL);
    write_gzip(path, bytes);
    GStatBuf status;
    g_assert_cmpint(g_stat(path, &status), ==, 0);
    /* as empty as a label map may be: no more than zlib makes of zeros */
    mt_case *zeros = mt_case_open(path, NULL, NULL);
    g_assert_nonnull(zeros);
    mt_case_free(zeros);
    m.dim[3] = 6400;
    g_autoptr(GByteArray) claim = make_header(&m);
    memcpy(bytes->data, claim->data, 352);
    write_gzip(path, bytes);
    g_assert_cmpint(g_stat(path, &status), ==, 0);
    g_autofree char *reason = g_strdup_printf("its header claims 26214752 bytes, more than 1032 times the file's %d", (int)status.st_size);
    expect_refusal(path, MT_ERROR_LIMIT, reason);
    m.dim[3] = 64;
    g_autoptr(GByteArray) honest = make_header(&m);
    memcpy(bytes->data, honest->data, 352);

    for (guint i = 352; i < bytes->len; i++)
        bytes->data[i] = (guint8)(i * 2654435761u >> 24);
    write_gzip(path, bytes);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
    g_autofree uint8_t *plane = g_malloc(64 * 64);
    g_assert_true(mt_case_read(c, 63, 0, 0, 0, 64, 64, plane, NULL));
    g_assert_cmpmem(plane, 64 * 64, bytes->data + 352 + 63 * 64 * 64, 64 * 64);

    g_autofree char *text = NULL;
    gsize            n;
    g_assert_true(g_file_get_contents(path, &text, &n, NULL));
    g_assert_true(g_file_set_contents(path, text, (gssize)(n / 2), NULL));
    g_autoptr(GError) error = NULL;
    g_assert_null(mt_case_open(path, NULL, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, "nifti: its voxels are cut short in slice "));
}

static void test_malformed_samples(void)
{
    const char *dir = g_getenv("MICROTOME_TEST_DATA");

    if (dir == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    g_autofree char *header = g_build_filename(dir, "malformed/nifti/header-only.nii", NULL);
    g_autofree char *not = g_build_filename(dir, "malformed/nifti/not-nifti.nii", NULL);
    g_autofree char *wanted = g_strdup_printf("open %s: no backend reads it: openslide: not a slide; vips: not a readable PNG, JPEG, TIFF, "
                                              "WebP or PNM image; nifti: not a NIfTI file",
                                              not );
    g_autoptr(GError) error = NULL;

    /* the header of a pair under the name of a single file */
    expect_refusal(header, MT_ERROR_INPUT, "its voxels are in an .img file beside it, but its own name does not end in .hdr");
    g_assert_null(mt_case_open(not, NULL, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, wanted);
}

static void test_memory(void)
{
    g_autofree char *path = write_volume("memory.nii", &plain),
                    *wanted = g_strdup_printf("open %s: nifti: allocate 64 bytes: the system refused", path);
    g_autoptr(GError) error = NULL;

    mt_alloc_fail_at(1);
    g_assert_null(mt_case_open(path, NULL, &error));
    mt_alloc_fail_at(0);
    g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
    g_assert_cmpstr(error->message, ==, wanted);
}

/* Headers with random bytes: refused or read, never a crash. */
static void test_random_headers(void)
{
    GRand *random = g_rand_new_with_seed(7);

    for (int round = 0; round < 400; round++) {
        made m = plain;
        m.version = 1 + round % 2;
        m.offset = m.version == 1 ? 352 : 544;
        g_autoptr(GByteArray) bytes = make_header(&m);
        g_byte_array_set_size(bytes, bytes->len + 48);
        for (int n = g_rand_int_range(random, 1, 6); n > 0; n--) {
            guint at = (guint)g_rand_int_range(random, m.version == 1 ? 4 : 12, m.version == 1 ? 344 : 540);
            bytes->data[at] = (guint8)g_rand_int(random);
        }
        g_autofree char *path = write_file("random.nii", bytes);
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_case) c = mt_case_open(path, NULL, &error);
        g_assert_true((c != NULL) == (error == NULL));
    }
    g_rand_free(random);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    folder = g_dir_make_tmp("mt-volume-XXXXXX", NULL);
    g_test_add_func("/case/volume/samples", test_samples);
    g_test_add_func("/case/volume/sample-spacing", test_sample_spacing);
    g_test_add_func("/case/volume/orientations", test_orientations);
    g_test_add_func("/case/volume/qform", test_qform);
    g_test_add_func("/case/volume/read-outside", test_read_outside);
    g_test_add_func("/case/volume/no-frame", test_no_frame);
    g_test_add_func("/case/volume/spacing", test_spacing);
    g_test_add_func("/case/volume/scaling", test_scaling);
    g_test_add_func("/case/volume/types", test_types);
    g_test_add_func("/case/volume/pair", test_pair);
    g_test_add_func("/case/volume/refusals", test_refusals);
    g_test_add_func("/case/volume/lying-sizes", test_lying_sizes);
    g_test_add_func("/case/volume/gzip", test_gzip);
    g_test_add_func("/case/volume/malformed-samples", test_malformed_samples);
    g_test_add_func("/case/volume/memory", test_memory);
    g_test_add_func("/case/volume/random-headers", test_random_headers);
    int result = g_test_run();

    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    g_rmdir(folder);
    g_free(folder);
    return result;
}

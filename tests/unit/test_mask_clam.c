/* CLAM's presets against OpenCV: tests/golden/clam_reference.py made clam.csv.  Rings, points and the filled mask are equal. */
#include <microtome/mask.h>

#include "src/base/csv.h"
#include "src/base/hash.h"

static const char *cell(const mt_csv *csv, guint row, const char *column)
{
    return mt_csv_cell(csv, row, mt_csv_column(csv, column));
}

static mt_csv *read_table(void)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", "tissue", "clam.csv", NULL);
    g_autoptr(GError) error = NULL;
    mt_csv *csv = mt_csv_read(path, &error);

    g_assert_no_error(error);
    return csv;
}

static void expect_hash(const mt_csv *csv, guint row, const char *column, const void *data, size_t bytes)
{
    g_autofree char *hash = mt_hash_bytes(data, bytes);

    g_assert_cmpstr(hash, ==, cell(csv, row, column));
}

static void expect_rings(const mt_csv *csv, guint row, const mt_mask *mask)
{
    g_autoptr(GByteArray) points = g_byte_array_new(), lengths = g_byte_array_new(), holes = g_byte_array_new();

    g_assert_cmpint(mt_mask_n_rings(mask), ==, g_ascii_strtoll(cell(csv, row, "rings"), NULL, 10));
    for (int i = 0; i < mt_mask_n_rings(mask); i++) {
        mt_ring ring = mt_mask_ring(mask, i);
        guint8  hole = ring.hole;
        g_byte_array_append(points, (const guint8 *)ring.points, (guint)(8 * ring.n));
        g_byte_array_append(lengths, (const guint8 *)&ring.n, 8);
        g_byte_array_append(holes, &hole, 1);
    }
    expect_hash(csv, row, "points_sha256", points->data, points->len);
    expect_hash(csv, row, "lengths_sha256", lengths->data, lengths->len);
    expect_hash(csv, row, "holes_sha256", holes->data, holes->len);
}

static void expect_row(const mt_csv *csv, guint row, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_case_open(path, NULL, &error);
    g_assert_no_error(error);
    g_autofree char *method = g_strconcat("clam:", cell(csv, row, "preset"), NULL);
    g_autoptr(mt_mask) mask = mt_mask_new(c, method, &error);
    int64_t width, height;

    g_assert_no_error(error);
    g_test_message("%s %s", path, method);
    g_assert_cmpstr(mt_mask_method(mask), ==, method);
    expect_rings(csv, row, mask);
    mt_mask_size(mask, &width, &height);
    expect_hash(csv, row, "mask_sha256", mt_mask_pixels(mask), (size_t)(width * height));
}

static void test_synthetic(void)
{
    g_autoptr(mt_csv) csv = read_table();
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", "tissue", "clam_synthetic.tif", NULL);
    int              seen = 0;

    for (guint row = 0; row < csv->rows->len; row++)
        if (g_str_equal(cell(csv, row, "input"), "clam_synthetic.tif")) {
            expect_row(csv, row, path);
            seen++;
        }
    g_assert_cmpint(seen, ==, 5);
}

static void test_samples(void)
{
    g_autoptr(mt_csv) csv = read_table();
    const char *data = g_getenv("MICROTOME_TEST_DATA");

    if (data == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    for (guint row = 0; row < csv->rows->len; row++) {
        g_autofree char *path = g_build_filename(data, cell(csv, row, "input"), NULL);
        if (g_file_test(path, G_FILE_TEST_EXISTS))
            expect_row(csv, row, path);
    }
}

/* 10,240 x 10,240 pixels without a pyramid, where CLAM gives up: read block by block, the one square of tissue is found. */
static void test_no_pyramid(void)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", "tissue", "no_pyramid.tif", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_case_open(path, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(mt_mask) mask = mt_mask_new(c, "clam:biopsy", &error);
    int64_t width, height;

    g_assert_no_error(error);
    mt_mask_size(mask, &width, &height);
    g_assert_true(width == 160 && height == 160);
    g_assert_cmpint(mt_mask_n_rings(mask), ==, 1);
    g_assert_cmpfloat(mt_mask_share(mask, 2048 + 512, 2048 + 512, 1024, 1024), ==, 1);
    g_assert_cmpfloat(mt_mask_share(mask, 4096 + 256, 0, 4096, 10240), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mask-clam/synthetic", test_synthetic);
    g_test_add_func("/mask-clam/no-pyramid", test_no_pyramid);
    g_test_add_func("/mask-clam/samples", test_samples);
    return g_test_run();
}

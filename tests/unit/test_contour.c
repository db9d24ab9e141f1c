/* Borders and outlines of small masks.  tests/golden/clam_reference.py made the expected contours with OpenCV; the outlines along
 * pixel edges are held to what defines them: they cover exactly the foreground and never meet themselves. */
#include <string.h>

#include <microtome/tensor.h>

#include "src/base/alloc.h"
#include "src/base/csv.h"
#include "src/base/hash.h"
#include "tiling/components.h"
#include "tiling/contour.h"
#include "tiling/outline.h"

static mt_csv *read_table(const char *name)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", "tissue", name, NULL);
    g_autoptr(GError) error = NULL;
    mt_csv *csv = mt_csv_read(path, &error);

    g_assert_no_error(error);
    return csv;
}

static const char *cell(const mt_csv *csv, guint row, const char *column)
{
    return mt_csv_cell(csv, row, mt_csv_column(csv, column));
}

static mt_tensor *read_mask(const char *name)
{
    g_autofree char *file = g_strdup_printf("contour_%s.npy", name);
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", "tissue", file, NULL);
    g_autoptr(GError) error = NULL;
    mt_tensor *mask = mt_tensor_read_npy(path, &error);

    g_assert_no_error(error);
    g_assert_cmpint(mask->dtype, ==, MT_U8);
    return mask;
}

static void expect_hash(const mt_csv *csv, guint row, const char *column, const void *data, size_t bytes)
{
    g_autofree char *hash = mt_hash_bytes(data, bytes);

    g_assert_cmpstr(hash, ==, cell(csv, row, column));
}

static void expect_contours(const mt_csv *csv, guint row, const mt_rings *rings)
{
    g_autofree int64_t *lengths = g_new(int64_t, rings->n + 1), *areas = g_new(int64_t, rings->n + 1);
    g_autofree uint8_t *holes = g_new(uint8_t, rings->n + 1);
    g_autoptr(GByteArray) points = g_byte_array_new();

    g_assert_cmpint(rings->n, ==, g_ascii_strtoll(cell(csv, row, "rings"), NULL, 10));
    g_assert_cmpint(rings->n_points, ==, g_ascii_strtoll(cell(csv, row, "points"), NULL, 10));
    for (int64_t i = 0; i < rings->n; i++) {
        lengths[i] = rings->spans[i].n;
        holes[i] = rings->spans[i].hole;
        areas[i] = ABS(mt_ring_area2(mt_rings_points(rings, i), rings->spans[i].n));
        g_byte_array_append(points, (const guint8 *)mt_rings_points(rings, i), (guint)(8 * rings->spans[i].n));
    }
    expect_hash(csv, row, "points_sha256", points->data, points->len);
    expect_hash(csv, row, "lengths_sha256", lengths, (size_t)rings->n * 8);
    expect_hash(csv, row, "holes_sha256", holes, (size_t)rings->n);
    expect_hash(csv, row, "areas2_sha256", areas, (size_t)rings->n * 8);
}

static void test_as_opencv(void)
{
    g_autoptr(mt_csv) csv = read_table("contours.csv");

    for (guint row = 0; row < csv->rows->len; row++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_tensor) mask = read_mask(cell(csv, row, "mask"));
        g_autoptr(mt_rings) rings = mt_contour_trace(mask->data, mask->shape[1], mask->shape[0], &error);
        g_assert_no_error(error);
        expect_contours(csv, row, rings);
    }
}

/* Contours filled again are the mask. */
static void test_fill_restores(void)
{
    g_autoptr(mt_csv) csv = read_table("contours.csv");

    for (guint row = 0; row < csv->rows->len; row++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_tensor) mask = read_mask(cell(csv, row, "mask"));
        int64_t             height = mask->shape[0], width = mask->shape[1];
        g_autofree uint8_t *filled = g_malloc0((gsize)(width * height) + 1);
        g_autoptr(mt_rings) rings = mt_contour_trace(mask->data, width, height, &error);
        for (int64_t i = 0; i < rings->n; i++)
            if (!rings->spans[i].hole)
                g_assert_true(mt_contour_fill(rings, i, NULL, filled, width, height, &error));
        g_assert_cmpmem(filled, (gsize)(width * height), mask->data, (gsize)(width * height));
    }
}

static int compare_corners(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, 8);
}

static void expect_simple(const int32_t *points, int64_t n)
{
    g_autofree int32_t *sorted = g_memdup2(points, (gsize)n * 8);

    g_assert_cmpint(n, >=, 4);
    qsort(sorted, (size_t)n, 8, compare_corners);
    for (int64_t i = 1; i < n; i++)
        g_assert_cmpint(compare_corners(sorted + 2 * i - 2, sorted + 2 * i), !=, 0);
}

/* Every pixel centre is inside as many outer rings minus holes as it is foreground: 1 or 0. */
static void expect_cover(const mt_rings *rings, const uint8_t *pixels, int64_t width, int64_t height)
{
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            int depth = 0;
            for (int64_t i = 0; i < rings->n; i++)
                if (mt_ring_contains(mt_rings_points(rings, i), rings->spans[i].n, (double)x + 0.5, (double)y + 0.5) > 0)
                    depth += rings->spans[i].hole ? -1 : 1;
            g_assert_cmpint(depth, ==, pixels[y * width + x] != 0);
        }
}

static void test_outline(void)
{
    g_autoptr(mt_csv) csv = read_table("contours.csv");

    for (guint row = 0; row < csv->rows->len; row++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_tensor) mask = read_mask(cell(csv, row, "mask"));
        int64_t        height = mask->shape[0], width = mask->shape[1], foreground = 0, area2 = 0;
        const uint8_t *pixels = mask->data;
        g_autoptr(mt_rings) rings = mt_outline_trace(pixels, width, height, &error);
        g_assert_no_error(error);
        for (int64_t i = 0; i < width * height; i++)
            foreground += pixels[i] != 0;
        for (int64_t i = 0; i < rings->n; i++) {
            int64_t ring2 = mt_ring_area2(mt_rings_points(rings, i), rings->spans[i].n);
            g_assert_true(rings->spans[i].hole ? ring2 < 0 : ring2 > 0);
            g_assert_true(!rings->spans[rings->spans[i].outer].hole && rings->spans[i].outer <= i);
            expect_simple(mt_rings_points(rings, i), rings->spans[i].n);
            area2 += ring2;
        }
        g_assert_cmpint(area2, ==, 2 * foreground);
        expect_cover(rings, pixels, width, height);
    }
}

static void test_point_in_ring(void)
{
    static const int32_t square[] = {0, 0, 10, 0, 10, 10, 0, 10};

    g_assert_cmpint(mt_ring_contains(square, 4, 5, 5), ==, 1);
    g_assert_cmpint(mt_ring_contains(square, 4, 0, 5), ==, 0);
    g_assert_cmpint(mt_ring_contains(square, 4, 10, 10), ==, 0);
    g_assert_cmpint(mt_ring_contains(square, 4, 10.5, 5), ==, -1);
    g_assert_cmpint(mt_ring_contains(square, 4, 5, -0.25), ==, -1);
    g_assert_cmpint(mt_ring_area2(square, 4), ==, 200);
}

static void test_largest_filled(void)
{
    uint8_t pixels[] = "1.111.."
                       "..1.1.1"
                       "..111.1";
    g_autoptr(GError) error = NULL;

    for (int i = 0; i < 21; i++)
        pixels[i] = pixels[i] == '1' ? 255 : 0;
    g_assert_true(mt_components_keep_largest_filled(pixels, 7, 3, &error));
    for (int i = 0; i < 21; i++)
        g_assert_cmpint(pixels[i], ==, (i % 7 >= 2 && i % 7 <= 4) ? 255 : 0);
}

/* Whatever allocation fails, there is an error and nothing leaks (the sanitizer's part). */
static void test_refused_memory(void)
{
    g_autoptr(mt_tensor) mask = read_mask("blobs");

    for (int k = 1; k < 200; k++) {
        g_autoptr(GError) error = NULL;
        mt_alloc_fail_at(k);
        g_autoptr(mt_rings) a = mt_contour_trace(mask->data, mask->shape[1], mask->shape[0], &error);
        g_autoptr(mt_rings) b = a ? mt_outline_trace(mask->data, mask->shape[1], mask->shape[0], &error) : NULL;
        mt_alloc_fail_at(0);
        if (b) {
            g_assert_cmpint(k, >, 10);
            return;
        }
        g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
    }
    g_assert_not_reached();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/contour/as-opencv", test_as_opencv);
    g_test_add_func("/contour/fill-restores", test_fill_restores);
    g_test_add_func("/contour/outline", test_outline);
    g_test_add_func("/contour/point-in-ring", test_point_in_ring);
    g_test_add_func("/contour/largest-filled", test_largest_filled);
    g_test_add_func("/contour/refused-memory", test_refused_memory);
    return g_test_run();
}

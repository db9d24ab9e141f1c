/* One picture in many TIFF encodings: whatever opens has the size and the samples that other readers found (case_variants.json), lossless encodings are equal pixel for pixel, backends agree, and what is refused says what to do. */
#include <microtome/case.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *data_dir(void)
{
    const char *dir = g_getenv("MICROTOME_TEST_DATA");

    if (dir == NULL)
        g_test_skip("MICROTOME_TEST_DATA is not set");
    return dir;
}

static mt_case *open_variant(const char *dir, const char *name, const char *backend, GError **error)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    return mt_case_open(path, &(mt_case_options){.backend = backend}, error);
}

static uint8_t *read_whole(mt_case *c, size_t *n)
{
    const mt_level *l = mt_case_level(c, 0);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(mt_case_dtype(c), ==, MT_U8);
    *n = (size_t)(l->width * l->height * mt_case_channels(c));
    uint8_t *pixels = g_malloc(*n);
    mt_case_read(c, 0, 0, 0, 0, l->width, l->height, pixels, &error);
    g_assert_no_error(error);
    return pixels;
}

static uint64_t sum_of(const uint8_t *pixels, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += pixels[i];
    return sum;
}

/* The three sample depths that libvips does not unpack; 32-bit floats and the rest of the list are not 8-bit. */
static bool is_odd_depth(const json_t *entry)
{
    int bits = atoi(json_string_value(json_object_get(entry, "bits")));

    return bits == 10 || bits == 12 || bits == 14;
}

static void check_variant(const char *dir, const char *name, const json_t *entry)
{
    const json_t *pil = json_object_get(entry, "pil");
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = open_variant(dir, name, NULL, &error);
    size_t n;

    g_test_message("%s: %s", name, c != NULL ? mt_case_backend(c) : error->message);
    if (is_odd_depth(entry)) {
        g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
        g_assert_nonnull(strstr(error->message, "bits a sample are not read; 8, 16 and 32 are: save it with one of these"));
        return;
    }
    g_assert_no_error(error);
    g_assert_cmpint(mt_case_level(c, 0)->width, ==, json_integer_value(json_object_get(entry, "width")));
    g_assert_cmpint(mt_case_level(c, 0)->height, ==, json_integer_value(json_object_get(entry, "height")));
    if (!json_is_object(pil) || mt_case_dtype(c) != MT_U8 || strstr(name, "palette") != NULL)
        return; /* Pillow sums the palette's numbers */
    g_autofree uint8_t *pixels = read_whole(c, &n);
    uint64_t            sum = sum_of(pixels, n), wanted = (uint64_t)json_integer_value(json_object_get(pil, "sum"));
    size_t              shape = json_array_size(json_object_get(pil, "shape"));
    g_assert_cmpint(mt_case_channels(c), ==, shape == 3 ? 3 : 1);
    if (strstr(name, "jpg") != NULL)
        g_assert_cmpuint(sum > wanted ? sum - wanted : wanted - sum, <=, n); /* one grey level: decoders differ */
    else
        g_assert_cmpuint(sum, ==, wanted);
}

static void test_facts(void)
{
    const char      *dir = data_dir();
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "unit", "case_variants.json", NULL);
    json_t          *root = json_load_file(path, 0, NULL), *entry;
    const char      *name;
    int              n = 0;

    g_assert_nonnull(root);
    json_object_foreach(root, name, entry)
    {
        if (dir != NULL)
            check_variant(dir, name, entry);
        n++;
    }
    json_decref(root);
    g_assert_cmpint(n, >=, 19);
}

static void test_equal(void)
{
    static const char *const lossless[] = {"deflate", "lzw", "lzw_planar", "lzw_tiled", "lzw_tiled_planar", "uncompressed_tiled_planar",
                                           "zstd"};
    const char              *dir = data_dir();
    size_t                   n, m;

    if (dir == NULL)
        return;
    g_autoptr(mt_case) plain = open_variant(dir, "tiff/shapes/shapes_uncompressed.tif", NULL, NULL);
    g_autofree uint8_t *wanted = read_whole(plain, &n);
    for (size_t i = 0; i < G_N_ELEMENTS(lossless); i++) {
        g_autofree char *name = g_strdup_printf("tiff/shapes/shapes_%s.tif", lossless[i]);
        g_autoptr(mt_case) c = open_variant(dir, name, NULL, NULL);
        g_autofree uint8_t *pixels = read_whole(c, &m);
        g_test_message("%s", name);
        g_assert_cmpmem(pixels, m, wanted, n);
    }
}

static void test_backends(void)
{
    static const char *const tiled[] = {"tiff/shapes/shapes_lzw_tiled.tif", "tiff/shapes/shapes_tiled_multi.tif",
                                        "wsi/generic-pyramid-boxes.tiff", "wsi/aperio-tiny-16px.svs"};
    const char              *dir = data_dir();
    size_t                   n, m;

    for (size_t i = 0; dir != NULL && i < G_N_ELEMENTS(tiled); i++) {
        g_autoptr(mt_case) direct = open_variant(dir, tiled[i], "direct", NULL);
        g_autoptr(mt_case) slide = open_variant(dir, tiled[i], "openslide", NULL);
        g_autofree uint8_t *a = read_whole(direct, &n), *b = read_whole(slide, &m);
        g_test_message("%s", tiled[i]);
        g_assert_cmpmem(a, n, b, m);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_test_add_func("/case/variants/facts", test_facts);
    g_test_add_func("/case/variants/equal", test_equal);
    g_test_add_func("/case/variants/backends", test_backends);
    return g_test_run();
}

/* Many threads reading one case get what one thread gets. */
#include "tests/threads/shared_scene.h"

#define N_THREADS 8
#define N_READS 40

typedef struct reader {
    mt_case *c;
    uint32_t seed;
    char    *hash; /* of all that was read, in order */
} reader;

static void *read_at_random(void *data)
{
    reader    *r = data;
    GRand     *random = g_rand_new_with_seed(r->seed);
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    size_t     pixel = mt_dtype_size(mt_case_dtype(r->c)) * (size_t)mt_case_channels(r->c);

    for (int i = 0; i < N_READS; i++) {
        int                 level = g_rand_int_range(random, 0, mt_case_levels(r->c));
        int64_t             plane = g_rand_int_range(random, 0, (int)mt_case_planes(r->c));
        const mt_level     *l = mt_case_level(r->c, level);
        int64_t             x = g_rand_int_range(random, -20, (int)l->width), y = g_rand_int_range(random, -20, (int)l->height);
        int64_t             width = g_rand_int_range(random, 1, 100), height = g_rand_int_range(random, 1, 100);
        g_autofree uint8_t *out = g_malloc((size_t)(width * height) * pixel);
        bool                read = mt_case_read(r->c, plane, level, x, y, width, height, out, NULL);

        if (read)
            g_checksum_update(sum, out, (gssize)((size_t)(width * height) * pixel));
        else
            g_checksum_update(sum, (const guchar *)"unreadable", -1);
    }
    r->hash = g_strdup(g_checksum_get_string(sum));
    g_checksum_free(sum);
    g_rand_free(random);
    return NULL;
}

/* Each round opens the case anew, so that its first reads are also made at once. */
static void check_case(const char *path)
{
    GThread *threads[N_THREADS];
    reader   together[N_THREADS];

    for (uint32_t round = 0; round < 3; round++) {
        g_autoptr(mt_case) shared = open_shared(path);
        g_autoptr(mt_case) lone = open_shared(path);

        for (uint32_t i = 0; i < N_THREADS; i++) {
            together[i] = (reader){.c = shared, .seed = 100 * round + i};
            threads[i] = g_thread_new("reader", read_at_random, &together[i]);
        }
        for (int i = 0; i < N_THREADS; i++)
            g_thread_join(threads[i]);
        for (uint32_t i = 0; i < N_THREADS; i++) {
            reader alone = {.c = lone, .seed = 100 * round + i};

            read_at_random(&alone);
            g_assert_cmpstr(together[i].hash, ==, alone.hash);
            g_free(alone.hash);
            g_free(together[i].hash);
        }
    }
}

static void *open_and_close(void *path)
{
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);

    return GINT_TO_POINTER(c != NULL);
}

/* The first thing the process does with a picture: the libraries are started by several threads at once. */
static void test_open(void)
{
    g_autofree uint8_t *rgb = g_malloc(50 * 40 * 3);
    GThread            *threads[N_THREADS];

    fill_noise(rgb, 50 * 40 * 3, 5);
    g_autofree char *path = write_picture("open.tif", 50, 40, rgb);
    for (int i = 0; i < N_THREADS; i++)
        threads[i] = g_thread_new("opener", open_and_close, path);
    for (int i = 0; i < N_THREADS; i++)
        g_assert_true(GPOINTER_TO_INT(g_thread_join(threads[i])));
}

static void test_raster(void)
{
    g_autofree uint8_t *rgb = g_malloc(300 * 200 * 3);

    fill_noise(rgb, 300 * 200 * 3, 9);
    g_autofree char *path = write_picture("raster.tif", 300, 200, rgb);
    check_case(path);
}

/* Level 0 through OpenSlide, level 1 through our own cache of tiles. */
static void test_pyramid(void)
{
    g_autofree uint8_t *level0 = waves(PYRAMID_W0, PYRAMID_H0, 3), *level1 = waves(PYRAMID_W1, PYRAMID_H1, 3);
    g_autofree char    *path = write_pyramid("pyramid.tif", level0, level1);

    check_case(path);
}

/* A reader of the damaged tile kills the handle that all share, again and again. */
static void test_dying_handle(void)
{
    g_autofree uint8_t *level0 = waves(PYRAMID_W0, PYRAMID_H0, 3), *level1 = waves(PYRAMID_W1, PYRAMID_H1, 3);
    g_autofree char    *path = write_pyramid("dying.tif", level0, level1);

    damage_tile(path, 13);
    check_case(path);
}

static void test_sample(gconstpointer name)
{
    const char *dir = g_getenv("MICROTOME_TEST_DATA");

    if (dir == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    g_autofree char *path = g_build_filename(dir, name, NULL);
    check_case(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    make_test_folder("mt-reads-XXXXXX");
    g_test_add_func("/case-reads/open", test_open);
    g_test_add_func("/case-reads/raster", test_raster);
    g_test_add_func("/case-reads/pyramid", test_pyramid);
    g_test_add_func("/case-reads/dying-handle", test_dying_handle);
    g_test_add_data_func("/case-reads/aperio", "wsi/aperio-cmu-1-small-region.svs", test_sample);
    g_test_add_data_func("/case-reads/volume", "radiology/d2n-generic-compressed_j2k/expected.nii.gz", test_sample);
    int result = g_test_run();

    remove_test_folder();
    return result;
}

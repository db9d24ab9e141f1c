/* The result file: what stands in it (h5py is the judge), equal bytes for equal calls, and disks that are full. */
#include "src/store/provenance.h"
#include "src/store/schema.h"
#include "src/store/store.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define N 300
#define DIM 1024

static const char *program;

static char *make_folder(void)
{
    char *folder = g_dir_make_tmp("store-XXXXXX", NULL);

    g_assert_nonnull(folder);
    return folder;
}

static void remove_folder(char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_assert_cmpint(g_unlink(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    g_free(folder);
}

static int count_entries(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    int n = 0;

    while (g_dir_read_name(dir) != NULL)
        n++;
    return n;
}

static bool write_coords(mt_store *store, GError **error)
{
    int64_t shape[2] = {N, 2};
    g_autoptr(mt_tensor) coords = mt_tensor_new(MT_I64, 2, shape, error);
    mt_coords_info info = {.name = "case-ä",
                           .patch_size = 224,
                           .patch_depth = 1,
                           .tile_level0 = {448.5, 448.25},
                           .overlap = 0.25,
                           .level0_width = 3000,
                           .level0_height = 2000,
                           .mpp_x = 0.2495,
                           .mpp_y = 0.2496,
                           .target_mpp = 0.5,
                           .mpp_source = "openslide"};

    for (int64_t i = 0; i < N; i++) {
        ((int64_t *)coords->data)[2 * i] = i * 224;
        ((int64_t *)coords->data)[2 * i + 1] = i * 100;
    }
    return mt_schema_write_coords(store, &info, coords, error);
}

/* Rows in batches of 16, as the pipeline hands them over. */
static bool append_features(mt_store *store, GError **error)
{
    g_autofree float *rows = g_new0(float, 16 * DIM);

    for (int first = 0; first < N; first += 16) {
        int n = MIN(16, N - first);
        for (int i = 0; i < n * DIM; i++)
            rows[i] = (float)((first + i / DIM) * 3 + i % DIM);
        if (!mt_store_append(store, MT_OBJECT_FEATURES, rows, n, error))
            return false;
    }
    return true;
}

static bool write_tables(mt_store *store, GError **error)
{
    static const uint16_t half[6] = {0x3c00, 0xc100, 0x0400, 0x0001, 0x7bff, 0x7c00};
    const char *const     labels[] = {"normal", "tumour ≥ 2 mm", NULL};
    uint8_t               valid[N];
    float                 attention[2 * N];

    for (int i = 0; i < N; i++)
        valid[i] = i % 7 != 3;
    for (int i = 0; i < 2 * N; i++)
        attention[i] = (float)i / 8;
    return mt_schema_write_valid(store, valid, N, error) &&
           mt_schema_write_tile_table(store, MT_OBJECT_ATTENTION, attention, 2, valid, N, 0, labels, error) &&
           mt_store_grow_expecting(store, "/half", MT_F16, 2, 3, error) && mt_store_append(store, "/half", half, 3, error);
}

static bool write_outlines(mt_store *store, GError **error)
{
    static const int32_t outer[] = {0, 0, 10, 0, 10, 10, 0, 10}, hole[] = {2, 2, 4, 2, 4, 4};
    const mt_ring        rings[] = {{false, 4, outer}, {true, 3, hole}};
    const double         affine[16] = {0.5, 0, 0, 0, 0, 0.5, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1};
    const int64_t        bounds[4] = {1, 2, 2998, 1997};
    mt_geometry          geometry = {.affine = affine, .size = {3000, 2000, 1}, .axis = "axial", .bounds = bounds};
    int64_t              shape[3] = {2, 3, 3};
    g_autoptr(mt_tensor) thumbnail = mt_tensor_new(MT_U8, 3, shape, error);

    return mt_schema_write_rings(store, rings, 2, error) && mt_schema_write_geometry(store, &geometry, error) &&
           mt_schema_write_thumbnail(store, thumbnail, 0, error);
}

static bool write_provenance(mt_store *store, GError **error)
{
    const mt_fact    libraries[] = {{"onednn", "2.6.3"}, {"hdf5", "1.10.8"}, {NULL, NULL}};
    const mt_fact    hashes[] = {{"model", "ab"}, {"head", "cd"}, {NULL, NULL}};
    mt_provenance    provenance = {.isa = "avx2", .libraries = libraries, .hashes = hashes, .recipe = "[grid]\nmpp=0.5\n"};
    g_autofree char *json = mt_provenance_json(&provenance, error);

    return json != NULL && mt_store_write_string(store, MT_OBJECT_PROVENANCE, json, error);
}

static bool write_all(const char *path, GError **error)
{
    g_autoptr(mt_store) store = mt_store_create(path, error);
    g_autofree char *sha = g_strnfill(64, 'a');

    for (int i = 1; i < 64; i += 2)
        sha[i] = 'b';
    return store != NULL && mt_schema_grow_features(store, MT_F32, DIM, -1, "toy", sha, "fp32", error) && write_coords(store, error) &&
           append_features(store, error) && write_tables(store, error) && write_outlines(store, error) && write_provenance(store, error) &&
           mt_store_publish(store, "{\"schema\":1,\"id\":\"case-ä\"}", error);
}

/* A Python check beside this file; false when it had to be skipped. */
static bool run_script(const char *verb, const char *path)
{
    g_autofree char *script = g_test_build_filename(G_TEST_DIST, "unit", "check_store.py", NULL);
    const char      *command[] = {"/usr/bin/python3", script, verb, path, NULL};
    g_autofree char *messages = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) environment = g_environ_unsetenv(g_get_environ(), "LD_PRELOAD");
    int status = 0;

    if (!g_spawn_sync(NULL, (char **)command, environment, 0, NULL, NULL, NULL, &messages, &status, &error) ||
        (WIFEXITED(status) && WEXITSTATUS(status) == 77)) {
        g_test_skip("/usr/bin/python3 with h5py is not here");
        return false;
    }
    if (status != 0)
        g_test_message("%s", messages);
    g_assert_cmpint(status, ==, 0);
    return true;
}

static void test_h5py(void)
{
    char            *folder = make_folder();
    g_autofree char *path = g_build_filename(folder, "a.h5", NULL);
    g_autoptr(GError) error = NULL;

    write_all(path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(count_entries(folder), ==, 1);
    run_script("read", path);
    remove_folder(folder);
}

static void assert_same_bytes(const char *a, const char *b)
{
    g_autofree char *bytes_a = NULL, *bytes_b = NULL;
    gsize            n_a, n_b;

    g_assert_true(g_file_get_contents(a, &bytes_a, &n_a, NULL));
    g_assert_true(g_file_get_contents(b, &bytes_b, &n_b, NULL));
    g_assert_cmpmem(bytes_a, n_a, bytes_b, n_b);
}

static void run_self(const char *name, const char *value, const char *perturb)
{
    const char *command[] = {program, NULL};
    g_auto(GStrv) environment = g_environ_setenv(g_get_environ(), name, value, true);
    g_autofree char *messages = NULL;
    g_autoptr(GError) error = NULL;
    int status = -1;

    environment = g_environ_setenv(environment, "MALLOC_PERTURB_", perturb, true);
    g_spawn_sync(NULL, (char **)command, environment, 0, NULL, NULL, NULL, &messages, &status, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(messages, ==, "");
    g_assert_cmpint(status, ==, 0);
}

static void test_equal_bytes(void)
{
    char            *folder = make_folder(), *other = make_folder();
    g_autofree char *a = g_build_filename(folder, "a.h5", NULL);
    g_autofree char *b = g_build_filename(other, "a-much-longer-name-for-the-same-thing.h5", NULL);
    g_autofree char *c = g_build_filename(other, "c.h5", NULL);
    g_autofree char *d = g_build_filename(other, "d.h5", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(write_all(a, &error) && write_all(b, &error));
    assert_same_bytes(a, b);
    run_self("MT_TEST_WRITE", c, "85"); /* other garbage in fresh memory */
    run_self("MT_TEST_WRITE", d, "170");
    assert_same_bytes(a, c);
    assert_same_bytes(a, d);
    remove_folder(folder);
    remove_folder(other);
}

static void test_small_file(void)
{
    char            *folder = make_folder();
    g_autofree char *path = g_build_filename(folder, "a.h5", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_store) store = mt_store_create(path, &error);
    float            row[8] = {1, 2, 3, 4, 5, 6, 7, 8}, back[8];
    g_autofree char *bytes = NULL;
    gsize            n;

    g_assert_true(mt_schema_grow_features(store, MT_F32, 8, 1, "toy", "00", "fp32", &error));
    g_assert_true(mt_store_append(store, MT_OBJECT_FEATURES, row, 1, &error));
    g_assert_true(mt_store_read_rows(store, MT_OBJECT_FEATURES, 0, 1, back, &error));
    g_assert_cmpmem(row, sizeof row, back, sizeof back);
    g_assert_true(mt_store_publish(store, "{\"schema\":1}", &error));
    g_assert_true(g_file_get_contents(path, &bytes, &n, NULL));
    g_assert_cmpuint(n, <, 16384); /* one tile does not pay for a large chunk */
    remove_folder(folder);
}

static void test_no_tiles(void)
{
    char            *folder = make_folder();
    g_autofree char *path = g_build_filename(folder, "a.h5", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_store) store = mt_store_create(path, &error);
    int64_t shape[2] = {0, 2};
    g_autoptr(mt_tensor) coords = mt_tensor_new(MT_I64, 2, shape, &error);
    mt_coords_info info = {.name = "empty", .mpp_source = "no spacing in the file"};
    double         value;

    g_assert_true(mt_schema_grow_features(store, MT_F32, 8, 0, "toy", "00", "fp32", &error));
    g_assert_true(mt_schema_write_coords(store, &info, coords, &error));
    g_assert_true(mt_schema_write_rings(store, NULL, 0, &error));
    g_assert_true(mt_store_publish(store, "{\"schema\":1}", &error));
    g_assert_no_error(error);

    g_autoptr(mt_result) result = mt_result_open(path, &error);
    g_assert_no_error(error);
    g_autoptr(mt_tensor) features = mt_result_read(result, MT_OBJECT_FEATURES, &error);
    g_assert_no_error(error);
    g_assert_cmpint(features->rank, ==, 2);
    g_assert_cmpint(features->shape[0], ==, 0);
    g_assert_cmpint(features->shape[1], ==, 8);
    g_assert_false(mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_MPP_X, &value, 1)); /* unknown: absent, not 0 */
    g_assert_false(mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_LEVEL0_MAGNIFICATION, &value, 1));
    g_assert_false(mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_TARGET_MAGNIFICATION, &value, 1));
    g_assert_true(mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_TARGET_MPP, &value, 1));
    remove_folder(folder);
}

static void assert_message(GError *error, mt_error code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void assert_message(GError *error, mt_error code, const char *format, ...)
{
    va_list          arguments;
    g_autofree char *expected = NULL;

    va_start(arguments, format);
    expected = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_assert_nonnull(error);
    g_assert_cmpstr(error->message, ==, expected);
    g_assert_error(error, MT_ERROR, (int)code);
    g_error_free(error);
}

/* RLIMIT_FSIZE stands in for a full disk: the same path through errno, and it needs no rights. */
static void test_file_limit(void)
{
    char         *folder = make_folder();
    struct rlimit limit, small;
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);

    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    small = limit;
    for (rlim_t bytes = 0; bytes < 1300000; bytes = bytes < 8192 ? bytes + 1024 : bytes * 2 + 7) {
        g_autofree char *path = g_build_filename(folder, "a.h5", NULL);
        GError          *error = NULL;
        small.rlim_cur = bytes;
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
        bool ok = write_all(path, &error);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
        g_assert_false(ok);
        assert_message(error, MT_ERROR_IO, "write %s: File too large", path);
        g_assert_cmpint(count_entries(folder), ==, 0);
    }
    signal(SIGXFSZ, before);

    g_autofree char *path = g_build_filename(folder, "b.h5", NULL); /* HDF5 is as good as new */
    g_autoptr(GError) error = NULL;
    g_assert_true(write_all(path, &error));
    run_script("read", path);
    remove_folder(folder);
}

/* What run_self does with MT_TEST_TMPFS: fill a tiny tmpfs, then exit in the ordinary way. */
static int fill_tmpfs(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, "a.h5", NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *expected = g_strdup_printf("write %s: No space left on device (", path);

    if (write_all(path, &error) || !g_error_matches(error, MT_ERROR, MT_ERROR_IO) || !g_str_has_prefix(error->message, expected))
        return 1;
    return count_entries(folder) == 0 ? 0 : 2;
}

static void test_full_disk(void)
{
    char            *folder = make_folder();
    g_autofree char *line =
        g_strdup_printf("mount -t tmpfs -o size=300k tmpfs %s || exit 77; MT_TEST_TMPFS=%s exec %s", folder, folder, program);
    const char      *command[] = {"unshare", "-rm", "sh", "-c", line, NULL};
    g_autofree char *messages = NULL;
    g_autoptr(GError) error = NULL;
    int status = -1;

    if (!g_spawn_sync(NULL, (char **)command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &messages, &status, &error) ||
        (WIFEXITED(status) && (WEXITSTATUS(status) == 77 || strstr(messages, "unshare:") != NULL)))
        g_test_skip("unshare may not mount a tmpfs here");
    else
        g_assert_cmpint(status, ==, 0);
    remove_folder(folder);
}

static void test_abandoned(void)
{
    char            *folder = make_folder();
    g_autofree char *path = g_build_filename(folder, "a.h5", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_store) store = mt_store_create(path, &error);

    g_assert_true(mt_store_grow(store, "/a/b/c", MT_F32, 4, &error));
    g_assert_true(mt_store_append(store, "/a/b/c", (float[4]){1, 2, 3, 4}, 1, &error));
    g_assert_cmpint(count_entries(folder), ==, 1);
    g_clear_pointer(&store, mt_store_free);
    g_assert_cmpint(count_entries(folder), ==, 0);
    remove_folder(folder);
}

static void test_target_exists(void)
{
    char            *folder = make_folder();
    g_autofree char *path = g_build_filename(folder, "a.h5", NULL);
    GError          *error = NULL;
    g_autoptr(mt_store) store = mt_store_create(path, &error);

    g_assert_true(g_file_set_contents(path, "mine", -1, NULL));
    g_assert_false(mt_store_publish(store, "{\"schema\":1}", &error));
    assert_message(error, MT_ERROR_USAGE, "publish %s: it exists already, and results are never overwritten", path);
    g_assert_cmpint(count_entries(folder), ==, 1);
    error = NULL;
    g_assert_false(mt_store_publish(store, "{\"schema\":1}", &error));
    assert_message(error, MT_ERROR_INTERNAL, "publish %s: it was published before", path);
    remove_folder(folder);
}

static void test_messages(void)
{
    char            *folder = make_folder();
    g_autofree char *path = g_build_filename(folder, "a.h5", NULL), *missing = g_build_filename(folder, "no", "a.h5", NULL);
    GError          *error = NULL;
    g_autoptr(mt_store) store = mt_store_create(path, NULL);
    int64_t one = 1;
    g_autoptr(mt_tensor) bf16 = mt_tensor_new(MT_BF16, 1, &one, NULL), f32 = mt_tensor_new(MT_F32, 1, &one, NULL);
    g_autofree char *wide = g_strnfill(MT_RESULT_HEADLINE_BYTES, 'x');

    g_assert_null(mt_store_create(missing, &error));
    assert_message(g_steal_pointer(&error), MT_ERROR_IO, "create a temporary file for %s: No such file or directory", missing);
    g_assert_false(mt_store_write(store, "/a", bf16, &error));
    assert_message(g_steal_pointer(&error), MT_ERROR_INTERNAL, "write /a of %s: bfloat16 cannot be stored", path);
    g_assert_true(mt_store_write(store, "/a", f32, &error));
    g_assert_false(mt_store_write(store, "/a", f32, &error));
    assert_message(g_steal_pointer(&error), MT_ERROR_INTERNAL, "write /a of %s: name already exists", path);
    g_assert_false(mt_store_append(store, "/a", f32->data, 1, &error));
    assert_message(g_steal_pointer(&error), MT_ERROR_INTERNAL, "append to /a of %s: it does not grow", path);
    g_assert_false(mt_store_attr_int(store, "/b", "n", &one, 1, &error));
    assert_message(g_steal_pointer(&error), MT_ERROR_INTERNAL, "write attribute n of /b of %s: object 'b' doesn't exist", path);
    g_assert_false(mt_schema_write_thumbnail(store, f32, 0, &error));
    assert_message(g_steal_pointer(&error), MT_ERROR_INTERNAL, "write /thumbnail: not 8-bit RGB of height x width x 3");
    g_assert_false(mt_store_publish(store, wide, &error));
    assert_message(g_steal_pointer(&error), MT_ERROR_INTERNAL, "publish %s: a headline of 4096 bytes, where one line of at most 4095 fits",
                   path);
    wide[MT_RESULT_HEADLINE_BYTES - 1] = '\0';
    g_assert_true(mt_store_publish(store, wide, &error));
    g_clear_pointer(&store, mt_store_free);
    remove_folder(folder);
}

static void test_magnification(void)
{
    static const struct {
        double  power, mpp, target;
        int64_t level0;
        double  magnification;
    } cases[] = {{0, 0.2495, 0.5, 40, 20}, {0, 0.3, 0.5, 20, 20}, {0, 0.29999, 1, 20, 10},   {0, 0.1599, 0.25, 80, 40},
                 {0, 0.19, 2, 60, 5},      {0, 1.19, 4, 10, 2.5}, {0, 2.39, 10, 5, 1},       {0, 2.4, 10, 0, 1},
                 {0, 0, 0, 0, 0},          {20, 0.25, 0, 20, 20}, {40, 0.25, 0.499, 40, 20}, {0, 0.5, 0.7, 20, 14.29}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        mt_coords_info info = {.objective_power = cases[i].power, .mpp_x = cases[i].mpp, .target_mpp = cases[i].target};
        g_assert_cmpint(mt_schema_level0_magnification(&info), ==, cases[i].level0);
        g_assert_cmpfloat(mt_schema_target_magnification(&info), ==, cases[i].magnification);
    }
}

static void test_provenance(void)
{
    const mt_fact    libraries[] = {{"onednn", "2.6.3"}, {"hdf5", "1.10.8"}, {NULL, NULL}};
    const mt_fact    hashes[] = {{"model", "ab"}, {"head", NULL}, {NULL, NULL}};
    mt_provenance    provenance = {.isa = "avx2", .libraries = libraries, .hashes = hashes, .recipe = "[grid]\n", .off_contract = true};
    const mt_fact    broken[] = {{"encoder", "\xff"}, {NULL, NULL}};
    GError          *error = NULL;
    g_autofree char *json = mt_provenance_json(&provenance, &error);

    g_assert_cmpstr(
        json, ==,
        "{\"demonstration\":false,\"engine\":\"microtome\",\"engine_version\":\"" MT_VERSION "\",\"hashes\":{\"model\":\"ab\"},"
        "\"isa\":\"avx2\",\"libraries\":{\"hdf5\":\"1.10.8\",\"onednn\":\"2.6.3\"},\"off_contract\":true,\"recipe\":\"[grid]\\n\"}");
    provenance.facts = broken;
    g_assert_null(mt_provenance_json(&provenance, &error));
    assert_message(error, MT_ERROR_INTERNAL, "write the provenance: encoder is not UTF-8");
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (g_getenv("MT_TEST_WRITE") != NULL)
        return write_all(g_getenv("MT_TEST_WRITE"), NULL) ? 0 : 1;
    if (g_getenv("MT_TEST_TMPFS") != NULL)
        return fill_tmpfs(g_getenv("MT_TEST_TMPFS"));
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/store/h5py", test_h5py);
    g_test_add_func("/store/equal-bytes", test_equal_bytes);
    g_test_add_func("/store/small-file", test_small_file);
    g_test_add_func("/store/no-tiles", test_no_tiles);
    g_test_add_func("/store/file-limit", test_file_limit);
    g_test_add_func("/store/full-disk", test_full_disk);
    g_test_add_func("/store/abandoned", test_abandoned);
    g_test_add_func("/store/target-exists", test_target_exists);
    g_test_add_func("/store/messages", test_messages);
    g_test_add_func("/store/magnification", test_magnification);
    g_test_add_func("/store/provenance", test_provenance);
    return g_test_run();
}

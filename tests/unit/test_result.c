/* Reading result files: the headline without HDF5, types, and files that are not ours or mean harm. */
#include "src/store/result_foreign.h"
#include "src/store/store.h"

#include <microtome/error.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

typedef struct fixture {
    char *folder, *path;
} fixture;

static void set_up(fixture *f, gconstpointer data)
{
    (void)data;
    f->folder = g_dir_make_tmp("result-XXXXXX", NULL);
    g_assert_nonnull(f->folder);
    f->path = g_build_filename(f->folder, "a.h5", NULL);
}

static void tear_down(fixture *f, gconstpointer data)
{
    g_autoptr(GDir) dir = g_dir_open(f->folder, 0, NULL);
    const char *name;

    (void)data;
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(f->folder, name, NULL);
        g_assert_cmpint(g_unlink(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->folder);
    g_free(f->path);
}

static void assert_message(GError **error, mt_error code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void assert_message(GError **error, mt_error code, const char *format, ...)
{
    va_list          arguments;
    g_autofree char *expected = NULL;

    va_start(arguments, format);
    expected = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_assert_nonnull(*error);
    g_assert_cmpstr((*error)->message, ==, expected);
    g_assert_error(*error, MT_ERROR, (int)code);
    g_clear_error(error);
}

static void write_result(const char *path, const char *headline)
{
    static const mt_dtype dtypes[] = {MT_F32, MT_F64, MT_F16, MT_I64, MT_I32, MT_I16, MT_U16, MT_I8, MT_U8, MT_BOOL};
    const char *const     labels[] = {"normal", "größer", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_store) store = mt_store_create(path, &error);
    int64_t shape[2] = {3, 2}, five = 5;

    g_assert_no_error(error);
    for (size_t i = 0; i < G_N_ELEMENTS(dtypes); i++) {
        g_autoptr(mt_tensor) tensor = mt_tensor_new(dtypes[i], 2, shape, &error);
        g_autofree char *name = g_strdup_printf("/types/%s", mt_dtype_name(dtypes[i]));
        for (size_t k = 0; k < mt_tensor_bytes(tensor); k++)
            ((uint8_t *)tensor->data)[k] = (uint8_t)(dtypes[i] == MT_BOOL ? k & 1 : k * 7 % 60);
        g_assert_true(mt_store_write(store, name, tensor, &error));
    }
    g_autoptr(mt_tensor) scalar = mt_tensor_new(MT_F64, 0, NULL, &error);
    *(double *)scalar->data = 0.25;
    g_assert_true(mt_store_write(store, "/scalar", scalar, &error));
    g_assert_true(mt_store_write_string(store, "/text", "für {}", &error));
    g_assert_true(mt_store_attr_strings(store, "/scalar", "labels", labels, &error));
    g_assert_true(mt_store_attr_string(store, "/types", "word", "ja", &error));
    g_assert_true(mt_store_attr_int(store, "/scalar", "five", &five, 1, &error));
    g_assert_true(mt_store_attr_double(store, "/scalar", "pair", (double[2]){1.5, 2.5}, 2, &error));
    g_assert_true(mt_store_publish(store, headline, &error));
    g_assert_no_error(error);
}

static void test_types(fixture *f, gconstpointer data)
{
    static const mt_dtype dtypes[] = {MT_F32, MT_F64, MT_F16, MT_I64, MT_I32, MT_I16, MT_U16, MT_I8, MT_U8, MT_BOOL};
    g_autoptr(GError) error = NULL;

    (void)data;
    write_result(f->path, "{\"schema\":1}");
    g_autoptr(mt_result) result = mt_result_open(f->path, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(mt_result_path(result), ==, f->path);
    for (size_t i = 0; i < G_N_ELEMENTS(dtypes); i++) {
        g_autofree char *name = g_strdup_printf("/types/%s", mt_dtype_name(dtypes[i]));
        g_autoptr(mt_tensor) tensor = mt_result_read(result, name, &error);
        g_assert_no_error(error);
        g_assert_cmpint(tensor->dtype, ==, dtypes[i] == MT_BOOL ? MT_U8 : dtypes[i]);
        g_assert_cmpint(tensor->shape[0] * 10 + tensor->shape[1], ==, 32);
        for (size_t k = 0; k < mt_tensor_bytes(tensor); k++)
            g_assert_cmpuint(((uint8_t *)tensor->data)[k], ==, dtypes[i] == MT_BOOL ? k & 1 : k * 7 % 60);
    }
}

static void test_attributes(fixture *f, gconstpointer data)
{
    double values[3];

    (void)data;
    write_result(f->path, "{\"schema\":1}");
    g_autoptr(mt_result) result = mt_result_open(f->path, NULL);
    g_auto(GStrv) labels = mt_result_attr_strings(result, "/scalar", "labels");
    g_autofree char *word = mt_result_attr_string(result, "/types", "word");
    g_autofree char *text = mt_result_read_string(result, "/text", NULL);
    g_assert_cmpstr(labels[1], ==, "größer");
    g_assert_null(labels[2]);
    g_assert_cmpstr(word, ==, "ja");
    g_assert_cmpstr(text, ==, "für {}");
    g_assert_true(mt_result_attr(result, "/scalar", "five", values, 1) && values[0] == 5);
    g_assert_true(mt_result_attr(result, "/scalar", "pair", values, 3) && values[0] == 1.5 && values[1] == 2.5 && isnan(values[2]));
    g_assert_false(mt_result_attr(result, "/scalar", "labels", values, 1));
    g_assert_false(mt_result_attr(result, "/scalar", "no", values, 1));
    g_assert_false(mt_result_attr(result, "/no", "no", values, 1));
    g_assert_null(mt_result_attr_string(result, "/scalar", "five"));
    g_assert_true(mt_result_has(result, "/types/float32") && mt_result_has(result, "/types") && mt_result_has(result, "/"));
    g_assert_false(mt_result_has(result, "/types/float32/deeper") || mt_result_has(result, "types") || mt_result_has(result, "/no/no"));
}

static void test_rows(fixture *f, gconstpointer data)
{
    GError *error = NULL;
    float   rows[6];

    (void)data;
    write_result(f->path, "{\"schema\":1}");
    g_autoptr(mt_result) result = mt_result_open(f->path, NULL);
    g_autoptr(mt_tensor) all = mt_result_read(result, "/types/float32", NULL);
    g_assert_true(mt_result_read_rows(result, "/types/float32", 1, 2, rows, &error));
    g_assert_cmpmem(rows, 16, (float *)all->data + 2, 16);
    g_assert_true(mt_result_read_rows(result, "/types/float32", 3, 0, rows, &error));
    g_assert_false(mt_result_read_rows(result, "/types/float32", 2, 2, rows, &error));
    assert_message(&error, MT_ERROR_RANGE, "read rows of /types/float32 of %s: rows 2 to 3 asked for, it has 3", f->path);
    g_assert_false(mt_result_read_rows(result, "/types/int64", 0, 1, rows, &error));
    assert_message(&error, MT_ERROR_INPUT, "read rows of /types/int64 of %s: it is no table of floats", f->path);
    g_assert_null(mt_result_read(result, "/no", &error));
    assert_message(&error, MT_ERROR_INPUT, "read /no of %s: it is not there", f->path);
    g_assert_null(mt_result_read(result, "/types", &error));
    assert_message(&error, MT_ERROR_INPUT, "read /types of %s: not a dataset", f->path);
    g_assert_null(mt_result_read_string(result, "/scalar", &error));
    assert_message(&error, MT_ERROR_INPUT, "read /scalar of %s: no string", f->path);
    g_assert_null(mt_result_read(result, "/text", &error));
    assert_message(&error, MT_ERROR_INPUT, "read /text of %s: no array of a known number type", f->path);
}

/* Every half number against the value that its bits spell. */
static void test_half(fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    int64_t shape[2] = {65536, 1};
    g_autoptr(mt_tensor) halves = mt_tensor_new(MT_F16, 2, shape, NULL);
    g_autoptr(mt_store) store = mt_store_create(f->path, &error);
    g_autofree float *rows = g_new0(float, 65536);

    (void)data;
    for (int i = 0; i < 65536; i++)
        ((uint16_t *)halves->data)[i] = (uint16_t)i;
    g_assert_true(mt_store_write(store, "/half", halves, &error));
    g_assert_true(mt_store_publish(store, "{\"schema\":1}", &error));
    g_autoptr(mt_result) result = mt_result_open(f->path, &error);
    g_assert_true(mt_result_read_rows(result, "/half", 0, 65536, rows, &error));
    for (int i = 0; i < 65536; i++) {
        int    exponent = i >> 10 & 31, mantissa = i & 1023;
        double value = exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024 + mantissa, exponent - 25);
        if (exponent == 31 && mantissa != 0) {
            g_assert_true(isnan(rows[i]));
            continue;
        }
        value = exponent == 31 ? (double)INFINITY : value;
        g_assert_cmpfloat(rows[i], ==, (i & 0x8000) != 0 ? -value : value);
    }
}

static void test_headline(fixture *f, gconstpointer data)
{
    g_autofree char *full = g_strnfill(MT_RESULT_HEADLINE_BYTES - 1, ' ');
    GError          *error = NULL;

    (void)data;
    memcpy(full, "{\"schema\":1}", 12);
    write_result(f->path, full);
    g_autofree char *line = mt_result_headline(f->path, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(line, ==, full);
}

static void rewrite(const char *path, const char *from, const char *to)
{
    g_autofree char *bytes = NULL;
    gsize            n;

    g_assert_true(g_file_get_contents(path, &bytes, &n, NULL));
    memcpy(memmem(bytes, n, from, strlen(from)), to, strlen(to));
    g_assert_true(g_file_set_contents(path, bytes, (gssize)n, NULL));
}

static void test_not_ours(fixture *f, gconstpointer data)
{
    GError *error = NULL;

    (void)data;
    g_assert_null(mt_result_open(f->path, &error));
    assert_message(&error, MT_ERROR_MISSING, "open %s: No such file or directory", f->path);
    g_assert_null(mt_result_open(f->folder, &error));
    assert_message(&error, MT_ERROR_INPUT, "open %s: not a regular file", f->folder);
    g_assert_true(g_file_set_contents(f->path, "", 0, NULL));
    g_assert_null(mt_result_open(f->path, &error));
    assert_message(&error, MT_ERROR_INPUT, "read %s: not a result of microtome (no headline in front of HDF5 data)", f->path);
    g_unlink(f->path);
    write_result(f->path, "{\"schema\":1}");
    rewrite(f->path, "{\"schema\":1,", "{\"schema\":2,");
    g_assert_null(mt_result_headline(f->path, &error));
    assert_message(&error, MT_ERROR_INPUT, "read %s: written by a newer microtome (schema 2, this one reads up to 1): use that version",
                   f->path);
    rewrite(f->path, "{\"schema\":2,", "{\"schema\":\",");
    g_assert_null(mt_result_headline(f->path, &error));
    assert_message(&error, MT_ERROR_INPUT, "read %s: its headline is damaged (no JSON with a schema number)", f->path);
    g_unlink(f->path);
    g_assert_cmpint(mkfifo(f->path, 0600), ==, 0);
    g_assert_null(mt_result_headline(f->path, &error));
    assert_message(&error, MT_ERROR_INPUT, "open %s: not a regular file", f->path);
}

/* Cut at any length: an error or the whole truth, never a crash. */
static void test_truncated(fixture *f, gconstpointer data)
{
    g_autofree char *bytes = NULL;
    gsize            n;

    (void)data;
    write_result(f->path, "{\"schema\":1}");
    g_assert_true(g_file_get_contents(f->path, &bytes, &n, NULL));
    for (gsize keep = 0; keep < n; keep += keep < 4096 ? 1024 : 101) {
        g_autoptr(GError) error = NULL;
        g_assert_true(g_file_set_contents(f->path, bytes, (gssize)keep, NULL));
        g_autoptr(mt_result) result = mt_result_open(f->path, &error);
        g_assert_null(result);
        g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    }
}

static bool make_hostile(const char *folder)
{
    g_autofree char *script = g_test_build_filename(G_TEST_DIST, "unit", "check_store.py", NULL);
    const char      *command[] = {"/usr/bin/python3", script, "hostile", folder, NULL};
    g_auto(GStrv) environment = g_environ_unsetenv(g_get_environ(), "LD_PRELOAD");
    int status = 0;

    if (!g_spawn_sync(NULL, (char **)command, environment, 0, NULL, NULL, NULL, NULL, &status, NULL) ||
        (WIFEXITED(status) && WEXITSTATUS(status) == 77)) {
        g_test_skip("/usr/bin/python3 with h5py is not here");
        return false;
    }
    g_assert_cmpint(status, ==, 0);
    return true;
}

static void test_hostile(fixture *f, gconstpointer data)
{
    static const char *const refused[][2] = {
        {"/external", "it is not there"},
        {"/soft", "it is not there"},
        {"/outside", "external storage is refused"},
        {"/virtual", "a virtual dataset is refused"},
        {"/claims", "it claims 1099511627776 elements, its data has 0 bytes"},
        {"/lzf", "filter 32000 is refused"},
        {"/complex", "no array of a known number type"},
        {"/unsigned", "no array of a known number type"},
        {"/strings", "no array of a known number type"},
    };
    g_autofree char *path = g_build_filename(f->folder, "hostile.h5", NULL);
    GError          *error = NULL;
    double           value;
    float            rows[6], want[6] = {0, 1, 2, 3, 4, 5};

    (void)data;
    if (!make_hostile(f->folder))
        return;
    g_assert_null(mt_result_open(path, &error));
    assert_message(&error, MT_ERROR_INPUT, "read %s: not a result of microtome (no headline in front of HDF5 data)", path);
    g_autoptr(mt_result) result = mt_result_open_foreign(path, &error);
    g_assert_no_error(error);
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_assert_null(mt_result_read(result, refused[i][0], &error));
        assert_message(&error, MT_ERROR_INPUT, "read %s of %s: %s", refused[i][0], path, refused[i][1]);
    }
    g_assert_true(mt_result_read_rows(result, "/big-endian", 0, 3, rows, &error));
    g_assert_cmpmem(rows, sizeof rows, want, sizeof want);
    g_autoptr(mt_tensor) packed = mt_result_read(result, "/packed", &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(((float *)packed->data)[4095], ==, 1);
    g_autofree char *fixed = mt_result_attr_string(result, "/plain", "fixed"), *word = mt_result_attr_string(result, "/plain", "word");
    g_assert_cmpstr(fixed, ==, "fixed");
    g_assert_cmpstr(word, ==, "ja");
    g_assert_false(mt_result_attr(result, "/plain", "empty", &value, 1));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/result/" name, fixture, NULL, set_up, function, tear_down)
    ADD("types", test_types);
    ADD("attributes", test_attributes);
    ADD("rows", test_rows);
    ADD("half", test_half);
    ADD("headline", test_headline);
    ADD("not-ours", test_not_ours);
    ADD("truncated", test_truncated);
    ADD("hostile", test_hostile);
    return g_test_run();
}

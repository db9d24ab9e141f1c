#include "src/base/alloc.h"
#include "src/base/csv.h"
#include "src/base/decimal.h"
#include "src/base/hash.h"
#include "src/base/key_file.h"
#include "src/base/publish.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static char *folder; /* of this run */

static char *write_file(const char *name, const char *text)
{
    char *path = g_build_filename(folder, name, NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static void assert_message(GError **error, int code, const char *message)
{
    g_assert_error(*error, MT_ERROR, code);
    g_assert_cmpstr((*error)->message, ==, message);
    g_clear_error(error);
}

static void test_exit_codes(void)
{
    static const struct {
        mt_error code;
        int      exit_code;
    } cases[] = {{MT_ERROR_USAGE, 64}, {MT_ERROR_RANGE, 64},   {MT_ERROR_INPUT, 65},    {MT_ERROR_SPACING, 65},
                 {MT_ERROR_LIMIT, 65}, {MT_ERROR_MISSING, 66}, {MT_ERROR_INTERNAL, 70}, {MT_ERROR_MEMORY, 70},
                 {MT_ERROR_IO, 74},    {MT_ERROR_STOPPED, 75}, {MT_ERROR_MODEL, 78}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = g_error_new_literal(MT_ERROR, cases[i].code, "x");
        g_assert_cmpint(mt_error_exit_code(error), ==, cases[i].exit_code);
    }
    g_autoptr(GError) other = g_error_new_literal(G_FILE_ERROR, 1, "x");
    g_assert_cmpint(mt_error_exit_code(other), ==, 70);
    g_assert_cmpint(mt_error_exit_code(NULL), ==, 0);
}

static void test_alloc(void)
{
    g_autoptr(GError) error = NULL;
    uint8_t *memory = mt_alloc(3, 5, &error);

    g_assert_no_error(error);
    g_assert_cmpuint((uintptr_t)memory % 64, ==, 0);
    for (int i = 0; i < 15; i++)
        g_assert_cmpint(memory[i], ==, 0);
    mt_free(memory);
    g_assert_null(mt_alloc(-1, 4, &error));
    assert_message(&error, MT_ERROR_LIMIT, "allocate -1 x 4 bytes: more than an address can hold");
    g_assert_null(mt_alloc(INT64_MAX, 16, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_LIMIT);
    g_clear_error(&error);
    mt_alloc_fail_at(2);
    mt_free(mt_alloc(1, 1, &error));
    g_assert_no_error(error);
    g_assert_null(mt_alloc(1, 100, &error));
    assert_message(&error, MT_ERROR_MEMORY, "allocate 128 bytes: the system refused");
    mt_alloc_fail_at(0);
}

/* FIPS 180-2's examples. */
static void test_hash(void)
{
    g_autofree char *abc = mt_hash_bytes("abc", 3), *path = write_file("abc", "abc"), *file = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(abc, ==, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    file = mt_hash_file(path, &error);
    g_assert_cmpstr(file, ==, abc);
    g_assert_null(mt_hash_file("/nowhere/x", &error));
    assert_message(&error, MT_ERROR_MISSING, "hash /nowhere/x: No such file or directory");
}

static void test_csv(void)
{
    g_autofree char *path = write_file("a.csv", "\xef\xbb\xbfid,note\r\na,\"x, \"\"y\"\"\nz\"\n\nb,\n"),
                    *ragged = write_file("b.csv", "a,b\n1\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_csv) csv = mt_csv_read(path, &error);

    g_assert_no_error(error);
    g_assert_cmpint(csv->rows->len, ==, 2);
    g_assert_cmpint(mt_csv_column(csv, "note"), ==, 1);
    g_assert_cmpint(mt_csv_column(csv, "mpp"), ==, -1);
    g_assert_cmpstr(mt_csv_cell(csv, 0, 1), ==, "x, \"y\"\nz");
    g_assert_cmpstr(mt_csv_cell(csv, 1, 0), ==, "b");
    g_assert_null(mt_csv_cell(csv, 0, -1));
    g_assert_null(mt_csv_read(ragged, &error));
    g_autofree char *message = g_strdup_printf("read %s: row 2 has 1 cells where the header has 2", ragged);
    assert_message(&error, MT_ERROR_INPUT, message);
}

static void test_csv_formula(void)
{
    g_autoptr(GString) line = g_string_new(NULL);

    mt_csv_append_text(line, "=1+1", true);
    mt_csv_append_text(line, "a\"b", false);
    mt_csv_append_text(line, "plain", false);
    g_assert_cmpstr(line->str, ==, "\"'=1+1\",\"a\"\"b\",plain");
}

static const mt_key KEYS[] = {{"grid", "mpp"}, {"grid", "tile"}, {"grid", "on"}, {"grid", "list"}, {"stage.*", "*"}, {NULL, NULL}};

static void test_key_file_values(void)
{
    g_autofree char *path = write_file("a.ini", "# note\n[grid]\nmpp= 0.25\ntile=224\non=true\nlist=1;2.5;3\n[stage.1]\nany=x\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(GKeyFile) file = mt_key_file_load(path, KEYS, &error);
    double mpp = 0, list[4];
    int    tile = 0, n = 0;
    bool   on = false;

    g_assert_no_error(error);
    g_assert_true(mt_key_file_double(file, path, "grid", "mpp", 0, 1, &mpp, &error) && mpp == 0.25);
    g_assert_true(mt_key_file_int(file, path, "grid", "tile", 16, 4096, &tile, &error) && tile == 224);
    g_assert_true(mt_key_file_bool(file, path, "grid", "on", &on, &error) && on);
    g_assert_true(mt_key_file_doubles(file, path, "grid", "list", 4, list, &n, &error) && n == 3 && list[1] == 2.5);
    g_assert_true(mt_key_file_int(file, path, "grid", "absent", 0, 1, &tile, &error) && tile == 224);
}

static void test_key_file_refusals(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {{"[grid]\nmp=1\n", "read %s: unknown key 'mp' in [grid]"},
                 {"[gird]\nmpp=1\n", "read %s: unknown group [gird]"},
                 {"[grid]\nmpp=fast\n", "read %s: [grid] mpp=fast: a number from 0 to 1 is wanted"},
                 {"[grid]\nmpp=nan\n", "read %s: [grid] mpp=nan: a number from 0 to 1 is wanted"},
                 {"[grid]\nmpp=2\n", "read %s: [grid] mpp=2: a number from 0 to 1 is wanted"}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = write_file("bad.ini", cases[i].text);
        g_autoptr(GError) error = NULL;
        g_autoptr(GKeyFile) file = mt_key_file_load(path, KEYS, &error);
        double mpp;
        if (file != NULL)
            g_assert_false(mt_key_file_double(file, path, "grid", "mpp", 0, 1, &mpp, &error));
        g_auto(GStrv) parts = g_strsplit(cases[i].message, "%s", 2);
        g_autofree char *message = g_strconcat(parts[0], path, parts[1], NULL);
        assert_message(&error, MT_ERROR_MODEL, message);
    }
}

static void test_key_file_paths(void)
{
    static const char *const refused[] = {"/etc/x", "../x", "a/../../x", ""};
    g_autoptr(GError) error = NULL;
    g_autofree char *below = mt_key_file_resolve("/a/b/r.ini", "heads/h.safetensors", &error);

    g_assert_cmpstr(below, ==, "/a/b/heads/h.safetensors");
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_assert_null(mt_key_file_resolve("/a/b/r.ini", refused[i], &error));
        g_autofree char *message =
            g_strdup_printf("read /a/b/r.ini: path '%s': only paths below the file's own folder are followed", refused[i]);
        assert_message(&error, MT_ERROR_MODEL, message);
    }
}

static void test_publish(void)
{
    g_autofree char *target = g_build_filename(folder, "out.txt", NULL), *text = NULL,
                    *lost = g_build_filename(folder, "no", "out.txt", NULL);
    g_autofree char *message = g_strdup_printf("publish %s: it exists already, and results are never overwritten", target);
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_publish_text(target, "one", false, &error));
    g_assert_false(mt_publish_text(target, "two", false, &error));
    assert_message(&error, MT_ERROR_USAGE, message);
    g_assert_true(g_file_get_contents(target, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "one");
    g_assert_true(mt_publish_text(target, "three", true, &error));
    g_assert_false(mt_publish_text(lost, "x", false, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_IO);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;)
        g_assert_false(g_str_has_prefix(name, ".tmp-"));
}

static void test_decimal(void)
{
    static const struct {
        double      value;
        const char *text;
    } cases[] = {
        {0.5, "0.5"},   {0.1, "0.1"}, {-1e-300, "-1e-300"}, {1.0 / 3, "0.3333333333333333"}, {0.30000000000000004, "0.30000000000000004"},
        {1e6, "1e+06"}, {0, "0"}};
    char digits[MT_DECIMAL_BYTES];

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpstr(mt_decimal_text(cases[i].value, digits), ==, cases[i].text);
    g_assert_cmpfloat(mt_decimal_of_float(0.3f), ==, 0.3);
    g_assert_cmpfloat(mt_decimal_of_float(16777217.0f), ==, 16777216.0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("microtome-XXXXXX", NULL);
    g_test_add_func("/base/exit-codes", test_exit_codes);
    g_test_add_func("/base/alloc", test_alloc);
    g_test_add_func("/base/hash", test_hash);
    g_test_add_func("/base/csv", test_csv);
    g_test_add_func("/base/csv-formula", test_csv_formula);
    g_test_add_func("/base/key-file-values", test_key_file_values);
    g_test_add_func("/base/key-file-refusals", test_key_file_refusals);
    g_test_add_func("/base/key-file-paths", test_key_file_paths);
    g_test_add_func("/base/publish", test_publish);
    g_test_add_func("/base/decimal", test_decimal);
    int   code = g_test_run();
    GDir *dir = g_dir_open(folder, 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    g_dir_close(dir);
    g_rmdir(folder);
    g_free(folder);
    return code;
}

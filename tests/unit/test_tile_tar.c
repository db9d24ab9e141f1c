/* Tar archives as tar itself and Python's tarfile read them: names of every length, sizes around a block, equal bytes. */
#include "src/export/tile_tar.h"

#include <microtome/error.h>

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

static char *folder;

static const int name_lengths[] = {1, 5, 99, 100, 101, 155, 156, 254, 255, 256, 257, 600};
static const int sizes[] = {0, 1, 511, 512, 513, 1024, 10239, 1 << 20, (1 << 20) + 1, 3000000};

/* A name of n bytes; with a slash where ustar could split it, or without any. */
static char *name_of(int n, int slash)
{
    char *name = g_malloc((gsize)n + 1);

    memset(name, 'a' + n % 26, (size_t)n);
    name[n] = '\0';
    if (slash > 0 && slash < n - 1)
        name[slash] = '/';
    return name;
}

static uint8_t *content_of(int n)
{
    uint8_t *data = g_malloc((gsize)n + 1);

    for (int i = 0; i < n; i++)
        data[i] = (uint8_t)(i * 31 + n);
    return data;
}

static void add(mt_tar *tar, const char *name, int size)
{
    g_autofree uint8_t *data = content_of(size);
    g_autoptr(GError) error = NULL;
    int64_t before = mt_tar_bytes(tar);

    g_assert_true(mt_tar_add(tar, name, data, (size_t)size, &error));
    g_assert_no_error(error);
    g_assert_cmpint(mt_tar_bytes(tar) - before, ==, mt_tar_member_bytes(name, (size_t)size));
}

static void write_archive(const char *path)
{
    g_autoptr(GError) error = NULL;
    mt_tar *tar = mt_tar_create(path, &error);

    g_assert_no_error(error);
    for (size_t i = 0; i < G_N_ELEMENTS(name_lengths); i++)
        for (int slash = 0; slash <= 100; slash += 50) {
            g_autofree char *name = name_of(name_lengths[i], slash);
            add(tar, name, name_lengths[i] + slash);
        }
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *name = g_strdup_printf("size_%d.bin", sizes[i]);
        add(tar, name, sizes[i]);
    }
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS)); /* not before it is whole */
    g_assert_true(mt_tar_publish(tar, &error));
    g_assert_no_error(error);
}

static const char check[] =
    "import sys, tarfile\n"
    "t = tarfile.open(sys.argv[1], 'r:')\n"
    "for m in t:\n"
    "    assert m.isfile() and (m.mode, m.uid, m.gid, m.mtime, m.uname, m.gname) == (0o644, 0, 0, 0, '', ''), m.get_info()\n"
    "    data = t.extractfile(m).read()\n"
    "    assert data == bytes((i * 31 + m.size) & 255 for i in range(m.size)), m.name\n"
    "    print(m.name, m.size)\n";

/* What python, and what tar, say is in the archive. */
static char *listing(const char *const *command)
{
    g_autoptr(GError) error = NULL;
    char            *out = NULL;
    g_autofree char *err = NULL;
    int              status;

    g_assert_true(g_spawn_sync(NULL, (char **)(uintptr_t)command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(err, ==, "");
    g_assert_cmpint(status, ==, 0);
    return out;
}

static char *wanted_listing(bool with_sizes)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(name_lengths); i++)
        for (int slash = 0; slash <= 100; slash += 50) {
            g_autofree char *name = name_of(name_lengths[i], slash);
            g_string_append(text, name);
            if (with_sizes)
                g_string_append_printf(text, " %d", name_lengths[i] + slash);
            g_string_append_c(text, '\n');
        }
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_string_append_printf(text, "size_%d.bin", sizes[i]);
        if (with_sizes)
            g_string_append_printf(text, " %d", sizes[i]);
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

static void test_readers(void)
{
    g_autofree char  *path = g_build_filename(folder, "a.tar", NULL);
    const char *const python[] = {"python3", "-c", check, path, NULL}, *const tar[] = {"tar", "tf", path, NULL};
    struct stat status;

    write_archive(path);
    g_autofree char *by_python = listing(python), *by_tar = listing(tar), *sizes_too = wanted_listing(true), *names = wanted_listing(false);
    g_assert_cmpstr(by_python, ==, sizes_too);
    g_assert_cmpstr(by_tar, ==, names);
    g_assert_cmpint(g_stat(path, &status), ==, 0);
    g_assert_cmpint(status.st_size % 10240, ==, 0);
    g_unlink(path);
}

static void test_equal_bytes(void)
{
    g_autofree char *a = g_build_filename(folder, "a.tar", NULL), *b = g_build_filename(folder, "b.tar", NULL), *text_a, *text_b;
    gsize            bytes_a, bytes_b;

    write_archive(a);
    write_archive(b);
    g_assert_true(g_file_get_contents(a, &text_a, &bytes_a, NULL) && g_file_get_contents(b, &text_b, &bytes_b, NULL));
    g_assert_cmpmem(text_a, bytes_a, text_b, bytes_b);
    g_unlink(a);
    g_unlink(b);
}

static int files_in(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    int n = 0;

    while (g_dir_read_name(dir) != NULL)
        n++;
    return n;
}

static void test_errors(void)
{
    g_autofree char *path = g_build_filename(folder, "c.tar", NULL), *nowhere = g_build_filename(folder, "none", "c.tar", NULL);
    g_autofree char *wanted = g_strdup_printf("write %s: member x has 8589934592 bytes, and tar holds less than 8 GiB", path);
    g_autofree char *missing = g_strdup_printf("create a temporary file for %s: No such file or directory", nowhere);
    g_autoptr(GError) error = NULL;
    mt_tar *tar = mt_tar_create(path, &error);

    g_assert_false(mt_tar_add(tar, "x", "", (size_t)1 << 33, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_LIMIT);
    g_assert_cmpstr(error->message, ==, wanted);
    g_clear_error(&error);
    mt_tar_abandon(tar);
    mt_tar_abandon(NULL);
    g_assert_null(mt_tar_create(nowhere, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_IO);
    g_assert_cmpstr(error->message, ==, missing);
    g_assert_cmpint(files_in(folder), ==, 0);
}

/* No room for the archive: an error when it is written, and nothing left. */
static void test_no_room(void)
{
    g_autofree char *path = g_build_filename(folder, "d.tar", NULL), *wanted = g_strdup_printf("write %s: File too large", path);
    g_autoptr(GError) error = NULL;
    struct rlimit before, small;

    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 4096;
    mt_tar *tar = mt_tar_create(path, &error);
    add(tar, "x", 10000);
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    bool ok = mt_tar_publish(tar, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, old);
    g_assert_false(ok);
    g_assert_error(error, MT_ERROR, MT_ERROR_IO);
    g_assert_cmpstr(error->message, ==, wanted);
    g_assert_cmpint(files_in(folder), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("tile-tar-XXXXXX", NULL);
    g_test_add_func("/tile-tar/readers", test_readers);
    g_test_add_func("/tile-tar/equal-bytes", test_equal_bytes);
    g_test_add_func("/tile-tar/errors", test_errors);
    g_test_add_func("/tile-tar/no-room", test_no_room);
    int result = g_test_run();

    g_rmdir(folder);
    g_free(folder);
    return result;
}

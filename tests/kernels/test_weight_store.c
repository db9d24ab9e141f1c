/* The memory file of packed weights: what is found in it, and which files are not read at all. */
#include "kernels/graph/weight_store.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char            FIRST[] = "first bytes", SECOND[200] = "second";
static const mt_weight_entry ENTRIES[] = {{"a 1x2", FIRST, sizeof FIRST}, {"b 3x4", SECOND, sizeof SECOND}};

static int filled(const char *key)
{
    int fd = mt_weight_store_file();

    g_assert_true(mt_weight_store_is_empty(fd));
    g_assert_true(mt_weight_store_fill(fd, key, ENTRIES, G_N_ELEMENTS(ENTRIES)));
    g_assert_false(mt_weight_store_is_empty(fd));
    return fd;
}

static void test_found(void)
{
    int fd = filled("key");
    g_autoptr(mt_weight_store) store = mt_weight_store_open(fd, "key");

    close(fd);
    g_assert_nonnull(store);
    const void *first = mt_weight_store_find(store, "a 1x2", sizeof FIRST), *second = mt_weight_store_find(store, "b 3x4", sizeof SECOND);
    g_assert_cmpmem(first, sizeof FIRST, FIRST, sizeof FIRST);
    g_assert_cmpmem(second, sizeof SECOND, SECOND, sizeof SECOND);
    g_assert_cmpuint((uintptr_t)second % 64, ==, 0);
    g_assert_true(mt_weight_store_holds(store, second));
    g_assert_false(mt_weight_store_holds(store, SECOND));
    g_assert_null(mt_weight_store_find(store, "c", sizeof FIRST));
    g_assert_null(mt_weight_store_find(store, "a 1x2", sizeof FIRST - 1));
}

static void test_sealed(void)
{
    int fd = filled("key");

    g_assert_cmpint(pwrite(fd, "x", 1, 0), ==, -1);
    g_assert_cmpint(ftruncate(fd, 8), ==, -1);
    g_assert_true(mmap(NULL, 64, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    g_assert_false(mt_weight_store_fill(fd, "other", ENTRIES, 1));
    close(fd);
}

/* The bytes of a good file, in one that lacks seals, its end, or sense. */
static mt_weight_store *open_changed(size_t bytes, size_t at, uint8_t value, int seals)
{
    int                 good = filled("key"), fd = mt_weight_store_file();
    off_t               size = lseek(good, 0, SEEK_END);
    g_autofree uint8_t *content = g_malloc((gsize)size);

    g_assert_cmpint(pread(good, content, (size_t)size, 0), ==, size);
    content[at] = value;
    g_assert_cmpint(write(fd, content, MIN(bytes, (size_t)size)), >, 0);
    g_assert_cmpint(fcntl(fd, F_ADD_SEALS, seals), ==, 0);
    mt_weight_store *store = mt_weight_store_open(fd, "key");
    close(good);
    close(fd);
    return store;
}

#define ALL (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static void test_refused(void)
{
    g_autoptr(mt_weight_store) as_it_was = open_changed(SIZE_MAX, 0, 'M', ALL);

    g_assert_nonnull(as_it_was);
    g_assert_null(open_changed(SIZE_MAX, 0, 'M', 0));                              /* its writer died */
    g_assert_null(open_changed(SIZE_MAX, 0, 'M', F_SEAL_WRITE | F_SEAL_GROW));     /* it could be cut under the reader */
    g_assert_null(open_changed(SIZE_MAX, 0, 'X', ALL));                            /* another kind of file */
    g_assert_null(open_changed(SIZE_MAX, 23, 0xff, ALL));                          /* more entries than it can hold */
    g_assert_null(open_changed(SIZE_MAX, 8 + 8 + 8 + 64 + 64 + 7, 0x7f, ALL));     /* an offset behind its end */
    g_assert_null(open_changed(SIZE_MAX, 8 + 8 + 8 + 64 + 64 + 8 + 6, 0x7f, ALL)); /* an entry that is longer than it */
    g_assert_null(open_changed(SIZE_MAX, 8 + 8 + 8 + 64 + 64, 1, ALL));            /* an offset between boundaries */
    g_assert_null(open_changed(200, 0, 'M', ALL));                                 /* cut */
    g_assert_null(open_changed(20, 0, 'M', ALL));
}

static void test_foreign(void)
{
    int              fd = filled("key"), nothing = mt_weight_store_file(), pipes[2];
    g_autofree char *path = NULL;
    int              file = g_file_open_tmp("microtome-XXXXXX", &path, NULL);

    g_assert_null(mt_weight_store_open(fd, "another key"));
    g_assert_null(mt_weight_store_open(nothing, "key"));
    g_assert_null(mt_weight_store_open(file, "key"));
    g_assert_false(mt_weight_store_is_empty(file));
    g_assert_cmpint(pipe(pipes), ==, 0);
    g_assert_null(mt_weight_store_open(pipes[0], "key"));
    g_assert_null(mt_weight_store_open(-1, "key"));
    g_assert_false(mt_weight_store_is_empty(-1));
    close(pipes[0]);
    close(pipes[1]);
    close(file);
    g_unlink(path);
    close(nothing);
    close(fd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/weight-store/found", test_found);
    g_test_add_func("/weight-store/sealed", test_sealed);
    g_test_add_func("/weight-store/refused", test_refused);
    g_test_add_func("/weight-store/foreign", test_foreign);
    return g_test_run();
}

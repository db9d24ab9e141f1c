/* Which files of a case are copied, what is declined, and that all of it goes. */
#include "src/batch/local_copies.h"

#include <microtome/batch.h>

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct fixture {
    char            *in, *to;
    mt_local_copies *copies;
} fixture;

static void set_up(fixture *f, gconstpointer data)
{
    (void)data;
    f->in = g_dir_make_tmp("copies_in_XXXXXX", NULL);
    f->to = g_dir_make_tmp("copies_to_XXXXXX", NULL);
    f->copies = mt_local_copies_new(f->to, UINT64_C(1) << 20, NULL);
    g_assert_nonnull(f->copies);
}

static char *put(fixture *f, const char *name, const char *text, gssize n)
{
    char            *path = g_build_filename(f->in, name, NULL);
    g_autofree char *folder = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, text, n, NULL));
    return path;
}

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *inside = g_build_filename(path, name, NULL);
        remove_tree(inside);
    }
    g_remove(path);
}

/* Everything made is gone: the folder can be removed as an empty one. */
static void tear_down(fixture *f, gconstpointer data)
{
    (void)data;
    mt_local_copies_free(f->copies);
    g_assert_cmpint(rmdir(f->to), ==, 0);
    remove_tree(f->in);
    g_free(f->in);
    g_free(f->to);
}

static mt_copy_state await(fixture *f, const char *id, const char **copy, const char **why)
{
    mt_copy_state state;

    while ((state = mt_local_copies_get(f->copies, id, copy, why)) == MT_COPY_UNDER_WAY)
        g_thread_yield();
    return state;
}

static void assert_beside(const char *copy, const char *name, const char *text)
{
    g_autofree char *folder = g_path_get_dirname(copy), *path = g_build_filename(folder, name, NULL), *got = NULL;

    g_assert_true(g_file_get_contents(path, &got, NULL, NULL));
    g_assert_cmpstr(got, ==, text);
}

static void test_parse(void)
{
    static const struct {
        const char *text, *folder;
        uint64_t    bytes;
    } good[] = {{"/a/b", "/a/b", 0}, {"/a/b:20G", "/a/b", UINT64_C(20) << 30}, {"a:1.5K", "a", 1536},   {"a:7", "a", 7},
                {"a:b", "a:b", 0},   {"a:b:2T", "a:b", UINT64_C(2) << 40},     {"C:/x y", "C:/x y", 0}, {"a:1M", "a", 1048576}};
    static const char *const bad[] = {"a:3X", "a:0", "a:3GB", "a:1e300"};

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autofree char *folder = NULL;
        uint64_t         bytes = 1;

        g_assert_true(mt_batch_parse_copy_to(good[i].text, &folder, &bytes, NULL));
        g_assert_cmpstr(folder, ==, good[i].folder);
        g_assert_cmpuint(bytes, ==, good[i].bytes);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *folder = NULL, *wanted = NULL;
        uint64_t         bytes;

        g_assert_false(mt_batch_parse_copy_to(bad[i], &folder, &bytes, &error));
        wanted = g_strdup_printf("--copy-to %s: DIR or DIR:SIZE is wanted, SIZE a number with K, M, G or T", bad[i]);
        g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
        g_assert_cmpstr(error->message, ==, wanted);
    }
}

static void test_no_folder_name(void)
{
    g_autoptr(GError) error = NULL;
    char    *folder = NULL;
    uint64_t bytes;

    g_assert_false(mt_batch_parse_copy_to(":3G", &folder, &bytes, &error));
    g_assert_cmpstr(error->message, ==, "--copy-to :3G: the folder has no name");
    g_assert_null(folder);
}

static void test_parts(fixture *f, gconstpointer data)
{
    g_autofree char *mirax = put(f, "m.mrxs", "index", -1), *part = put(f, "m/Data0000.dat", "pixels", -1),
                    *odd = put(f, "m/\xff\n", "odd", -1);
    g_autofree char *vms = put(f, "v.vms", "ImageFile=v one.jpg\n", -1), *jpeg = put(f, "v one.jpg", "jpeg", -1);
    g_autofree char *header = put(f, "n.hdr", "header", -1), *image = put(f, "n.img", "image", -1), *other = put(f, "other", "-", -1);
    const char      *copy = NULL, *why = NULL;

    (void)data;
    mt_local_copies_ask(f->copies, "1", mirax);
    mt_local_copies_ask(f->copies, "2", vms);
    mt_local_copies_ask(f->copies, "3", header);
    g_assert_cmpint(await(f, "1", &copy, &why), ==, MT_COPY_READY);
    assert_beside(copy, "m.mrxs", "index");
    assert_beside(copy, "m/Data0000.dat", "pixels");
    assert_beside(copy, "m/\xff\n", "odd");
    g_assert_cmpint(await(f, "2", &copy, &why), ==, MT_COPY_READY);
    assert_beside(copy, "v.vms", "ImageFile=v one.jpg\n");
    assert_beside(copy, "v one.jpg", "jpeg");
    g_assert_cmpint(await(f, "3", &copy, &why), ==, MT_COPY_READY);
    assert_beside(copy, "n.img", "image");
    g_autofree char *folder = g_path_get_dirname(copy);
    mt_local_copies_drop(f->copies, "3");
    g_assert_false(g_file_test(folder, G_FILE_TEST_EXISTS));
}

/* A file that was put into the folder of a copy by somebody else stays. */
static void test_foreign_file(fixture *f, gconstpointer data)
{
    g_autofree char *slide = put(f, "s.tif", "slide", -1);
    const char      *copy = NULL, *why = NULL;

    (void)data;
    mt_local_copies_ask(f->copies, "1", slide);
    g_assert_cmpint(await(f, "1", &copy, &why), ==, MT_COPY_READY);
    g_autofree char *folder = g_path_get_dirname(copy), *foreign = g_build_filename(folder, "notes", NULL),
                    *above = g_path_get_dirname(folder);
    g_assert_true(g_file_set_contents(foreign, "mine", -1, NULL));
    mt_local_copies_free(g_steal_pointer(&f->copies));
    assert_beside(foreign, "notes", "mine");
    g_assert_cmpint(g_remove(foreign), ==, 0);
    g_assert_cmpint(rmdir(folder), ==, 0);
    g_assert_cmpint(rmdir(above), ==, 0);
}

static void test_declined(fixture *f, gconstpointer data)
{
    char             mark[132] = {0};
    g_autofree char *dicom = NULL, *large_text = g_malloc0(3 << 20), *large = put(f, "large.tif", large_text, 3 << 20);
    g_autofree char *missing = g_build_filename(f->in, "missing.tif", NULL);
    const char      *copy = NULL, *why = NULL;

    (void)data;
    memcpy(mark + 128, "DICM", 4);
    dicom = put(f, "slide.dcm", mark, sizeof mark);
    mt_local_copies_ask(f->copies, "1", dicom);
    mt_local_copies_ask(f->copies, "2", large);
    mt_local_copies_ask(f->copies, "3", missing);
    g_assert_cmpint(await(f, "1", &copy, &why), ==, MT_COPY_DECLINED);
    g_assert_cmpstr(why, ==, "the files of a DICOM slide are not known before it is opened");
    g_assert_cmpint(await(f, "2", &copy, &why), ==, MT_COPY_DECLINED);
    g_assert_cmpstr(why, ==, "its 3 MiB are over the 1 MiB that copies may hold");
    g_assert_cmpint(await(f, "3", &copy, &why), ==, MT_COPY_DECLINED);
    g_assert_cmpstr(why, ==, "it cannot be copied: it cannot be read");
}

/* The second fits once the first is dropped. */
static void test_waits_for_room(fixture *f, gconstpointer data)
{
    g_autofree char *text = g_malloc0(700 << 10), *a = put(f, "a.tif", text, 700 << 10), *b = put(f, "b.tif", text, 700 << 10);
    const char      *copy = NULL, *why = NULL;

    (void)data;
    mt_local_copies_ask(f->copies, "a", a);
    mt_local_copies_ask(f->copies, "b", b);
    mt_local_copies_ask(f->copies, "a", a);
    g_assert_cmpint(await(f, "a", &copy, &why), ==, MT_COPY_READY);
    g_assert_cmpint(mt_local_copies_get(f->copies, "b", &copy, &why), ==, MT_COPY_UNDER_WAY);
    mt_local_copies_drop(f->copies, "a");
    g_assert_cmpint(await(f, "b", &copy, &why), ==, MT_COPY_READY);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/local_copies/parse", test_parse);
    g_test_add_func("/local_copies/no_folder_name", test_no_folder_name);
    g_test_add("/local_copies/parts", fixture, NULL, set_up, test_parts, tear_down);
    g_test_add("/local_copies/foreign_file", fixture, NULL, set_up, test_foreign_file, tear_down);
    g_test_add("/local_copies/declined", fixture, NULL, set_up, test_declined, tear_down);
    g_test_add("/local_copies/waits_for_room", fixture, NULL, set_up, test_waits_for_room, tear_down);
    return g_test_run();
}

/* Time is a parameter: nothing here waits.  Times of files are set, so that a change is one whatever the clock's grain. */
#include "src/batch/cases.h"
#include "src/batch/drop_folder.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define S ((gint64)G_USEC_PER_SEC)
#define SETTLE (30 * S)

typedef struct scene {
    char           *folder;
    mt_drop_folder *watch;
    GPtrArray      *ready, *warnings;
    gint64          now;
    int             mtime;
} scene;

static void set_up(scene *s, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;

    (void)unused;
    s->folder = g_dir_make_tmp("microtome-XXXXXX", NULL);
    mt_drop_folder_params params = {.folder = s->folder, .settle_us = SETTLE, .mpp_x = 0.5, .mpp_y = 0.25, .position = 7};
    s->watch = mt_drop_folder_new(&params, &error);
    g_assert_no_error(error);
    s->ready = g_ptr_array_new_with_free_func(mt_batch_case_free);
    s->warnings = g_ptr_array_new_with_free_func(g_free);
    s->now = 1000 * S;
    s->mtime = 1000;
}

static void remove_folder(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (g_file_test(path, G_FILE_TEST_IS_DIR))
            remove_folder(path);
        else
            g_unlink(path);
    }
    g_rmdir(folder);
}

static void tear_down(scene *s, gconstpointer unused)
{
    (void)unused;
    mt_drop_folder_free(s->watch);
    g_ptr_array_unref(s->ready);
    g_ptr_array_unref(s->warnings);
    remove_folder(s->folder);
    g_free(s->folder);
}

/* A file with that text, of a new time. */
static void write_file(scene *s, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(s->folder, name, NULL), *above = g_path_get_dirname(path);
    struct timespec  times[2] = {{.tv_sec = ++s->mtime}, {.tv_sec = s->mtime}};

    g_assert_cmpint(g_mkdir_with_parents(above, 0755), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
}

static void remove_file(scene *s, const char *name)
{
    g_autofree char *path = g_build_filename(s->folder, name, NULL);

    g_assert_cmpint(g_unlink(path), ==, 0);
}

/* Look after that many seconds; the ids that became ready. */
static void check_look(scene *s, int seconds, const char *ids)
{
    GString *found = g_string_new(NULL);

    s->now += seconds * S;
    g_ptr_array_set_size(s->ready, 0);
    mt_drop_folder_look(s->watch, s->now, s->ready, s->warnings);
    for (guint i = 0; i < s->ready->len; i++)
        g_string_append_printf(found, "%s%s", i > 0 ? " " : "", ((mt_batch_case *)s->ready->pdata[i])->id);
    g_assert_cmpstr(found->str, ==, ids);
    g_string_free(found, TRUE);
}

static void test_settles(scene *s, gconstpointer unused)
{
    (void)unused;
    check_look(s, 0, "");
    write_file(s, "a.svs", "x");
    check_look(s, 20, "");
    g_assert_cmpuint(mt_drop_folder_growing(s->watch), ==, 1);
    write_file(s, "a.svs", "xx"); /* it grows */
    check_look(s, 20, "");
    check_look(s, 29, "");
    write_file(s, "a.svs", "yy"); /* the same size, another time */
    check_look(s, 29, "");
    check_look(s, 30, "a");
    const mt_batch_case *c = s->ready->pdata[0];
    g_assert_true(c->mpp_x == 0.5 && c->mpp_y == 0.25 && c->position == 7);
    g_assert_cmpstr(c->mpp_source, ==, "option");
    g_assert_null(c->refused);
    g_assert_cmpuint(mt_drop_folder_growing(s->watch), ==, 0);
    check_look(s, 3600, ""); /* given once */
    g_assert_cmpuint(s->warnings->len, ==, 0);
}

static void test_vms_pictures_first(scene *s, gconstpointer unused)
{
    (void)unused;
    check_look(s, 0, "");
    write_file(s, "v.jpg", "x");
    write_file(s, "v_map2.jpg", "x");
    write_file(s, "v(1,0).jpg", "x");
    write_file(s, "chest (1).jpg", "x"); /* a picture of its own */
    check_look(s, 20, "");
    check_look(s, 31, "chest%20%281%29");
    write_file(s, "v.vms", "ImageFile = v.jpg\nMapFile = v_map2.jpg\n");
    check_look(s, 20, "");
    check_look(s, 31, "v");
}

static void test_one_look_is_not_enough(scene *s, gconstpointer unused)
{
    (void)unused;
    write_file(s, "old.svs", "x"); /* however old it is: a copy may keep the time of what it copies */
    check_look(s, 100000, "");
    check_look(s, 31, "old");
}

static void test_looks_too_early(scene *s, gconstpointer unused)
{
    (void)unused;
    check_look(s, 0, "");
    write_file(s, "a.svs", "x");
    check_look(s, 1, ""); /* does not even list */
    g_assert_cmpuint(mt_drop_folder_growing(s->watch), ==, 0);
    check_look(s, 10, "");
    g_assert_cmpuint(mt_drop_folder_growing(s->watch), ==, 1);
}

static void test_changes_again(scene *s, gconstpointer unused)
{
    (void)unused;
    write_file(s, "a.svs", "x");
    check_look(s, 10, "");
    check_look(s, 40, "a");
    write_file(s, "a.svs", "rescanned");
    check_look(s, 40, "");
    check_look(s, 40, "a");
    check_look(s, 40, "");
    remove_file(s, "a.svs");
    check_look(s, 40, "");
    write_file(s, "a.tif", "the same slide in another format, in its place");
    check_look(s, 40, "");
    check_look(s, 40, "a");
    g_assert_null(((mt_batch_case *)s->ready->pdata[0])->refused);
}

static void test_empty(scene *s, gconstpointer unused)
{
    (void)unused;
    write_file(s, "a.svs", ""); /* some copies make the file first */
    check_look(s, 10, "");
    check_look(s, 300, "");
    g_assert_cmpuint(s->warnings->len, ==, 0);
    check_look(s, 400, "");
    g_assert_cmpuint(s->warnings->len, ==, 1);
    g_assert_cmpstr(s->warnings->pdata[0], ==, "watch: a.svs is not whole and does not change any more: a.svs is missing or empty");
    check_look(s, 400, "");
    g_assert_cmpuint(s->warnings->len, ==, 1);
    write_file(s, "a.svs", "x");
    check_look(s, 40, "");
    check_look(s, 40, "a");
}

static void test_mirax(scene *s, gconstpointer unused)
{
    (void)unused;
    write_file(s, "m/Data0000.dat", "0");
    check_look(s, 40, "");
    write_file(s, "m.mrxs", "jpeg");
    check_look(s, 40, "");
    check_look(s, 40, ""); /* no Slidedat.ini */
    write_file(
        s, "m/Slidedat.ini",
        "[HIERARCHICAL]\r\nINDEXFILE = Index.dat\r\n[DATAFILE]\r\nFILE_COUNT = 2\r\nFILE_0 = Data0000.dat\r\nFILE_1 = Data0001.dat\r\n");
    write_file(s, "m/Index.dat", "i");
    check_look(s, 40, "");
    check_look(s, 40, ""); /* no Data0001.dat */
    write_file(s, "m/Data0001.dat", "1");
    check_look(s, 40, "");
    write_file(s, "m/Data0001.dat", "12");
    check_look(s, 29, "");
    check_look(s, 29, "");
    check_look(s, 12, "m");
    g_assert_true(g_str_has_suffix(((mt_batch_case *)s->ready->pdata[0])->path, "/m.mrxs"));
    g_assert_cmpuint(s->warnings->len, ==, 0);
}

static void test_pairs(scene *s, gconstpointer unused)
{
    (void)unused;
    write_file(s, "v.hdr", "header");
    write_file(s, "h.vms", "[x]\nImageFile=h_0.jpg\nMapFile=h_map.jpg\n");
    check_look(s, 40, "");
    check_look(s, 40, "");
    write_file(s, "v.img", "voxels");
    write_file(s, "h_0.jpg", "0");
    write_file(s, "h_map.jpg", "1");
    check_look(s, 40, "");
    check_look(s, 40, "h v");
    check_look(s, 40, "");
}

static void test_series(scene *s, gconstpointer unused)
{
    (void)unused;
    write_file(s, "series/1.dcm", "1");
    write_file(s, "loose.svs", "x");
    check_look(s, 20, "");
    write_file(s, "series/2.dcm", "2");
    check_look(s, 20, "");
    check_look(s, 20, "loose");
    check_look(s, 20, "series");
}

static void test_second_of_a_name(scene *s, gconstpointer unused)
{
    (void)unused;
    write_file(s, "Kim Minseo/a.svs", "x");
    check_look(s, 20, "");
    check_look(s, 40, "a");
    write_file(s, "Lee Jiwoo/a.svs", "y");
    check_look(s, 40, "");
    s->now += 40 * S;
    g_ptr_array_set_size(s->ready, 0);
    mt_drop_folder_look(s->watch, s->now, s->ready, s->warnings);
    g_assert_cmpuint(s->ready->len, ==, 1);
    const mt_batch_case *c = s->ready->pdata[0];
    g_assert_true(g_str_has_prefix(c->id, "a-"));
    g_assert_cmpuint(strlen(c->id), ==, 10);
    g_assert_cmpstr(c->refused, ==,
                    "take a.svs from the watched folder: another file there, a.svs, is case 'a' already: rename one of them");
    check_look(s, 400, "");
}

static void test_left_out(scene *s, gconstpointer unused)
{
    (void)unused;
    write_file(s, "slide.svs.part", "x");
    write_file(s, ".slide.svs.Xy12", "x");
    check_look(s, 20, "");
    check_look(s, 300, "");
    g_assert_cmpuint(s->warnings->len, ==, 0);
    check_look(s, 600, "");
    check_look(s, 600, "");
    g_assert_cmpuint(s->warnings->len, ==, 1);
    g_assert_cmpstr(s->warnings->pdata[0], ==, "watch: left out: slide.svs.part (an ending that no backend takes)");
}

static void test_lost_share(scene *s, gconstpointer unused)
{
    g_autofree char *away = g_strconcat(s->folder, "-away", NULL);

    (void)unused;
    write_file(s, "a.svs", "x");
    check_look(s, 20, "");
    check_look(s, 40, "a");
    g_assert_cmpint(g_rename(s->folder, away), ==, 0);
    check_look(s, 40, "");
    check_look(s, 40, "");
    g_autofree char *message = g_strdup_printf("watch: list folder %s: No such file or directory: it is looked at again", s->folder);
    g_assert_cmpuint(s->warnings->len, ==, 1);
    g_assert_cmpstr(s->warnings->pdata[0], ==, message);
    g_assert_cmpint(g_rename(away, s->folder), ==, 0);
    check_look(s, 40, "");
    check_look(s, 40, ""); /* not given again */
}

static void test_no_folder(void)
{
    mt_drop_folder_params params = {.folder = "/nowhere/at/all"};
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_drop_folder_new(&params, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MISSING);
    g_assert_cmpstr(error->message, ==, "watch /nowhere/at/all: there is no such folder");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(scene *s, gconstpointer unused);
    } tests[] = {{"settles", test_settles},
                 {"one-look-is-not-enough", test_one_look_is_not_enough},
                 {"vms-pictures-first", test_vms_pictures_first},
                 {"looks-too-early", test_looks_too_early},
                 {"changes-again", test_changes_again},
                 {"empty", test_empty},
                 {"mirax", test_mirax},
                 {"pairs", test_pairs},
                 {"series", test_series},
                 {"second-of-a-name", test_second_of_a_name},
                 {"left-out", test_left_out},
                 {"lost-share", test_lost_share}};

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strconcat("/drop-folder/", tests[i].name, NULL);
        g_test_add(path, scene, NULL, set_up, tests[i].test, tear_down);
    }
    g_test_add_func("/drop-folder/no-folder", test_no_folder);
    return g_test_run();
}

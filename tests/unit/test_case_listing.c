#include "src/batch/case_listing.h"

#include <microtome/batch.h>

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* A folder of empty files; names that end in a slash are folders. */
static char *make_folder(const char *const *names)
{
    char *folder = g_dir_make_tmp("microtome-XXXXXX", NULL);

    for (; *names != NULL; names++) {
        g_autofree char *path = g_build_filename(folder, *names, NULL), *above = g_path_get_dirname(path);
        g_assert_cmpint(g_mkdir_with_parents(g_str_has_suffix(*names, "/") ? path : above, 0755), ==, 0);
        if (!g_str_has_suffix(*names, "/"))
            g_assert_true(g_file_set_contents(path, "", 0, NULL));
    }
    return folder;
}

static void remove_folder(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (!g_file_test(path, G_FILE_TEST_IS_SYMLINK) && g_file_test(path, G_FILE_TEST_IS_DIR))
            remove_folder(path);
        else
            g_unlink(path);
    }
    g_rmdir(folder);
}

/* Paths below `folder`, joined. */
static char *joined(const GPtrArray *paths, const char *folder)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < paths->len; i++) {
        const char *path = paths->pdata[i];
        if (g_str_has_prefix(path, folder))
            path += strlen(folder) + (path[strlen(folder)] == '/');
        g_string_append_printf(text, "%s%s", i > 0 ? " " : "", path);
    }
    return g_string_free(text, FALSE);
}

static void check_listing(const char *const *names, const char *wanted, const char *left_out)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free), skipped = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *folder = make_folder(names), *slash = g_strconcat(folder, "//", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_case_listing_folder(slash, paths, skipped, &error));
    g_autofree char *found = joined(paths, folder), *others = joined(skipped, folder);
    g_assert_cmpstr(found, ==, wanted);
    g_assert_cmpstr(others, ==, left_out);
    remove_folder(folder);
}

static void test_folder(void)
{
    const char *const names[] = {"b.svs",     "a.TIFF",   "sub/deep/c.ndpi", ".hidden.svs", ".git/d.svs",
                                 "notes.txt", "list.csv", "README",          NULL};

    check_listing(
        names, "a.TIFF b.svs sub/deep/c.ndpi",
        "README (no ending) list.csv (a table: name it itself where it is a manifest) notes.txt (an ending that no backend takes)");
}

static void test_several_files(void)
{
    const char *const mirax[] = {"m.mrxs", "m/Slidedat.ini", "m/Data0000.dat", "m/preview.jpg", "other/x.png", NULL};
    const char *const pairs[] = {"p.hdr", "p.img", "q.nii.gz", "lone.img", NULL};

    check_listing(mirax, "m.mrxs", "x.png (a picture beside slides)");
    check_listing(pairs, "p.hdr q.nii.gz", "lone.img (an ending that no backend takes)");
}

static void test_pictures(void)
{
    const char *const names[] = {"b.png", "sub/a.JPG", "x.txt", NULL};

    check_listing(names, "b.png sub/a.JPG", "x.txt (an ending that no backend takes)");
}

static void test_vms(void)
{
    const char *const names[] = {"s.vms", "s_0.jpg", "s_1.jpg", "s.opt", "own.jpg", NULL};
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free), skipped = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *folder = make_folder(names), *index = g_build_filename(folder, "s.vms", NULL);

    g_assert_true(g_file_set_contents(
        index, "[Virtual Microscope Specimen]\r\nImageFile=s_0.jpg\r\nMapFile=s_1.jpg\r\nOptimisationFile=s.opt\r\n", -1, NULL));
    g_assert_true(mt_case_listing_folder(folder, paths, skipped, NULL));
    g_autofree char *found = joined(paths, folder);
    g_assert_cmpstr(found, ==, "s.vms");
    g_assert_cmpuint(skipped->len, ==, 1);
    g_assert_cmpstr(skipped->pdata[0], ==, "own.jpg (a picture beside slides)");
    remove_folder(folder);
}

static void test_dicom(void)
{
    const char *const series[] = {"1/a.dcm", "1/b.DCM", "2/c.dcm", "x.svs", NULL}, *const whole[] = {"a.dcm", "b.dcm", NULL};
    const char *const mixed[] = {"a.dcm", "x.svs", NULL};

    check_listing(series, "1 2 x.svs", "");
    check_listing(whole, "", ""); /* the folder itself, whose name is empty here */
    check_listing(mixed, "x.svs", "a.dcm (DICOM beside other files: a series needs a folder of its own)");
}

/* As scanners and media name them: by numbers, by identifiers, not at all; what is below a series is its own. */
static void test_dicom_without_endings(void)
{
    const char *const names[] = {"DICOMDIR", "CT/I10", "CT/1.2.840.113", "CT/more/I11", "MR/0001", "notes/readme", NULL};
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free), skipped = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *folder = make_folder(names);
    char             mark[140] = {0};

    memcpy(mark + 128, "DICM", 4);
    for (int i = 0; i < 5; i++) {
        g_autofree char *path = g_build_filename(folder, names[i], NULL);
        g_assert_true(g_file_set_contents(path, mark, sizeof mark, NULL));
    }
    g_assert_true(mt_case_listing_folder(folder, paths, skipped, NULL));
    g_autofree char *found = joined(paths, folder), *others = joined(skipped, folder);
    g_assert_cmpstr(found, ==, "CT MR");
    g_assert_cmpstr(others, ==, "DICOMDIR (an index: the folders beside it are looked into) readme (no ending)");
    remove_folder(folder);
}

static void test_outputs_and_links(void)
{
    const char *const names[] = {"a.svs", "out/recipe.ini", "out/runs/x.jsonl", "out/overlay.png", "in/b.svs", NULL};
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free), skipped = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *folder = make_folder(names), *circle = g_build_filename(folder, "in", "circle", NULL),
                    *again = g_build_filename(folder, "z", NULL), *dangling = g_build_filename(folder, "d.svs", NULL);

    g_assert_cmpint(symlink("..", circle), ==, 0);
    g_assert_cmpint(symlink("in", again), ==, 0);
    g_assert_cmpint(symlink("nothing", dangling), ==, 0);
    g_assert_true(mt_case_listing_folder(folder, paths, skipped, NULL));
    g_autofree char *found = joined(paths, folder), *others = joined(skipped, folder);
    g_assert_cmpstr(found, ==, "a.svs in/b.svs");
    g_assert_cmpstr(others, ==, "d.svs (No such file or directory)");
    remove_folder(folder);
}

static void test_unreadable(void)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free), skipped = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;

    g_assert_false(mt_case_listing_folder("/nowhere/at/all", paths, skipped, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_IO);
    g_assert_cmpstr(error->message, ==, "list folder /nowhere/at/all: No such file or directory");
}

static GPtrArray *cases_of(const char *folder, const char *name, GPtrArray *warnings, GError **error)
{
    g_autofree char  *path = g_build_filename(folder, name, NULL);
    const char *const arguments[] = {path, NULL};

    return mt_batch_cases_warned(arguments, 0, 0, false, warnings, error);
}

static void test_patterns(void)
{
    const char *const names[] = {"b.svs", "a.svs", "c.tif", "[1].svs", "m.mrxs", "m/Data0000.dat", NULL};
    g_autofree char  *folder = make_folder(names);
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) some = cases_of(folder, "*.svs", warnings, NULL), literal = cases_of(folder, "[1].svs", warnings, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(some->len, ==, 3);
    g_assert_cmpstr(((mt_batch_case *)some->pdata[1])->id, ==, "a");
    g_assert_cmpstr(((mt_batch_case *)some->pdata[2])->id, ==, "b");
    g_assert_cmpuint(literal->len, ==, 1);
    g_assert_cmpuint(warnings->len, ==, 0);
    g_autoptr(GPtrArray) mirax = cases_of(folder, "m*", warnings, NULL);
    g_autofree char *left_out = g_strdup_printf("folder %s/m: it is left out: it holds the pixels of m.mrxs", folder);
    g_assert_cmpuint(mirax->len, ==, 1);
    g_assert_cmpuint(warnings->len, ==, 1);
    g_assert_cmpstr(warnings->pdata[0], ==, left_out);
    g_assert_null(cases_of(folder, "*.scn", warnings, &error));
    g_autofree char *message = g_strdup_printf("name the cases: no file matches '%s/*.scn'", folder);
    g_assert_error(error, MT_ERROR, MT_ERROR_MISSING);
    g_assert_cmpstr(error->message, ==, message);
    remove_folder(folder);
}

static void test_warnings(void)
{
    const char *const names[] = {"a.svs", "b.txt", "none/c.txt", "none/d.txt", "twins/x.svs", "twins/in/x.tif", NULL};
    g_autofree char  *folder = make_folder(names);
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL, twins = NULL;

    g_assert_null(cases_of(folder, "none", warnings, &error));
    g_autofree char *empty = g_strdup_printf("name the cases: folder %s/none holds no file that microtome reads (2 others)", folder);
    g_assert_error(error, MT_ERROR, MT_ERROR_MISSING);
    g_assert_cmpstr(error->message, ==, empty);
    g_assert_null(cases_of(folder, "twins", warnings, &twins));
    g_autofree char *equal =
        g_strdup_printf("name the cases: %s/twins/in/x.tif and %s/twins/x.svs would both be case 'x': give them ids in a "
                        "manifest (columns path,id)",
                        folder, folder);
    g_assert_cmpstr(twins->message, ==, equal);
    g_assert_cmpuint(warnings->len, ==, 0);
    g_autofree char *inner = g_build_filename(folder, "twins", NULL);
    remove_folder(inner);
    g_autoptr(GPtrArray) cases = cases_of(folder, "", warnings, NULL);
    g_autofree char *left_out =
        g_strdup_printf("folder %s: 3 files are left out: b.txt (an ending that no backend takes), c.txt (an ending "
                        "that no backend takes), d.txt (an ending that no backend takes)",
                        folder);
    g_assert_cmpuint(cases->len, ==, 1);
    g_assert_cmpstr(warnings->pdata[0], ==, left_out);
    remove_folder(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/case-listing/folder", test_folder);
    g_test_add_func("/case-listing/several-files", test_several_files);
    g_test_add_func("/case-listing/pictures", test_pictures);
    g_test_add_func("/case-listing/vms", test_vms);
    g_test_add_func("/case-listing/dicom", test_dicom);
    g_test_add_func("/case-listing/dicom-without-endings", test_dicom_without_endings);
    g_test_add_func("/case-listing/outputs-and-links", test_outputs_and_links);
    g_test_add_func("/case-listing/unreadable", test_unreadable);
    g_test_add_func("/case-listing/patterns", test_patterns);
    g_test_add_func("/case-listing/warnings", test_warnings);
    return g_test_run();
}

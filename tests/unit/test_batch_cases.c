#include <microtome/batch.h>

#include <glib/gstdio.h>
#include <string.h>

static void test_ids(void)
{
    static const struct {
        const char *text, *id;
    } cases[] = {{"slide-1.A", "slide-1.A"}, {"a b/c", "a%20b%2Fc"}, {".hidden", "%2Ehidden"}, {"\xc3\xa4", "%C3%A4"}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *id = mt_batch_case_id(cases[i].text);
        g_assert_cmpstr(id, ==, cases[i].id);
    }
    g_autofree char *a = g_strnfill(300, 'a'), *b = g_strnfill(301, 'a'), *id_a = mt_batch_case_id(a), *id_b = mt_batch_case_id(b);
    g_assert_cmpuint(strlen(id_a), ==, 180);
    g_assert_cmpstr(id_a, !=, id_b);
}

static void test_stems(void)
{
    const char *const arguments[] = {"x/a.svs", "x/b.nii.gz", "x/c.ome.tif", "x/d.tar.tif", "x/noending", "x/1.2.840.9", NULL};
    const char *const ids[] = {"a", "b", "c", "d.tar", "noending", "1.2.840.9"};
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) cases = mt_batch_cases(arguments, 0.25, 0.26, &error);

    g_assert_no_error(error);
    for (guint i = 0; i < cases->len; i++) {
        const mt_batch_case *c = cases->pdata[i];
        g_assert_cmpstr(c->id, ==, ids[i]);
        g_assert_cmpstr(c->mpp_source, ==, "option");
        g_assert_true(c->mpp_x == 0.25 && c->mpp_y == 0.26);
    }
}

static char *write_manifest(const char *text)
{
    g_autofree char *folder = g_dir_make_tmp("microtome-XXXXXX", NULL);
    char            *path = g_build_filename(folder, "m.csv", NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static void remove_manifest(char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);

    g_unlink(path);
    g_rmdir(folder);
    g_free(path);
}

static void test_manifest(void)
{
    char             *path = write_manifest("wsi,id,mpp,patient,site\n/s/a.svs,,0.25,p1,x\nsub/b.svs,second,,p2,y\n");
    const char *const arguments[] = {path, NULL};
    g_autofree char  *folder = g_path_get_dirname(path), *below = g_build_filename(folder, "sub/b.svs", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) cases = mt_batch_cases(arguments, 0.5, 0.5, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(cases->len, ==, 2);
    const mt_batch_case *a = cases->pdata[0], *b = cases->pdata[1];
    g_assert_cmpstr(a->path, ==, "/s/a.svs");
    g_assert_cmpstr(a->id, ==, "a");
    g_assert_cmpstr(a->mpp_source, ==, "manifest");
    g_assert_true(a->mpp_x == 0.25);
    g_assert_cmpstr(b->path, ==, below);
    g_assert_cmpstr(b->id, ==, "second");
    g_assert_cmpstr(b->patient, ==, "p2");
    g_assert_cmpstr(b->mpp_source, ==, "option");
    remove_manifest(path);
}

static void test_manifest_refusals(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {{"id,mpp\na,1\n", "read manifest %s: row 2 names no case: a column path, case or wsi is wanted"},
                 {"path,mpp\na.svs,0.5x\n", "read manifest %s: row 2: mpp '0.5x' is not a positive number of µm per pixel"},
                 {"path,mpp\na.svs,-1\n", "read manifest %s: row 2: mpp '-1' is not a positive number of µm per pixel"}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        char             *path = write_manifest(cases[i].text);
        const char *const arguments[] = {path, NULL};
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) parts = g_strsplit(cases[i].message, "%s", 2);
        g_autofree char *message = g_strconcat(parts[0], path, parts[1], NULL);
        g_assert_null(mt_batch_cases(arguments, 0, 0, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
        g_assert_cmpstr(error->message, ==, message);
        remove_manifest(path);
    }
}

static void test_equal_ids(void)
{
    const char *const arguments[] = {"a/x.svs", "b/x.tif", NULL};
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_batch_cases(arguments, 0, 0, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
    g_assert_cmpstr(error->message, ==,
                    "name the cases: a/x.svs and b/x.tif would both be case 'x': give them ids in a manifest (columns path,id)");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/batch/ids", test_ids);
    g_test_add_func("/batch/stems", test_stems);
    g_test_add_func("/batch/manifest", test_manifest);
    g_test_add_func("/batch/manifest-refusals", test_manifest_refusals);
    g_test_add_func("/batch/equal-ids", test_equal_ids);
    return g_test_run();
}

#include "src/batch/manifest.h"

#include <glib/gstdio.h>
#include <string.h>

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

static GPtrArray *read_cases(const char *text, char **path, GError **error)
{
    const char *arguments[] = {NULL, NULL};

    *path = write_manifest(text);
    arguments[0] = *path;
    return mt_batch_cases(arguments, 0, 0, error);
}

static void test_columns(void)
{
    char *path;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) cases = read_cases("wsi,case,patient,stain,recipe,label,priority,due,control,study_uid,accession,site\n"
                                            "a.svs,B26-1,p1,H&E,night,tumour,urgent,2026-11-23T07:00Z,0.9..1,1.2.840.1,A-17,\"x, y\"\n"
                                            "b.svs,,,,rules/night.ini,,3.5,,,,,\n",
                                            &path, &error);
    g_autofree char *folder = g_path_get_dirname(path), *recipe = g_build_filename(folder, "rules/night.ini", NULL);

    g_assert_no_error(error);
    const mt_batch_case *a = cases->pdata[0], *b = cases->pdata[1];
    g_assert_true(a->priority == MT_BATCH_URGENT && b->priority == 3.5);
    g_assert_cmpint(a->due_us, ==, INT64_C(1795417200) * G_USEC_PER_SEC);
    g_assert_cmpint(b->due_us, ==, 0);
    g_assert_cmpstr(a->control, ==, "0.9..1");
    g_assert_null(b->control);
    g_assert_cmpstr(a->recipe, ==, "night");
    g_assert_cmpstr(b->recipe, ==, recipe);
    g_assert_cmpuint(b->position, ==, 1);
    static const char *const kept[][2] = {{"case", "B26-1"}, {"patient", "p1"},     {"stain", "H&E"},          {"label", "tumour"},
                                          {"site", "x, y"},  {"accession", "A-17"}, {"study_uid", "1.2.840.1"}};
    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++)
        g_assert_cmpstr(mt_batch_case_column(a, kept[i][0]), ==, kept[i][1]);
    g_assert_null(mt_batch_case_column(b, "site"));
    g_assert_null(mt_batch_case_column(b, "no such"));
    remove_manifest(path);
}

static void test_refusals(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"path,priority\na.svs,soon\n",
         "row 2: priority 'soon' is none: a number (the larger, the earlier), urgent, high, routine or low is wanted"},
        {"path,priority\na.svs,\nb.svs,nan\n",
         "row 3: priority 'nan' is none: a number (the larger, the earlier), urgent, high, routine or low is wanted"},
        {"path,due\na.svs,tomorrow\n",
         "row 2: due 'tomorrow' is no time: a date as 2026-01-31 or a time as 2026-01-31T07:00 is wanted, with "
         "Z or +09:00 where it is not local"},
        {"path,due\na.svs,2026-02-30\n",
         "row 2: due '2026-02-30' is no time: a date as 2026-01-31 or a time as 2026-01-31T07:00 is wanted, "
         "with Z or +09:00 where it is not local"},
        {"path,control\na.svs,1..0\n",
         "row 2: control '1..0' is no expectation: an interval of the score as 0.90..1.00, or a label is wanted"},
        {"path,control\na.svs,0.9\n",
         "row 2: control '0.9' is no expectation: an interval of the score as 0.90..1.00, or a label is wanted"},
        {"path,study_uid\na.svs,1.2.x\n", "row 2: study_uid '1.2.x' is no UID: at most 64 digits and points are wanted"},
        {"path,mpp\na.svs,0\n", "row 2: mpp '0' is not a positive number of µm per pixel"},
        {"path,due,due\na.svs,,\n", "it has two columns 'due': rename one"},
        {"path,wsi,case\n,,\n", "row 2 names no case: a column path, case or wsi is wanted"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *path;
        g_autoptr(GError) error = NULL;
        g_assert_null(read_cases(cases[i].text, &path, &error));
        g_autofree char *message = g_strdup_printf("read manifest %s: %s", path, cases[i].message);
        g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
        g_assert_cmpstr(error->message, ==, message);
        remove_manifest(path);
    }
}

static void test_priority(void)
{
    static const struct {
        const char *text;
        double      value;
    } good[] = {{"urgent", MT_BATCH_URGENT}, {"HIGH", 10}, {"routine", 0}, {"Low", -10}, {"7", 7}, {"-2.5", -2.5}};
    static const char *const bad[] = {"", "inf", "7x", "urgent!"};
    double                   value;

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
        g_assert_true(mt_manifest_parse_priority(good[i].text, &value) && value == good[i].value);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(mt_manifest_parse_priority(bad[i], &value));
}

/* Seconds since 1970 by date -u -d ... +%s, in a zone nine hours east. */
static void test_due(void)
{
    static const struct {
        const char *text;
        gint64      s;
    } good[] = {{"2026-11-23", 1795445999},
                {"2026-11-23T07:00", 1795384800},
                {"2026-11-23 07:00:30", 1795384830},
                {"2026-11-23T07:00Z", 1795417200},
                {"2026-11-23T07:00:00Z", 1795417200},
                {"2026-11-23T07:00+02:00", 1795410000},
                {"2026-11-23T07:00:01-01:00", 1795420801}};
    static const char *const bad[] = {"", "2026", "23.11.2026", "2026-13-01", "2026-11-23T25:00", "2026-11-23T07", "07:00"};
    gint64                   us;

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(mt_manifest_parse_due(good[i].text, &us));
        g_assert_cmpint(us, ==, good[i].s * G_USEC_PER_SEC);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(mt_manifest_parse_due(bad[i], &us));
}

static void test_recipes(void)
{
    char *path;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) cases = read_cases("path,recipe\na.svs,night\nb.svs,night.ini\nc.svs,rules/night.ini\nd.svs,\n", &path, &error);
    g_autofree char *folder = g_path_get_dirname(path), *own = g_build_filename(folder, "rules/night.ini", NULL);

    g_assert_no_error(error);
    g_assert_true(mt_batch_check_recipe(cases, own, &error));
    g_assert_false(mt_batch_check_recipe(cases, "other/night.ini", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
    g_assert_cmpstr(
        error->message, ==,
        "read the manifest: its column recipe means another recipe than other/night.ini for 1 case: 'c' (rules/night.ini): a folder "
        "takes one recipe: give each recipe a manifest and an output folder of its own");
    g_clear_error(&error);
    g_assert_false(mt_batch_check_recipe(cases, NULL, &error));
    g_assert_cmpstr(
        error->message, ==,
        "read the manifest: its column recipe means another recipe than this run without -r for 3 cases: 'a' (night), 'b' "
        "(night.ini), 'c' (rules/night.ini): a folder takes one recipe: give each recipe a manifest and an output folder of its own");
    remove_manifest(path);
}

int main(int argc, char **argv)
{
    g_setenv("TZ", "UTC-9", TRUE); /* POSIX: nine hours east */
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/manifest/columns", test_columns);
    g_test_add_func("/manifest/refusals", test_refusals);
    g_test_add_func("/manifest/priority", test_priority);
    g_test_add_func("/manifest/due", test_due);
    g_test_add_func("/manifest/recipes", test_recipes);
    return g_test_run();
}

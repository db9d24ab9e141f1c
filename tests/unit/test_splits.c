/* Folds: every case once, patients together, strata balanced, files read back, refusals with their words. */
#include "src/train/splits.h"

#include <glib/gstdio.h>
#include <string.h>

#define N_CASES 240

typedef struct cohort {
    mt_split_case cases[N_CASES];
    guint         n, n_patients;
} cohort;

/* Patients of one to three cases; a third of the patients is of stratum 1, a twelfth of stratum 2. */
static cohort *cohort_new(guint n_patients)
{
    cohort *c = g_new0(cohort, 1);

    c->n_patients = n_patients;
    for (guint p = 0; p < n_patients; p++)
        for (guint k = 0; k <= p % 3; k++) {
            mt_split_case *one = &c->cases[c->n++];
            one->id = g_strdup_printf("case-%u-%u", p, k);
            one->patient = g_strdup_printf("patient-%u", p);
            one->stratum = p % 12 == 5 ? 2 : p % 3 == 0 ? 1 : 0;
            one->group = p % 4 == 0 ? "Bern" : p % 4 == 1 ? "Oslo" : "Seoul";
        }
    return c;
}

static void cohort_free(cohort *c)
{
    for (guint i = 0; i < c->n; i++) {
        g_free((char *)(uintptr_t)c->cases[i].id);
        g_free((char *)(uintptr_t)c->cases[i].patient);
    }
    g_free(c);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(cohort, cohort_free)

/* Patients of a stratum (-1: all) on a side of a fold. */
static int patients_of(const cohort *c, const mt_splits *splits, int fold, mt_side side, int stratum)
{
    int         count = 0;
    const char *last = "";

    for (guint i = 0; i < c->n; i++) {
        if (strcmp(last, c->cases[i].patient) == 0 || mt_splits_side(splits, fold, i) != side)
            continue;
        last = c->cases[i].patient;
        count += stratum < 0 || c->cases[i].stratum == stratum;
    }
    return count;
}

static void check_patients_together(const cohort *c, const mt_splits *splits, int fold)
{
    for (guint i = 1; i < c->n; i++)
        if (strcmp(c->cases[i].patient, c->cases[i - 1].patient) == 0)
            g_assert_cmpint(mt_splits_side(splits, fold, i), ==, mt_splits_side(splits, fold, i - 1));
}

static void check_folds(const cohort *c, const mt_splits *splits)
{
    for (guint i = 0; i < c->n; i++) {
        int held_out = 0;
        for (int fold = 0; fold < mt_splits_n(splits); fold++) {
            g_assert_cmpint(mt_splits_side(splits, fold, i), !=, MT_SIDE_NONE);
            held_out += mt_splits_side(splits, fold, i) == MT_SIDE_TEST;
        }
        g_assert_cmpint(held_out, ==, 1);
    }
    for (int stratum = -1; stratum <= 2; stratum++) {
        int low = N_CASES, high = 0;
        for (int fold = 0; fold < mt_splits_n(splits); fold++) {
            int count = patients_of(c, splits, fold, MT_SIDE_TEST, stratum);
            low = MIN(low, count);
            high = MAX(high, count);
        }
        g_assert_cmpint(high - low, <=, 1);
    }
}

static void test_k_fold(void)
{
    for (guint patients = 7; patients <= 97; patients += 15)
        for (int folds = 2; folds <= 7; folds++) {
            g_autoptr(cohort) c = cohort_new(patients);
            g_autoptr(mt_splits) splits = mt_splits_k_fold(c->cases, c->n, folds, 0.2, 7, NULL);
            g_assert_cmpint(mt_splits_n(splits), ==, folds);
            check_folds(c, splits);
            for (int fold = 0; fold < folds; fold++) {
                int val = patients_of(c, splits, fold, MT_SIDE_VAL, -1), train = patients_of(c, splits, fold, MT_SIDE_TRAIN, -1);
                check_patients_together(c, splits, fold);
                g_assert_cmpint(val, >=, 1);
                g_assert_cmpint(ABS(5 * val - (train + val)), <=, 5);
            }
        }
}

/* The same folds for any order of the cases; others for another seed. */
static void test_seeded(void)
{
    g_autoptr(cohort) c = cohort_new(60);
    g_autoptr(mt_splits) splits = mt_splits_k_fold(c->cases, c->n, 5, 0.1, 3, NULL);
    g_autoptr(mt_splits) other = mt_splits_k_fold(c->cases, c->n, 5, 0.1, 4, NULL);
    mt_split_case reversed[N_CASES];
    bool          differs = false;

    for (guint i = 0; i < c->n; i++)
        reversed[i] = c->cases[c->n - 1 - i];
    g_autoptr(mt_splits) again = mt_splits_k_fold(reversed, c->n, 5, 0.1, 3, NULL);
    for (int fold = 0; fold < 5; fold++)
        for (guint i = 0; i < c->n; i++) {
            g_assert_cmpint(mt_splits_side(splits, fold, i), ==, mt_splits_side(again, fold, c->n - 1 - i));
            differs |= mt_splits_side(splits, fold, i) != mt_splits_side(other, fold, i);
        }
    g_assert_true(differs);
}

static void test_leave_out(void)
{
    g_autoptr(cohort) c = cohort_new(40);
    g_autoptr(mt_splits) splits = mt_splits_leave_out(c->cases, c->n, "site", 0.1, 0, NULL);

    g_assert_cmpint(mt_splits_n(splits), ==, 3);
    g_assert_cmpstr(mt_splits_name(splits, 1), ==, "Oslo");
    for (int fold = 0; fold < 3; fold++) {
        check_patients_together(c, splits, fold);
        g_assert_cmpuint(mt_splits_count(splits, fold, MT_SIDE_VAL), >, 0);
        for (guint i = 0; i < c->n; i++)
            g_assert_true((mt_splits_side(splits, fold, i) == MT_SIDE_TEST) ==
                          (strcmp(c->cases[i].group, mt_splits_name(splits, fold)) == 0));
    }
}

static void test_whole(void)
{
    g_autoptr(cohort) c = cohort_new(40);
    g_autoptr(mt_splits) all = mt_splits_whole(c->cases, c->n, 0, 0, NULL);
    g_autoptr(mt_splits) watched = mt_splits_whole(c->cases, c->n, 0.25, 0, NULL);

    g_assert_cmpuint(mt_splits_count(all, 0, MT_SIDE_TRAIN), ==, c->n);
    g_assert_cmpint(patients_of(c, watched, 0, MT_SIDE_VAL, -1), ==, 10);
    g_assert_cmpuint(mt_splits_count(watched, 0, MT_SIDE_TEST), ==, 0);
}

static void test_column(void)
{
    static const mt_split_case cases[] = {{"a", "p", 0, "train"}, {"b", "q", 0, "TEST"}, {"c", "r", 0, ""}, {"d", "s", 0, "tune"}};
    g_autoptr(mt_splits) splits = mt_splits_of_column(cases, 4, "split", 0.5, 0, NULL);
    const mt_side expected[] = {MT_SIDE_TRAIN, MT_SIDE_TEST, MT_SIDE_NONE, MT_SIDE_VAL};

    for (guint i = 0; i < 4; i++)
        g_assert_cmpint(mt_splits_side(splits, 0, i), ==, expected[i]);
}

static void expect(mt_splits *splits, GError *error, int code, const char *message)
{
    g_assert_null(splits);
    g_assert_nonnull(error);
    g_assert_cmpstr(error->message, ==, message);
    g_assert_true(g_error_matches(error, MT_ERROR, code));
    g_error_free(error);
}

static void test_refused(void)
{
    static const mt_split_case two_sites[] = {{"a", "p", 0, "X"}, {"b", "p", 0, "Y"}, {"c", "q", 0, ""}};
    static const mt_split_case sides[] = {{"a", "p", 0, "train"}, {"b", "p", 0, "test"}, {"c", "q", 0, "left"}};
    GError                    *error;
    mt_splits                 *splits;

    error = NULL;
    splits = mt_splits_k_fold(two_sites, 3, 1, 0, 0, &error);
    expect(splits, error, MT_ERROR_RANGE, "1 folds: 2 to 1000 are wanted");
    error = NULL;
    splits = mt_splits_k_fold(two_sites, 3, 2, 0.6, 0, &error);
    expect(splits, error, MT_ERROR_RANGE, "a validation share of 0.6: 0 to 0.5 is wanted");
    error = NULL;
    splits = mt_splits_k_fold(two_sites, 3, 3, 0, 0, &error);
    expect(splits, error, MT_ERROR_INPUT, "2 patients cannot fill 3 folds: ask for fewer folds");
    error = NULL;
    splits = mt_splits_leave_out(two_sites, 2, "site", 0, 0, &error);
    expect(splits, error, MT_ERROR_INPUT,
           "fold X: patient p stands on both sides: case a in test, case b in train: keep a patient together");
    error = NULL;
    splits = mt_splits_leave_out(two_sites, 3, "site", 0, 0, &error);
    expect(splits, error, MT_ERROR_INPUT, "leave out by column 'site': case c has nothing there");
    error = NULL;
    splits = mt_splits_leave_out(two_sites, 1, "site", 0, 0, &error);
    expect(splits, error, MT_ERROR_INPUT, "leave out by column 'site': it holds 1 values, 2 to 1000 are wanted");
    error = NULL;
    splits = mt_splits_of_column(sides, 2, "split", 0, 0, &error);
    expect(splits, error, MT_ERROR_INPUT,
           "fold 0: patient p stands on both sides: case a in train, case b in test: keep a patient together");
    error = NULL;
    splits = mt_splits_of_column(sides, 3, "split", 0, 0, &error);
    expect(splits, error, MT_ERROR_INPUT, "split by column 'split': case c says 'left': train, val, test or nothing is wanted");
    error = NULL;
    splits = mt_splits_of_column(sides + 1, 1, "split", 0, 0, &error);
    expect(splits, error, MT_ERROR_INPUT, "split by column 'split': no case is in train");
}

static void remove_folder(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);

    for (const char *name; (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    g_rmdir(folder);
}

static void test_files(void)
{
    g_autofree char *folder = g_dir_make_tmp("splits-XXXXXX", NULL), *own = g_build_filename(folder, "splits.csv", NULL);
    g_autofree char *third = g_build_filename(folder, "splits_2.csv", NULL);
    g_autoptr(cohort) c = cohort_new(30);
    g_autoptr(mt_splits) splits = mt_splits_k_fold(c->cases, c->n, 4, 0.2, 1, NULL);

    g_assert_true(mt_splits_write(splits, c->cases, c->n, folder, NULL));
    g_autoptr(mt_splits) clam = mt_splits_read(folder, c->cases, c->n, false, NULL);
    g_autoptr(mt_splits) ours = mt_splits_read(own, c->cases, c->n, false, NULL);
    g_autoptr(mt_splits) one = mt_splits_read(third, c->cases, c->n, false, NULL);
    g_assert_cmpint(mt_splits_n(clam), ==, 4);
    g_assert_cmpint(mt_splits_n(ours), ==, 4);
    g_assert_cmpint(mt_splits_n(one), ==, 1);
    for (int fold = 0; fold < 4; fold++)
        for (guint i = 0; i < c->n; i++) {
            g_assert_cmpint(mt_splits_side(clam, fold, i), ==, mt_splits_side(splits, fold, i));
            g_assert_cmpint(mt_splits_side(ours, fold, i), ==, mt_splits_side(splits, fold, i));
        }
    remove_folder(folder);
}

static void refuse_file(const char *text, int code, const char *format)
{
    static const mt_split_case cases[] = {{"a", "p", 0, NULL}, {"b", "p", 0, NULL}, {"c", "q", 0, NULL}};
    g_autofree char           *folder = g_dir_make_tmp("splits-XXXXXX", NULL), *path = g_build_filename(folder, "splits_0.csv", NULL);
    g_auto(GStrv) parts = g_strsplit(format, "%s", -1);
    g_autofree char *message = g_strjoinv(text != NULL ? path : folder, parts);
    GError          *error = NULL;

    if (text != NULL)
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
    mt_splits *splits = mt_splits_read(folder, cases, 3, false, &error);
    expect(splits, error, code, message);
    remove_folder(folder);
}

static void test_files_refused(void)
{
    refuse_file(NULL, MT_ERROR_MISSING, "splits %s: no splits_0.csv and no splits.csv in that folder");
    refuse_file(",train,val,test\n0,a,,x\n", MT_ERROR_INPUT, "splits %s: case x is not among the cases to learn from");
    refuse_file(",train,val,test\n0,a,,a\n", MT_ERROR_INPUT, "splits %s: case a stands there twice");
    refuse_file(",train,val,test\n0,a,c,b\n", MT_ERROR_INPUT,
                "fold 0: patient p stands on both sides: case a in train, case b in test: keep a patient together");
    refuse_file("id,fold_0\na,held\n", MT_ERROR_INPUT, "splits %s: case a says 'held': train, val, test or nothing is wanted");
    refuse_file("id,label\na,1\n", MT_ERROR_INPUT, "splits %s: columns train, val, test or id, fold_0, ... are wanted");
}

/* What is not among the cases may be left aside. */
static void test_unknown_allowed(void)
{
    static const mt_split_case cases[] = {{"a", "p", 0, NULL}, {"-c", "q", 0, NULL}};
    g_autofree char           *folder = g_dir_make_tmp("splits-XXXXXX", NULL), *path = g_build_filename(folder, "splits_0.csv", NULL);

    g_assert_true(g_file_set_contents(path, ",train,val,test\n0,a,,x\n1,'-c,,\n", -1, NULL));
    g_autoptr(mt_splits) splits = mt_splits_read(path, cases, 2, true, NULL);
    g_assert_cmpuint(mt_splits_count(splits, 0, MT_SIDE_TRAIN), ==, 2);
    g_assert_cmpuint(mt_splits_count(splits, 0, MT_SIDE_TEST), ==, 0);
    remove_folder(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/splits/k-fold", test_k_fold);
    g_test_add_func("/splits/seeded", test_seeded);
    g_test_add_func("/splits/leave-out", test_leave_out);
    g_test_add_func("/splits/whole", test_whole);
    g_test_add_func("/splits/column", test_column);
    g_test_add_func("/splits/refused", test_refused);
    g_test_add_func("/splits/files", test_files);
    g_test_add_func("/splits/files-refused", test_files_refused);
    g_test_add_func("/splits/unknown", test_unknown_allowed);
    return g_test_run();
}

/* Labels files: which columns are found, and what is refused with which words. */
#include "tests/unit/labels_sample.h"

static void refuse(const sample_folder *folder, const char *text, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_labels) labels = sample_labels(folder, text, &error);

    g_assert_null(labels);
    sample_expect(folder, error, MT_ERROR_INPUT, message);
}

static void test_refused(sample_folder *folder, gconstpointer data)
{
    (void)data;
    refuse(folder, "name,label\na,1\n", "labels %s: no column names the cases: call it id (slide_id, case, wsi and image are known too)");
    refuse(folder, "id,label\n", "labels %s: it has no rows");
    refuse(folder, "id,label\na,1\n,0\n", "labels %s: line 3 names no case: give every row an id");
    refuse(folder, "id,label\na,1\nb,0\na,0\n", "labels %s: case a stands in lines 2 and 4: keep one of them");
    refuse(folder, "id,label\na,1\nb\n", "read %s: row 3 has 1 cells where the header has 2");
}

static void test_missing(sample_folder *folder, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_null(mt_labels_read(folder->file, &error));
    g_assert_true(g_error_matches(error, MT_ERROR, MT_ERROR_MISSING));
}

static void test_own_columns(sample_folder *folder, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_labels) labels = sample_labels(folder, "\xef\xbb\xbfid,label,patient,site\ns1,1,p1,A\ns2,0,,B\n", &error);

    (void)data;
    g_assert_no_error(error);
    g_assert_cmpuint(mt_labels_n(labels), ==, 2);
    g_assert_cmpstr(mt_labels_path(labels), ==, folder->file);
    g_assert_cmpstr(mt_labels_patient(labels, 0), ==, "p1");
    g_assert_cmpstr(mt_labels_patient(labels, 1), ==, "s2");
    g_assert_cmpint(mt_labels_find(labels, "s2"), ==, 1);
    g_assert_cmpint(mt_labels_find(labels, "s3"), ==, -1);
    g_assert_cmpint(mt_labels_column(labels, "age"), ==, -1);
    g_assert_cmpstr(mt_labels_cell(labels, 1, mt_labels_column(labels, "site")), ==, "B");
    g_assert_cmpuint(mt_labels_line(labels, 1), ==, 3);
}

/* CLAM's dataset CSV: case_id is the patient, slide_id the case. */
static void test_clam_columns(sample_folder *folder, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_labels) labels =
        sample_labels(folder, "case_id,slide_id,label\npatient_0,slide_1,tumor_tissue\npatient_0,slide_2,normal_tissue\n", &error);

    (void)data;
    g_assert_no_error(error);
    g_assert_cmpstr(mt_labels_id(labels, 1), ==, "slide_2");
    g_assert_cmpstr(mt_labels_patient(labels, 1), ==, "patient_0");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/labels/refused", sample_folder, NULL, sample_set_up, test_refused, sample_tear_down);
    g_test_add("/labels/missing", sample_folder, NULL, sample_set_up, test_missing, sample_tear_down);
    g_test_add("/labels/columns", sample_folder, NULL, sample_set_up, test_own_columns, sample_tear_down);
    g_test_add("/labels/clam", sample_folder, NULL, sample_set_up, test_clam_columns, sample_tear_down);
    return g_test_run();
}

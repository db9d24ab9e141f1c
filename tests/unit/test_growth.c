/* Two studies of a patient with known truth: who is whom, what grew, what is refused. */
#include "src/result/growth.h"
#include "src/result/object_pairs.h"
#include "tests/unit/growth_expected.h"
#include "tests/unit/made_findings.h"

#include <string.h>

static const double FIRST[16] = {-0.5, 0, 0, 25, 0, -0.5, 0, 25, 0, 0, 2, -50, 0, 0, 0, 1},
                    SECOND[16] = {0.7, 0, 0, -30, 0, 0.7, 0, -30, 0, 0, 1.5, -40, 0, 0, 0, 1};

static char *folder;

static mt_result *open_made(const char *name, const made_case *c)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(folder, name, NULL);

    made_result(path, c);
    mt_result *result = mt_result_open(path, &error);
    g_assert_no_error(error);
    return result;
}

static mt_growth *compare_error(const made_case *a, const made_case *b, const mt_growth_params *params, GError **error)
{
    g_autoptr(mt_result) prior = open_made("prior.h5", a), current = open_made("current.h5", b);

    return mt_growth_new(prior, current, params, error);
}

static mt_growth *compare(const made_case *a, const made_case *b, const mt_growth_params *params)
{
    g_autoptr(GError) error = NULL;
    mt_growth *g = compare_error(a, b, params, &error);

    g_assert_no_error(error);
    return g;
}

static void assert_near(double is, double wanted)
{
    g_assert_cmpfloat_with_epsilon(is, wanted, 1e-9 * fabs(wanted) + 1e-12);
}

static const made_object BEFORE[] = {
    {0, {-10, 5, -20}, 6.1, 120}, {0, {12, -8, 10}, 9, 380}, {0, {15, 15, 30}, 5, 65}, {1, {-10, 5, -20}, 4, 30}, {0, {0, 0, 0}, 7, 180}};
static const made_object AFTER[] = {{0, {-9, 5, -18}, 7.9, 260},
                                    {0, {12, -8, 11}, 9.3, 390},
                                    {0, {-15, -15, 5}, 8.2, 290},
                                    {1, {-10, 5, -20}, 2.5, 8},
                                    {0, {1, 0, 0}, 6.9, 230}};

static void test_states(void)
{
    static const mt_growth_state states[] = {MT_GROWTH_GROWN,  MT_GROWTH_STABLE, MT_GROWTH_GONE,
                                             MT_GROWTH_SHRUNK, MT_GROWTH_GROWN,  MT_GROWTH_NEW};
    static const char *const     texts[] = {
            "nodule grew from 6.1 to 7.9 mm (+30 %), volume +117 %, doubling time 161 days; left, lower third",
            "nodule of the same size: 9.0, then 9.3 mm; a change below 0.7 mm cannot be measured, volume +3 %; right, upper third",
            "gone: 5 mm nodule, right, upper third, score 0.90",
            "cyst shrank from 4.0 to 2.5 mm (-38 %), volume -73 %; left, lower third",
            "nodule grew by 28 % of volume: 7.0, then 6.9 mm across, doubling time 509 days; left, middle third",
            "new: 8 mm nodule, left, middle third, score 0.90"};
    made_case        a = {BEFORE, 5, FIRST, "sha256:77", 0.5, NULL}, b = {AFTER, 5, SECOND, "sha256:77", 0.62, NULL};
    mt_growth_params params = {.days = 180};

    g_autoptr(mt_growth) g = compare(&a, &b, &params);
    g_assert_cmpint(g->n_rows, ==, 6);
    for (int i = 0; i < 6; i++) {
        g_assert_cmpstr(g->rows[i].text, ==, texts[i]);
        g_assert_cmpint(g->rows[i].state, ==, states[i]);
    }
    assert_near(g->rows[0].change_mm, 7.9 - 6.1);
    assert_near(g->rows[0].distance_mm, sqrt(5));
    assert_near(g->rows[0].extent_percent, 100.0 * 140 / 120);
    assert_near(g->rows[0].doubling_days, 180 * log(2) / log(260.0 / 120));
    g_assert_true(isnan(g->rows[1].doubling_days));
    assert_near(g->limit_mm, 0.7);
    g_assert_cmpint(g->n_values, ==, 1);
    g_assert_cmpstr(g->values[0].text, ==, "cup-to-disc ratio from 0.50 to 0.62 (+0.12)");
    assert_near(g->values[0].change_percent, 24);
    g_assert_null(g->warnings[0]);
    params.language = "ko";
    g_autoptr(mt_growth) ko = compare(&a, &b, &params);
    g_assert_cmpstr(ko->rows[0].text, ==, "nodule 크기 증가: 6.1에서 7.9 mm (+30 %), 부피 +117 %, 부피 배가 시간 161일; 좌측, 하부 1/3");
    g_assert_cmpstr(ko->rows[2].text, ==, "보이지 않음: nodule 5 mm, 우측, 상부 1/3, 점수 0.90");
    g_assert_cmpstr(ko->values[0].text, ==, "cup-to-disc ratio: 0.50에서 0.62 (+0.12)");
}

/* Two that lie apart become one; one becomes two. */
static void test_merged(void)
{
    static const made_object two[] = {{0, {-6, 0, 0}, 8, 268}, {0, {4, 0, 0}, 9, 380}}, one[] = {{0, {-1, 0, 0}, 22, 900}};
    made_case                a = {two, 2, FIRST, "mni", NAN, NULL}, b = {one, 1, SECOND, "mni", NAN, NULL};
    mt_growth_params         params = {0};

    g_autoptr(mt_growth) merged = compare(&a, &b, &params);
    g_assert_cmpint(merged->n_rows, ==, 2);
    g_assert_cmpint(merged->rows[0].state, ==, MT_GROWTH_GROWN); /* equal distances: the first of the prior study */
    g_assert_cmpint(merged->rows[1].state, ==, MT_GROWTH_MERGED);
    g_assert_cmpstr(merged->rows[1].text, ==, "merged with another: 9 mm nodule, right, middle third, score 0.90");
    g_autoptr(mt_growth) split = compare(&b, &a, &params);
    g_assert_cmpint(split->rows[0].state, ==, MT_GROWTH_SHRUNK);
    g_assert_cmpint(split->rows[1].state, ==, MT_GROWTH_SPLIT);
    g_assert_cmpint(split->n_values, ==, 0);
}

/* What the caller says of the frames. */
static void test_frames(void)
{
    static const double turned[16] = {0, -1, 0, 3, 1, 0, 0, -2, 0, 0, 1, 5, 0, 0, 0, 1};
    made_object         moved[5];
    made_case           a = {BEFORE, 5, FIRST, "sha256:77", NAN, NULL}, b = {AFTER, 5, SECOND, NULL, NAN, NULL},
              c = {moved, 5, SECOND, "sha256:78", NAN, NULL};
    mt_growth_params params = {.same_frame = true};
    g_autoptr(mt_growth) same = compare(&a, &b, &params);

    g_assert_cmpint(same->n_rows, ==, 6);
    memcpy(moved, BEFORE, sizeof moved);
    for (int i = 0; i < 5; i++) {
        const double *p = BEFORE[i].at;
        moved[i].at[0] = 3 - p[1];
        moved[i].at[1] = p[0] - 2;
        moved[i].at[2] = p[2] + 5;
    }
    params = (mt_growth_params){.transform = turned, .max_distance_mm = 0.01};
    g_autoptr(mt_growth) registered = compare(&a, &c, &params);
    g_assert_cmpint(registered->n_rows, ==, 5);
    for (int i = 0; i < 5; i++)
        g_assert_cmpfloat(registered->rows[i].distance_mm, <, 1e-9);
    params = (mt_growth_params){.measures_only = true};
    g_autoptr(mt_growth) none = compare(&a, &c, &params);
    g_assert_cmpint(none->n_rows + none->n_values, ==, 0);
}

/* Pictures have pixels of a known size and no frame. */
static void test_pictures(void)
{
    static const made_object a_objects[] = {{0, {10, 12, 0}, 3, NAN}}, b_objects[] = {{0, {11, 12, 0}, 4, NAN}};
    made_case                a = {a_objects, 1, NULL, NULL, 0.45, NULL}, b = {b_objects, 1, NULL, NULL, 0.45, NULL};
    mt_growth_params         params = {.measures_only = true};
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_growth) g = compare(&a, &b, &params);

    g_assert_cmpint(g->n_rows, ==, 0);
    g_assert_cmpstr(g->values[0].text, ==, "cup-to-disc ratio unchanged at 0.45");
    params = (mt_growth_params){.same_frame = true};
    g_assert_null(compare_error(&a, &b, &params, &error)); /* the made ones say no µm per pixel */
    g_autofree char *wanted =
        g_strdup_printf("compare %s/prior.h5: object 0 has no place in mm, its spacing is not known: --measures-only matches none", folder);
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, wanted);
}

static void refused(const made_case *a, const made_case *b, const mt_growth_params *params, mt_error code, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *prior = g_build_filename(folder, "prior.h5", NULL), *current = g_build_filename(folder, "current.h5", NULL);
    g_autofree char *wanted =
        g_str_has_prefix(words, ":") ? g_strdup_printf("compare %s with %s%s", prior, current, words) : g_strdup(words);

    g_assert_null(compare_error(a, b, params, &error));
    g_assert_error(error, MT_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, wanted);
}

static void test_refusals(void)
{
    made_case a = {BEFORE, 5, FIRST, "sha256:77", NAN, NULL}, b = {AFTER, 5, SECOND, NULL, NAN, NULL},
              flat = {AFTER, 1, NULL, NULL, NAN, NULL};
    static const double flattened[16] = {1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    mt_growth_params    plain = {0}, both = {.same_frame = true, .measures_only = true}, far = {.max_distance_mm = -1},
                     long_ago = {.days = NAN}, singular = {.transform = flattened};

    refused(
        &a, &b, &plain, MT_ERROR_INPUT,
        ": their frame of reference is not known to be the same (sha256:77 and not said): --same-frame if it is, --transform FILE with a "
        "registration, or --measures-only");
    b.frame = "sha256:78";
    refused(
        &a, &b, &plain, MT_ERROR_INPUT,
        ": their frame of reference is not known to be the same (sha256:77 and sha256:78): --same-frame if it is, --transform FILE with a "
        "registration, or --measures-only");
    refused(&a, &flat, &plain, MT_ERROR_INPUT, ": only one of them is a volume in a patient frame");
    refused(&a, &b, &both, MT_ERROR_USAGE, "compare: one of same frame, transform and measures only can be asked for");
    refused(&a, &b, &far, MT_ERROR_RANGE, "compare: distance and days must be above 0, not -1 and 0");
    refused(&a, &b, &long_ago, MT_ERROR_RANGE, "compare: distance and days must be above 0, not 0 and nan");
    refused(&a, &b, &singular, MT_ERROR_RANGE, "compare: the transform cannot be inverted");
}

static void test_transform(void)
{
    static const struct {
        const char *text, *wrong;
    } files[] = {{"1 0 0 4\n0,1,0,5 # a shift\n0 0 1 -6\n0 0 0 1\n", NULL},
                 {"1 0 0 4 0 1 0 5 0 0 1 6 0 0 0\n", "16 numbers are wanted"},
                 {"1 0 0 4 0 1 0 5 0 0 1 6 0 0 0 1 1\n", "16 numbers are wanted"},
                 {"1 0 0 x 0 1 0 5 0 0 1 6 0 0 0 1\n", "16 numbers are wanted"},
                 {"1 0 0 nan 0 1 0 5 0 0 1 6 0 0 0 1\n", "16 numbers are wanted"},
                 {"1 0 0 4 0 1 0 5 0 0 1 6 0 0 0 2\n", "its last row must be 0 0 0 1"},
                 {"-1 0 0 4 0 1 0 5 0 0 1 6 0 0 0 1\n", "it mirrors or flattens space, as no registration of a patient does"}};
    g_autofree char *path = g_build_filename(folder, "t.txt", NULL),
                    *absent = g_strdup_printf("read the transform %s: there is no such file", path);
    double m[16];
    g_autoptr(GError) missing = NULL;

    g_assert_false(mt_growth_read_transform(path, m, &missing));
    g_assert_error(missing, MT_ERROR, MT_ERROR_MISSING);
    g_assert_cmpstr(missing->message, ==, absent);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *wanted = files[i].wrong != NULL ? g_strdup_printf("read the transform %s: %s", path, files[i].wrong) : NULL;
        g_assert_true(g_file_set_contents(path, files[i].text, -1, NULL));
        g_assert_true(mt_growth_read_transform(path, m, &error) == (wanted == NULL));
        g_assert_cmpstr(error != NULL ? error->message : NULL, ==, wanted);
        if (wanted == NULL)
            g_assert_true(m[3] == 4 && m[7] == 5 && m[11] == -6);
    }
}

/* Against SciPy's assignment (growth_reference.py): the same least cost, one to one. */
static void test_pairs(void)
{
    for (size_t c = 0; c < G_N_ELEMENTS(PAIR_CASES); c++) {
        const pair_case *p = &PAIR_CASES[c];
        g_autoptr(GError) error = NULL;
        g_autofree int  *pair = g_new0(int, p->n + 1);
        g_autofree bool *taken = g_new0(bool, p->m + 1);
        double           sum = 0;
        int              n = 0;
        g_assert_true(mt_object_pairs(p->a, p->class_a, p->n, p->b, p->class_b, p->m, p->most, pair, &error));
        for (int i = 0; i < p->n; i++) {
            double squared = 0;
            if (pair[i] < 0)
                continue;
            g_assert_false(taken[pair[i]]);
            g_assert_cmpint(p->class_a[i], ==, p->class_b[pair[i]]);
            taken[pair[i]] = true;
            for (int d = 0; d < 3; d++)
                squared += pow(p->a[3 * i + d] - p->b[3 * pair[i] + d], 2);
            g_assert_cmpfloat(squared, <, p->most * p->most);
            sum += sqrt(squared);
            n++;
        }
        g_assert_cmpint(n, ==, p->pairs);
        g_assert_cmpfloat_with_epsilon(sum, p->sum, 1e-9 * p->sum + 1e-12);
    }
}

static void test_crowd(void)
{
    enum { N = 1001 };
    g_autoptr(GError) error = NULL;
    g_autofree double *at = g_new0(double, 3 * N);
    g_autofree int    *class_of = g_new0(int, N), *pair = g_new0(int, N);

    g_assert_false(mt_object_pairs(at, class_of, N, at, class_of, N, 10, pair, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_LIMIT);
    g_assert_cmpstr(error->message, ==,
                    "match objects: more than 1000 of one class lie within 10 mm of each other: give a smaller distance");
}

static void test_files(void)
{
    made_case        a = {BEFORE, 2, FIRST, "x", 0.5, NULL}, b = {AFTER, 1, SECOND, "x", 0.62, NULL};
    mt_growth_params params = {0};
    g_autoptr(mt_growth) g = compare(&a, &b, &params);
    g_autofree char *json = mt_growth_json(g), *csv = mt_growth_csv(g);
    g_auto(GStrv) lines = g_strsplit(csv, "\n", -1);

    g_assert_nonnull(strstr(json, "\"doubling_days\": null"));
    g_assert_nonnull(strstr(json, "\"state\": \"gone\""));
    g_assert_nonnull(strstr(json, "\"limit_mm\": 0."));
    g_assert_cmpstr(lines[0], ==,
                    "what,state,name,prior_row,current_row,distance_mm,prior_mm,current_mm,change_mm,change_percent,prior_mm3,current_mm3,"
                    "prior_mm2,current_mm2,extent_percent,doubling_days,prior_value,current_value,change,unit,text");
    g_assert_true(g_str_has_prefix(lines[1], "object,grown,nodule,0,0,2.23606797749979,6.1,7.9,"));
    g_assert_cmpstr(lines[2], ==, "object,gone,nodule,1,,,9,,,,380,,,,,,,,,,\"gone: 9 mm nodule, right, middle third, score 0.90\"");
    g_assert_true(g_str_has_prefix(lines[3], "measure,,cup_to_disc,,,,,,,24,,,,,,,0.5,0.62,0.12,,"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("growth-XXXXXX", NULL);
    g_test_add_func("/growth/states", test_states);
    g_test_add_func("/growth/merged", test_merged);
    g_test_add_func("/growth/frames", test_frames);
    g_test_add_func("/growth/pictures", test_pictures);
    g_test_add_func("/growth/refusals", test_refusals);
    g_test_add_func("/growth/transform", test_transform);
    g_test_add_func("/growth/pairs", test_pairs);
    g_test_add_func("/growth/crowd", test_crowd);
    g_test_add_func("/growth/files", test_files);
    int              code = g_test_run();
    g_autofree char *command = g_strdup_printf("rm -r '%s'", folder);
    if (system(command) != 0)
        g_printerr("left %s\n", folder);
    g_free(folder);
    return code;
}

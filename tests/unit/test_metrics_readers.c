/* Readers, paired decisions, survival and groups, equal to scikit-learn, statsmodels and definitions in NumPy (tests/golden/metrics_reference.py),
 * what cannot be answered, and what is refused. */
#include "metrics_values.h"
#include "src/evaluate/agreement.h"
#include "src/evaluate/concordance.h"
#include "src/evaluate/confusion.h"
#include "src/evaluate/equalised_odds.h"
#include "src/evaluate/mcnemar.h"

static void for_each(const char *key, void (*check)(const json_t *))
{
    json_t       *root = metrics_file("readers");
    const json_t *wanted;
    size_t        i;

    json_array_foreach(json_object_get(root, key), i, wanted) check(wanted);
    g_assert_cmpuint(i, >, 3);
    json_decref(root);
}

static void check_mcnemar(const json_t *wanted)
{
    g_autofree int *a = json_ints(json_object_get(wanted, "a")), *b = json_ints(json_object_get(wanted, "b"));
    mt_mcnemar      got;

    g_assert_true(mt_mcnemar_test(a, b, (int64_t)json_array_size(json_object_get(wanted, "a")), 0.95, &got, NULL));
    assert_near(got.exact_p, json_number_of(wanted, "exact"), "exact p");
    assert_near(got.chi2, json_number_of(wanted, "chi2"), "chi2");
    assert_near(got.chi2_p, json_number_of(wanted, "chi2_p"), "p of chi2");
    assert_estimate(&got.accuracy_difference, json_object_get(wanted, "difference"), "difference of accuracy");
    assert_interval(&got.accuracy_difference, json_object_get(wanted, "ci"), 0, "Wald, paired");
}

/* A patient a row is the test of rows; all rows of one patient show no more than one swap does; many go by the normal distribution. */
static void test_mcnemar_patients(void)
{
    enum { N = 40000 };
    g_autofree int     *a = g_new(int, N), *b = g_new(int, N);
    g_autofree int64_t *own = g_new(int64_t, N), *same = g_new0(int64_t, N);
    mt_mcnemar          rows, patients;
    uint32_t            state = 7;

    for (int i = 0; i < N; i++) {
        state = state * 1664525 + 1013904223;
        own[i] = i;
        a[i] = (state >> 16) % 10 < 8;
        b[i] = (state >> 24) % 10 < 7;
    }
    for (int n = 1; n <= 1000; n = 3 * n + 1) {
        g_assert_true(mt_mcnemar_test(a, b, n, 0.95, &rows, NULL));
        g_assert_true(mt_mcnemar_patients(a, b, own, n, 0.95, &patients, NULL));
        g_assert_cmpfloat_with_epsilon(patients.exact_p, rows.exact_p, 1e-12);
        g_assert_cmpfloat_with_epsilon(patients.chi2, rows.chi2, 1e-12);
        g_assert_true(patients.only_a == rows.only_a && patients.only_b == rows.only_b);
        g_assert_true(mt_mcnemar_patients(a, b, same, n, 0.95, &patients, NULL));
        g_assert_cmpfloat(patients.exact_p, ==, 1);
        g_assert_null(patients.accuracy_difference.interval);
    }
    g_assert_true(mt_mcnemar_patients(a, b, own, N, 0.95, &patients, NULL));
    double gap = fabs((double)(patients.only_a - patients.only_b));
    g_assert_cmpfloat_with_epsilon(patients.exact_p, erfc(gap / sqrt(2.0 * (double)(patients.only_a + patients.only_b))), 1e-15);
}

static void test_mcnemar(void)
{
    for_each("mcnemar", check_mcnemar);
}

static void check_kappa(const json_t *wanted)
{
    static const char *const names[] = {[MT_KAPPA_PLAIN] = "plain", [MT_KAPPA_LINEAR] = "linear", [MT_KAPPA_QUADRATIC] = "quadratic"};
    g_autofree int          *a = json_ints(json_object_get(wanted, "a")), *b = json_ints(json_object_get(wanted, "b"));
    const int                classes = (int)json_number_of(wanted, "classes");
    g_autofree int64_t      *matrix = g_new(int64_t, classes * classes);

    g_assert_true(mt_confusion_matrix(b, a, (int64_t)json_array_size(json_object_get(wanted, "a")), classes, matrix, NULL));
    for (mt_kappa_weights weights = MT_KAPPA_PLAIN; weights <= MT_KAPPA_QUADRATIC; weights++) {
        const json_t *values = json_object_get(wanted, names[weights]);
        mt_estimate   got;

        g_assert_true(mt_kappa(matrix, classes, weights, 0.95, &got, NULL));
        assert_estimate(&got, json_array_get(values, 0), names[weights]);
        assert_interval(&got, values, 1, "Wald");
    }
}

static void test_kappa(void)
{
    const int64_t one_class[] = {7, 0, 0, 0}, none[4] = {0}, perfect[] = {3, 0, 0, 4};
    mt_estimate   got;

    for_each("kappas", check_kappa);
    g_assert_true(mt_kappa(one_class, 2, MT_KAPPA_PLAIN, 0.95, &got, NULL) && !got.defined);
    g_assert_true(mt_kappa(none, 2, MT_KAPPA_PLAIN, 0.95, &got, NULL) && !got.defined);
    g_assert_true(mt_kappa(perfect, 2, MT_KAPPA_QUADRATIC, 0.95, &got, NULL));
    assert_near(got.value, 1, "kappa of equal readings");
}

static void check_pairs(const json_t *wanted, const int *readings, int64_t n, int readers, int classes)
{
    mt_estimate mean, pairs[36];
    size_t      k = 0;

    g_assert_true(mt_pairwise_kappa(readings, n, readers, classes, MT_KAPPA_QUADRATIC, 0.95, &mean, pairs, NULL));
    assert_estimate(&mean, json_object_get(wanted, "mean"), "pairwise kappa");
    for (int i = 0; i < readers; i++) {
        g_assert_false(pairs[i * readers + i].defined);
        for (int j = i + 1; j < readers; j++, k++) {
            assert_estimate(&pairs[i * readers + j], json_array_get(json_object_get(wanted, "pairs"), k), "kappa of a pair");
            g_assert_cmpfloat(pairs[j * readers + i].value, ==, pairs[i * readers + j].value);
        }
    }
}

static void check_readings(const json_t *wanted)
{
    const int       readers = (int)json_number_of(wanted, "readers"), classes = (int)json_number_of(wanted, "classes");
    g_autofree int *readings = json_ints(json_object_get(wanted, "readings"));
    const int64_t   n = (int64_t)json_array_size(json_object_get(wanted, "consensus"));
    g_autofree int *consensus = g_new(int, n);
    mt_estimate     kappa;
    int64_t         cases;

    g_assert_true(mt_fleiss_kappa(readings, n, readers, classes, &kappa, &cases, NULL));
    assert_estimate(&kappa, json_object_get(wanted, "fleiss"), "Fleiss's kappa");
    g_assert_cmpint(cases, ==, (int64_t)json_number_of(wanted, "complete"));
    check_pairs(wanted, readings, n, readers, classes);
    g_assert_true(mt_consensus(readings, n, readers, classes, consensus, NULL));
    for (int64_t i = 0; i < n; i++)
        g_assert_cmpint(consensus[i], ==, (int)json_number_at(json_object_get(wanted, "consensus"), (size_t)i));
}

static void test_readings(void)
{
    const int   same[] = {1, 1, 1, 1}, gaps[] = {0, MT_READING_MISSING, MT_READING_MISSING, 1};
    mt_estimate got;
    int64_t     cases;

    for_each("readings", check_readings);
    g_assert_true(mt_fleiss_kappa(same, 2, 2, 2, &got, &cases, NULL) && !got.defined && cases == 2);
    g_assert_true(mt_fleiss_kappa(gaps, 2, 2, 2, &got, &cases, NULL) && !got.defined && cases == 0);
    g_assert_true(mt_pairwise_kappa(gaps, 2, 2, 2, MT_KAPPA_PLAIN, 0.95, &got, NULL, NULL) && !got.defined);
}

static void check_survival(const json_t *wanted)
{
    const json_t      *counts = json_object_get(wanted, "counts"), *km = json_object_get(wanted, "km");
    g_autofree double *risk = json_doubles(json_object_get(wanted, "risk")), *time = json_doubles(json_object_get(wanted, "time"));
    g_autofree int    *event = json_ints(json_object_get(wanted, "event"));
    const int64_t      n = (int64_t)json_array_size(json_object_get(wanted, "event"));
    mt_concordance     got;
    g_auto(mt_curve) curve = {0};

    g_assert_true(mt_concordance_index(risk, time, event, n, &got, NULL));
    g_assert_cmpint(got.concordant, ==, (int64_t)json_number_at(counts, 0));
    g_assert_cmpint(got.tied, ==, (int64_t)json_number_at(counts, 1));
    g_assert_cmpint(got.discordant, ==, (int64_t)json_number_at(counts, 2));
    assert_estimate(&got.index, json_object_get(wanted, "index"), "C-index");
    g_assert_true(mt_kaplan_meier(time, event, n, &curve, NULL));
    g_assert_cmpint(curve.n, ==, (int64_t)json_array_size(json_array_get(km, 0)) + 1);
    g_assert_cmpfloat(curve.y[0], ==, 1);
    for (int64_t i = 1; i < curve.n; i++) {
        assert_near(curve.x[i], json_number_at(json_array_get(km, 0), (size_t)i - 1), "time");
        assert_near(curve.y[i], json_number_at(json_array_get(km, 1), (size_t)i - 1), "survival");
        assert_near(curve.threshold[i], json_number_at(json_array_get(km, 2), (size_t)i - 1), "standard error");
    }
}

static void test_survival(void)
{
    const double   risk[] = {1, 2}, time[] = {3, 3};
    const int      censored[] = {0, 0}, first[] = {0, 1};
    mt_concordance got;
    g_auto(mt_curve) curve = {0};

    for_each("survival", check_survival);
    g_assert_true(mt_concordance_index(risk, time, censored, 2, &got, NULL) && !got.index.defined);
    g_assert_true(mt_concordance_index(risk, time, first, 2, &got, NULL)); /* equal times: the event came first */
    assert_near(got.index.value, 1, "C-index");
    g_assert_true(mt_kaplan_meier(time, censored, 2, &curve, NULL));
    g_assert_cmpint(curve.n, ==, 1);
}

static void assert_gap(const mt_group_gap *gap, const json_t *wanted)
{
    g_assert_cmpint(gap->lowest, ==, (int)json_number_at(wanted, 0));
    g_assert_cmpint(gap->highest, ==, (int)json_number_at(wanted, 1));
    assert_estimate(&gap->gap, json_array_get(wanted, 2), "gap");
    assert_interval(&gap->gap, wanted, 3, "Newcombe");
}

static void check_groups(const json_t *wanted)
{
    const json_t     *tables = json_object_get(wanted, "groups"), *row;
    mt_confusion      groups[8];
    size_t            i;
    mt_equalised_odds got;

    json_array_foreach(tables, i, row) groups[i] = (mt_confusion){.tp = (int64_t)json_number_at(row, 0),
                                                                  .fn = (int64_t)json_number_at(row, 1),
                                                                  .fp = (int64_t)json_number_at(row, 2),
                                                                  .tn = (int64_t)json_number_at(row, 3)};
    g_assert_true(mt_equalised_odds_measure(groups, (int)i, 0.95, &got, NULL));
    assert_gap(&got.sensitivity, json_object_get(wanted, "sensitivity"));
    assert_gap(&got.false_positive_rate, json_object_get(wanted, "fpr"));
    assert_gap(&got.ppv, json_object_get(wanted, "ppv"));
    assert_gap(&got.npv, json_object_get(wanted, "npv"));
    assert_estimate(&got.difference, json_object_get(wanted, "difference"), "equalised-odds difference");
}

static void test_groups(void)
{
    const mt_confusion one[] = {{1, 2, 3, 4}, {0}};
    mt_equalised_odds  got;

    for_each("groups", check_groups);
    g_assert_true(mt_equalised_odds_measure(one, 2, 0.95, &got, NULL));
    g_assert_false(got.difference.defined || got.sensitivity.gap.defined);
    g_assert_cmpint(got.sensitivity.lowest, ==, -1);
}

static void test_refused(void)
{
    const int64_t      negative[] = {1, 0, -3, 1}, fine[] = {1, 1, 1, 1};
    const int64_t      nobody[] = {0, -1};
    const int          zero_one[] = {0, 1}, three[] = {0, 3};
    const double       risk[] = {0, NAN}, time[] = {1, 2}, before[] = {1, -2}, endless[] = {INFINITY, 1};
    const mt_confusion group = {1, 1, 1, 1};
    int                consensus[2];
    mt_estimate        got;
    mt_mcnemar         paired;
    mt_concordance     index;
    mt_equalised_odds  odds;
    g_auto(mt_curve) curve = {0};
    g_autoptr(GError) error = NULL;

    assert_refused(mt_kappa(negative, 2, MT_KAPPA_PLAIN, 0.95, &got, &error), &error, MT_ERROR_RANGE,
                   "kappa: a count of -3: counts must be 0 or more");
    assert_refused(mt_kappa(fine, 1, MT_KAPPA_PLAIN, 0.95, &got, &error), &error, MT_ERROR_RANGE,
                   "kappa over 1 classes: there must be two or more");
    assert_refused(mt_fleiss_kappa(three, 1, 2, 3, &got, NULL, &error), &error, MT_ERROR_INPUT,
                   "agreement: reader 1 names class 3 in row 0: there are 3, from 0");
    assert_refused(mt_consensus(three, 2, 1, 3, consensus, &error), &error, MT_ERROR_RANGE,
                   "agreement of 1 readers over 3 classes: there must be two or more of each");
    assert_refused(mt_pairwise_kappa(zero_one, 1, 2, 2, MT_KAPPA_PLAIN, 2, &got, NULL, &error), &error, MT_ERROR_RANGE,
                   "the level of an interval is 2: give one between 0 and 1, as 0.95");
    assert_refused(mt_mcnemar_test(zero_one, three, 2, 0.95, &paired, &error), &error, MT_ERROR_INPUT,
                   "McNemar's test: row 1 is 1 and 3: both must be 0 or 1");
    assert_refused(mt_mcnemar_patients(zero_one, three, nobody, 2, 0.95, &paired, &error), &error, MT_ERROR_INPUT,
                   "McNemar's test: row 1 is 1 and 3: both must be 0 or 1");
    g_assert_false(mt_mcnemar_patients(zero_one, zero_one, nobody, 2, 0.95, &paired, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_true(g_str_has_prefix(error->message, "McNemar's test: "));
    g_clear_error(&error);
    assert_refused(mt_concordance_index(risk, time, zero_one, 2, &index, &error), &error, MT_ERROR_INPUT,
                   "C-index: the score of row 1 is nan: leave out cases without a score");
    assert_refused(mt_concordance_index(time, before, zero_one, 2, &index, &error), &error, MT_ERROR_INPUT,
                   "C-index: the time of row 1 is -2: it must be 0 or more");
    assert_refused(mt_concordance_index(time, time, three, 2, &index, &error), &error, MT_ERROR_INPUT,
                   "C-index: the event of row 1 is 3: it must be 0 or 1");
    assert_refused(mt_kaplan_meier(endless, zero_one, 2, &curve, &error), &error, MT_ERROR_INPUT,
                   "Kaplan-Meier curve: the time of row 0 is inf: it must be 0 or more");
    assert_refused(mt_equalised_odds_measure(&group, 0, 0.95, &odds, &error), &error, MT_ERROR_RANGE,
                   "equalised odds of 0 groups: there must be one or more");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/metrics/readers/mcnemar", test_mcnemar);
    g_test_add_func("/metrics/readers/mcnemar-patients", test_mcnemar_patients);
    g_test_add_func("/metrics/readers/kappa", test_kappa);
    g_test_add_func("/metrics/readers/readings", test_readings);
    g_test_add_func("/metrics/readers/survival", test_survival);
    g_test_add_func("/metrics/readers/groups", test_groups);
    g_test_add_func("/metrics/readers/refused", test_refused);
    return g_test_run();
}

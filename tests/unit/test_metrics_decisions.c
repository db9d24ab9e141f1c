/* Decisions and shares: counts, rates, intervals, numbers needed, many classes, equal to scikit-learn, SciPy and statsmodels
 * (tests/golden/metrics_reference.py), what cannot be answered, and what is refused. */
#include "metrics_values.h"
#include "src/evaluate/confusion.h"
#include "src/evaluate/distribution.h"
#include "src/evaluate/proportion.h"
#include "src/evaluate/reliability.h"
#include "src/evaluate/roc.h"

#include <string.h>

static void test_distributions(void)
{
    json_t       *root = metrics_file("shares");
    const json_t *all = json_object_get(root, "distributions"), *row;
    size_t        i;

    json_array_foreach(json_object_get(all, "cdf"), i, row)
        g_assert_cmpfloat_with_epsilon(mt_normal_cdf(json_number_at(row, 0)) / json_number_at(row, 1), 1, 1e-12);
    json_array_foreach(json_object_get(all, "quantile"), i, row)
        assert_near(mt_normal_quantile(json_number_at(row, 0)), json_number_at(row, 1), "normal quantile");
    json_array_foreach(json_object_get(all, "chi2"), i, row)
        g_assert_cmpfloat_with_epsilon(mt_chi2_1_tail(json_number_at(row, 0)) / json_number_at(row, 1), 1, 1e-12);
    json_array_foreach(json_object_get(all, "beta"), i, row)
    {
        double a = json_number_at(row, 0), b = json_number_at(row, 1), t = json_number_at(row, 2);

        assert_near(mt_beta_cdf(a, b, t), json_number_at(row, 3), "incomplete beta");
        assert_near(mt_beta_quantile(a, b, t), json_number_at(row, 4), "beta quantile");
    }
    g_assert_cmpfloat(mt_normal_quantile(0), ==, -INFINITY);
    g_assert_cmpfloat(mt_normal_quantile(1), ==, INFINITY);
    json_decref(root);
}

static void test_shares(void)
{
    json_t       *root = metrics_file("shares");
    const json_t *row;
    size_t        i;
    mt_estimate   got;

    json_array_foreach(json_object_get(root, "shares"), i, row)
    {
        int64_t hits = (int64_t)json_number_at(row, 0), n = (int64_t)json_number_at(row, 1);
        double  level = json_number_at(row, 2);

        g_assert_true(mt_proportion(hits, n, level, MT_PROPORTION_WILSON, &got, NULL));
        assert_near(got.value, (double)hits / (double)n, "share");
        assert_interval(&got, row, 3, "Wilson");
        g_assert_true(mt_proportion(hits, n, level, MT_PROPORTION_CLOPPER_PEARSON, &got, NULL));
        assert_interval(&got, row, 5, "Clopper-Pearson");
    }
    json_array_foreach(json_object_get(root, "differences"), i, row)
    {
        g_assert_true(mt_proportion_difference((int64_t)json_number_at(row, 0), (int64_t)json_number_at(row, 1),
                                               (int64_t)json_number_at(row, 2), (int64_t)json_number_at(row, 3), 0.95, &got, NULL));
        assert_interval(&got, row, 4, "Newcombe");
    }
    g_assert_true(mt_proportion(0, 0, 0.95, MT_PROPORTION_WILSON, &got, NULL) && !got.defined);
    g_assert_true(mt_proportion_difference(0, 0, 1, 2, 0.95, &got, NULL) && !got.defined);
    json_decref(root);
}

static void test_needed(void)
{
    json_t       *root = metrics_file("shares");
    const json_t *row;
    size_t        i;
    int64_t       n;

    json_array_foreach(json_object_get(root, "needed"), i, row)
    {
        bool exact = strcmp(json_string_value(json_array_get(row, 2)), "beta") == 0;

        g_assert_true(mt_proportion_needed(json_number_at(row, 0), (int64_t)json_number_at(row, 1), 0.95,
                                           exact ? MT_PROPORTION_CLOPPER_PEARSON : MT_PROPORTION_WILSON, &n, NULL));
        g_assert_cmpint(n, ==, (int64_t)json_number_at(row, 3));
    }
    g_assert_true(mt_proportion_needed(0.99, 0, 0.95, MT_PROPORTION_WILSON, &n, NULL));
    g_assert_cmpint(n, ==, 381);
    json_decref(root);
}

static void check_prevalence(const mt_confusion *counts, const json_t *wanted)
{
    const json_t *p[] = {json_object_get(wanted, "ppv"), json_object_get(wanted, "npv")};
    mt_estimate   got[2];

    g_assert_true(mt_confusion_at_prevalence(counts, 0.013, 0.95, &got[0], &got[1], NULL));
    for (int i = 0; i < 2; i++) {
        assert_estimate(&got[i], json_array_get(p[i], 0), i == 0 ? "PPV" : "NPV");
        if (got[i].defined)
            assert_interval(&got[i], p[i], 1, "Clopper-Pearson, Bonferroni");
    }
}

static void test_two_by_two(void)
{
    json_t       *root = metrics_file("decisions");
    const json_t *wanted;
    size_t        i;

    json_array_foreach(json_object_get(root, "two_by_two"), i, wanted)
    {
        const json_t      *c = json_object_get(wanted, "counts");
        mt_confusion       counts = {.tp = (int64_t)json_number_at(c, 0),
                                     .fn = (int64_t)json_number_at(c, 1),
                                     .fp = (int64_t)json_number_at(c, 2),
                                     .tn = (int64_t)json_number_at(c, 3)};
        mt_confusion_rates got;

        g_assert_true(mt_confusion_measure(&counts, 0.95, &got, NULL));
        assert_estimate(&got.f1, json_object_get(wanted, "f1"), "F1");
        assert_estimate(&got.mcc, json_object_get(wanted, "mcc"), "MCC");
        assert_estimate(&got.accuracy, json_object_get(wanted, "accuracy"), "accuracy");
        assert_estimate(&got.balanced_accuracy, json_object_get(wanted, "balanced"), "balanced accuracy");
        check_prevalence(&counts, wanted);
    }
    json_decref(root);
}

static void assert_same(const mt_estimate *a, const mt_estimate *b)
{
    g_assert_true(a->defined == b->defined && a->value == b->value && a->low == b->low && a->high == b->high);
    g_assert_cmpstr(a->interval, ==, b->interval);
}

static void test_rates(void)
{
    const double       scores[] = {0.1, 0.5, 0.5, 0.9, 0.3};
    const int          truth[] = {0, 0, 1, 1, 1}, called[] = {0, 1, 1, 1, 0};
    const mt_confusion none = {0};
    mt_confusion       counts, same;
    mt_confusion_rates got;
    mt_estimate        wilson;

    g_assert_true(mt_confusion_at(scores, truth, 5, 0.5, &counts, NULL)); /* a score that reaches the threshold is positive */
    g_assert_true(mt_confusion_of(called, truth, 5, &same, NULL));
    g_assert_cmpmem(&counts, sizeof counts, &same, sizeof same);
    g_assert_cmpint(counts.tp, ==, 2);
    g_assert_cmpint(counts.fp, ==, 1);
    g_assert_cmpint(counts.fn, ==, 1);
    g_assert_cmpint(counts.tn, ==, 1);
    g_assert_true(mt_confusion_measure(&counts, 0.9, &got, NULL));
    g_assert_true(mt_proportion(2, 3, 0.9, MT_PROPORTION_WILSON, &wilson, NULL));
    assert_same(&got.sensitivity, &wilson);
    assert_same(&got.ppv, &wilson);
    g_assert_true(mt_proportion(1, 2, 0.9, MT_PROPORTION_WILSON, &wilson, NULL));
    assert_same(&got.specificity, &wilson);
    assert_same(&got.npv, &wilson);
    g_assert_true(mt_confusion_measure(&none, 0.95, &got, NULL));
    g_assert_false(got.sensitivity.defined || got.specificity.defined || got.ppv.defined || got.npv.defined || got.accuracy.defined ||
                   got.prevalence.defined || got.balanced_accuracy.defined || got.f1.defined || got.mcc.defined);
}

static void check_matrix(const json_t *wanted, int classes, const int *truth, int64_t n)
{
    g_autofree int     *called = json_ints(json_object_get(wanted, "called"));
    g_autofree int64_t *matrix = g_new(int64_t, classes * classes);
    mt_matrix_rates     got;

    g_assert_true(mt_confusion_matrix(called, truth, n, classes, matrix, NULL));
    for (int i = 0; i < classes * classes; i++)
        g_assert_cmpint(matrix[i], ==, (int64_t)json_number_at(json_object_get(wanted, "matrix"), (size_t)i));
    g_assert_true(mt_matrix_measure(matrix, classes, 0.95, &got, NULL));
    assert_estimate(&got.accuracy, json_object_get(wanted, "accuracy"), "accuracy");
    assert_estimate(&got.balanced_accuracy, json_object_get(wanted, "balanced"), "balanced accuracy");
    assert_estimate(&got.macro_f1, json_object_get(wanted, "macro_f1"), "macro F1");
    assert_estimate(&got.weighted_f1, json_object_get(wanted, "weighted_f1"), "weighted F1");
    assert_estimate(&got.mcc, json_object_get(wanted, "mcc"), "MCC");
}

static void check_classes(const json_t *wanted)
{
    const int          classes = (int)json_number_of(wanted, "classes");
    const int64_t      n = (int64_t)json_array_size(json_object_get(wanted, "truth"));
    g_autofree double *scores = json_doubles(json_object_get(wanted, "scores"));
    g_autofree int    *truth = json_ints(json_object_get(wanted, "truth"));
    mt_estimate        each[8], loss;
    mt_roc_classes     got;

    g_assert_true(mt_roc_multiclass(scores, truth, n, classes, &got, each, NULL));
    assert_estimate(&got.macro, json_object_get(wanted, "macro"), "macro AUROC");
    assert_estimate(&got.weighted, json_object_get(wanted, "weighted"), "weighted AUROC");
    assert_estimate(&got.micro, json_object_get(wanted, "micro"), "micro AUROC");
    for (int c = 0; c < classes; c++)
        assert_estimate(&each[c], json_array_get(json_object_get(wanted, "each"), (size_t)c), "AUROC of a class");
    g_assert_true(mt_log_loss_classes(scores, truth, n, classes, &loss, NULL));
    assert_estimate(&loss, json_object_get(wanted, "log_loss"), "log loss");
    check_matrix(wanted, classes, truth, n);
}

static void test_classes(void)
{
    const double   scores[] = {0.2, 0.3, 0.5, 0.6, 0.3, 0.1};
    const int      truth[] = {0, 1};
    json_t        *root = metrics_file("decisions");
    const json_t  *wanted;
    size_t         i;
    mt_estimate    each[3];
    mt_roc_classes got;

    json_array_foreach(json_object_get(root, "classes"), i, wanted) check_classes(wanted);
    json_decref(root);
    g_assert_true(mt_roc_multiclass(scores, truth, 2, 3, &got, each, NULL)); /* class 2 has no case */
    g_assert_false(got.macro.defined || got.weighted.defined || each[2].defined);
    g_assert_true(got.micro.defined && each[0].defined && each[1].defined);
}

static void test_refused(void)
{
    const double       scores[] = {0.5, NAN}, off[] = {0.5, 0.6, 0.2, 0.8};
    const int          truth[] = {0, 1}, three[] = {0, 3};
    const mt_confusion bad = {.tp = -1}, fine = {1, 1, 1, 1};
    int64_t            matrix[9], n;
    mt_confusion       counts;
    mt_confusion_rates rates;
    mt_roc_classes     areas;
    mt_estimate        got, other;
    g_autoptr(GError) error = NULL;

    assert_refused(mt_proportion(3, 2, 0.95, MT_PROPORTION_WILSON, &got, &error), &error, MT_ERROR_RANGE,
                   "a share of 3 in 2: the part must lie within the whole");
    assert_refused(mt_proportion(1, 2, NAN, MT_PROPORTION_WILSON, &got, &error), &error, MT_ERROR_RANGE,
                   "the level of an interval is nan: give one between 0 and 1, as 0.95");
    assert_refused(mt_proportion_needed(1, 0, 0.95, MT_PROPORTION_WILSON, &n, &error), &error, MT_ERROR_RANGE,
                   "a share of 1 with 0 misses: give a share between 0 and 1 and misses of 0 or more");
    assert_refused(mt_proportion_needed(1 - 1e-13, 0, 0.95, MT_PROPORTION_WILSON, &n, &error), &error, MT_ERROR_LIMIT,
                   "a lower bound of 1 with 0 misses would need more than 10^12 cases");
    assert_refused(mt_confusion_at(scores, truth, 2, 0.5, &counts, &error), &error, MT_ERROR_INPUT,
                   "decisions: the score of row 1 is nan: leave out cases without a score");
    assert_refused(mt_confusion_at(scores, truth, 2, NAN, &counts, &error), &error, MT_ERROR_RANGE,
                   "decisions: the threshold is nan: it must be a finite number");
    assert_refused(mt_confusion_of(three, truth, 2, &counts, &error), &error, MT_ERROR_INPUT,
                   "decisions: row 1 is called 3 and is 1: both must be 0 or 1");
    assert_refused(mt_confusion_measure(&bad, 0.95, &rates, &error), &error, MT_ERROR_RANGE,
                   "decisions: -1 true and 0 false positives, 0 false and 0 true negatives: counts must be 0 or more");
    assert_refused(mt_confusion_at_prevalence(&fine, 0, 0.95, &got, &other, &error), &error, MT_ERROR_RANGE,
                   "predictive values at a prevalence of 0: give a share between 0 and 1");
    assert_refused(mt_confusion_at_prevalence(&fine, 0.1, -0.5, &got, &other, &error), &error, MT_ERROR_RANGE,
                   "the level of an interval is -0.5: give one between 0 and 1, as 0.95");
    assert_refused(mt_confusion_matrix(three, truth, 2, 3, matrix, &error), &error, MT_ERROR_INPUT,
                   "confusion matrix: row 1 is called class 3 and is 1: there are 3, from 0");
    assert_refused(mt_confusion_matrix(three, truth, 2, 1, matrix, &error), &error, MT_ERROR_RANGE,
                   "a confusion matrix of 1 classes: there must be two or more");
    assert_refused(mt_roc_multiclass(off, three, 2, 2, &areas, NULL, &error), &error, MT_ERROR_INPUT,
                   "AUROC: the truth of row 1 is class 3: there are 2, from 0");
    assert_refused(mt_roc_multiclass(off, truth, 2, 1, &areas, NULL, &error), &error, MT_ERROR_RANGE,
                   "AUROC over 1 classes: there must be two or more");
    assert_refused(mt_log_loss_classes(off, truth, 2, 2, &got, &error), &error, MT_ERROR_INPUT,
                   "log loss: the scores of row 0 are no probabilities: each must lie in 0..1 and all must sum to 1");
    assert_refused(mt_log_loss_classes(off + 2, three + 1, 1, 2, &got, &error), &error, MT_ERROR_INPUT,
                   "log loss: the truth of row 0 is class 3: there are 2, from 0");
    assert_refused(mt_log_loss_classes(off, truth, 2, 1, &got, &error), &error, MT_ERROR_RANGE,
                   "log loss over 1 classes: there must be two or more");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/metrics/decisions/distributions", test_distributions);
    g_test_add_func("/metrics/decisions/shares", test_shares);
    g_test_add_func("/metrics/decisions/needed", test_needed);
    g_test_add_func("/metrics/decisions/two-by-two", test_two_by_two);
    g_test_add_func("/metrics/decisions/rates", test_rates);
    g_test_add_func("/metrics/decisions/classes", test_classes);
    g_test_add_func("/metrics/decisions/refused", test_refused);
    return g_test_run();
}

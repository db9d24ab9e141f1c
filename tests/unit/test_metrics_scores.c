/* Scores against 0/1: areas, curves, intervals, calibration, net benefit, equal to scikit-learn, SciPy and statsmodels
 * (tests/golden/metrics_reference.py), what cannot be answered, and what is refused. */
#include "metrics_values.h"
#include "src/base/alloc.h"
#include "src/evaluate/decision_curve.h"
#include "src/evaluate/delong.h"
#include "src/evaluate/precision_recall.h"
#include "src/evaluate/reliability.h"
#include "src/evaluate/roc.h"
#include "src/evaluate/score_order.h"

typedef struct scored {
    double *scores, *other;
    int    *truth;
    int64_t n;
} scored;

static scored scored_of(const json_t *wanted)
{
    const json_t *truth = json_object_get(wanted, "truth");

    return (scored){json_doubles(json_object_get(wanted, "scores")), json_doubles(json_object_get(wanted, "other")), json_ints(truth),
                    (int64_t)json_array_size(truth)};
}

static void scored_clear(scored *s)
{
    g_free(s->scores);
    g_free(s->other);
    g_free(s->truth);
}

static void for_each_case(void (*check)(const scored *, const json_t *))
{
    json_t *cases = metrics_file("binary"), *wanted;
    size_t  i;

    json_array_foreach(cases, i, wanted)
    {
        scored s = scored_of(wanted);

        check(&s, wanted);
        scored_clear(&s);
    }
    g_assert_cmpuint(i, >, 15);
    json_decref(cases);
}

static void assert_curve(const mt_curve *curve, const json_t *wanted, double first_y)
{
    if (wanted == NULL) {
        g_assert_cmpint(curve->n, ==, 0);
        return;
    }
    g_assert_cmpint(curve->n, ==, (int64_t)json_array_size(json_array_get(wanted, 0)));
    g_assert_cmpfloat(curve->threshold[0], ==, INFINITY);
    g_assert_cmpfloat(curve->x[0], ==, 0);
    g_assert_cmpfloat(curve->y[0], ==, first_y);
    for (int64_t i = 0; i < curve->n; i++) {
        assert_near(curve->x[i], json_number_at(json_array_get(wanted, 0), (size_t)i), "x");
        assert_near(curve->y[i], json_number_at(json_array_get(wanted, 1), (size_t)i), "y");
        if (i > 0)
            assert_near(curve->threshold[i], json_number_at(json_array_get(wanted, 2), (size_t)i - 1), "threshold");
    }
}

static void check_areas(const scored *s, const json_t *wanted)
{
    g_auto(mt_curve) roc = {0}, pr = {0};
    mt_estimate area, ap;

    g_assert_true(mt_roc_area(s->scores, s->truth, s->n, &area, NULL));
    assert_estimate(&area, json_object_get(wanted, "area"), "AUROC");
    g_assert_true(mt_roc_curve(s->scores, s->truth, s->n, &roc, NULL));
    assert_curve(&roc, json_object_get(wanted, "roc"), 0);
    g_assert_true(mt_average_precision(s->scores, s->truth, s->n, &ap, NULL));
    assert_estimate(&ap, json_object_get(wanted, "ap"), "average precision");
    g_assert_true(mt_precision_recall_curve(s->scores, s->truth, s->n, &pr, NULL));
    assert_curve(&pr, json_object_get(wanted, "pr"), 1);
}

static void test_areas(void)
{
    for_each_case(check_areas);
}

static void check_delong(const scored *s, const json_t *wanted)
{
    const json_t *newcombe = json_object_get(wanted, "newcombe"), *area = json_object_get(wanted, "area");
    const bool    at_end = area != NULL && (json_number_value(area) == 0 || json_number_value(area) == 1);
    mt_estimate   got;

    g_assert_true(mt_roc_delong(s->scores, s->truth, s->n, 0.95, MT_ROC_WALD, &got, NULL));
    assert_estimate(&got, area, "AUROC");
    assert_interval(&got, at_end ? newcombe : json_object_get(wanted, "wald"), 0, at_end ? "Newcombe" : "DeLong");
    g_assert_true(mt_roc_delong(s->scores, s->truth, s->n, 0.95, MT_ROC_LOGIT, &got, NULL));
    assert_interval(&got, at_end ? newcombe : json_object_get(wanted, "logit"), 0, at_end ? "Newcombe" : "DeLong, logit");
    g_assert_true(mt_roc_delong(s->scores, s->truth, s->n, 0.95, MT_ROC_NEWCOMBE, &got, NULL));
    assert_interval(&got, newcombe, 0, "Newcombe");
}

static void test_delong(void)
{
    for_each_case(check_delong);
}

static void check_comparison(const scored *s, const json_t *wanted)
{
    mt_roc_comparison got;

    g_assert_true(mt_roc_compare(s->scores, s->other, s->truth, s->n, 0.95, &got, NULL));
    g_assert_true(got.tested == (json_object_get(wanted, "p") != NULL));
    g_assert_true(got.difference.defined == (json_object_get(wanted, "area") != NULL));
    if (got.tested) {
        assert_estimate(&got.difference, json_object_get(wanted, "difference"), "difference");
        assert_interval(&got.difference, json_object_get(wanted, "difference_ci"), 0, "DeLong");
        assert_near(got.z, json_number_of(wanted, "z"), "z");
        assert_near(got.p, json_number_of(wanted, "p"), "p");
    }
    g_assert_true(mt_roc_compare(s->scores, s->scores, s->truth, s->n, 0.95, &got, NULL)); /* with itself */
    g_assert_false(got.tested);
    g_assert_cmpfloat(got.difference.value, ==, 0);
}

static void test_comparison(void)
{
    for_each_case(check_comparison);
}

static void check_bins(const scored *s, mt_binning binning, const json_t *errors, const json_t *wanted)
{
    mt_reliability_bin curve[10];
    mt_estimate        mean, worst;
    size_t             filled = 0;

    g_assert_true(mt_reliability_curve(s->scores, s->truth, s->n, 10, binning, curve, NULL));
    mean = mt_calibration_error(curve, 10);
    worst = mt_calibration_error_max(curve, 10);
    assert_estimate(&mean, json_array_get(errors, 0), "ECE");
    assert_estimate(&worst, json_array_get(errors, 1), "largest calibration error");
    for (int i = 0; binning == MT_BINS_EQUAL_WIDTH && i < 10; i++) {
        if (curve[i].n == 0)
            continue;
        assert_near(curve[i].mean_score, json_number_at(json_object_get(wanted, "curve_score"), filled), "mean score");
        assert_near(curve[i].positive_share, json_number_at(json_object_get(wanted, "curve_truth"), filled), "share of positives");
        filled++;
    }
}

static void check_reliability(const scored *s, const json_t *wanted)
{
    mt_estimate got;

    g_assert_true(mt_brier(s->scores, s->truth, s->n, &got, NULL));
    assert_estimate(&got, json_object_get(wanted, "brier"), "Brier score");
    g_assert_true(mt_log_loss(s->scores, s->truth, s->n, &got, NULL));
    assert_estimate(&got, json_object_get(wanted, "log_loss"), "log loss");
    check_bins(s, MT_BINS_EQUAL_WIDTH, json_object_get(wanted, "ece_width"), wanted);
    check_bins(s, MT_BINS_EQUAL_MASS, json_object_get(wanted, "ece_mass"), wanted);
}

static void test_reliability(void)
{
    for_each_case(check_reliability);
}

static void assert_wald(const mt_estimate *got, const json_t *value, const json_t *error, const char *what)
{
    const double z = 1.959963984540054;

    assert_estimate(got, value, what);
    if (value == NULL)
        return;
    assert_near(got->low, json_number_value(value) - z * json_number_value(error), what);
    assert_near(got->high, json_number_value(value) + z * json_number_value(error), what);
}

static void check_regression(const scored *s, const json_t *wanted)
{
    const json_t      *line = json_object_get(wanted, "line"), *se = json_object_get(wanted, "line_se");
    mt_calibration_fit fit;

    g_assert_true(mt_calibration_regression(s->scores, s->truth, s->n, 0.95, &fit, NULL));
    assert_wald(&fit.in_the_large, json_object_get(wanted, "large"), json_object_get(wanted, "large_se"), "calibration in the large");
    assert_wald(&fit.intercept, json_array_get(line, 0), json_array_get(se, 0), "intercept");
    assert_wald(&fit.slope, json_array_get(line, 1), json_array_get(se, 1), "slope");
}

static void test_regression(void)
{
    for_each_case(check_regression);
}

static void check_net_benefit(const scored *s, const json_t *wanted)
{
    const json_t  *row;
    size_t         i;
    mt_net_benefit got;

    json_array_foreach(json_object_get(wanted, "net_benefit"), i, row)
    {
        double threshold = json_number_at(row, 0);

        g_assert_true(mt_decision_curve(s->scores, s->truth, s->n, &threshold, 1, &got, NULL));
        assert_near(got.model, json_number_at(row, 1), "net benefit");
        assert_near(got.all, json_number_at(row, 2), "net benefit of treating all");
        if (threshold > 0)
            assert_near(got.per_hundred, 100 * (got.model - got.all) * (1 - threshold) / threshold, "saved in a hundred");
    }
}

static void test_net_benefit(void)
{
    for_each_case(check_net_benefit);
}

/* The order of rows and any rise of the scores that keeps their order change nothing. */
static void check_order(const scored *s, const json_t *wanted)
{
    g_autofree double *scores = g_new(double, s->n);
    g_autofree int    *truth = g_new(int, s->n);
    mt_estimate        before, after;

    (void)wanted;
    for (int64_t i = 0; i < s->n; i++) {
        scores[s->n - 1 - i] = exp(3 * s->scores[i]) - 100;
        truth[s->n - 1 - i] = s->truth[i];
    }
    g_assert_true(mt_roc_area(s->scores, s->truth, s->n, &before, NULL) && mt_roc_area(scores, truth, s->n, &after, NULL));
    g_assert_cmpfloat(before.value, ==, after.value);
    g_assert_true(mt_average_precision(s->scores, s->truth, s->n, &before, NULL) &&
                  mt_average_precision(scores, truth, s->n, &after, NULL));
    g_assert_cmpfloat(before.value, ==, after.value);
}

static void test_order(void)
{
    for_each_case(check_order);
}

static void test_nothing(void)
{
    const double       score = 0.5;
    const int          truth = 1;
    mt_estimate        got;
    mt_roc_comparison  comparison;
    mt_calibration_fit fit;
    mt_reliability_bin bins[3];
    g_auto(mt_curve) curve = {0};

    for (int64_t n = 0; n < 2; n++) { /* none, and one case */
        g_assert_true(mt_roc_area(&score, &truth, n, &got, NULL));
        g_assert_false(got.defined);
        g_assert_true(mt_roc_delong(&score, &truth, n, 0.95, MT_ROC_WALD, &got, NULL));
        g_assert_false(got.defined);
        g_assert_true(mt_roc_compare(&score, &score, &truth, n, 0.95, &comparison, NULL));
        g_assert_false(comparison.tested || comparison.difference.defined);
        g_assert_true(mt_calibration_regression(&score, &truth, n, 0.95, &fit, NULL));
        g_assert_false(fit.slope.defined || fit.in_the_large.defined);
    }
    g_assert_true(mt_brier(&score, &truth, 0, &got, NULL) && !got.defined);
    g_assert_true(mt_log_loss(&score, &truth, 0, &got, NULL) && !got.defined);
    g_assert_true(mt_average_precision(&score, &truth, 0, &got, NULL) && !got.defined);
    g_assert_true(mt_precision_recall_curve(&score, &truth, 0, &curve, NULL) && curve.n == 0);
    g_assert_true(mt_reliability_curve(&score, &truth, 0, 3, MT_BINS_EQUAL_MASS, bins, NULL));
    got = mt_calibration_error(bins, 3);
    g_assert_false(got.defined);
    got = mt_calibration_error_max(bins, 3);
    g_assert_false(got.defined);
}

static void test_refused(void)
{
    const double       nan_score[] = {0.1, NAN}, infinite[] = {INFINITY, 0.5}, above[] = {0.5, 1.5}, fine[] = {0.2, 0.7}, one = 1;
    const int          truth[] = {0, 1}, two[] = {0, 2};
    mt_estimate        got;
    mt_roc_comparison  comparison;
    mt_net_benefit     benefit;
    mt_reliability_bin bins[3];
    mt_calibration_fit fit;
    g_auto(mt_curve) curve = {0};
    g_autoptr(GError) error = NULL;

    assert_refused(mt_roc_area(nan_score, truth, 2, &got, &error), &error, MT_ERROR_INPUT,
                   "AUROC: the score of row 1 is nan: leave out cases without a score");
    assert_refused(mt_roc_curve(infinite, truth, 2, &curve, &error), &error, MT_ERROR_INPUT,
                   "ROC curve: the score of row 0 is inf: leave out cases without a score");
    assert_refused(mt_average_precision(fine, two, 2, &got, &error), &error, MT_ERROR_INPUT,
                   "precision and recall: the truth of row 1 is 2: it must be 0 or 1");
    assert_refused(mt_roc_delong(fine, truth, 2, 95, MT_ROC_WALD, &got, &error), &error, MT_ERROR_RANGE,
                   "the level of an interval is 95: give one between 0 and 1, as 0.95");
    assert_refused(mt_roc_delong(nan_score, truth, 2, 0.95, MT_ROC_WALD, &got, &error), &error, MT_ERROR_INPUT,
                   "DeLong interval: the score of row 1 is nan: leave out cases without a score");
    assert_refused(mt_roc_compare(fine, nan_score, truth, 2, 0.95, &comparison, &error), &error, MT_ERROR_INPUT,
                   "DeLong interval: the score of row 1 is nan: leave out cases without a score");
    assert_refused(mt_brier(above, truth, 2, &got, &error), &error, MT_ERROR_INPUT,
                   "Brier score: the score of row 1 is 1.5: probabilities lie in 0..1");
    assert_refused(mt_log_loss(above, truth, 2, &got, &error), &error, MT_ERROR_INPUT,
                   "log loss: the score of row 1 is 1.5: probabilities lie in 0..1");
    assert_refused(mt_reliability_curve(fine, truth, 2, 0, MT_BINS_EQUAL_MASS, bins, &error), &error, MT_ERROR_RANGE,
                   "a reliability curve of 0 bins: give 1 to 1000");
    assert_refused(mt_calibration_regression(above, truth, 2, 0.95, &fit, &error), &error, MT_ERROR_INPUT,
                   "calibration slope: the score of row 1 is 1.5: probabilities lie in 0..1");
    assert_refused(mt_decision_curve(fine, truth, 2, &one, 1, &benefit, &error), &error, MT_ERROR_RANGE,
                   "decision curve: the threshold 1 must lie in [0, 1)");
    assert_refused(mt_decision_curve(fine, truth, 0, &one, 1, &benefit, &error), &error, MT_ERROR_INPUT,
                   "decision curve: there are no cases");
}

static void test_memory(void)
{
    const double scores[] = {0.2, 0.7};
    const int    truth[] = {0, 1};
    mt_estimate  got;
    g_auto(mt_curve) curve = {0};
    g_autoptr(GError) error = NULL;

    for (int64_t k = 1; k <= 2; k++) {
        mt_alloc_fail_at(k);
        g_assert_false(mt_roc_curve(scores, truth, 2, &curve, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
        g_clear_error(&error);
        mt_alloc_fail_at(k);
        g_assert_false(mt_roc_delong(scores, truth, 2, 0.95, MT_ROC_WALD, &got, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
        g_clear_error(&error);
    }
    mt_alloc_fail_at(0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/metrics/scores/areas", test_areas);
    g_test_add_func("/metrics/scores/delong", test_delong);
    g_test_add_func("/metrics/scores/comparison", test_comparison);
    g_test_add_func("/metrics/scores/reliability", test_reliability);
    g_test_add_func("/metrics/scores/regression", test_regression);
    g_test_add_func("/metrics/scores/net-benefit", test_net_benefit);
    g_test_add_func("/metrics/scores/order", test_order);
    g_test_add_func("/metrics/scores/nothing", test_nothing);
    g_test_add_func("/metrics/scores/refused", test_refused);
    g_test_add_func("/metrics/scores/memory", test_memory);
    return g_test_run();
}

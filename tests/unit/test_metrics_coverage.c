/* The bootstrap equal to one in NumPy (tests/golden/metrics_reference.py), and 95 % intervals that hold the truth in 93 to 97 % of made samples.
 * MICROTOME_COVERAGE_REPETITIONS=20000 asks for more samples than the test takes; the shares are printed with --verbose. */
#include "metrics_values.h"
#include "src/evaluate/bootstrap.h"
#include "src/evaluate/delong.h"
#include "src/evaluate/distribution.h"
#include "src/evaluate/proportion.h"
#include "src/evaluate/random_draw.h"
#include "src/evaluate/roc.h"

static bool mean_of(const int64_t *rows, int64_t n, const void *data, mt_estimate *estimate, GError **error)
{
    const double *values = data;
    double        sum = 0;

    (void)error;
    for (int64_t i = 0; i < n; i++)
        sum += values[rows[i]];
    *estimate = mt_estimate_ratio(sum, (double)n);
    return true;
}

static bool mean_above(const int64_t *rows, int64_t n, const void *data, mt_estimate *estimate, GError **error)
{
    const double *values = data;
    double        sum = 0;
    int64_t       above = 0;

    (void)error;
    for (int64_t i = 0; i < n; i++) {
        sum += values[rows[i]] > 2 ? values[rows[i]] : 0;
        above += values[rows[i]] > 2;
    }
    *estimate = mt_estimate_ratio(sum, (double)above);
    return true;
}

static void check_bootstrap(const json_t *wanted)
{
    const json_t       *cluster = json_object_get(wanted, "cluster"), *stratum = json_object_get(wanted, "stratum");
    const int64_t       n = (int64_t)json_array_size(json_object_get(wanted, "values"));
    g_autofree double  *values = json_doubles(json_object_get(wanted, "values"));
    g_autofree int     *strata = json_ints(stratum), *clusters = json_ints(cluster);
    g_autofree int64_t *patients = g_new(int64_t, n);
    mt_metric_fn        metric = json_is_true(json_object_get(wanted, "above")) ? mean_above : mean_of;
    mt_bootstrap_result got;
    mt_bootstrap_params params = {.resamples = (int)json_number_of(wanted, "resamples"),
                                  .seed = (uint64_t)json_integer_value(json_object_get(wanted, "seed")),
                                  .level = 0.95,
                                  .cluster = json_is_null(cluster) ? NULL : patients,
                                  .stratum = json_is_null(stratum) ? NULL : strata};

    for (int64_t i = 0; i < n && params.cluster != NULL; i++)
        patients[i] = clusters[i];
    g_assert_true(mt_bootstrap(n, metric, values, &params, &got, NULL));
    assert_estimate(&got.estimate, json_object_get(wanted, "value"), "value");
    assert_interval(&got.estimate, json_object_get(wanted, "percentile"), 0, "bootstrap, percentile");
    assert_near(got.deviation, json_number_of(wanted, "deviation"), "deviation");
    g_assert_cmpint(got.undefined, ==, (int)json_number_of(wanted, "undefined"));
    params.interval = MT_BOOTSTRAP_BCA;
    g_assert_true(mt_bootstrap(n, metric, values, &params, &got, NULL));
    assert_interval(&got.estimate, json_object_get(wanted, "bca"), 0, "bootstrap, BCa");
}

static void test_bootstrap(void)
{
    json_t *root = metrics_file("bootstrap"), *wanted;
    size_t  i;

    json_array_foreach(root, i, wanted) check_bootstrap(wanted);
    g_assert_cmpuint(i, >, 3);
    json_decref(root);
}

static void check_patients(const json_t *wanted)
{
    const int64_t n = (int64_t)json_array_size(json_object_get(wanted, "scores"));
    const json_t *area = json_object_get(wanted, "area"), *share = json_object_get(wanted, "share"), *all = json_object_get(wanted, "all");
    g_autofree double  *scores = json_doubles(json_object_get(wanted, "scores"));
    g_autofree int     *truth = json_ints(json_object_get(wanted, "truth")), *hit = json_ints(json_object_get(wanted, "hit"));
    g_autofree int     *of = json_ints(json_object_get(wanted, "patient"));
    g_autofree int64_t *patient = g_new(int64_t, n), *row = g_new(int64_t, n);
    mt_estimate         got, plain;

    for (int64_t i = 0; i < n; i++) {
        patient[i] = of[i];
        row[i] = n - i;
    }
    g_assert_true(mt_roc_delong_patients(scores, truth, patient, n, 0.95, MT_ROC_WALD, &got, NULL));
    assert_estimate(&got, json_array_get(area, 0), "AUROC");
    assert_interval(&got, area, 1, "DeLong, by patients");
    g_assert_true(mt_roc_delong_patients(scores, truth, row, n, 0.95, MT_ROC_LOGIT, &got, NULL)); /* a row a patient: DeLong's */
    g_assert_true(mt_roc_delong(scores, truth, n, 0.95, MT_ROC_LOGIT, &plain, NULL));
    assert_near(got.low, plain.low, "low");
    assert_near(got.high, plain.high, "high");
    g_assert_true(mt_proportion_patients(hit, patient, n, 0.95, &got, NULL));
    assert_estimate(&got, json_array_get(share, 0), "share");
    assert_interval(&got, share, 1, "Wilson, by patients");
    for (int64_t i = 0; i < n; i++)
        hit[i] = 1;
    g_assert_true(mt_proportion_patients(hit, patient, n, 0.95, &got, NULL));
    assert_interval(&got, all, 1, "Wilson, by patients");
    g_assert_cmpfloat(got.high, ==, 1);
}

static void test_patients(void)
{
    const double  scores[] = {0.1, 0.2, 0.7, 0.8};
    const int     truth[] = {0, 0, 1, 1}, three[] = {0, 3};
    const int64_t one[] = {5, 5, 5, 5}, bad[] = {0, -7, 1, 2};
    json_t       *root = metrics_file("patients"), *wanted;
    size_t        i;
    mt_estimate   got;
    g_autoptr(GError) error = NULL;

    json_array_foreach(root, i, wanted) check_patients(wanted);
    g_assert_cmpuint(i, >, 3);
    json_decref(root);
    g_assert_true(
        mt_roc_delong_patients(scores, truth, one, 4, 0.95, MT_ROC_WALD, &got, NULL)); /* 1: one patient of each class, no row more */
    g_assert_cmpstr(got.interval, ==, "Newcombe, by patients");
    g_assert_cmpfloat(got.low, <, 0.3);
    g_assert_true(mt_proportion_patients(truth, one, 0, 0.95, &got, NULL) && !got.defined);
    assert_refused(mt_roc_delong_patients(scores, truth, bad, 4, 0.95, MT_ROC_WALD, &got, &error), &error, MT_ERROR_INPUT,
                   "DeLong interval: the patient of row 1 is -7: number them from 0");
    assert_refused(mt_proportion_patients(truth, bad, 4, 0.95, &got, &error), &error, MT_ERROR_INPUT,
                   "a share by patients: the patient of row 1 is -7: number them from 0");
    assert_refused(mt_proportion_patients(three, one, 2, 0.95, &got, &error), &error, MT_ERROR_INPUT,
                   "a share by patients: row 1 is 3: it must be 0 or 1");
}

static bool fails(const int64_t *rows, int64_t n, const void *data, mt_estimate *estimate, GError **error)
{
    (void)rows;
    (void)data;
    *estimate = (mt_estimate){.defined = false};
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "no metric of %" G_GINT64_FORMAT " rows", n);
    return false;
}

static void test_bootstrap_refused(void)
{
    const double        values[] = {1, 1, 5};
    const int64_t       patients[] = {0, -1, 2};
    mt_bootstrap_params params = {.resamples = 9, .level = 0.95};
    mt_bootstrap_result got;
    g_autoptr(GError) error = NULL;

    assert_refused(mt_bootstrap(3, mean_of, values, &params, &got, &error), &error, MT_ERROR_RANGE,
                   "bootstrap: 9 resamples: give 10 to 1000000");
    params.resamples = 100;
    assert_refused(mt_bootstrap(0, mean_of, values, &params, &got, &error), &error, MT_ERROR_INPUT, "bootstrap: there are no rows");
    assert_refused(mt_bootstrap(3, fails, values, &params, &got, &error), &error, MT_ERROR_INPUT, "no metric of 3 rows");
    params.cluster = patients;
    assert_refused(mt_bootstrap(3, mean_of, values, &params, &got, &error), &error, MT_ERROR_INPUT,
                   "bootstrap: the patient of row 1 is -1: number them from 0");
    params.cluster = NULL;
    g_assert_true(mt_bootstrap(2, mean_above, values, &params, &got, NULL)); /* never defined */
    g_assert_false(got.estimate.defined);
    g_assert_cmpint(got.undefined, ==, 100);
    g_assert_true(mt_bootstrap(2, mean_of, values, &params, &got, NULL)); /* no spread at all: BCa has nothing to correct */
    g_assert_cmpfloat(got.estimate.low, ==, 1);
    params.interval = MT_BOOTSTRAP_BCA;
    g_assert_true(mt_bootstrap(2, mean_of, values, &params, &got, NULL));
    g_assert_cmpfloat(got.estimate.high, ==, 1);
}

/* Two normals a line apart by `apart` standard deviations: their AUROC is Phi(apart / sqrt 2). */
static double normal_at(uint64_t seed, uint64_t k)
{
    return mt_normal_quantile((mt_random_unit(seed, k) * 0x1p53 + 0.5) * 0x1p-53);
}

static void make_scores(uint64_t seed, double apart, int64_t n, int64_t positives, double *scores, int *truth)
{
    for (int64_t i = 0; i < n; i++) {
        truth[i] = i < positives;
        scores[i] = normal_at(seed, (uint64_t)i) + (truth[i] ? apart : 0);
    }
}

static int repetitions_or(int few)
{
    const char *asked = g_getenv("MICROTOME_COVERAGE_REPETITIONS");

    return asked != NULL ? (int)g_ascii_strtoll(asked, NULL, 10) : few;
}

static void assert_covers(const char *what, int held, int repetitions)
{
    double share = (double)held / repetitions;

    g_test_message("%s: %.2f %% of %d samples", what, 100 * share, repetitions);
    g_assert_cmpfloat(share, >=, 0.93);
    g_assert_cmpfloat(share, <=, 0.97);
}

static bool holds(const mt_estimate *estimate, double truth)
{
    g_assert_nonnull(estimate->interval);
    return estimate->low <= truth && truth <= estimate->high;
}

static void cover_delong(double apart, int64_t n, int64_t positives)
{
    static const char *const names[] = {[MT_ROC_WALD] = "Wald", [MT_ROC_LOGIT] = "logit", [MT_ROC_NEWCOMBE] = "Newcombe"};
    const double             area = mt_normal_cdf(apart * M_SQRT1_2);
    const int                repetitions = repetitions_or(2000);
    double                   scores[400];
    int                      truth[400], held[3] = {0};

    for (int r = 0; r < repetitions; r++) {
        make_scores(mt_random_bits(101, (uint64_t)r), apart, n, positives, scores, truth);
        for (mt_roc_interval interval = MT_ROC_WALD; interval <= MT_ROC_NEWCOMBE; interval++) {
            mt_estimate got;

            g_assert_true(mt_roc_delong(scores, truth, n, 0.95, interval, &got, NULL));
            held[interval] += holds(&got, area);
        }
    }
    for (mt_roc_interval interval = MT_ROC_WALD; interval <= MT_ROC_NEWCOMBE; interval++) {
        g_autofree char *what =
            g_strdup_printf("DeLong, %s, AUROC %.2f, %d positives of %d", names[interval], area, (int)positives, (int)n);

        assert_covers(what, held[interval], repetitions);
    }
}

static void test_delong_covers(void)
{
    cover_delong(1.2, 200, 100); /* AUROC 0.80 */
    cover_delong(1.2, 200, 50);
    cover_delong(0.5, 200, 80); /* 0.64 */
}

/* The difference of two scores that share half of their noise. */
static void test_difference_covers(void)
{
    const int repetitions = repetitions_or(2000);
    double    a[200], b[200], shared[200];
    int       truth[200], held = 0;

    for (int r = 0; r < repetitions; r++) {
        mt_roc_comparison got;

        make_scores(mt_random_bits(103, (uint64_t)r), 0, 200, 100, shared, truth);
        make_scores(mt_random_bits(105, (uint64_t)r), 1.6, 200, 100, a, truth);
        make_scores(mt_random_bits(107, (uint64_t)r), 1.0, 200, 100, b, truth);
        for (int i = 0; i < 200; i++) {
            a[i] += shared[i];
            b[i] += shared[i];
        }
        g_assert_true(mt_roc_compare(a, b, truth, 200, 0.95, &got, NULL));
        held += holds(&got.difference, mt_normal_cdf(0.8) - mt_normal_cdf(0.5)); /* variances of 2: apart / 2 */
    }
    assert_covers("DeLong, difference", held, repetitions);
}

typedef struct scored {
    const double *scores;
    const int    *truth;
} scored;

static bool area_of(const int64_t *rows, int64_t n, const void *data, mt_estimate *estimate, GError **error)
{
    const scored *s = data;
    double        scores[200];
    int           truth[200];

    for (int64_t i = 0; i < n; i++) {
        scores[i] = s->scores[rows[i]];
        truth[i] = s->truth[rows[i]];
    }
    return mt_roc_area(scores, truth, n, estimate, error);
}

static void test_bootstrap_covers(void)
{
    const double area = mt_normal_cdf(1.2 * M_SQRT1_2);
    const int    repetitions = repetitions_or(400);
    double       scores[120];
    int          truth[120], held[2] = {0};
    const scored data = {scores, truth};

    for (int r = 0; r < repetitions; r++) {
        make_scores(mt_random_bits(109, (uint64_t)r), 1.2, 120, 50, scores, truth);
        for (mt_bootstrap_interval interval = MT_BOOTSTRAP_PERCENTILE; interval <= MT_BOOTSTRAP_BCA; interval++) {
            mt_bootstrap_params params = {.resamples = 300, .seed = (uint64_t)r, .level = 0.95, .interval = interval, .stratum = truth};
            mt_bootstrap_result got;

            g_assert_true(mt_bootstrap(120, area_of, &data, &params, &got, NULL));
            held[interval] += holds(&got.estimate, area);
        }
    }
    assert_covers("bootstrap of the AUROC, percentile", held[MT_BOOTSTRAP_PERCENTILE], repetitions);
    assert_covers("bootstrap of the AUROC, BCa", held[MT_BOOTSTRAP_BCA], repetitions);
}

/* 100 patients of four slides that share half of their variance: patients cover, slides taken for patients do not. */
static void test_patients_cover(void)
{
    const int repetitions = repetitions_or(400);
    double    values[400];
    int64_t   patient[400];
    int       held = 0, held_by_slides = 0;

    for (int r = 0; r < repetitions; r++) {
        uint64_t            seed = mt_random_bits(111, (uint64_t)r);
        mt_bootstrap_params params = {.resamples = 300, .seed = (uint64_t)r, .level = 0.95, .cluster = patient};
        mt_bootstrap_result got;

        for (int i = 0; i < 400; i++) {
            patient[i] = i / 4;
            values[i] = normal_at(seed, (uint64_t)i) + normal_at(seed, 1000 + (uint64_t)patient[i]);
        }
        g_assert_true(mt_bootstrap(400, mean_of, values, &params, &got, NULL));
        held += holds(&got.estimate, 0);
        params.cluster = NULL;
        g_assert_true(mt_bootstrap(400, mean_of, values, &params, &got, NULL));
        held_by_slides += holds(&got.estimate, 0);
    }
    assert_covers("bootstrap of a mean, by patients", held, repetitions);
    g_assert_cmpfloat((double)held_by_slides / repetitions, <, 0.9);
}

/* 60 patients of four slides whose scores share half of their variance; 30 patients are positive.  Slides taken for patients do not hold it. */
static void test_slides_cover(void)
{
    const double area = mt_normal_cdf(0.6), called = mt_normal_cdf(1.2 * M_SQRT1_2); /* scores have a variance of 2 */
    const int    repetitions = repetitions_or(2000);
    double       scores[240];
    int          truth[240], hit[120], held_area = 0, held_share = 0, held_by_slides = 0;
    int64_t      patient[240];

    for (int r = 0; r < repetitions; r++) {
        uint64_t    seed = mt_random_bits(113, (uint64_t)r);
        mt_estimate got;

        for (int i = 0; i < 240; i++) {
            patient[i] = i / 4;
            truth[i] = i < 120;
            scores[i] = normal_at(seed, (uint64_t)i) + normal_at(seed, 1000 + (uint64_t)patient[i]) + (truth[i] ? 1.2 : 0);
            if (truth[i])
                hit[i] = scores[i] >= 0;
        }
        g_assert_true(mt_roc_delong_patients(scores, truth, patient, 240, 0.95, MT_ROC_WALD, &got, NULL));
        held_area += holds(&got, area);
        g_assert_true(mt_roc_delong(scores, truth, 240, 0.95, MT_ROC_WALD, &got, NULL));
        held_by_slides += holds(&got, area);
        g_assert_true(mt_proportion_patients(hit, patient, 120, 0.95, &got, NULL));
        held_share += holds(&got, called);
    }
    assert_covers("DeLong by patients", held_area, repetitions);
    assert_covers("Wilson by patients", held_share, repetitions);
    g_assert_cmpfloat((double)held_by_slides / repetitions, <, 0.9);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/metrics/coverage/bootstrap", test_bootstrap);
    g_test_add_func("/metrics/coverage/bootstrap-refused", test_bootstrap_refused);
    g_test_add_func("/metrics/coverage/by-patients", test_patients);
    g_test_add_func("/metrics/coverage/delong", test_delong_covers);
    g_test_add_func("/metrics/coverage/difference", test_difference_covers);
    g_test_add_func("/metrics/coverage/bootstrap-of-area", test_bootstrap_covers);
    g_test_add_func("/metrics/coverage/patients", test_patients_cover);
    g_test_add_func("/metrics/coverage/slides", test_slides_cover);
    return g_test_run();
}

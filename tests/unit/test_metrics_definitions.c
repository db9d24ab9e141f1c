/* The sorted and counted metrics against their definitions, pair by pair and threshold by threshold, on thousands of small random arrays with
 * ties, few cases and rare classes. */
#include "metrics_values.h"
#include "src/evaluate/concordance.h"
#include "src/evaluate/confusion.h"
#include "src/evaluate/decision_curve.h"
#include "src/evaluate/delong.h"
#include "src/evaluate/froc.h"
#include "src/evaluate/overlap.h"
#include "src/evaluate/precision_recall.h"
#include "src/evaluate/random_draw.h"
#include "src/evaluate/roc.h"

#define ARRAYS 2000
#define LONGEST 40

typedef struct made {
    int64_t n;
    double  scores[LONGEST], other[LONGEST], times[LONGEST];
    int     truth[LONGEST], positives;
} made;

/* Lengths of 1 to 40, 2 to 41 different scores, 5 to 95 % positive. */
static made make_array(uint64_t seed)
{
    made     m = {.n = 1 + (int64_t)mt_random_below(seed, 1000, LONGEST)};
    uint64_t levels = 2 + mt_random_below(seed, 1001, 40);
    double   share = 0.05 + 0.9 * mt_random_unit(seed, 1002);

    for (int64_t i = 0; i < m.n; i++) {
        m.scores[i] = (double)mt_random_below(seed, (uint64_t)i, levels) / (double)levels;
        m.other[i] = (double)mt_random_below(seed, 100 + (uint64_t)i, levels) / (double)levels;
        m.times[i] = (double)mt_random_below(seed, 200 + (uint64_t)i, levels);
        m.truth[i] = mt_random_unit(seed, 300 + (uint64_t)i) < share;
        m.positives += m.truth[i];
    }
    return m;
}

static void for_each_array(void (*check)(const made *))
{
    for (uint64_t k = 0; k < ARRAYS; k++) {
        made m = make_array(mt_random_bits(2024, k));

        check(&m);
    }
}

static double win(double positive, double negative)
{
    return positive > negative ? 1 : positive == negative ? 0.5 : 0;
}

/* Share of the other class that a case beats (a positive) or is beaten by (a negative). */
static double placement(const made *m, const double *scores, int64_t i)
{
    double sum = 0;

    for (int64_t j = 0; j < m->n; j++) {
        if (m->truth[j] != m->truth[i])
            sum += m->truth[i] ? win(scores[i], scores[j]) : win(scores[j], scores[i]);
    }
    return sum / (double)(m->truth[i] ? m->n - m->positives : m->positives);
}

static double area_by_pairs(const made *m, const double *scores)
{
    double sum = 0;

    for (int64_t i = 0; i < m->n; i++)
        sum += m->truth[i] ? placement(m, scores, i) : 0;
    return sum / m->positives;
}

static double covariance_by_pairs(const made *m, const double *a, const double *b)
{
    double area_a = area_by_pairs(m, a), area_b = area_by_pairs(m, b), sums[2] = {0};
    double sizes[2] = {(double)(m->n - m->positives), (double)m->positives};

    for (int64_t i = 0; i < m->n; i++)
        sums[m->truth[i]] += (placement(m, a, i) - area_a) * (placement(m, b, i) - area_b);
    return sums[0] / (sizes[0] - 1) / sizes[0] + sums[1] / (sizes[1] - 1) / sizes[1];
}

static void check_area(const made *m)
{
    mt_estimate area;

    g_assert_true(mt_roc_area(m->scores, m->truth, m->n, &area, NULL));
    g_assert_true(area.defined == (m->positives > 0 && m->positives < m->n));
    if (area.defined)
        assert_near(area.value, area_by_pairs(m, m->scores), "AUROC");
}

static void check_delong(const made *m)
{
    mt_roc_comparison got;
    mt_estimate       area;
    const double      z = 1.959963984540054;

    if (m->positives < 2 || m->positives > m->n - 2)
        return;
    double variance = covariance_by_pairs(m, m->scores, m->scores), other = covariance_by_pairs(m, m->other, m->other);
    double both = variance + other - 2 * covariance_by_pairs(m, m->scores, m->other), half = z * sqrt(variance);

    g_assert_true(mt_roc_delong(m->scores, m->truth, m->n, 0.95, MT_ROC_WALD, &area, NULL));
    g_assert_true(area.defined && area.low >= 0 && area.high <= 1);
    if (area.value > 0 && area.value < 1 && variance > 1e-12) {
        assert_near(area.low, fmax(0, area.value - half), "low");
        assert_near(area.high, fmin(1, area.value + half), "high");
    }
    g_assert_true(mt_roc_compare(m->scores, m->other, m->truth, m->n, 0.95, &got, NULL));
    if (both > 1e-9 && got.tested)
        assert_near(got.z, (area_by_pairs(m, m->scores) - area_by_pairs(m, m->other)) / sqrt(both), "z");
    g_assert_true(got.tested || both < 1e-9);
    g_assert_true(mt_roc_delong(m->scores, m->truth, m->n, 0.95, MT_ROC_NEWCOMBE, &area, NULL));
    g_assert_true(0 <= area.low && area.low <= area.value && area.value <= area.high && area.high <= 1 && area.low < area.high);
}

/* Every point of the curves is what deciding at its threshold gives; the sum over thresholds is the average precision. */
static void check_thresholds(const made *m)
{
    g_auto(mt_curve) roc = {0}, pr = {0};
    mt_estimate ap;
    double      sum = 0, recall = 0;

    g_assert_true(mt_roc_curve(m->scores, m->truth, m->n, &roc, NULL));
    for (int64_t i = 1; i < roc.n; i++) {
        mt_confusion c;

        g_assert_true(mt_confusion_at(m->scores, m->truth, m->n, roc.threshold[i], &c, NULL));
        assert_near(roc.x[i], (double)c.fp / (double)(c.fp + c.tn), "false positive rate");
        assert_near(roc.y[i], (double)c.tp / (double)(c.tp + c.fn), "sensitivity");
    }
    g_assert_true(mt_precision_recall_curve(m->scores, m->truth, m->n, &pr, NULL));
    for (int64_t i = 1; i < pr.n; i++) {
        mt_confusion c;

        g_assert_true(mt_confusion_at(m->scores, m->truth, m->n, pr.threshold[i], &c, NULL));
        double at = (double)c.tp / (double)(c.tp + c.fn), precision = (double)c.tp / (double)(c.tp + c.fp);

        assert_near(pr.x[i], at, "recall");
        assert_near(pr.y[i], precision, "precision");
        sum += (at - recall) * precision;
        recall = at;
    }
    g_assert_true(mt_average_precision(m->scores, m->truth, m->n, &ap, NULL));
    g_assert_true(ap.defined == (m->positives > 0));
    assert_near(ap.value, sum, "average precision");
}

static void check_concordance(const made *m)
{
    mt_concordance got;
    int64_t        concordant = 0, tied = 0, discordant = 0;

    for (int64_t i = 0; i < m->n; i++) {
        for (int64_t j = 0; j < m->n; j++) {
            bool first = m->truth[i] && (m->times[i] < m->times[j] || (m->times[i] == m->times[j] && !m->truth[j]));

            concordant += first && m->scores[i] > m->scores[j];
            tied += first && m->scores[i] == m->scores[j];
            discordant += first && m->scores[i] < m->scores[j];
        }
    }
    g_assert_true(mt_concordance_index(m->scores, m->times, m->truth, m->n, &got, NULL));
    g_assert_cmpint(got.concordant, ==, concordant);
    g_assert_cmpint(got.tied, ==, tied);
    g_assert_cmpint(got.discordant, ==, discordant);
}

/* Net benefit at a threshold that is a score: that score is treated. */
static void check_benefit(const made *m)
{
    const double   threshold = m->scores[0] < 1 ? m->scores[0] : 0.5;
    mt_net_benefit got;
    double         sum = 0;

    for (int64_t i = 0; i < m->n; i++)
        sum += m->scores[i] < threshold ? 0 : m->truth[i] ? 1 : -threshold / (1 - threshold);
    g_assert_true(mt_decision_curve(m->scores, m->truth, m->n, &threshold, 1, &got, NULL));
    assert_near(got.model, sum / (double)m->n, "net benefit");
}

/* Four images of two lesions each: a threshold finds a lesion when one of its hits reaches it. */
static void check_froc(const made *m)
{
    const int64_t lesions_of[] = {2, 2, 2, 2};
    mt_detection  detections[LONGEST];
    g_auto(mt_curve) curve = {0};

    for (int64_t i = 0; i < m->n; i++)
        detections[i] = (mt_detection){(int64_t)m->times[i] % 4, m->scores[i], m->truth[i] ? (int64_t)m->times[i] / 4 % 2 : MT_NO_LESION};
    g_assert_true(mt_froc_curve(detections, m->n, lesions_of, 4, &curve, NULL));
    for (int64_t p = 1; p < curve.n; p++) {
        bool    found[4][2] = {{false}};
        int64_t wrong = 0, lesions = 0;

        for (int64_t i = 0; i < m->n; i++) {
            bool called = detections[i].score >= curve.threshold[p];

            if (called && detections[i].lesion != MT_NO_LESION)
                found[detections[i].image][detections[i].lesion] = true;
            wrong += called && detections[i].lesion == MT_NO_LESION;
        }
        for (int k = 0; k < 8; k++)
            lesions += found[k / 2][k % 2];
        assert_near(curve.x[p], (double)wrong / 4, "false positives an image");
        assert_near(curve.y[p], (double)lesions / 8, "lesions found");
    }
}

static bool border(const uint8_t *mask, int x, int y, int width, int height)
{
    if (!mask[y * width + x])
        return false;
    return x == 0 || y == 0 || x == width - 1 || y == height - 1 || !mask[y * width + x - 1] || !mask[y * width + x + 1] ||
           !mask[(y - 1) * width + x] || !mask[(y + 1) * width + x];
}

/* The farthest border pixel of a from the border of b, all pairs; a mask of 6 x 6 is made from an array. */
static double farthest(const uint8_t *a, const uint8_t *b, double mm_x, double mm_y)
{
    double worst = 0;

    for (int i = 0; i < 36; i++) {
        double nearest = INFINITY;

        for (int j = 0; j < 36 && border(a, i % 6, i / 6, 6, 6); j++) {
            if (border(b, j % 6, j / 6, 6, 6))
                nearest = fmin(nearest, hypot((i % 6 - j % 6) * mm_x, (i / 6 - j / 6) * mm_y));
        }
        worst = isinf(nearest) ? worst : fmax(worst, nearest);
    }
    return worst;
}

static void check_distance(const made *m)
{
    uint8_t              a[36] = {0}, b[36] = {0};
    mt_mask_pair         pair = {.a = a, .b = b, .width = 6, .height = 6, .depth = 1, .spacing_mm = {0.5, 1 + m->scores[0]}};
    mt_surface_distances got;
    bool                 in_a = false, in_b = false;

    for (int i = 0; i < 36 && i < m->n; i++) {
        in_a |= a[i] = m->truth[i] != 0;
        in_b |= b[i] = m->scores[i] > 0.4;
    }
    g_assert_true(mt_surface_distance(&pair, &got, NULL));
    g_assert_true(got.hausdorff_mm.defined == (in_a && in_b));
    if (!got.hausdorff_mm.defined)
        return;
    assert_near(got.hausdorff_mm.value, fmax(farthest(a, b, 0.5, pair.spacing_mm[1]), farthest(b, a, 0.5, pair.spacing_mm[1])),
                "Hausdorff distance");
    g_assert_cmpfloat(got.hausdorff_95_mm.value, <=, got.hausdorff_mm.value);
}

static void test_area(void)
{
    for_each_array(check_area);
}

static void test_delong(void)
{
    for_each_array(check_delong);
}

static void test_thresholds(void)
{
    for_each_array(check_thresholds);
}

static void test_concordance(void)
{
    for_each_array(check_concordance);
}

static void test_benefit(void)
{
    for_each_array(check_benefit);
}

static void test_froc(void)
{
    for_each_array(check_froc);
}

static void test_distance(void)
{
    for_each_array(check_distance);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/metrics/definitions/area", test_area);
    g_test_add_func("/metrics/definitions/delong", test_delong);
    g_test_add_func("/metrics/definitions/thresholds", test_thresholds);
    g_test_add_func("/metrics/definitions/concordance", test_concordance);
    g_test_add_func("/metrics/definitions/benefit", test_benefit);
    g_test_add_func("/metrics/definitions/froc", test_froc);
    g_test_add_func("/metrics/definitions/distance", test_distance);
    return g_test_run();
}

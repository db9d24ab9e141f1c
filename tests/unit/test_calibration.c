/* Values: calibration_reference.py beside this file. */
#include "mil/head_card.h"
#include "mil/score_calibration.h"
#include "src/train/calibration.h"
#include "src/train/conformal.h"
#include "src/train/operating_points.h"

#include <math.h>
#include <string.h>

#define N 200

static void make_data(double *x, float *logits, float *holds)
{
    for (int i = 0; i < N; i++) {
        logits[i] = (float)(fmod(i * 0.6180339887498949, 1) * 8 - 4);
        x[i] = logits[i];
        holds[i] = fmod(i * 0.7548776662466927 + 0.1, 1) < 1 / (1 + exp(-(0.7 * x[i] - 0.3)));
    }
}

static void assert_message(GError **error, const char *message)
{
    g_assert_nonnull(*error);
    g_assert_cmpstr((*error)->message, ==, message);
    g_clear_error(error);
}

static void test_temperature(void)
{
    double x[N], temperature = 0;
    float  logits[N], holds[N], pair[2 * N], both[2 * N];
    g_autoptr(GError) error = NULL;

    make_data(x, logits, holds);
    g_assert_true(mt_calibration_temperature(MT_ACTIVATION_SIGMOID, logits, holds, N, 1, &temperature, &error));
    g_assert_cmpfloat_with_epsilon(temperature, 1.6290250563, 1e-7);
    for (int i = 0; i < N; i++) { /* the same as a softmax of two classes */
        pair[2 * i] = 0;
        pair[2 * i + 1] = logits[i];
        both[2 * i] = 1 - holds[i];
        both[2 * i + 1] = holds[i];
    }
    g_assert_true(mt_calibration_temperature(MT_ACTIVATION_SOFTMAX, pair, both, N, 2, &temperature, &error));
    g_assert_cmpfloat_with_epsilon(temperature, 1.6290250563, 1e-7);
    for (int i = 0; i < N; i++)
        holds[i] = logits[i] > 0;
    g_assert_false(mt_calibration_temperature(MT_ACTIVATION_SIGMOID, logits, holds, N, 1, &temperature, &error));
    assert_message(&error,
                   "fit a temperature: the logits of 200 cases separate their labels wholly, so that any confidence would fit: take more "
                   "cases, or --method platt");
    for (int i = 0; i < N; i++)
        holds[i] = logits[i] < 0;
    g_assert_false(mt_calibration_temperature(MT_ACTIVATION_SIGMOID, logits, holds, N, 1, &temperature, &error));
    assert_message(&error, "fit a temperature: the logits of 200 cases say nothing about their labels (or the opposite)");
}

static void test_platt(void)
{
    double x[N], platt[2];
    float  logits[N], holds[N];
    g_autoptr(GError) error = NULL;

    make_data(x, logits, holds);
    g_assert_true(mt_calibration_platt(x, holds, N, platt, &error));
    g_assert_cmpfloat_with_epsilon(platt[0], 0.606381201, 1e-7);
    g_assert_cmpfloat_with_epsilon(platt[1], -0.317225980, 1e-7);
    x[3] = NAN;
    g_assert_false(mt_calibration_platt(x, holds, N, platt, &error));
    assert_message(&error, "fit Platt's line: the score of row 3 is not a number");
    for (int i = 0; i < N; i++)
        holds[i] = 1;
    holds[3] = NAN; /* not known: not looked at */
    g_assert_false(mt_calibration_platt(x, holds, N, platt, &error));
    assert_message(&error, "fit Platt's line: 199 positive and 0 negative cases: both are wanted");
}

static void test_isotonic(void)
{
    double x[N], sum = 0, before = 0;
    float  logits[N], holds[N];
    g_autoptr(GError) error = NULL;

    make_data(x, logits, holds);
    g_autoptr(GArray) corners = mt_calibration_isotonic(x, holds, N, &error);
    g_assert_no_error(error);
    const mt_curve_point *curve = (const mt_curve_point *)(const void *)corners->data;
    for (int i = 0; i < N; i++)
        sum += pow(mt_curve_at(curve, (int)corners->len, x[i]) - holds[i], 2);
    g_assert_cmpfloat_with_epsilon(sum, 31.942679016756, 1e-9);
    for (int i = -500; i <= 500; i++) { /* never falls, flat outside */
        double now = mt_curve_at(curve, (int)corners->len, i / 100.0);
        g_assert_cmpfloat(now, >=, before);
        before = now;
    }
}

/* Platt and isotonic on the positive label, the others keep their proportions; the card says the same after a round trip. */
static void test_card(void)
{
    g_autoptr(GHashTable) keys = g_hash_table_new(g_str_hash, g_str_equal);
    const char *pairs[][2] = {{"labels", "a;b;c"},        {"positive", "b"},          {"platt", "2;-1"},
                              {"threshold_low", "0.25"},  {"threshold_high", "0.75"}, {"conformal", "0.5;0.75;0.875"},
                              {"conformal_alpha", "0.1"}, {"audit_share", "0.5"},     {"min_tiles", "7"}};
    float       logits[] = {1, 2, 0.5f}, scores[3];
    g_autoptr(GError) error = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++)
        g_hash_table_insert(keys, (gpointer)(uintptr_t)pairs[i][0], (gpointer)(uintptr_t)pairs[i][1]);
    g_autoptr(mt_head_card) card = mt_head_card_from_metadata(keys, "H", true, &error);
    g_assert_no_error(error);
    g_assert_true(mt_head_card_fit(card, "abmil", 3, &error));
    mt_calibrated_scores(card, 1, logits, 3, scores);
    double odds = 2 - log(exp(1) + exp(0.5)), wanted = 1 / (1 + exp(-(2 * odds - 1)));
    g_assert_cmpfloat_with_epsilon(scores[1], wanted, 1e-6);
    g_assert_cmpfloat_with_epsilon(scores[0] + scores[1] + scores[2], 1, 1e-6);
    g_assert_cmpfloat_with_epsilon(scores[0] / scores[2], exp(0.5), 1e-5);
    g_autofree char *text = mt_head_card_text(card);
    g_assert_cmpstr(text, ==,
                    "[head]\nlabels=a;b;c;\npositive=b\nactivation=softmax\nplatt=2;-1\nthreshold_low=0.25\nthreshold_high=0.75\n"
                    "audit_share=0.5\nmin_tiles=7\nconformal_alpha=0.1\nconformal=0.5;0.75;0.875\n");
    g_hash_table_insert(keys, (gpointer) "isotonic", (gpointer) "0.2:0.1;0.8:0.9");
    g_assert_null(mt_head_card_from_metadata(keys, "H", true, &error));
    assert_message(&error, "read the metadata of H: [head] temperature, platt and isotonic exclude each other");
    g_hash_table_remove(keys, "platt");
    g_autoptr(mt_head_card) curved = mt_head_card_from_metadata(keys, "H", true, &error);
    g_assert_no_error(error);
    g_assert_true(mt_head_card_fit(curved, "abmil", 3, &error));
    mt_calibrated_scores(curved, 1, (float[]){0, 0, -200}, 3, scores); /* 0.5: the middle */
    g_assert_cmpfloat_with_epsilon(scores[1], 0.5, 1e-6);
    g_hash_table_insert(keys, (gpointer) "isotonic", (gpointer) "0.2:0.5;0.8:0.4");
    g_assert_null(mt_head_card_from_metadata(keys, "H", true, &error));
    assert_message(&error,
                   "read the metadata of H: [head] isotonic=0.8:0.4: corners x:y from 0:0 to 1:1 are wanted, x rising and y never falling");
}

/* n positives above n negatives: what may be claimed, and what would be needed. */
static bool claim(int positives, int negatives, mt_operating_claim c, mt_operating_point *p, GError **error)
{
    g_autofree double *scores = g_new(double, positives + negatives);
    g_autofree int    *truth = g_new(int, positives + negatives);

    c.level = 0.95;
    for (int i = 0; i < positives + negatives; i++) {
        truth[i] = i < positives;
        scores[i] = truth[i] ? 0.5 + 0.4 * i / positives : 0.4 * (i - positives) / negatives;
    }
    return mt_operating_point_choose(scores, truth, positives + negatives, &c, p, error);
}

static void test_claims(void)
{
    mt_operating_point p;
    g_autoptr(GError) error = NULL;

    g_assert_false(claim(380, 100, (mt_operating_claim){.goal = MT_GOAL_SENSITIVITY, .wanted = 0.99}, &p, &error));
    assert_message(&error,
                   "a sensitivity of at least 0.99: 380 positive cases are too few: without a single miss the lower 95 % bound (Wilson) is "
                   "0.9900; 381 positive cases are needed");
    g_assert_true(claim(381, 100, (mt_operating_claim){.goal = MT_GOAL_SENSITIVITY, .wanted = 0.99}, &p, &error));
    g_assert_cmpint(p.fn, ==, 0);
    g_assert_cmpfloat(p.low, >=, 0.99);
    g_assert_cmpfloat(p.threshold, ==, 0.5);
    g_assert_false(claim(367, 100,
                         (mt_operating_claim){.goal = MT_GOAL_SENSITIVITY, .wanted = 0.99, .interval = MT_PROPORTION_CLOPPER_PEARSON}, &p,
                         &error));
    assert_message(&error, "a sensitivity of at least 0.99: 367 positive cases are too few: without a single miss the lower 95 % bound "
                           "(Clopper-Pearson) is 0.9900; 368 positive cases are needed");
    g_assert_true(claim(1000, 100, (mt_operating_claim){.goal = MT_GOAL_SENSITIVITY, .wanted = 0.9}, &p, &error));
    g_assert_cmpint(p.fn, >, 50); /* as many misses as the bound allows */
    g_assert_cmpfloat(p.low, >=, 0.9);
    g_assert_false(claim(100, 50, (mt_operating_claim){.goal = MT_GOAL_SPECIFICITY, .wanted = 0.95}, &p, &error));
    assert_message(&error,
                   "a specificity of at least 0.95: 50 negative cases are too few: without a single false alarm the lower 95 % bound "
                   "(Wilson) is 0.9287; 73 negative cases are needed");
    g_assert_true(claim(100, 73, (mt_operating_claim){.goal = MT_GOAL_SPECIFICITY, .wanted = 0.95}, &p, &error));
    g_assert_true(claim(300, 300, (mt_operating_claim){.goal = MT_GOAL_NPV, .wanted = 0.99, .prevalence = 0.05}, &p, &error));
    g_assert_cmpfloat(p.low, >=, 0.99);
    g_assert_false(claim(30, 300, (mt_operating_claim){.goal = MT_GOAL_NPV, .wanted = 0.999, .prevalence = 0.1}, &p, &error));
    g_assert_true(g_str_has_prefix(error->message, "an NPV of at least 0.999 at a prevalence of 0.1 and a specificity of 0.98"));
    g_assert_true(g_str_has_suffix(error->message, " positive cases are needed"));
    g_clear_error(&error);
    g_assert_false(claim(30, 30, (mt_operating_claim){.goal = MT_GOAL_NPV, .wanted = 0.9}, &p, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
}

/* xorshift: the same draws everywhere. */
static double draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (double)(*state >> 11) / 9007199254740992.0;
}

/* Chosen on 400 positives, the true sensitivity (1 - threshold, of uniform scores) is below the claim at most about 2.5 % of the time. */
static void test_bound_holds(void)
{
    uint64_t           state = 88172645463325252u;
    mt_operating_claim c = {.goal = MT_GOAL_SENSITIVITY, .wanted = 0.9, .level = 0.95};
    double             scores[410];
    int                truth[410], broken = 0;

    for (int round = 0; round < 2000; round++) {
        mt_operating_point p;
        for (int i = 0; i < 410; i++) {
            truth[i] = i < 400;
            scores[i] = draw(&state);
        }
        g_assert_true(mt_operating_point_choose(scores, truth, 410, &c, &p, NULL));
        broken += 1 - p.threshold < 0.9;
    }
    g_assert_cmpint(broken, <, 80); /* 4 % */
}

static void test_conformal(void)
{
    uint64_t state = 362436069;
    int64_t  covered = 0, total = 0;
    g_autoptr(GError) error = NULL;

    for (int round = 0; round < 400; round++) {
        double scores[100 * 2], q;
        int    truth[100];
        for (int i = 0; i < 100; i++) {
            scores[2 * i + 1] = draw(&state);
            scores[2 * i] = 1 - scores[2 * i + 1];
            truth[i] = draw(&state) < scores[2 * i + 1];
        }
        g_assert_true(mt_conformal_fit(scores, truth, 100, 2, 0.1, false, &q, &error));
        for (int i = 0; i < 50; i++, total++) {
            double p = draw(&state);
            bool   positive = draw(&state) < p;
            covered += 1 - (positive ? p : 1 - p) <= q;
        }
    }
    g_assert_cmpfloat((double)covered / (double)total, >, 0.89); /* 91/101 expected */
    g_assert_cmpfloat((double)covered / (double)total, <, 0.915);
    double few[] = {0.1, 0.9, 0.2, 0.8}, q[2];
    g_assert_false(mt_conformal_fit(few, (int[]){1, 0}, 2, 2, 0.1, false, q, &error));
    assert_message(&error, "conformal sets at 0.1: 2 cases are too few: 9 are needed");
    g_assert_false(mt_conformal_fit(few, (int[]){1, 1}, 2, 2, 0.5, true, q, &error));
    assert_message(&error, "conformal sets at 0.5: 0 cases of class 0 are too few: 1 are needed");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/calibration/temperature", test_temperature);
    g_test_add_func("/calibration/platt", test_platt);
    g_test_add_func("/calibration/isotonic", test_isotonic);
    g_test_add_func("/calibration/card", test_card);
    g_test_add_func("/calibration/claims", test_claims);
    g_test_add_func("/calibration/bound-holds", test_bound_holds);
    g_test_add_func("/calibration/conformal", test_conformal);
    return g_test_run();
}

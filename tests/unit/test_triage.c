#include "src/result/conformal_set.h"
#include "src/result/triage.h"

#include <math.h>
#include <string.h>

/* For every status and pair of thresholds, a higher score is never less urgent; only ok is ever clear. */
static void test_monotone(void)
{
    static const double thresholds[][2] = {{0.5, 0}, {0.5, 0.5}, {0.3, 0.8}, {0, 0.9}, {1, 1}, {0.7, 0.9}};
    static const int    urgency[] = {[MT_DECISION_NONE] = 0, [MT_DECISION_CLEAR] = 0, [MT_DECISION_REVIEW] = 1, [MT_DECISION_URGENT] = 2};

    for (int status = MT_STATUS_OK; status <= MT_STATUS_UNCALIBRATED; status++)
        for (size_t t = 0; t < G_N_ELEMENTS(thresholds); t++) {
            int before = 0;
            for (int i = 0; i <= 1000; i++) {
                mt_decision d = mt_triage_decide((mt_status)status, i / 1000.0, thresholds[t][0], thresholds[t][1]);
                g_assert_cmpint(urgency[d], >=, before);
                g_assert_true(d != MT_DECISION_CLEAR || status == MT_STATUS_OK);
                before = urgency[d];
            }
        }
    g_assert_cmpint(mt_triage_decide(MT_STATUS_OK, 0.7f, 0.7, 0), ==, MT_DECISION_REVIEW);
    g_assert_cmpint(mt_triage_decide(MT_STATUS_OK, 0.9f, 0.7, 0.9), ==, MT_DECISION_URGENT);
    g_assert_cmpint(mt_triage_decide(MT_STATUS_OK, NAN, 0.7, 0.9), ==, MT_DECISION_NONE);
    g_assert_cmpint(mt_triage_decide(MT_STATUS_OK, 0.1, NAN, 0), ==, MT_DECISION_NONE);
    g_assert_cmpint(mt_triage_decide(MT_STATUS_WITHHELD, 0.95, 0.7, 0.9), ==, MT_DECISION_NONE);
}

/* The same case each time; of many, the share asked for. */
static void test_audit(void)
{
    int drawn = 0;

    for (int i = 0; i < 10000; i++) {
        g_autofree char *id = g_strdup_printf("%064x", i);
        bool             now = mt_triage_drawn(id, 0.05);
        g_assert_cmpint(now, ==, mt_triage_drawn(id, 0.05));
        g_assert_true(!now || mt_triage_drawn(id, 0.5)); /* a larger share holds the smaller one */
        g_assert_false(mt_triage_drawn(id, 0));
        g_assert_true(mt_triage_drawn(id, 1));
        drawn += now;
    }
    g_assert_cmpint(drawn, >, 430); /* 500 +- 3.2 standard deviations */
    g_assert_cmpint(drawn, <, 570);
}

static GPtrArray *placeholders(const char *text)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    for (const char *at = strchr(text, '{'); at != NULL; at = strchr(at + 1, '{')) {
        const char *end = strchr(at, '}');
        g_assert_nonnull(end);
        g_ptr_array_add(names, g_strndup(at + 1, (gsize)(end - at - 1)));
    }
    return names;
}

static int compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each message in each language, with the same names in it. */
static void test_messages(void)
{
    for (int m = 0; m < MT_MESSAGES; m++) {
        const char *first = mt_message_template((mt_message)m, MT_LANGUAGE_EN);
        g_autoptr(GPtrArray) wanted = placeholders(first);
        g_ptr_array_sort(wanted, compare_texts);
        for (int l = 0; l < MT_LANGUAGES; l++) {
            const char *text = mt_message_template((mt_message)m, (mt_language)l);
            g_assert_nonnull(text);
            g_assert_true(g_utf8_validate(text, -1, NULL));
            g_autoptr(GPtrArray) names = placeholders(text);
            g_ptr_array_sort(names, compare_texts);
            g_assert_cmpuint(names->len, ==, wanted->len);
            for (guint i = 0; i < names->len; i++)
                g_assert_cmpstr(names->pdata[i], ==, wanted->pdata[i]);
            g_assert_true(l == 0 || strcmp(text, first) != 0);
        }
    }
    g_autofree char *ko = mt_message_text(MT_MESSAGE_CLEAR, MT_LANGUAGE_KO, "label", "tumour", "score", "0.1", "threshold", "0.5", NULL);
    g_assert_cmpstr(ko, ==, "tumour: 점수 0.1이(가) 기준값 0.5 미만입니다: 이상 소견 없음.");
    mt_language language;
    g_assert_true(mt_language_parse("ko", &language) && language == MT_LANGUAGE_KO);
    g_assert_false(mt_language_parse("fr", &language));
}

typedef struct scene {
    mt_head_card        card;
    mt_head_output      output;
    mt_prediction_facts facts;
    mt_image_quality    quality;
    float               scores[2], logits[2], tile_scores[8], members[4];
} scene;

static char *labels[] = {(char *)"normal", (char *)"tumour", NULL};

static void set(scene *s, float score)
{
    *s = (scene){.scores = {1 - score, score}, .tile_scores = {0.9f, 0.1f, 0.4f, 0.6f, 0.2f, 0.8f, 0.5f, 0.5f}};
    s->card = (mt_head_card){.labels = labels, .positive = labels[1], .temperature = 1.5, .threshold = 0.6, .has_card = true};
    s->output = (mt_head_output){.n = 4, .n_classes = 2, .scores = s->scores, .logits = s->logits, .tile_scores = s->tile_scores};
    s->facts = (mt_prediction_facts){.tiles = 4, .degraded_invalid = 0.01, .withheld_invalid = 0.1};
}

static void assert_said(const scene *s, const char *status, const char *decision, const char *reason)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_prediction) p = mt_prediction_new(&s->output, &s->card, &s->facts, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(mt_status_name(p->status), ==, status);
    g_assert_cmpstr(mt_decision_name(p->decision), ==, decision);
    g_assert_cmpstr(p->reason, ==, reason);
}

static void test_reasons(void)
{
    scene s;

    set(&s, 0.7f);
    s.facts.tile_mm2 = 0.016384;
    assert_said(&s, "ok", "review",
                "tumour: score 0.7 reaches the threshold of 0.6: review. 2 of 4 tiles reach the threshold by themselves, 0.03277 mm2.");
    s.card.threshold_high = 0.65;
    s.facts.tile_mm2 = 0;
    assert_said(&s, "ok", "urgent",
                "tumour: score 0.7 reaches the upper threshold of 0.65: urgent. 2 of 4 tiles reach the threshold by themselves.");
    set(&s, 0.2f);
    s.card.audit_share = 1;
    s.card.threshold = 0.85;
    s.facts.identity = "0123";
    assert_said(
        &s, "ok", "clear",
        "tumour: score 0.2 is below the threshold of 0.85: clear. None of 4 tiles reaches the threshold by itself. Drawn for audit: 100 % "
        "of the clear cases get a second look.");
    s.facts.off_contract = true;
    assert_said(
        &s, "degraded", "none",
        "tumour: score 0.2 is below the threshold of 0.85, but this case cannot be called clear. None of 4 tiles reaches the threshold by "
        "itself. It was not read the way the encoder was made for.");
    set(&s, 0.59999999f); /* as text the same four digits as the threshold */
    s.output.tile_scores = NULL;
    assert_said(&s, "ok", "clear", "tumour: score 0.59999996 is below the threshold of 0.6: clear.");
}

/* Each limit makes the case insufficient, says why, and a high score is still seen. */
static void test_limits(void)
{
    static const char below[] = "tumour: score 0.2 is below the threshold of 0.6, but this case cannot be called clear. ";
    static const struct {
        mt_image_quality quality;
        double           tissue, distance;
        int              min_tiles;
        const char      *reason;
    } rows[] = {
        {{.known = false}, 0.4, 0, 0, "Only 0.4 mm2 of tissue, at least 0.5 mm2 are wanted."},
        {{.known = false}, 0, 0, 5, "Only 4 readable tiles, at least 5 are wanted."},
        {{.known = false}, 0, 12.5, 0, "It is unlike the training cases: distance 12.5, 99 % of those lie within 10."},
        {{.known = false}, 0, NAN, 0, "It is unlike the training cases: distance nan, 99 % of those lie within 10."},
        {{true, 0.5, 9, 0.6, 0, 90, 1}, 0, 0, 0, "The picture is too dark: 60 % of the foreground is black."},
        {{true, 0.5, 9, 0, 0.7, 90, 1}, 0, 0, 0, "The picture is too bright: 70 % of the foreground is white."},
        {{true, 0.5, 9, 0.3, 0.4, 90, 1}, 0, 0, 0, "Exposure is cut off at both ends: 70 % of the foreground is black or white."},
        {{true, 1, 9, 0.9, 0, 7, 1}, 0, 0, 0, "There is next to no contrast: the foreground spans 7 of 255 grey values."},
        {{true, 0.5, 9, 0, 0, 90, 0.01}, 0, 0, 0, "It is blurred: sharpness 0.01, at least 0.05 is wanted."},
        {{true, 0.1, 9, 0, 0, 90, 1}, 0, 0, 0, "The field of view fills 10 % of the picture, at least 20 % is wanted."},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        scene            s;
        g_autofree char *reason = g_strconcat(below, rows[i].reason, NULL);
        set(&s, 0.2f);
        s.output.tile_scores = NULL;
        s.card.min_tissue_mm2 = 0.5;
        s.card.min_sharpness = 0.05;
        s.card.min_field_share = 0.2;
        s.card.min_tiles = rows[i].min_tiles;
        s.facts.tissue_mm2 = rows[i].tissue;
        s.facts.quality = &rows[i].quality;
        s.output.distance = rows[i].distance;
        s.output.distance_limit = rows[i].distance != 0 ? 10 : 0;
        s.output.distance_share = 0.99;
        assert_said(&s, "insufficient", "none", reason);
        s.scores[1] = 0.9f;
        g_autofree char *high = g_strconcat("tumour: score 0.9 reaches the threshold of 0.6: review. ", rows[i].reason, NULL);
        assert_said(&s, "insufficient", "review", high);
    }
}

static void test_sets_and_members(void)
{
    scene  s;
    double quantile = 0.5;

    set(&s, 0.7f);
    s.output.tile_scores = NULL;
    s.card.conformal = &quantile;
    s.card.n_conformal = 1;
    s.card.conformal_alpha = 0.1;
    assert_said(&s, "ok", "review", "tumour: score 0.7 reaches the threshold of 0.6: review. With 90 % confidence it is one of: tumour.");
    quantile = 0.8;
    assert_said(&s, "ok", "review",
                "tumour: score 0.7 reaches the threshold of 0.6: review. With 90 % confidence it is one of: normal, tumour.");
    quantile = 0.2;
    assert_said(&s, "ok", "review",
                "tumour: score 0.7 reaches the threshold of 0.6: review. At 90 % confidence it is like none of the known classes.");
    set(&s, 0.7f);
    memcpy(s.members, (float[]){0.4f, 0.6f, 0.2f, 0.8f}, sizeof s.members);
    s.output.tile_scores = NULL;
    s.output.n_members = 2;
    s.output.member_scores = s.members;
    s.card.temperature = 1;
    assert_said(
        &s, "ok", "review",
        "tumour: score 0.7 reaches the threshold of 0.6: review. 2 heads give scores from 0.6 to 0.8 (standard deviation 0.1414). The "
        "score is not calibrated: it is no probability.");
    s.facts.language = MT_LANGUAGE_KO;
    assert_said(
        &s, "ok", "review",
        "tumour: 점수 0.7이(가) 기준값 0.6 이상입니다: 판독 대상. 모델 2개의 점수 범위는 0.6~0.8입니다(표준편차 0.1414). 점수가 보정되지 "
        "않아 확률로 해석할 수 없습니다.");
    char        *one[] = {(char *)"tumour", NULL};
    mt_head_card single = {.labels = one, .activation = MT_ACTIVATION_SIGMOID, .conformal = &quantile, .n_conformal = 1};
    quantile = 0.4;
    g_auto(GStrv) low = mt_conformal_set(&single, (float[]){0.1f}), between = mt_conformal_set(&single, (float[]){0.5f});
    g_assert_cmpstr(low[0], ==, "not tumour");
    g_assert_null(low[1]);
    g_assert_null(between[0]);
}

static void test_quality(void)
{
    uint8_t pixels[4 * 4 * 3], mask[4] = {255, 0, 0, 255};

    for (int i = 0; i < 16; i++)
        memset(pixels + 3 * i, i < 8 ? 0 : 255, 3);
    g_autoptr(mt_tensor) rgb = mt_tensor_new_view(MT_U8, 3, (int64_t[]){4, 4, 3}, pixels, NULL);
    mt_image_quality q;
    mt_image_quality_measure(rgb, NULL, 0, 0, &q);
    g_assert_true(q.known);
    g_assert_cmpfloat(q.field_share, ==, 1);
    g_assert_cmpfloat(q.black_share, ==, 0.5);
    g_assert_cmpfloat(q.white_share, ==, 0.5);
    g_assert_cmpfloat(q.mean, ==, 127.5);
    g_assert_cmpfloat(q.contrast, ==, 255);
    g_assert_cmpfloat(q.sharpness, ==, 2); /* 255 at each edge pixel, deviation 127.5 */
    mt_image_quality_measure(rgb, mask, 2, 2, &q);
    g_assert_cmpfloat(q.field_share, ==, 0.5);
    g_assert_cmpfloat(q.sharpness, ==, 0); /* no pixel has all its neighbours */
    memset(mask, 0, sizeof mask);
    mt_image_quality_measure(rgb, mask, 2, 2, &q);
    g_assert_false(q.known);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/triage/monotone", test_monotone);
    g_test_add_func("/triage/audit", test_audit);
    g_test_add_func("/triage/messages", test_messages);
    g_test_add_func("/triage/reasons", test_reasons);
    g_test_add_func("/triage/limits", test_limits);
    g_test_add_func("/triage/sets-and-members", test_sets_and_members);
    g_test_add_func("/triage/quality", test_quality);
    return g_test_run();
}

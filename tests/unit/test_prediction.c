/* Status and decision by table, the headline and its limit, what goes into the file, and the summary table. */
#include "src/base/alloc.h"
#include "src/base/csv.h"
#include "src/export/summary_csv.h"
#include "src/result/evidence.h"
#include "src/result/headline.h"
#include "src/store/schema.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char *two_labels[] = {"normal", "tumour", NULL};

static mt_head_card make_card(double threshold)
{
    return (mt_head_card){
        .labels = (char **)two_labels, .positive = (char *)"tumour", .threshold = threshold, .temperature = 1, .has_card = true};
}

/* A case that is worse than what is looked for is no less urgent. */
static void test_grades(void)
{
    static const char *grades[] = {"none", "mild", "moderate", "severe", NULL};
    float              scores[] = {0.05f, 0.05f, 0.1f, 0.8f}, logits[3] = {0};
    mt_head_output     output = {.n_classes = 4, .scores = scores, .logits = logits};
    mt_head_card card = {.labels = (char **)grades, .positive = (char *)"moderate", .threshold = 0.5, .temperature = 1, .has_card = true};
    const mt_prediction_facts facts = {.tiles = 1, .degraded_invalid = 0.01, .withheld_invalid = 0.1};

    card.activation = MT_ACTIVATION_ORDINAL;
    g_autoptr(mt_prediction) graded = mt_prediction_new(&output, &card, &facts, NULL);
    card.activation = MT_ACTIVATION_SOFTMAX;
    g_autoptr(mt_prediction) classed = mt_prediction_new(&output, &card, &facts, NULL);
    g_assert_cmpfloat_with_epsilon(graded->score, 0.9, 1e-6);
    g_assert_cmpstr(mt_decision_name(graded->decision), ==, "review");
    g_assert_cmpfloat_with_epsilon(classed->score, 0.1, 1e-6);
    g_assert_cmpstr(mt_decision_name(classed->decision), ==, "clear");
}

static void assert_message(GError **error, int code, const char *message)
{
    g_assert_nonnull(*error);
    g_assert_cmpstr((*error)->message, ==, message);
    g_assert_error(*error, MT_ERROR, code);
    g_clear_error(error);
}

static void test_status(void)
{
    enum { NO_HEAD = 1, NO_CARD = 2, NO_SCORES = 4, OFF = 8, NO_THRESHOLD = 16 };
    static const struct {
        int         flags;
        int64_t     tiles, invalid;
        float       score;
        const char *status, *decision;
        bool        reports_score;
    } cases[] = {
        {0, 100, 0, 0.8f, "ok", "review", true},
        {0, 100, 0, 0.7f, "ok", "review", true}, /* reaches the threshold of 0.7 */
        {0, 100, 0, 0.69f, "ok", "clear", true},
        {0, 100, 1, 0.8f, "ok", "review", true}, /* at the limit is not above it */
        {0, 100, 1, 0.2f, "ok", "clear", true},
        {0, 99, 1, 0.8f, "degraded", "review", true},
        {0, 100, 10, 0.2f, "degraded", "none", true}, /* a degraded case is never cleared */
        {0, 30, 3, 0.9f, "degraded", "review", true},
        {OFF, 100, 0, 0.2f, "degraded", "none", true},
        {OFF, 100, 0, 0.9f, "degraded", "review", true},
        {0, 100, 11, 0.9f, "withheld", "none", false},
        {OFF, 100, 11, 0.9f, "withheld", "none", false},
        {0, 3, 3, 0.9f, "withheld", "none", false},
        {NO_HEAD, 100, 11, 0, "withheld", "none", false},
        {NO_HEAD, 100, 10, 0, "degraded", "none", false},
        {NO_HEAD, 100, 1, 0, "embedded", "none", false},
        {0, 0, 0, 0.9f, "insufficient", "none", false},
        {NO_HEAD, 0, 0, 0, "insufficient", "none", false},
        {NO_HEAD, 100, 0, 0, "embedded", "none", false},
        {NO_SCORES, 100, 0, 0, "embedded", "none", false},
        {NO_HEAD | OFF, 100, 0, 0, "degraded", "none", false},
        {NO_CARD, 100, 0, 0.9f, "uncalibrated", "none", true},
        {NO_THRESHOLD, 100, 0, 0.9f, "uncalibrated", "none", true},
        {NO_THRESHOLD | OFF, 100, 0, 0.9f, "degraded", "none", true},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        float               scores[2] = {1 - cases[i].score, cases[i].score}, logits[2] = {0};
        mt_head_output      output = {.n = cases[i].tiles, .n_classes = 2, .scores = scores, .logits = logits};
        mt_head_card        card = make_card((cases[i].flags & NO_THRESHOLD) != 0 ? (double)NAN : 0.7);
        mt_prediction_facts facts = {cases[i].tiles, cases[i].invalid, (cases[i].flags & OFF) != 0, 0.01, 0.1, NULL};
        bool                headless = (cases[i].flags & NO_HEAD) != 0;
        g_autoptr(GError) error = NULL;
        card.has_card = (cases[i].flags & NO_CARD) == 0;
        if ((cases[i].flags & NO_SCORES) != 0)
            output.scores = output.logits = NULL;
        g_autoptr(mt_prediction) p = mt_prediction_new(headless ? NULL : &output, headless ? NULL : &card, &facts, &error);
        g_assert_no_error(error);
        g_test_message("case %zu", i);
        g_assert_cmpstr(mt_status_name(p->status), ==, cases[i].status);
        g_assert_cmpstr(mt_decision_name(p->decision), ==, cases[i].decision);
        g_assert_cmpint(isnan(p->score), ==, !cases[i].reports_score);
        g_assert_cmpint(p->scores == NULL, ==, !cases[i].reports_score);
    }
}

/* The shares of a recipe, compared as decimals are; all tiles are always too many; the words for people. */
static void test_unread_shares(void)
{
    static const struct {
        int64_t     tiles, invalid;
        double      degraded, withheld;
        const char *status, *reason;
    } cases[] = {
        {100, 29, 0.29, 0.29, "embedded", NULL}, /* 0.29 * 100 is below 29 in binary */
        {100, 30, 0.29, 0.3, "degraded", "30 of 100 tiles could not be read (30 %, degraded above 29 %): cut short"},
        {10, 0, 0, 0, "embedded", NULL},
        {1000, 1, 0, 0.1, "degraded", "1 of 1000 tiles could not be read (0.1 %, degraded above 0 %): cut short"},
        {90, 12, 0.01, 0.1, "withheld", "12 of 90 tiles could not be read (13.3 %, withheld above 10 %): cut short"},
        {4, 4, 1, 1, "withheld", "4 of 4 tiles could not be read (100 %, withheld above 100 %): cut short"},
        {4, 3, 1, 1, "embedded", NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        mt_prediction_facts facts = {cases[i].tiles, cases[i].invalid, false, cases[i].degraded, cases[i].withheld, "cut short"};
        g_autoptr(mt_prediction) p = mt_prediction_new(NULL, NULL, &facts, NULL);
        g_autofree char *line = mt_headline_json(p, &(mt_headline_facts){.id = "a"}, NULL);
        g_autoptr(mt_headline) headline = mt_headline_parse(line, "a", NULL);
        g_assert_cmpstr(mt_status_name(p->status), ==, cases[i].status);
        g_assert_cmpstr(p->reason, ==, cases[i].reason);
        g_assert_cmpstr(headline->reason, ==, cases[i].reason);
    }
}

static void test_errors(void)
{
    float               scores[2] = {0.5f, NAN}, logits[2] = {0};
    mt_head_output      output = {.n = 1, .n_classes = 2, .scores = scores, .logits = logits};
    mt_head_card        card = make_card(0.5);
    mt_prediction_facts facts = {1, 0, false};
    GError             *error = NULL;
    g_autoptr(mt_prediction) none = mt_prediction_new(NULL, NULL, &facts, NULL);
    mt_headline_facts nameless = {0};

    g_assert_null(mt_prediction_new(&output, &card, &facts, &error));
    assert_message(&error, MT_ERROR_MODEL, "predict: the score of tumour is not a number");
    card.positive = (char *)"cancer";
    g_assert_null(mt_prediction_new(&output, &card, &facts, &error));
    assert_message(&error, MT_ERROR_MODEL, "predict: the positive label cancer is none of the head's labels");
    output.n_classes = 1;
    g_assert_null(mt_prediction_new(&output, &card, &facts, &error));
    assert_message(&error, MT_ERROR_MODEL, "predict: the head gives 1 scores, its card has 2 labels");
    g_assert_null(mt_headline_json(none, &nameless, &error));
    assert_message(&error, MT_ERROR_INTERNAL, "write a headline: the case id is missing or over 180 bytes");
    g_assert_null(mt_headline_parse("[1]", "a.h5", &error));
    assert_message(&error, MT_ERROR_INPUT, "read the headline of a.h5: no JSON object");
}

static char *headline_of(float score, const mt_headline_facts *facts)
{
    float          scores[2] = {1 - score, score}, logits[2] = {0};
    mt_head_output output = {.n = 40, .n_classes = 2, .scores = scores, .logits = logits};
    mt_head_card   card = make_card(0.31);
    g_autoptr(mt_prediction) p = mt_prediction_new(&output, &card, &(mt_prediction_facts){40, 0, false}, NULL);

    return mt_headline_json(p, facts, NULL);
}

static void test_headline(void)
{
    mt_headline_facts facts = {.id = "case \"1\"",
                               .tissue_mm2 = 12.5,
                               .mpp_x = 0.499,
                               .mpp_y = 0.4990000000001,
                               .mpp_source = "openslide",
                               .encoder = "resnet50",
                               .head = "clam_sb",
                               .precision = "bf16",
                               .recipe_sha256 = SHA,
                               .model_sha256 = SHA,
                               .input_sha256 = SHA};
    g_autofree char  *line = headline_of(0.3f, &facts), *again = headline_of(0.3f, &facts);
    g_autoptr(mt_headline) headline = mt_headline_parse(line, "a.h5", NULL);

    g_assert_cmpstr(line, ==,
                    "{\"schema\":1,\"id\":\"case \\\"1\\\"\",\"status\":\"ok\",\"decision\":\"clear\",\"score\":0.3,\"threshold\":0.31,"
                    "\"positive\":\"tumour\",\"scores\":{\"normal\":0.7,\"tumour\":0.3},\"tiles\":40,\"invalid_tiles\":0,"
                    "\"reason\":\"tumour: score 0.3 is below the threshold of 0.31: clear. The score is not calibrated: it is no "
                    "probability.\",\"tissue_mm2\":12.5,"
                    "\"mpp_x\":0.499,\"mpp_y\":0.4990000000001,\"mpp_source\":\"openslide\",\"encoder\":\"resnet50\",\"head\":\"clam_sb\","
                    "\"precision\":\"bf16\",\"recipe_sha256\":\"" SHA "\",\"model_sha256\":\"" SHA "\",\"head_sha256\":null,"
                    "\"input_sha256\":\"" SHA "\"}");
    g_assert_cmpstr(line, ==, again);
    g_assert_cmpstr(headline->id, ==, "case \"1\"");
    g_assert_cmpstr(headline->labels[1], ==, "tumour");
    g_assert_cmpfloat(headline->scores[1], ==, 0.3);
    g_assert_cmpint(headline->tiles, ==, 40);
    g_assert_null(headline->head_sha256);
    g_assert_false(headline->demonstration);
}

static void test_unknowns(void)
{
    mt_headline_facts facts = {.id = "x", .tissue_mm2 = -1, .demonstration = true};
    g_autoptr(mt_prediction) p = mt_prediction_new(NULL, NULL, &(mt_prediction_facts){0, 0, false}, NULL);
    g_autofree char *line = mt_headline_json(p, &facts, NULL);
    g_autoptr(mt_headline) headline = mt_headline_parse(line, "x", NULL);

    g_assert_cmpstr(line, ==,
                    "{\"schema\":1,\"id\":\"x\",\"status\":\"insufficient\",\"decision\":\"none\",\"score\":null,\"threshold\":null,"
                    "\"positive\":null,\"scores\":{},\"tiles\":0,\"invalid_tiles\":0,\"tissue_mm2\":null,\"mpp_x\":null,\"mpp_y\":null,"
                    "\"mpp_source\":null,\"encoder\":null,\"head\":null,\"precision\":null,\"recipe_sha256\":null,\"model_sha256\":null,"
                    "\"head_sha256\":null,\"input_sha256\":null,\"demonstration\":true}");
    g_assert_true(headline->demonstration && isnan(headline->score) && isnan(headline->tissue_mm2));
}

/* Whatever the card names its labels, the line fits, stays UTF-8 and keeps every score it can. */
static void test_headline_limit(void)
{
    static const struct {
        int         n;
        const char *unit;
        int         repeat;
        bool        all;
    } cases[] = {{2, "ä", 5000, true},
                 {40, "tumour infiltrating ", 30, true},
                 {20, "\n\t\x01", 400, true},
                 {5000, "x", 3, false},
                 {3, "\xff", 900, true}};
    g_autofree char *id = g_strnfill(180, 'i'), *name = g_strnfill(3000, 'n');

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        int n = cases[i].n;
        g_auto(GStrv) labels = g_new0(char *, n + 1);
        g_autofree float *scores = g_new0(float, n);
        mt_headline_facts facts = {.id = id,
                                   .mpp_source = name,
                                   .encoder = name,
                                   .head = name,
                                   .precision = "fp32",
                                   .recipe_sha256 = SHA,
                                   .model_sha256 = SHA,
                                   .head_sha256 = SHA,
                                   .input_sha256 = SHA};
        mt_head_output    output = {.n = 1, .n_classes = n, .scores = scores, .logits = scores};
        g_autoptr(GString) text = g_string_new(NULL);
        for (int k = 0; k < cases[i].repeat; k++)
            g_string_append(text, cases[i].unit);
        for (int k = 0; k < n; k++) {
            labels[k] = g_strdup_printf("%s%d", text->str, k);
            scores[k] = (float)k / 7777;
        }
        mt_head_card card = {.labels = labels, .positive = labels[0], .threshold = 0.5, .temperature = 1, .has_card = true};
        g_autoptr(mt_prediction) p = mt_prediction_new(&output, &card, &(mt_prediction_facts){1, 0, false}, NULL);
        g_autofree char *line = mt_headline_json(p, &facts, NULL);
        g_autoptr(mt_headline) headline = mt_headline_parse(line, "x", NULL);
        g_assert_nonnull(headline);
        g_assert_cmpuint(strlen(line), <, 4096);
        g_assert_true(g_utf8_validate(line, -1, NULL));
        g_assert_null(strchr(line, '\n'));
        g_assert_cmpstr(headline->id, ==, id);
        g_assert_cmpint(headline->n_scores, >, 0);
        g_assert_true(cases[i].all == (headline->n_scores == n) && cases[i].all == (strstr(line, "\"scores_of\":5000") == NULL));
    }
}

static void remove_folder(char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_assert_cmpint(g_unlink(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    g_free(folder);
}

static void test_store(void)
{
    char            *folder = g_dir_make_tmp("prediction-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "a.h5", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_store) store = mt_store_create(path, &error);
    uint8_t        valid[60];
    float          scores[2] = {0.25f, 0.75f}, logits[2] = {-1, 1}, attention[59], gate_logits[59], embedding[3] = {1, 2, 3};
    mt_head_output output = {.n = 59,
                             .n_classes = 2,
                             .n_attention = 1,
                             .dim = 3,
                             .scores = scores,
                             .logits = logits,
                             .attention = attention,
                             .attention_logits = gate_logits,
                             .embedding = embedding};
    mt_head_card   card = make_card(0.5);
    g_autoptr(mt_prediction) p = mt_prediction_new(&output, &card, &(mt_prediction_facts){60, 1, false, 0.01, 0.1, NULL}, &error);
    double threshold;

    memset(valid, 1, sizeof valid);
    valid[7] = 0;
    for (int i = 0; i < 59; i++)
        attention[i] = gate_logits[i] = (float)i;
    card.temperature = 1.3;
    g_assert_true(mt_prediction_store(p, &output, &card, valid, store, &error));
    g_assert_true(mt_store_publish(store, "{\"schema\":1}", &error));
    g_assert_no_error(error);

    g_autoptr(mt_result) result = mt_result_open(path, &error);
    g_autoptr(mt_tensor) stored = mt_result_read(result, MT_OBJECT_ATTENTION, &error),
                         raw = mt_result_read(result, MT_OBJECT_ATTENTION_LOGITS, &error);
    g_autofree char *calibration = mt_result_attr_string(result, MT_OBJECT_SCORES, MT_ATTR_CALIBRATION);
    g_autofree char *positive = mt_result_attr_string(result, MT_OBJECT_SCORES, MT_ATTR_POSITIVE);
    g_auto(GStrv) labels = mt_result_attr_strings(result, MT_OBJECT_SCORES, MT_ATTR_LABELS);
    const float *a = stored->data;
    g_assert_cmpint(stored->shape[0], ==, 60);
    g_assert_true(a[6] == 6 && a[7] == 0 && a[8] == 7 && a[59] == 58);
    g_assert_true(isinf(((float *)raw->data)[7]) && ((float *)raw->data)[8] == 7);
    g_assert_cmpstr(calibration, ==, "temperature=1.3");
    g_assert_cmpstr(positive, ==, "tumour");
    g_assert_cmpstr(labels[0], ==, "normal");
    g_assert_true(mt_result_attr(result, MT_OBJECT_SCORES, MT_ATTR_THRESHOLD, &threshold, 1) && threshold == 0.5);
    g_assert_true(mt_result_has(result, MT_OBJECT_EMBEDDING));
    remove_folder(folder);
}

/* As many heads as classes: the columns are heads all the same, and a heatmap shows their mean. */
static void test_store_heads(void)
{
    char            *folder = g_dir_make_tmp("prediction-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "a.h5", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_store) store = mt_store_create(path, &error);
    float          scores[2] = {0.25f, 0.75f}, attention[6] = {0.5f, 0.25f, 0.25f, 0.25f, 0.25f, 0.5f};
    mt_head_output output = {
        .n = 3, .n_classes = 2, .n_attention = 2, .attention_heads = true, .scores = scores, .logits = scores, .attention = attention};
    mt_head_card card = make_card(0.5);
    g_autoptr(mt_prediction) p = mt_prediction_new(&output, &card, &(mt_prediction_facts){3, 0, false, 0.01, 0.1, NULL}, &error);

    g_assert_true(mt_prediction_store(p, &output, &card, NULL, store, &error));
    g_assert_true(mt_store_publish(store, "{\"schema\":1}", &error));
    g_assert_no_error(error);
    g_autoptr(mt_result) result = mt_result_open(path, &error);
    g_auto(GStrv) labels = mt_result_attr_strings(result, MT_OBJECT_ATTENTION, MT_ATTR_LABELS);
    mt_heatmap heatmap = {.n_tiles = 3, .scale = MT_HEAT_ABSOLUTE};
    g_assert_cmpint(g_strv_length(labels), ==, 2);
    g_assert_cmpstr(labels[1], ==, "head_1");
    g_assert_true(mt_evidence_fill(&heatmap, result, &(mt_heatmap_params){.label = "tumour"}, &error));
    g_assert_no_error(error);
    g_assert_cmpfloat_with_epsilon(heatmap.tile_values[0], 0.75, 1e-6);
    g_assert_cmpfloat_with_epsilon(heatmap.tile_values[1], 0.5, 1e-6);
    g_assert_cmpfloat_with_epsilon(heatmap.tile_values[2], 0.75, 1e-6);
    mt_free(heatmap.tile_values);
    mt_free(heatmap.tile_numbers);
    g_strfreev(heatmap.labels);
    g_free(heatmap.meaning);
    g_free(heatmap.label);
    remove_folder(folder);
}

/* A withheld case keeps its attention and reports no score, nowhere. */
static void test_store_withheld(void)
{
    char            *folder = g_dir_make_tmp("prediction-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "a.h5", NULL);
    g_autoptr(mt_store) store = mt_store_create(path, NULL);
    uint8_t        valid[2] = {0, 1};
    float          scores[2] = {0.25f, 0.75f}, attention[2] = {1};
    mt_head_output output = {
        .n = 1, .n_classes = 2, .n_attention = 1, .scores = scores, .logits = scores, .attention = attention, .tile_scores = scores};
    mt_head_card card = make_card(0.5);
    g_autoptr(mt_prediction) p = mt_prediction_new(&output, &card, &(mt_prediction_facts){2, 1, false}, NULL);

    g_assert_true(mt_prediction_store(p, &output, &card, valid, store, NULL));
    g_assert_true(mt_store_publish(store, "{\"schema\":1}", NULL));
    g_autoptr(mt_result) result = mt_result_open(path, NULL);
    g_assert_true(mt_result_has(result, MT_OBJECT_ATTENTION));
    g_assert_false(mt_result_has(result, "/prediction") || mt_result_has(result, MT_OBJECT_TILE_SCORES));
    remove_folder(folder);
}

static void test_summary(void)
{
    char            *folder = g_dir_make_tmp("prediction-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "summary.csv", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    mt_headline_facts facts = {.id = "a,b",
                               .tissue_mm2 = 12.5,
                               .mpp_x = 0.5,
                               .mpp_y = 0.25,
                               .mpp_source = "openslide",
                               .encoder = "demo-texture",
                               .head = "clam_sb",
                               .precision = "fp32",
                               .demonstration = true};
    g_autofree char  *first = headline_of(0.75f, &facts);
    mt_summary_row    rows[] = {
           {first, "a,b", "P1", 12.345, NULL},
           {NULL, "broken", "=cmd()", -1, "open x.svs: not a slide, \"really\""},
           {"{\"schema\":1,\"id\":\"c\",\"status\":\"embedded\",\"decision\":\"none\",\"scores\":{\"grade "
               "1\":0.5},\"tiles\":3,\"invalid_tiles\":1,\"reason\":\"1 of 3, cut short\","
               "\"encoder\":\"vit\"}",
            "c", NULL, 0, NULL},
    };

    g_assert_true(mt_summary_csv_write(path, rows, 1, NULL, &error)); /* replaced by the next */
    g_assert_true(mt_summary_csv_write(path, rows, G_N_ELEMENTS(rows), NULL, &error));
    g_assert_no_error(error);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(
        text, ==,
        "id,patient,status,decision,score,threshold,score_normal,score_tumour,score_grade 1,tiles,invalid_tiles,tissue_mm2,mpp_x,mpp_y,"
        "mpp_source,encoder,head,precision,seconds,error\n"
        "\"a,b\",P1,ok,review,0.75,0.31,0.25,0.75,,40,0,12.5,0.5,0.25,openslide,demo-texture (DEMONSTRATION),clam_sb,fp32,12.35,\n"
        "broken,\"'=cmd()\",failed,none,,,,,,,,,,,,,,,,\"open x.svs: not a slide, \"\"really\"\"\"\n"
        "c,,embedded,none,,,,,0.5,3,1,,,,,vit,,,0.00,\"1 of 3, cut short\"\n");
    g_autoptr(mt_csv) table = mt_csv_read(path, &error); /* every row is as long as the header */
    g_assert_no_error(error);
    g_assert_cmpstr(mt_csv_cell(table, 0, mt_csv_column(table, "encoder")), ==, "demo-texture (DEMONSTRATION)");
    g_assert_cmpstr(mt_csv_cell(table, 1, mt_csv_column(table, "error")), ==, "open x.svs: not a slide, \"really\"");
    remove_folder(folder);
}

static void test_summary_damaged(void)
{
    mt_summary_row rows[] = {{"{", "a", NULL, 0, NULL}};
    GError        *error = NULL;

    g_assert_false(mt_summary_csv_write("summary.csv", rows, 1, NULL, &error));
    assert_message(&error, MT_ERROR_INPUT, "read the headline of a: string or '}' expected near end of file");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/prediction/grades", test_grades);
    g_test_add_func("/prediction/status", test_status);
    g_test_add_func("/prediction/unread-shares", test_unread_shares);
    g_test_add_func("/prediction/errors", test_errors);
    g_test_add_func("/prediction/headline", test_headline);
    g_test_add_func("/prediction/unknowns", test_unknowns);
    g_test_add_func("/prediction/headline-limit", test_headline_limit);
    g_test_add_func("/prediction/store", test_store);
    g_test_add_func("/prediction/store-withheld", test_store_withheld);
    g_test_add_func("/prediction/store/heads", test_store_heads);
    g_test_add_func("/prediction/summary", test_summary);
    g_test_add_func("/prediction/summary-damaged", test_summary_damaged);
    return g_test_run();
}

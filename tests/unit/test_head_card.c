#include "mil/head_card.h"
#include "mil/score_activation.h"

#include <microtome/error.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder, *head_path, *card_path;

static void write_card(const char *text)
{
    g_autoptr(GError) error = NULL;

    g_file_set_contents(card_path, text, -1, &error);
    g_assert_no_error(error);
}

static mt_head_card *load_card(const char *text)
{
    g_autoptr(GError) error = NULL;

    write_card(text);
    mt_head_card *card = mt_head_card_load(head_path, &error);
    g_assert_no_error(error);
    g_assert_nonnull(card);
    return card;
}

static void test_path(void)
{
    const char *rows[][2] = {
        {"a/HEAD.safetensors", "a/HEAD.card"}, {"HEAD.onnx", "HEAD.card"}, {"v1.2/head", "v1.2/head.card"}, {"a.b.onnx", "a.b.card"}};

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = mt_head_card_path(rows[i][0]);
        g_assert_cmpstr(path, ==, rows[i][1]);
    }
}

static void test_full(void)
{
    g_autoptr(mt_head_card) card =
        load_card("# made by hand\n[head]\nkind=clam_sb\nencoder=uni\n"
                  "encoder_sha256=0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef\n"
                  "target_mpp=0.5\nlabels=normal; tumour;\npositive=tumour\nactivation=sigmoid\nlogits=l\nattention=a\n"
                  "temperature=1.3\nthreshold=0.31\ndemonstration=true\n");
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(card->kind, ==, "clam_sb");
    g_assert_cmpstr(card->encoder, ==, "uni");
    g_assert_cmpint(strlen(card->encoder_sha256), ==, 64);
    g_assert_cmpfloat(card->target_mpp, ==, 0.5);
    g_assert_cmpint(g_strv_length(card->labels), ==, 2);
    g_assert_cmpstr(card->labels[1], ==, "tumour");
    g_assert_cmpstr(card->positive, ==, "tumour");
    g_assert_cmpint(card->activation, ==, MT_ACTIVATION_SIGMOID);
    g_assert_cmpstr(card->logits, ==, "l");
    g_assert_cmpstr(card->attention, ==, "a");
    g_assert_cmpfloat(card->temperature, ==, 1.3);
    g_assert_cmpfloat(card->threshold, ==, 0.31);
    g_assert_true(card->has_card && card->demonstration);
    g_assert_true(mt_head_card_fit(card, "clam_sb", 2, &error));
    g_assert_no_error(error);
}

static void test_empty(void)
{
    g_autoptr(mt_head_card) card = load_card("[head]\npositive=\n");
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_head_card_fit(card, "abmil", 3, &error));
    g_assert_true(card->has_card);
    g_assert_cmpstr(card->labels[0], ==, "class_0");
    g_assert_cmpstr(card->labels[2], ==, "class_2");
    g_assert_null(card->labels[3]);
    g_assert_null(card->positive);
    g_assert_cmpint(card->activation, ==, MT_ACTIVATION_SOFTMAX);
    g_assert_cmpfloat(card->temperature, ==, 1);
    g_assert_true(isnan(card->threshold));
}

static const struct {
    const char *name, *text, *message;
} refused[] = {
    {"key", "[head]\nthreshhold=0.3\n", "unknown key 'threshhold' in [head]"},
    {"group", "[encoder]\nname=uni\n", "unknown group [encoder]"},
    {"activation", "[head]\nactivation=relu\n", "[head] activation=relu: softmax, sigmoid, ordinal, hazard or none is wanted"},
    {"temperature", "[head]\ntemperature=0\n", "[head] temperature=0: a number from 1e-06 to 1e+06 is wanted"},
    {"temperature-nan", "[head]\ntemperature=nan\n", "[head] temperature=nan: a number from 1e-06 to 1e+06 is wanted"},
    {"threshold", "[head]\nthreshold=1.5\n", "[head] threshold=1.5: a number from 0 to 1 is wanted"},
    {"mpp", "[head]\ntarget_mpp=-1\n", "[head] target_mpp=-1: a number from 0 to 1000 is wanted"},
    {"hash", "[head]\nencoder_sha256=12ab\n", "[head] encoder_sha256=12ab: 64 hexadecimal digits are wanted"},
    {"label-twice", "[head]\nlabels=a;b;a\n", "[head] labels: twice a"},
    {"label-empty", "[head]\nlabels=a;;b\n", "[head] labels: an empty label"},
    {"demonstration", "[head]\ndemonstration=yes\n", "[head] demonstration=yes: true or false is wanted"},
};

static void test_refused(gconstpointer data)
{
    guint i = GPOINTER_TO_UINT(data);
    g_autoptr(GError) error = NULL;
    g_autofree char *message = g_strdup_printf("read %s: %s", card_path, refused[i].message);

    write_card(refused[i].text);
    g_assert_null(mt_head_card_load(head_path, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, message);
}

/* Absent is no error; a card that is there and cannot be read is one. */
static void test_absent_or_unreadable(void)
{
    g_autoptr(GError) error = NULL;

    g_unlink(card_path);
    g_assert_null(mt_head_card_load(head_path, &error));
    g_assert_no_error(error);

    g_assert_cmpint(symlink("nowhere.card", card_path), ==, 0);
    g_assert_null(mt_head_card_load(head_path, &error));
    g_autofree char *dangling = g_strdup_printf("read %s: no such file", card_path);
    g_assert_error(error, MT_ERROR, MT_ERROR_MISSING);
    g_assert_cmpstr(error->message, ==, dangling);
    g_clear_error(&error);
    g_unlink(card_path);

    g_assert_cmpint(g_mkdir(card_path, 0700), ==, 0);
    g_assert_null(mt_head_card_load(head_path, &error));
    g_autofree char *directory = g_strdup_printf("read %s: not a plain file", card_path);
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, directory);
    g_clear_error(&error);
    g_rmdir(card_path);

    g_autofree char *below_file = g_strconcat(head_path, "/x.onnx", NULL);
    g_assert_true(g_file_set_contents(head_path, "", 0, NULL));
    g_assert_null(mt_head_card_load(below_file, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_IO);
    g_unlink(head_path);
}

static void assert_unfit(const char *text, const char *kind, int64_t n_logits, const char *message)
{
    g_autoptr(mt_head_card) card = load_card(text);
    g_autoptr(GError) error = NULL;

    g_assert_false(mt_head_card_fit(card, kind, n_logits, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_fit(void)
{
    assert_unfit("[head]\nlabels=a;b\n", "abmil", 3, "the card names 2 labels, the head has 3 classes");
    assert_unfit("[head]\nlabels=a;b\n", "abmil", 1, "the card names 2 labels, the head has 1 classes");
    assert_unfit("[head]\nlabels=a;b\n", "abmil", 0, "the card names 2 labels, the head has no classifier");
    assert_unfit("[head]\nlabels=a;b\nactivation=ordinal\n", "abmil", 2, "the card names 2 labels, the head has 3 classes");
    assert_unfit("[head]\nlabels=a;b\npositive=c\n", "abmil", 2, "the card says positive=c, its labels are: a, b");
    assert_unfit("[head]\nkind=clam_sb\n", "clam_mb", 2, "the card says kind=clam_sb, the head is clam_mb");
    assert_unfit("[head]\nactivation=softmax\n", "abmil", 1, "activation=softmax of a single logit is always 1: sigmoid is wanted");
}

/* One logit is one finding: sigmoid, one label. */
static void test_single_logit(void)
{
    g_autoptr(mt_head_card) card = load_card("[head]\nlabels=positive\npositive=positive\n");
    g_autoptr(mt_head_card) none = mt_head_card_new();
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_head_card_fit(card, "abmil", 1, &error) && mt_head_card_fit(none, "abmil", 1, &error));
    g_assert_cmpint(card->activation, ==, MT_ACTIVATION_SIGMOID);
    g_assert_cmpint(none->activation, ==, MT_ACTIVATION_SIGMOID);
    g_assert_false(none->has_card);
    g_assert_cmpstr(none->labels[0], ==, "class_0");
    g_assert_null(none->labels[1]);
}

static mt_head_card *from_metadata(bool strict, GError **error, ...) G_GNUC_NULL_TERMINATED;
static mt_head_card *from_metadata(bool strict, GError **error, ...)
{
    g_autoptr(GHashTable) table = g_hash_table_new(g_str_hash, g_str_equal);
    va_list list;

    va_start(list, error);
    for (const char *key = va_arg(list, const char *); key != NULL; key = va_arg(list, const char *))
        g_hash_table_insert(table, (gpointer)(uintptr_t)key, (gpointer)(uintptr_t)va_arg(list, const char *));
    va_end(list);
    return mt_head_card_from_metadata(table, "H.onnx", strict, error);
}

static void test_metadata(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_head_card) card = from_metadata(true, &error, "format", "pt", "labels", "benign;a\\b", "temperature", " 2", NULL);

    g_assert_no_error(error);
    g_assert_true(card->has_card);
    g_assert_cmpstr(card->labels[1], ==, "a\\b");
    g_assert_cmpfloat(card->temperature, ==, 2);
    g_assert_null(from_metadata(true, &error, "format", "pt", "author", "me", NULL));
    g_assert_no_error(error);
    g_assert_null(from_metadata(true, &error, "labels", "a;b", "treshold", "0.5", NULL));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==,
                    "read the metadata of H.onnx: unknown key 'treshold'; where it must stay, put the card's keys into H.card");
    g_clear_error(&error);
    g_autoptr(mt_head_card) lenient = from_metadata(false, &error, "labels", "a;b", "author", "me", NULL);
    g_assert_nonnull(lenient);
    g_assert_null(from_metadata(false, &error, "threshold", "2", NULL));
    g_assert_cmpstr(error->message, ==, "read the metadata of H.onnx: [head] threshold=2: a number from 0 to 1 is wanted");
}

/* Expected: NumPy in double. */
static void test_softmax_sigmoid(void)
{
    const float logits[] = {1, -2, 0.5F}, softmax[] = {0.6037489F, 0.0300589F, 0.3661922F}, warm[] = {0.4995177F, 0.1114575F, 0.3890248F};
    const float sigmoid[] = {0.731059F, 0.119203F, 0.622459F}, huge[] = {-1e30F, 1e30F, -1e30F};
    float       scores[3];

    mt_activation_scores(MT_ACTIVATION_SOFTMAX, 1, logits, 3, scores);
    for (int i = 0; i < 3; i++)
        g_assert_cmpfloat_with_epsilon(scores[i], softmax[i], 1e-6);
    mt_activation_scores(MT_ACTIVATION_SOFTMAX, 2, logits, 3, scores);
    for (int i = 0; i < 3; i++)
        g_assert_cmpfloat_with_epsilon(scores[i], warm[i], 1e-6);
    mt_activation_scores(MT_ACTIVATION_SIGMOID, 1, logits, 3, scores);
    for (int i = 0; i < 3; i++)
        g_assert_cmpfloat_with_epsilon(scores[i], sigmoid[i], 1e-6);
    for (int a = MT_ACTIVATION_SOFTMAX; a <= MT_ACTIVATION_SIGMOID; a++) {
        mt_activation_scores((mt_activation)a, 1e-6, huge, 3, scores);
        g_assert_true(scores[0] == 0 && scores[1] == 1 && scores[2] == 0);
    }
}

static void test_ordinal(void)
{
    const float falling[] = {2, 0, -1}, crossed[] = {-1, 1}; /* the second threshold may not exceed the first */
    float       scores[4], logits[4];
    double      above[] = {1, 1 / (1 + exp(-2)), 0.5, 1 / (1 + exp(1)), 0}, sum = 0;

    g_assert_cmpint(mt_activation_n_classes(MT_ACTIVATION_ORDINAL, 3), ==, 4);
    g_assert_cmpint(mt_activation_n_classes(MT_ACTIVATION_ORDINAL, 0), ==, 0);
    mt_activation_scores(MT_ACTIVATION_ORDINAL, 1, falling, 3, scores);
    for (int i = 0; i < 4; i++)
        g_assert_cmpfloat_with_epsilon(scores[i], above[i] - above[i + 1], 1e-6);
    mt_activation_class_logits(MT_ACTIVATION_ORDINAL, falling, 3, logits);
    for (int i = 0; i < 4; i++)
        g_assert_cmpfloat_with_epsilon(exp(logits[i]), scores[i], 1e-6);
    mt_activation_scores(MT_ACTIVATION_ORDINAL, 1, crossed, 2, scores);
    for (int i = 0; i < 3; i++) {
        g_assert_cmpfloat(scores[i], >=, 0);
        sum += scores[i];
    }
    g_assert_cmpfloat_with_epsilon(sum, 1, 1e-6);
    g_assert_cmpfloat(scores[1], ==, 0);
}

static void test_hazard(void)
{
    const float logits[] = {0, (float)log(1.0 / 3), 0}, wanted[] = {0.5F, 0.375F, 0.1875F}; /* hazards 1/2, 1/4, 1/2 */
    float       scores[3];

    mt_activation_scores(MT_ACTIVATION_HAZARD, 1, logits, 3, scores);
    for (int i = 0; i < 3; i++)
        g_assert_cmpfloat_with_epsilon(scores[i], wanted[i], 1e-6);
}

static void test_invert(void)
{
    const float probabilities[] = {0.7F, 0.3F, 0, 1};
    for (int a = MT_ACTIVATION_SOFTMAX; a <= MT_ACTIVATION_SIGMOID; a++) {
        int   n = a == MT_ACTIVATION_SOFTMAX ? 2 : 4; /* those that sum to 1 */
        float values[4], scores[4];
        memcpy(values, probabilities, sizeof(values));
        mt_activation_invert((mt_activation)a, values, n);
        mt_activation_scores((mt_activation)a, 1, values, n, scores);
        for (int i = 0; i < n; i++) {
            g_assert_true(isfinite(values[i]));
            g_assert_cmpfloat_with_epsilon(scores[i], probabilities[i], 1e-6);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("mt-head-card-XXXXXX", NULL);
    head_path = g_build_filename(folder, "HEAD.safetensors", NULL);
    card_path = g_build_filename(folder, "HEAD.card", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *path = g_strdup_printf("/head-card/refused/%s", refused[i].name);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_refused);
    }
    g_test_add_func("/head-card/path", test_path);
    g_test_add_func("/head-card/full", test_full);
    g_test_add_func("/head-card/empty", test_empty);
    g_test_add_func("/head-card/absent-or-unreadable", test_absent_or_unreadable);
    g_test_add_func("/head-card/fit", test_fit);
    g_test_add_func("/head-card/single-logit", test_single_logit);
    g_test_add_func("/head-card/metadata", test_metadata);
    g_test_add_func("/activation/softmax-sigmoid", test_softmax_sigmoid);
    g_test_add_func("/activation/ordinal", test_ordinal);
    g_test_add_func("/activation/hazard", test_hazard);
    g_test_add_func("/activation/invert", test_invert);
    int result = g_test_run();
    g_unlink(card_path);
    g_rmdir(folder);
    g_free(card_path);
    g_free(head_path);
    g_free(folder);
    return result;
}

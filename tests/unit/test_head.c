/* Heads as a whole: loading, cards, whose features they take, ONNX graphs, trained heads with stored outputs. */
#include "mil/aggregator.h"
#include "mil/onnx_ports.h"
#include "mil/safetensors.h"

#include <microtome/head.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#define DIM 32

static char *folder;

static char *golden(const char *name)
{
    return g_test_build_filename(G_TEST_DIST, "golden", "mil", name, NULL);
}

/* A copy of a golden head in the test's folder, with a card beside it (NULL: none) and, for safetensors, this metadata. */
static char *place_head(const char *name, const char *card, const char *metadata)
{
    g_autofree char *source = golden(name), *bytes = NULL;
    char            *path = g_build_filename(folder, g_str_has_suffix(name, ".onnx") ? "HEAD.onnx" : "HEAD.safetensors", NULL);
    g_autofree char *card_path = g_build_filename(folder, "HEAD.card", NULL);
    g_autoptr(GError) error = NULL;
    gsize size;

    g_assert_true(g_file_get_contents(source, &bytes, &size, NULL));
    g_autoptr(GByteArray) file = g_byte_array_new();
    g_byte_array_append(file, (const guint8 *)bytes, (guint)size);
    if (metadata != NULL) { /* the reference writes {"__metadata__":{"format":"pt"}, .. */
        uint64_t length;
        memcpy(&length, bytes, 8);
        g_autoptr(GString) header = g_string_new_len(bytes + 8, (gssize)GUINT64_FROM_LE(length));
        g_string_replace(header, "\"format\":\"pt\"", metadata, 1);
        length = GUINT64_TO_LE(header->len);
        g_byte_array_remove_range(file, 0, 8 + (guint)GUINT64_FROM_LE(*(const uint64_t *)(const void *)bytes));
        g_byte_array_prepend(file, (const guint8 *)header->str, (guint)header->len);
        g_byte_array_prepend(file, (const guint8 *)&length, 8);
    }
    g_file_set_contents(path, (const char *)file->data, (gssize)file->len, &error);
    g_assert_no_error(error);
    g_unlink(card_path);
    if (card != NULL)
        g_assert_true(g_file_set_contents(card_path, card, -1, NULL));
    return path;
}

static mt_head *load(const char *path)
{
    g_autoptr(GError) error = NULL;
    mt_head *head = mt_head_load(path, &error);

    g_assert_no_error(error);
    return head;
}

static mt_head *load_placed(const char *name, const char *card, const char *metadata)
{
    g_autofree char *path = place_head(name, card, metadata);

    return load(path);
}

static void assert_load_fails(const char *path, int code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_head) head = mt_head_load(path, &error);

    g_assert_null(head);
    g_assert_error(error, MT_ERROR, code);
    g_assert_cmpstr(error->message, ==, message);
}

/* `message` with %s for the head's path. */
static void assert_refused(const char *name, const char *card, const char *metadata, const char *message)
{
    g_autofree char *path = place_head(name, card, metadata);
    g_auto(GStrv) parts = g_strsplit(message, "PATH", 2);
    g_autofree char *placed = g_strjoinv(path, parts), *names = mt_aggregator_names();
    g_auto(GStrv) pieces = g_strsplit(placed, "AGGREGATORS", 2);
    g_autofree char *whole = g_strjoinv(names, pieces);

    assert_load_fails(path, MT_ERROR_MODEL, whole);
}

static float *make_features(int64_t n)
{
    float *x = g_new(float, (gsize)(n * DIM));

    for (int64_t i = 0; i < n * DIM; i++) {
        uint32_t h = (uint32_t)(i + 1) * 2654435761U;
        h ^= h >> 15;
        h *= 2246822519U;
        h ^= h >> 13;
        x[i] = (float)(h >> 8) * 0x1p-23F - 1;
    }
    return x;
}

static mt_head_output *predict(const mt_head *head, const float *x, int64_t n, int64_t dim)
{
    g_autoptr(GError) error = NULL;
    mt_bag          bag = mt_bag_from_memory(x, n, dim);
    mt_head_output *output = mt_head_predict(head, &bag, NULL, &error);

    g_assert_no_error(error);
    return output;
}

static void test_paths(void)
{
    g_autofree char *missing = g_build_filename(folder, "none.safetensors", NULL), *weights = g_build_filename(folder, "head.bin", NULL);
    g_autofree char *no_file = g_strdup_printf("read %s: no such file", missing);
    g_autofree char *other =
        g_strdup_printf("read head %s: a head is mean, max, FILE.safetensors, FILE.pt, FILE.pth, FILE.ckpt, FILE.onnx or ENSEMBLE.card", weights);

    assert_load_fails(missing, MT_ERROR_MISSING, no_file);
    assert_load_fails("median", MT_ERROR_MISSING,
                      "read head median: no such file; heads are mean, max, FILE.safetensors, FILE.pt, FILE.pth, FILE.ckpt, FILE.onnx or ENSEMBLE.card");
    g_assert_true(g_file_set_contents(weights, "x", 1, NULL));
    assert_load_fails(weights, MT_ERROR_MODEL, other);
    g_unlink(weights);
}

static void test_cards(void)
{
    const char *sb = "clam_sb.safetensors";

    assert_refused(sb, "[head]\nlabels=normal;tumour\n", NULL, "head PATH: the card names 2 labels, the head has 3 classes");
    assert_refused(sb, "[head]\nlabels=a;b;c\npositive=d\n", NULL, "head PATH: the card says positive=d, its labels are: a, b, c");
    assert_refused(sb, "[head]\nkind=hopfield\n", NULL, "head PATH: the card says kind=hopfield, known for this file are: AGGREGATORS");
    assert_refused(sb, "[head]\nkind=mean\n", NULL, "head PATH: the card says kind=mean, known for this file are: AGGREGATORS");
    assert_refused(
        sb, "[head]\nkind=clam_mb\n", NULL,
        "head PATH: key 'classifiers.weight' has shape 3x16: 1 rows are wanted ('attention_net.3.attention_c.weight' has shape 1x8)");
    assert_refused("clam_mb.safetensors", "[head]\nkind=clam_sb\n", NULL,
                   "head PATH: key 'attention_net.3.attention_c.weight' has shape 3x8: clam_sb has one attention branch");
    assert_refused("batch.onnx", "[head]\nkind=abmil\n", NULL, "head PATH: the card says kind=abmil, the head is onnx");
    assert_refused("feather.safetensors", "[head]\nlabels=a;b\n", NULL, "head PATH: the card names 2 labels, the head has no classifier");
    assert_refused("ilse_gated.safetensors", "[head]\nactivation=softmax\n", NULL,
                   "head PATH: activation=softmax of a single logit is always 1: sigmoid is wanted");
    assert_refused(sb, NULL, "\"labels\":\"a;b\"", "head PATH: the card names 2 labels, the head has 3 classes");
    assert_refused(sb, NULL, "\"temperature\":\"warm\"",
                   "read the metadata of PATH: [head] temperature=warm: a number from 1e-06 to 1e+06 is wanted");
}

/* Beside the head beats inside it; neither is no card. */
static void test_card_order(void)
{
    const char *metadata = "\"format\":\"pt\",\"kind\":\"clam_sb\",\"labels\":\"a;b;c\",\"threshold\":\"0.25\"";
    g_autoptr(mt_head) inside = load_placed("clam_sb.safetensors", NULL, metadata);
    g_autoptr(mt_head) beside = load_placed("clam_sb.safetensors", "[head]\nlabels=x;y;z\npositive=z\n", metadata);
    g_autoptr(mt_head) none = load_placed("clam_sb.safetensors", NULL, NULL), again = mt_head_ref(none);
    g_autoptr(mt_head) onnx = load_placed("batch.onnx", NULL, NULL);

    g_assert_cmpstr(mt_head_get_card(inside)->labels[2], ==, "c");
    g_assert_cmpfloat(mt_head_get_card(inside)->threshold, ==, 0.25);
    g_assert_cmpstr(mt_head_get_card(beside)->labels[2], ==, "z");
    g_assert_cmpstr(mt_head_get_card(beside)->positive, ==, "z");
    g_assert_true(isnan(mt_head_get_card(beside)->threshold));
    g_assert_false(mt_head_get_card(none)->has_card);
    g_assert_cmpstr(mt_head_get_card(again)->labels[0], ==, "class_0");
    g_assert_true(mt_head_get_card(onnx)->has_card);
    g_assert_cmpstr(mt_head_get_card(onnx)->positive, ==, "b");
    g_assert_cmpstr(mt_head_kind(onnx), ==, "onnx");
}

/* A head that CLAM's maths and ABMIL's share may be called either. */
static void test_kind_of_card(void)
{
    g_autoptr(mt_head) head = load_placed("millab_gated.safetensors", "[head]\nkind=clam_sb\n", NULL);

    g_assert_cmpstr(mt_head_kind(head), ==, "clam_sb");
}

static void test_temperature(void)
{
    g_autofree float *x = make_features(40);
    g_autoptr(mt_head) cold = load_placed("clam_sb.safetensors", NULL, NULL);
    g_autoptr(mt_head) warm = load_placed("clam_sb.safetensors", "[head]\ntemperature=2.5\n", NULL);
    g_autoptr(mt_head_output) a = predict(cold, x, 40, DIM), b = predict(warm, x, 40, DIM);
    double sum = 0;

    for (int c = 0; c < 3; c++)
        sum += exp(a->logits[c] / 2.5);
    for (int c = 0; c < 3; c++) {
        g_assert_cmpfloat(a->logits[c], ==, b->logits[c]);
        g_assert_cmpfloat_with_epsilon(b->scores[c], exp(a->logits[c] / 2.5) / sum, 1e-6);
    }
    for (int i = 0; i < 40; i++)
        g_assert_cmpfloat(a->attention[i], ==, b->attention[i]);
}

/* Three thresholds make four grades; the output has one logit and one score for each. */
static void test_ordinal(void)
{
    g_autofree float *x = make_features(40);
    g_autoptr(mt_head) plain = load_placed("clam_sb.safetensors", NULL, NULL);
    g_autoptr(mt_head) ordinal = load_placed("clam_sb.safetensors", "[head]\nactivation=ordinal\nlabels=0;1;2;3\n", NULL);
    g_autoptr(mt_head_output) a = predict(plain, x, 40, DIM), b = predict(ordinal, x, 40, DIM);
    double sum = 0;

    g_assert_cmpint(b->n_classes, ==, 4);
    for (int c = 0; c < 4; c++) {
        sum += b->scores[c];
        g_assert_cmpfloat_with_epsilon(exp(b->logits[c]), b->scores[c], 1e-6);
    }
    g_assert_cmpfloat_with_epsilon(sum, 1, 1e-6);
    g_assert_cmpfloat_with_epsilon(b->scores[0], 1 - 1 / (1 + exp(-a->logits[0])), 1e-6);
    for (int i = 0; i < 40; i++) {
        sum = 0;
        for (int c = 0; c < 4; c++)
            sum += b->tile_scores[i * 4 + c];
        g_assert_cmpfloat_with_epsilon(sum, 1, 1e-6);
    }
}

#define HASH_A "1234567890abcdef1234567890abcdef1234567890abcdef1234567890abcdef"
#define HASH_B "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

typedef struct origin_case {
    const char       *name, *card;
    mt_feature_origin origin;
    const char       *message; /* after "head PATH ", NULL: accepted */
} origin_case;

static const origin_case origins[] = {
    {"same", "[head]\nencoder=uni\nencoder_sha256=" HASH_A "\ntarget_mpp=0.5\n", {"uni", HASH_A, 0.5, DIM}, NULL},
    {"within-two-percent", "[head]\ntarget_mpp=0.5\n", {"uni", HASH_A, 0.5099, DIM}, NULL},
    {"card-says-nothing", "[head]\n", {"uni", HASH_A, 2, DIM}, NULL},
    {"features-say-nothing", "[head]\nencoder=uni\nencoder_sha256=" HASH_A "\ntarget_mpp=0.5\n", {NULL, NULL, 0, DIM}, NULL},
    {"features-say-empty", "[head]\nencoder=uni\nencoder_sha256=" HASH_A "\n", {"", "", NAN, DIM}, NULL},
    {"other-encoder",
     "[head]\nencoder=uni\nencoder_sha256=" HASH_A "\n",
     {"resnet50-imagenet", HASH_B, 0.5, DIM},
     "was made for encoder 'uni' (sha256 12345678…), the features are from 'resnet50-imagenet' (sha256 fedcba98…): use the head's own "
     "encoder"},
    {"other-name",
     "[head]\nencoder=uni\n",
     {"conch", HASH_B, 0.5, DIM},
     "was made for encoder 'uni', the features are from 'conch' (sha256 fedcba98…): use the head's own encoder"},
    {"other-hash",
     "[head]\nencoder=uni\nencoder_sha256=" HASH_A "\n",
     {"uni", HASH_B, 0.5, DIM},
     "was made for encoder 'uni' (sha256 12345678…), the features are from 'uni' (sha256 fedcba98…): use the head's own encoder"},
    {"hash-alone",
     "[head]\nencoder_sha256=" HASH_A "\n",
     {NULL, HASH_B, 0.5, DIM},
     "was made for encoder sha256 12345678…, the features are from sha256 fedcba98…: use the head's own encoder"},
    {"other-mpp",
     "[head]\ntarget_mpp=0.5\n",
     {"uni", HASH_A, 0.5101, DIM},
     "was made for 0.5 µm/px, the features were read at 0.5101 µm/px: read the slides at 0.5 µm/px"},
    {"other-width",
     "[head]\nencoder=uni\n",
     {"uni", HASH_A, 0.5, 1024},
     "takes 32 features per tile, these have 1024: use the head's own encoder"},
};

static void test_origin(gconstpointer data)
{
    const origin_case *row = data;
    g_autofree char   *path = place_head("clam_sb.safetensors", row->card, NULL);
    g_autoptr(mt_head) head = load(path);
    g_autoptr(GError) error = NULL;
    bool accepted = mt_head_accepts(head, &row->origin, &error);

    g_assert_true(accepted == (row->message == NULL));
    if (accepted) {
        g_assert_no_error(error);
        return;
    }
    g_autofree char *message = g_strdup_printf("head %s %s", path, row->message);
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_any_width(void)
{
    g_autoptr(mt_head) mean = load("mean");
    mt_feature_origin origin = {"uni", HASH_A, 0.5, 1536};
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_head_accepts(mean, &origin, &error));
    g_assert_no_error(error);
}

static void assert_expected(const char *key, const float *got, int64_t n, double epsilon)
{
    g_autofree char *path = golden("expected.safetensors");
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_safetensors) file = mt_safetensors_open(path, &error);
    g_assert_no_error(error);
    g_autoptr(mt_tensor) wanted = mt_safetensors_read(file, mt_safetensors_find(file, key), &error);
    g_assert_no_error(error);
    g_assert_cmpint(mt_tensor_count(wanted), ==, n);
    for (int64_t i = 0; i < n; i++)
        g_assert_cmpfloat_with_epsilon(got[i], ((const float *)wanted->data)[i], epsilon);
}

/* (1, N, D) in, (1, C, N) attention without its softmax. */
static void test_onnx_batch(void)
{
    g_autofree float *x = make_features(7);
    g_autoptr(mt_head) head = load_placed("batch.onnx", NULL, NULL);
    g_autoptr(mt_head_output) output = predict(head, x, 7, DIM);

    g_assert_cmpint(mt_head_dim(head), ==, DIM);
    g_assert_cmpint(strlen(mt_head_sha256(head)), ==, 64);
    g_assert_true(output->n_classes == 3 && output->n_attention == 3 && output->dim == 0);
    g_assert_null(output->tile_scores);
    assert_expected("batch/7/logits", output->logits, 3, 1e-5);
    assert_expected("batch/7/attention", output->attention, 21, 1e-5);
    assert_expected("batch/7/attention_logits", output->attention_logits, 21, 1e-5);
}

/* Probabilities only where the card says so; attention that is a distribution stays as it is. */
static void test_onnx_probabilities(void)
{
    g_autofree float *x = make_features(7);
    g_autoptr(mt_head) head = load_placed("prob.onnx", "[head]\nlogits=prob\nlabels=a;b;c\n", NULL);
    g_autoptr(mt_head_output) output = predict(head, x, 7, DIM);

    assert_expected("prob/7/scores", output->scores, 3, 1e-6);
    assert_expected("prob/7/attention", output->attention, 7, 1e-6);
    assert_expected("prob/7/embedding", output->embedding, DIM, 1e-6);
    for (int i = 0; i < 7; i++)
        g_assert_cmpfloat_with_epsilon(exp(output->attention_logits[i]), output->attention[i], 1e-6);
    for (int c = 0; c < 3; c++)
        g_assert_cmpfloat_with_epsilon(exp(output->logits[c]), output->scores[c], 1e-6);
}

static void test_onnx_refused(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = place_head("prob.onnx", "[head]\nlogits=prob\n", NULL);
    g_autoptr(mt_head) head = load(path);
    mt_bag bag = mt_bag_from_memory(NULL, INT64_C(1) << 40, DIM);

    assert_refused("fixed.onnx", NULL, NULL,
                   "head PATH: input 'bag' is float32 of shape 64x32: float32 (N, D) or (1, N, D) with N open (-1) and D fixed is wanted");
    assert_refused("prob.onnx", NULL, NULL, "head PATH: output 'prob' seems to hold probabilities: say so in a card (logits=prob)");
    assert_refused("prob.onnx", "[head]\nlogits=score\n", NULL,
                   "head PATH: the card says logits=score, the graph's outputs are 'prob', 'att', 'slide_embedding'");
    assert_refused("prob.onnx", "[head]\nlogits=att\n", NULL,
                   "head PATH: the card says logits=att, that output is not one float32 vector per slide");
    assert_refused("prob.onnx", "[head]\nlogits=prob\nattention=prob\n", NULL,
                   "head PATH: the card says attention=prob, that output is not one or 3 float32 values per tile");
    g_assert_null(mt_head_predict(head, &bag, NULL, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
    g_assert_nonnull(strstr(error->message, "an ONNX head needs the whole bag: 1099511627776 tiles want "));
    g_clear_error(&error);
    g_assert_null(mt_head_predict(head, &bag, &(mt_head_options){.memory_bytes = 1 << 20}, &error));
    g_assert_nonnull(strstr(error->message, " bytes, 1048576 are given; give more with --memory, or use larger or fewer tiles"));
    g_clear_error(&error);
    g_assert_null(mt_head_predict(head, &bag, &(mt_head_options){.threads = -1}, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_assert_cmpstr(error->message, ==, "predict with 0 bytes and -1 threads: neither may be negative");
}

static mt_port_role role(const char *name, int rank, int64_t a, int64_t b, int64_t c)
{
    mt_port port = {.name = name, .dtype = MT_F32, .rank = rank, .shape = {a, b, c}};

    return mt_port_role_of(&port, 1009);
}

static void test_roles(void)
{
    g_assert_cmpint(role("v", 1, 3, 0, 0).form, ==, MT_PORT_VECTOR);
    g_assert_cmpint(role("v", 2, 1, 3, 0).form, ==, MT_PORT_VECTOR);
    g_assert_cmpint(role("v", 3, 1, 3, 1).form, ==, MT_PORT_VECTOR);
    g_assert_cmpint(role("v", 0, 0, 0, 0).form, ==, MT_PORT_VECTOR);
    g_assert_cmpint(role("m", 2, 3, 4, 0).form, ==, MT_PORT_OTHER);
    g_assert_cmpint(role("t", 1, 1009, 0, 0).form, ==, MT_PORT_TILES);
    g_assert_cmpint(role("t", 2, 1009, 4, 0).form, ==, MT_PORT_TILES);
    g_assert_cmpint(role("t", 3, 1, 1009, 4).form, ==, MT_PORT_TILES);
    g_assert_cmpint(role("t", 2, 1009, 4, 0).width, ==, 4);
    g_assert_cmpint(role("f", 2, 4, 1009, 0).form, ==, MT_PORT_TILES_FLIPPED);
    g_assert_cmpint(role("f", 3, 1, 4, 1009).width, ==, 4);
    g_assert_cmpint(role("n", 2, 1009, 1009, 0).form, ==, MT_PORT_OTHER);
    g_assert_cmpint(role("o", 3, 2, 1009, 4).form, ==, MT_PORT_OTHER);
}

static mt_head_ports choose(mt_port_role *roles, int n, const char *message)
{
    mt_head_card  card = {0};
    mt_head_ports ports;
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_head_ports_choose(roles, n, &card, &ports, &error) == (message == NULL));
    if (message != NULL)
        g_assert_cmpstr(error->message, ==, message);
    return ports;
}

static void test_choice(void)
{
    mt_port_role  named[] = {role("prob", 2, 1, 2, 0), role("logits", 2, 1, 2, 0), role("attention", 2, 1009, 1, 0),
                             role("x_attention", 1, 1009, 0, 0)};
    mt_port_role  bag[] = {role("instance_logits", 2, 1009, 1, 0), role("att", 2, 1, 1009, 0), role("bag_logits", 2, 1, 1, 0)};
    mt_port_role  shape[] = {role("17", 2, 1009, 1, 0), role("18", 2, 1, 2, 0)};
    mt_port_role  two[] = {role("a", 2, 1, 2, 0), role("b", 2, 1, 2, 0)};
    mt_port_role  none[] = {role("hidden", 2, 1009, 8, 0)};
    mt_port_role  slide[] = {role("slide_features", 2, 1, 512, 0), role("w", 2, 1009, 1, 0), role("v", 2, 1009, 1, 0)};
    mt_head_ports p = choose(named, 4, NULL);

    g_assert_true(p.logits == 1 && p.attention == 2 && p.embedding == -1 && !p.probabilities);
    p = choose(bag, 3, NULL);
    g_assert_true(p.logits == 2 && p.attention == 1);
    p = choose(shape, 2, NULL);
    g_assert_true(p.logits == 1 && p.attention == 0);
    choose(two, 2, "more than one of the outputs 'a', 'b' could be the slide's logits: name it in a card (logits=)");
    choose(none, 1, "none of the outputs 'hidden' is one float32 vector per slide");
    p = choose(slide, 3, NULL);
    g_assert_true(p.logits == -1 && p.embedding == 0 && p.attention == -1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("mt-head-XXXXXX", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(origins); i++) {
        g_autofree char *name = g_strdup_printf("/head/accepts/%s", origins[i].name);
        g_test_add_data_func(name, &origins[i], test_origin);
    }
    g_test_add_func("/head/paths", test_paths);
    g_test_add_func("/head/cards", test_cards);
    g_test_add_func("/head/card-order", test_card_order);
    g_test_add_func("/head/kind-of-card", test_kind_of_card);
    g_test_add_func("/head/temperature", test_temperature);
    g_test_add_func("/head/ordinal", test_ordinal);
    g_test_add_func("/head/any-width", test_any_width);
    g_test_add_func("/head/onnx/batch", test_onnx_batch);
    g_test_add_func("/head/onnx/probabilities", test_onnx_probabilities);
    g_test_add_func("/head/onnx/refused", test_onnx_refused);
    g_test_add_func("/head/onnx/roles", test_roles);
    g_test_add_func("/head/onnx/choice", test_choice);
    int result = g_test_run();
    for (const char *const *name = (const char *const[]){"HEAD.safetensors", "HEAD.onnx", "HEAD.card", NULL}; *name != NULL; name++) {
        g_autofree char *path = g_build_filename(folder, *name, NULL);
        g_unlink(path);
    }
    g_rmdir(folder);
    g_free(folder);
    return result;
}

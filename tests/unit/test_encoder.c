/* Encoders: features against torch (make_encoder_data.py), where a contract comes from, and every refusal with its words. */
#include "src/base/alloc.h"

#include <microtome/encoder.h>
#include <microtome/error.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

/* A folder of its own with MODEL.onnx, and MODEL.card when `card` is not NULL. */
typedef struct place {
    char *folder, *model, *card, *config;
} place;

static char *data_path(const char *model)
{
    g_autofree char *file = g_strconcat(model, ".onnx", NULL);

    return g_build_filename(g_getenv("G_TEST_SRCDIR"), "unit", "data", "encoder", file, NULL);
}

static place put_model(const char *model, const char *card)
{
    g_autofree char *from = data_path(model), *file = g_strconcat(model, ".onnx", NULL), *card_file = g_strconcat(model, ".card", NULL);
    g_autofree char *bytes = NULL;
    gsize            n;
    place            p = {.folder = g_dir_make_tmp("mt-encoder-XXXXXX", NULL)};

    p.model = g_build_filename(p.folder, file, NULL);
    p.card = g_build_filename(p.folder, card_file, NULL);
    p.config = g_build_filename(p.folder, "config.json", NULL);
    g_assert_true(g_file_get_contents(from, &bytes, &n, NULL));
    g_assert_true(g_file_set_contents(p.model, bytes, (gssize)n, NULL));
    if (card != NULL)
        g_assert_true(g_file_set_contents(p.card, card, -1, NULL));
    return p;
}

static void clear_place(place *p)
{
    g_remove(p->model);
    g_remove(p->card);
    g_remove(p->config);
    g_rmdir(p->folder);
    g_free(p->folder);
    g_free(p->model);
    g_free(p->card);
    g_free(p->config);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(place, clear_place)

static uint8_t *noise(uint32_t state, size_t n)
{
    uint8_t *out = g_malloc(n);

    for (size_t i = 0; i < n; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        out[i] = (uint8_t)(state >> 24);
    }
    return out;
}

static void put_tile(mt_encoder_session *session, int slot, int tile, int edge)
{
    g_autofree uint8_t  *pixels = noise((uint32_t)tile + 1, (size_t)(edge * edge * 3));
    const mt_tile_pixels tile_pixels = {MT_U8, 3, edge, edge, pixels};
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_encoder_session_put(session, slot, &tile_pixels, &error));
    g_assert_no_error(error);
}

/* All tiles in batches of `batch`; the last one is not full. */
static float *encode(mt_encoder *encoder, mt_backend backend, int batch, int n, int edge)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_encoder_session) session = mt_encoder_session_new(encoder, backend, MT_PRECISION_FP32, batch, 1, &error);
    float *features = g_new(float, n *mt_encoder_dim(encoder));

    g_assert_no_error(error);
    for (int first = 0; first < n; first += batch) {
        int filled = MIN(batch, n - first);
        for (int slot = 0; slot < filled; slot++)
            put_tile(session, slot, first + slot, edge);
        g_assert_true(mt_encoder_session_run(session, filled, features + first * mt_encoder_dim(encoder), &error));
        g_assert_no_error(error);
    }
    return features;
}

static double relative_error(const float *got, const float *want, int64_t n)
{
    double difference = 0, size = 0;

    for (int64_t i = 0; i < n; i++) {
        difference += pow((double)got[i] - want[i], 2);
        size += pow(want[i], 2);
    }
    return sqrt(difference / size);
}

typedef struct expected {
    char    model[32], card[256];
    int32_t n, edge, dim;
} expected;

static void check_features(const expected *c, const float *want, mt_backend backend)
{
    bool demo = strcmp(c->model, "demo") == 0;
    g_auto(place) at = put_model(demo ? "three" : c->model, c->card);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_encoder) encoder = mt_encoder_load(demo ? "builtin:demo" : at.model, &error);

    g_assert_no_error(error);
    g_assert_cmpint(mt_encoder_dim(encoder), ==, c->dim);
    for (int batch = 1; batch <= 4; batch += 3) {
        g_autofree float *features = encode(encoder, backend, batch, c->n, c->edge);
        double            bound = strcmp(c->model, "half") == 0 ? 5e-3 : 2e-5;
        double            relative = relative_error(features, want, (int64_t)c->n * c->dim);
        if (!(relative < bound))
            g_error("%s, %s, batch %d: relative error %g", c->model, c->card, batch, relative);
    }
}

static void test_features(gconstpointer data)
{
    mt_backend       backend = *(const mt_backend *)data;
    g_autofree char *path = g_build_filename(g_getenv("G_TEST_SRCDIR"), "unit", "data", "encoder", "expected.bin", NULL);
    g_autofree char *bytes = NULL;
    gsize            size;
    int              n = 0;

    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    for (gsize at = 0; at < size; n++) {
        expected c;
        memcpy(&c, bytes + at, sizeof c);
        at += sizeof c;
        gsize             want_bytes = sizeof(float) * (gsize)c.n * (gsize)c.dim;
        g_autofree float *want = g_memdup2(bytes + at, want_bytes);
        check_features(&c, want, backend);
        at += want_bytes;
    }
    g_assert_cmpint(n, ==, 10);
}

static void test_demo(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_encoder) encoder = mt_encoder_load("builtin:demo", &error);
    const mt_card *card = mt_encoder_card(encoder);

    g_assert_no_error(error);
    g_assert_cmpstr(card->name, ==, "demo-texture");
    g_assert_cmpstr(card->source, ==, "builtin");
    g_assert_true(card->demonstration);
    g_assert_cmpint(card->tile_px, ==, 224);
    g_assert_cmpfloat(card->mpp, ==, 0.5);
    g_assert_cmpint(mt_encoder_dim(encoder), ==, 93);
    g_assert_nonnull(mt_encoder_model(encoder));
    mt_encoder_unref(mt_encoder_ref(encoder));
}

#define CARD "[encoder]\nsize_px=32\nvalue=rgb8\nmean=0\nstd=1\n"
#define JSON "{\"input_size\": [3, 32, 32], \"crop_pct\": 0.5, \"mean\": [0, 0, 0], \"std\": [1, 1, 1], \"architecture\": \"from-json\"}"

/* MODEL.card, then config.json, then metadata: the first that exists decides. */
static void test_order_of_contracts(void)
{
    g_auto(place) at = put_model("keys", CARD "name=from-file\n");
    g_autoptr(mt_encoder) by_card = mt_encoder_load(at.model, NULL);

    g_assert_true(g_file_set_contents(at.config, JSON, -1, NULL));
    g_autoptr(mt_encoder) again_by_card = mt_encoder_load(at.model, NULL);
    g_remove(at.card);
    g_autoptr(mt_encoder) by_json = mt_encoder_load(at.model, NULL);
    g_assert_true(g_file_set_contents(at.config, "{\"model_type\": \"resnet\"}", -1, NULL));
    g_autoptr(mt_encoder) by_metadata = mt_encoder_load(at.model, NULL);
    g_autofree char *source = g_strdup_printf("the metadata of %s", at.model);

    g_assert_cmpstr(mt_encoder_card(by_card)->name, ==, "from-file");
    g_assert_cmpstr(mt_encoder_card(again_by_card)->source, ==, at.card);
    g_assert_cmpstr(mt_encoder_card(by_json)->name, ==, "from-json");
    g_assert_cmpstr(mt_encoder_card(by_json)->source, ==, at.config);
    g_assert_cmpint(mt_encoder_card(by_json)->tile_px, ==, 64);
    g_assert_cmpstr(mt_encoder_card(by_metadata)->name, ==, "from-keys");
    g_assert_cmpstr(mt_encoder_card(by_metadata)->source, ==, source);
    g_assert_cmpfloat(mt_encoder_card(by_metadata)->std[2], ==, 0.25);
}

static void test_card_in_metadata(void)
{
    g_auto(place) at = put_model("whole_card", NULL);
    g_autoptr(mt_encoder) encoder = mt_encoder_load(at.model, NULL);

    g_assert_cmpstr(mt_encoder_card(encoder)->name, ==, "from-card");
    g_assert_cmpfloat(mt_encoder_card(encoder)->mpp, ==, 1);
}

static void test_name_from_file(void)
{
    g_auto(place) at = put_model("open", CARD);
    g_autoptr(mt_encoder) encoder = mt_encoder_load(at.model, NULL);

    g_assert_cmpstr(mt_encoder_card(encoder)->name, ==, "open");
}

/* `message` with every %s replaced by the model's path. */
static void check_load_refused(const char *model, const char *card, const char *message)
{
    g_auto(place) at = put_model(model, card);
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) parts = g_strsplit(message, "%s", -1);
    g_autofree char *want = g_strjoinv(at.model, parts);

    g_assert_null(mt_encoder_load(at.model, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, want);
}

static void test_no_contract(void)
{
    g_auto(place) at = put_model("open", NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *want =
        g_strdup_printf("load %s: no contract: neither %s, nor config.json beside it, nor metadata in the file says what "
                        "pixels it wants: write %s (see microtome model --help)",
                        at.model, at.card, at.card);

    g_assert_null(mt_encoder_load(at.model, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, want);
}

static void test_refused_inputs(void)
{
    check_load_refused("two_inputs", CARD, "load %s: the graph has 2 inputs: an encoder has one, the pixels");
    check_load_refused("batch1", CARD "input=image\n", "load %s: the card says input=image, but the graph's input is 'pixels'");
    check_load_refused("gray", CARD, "load %s: input 'pixels' is ?x1x32x32: the card wants N x 3 x size x size");
    check_load_refused("batch1", CARD "channels=gray\n", "load %s: input 'pixels' is 1x3x32x32: the card wants N x 1 x size x size");
    check_load_refused("channels_last", CARD, "load %s: input 'pixels' is ?x32x32x3: the card wants N x 3 x size x size");
    check_load_refused("bytes", CARD, "load %s: input 'bytes' is uint8: float32 or float16 is wanted");
    check_load_refused("huge_batch", CARD, "load %s: a batch of 300 is fixed in the graph: at most 256 are possible");
    check_load_refused("oblong", CARD, "load %s: input 'pixels' is ?x3x32x40: only square inputs are read");
}

static void test_refused_outputs(void)
{
    check_load_refused("three", CARD, "load %s: the graph has the outputs map, row, tokens: the card has to say output=NAME");
    check_load_refused("three", CARD "output=features\n", "load %s: the card says output=features, but the graph has map, row, tokens");
    check_load_refused("three", CARD "output=map\n", "load %s: output 'map' is ?x6x4x4: a map: the card has to say pool=mean");
    check_load_refused("three", CARD "output=map\npool=cls\n",
                       "load %s: output 'map' is ?x6x4x4: a map has no class token: the card has to say pool=mean");
    check_load_refused("three", CARD "output=row\npool=mean\n",
                       "load %s: output 'row' is ?x6: one row for each tile needs no pooling: the card has to say pool=none");
    check_load_refused("three", CARD "output=tokens\n",
                       "load %s: output 'tokens' is 1x16x6: one row for each token: the card has to say how they become one feature, "
                       "pool=cls, mean or cls+mean, and prefix_tokens");
    check_load_refused("three", CARD "output=tokens\npool=mean\nprefix_tokens=16\n",
                       "load %s: output 'tokens' is 1x16x6: prefix_tokens in the card leaves no token to average");
    check_load_refused("three", CARD "output=tokens\npool=cls+mean\nprefix_tokens=0\n",
                       "load %s: output 'tokens' is 1x16x6: pool=cls+mean needs a class token: prefix_tokens has to be 1 or more");
}

static void test_refused_features(void)
{
    check_load_refused("whole_numbers", CARD, "load %s: output 'row' is ?x3: features are float32 or float16");
    check_load_refused("vector", CARD, "load %s: output 'row' is ?: N x D, N x tokens x D or N x D x h x w is wanted");
}

/* A graph that mixes the tiles of a batch is found when its shapes are bound. */
static void test_batch_lost(void)
{
    g_auto(place) at = put_model("batch_lost", CARD);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_encoder) encoder = mt_encoder_load(at.model, &error);
    g_autofree char *want = g_strdup_printf("load %s: output 'row' is 64x3 for a batch of 2: 2 x 3 is what the file promises", at.model);

    g_assert_no_error(error);
    g_assert_null(mt_encoder_session_new(encoder, MT_BACKEND_REFERENCE, MT_PRECISION_FP32, 2, 1, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, want);
}

/* Each refused allocation of a session is an error of its own kind, and nothing leaks. */
static void test_memory(void)
{
    g_auto(place) at = put_model("half", CARD);
    g_autoptr(mt_encoder) encoder = mt_encoder_load(at.model, NULL);
    int refused = 0;

    for (int k = 1; k < 200; k++) {
        g_autoptr(GError) error = NULL;
        mt_alloc_fail_at(k);
        g_autoptr(mt_encoder_session) session = mt_encoder_session_new(encoder, MT_BACKEND_REFERENCE, MT_PRECISION_FP32, 2, 1, &error);
        mt_alloc_fail_at(0);
        if (session != NULL)
            break;
        g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
        refused++;
    }
    g_assert_cmpint(refused, >=, 4);
    g_assert_cmpint(refused, <, 199);
}

static void test_refused_files(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_encoder_load("builtin:resnet", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MISSING);
    g_assert_cmpstr(error->message, ==, "load builtin:resnet: no such encoder is built in; builtin:demo is");
    g_clear_error(&error);
    g_assert_null(mt_encoder_load("/nowhere/net.onnx", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MISSING);
}

static void test_size_from_graph(void)
{
    g_auto(place) at = put_model("batch1", "[encoder]\nvalue=rgb8\nmean=0\nstd=1\n");
    g_autoptr(mt_encoder) encoder = mt_encoder_load(at.model, NULL);

    g_assert_cmpint(mt_encoder_card(encoder)->size_px, ==, 32);
}

static void test_nan(void)
{
    g_auto(place) at = put_model("nan", "[encoder]\nsize_px=32\nvalue=rgb8\nmean=1;2;3\nstd=0.0001;0.01;0.01\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_encoder) encoder = mt_encoder_load(at.model, &error);
    g_autoptr(mt_encoder_session) session = mt_encoder_session_new(encoder, MT_BACKEND_REFERENCE, MT_PRECISION_FP32, 1, 1, &error);
    float features[6];

    put_tile(session, 0, 0, 32);
    g_assert_false(mt_encoder_session_run(session, 1, features, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_true(g_str_has_prefix(error->message, "encode with /"));
    g_assert_true(g_str_has_suffix(error->message, " of slot 0 is not a finite number: model and card do not fit these pixels, or the "
                                                   "precision is too low"));
}

static void check_session_refused(mt_encoder *encoder, int batch, int threads, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_encoder_session_new(encoder, MT_BACKEND_REFERENCE, MT_PRECISION_FP32, batch, threads, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_refused_ranges(void)
{
    g_auto(place) at = put_model("open", CARD);
    g_autoptr(mt_encoder) encoder = mt_encoder_load(at.model, NULL);
    g_autoptr(mt_encoder_session) session = mt_encoder_session_new(encoder, MT_BACKEND_REFERENCE, MT_PRECISION_FP32, 2, 1, NULL);
    g_autoptr(GError) error = NULL;
    const mt_tile_pixels pixels = {MT_U8, 3, 32, 32, NULL};
    float                features[18];

    check_session_refused(encoder, 0, 1, "make an encoder session of batch 0 with 1 threads: 1 to 256, and 1 or more");
    check_session_refused(encoder, 4, 0, "make an encoder session of batch 4 with 0 threads: 1 to 256, and 1 or more");
    g_assert_false(mt_encoder_session_put(session, 2, &pixels, &error));
    g_assert_cmpstr(error->message, ==, "put a tile into slot 2 of a batch of 2");
    g_clear_error(&error);
    g_assert_false(mt_encoder_session_run(session, 3, features, &error));
    g_assert_cmpstr(error->message, ==, "encode 3 tiles in a batch of 2");
}

int main(int argc, char **argv)
{
    static const mt_backend reference = MT_BACKEND_REFERENCE, best = MT_BACKEND_AUTO;

    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/encoder/features/reference", &reference, test_features);
    g_test_add_data_func("/encoder/features/best", &best, test_features);
    g_test_add_func("/encoder/demo", test_demo);
    g_test_add_func("/encoder/contract/order", test_order_of_contracts);
    g_test_add_func("/encoder/contract/card-in-metadata", test_card_in_metadata);
    g_test_add_func("/encoder/contract/name-from-file", test_name_from_file);
    g_test_add_func("/encoder/contract/none", test_no_contract);
    g_test_add_func("/encoder/refused/inputs", test_refused_inputs);
    g_test_add_func("/encoder/refused/outputs", test_refused_outputs);
    g_test_add_func("/encoder/refused/features", test_refused_features);
    g_test_add_func("/encoder/refused/batch-lost", test_batch_lost);
    g_test_add_func("/encoder/memory", test_memory);
    g_test_add_func("/encoder/refused/files", test_refused_files);
    g_test_add_func("/encoder/size-from-graph", test_size_from_graph);
    g_test_add_func("/encoder/nan", test_nan);
    g_test_add_func("/encoder/refused/ranges", test_refused_ranges);
    return g_test_run();
}

/* Heads in which every tile sees every other, against PyTorch (tests/golden/mil_transmil_reference.py, mil_transformer_reference.py),
 * the memory they ask for, and checkpoints that do not fit. */
#include "mil/safetensors.h"

#include <microtome/head.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define DIM 32

static char *golden(const char *name)
{
    return g_test_build_filename(G_TEST_DIST, "golden", "mil", name, NULL);
}

/* The same numbers as features() of the reference. */
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

/* MONAI's modes mean and max are one checkpoint and two cards. */
static mt_head *load_plain(const char *kind)
{
    g_autofree char *source = golden("monai_plain.safetensors"), *folder = g_dir_make_tmp("mt-plain-XXXXXX", NULL), *bytes = NULL;
    g_autofree char *path = g_build_filename(folder, "H.safetensors", NULL), *card = g_build_filename(folder, "H.card", NULL);
    g_autofree char *text = g_strdup_printf("[head]\nkind=%s\n", kind);
    g_autoptr(GError) error = NULL;
    gsize length = 0;

    g_assert_true(g_file_get_contents(source, &bytes, &length, NULL) && g_file_set_contents(path, bytes, (gssize)length, NULL) &&
                  g_file_set_contents(card, text, -1, NULL));
    mt_head *head = mt_head_load(path, &error);
    g_assert_no_error(error);
    g_assert_true(g_unlink(path) == 0 && g_unlink(card) == 0 && g_rmdir(folder) == 0);
    return head;
}

static mt_head *load(const char *name)
{
    if (strcmp(name, "monai_mean") == 0 || strcmp(name, "monai_max") == 0)
        return load_plain(name);
    g_autofree char *file = g_strconcat(name, ".safetensors", NULL), *path = golden(file);
    g_autoptr(GError) error = NULL;
    mt_head *head = mt_head_load(path, &error);

    g_assert_no_error(error);
    return head;
}

static mt_head_output *predict(const mt_head *head, int64_t n, int threads)
{
    g_autofree float *x = make_features(n);
    mt_bag            bag = mt_bag_from_memory(x, n, DIM);
    g_autoptr(GError) error = NULL;
    mt_head_output *output = mt_head_predict(head, &bag, &(mt_head_options){.threads = threads}, &error);

    g_assert_no_error(error);
    return output;
}

typedef struct golden_case {
    const char *name, *kind, *expected;
    int64_t     n_classes, n_attention, dim;
} golden_case;

static const golden_case cases[] = {
    {"transmil", "transmil", "transmil_expected", 3, 8, 32},      {"transmil_millab", "transmil", "transmil_expected", 3, 4, 32},
    {"stamp_vit", "stamp_vit", "transformer_expected", 3, 8, 32}, {"monai_att_trans", "monai_mil", "transformer_expected", 3, 1, 32},
    {"monai_att", "monai_mil", "transformer_expected", 3, 1, 32}, {"monai_mean", "monai_mean", "transformer_expected", 3, 0, 0},
    {"monai_max", "monai_max", "transformer_expected", 3, 0, 0},
};

/* `got` has all rows, the file every step-th. */
static void assert_near(const mt_safetensors *file, const char *name, int64_t n, const char *what, const float *got, int64_t rows,
                        int64_t width, int64_t step, double relative, double absolute)
{
    g_autofree char            *key = g_strdup_printf("%s/%" G_GINT64_FORMAT "/%s", name, n, what);
    const mt_safetensors_entry *entry = mt_safetensors_find(file, key);

    g_assert_true((entry != NULL) == (got != NULL));
    if (entry == NULL)
        return;
    g_autoptr(mt_tensor) tensor = mt_safetensors_read(file, entry, NULL);
    const float *wanted = tensor->data;
    double       difference = 0, norm = 0, largest = 0;
    g_assert_cmpint(mt_tensor_count(tensor), ==, (rows + step - 1) / step * width);
    for (int64_t i = 0; i < mt_tensor_count(tensor); i++) {
        double d = got[i / width * step * width + i % width] - wanted[i];
        largest = fmax(largest, fabs(d));
        difference += d * d;
        norm += (double)wanted[i] * wanted[i];
    }
    g_test_message("%s: relative %.2g, largest difference %.2g", key, sqrt(difference / norm), largest);
    g_assert_cmpfloat(largest, <=, absolute);
    g_assert_cmpfloat(sqrt(difference), <=, relative * sqrt(norm));
}

static void assert_columns_sum_to_one(const mt_head_output *output)
{
    for (int64_t k = 0; k < output->n_attention; k++) {
        double sum = 0;
        for (int64_t i = 0; i < output->n; i++)
            sum += output->attention[i * output->n_attention + k];
        g_assert_cmpfloat_with_epsilon(sum, 1, 1e-5);
    }
}

static void assert_same(const void *a, const void *b, int64_t n)
{
    g_assert_true((a == NULL) == (b == NULL));
    if (a != NULL)
        g_assert_cmpmem(a, (size_t)n * sizeof(float), b, (size_t)n * sizeof(float));
}

static void assert_same_output(const mt_head_output *a, const mt_head_output *b)
{
    assert_same(a->logits, b->logits, a->n_classes);
    assert_same(a->scores, b->scores, a->n_classes);
    assert_same(a->embedding, b->embedding, a->dim);
    assert_same(a->attention, b->attention, a->n * a->n_attention);
    assert_same(a->attention_logits, b->attention_logits, a->n * a->n_attention);
    assert_same(a->tile_scores, b->tile_scores, a->n * a->n_classes);
}

static void test_golden(gconstpointer data)
{
    static const int64_t sizes[][2] = {{1, 1}, {7, 1}, {256, 8}, {5000, 50}};
    const golden_case   *row = data;
    g_autofree char     *file = g_strconcat(row->expected, ".safetensors", NULL), *path = golden(file);
    g_autoptr(mt_safetensors) expected = mt_safetensors_open(path, NULL);
    g_autoptr(mt_head) head = load(row->name);

    g_assert_cmpstr(mt_head_kind(head), ==, row->kind);
    g_assert_cmpint(mt_head_dim(head), ==, DIM);
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        int64_t n = sizes[i][0], step = sizes[i][1];
        g_autoptr(mt_head_output) one = predict(head, n, 1);
        g_assert_true(one->n == n && one->n_classes == row->n_classes && one->n_attention == row->n_attention && one->dim == row->dim);
        g_assert_true(one->attention_heads == (row->n_attention > 1));
        assert_near(expected, row->name, n, "logits", one->logits, 1, row->n_classes, 1, 1e-4, INFINITY);
        assert_near(expected, row->name, n, "embedding", one->embedding, 1, row->dim, 1, 1e-4, INFINITY);
        if (strcmp(row->name, "stamp_vit") != 0) /* PyTorch keeps those scores to itself */
            assert_near(expected, row->name, n, "attention_logits", one->attention_logits, n, row->n_attention, step, 1e-4, INFINITY);
        assert_near(expected, row->name, n, "attention", one->attention, n, row->n_attention, step, 1e-4, 1e-5);
        assert_near(expected, row->name, n, "tile_scores", one->tile_scores, n, row->n_classes, step, 1e-4, 1e-5);
        assert_columns_sum_to_one(one);
    }
}

/* Several blocks of rows of every kind, the last ones shorter. */
static void test_threads(gconstpointer data)
{
    const golden_case *row = data;
    g_autoptr(mt_head) head = load(row->name);
    g_autoptr(mt_head_output) one = predict(head, 2200, 1), two = predict(head, 2200, 2), four = predict(head, 2200, 4);

    assert_same_output(one, two);
    assert_same_output(one, four);
}

/* The bytes stand in the message, and a limit of as many is enough. */
static void test_memory(gconstpointer data)
{
    const golden_case *row = data;
    g_autoptr(mt_head) head = load(row->name);
    g_autofree float *x = make_features(3000);
    mt_bag            bag = mt_bag_from_memory(x, 3000, DIM);
    mt_head_options   options = {.memory_bytes = 1000};
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_head_predict(head, &bag, &options, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
    g_autofree char *start = g_strdup_printf("%s needs the whole bag: 3000 tiles want ", row->kind);
    const char      *wants = strstr(error->message, start);
    g_assert_nonnull(wants);
    g_assert_true(g_str_has_suffix(wants, " bytes, 1000 are given; give more with --memory, or use larger or fewer tiles"));
    options.memory_bytes = g_ascii_strtoll(wants + strlen(start), NULL, 10) + 1;
    g_clear_error(&error);
    g_autoptr(mt_head_output) output = mt_head_predict(head, &bag, &options, &error);
    g_assert_no_error(error);
    g_assert_nonnull(output);
}

/* A copy of a golden head whose header has `from` replaced by `to` of the same length: sizes of the data stay. */
static char *forge(const char *name, const char *from, const char *to)
{
    g_autofree char *file = g_strconcat(name, ".safetensors", NULL), *path = golden(file), *bytes = NULL;
    gsize            length = 0;
    int              fd = -1;
    char            *copy = NULL;

    g_assert_cmpint(strlen(from), ==, strlen(to));
    g_assert_true(g_file_get_contents(path, &bytes, &length, NULL));
    char *at = memmem(bytes, length, from, strlen(from));
    g_assert_nonnull(at);
    memcpy(at, to, strlen(to));
    fd = g_file_open_tmp("mt-forged-XXXXXX.safetensors", &copy, NULL);
    g_assert_true(g_close(fd, NULL) && g_file_set_contents(copy, bytes, (gssize)length, NULL));
    return copy;
}

static const struct {
    const char *name, *head, *from, *to, *message;
} forgeries[] = {
    {"class-token", "transmil", "\"shape\":[1,1,32]", "\"shape\":[1,2,16]", "key 'cls_token' has shape 1x2x16: 1x1x32 is wanted"},
    {"qkv", "transmil", "\"shape\":[96,32]", "\"shape\":[48,64]", "key 'layer1.attn.to_qkv.weight' has shape 48x64: 96x32 is wanted"},
    {"heads", "transmil", "\"shape\":[8,1,33,1]", "\"shape\":[3,1,88,1]",
     "key 'layer1.attn.res_conv.weight' has shape 3x1x88x1: a number of heads that divides 32 and an odd number of taps are wanted"},
    {"alibi", "stamp_vit", "0.0.mhsa.in_proj_weight", "0.0.mhsa.query_encoders",
     "stamp_vit with distances in its attention (use_alibi, keys 'mhsa.query_encoders') is not supported: train it without, or export it "
     "as an ONNX graph"},
    {"in-proj", "stamp_vit", "\"shape\":[96,32]", "\"shape\":[32,96]",
     "key 'transformer.layers.0.0.mhsa.in_proj_weight' has shape 32x96: 96x32 is wanted"},
    {"layer-between", "monai_att_trans", "transformer.layers.1.self_attn.in_proj_weight", "transformer.layers.3.self_attn.in_proj_weight",
     "key 'transformer.layers.1.self_attn.in_proj_weight' is missing"},
    {"pyramid", "monai_att_trans", "transformer.layers.0.self_attn.in_proj_weight", "transformer.1.layers.self_attn.in_proj_weight",
     "MONAI's att_trans_pyramid takes the intermediate layers of its ResNet, not features: it is not supported"},
    {"backbone", "monai_att_trans", "transformer.layers.1.norm2.weight\":", "net.conv1.weight\":                 ",
     "this MILModel holds its backbone (keys 'net.'): export that as the encoder, and save this head without them"},
    {"mean-or-max", "monai_plain", "myfc", "myfc",
     "'myfc' alone is MONAI's mode mean as well as max: a card must say which (kind=monai_mean or kind=monai_max)"},
    {"positions", "transmil", "\"shape\":[32,1,7,7]", "\"shape\":[32,7,7,1]",
     "key 'pos_layer.proj.weight' has shape 32x7x7x1: 32x1x7x7 is wanted"},
    {"left-over", "transmil", "model.layer2.norm", "model.layer9.norm", "key 'layer2.norm.weight' is missing"},
    {"third-layer", "transmil_millab", "model.blocks.2.attention.to_qkv", "model.blocks.3.attention.to_qkv",
     "key 'model.blocks.2.norm.weight' has no place in transmil: its weights would be ignored"},
    {"classifier", "transmil", "\"shape\":[3,32]", "\"shape\":[6,16]", "key '_fc2.bias' has 3 values, '_fc2.weight' has 6 rows"},
};

static void test_forgery(gconstpointer data)
{
    guint            i = GPOINTER_TO_UINT(data);
    g_autofree char *path = forge(forgeries[i].head, forgeries[i].from, forgeries[i].to);
    g_autofree char *message = g_strdup_printf("head %s: %s", path, forgeries[i].message);
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_head_load(path, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, message);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/transformer_mil/golden/", cases[i].name, NULL);
        g_autofree char *memory = g_strconcat("/transformer_mil/memory/", cases[i].name, NULL);
        g_autofree char *threads = g_strconcat("/transformer_mil/threads/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], test_golden);
        g_test_add_data_func(threads, &cases[i], test_threads);
        if (cases[i].n_attention > 1 || strcmp(cases[i].name, "monai_att_trans") == 0)
            g_test_add_data_func(memory, &cases[i], test_memory);
    }
    for (guint i = 0; i < G_N_ELEMENTS(forgeries); i++) {
        g_autofree char *path = g_strconcat("/transformer_mil/refused/", forgeries[i].name, NULL);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_forgery);
    }
    return g_test_run();
}

/* Heads that pool the tiles of a bag, against PyTorch (tests/golden/mil_bags_reference.py), and checkpoints and cards that do not fit. */
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

static mt_head *load(const char *name)
{
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
    const char *name, *kind;
    int64_t     n_classes, n_attention, dim;
    bool        heads;
} golden_case;

static const golden_case cases[] = {
    {"dsmil_fclayer", "dsmil", 3, 3, 96, false},
    {"dsmil_iclassifier", "dsmil", 1, 1, 32, false},
    {"dsmil_average", "dsmil", 2, 2, 64, false},
    {"dsmil_millab", "dsmil", 3, 3, 48, false},
    {"dtfd_afs", "dtfd", 2, 1, 16, false},
    {"dtfd_maxs", "dtfd", 2, 1, 16, false},
    {"dtfd_maxmins", "dtfd", 2, 1, 16, false},
    {"dtfd_seeded", "dtfd", 2, 1, 16, false},
    {"multi_head", "multi_head", 3, 4, 32, true},
    {"multi_head_plain", "multi_head", 0, 1, 32, false},
    {"marugoto", "marugoto", 2, 1, 16, false},
    {"mil_fc", "mil_fc", 2, 0, 0, false},
    {"mil_fc_old", "mil_fc", 2, 0, 0, false},
    {"mil_fc_mc", "mil_fc", 3, 0, 0, false},
    {"topk", "topk", 3, 3, 0, false},
    {"noisy_or", "noisy_or", 3, 3, 0, false},
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
    g_autofree char     *path = golden("bags_expected.safetensors");
    g_autoptr(mt_safetensors) expected = mt_safetensors_open(path, NULL);
    g_autoptr(mt_head) head = load(row->name);

    g_assert_cmpstr(mt_head_kind(head), ==, row->kind);
    g_assert_cmpint(mt_head_dim(head), ==, DIM);
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        int64_t n = sizes[i][0], step = sizes[i][1];
        g_autoptr(mt_head_output) one = predict(head, n, 1), two = predict(head, n, 2), four = predict(head, n, 4);
        g_assert_true(one->n == n && one->n_classes == row->n_classes && one->n_attention == row->n_attention && one->dim == row->dim);
        g_assert_true(one->attention_heads == row->heads);
        assert_near(expected, row->name, n, "logits", one->logits, 1, row->n_classes, 1, 1e-4, INFINITY);
        assert_near(expected, row->name, n, "scores", one->scores, 1, row->n_classes, 1, 1e-4, 1e-5);
        assert_near(expected, row->name, n, "embedding", one->embedding, 1, row->dim, 1, 1e-4, INFINITY);
        assert_near(expected, row->name, n, "attention_logits", one->attention_logits, n, row->n_attention, step, 1e-4, INFINITY);
        assert_near(expected, row->name, n, "attention", one->attention, n, row->n_attention, step, 1e-4, 1e-5);
        if (one->tile_scores != NULL && strcmp(row->name, "multi_head") != 0)
            assert_near(expected, row->name, n, "tile_scores", one->tile_scores, n, row->n_classes, step, 1e-4, 1e-5);
        assert_columns_sum_to_one(one);
        assert_same_output(one, two);
        assert_same_output(one, four);
    }
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
    {"dsmil-fcc", "dsmil_fclayer", "\"shape\":[3,3,32]", "\"shape\":[3,32,3]",
     "key 'b_classifier.fcc.weight' has shape 3x32x3: 3x3x32 is wanted"},
    {"dsmil-query", "dsmil_fclayer", "b_classifier.q.2.weight", "b_classifier.q.9.weight", "key 'b_classifier.q.2.weight' is missing"},
    {"dsmil-value", "dsmil_iclassifier", "b_classifier.v.1.bias", "b_classifier.v.9.bias", "key 'b_classifier.v.1.bias' is missing"},
    {"dsmil-left-over", "dsmil_fclayer", "b_classifier.fcc.bias", "b_classifier.fcc.bia_", "key 'b_classifier.fcc.bias' is missing"},
    {"dsmil-norm", "dsmil_millab", "b_classifier.norm.bias", "b_classifier.norm.bia_", "key 'b_classifier.norm.bias' is missing"},
    {"dtfd-attention", "dtfd_afs", "attention.attention_weights.weight\":{\"dtype\":\"F32\",\"shape\":[1,8]",
     "attention.attention_weights.weight\":{\"dtype\":\"F32\",\"shape\":[8,1]",
     "key 'attention.attention_weights.bias' has 1 values, 'attention.attention_weights.weight' has 8 rows"},
    {"dtfd-block", "dtfd_maxs", "resBlocks.0.block.2", "resBlocks.0.block.3", "key 'dim_reduction.resBlocks.0.block.2.weight' is missing"},
    {"dtfd-gate", "dtfd_afs", "\"attention.attention_U.0.bias", "\"attention.attention_U.9.bias",
     "key 'attention.attention_U.0.bias' is missing"},
    {"heads-gate", "multi_head", "gating_layers.3.0.bias", "gating_layers.4.0.bias",
     "key 'image_pooler.gating_layers.3.0.bias' is missing"},
    {"heads-condense", "multi_head", "\"shape\":[32,128]", "\"shape\":[128,32]",
     "key 'image_pooler.condensing_layer.bias' has 32 values, 'image_pooler.condensing_layer.weight' has 128 rows"},
    {"marugoto-norm", "marugoto", "head.1.running_var", "head.1.running_va_", "key 'head.1.running_var' is missing"},
    {"card-k", "topk", "\"k\":\"5\"", "\"k\":\"0\"", "[head] k=0: a whole number from 1 to 1024 is wanted"},
    {"card-average", "dtfd_maxs", "\"distill\":\"maxs\"", "\"average\":\"true\"",
     "the card says average=: a head of kind dtfd has no such thing"},
    {"card-distill", "dtfd_maxs", "\"maxs\"", "\"maxt\"", "[head] distill=maxt: afs, maxs or maxmins is wanted"},
    {"card-repeats", "dtfd_seeded", "\"seed\":\"7\"", "\"k\":   \"7\"",
     "the card says repeats=3 without seed=: groups by stride are the same each time"},
};

static void test_forgery(gconstpointer data)
{
    guint            i = GPOINTER_TO_UINT(data);
    g_autofree char *path = forge(forgeries[i].head, forgeries[i].from, forgeries[i].to);
    bool             card = g_str_has_prefix(forgeries[i].message, "[head]");
    g_autofree char *message = g_strdup_printf("%s %s: %s", card ? "read the metadata of" : "head", path, forgeries[i].message);
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_head_load(path, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, message);
    g_unlink(path);
}

/* DTFD-MIL saves a dict of four state dicts: the head is that of their names with dots. */
static void test_four_dicts(void)
{
    g_autofree char *path = golden("dtfd_four.pt");
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_head) four = mt_head_load(path, &error), flat = load("dtfd_afs");

    g_assert_no_error(error);
    g_assert_cmpstr(mt_head_kind(four), ==, "dtfd");
    g_autoptr(mt_head_output) a = predict(four, 256, 2), b = predict(flat, 256, 2);
    assert_same_output(a, b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/bag_heads/golden/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], test_golden);
    }
    g_test_add_func("/bag_heads/four-dicts", test_four_dicts);
    for (guint i = 0; i < G_N_ELEMENTS(forgeries); i++) {
        g_autofree char *path = g_strconcat("/bag_heads/refused/", forgeries[i].name, NULL);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_forgery);
    }
    return g_test_run();
}

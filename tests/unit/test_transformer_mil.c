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

/* The places of the reference, in level-0 px. */
static bool read_places(void *user, int64_t first, int64_t count, int64_t *xy, GError **error)
{
    (void)user;
    (void)error;
    for (int64_t i = first; i < first + count; i++) {
        *xy++ = i % 71 * 449 + i / 71 % 3 * 100 + 1300;
        *xy++ = i / 71 * 451 + 700;
    }
    return true;
}

static mt_bag bag_of(const float *x, int64_t n)
{
    mt_bag bag = mt_bag_from_memory(x, n, DIM);

    bag.read_coords = read_places;
    bag.coords_width = 2;
    bag.mpp[0] = 0.5;
    bag.mpp[1] = 0.4;
    return bag;
}

/* A golden head beside a card of this text; the folder of the copy stands in *folder. */
static mt_head *load_with_card(const char *file, const char *text, char **folder, GError **error)
{
    g_autofree char *source = golden(file), *bytes = NULL;
    gsize            length = 0;

    *folder = g_dir_make_tmp("mt-carded-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(*folder, strrchr(file, '.') - 1, NULL), *card = g_build_filename(*folder, "H.card", NULL);
    path[strlen(*folder) + 1] = 'H';
    g_assert_true(g_file_get_contents(source, &bytes, &length, NULL) && g_file_set_contents(path, bytes, (gssize)length, NULL) &&
                  g_file_set_contents(card, text, -1, NULL));
    mt_head *head = mt_head_load(path, error);
    g_assert_true(g_unlink(path) == 0 && g_unlink(card) == 0 && g_rmdir(*folder) == 0);
    return head;
}

/* MONAI's modes mean and max are one checkpoint and two cards; two heads only a card can say. */
static const char *const carded[][3] = {
    {"monai_mean", "monai_plain.safetensors", "[head]\nkind=monai_mean\n"},
    {"monai_max", "monai_plain.safetensors", "[head]\nkind=monai_max\n"},
    {"monai_heads", "monai_heads.safetensors", "[head]\nheads=2\n"},
};

static mt_head *load(const char *name)
{
    g_autofree char *file = g_strconcat(name, strcmp(name, "stamp_heads") == 0 ? ".pt" : ".safetensors", NULL), *folder = NULL;
    g_autofree char *path = golden(file);
    g_autoptr(GError) error = NULL;
    mt_head *head = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(carded); i++)
        if (strcmp(carded[i][0], name) == 0)
            head = load_with_card(carded[i][1], carded[i][2], &folder, &error);
    if (head == NULL && error == NULL)
        head = mt_head_load(path, &error);
    g_assert_no_error(error);
    return head;
}

static mt_head_output *predict(const mt_head *head, int64_t n, int threads)
{
    g_autofree float *x = make_features(n);
    mt_bag            bag = bag_of(x, n);
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
    {"transmil", "transmil", "transmil_expected", 3, 8, 32},        {"transmil_millab", "transmil", "transmil_expected", 3, 4, 32},
    {"stamp_vit", "stamp_vit", "transformer_expected", 3, 8, 32},   {"monai_att_trans", "monai_mil", "transformer_expected", 3, 1, 32},
    {"monai_att", "monai_mil", "transformer_expected", 3, 1, 32},   {"monai_mean", "monai_mean", "transformer_expected", 3, 0, 0},
    {"monai_max", "monai_max", "transformer_expected", 3, 0, 0},    {"stamp_alibi", "stamp_vit", "transformer_expected", 3, 4, 32},
    {"stamp_heads", "stamp_vit", "transformer_expected", 3, 4, 32}, {"monai_heads", "monai_mil", "transformer_expected", 3, 1, 32},
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
        if (strcmp(row->kind, "stamp_vit") != 0) /* PyTorch keeps those scores to itself */
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
    mt_bag            bag = bag_of(x, 3000);
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
    {"distant-head", "stamp_alibi", "0.mhsa.query_encoders.3.weight", "0.mhsa.query_encoders.7.weight",
     "layer 'transformer.layers.0' is 32 wide: 3 heads do not divide it"},
    {"distant-value", "stamp_alibi", "1.0.mhsa.value_encoders.2.weight", "1.0.mhsa.value_encoders.9.weight",
     "key 'transformer.layers.1.0.mhsa.value_encoders.2.weight' is missing"},
    {"distant-scale", "stamp_alibi", "0.mhsa.attentions.1.bias_scale", "0.mhsa.attentions.9.bias_scale",
     "key 'transformer.layers.0.0.mhsa.attentions.1.bias_scale' is missing"},
    {"distant-out", "stamp_alibi",
     "layers.0.0.mhsa.fc.weight\":", "layers.0.0.mhsa.fd.weight\":", "key 'transformer.layers.0.0.mhsa.fc.weight' is missing"},
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

/* What a card says of the heads beside what the checkpoint does. */
static const struct {
    const char *name, *file, *card, *message;
} heads[] = {
    {"keyed", "stamp_alibi.safetensors", "heads=8", "the card says heads=8, the keys are of 4 heads"},
    {"noted", "stamp_heads.pt", "heads=2", "the card says heads=2, the checkpoint's hyper_parameters say 4"},
    {"not-dividing", "stamp_vit.safetensors", "heads=5",
     "layer 'transformer.layers.0' is 32 wide: 5 heads do not divide it; a card can say heads="},
    {"without-layers", "monai_att.safetensors", "heads=2",
     "the card says heads=: MONAI's mode att has none, att_trans has (transformer.layers)"},
    {"another-kind", "transmil.safetensors", "heads=8", "the card says heads=: a head of kind transmil has no such thing"},
    {"same-as-keyed", "stamp_alibi.safetensors", "heads=4", NULL},
    {"same-as-noted", "stamp_heads.pt", "heads=4", NULL},
};

static void test_card_heads(gconstpointer data)
{
    guint            i = GPOINTER_TO_UINT(data);
    g_autofree char *card = g_strdup_printf("[head]\n%s\n", heads[i].card), *folder = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_head) head = load_with_card(heads[i].file, card, &folder, &error);

    if (heads[i].message == NULL) {
        g_assert_no_error(error);
        return;
    }
    g_autofree char *message = g_strdup_printf("head %s/H%s: %s", folder, strrchr(heads[i].file, '.'), heads[i].message);
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, message);
}

/* Another number of heads of the same weights is another head: what the card says is obeyed. */
static void test_heads_matter(void)
{
    g_autofree char *folder = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_head) four = load_with_card("stamp_vit.safetensors", "[head]\nheads=4\n", &folder, &error), eight = load("stamp_vit");

    g_assert_no_error(error);
    g_assert_cmpint(mt_head_get_card(four)->heads, ==, 4);
    g_autoptr(mt_head_output) a = predict(four, 7, 1), b = predict(eight, 7, 1);
    g_assert_true(a->n_attention == 4 && b->n_attention == 8);
    g_assert_cmpfloat(fabsf(a->logits[0] - b->logits[0]), >, 1e-3f);
}

/* Of a mean distance that is not above 0. */
static void test_mean_distance(void)
{
    g_autofree char *path = golden("stamp_alibi.safetensors"), *bytes = NULL, *copy = NULL;
    const float      none = 0;
    gsize            length = 0;
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_safetensors) file = mt_safetensors_open(path, NULL);
    size_t at = mt_safetensors_find(file, "model.transformer.layers.1.0.mhsa.attentions.2.scale_distance.running_mean")->begin;
    int    fd = g_file_open_tmp("mt-forged-XXXXXX.safetensors", &copy, NULL);

    g_assert_true(g_file_get_contents(path, &bytes, &length, NULL) && at + sizeof none <= length);
    memcpy(bytes + at, &none, sizeof none);
    g_assert_true(g_close(fd, NULL) && g_file_set_contents(copy, bytes, (gssize)length, NULL));
    g_assert_null(mt_head_load(copy, &error));
    g_autofree char *message = g_strdup_printf("head %s: key 'transformer.layers.1.0.mhsa.attentions.2.scale_distance.running_mean' is 0: "
                                               "the mean distance of the training tiles, more than 0, is wanted",
                                               copy);
    g_assert_cmpstr(error->message, ==, message);
    g_unlink(copy);
}

static void assert_refused_bag(const mt_bag *bag, mt_error code, const char *why)
{
    g_autofree char *path = golden("stamp_alibi.safetensors"), *message = g_strdup_printf("head %s: %s", path, why);
    g_autoptr(mt_head) head = load("stamp_alibi");
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_head_predict(head, bag, NULL, &error));
    g_assert_error(error, MT_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, message);
}

static bool fail_places(void *user, int64_t first, int64_t count, int64_t *xy, GError **error)
{
    (void)user;
    (void)first;
    (void)xy;
    if (count > 0)
        g_set_error_literal(error, MT_ERROR, MT_ERROR_IO, "no place");
    return count == 0;
}

/* Distances are in µm, of a slide: what a bag does not know is asked for. */
static void test_unplaced(void)
{
    g_autofree float *x = make_features(7);
    mt_bag            bag = mt_bag_from_memory(x, 7, DIM), spaceless = bag_of(x, 7), volume = bag_of(x, 7), broken = bag_of(x, 7);

    assert_refused_bag(&bag, MT_ERROR_INPUT, "the place of each tile is wanted, these features come without: use a file with /coords");
    spaceless.mpp[1] = 0;
    assert_refused_bag(&spaceless, MT_ERROR_SPACING,
                       "the place of each tile in µm is wanted, these features do not say the µm/px of level 0: give it with --slide-mpp "
                       "when the case is run");
    volume.coords_width = 3;
    assert_refused_bag(&volume, MT_ERROR_INPUT, "places on a slide are wanted, these features are of a volume");
    broken.read_coords = fail_places;
    assert_refused_bag(&broken, MT_ERROR_IO, "no place");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(heads); i++) {
        g_autofree char *path = g_strconcat("/transformer_mil/card-heads/", heads[i].name, NULL);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_card_heads);
    }
    g_test_add_func("/transformer_mil/heads-matter", test_heads_matter);
    g_test_add_func("/transformer_mil/mean-distance", test_mean_distance);
    g_test_add_func("/transformer_mil/unplaced", test_unplaced);
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

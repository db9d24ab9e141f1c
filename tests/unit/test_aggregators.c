/* Heads of every kind and layout of keys against PyTorch (tests/golden/mil_reference.py), and checkpoints that contradict
 * themselves. */
#include "mil/aggregator.h"
#include "mil/safetensors.h"
#include "src/base/alloc.h"

#include <microtome/head.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define DIM 32

static char           *folder;
static mt_safetensors *expected;

static char *golden(const char *name)
{
    return g_test_build_filename(G_TEST_DIST, "golden", "mil", name, NULL);
}

/* The same numbers as features() of the reference. */
static float *make_features(int64_t n, int64_t dim)
{
    float *x = g_new(float, (gsize)(n * dim));

    for (int64_t i = 0; i < n * dim; i++) {
        uint32_t h = (uint32_t)(i + 1) * 2654435761U;
        h ^= h >> 15;
        h *= 2246822519U;
        h ^= h >> 13;
        x[i] = (float)(h >> 8) * 0x1p-23F - 1;
    }
    return x;
}

static mt_head *load(const char *path)
{
    g_autoptr(GError) error = NULL;
    mt_head *head = mt_head_load(path, &error);

    g_assert_no_error(error);
    return head;
}

static mt_head *load_golden(const char *name)
{
    g_autofree char *file = g_strconcat(name, ".safetensors", NULL), *path = golden(file);

    return load(path);
}

static mt_head_output *predict(const mt_head *head, const float *x, int64_t n, int64_t dim)
{
    g_autoptr(GError) error = NULL;
    mt_bag          bag = mt_bag_from_memory(x, n, dim);
    mt_head_output *output = mt_head_predict(head, &bag, NULL, &error);

    g_assert_no_error(error);
    return output;
}

typedef struct golden_case {
    const char *name, *kind;
    int64_t     n_classes, n_attention, dim; /* of the embedding */
} golden_case;

static const golden_case cases[] = {
    {"ilse_gated", "abmil", 1, 1, 32},
    {"ilse_plain", "abmil", 1, 1, 32},
    {"feather", "abmil", 0, 1, 16},
    {"millab_gated", "abmil", 3, 1, 16},
    {"millab_plain", "abmil", 3, 1, 16},
    {"millab_clam", "clam_sb", 3, 1, 16},
    {"millab_f64", "abmil", 3, 1, 16},
    {"millab_f16", "abmil", 3, 1, 16},
    {"millab_bf16", "abmil", 3, 1, 16},
    {"clam_sb", "clam_sb", 3, 1, 16},
    {"clam_sb_no_dropout", "clam_sb", 3, 1, 16},
    {"clam_sb_parallel", "clam_sb", 3, 1, 16},
    {"clam_sb_plain", "clam_sb", 3, 1, 16},
    {"clam_sb_plain_stripped", "clam_sb", 3, 1, 16},
    {"clam_mb", "clam_mb", 3, 3, 48},
    {"clam_mb_single_linear", "clam_mb", 3, 3, 48},
    {"clam_mb_plain", "clam_mb", 3, 3, 48},
};

/* `got` has all rows, the file every step-th. */
static void assert_near(const char *name, int64_t n, const char *what, const float *got, int64_t rows, int64_t width, int64_t step,
                        double relative, double absolute)
{
    g_autofree char *key = g_strdup_printf("%s/%" G_GINT64_FORMAT "/%s", name, n, what);
    g_autoptr(GError) error = NULL;
    const mt_safetensors_entry *entry = mt_safetensors_find(expected, key);

    g_assert_nonnull(entry);
    g_autoptr(mt_tensor) tensor = mt_safetensors_read(expected, entry, &error);
    g_assert_no_error(error);
    const float *wanted = tensor->data;
    double       difference = 0, norm = 0;
    g_assert_cmpint(mt_tensor_count(tensor), ==, (rows + step - 1) / step * width);
    for (int64_t i = 0; i < mt_tensor_count(tensor); i++) {
        double d = got[i / width * step * width + i % width] - wanted[i];
        g_assert_true(fabs(d) <= absolute);
        difference += d * d;
        norm += (double)wanted[i] * wanted[i];
    }
    g_assert_true(sqrt(difference) <= relative * sqrt(norm));
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

static void assert_scores(const mt_head_output *output)
{
    double sum = 0;

    for (int64_t c = 0; c < output->n_classes; c++)
        sum += output->scores[c];
    if (output->n_classes == 1) /* sigmoid */
        g_assert_cmpfloat_with_epsilon(output->scores[0], 1 / (1 + exp(-output->logits[0])), 1e-6);
    else
        g_assert_cmpfloat_with_epsilon(sum, 1, 1e-6);
}

static void check_bag_of(const golden_case *row, const mt_head *head, int64_t n, int64_t step)
{
    g_autofree float *x = make_features(n, DIM);
    g_autoptr(mt_head_output) output = predict(head, x, n, DIM);

    g_assert_true(output->n == n && output->n_classes == row->n_classes && output->n_attention == row->n_attention &&
                  output->dim == row->dim);
    assert_near(row->name, n, "embedding", output->embedding, 1, row->dim, 1, 1e-4, INFINITY);
    assert_near(row->name, n, "attention_logits", output->attention_logits, n, row->n_attention, step, 1e-4, INFINITY);
    assert_near(row->name, n, "attention", output->attention, n, row->n_attention, step, 1e-4, 1e-5);
    assert_columns_sum_to_one(output);
    if (row->n_classes == 0) {
        g_assert_true(output->logits == NULL && output->scores == NULL && output->tile_scores == NULL);
        return;
    }
    assert_near(row->name, n, "logits", output->logits, 1, row->n_classes, 1, 1e-4, INFINITY);
    assert_scores(output);
    /* the tile scores of the reference: its logits, this activation */
    g_autofree char *key = g_strdup_printf("%s/%" G_GINT64_FORMAT "/tile_logits", row->name, n);
    g_autoptr(mt_tensor) logits = mt_safetensors_read(expected, mt_safetensors_find(expected, key), NULL);
    for (int64_t i = 0; i < mt_tensor_count(logits); i += row->n_classes) {
        const float *l = (const float *)logits->data + i, *got = output->tile_scores + i * step;
        double       sum = 0;
        for (int64_t c = 0; c < row->n_classes; c++)
            sum += exp(l[c]);
        for (int64_t c = 0; c < row->n_classes; c++)
            g_assert_cmpfloat_with_epsilon(got[c], row->n_classes == 1 ? 1 / (1 + exp(-l[c])) : exp(l[c]) / sum, 1e-5);
    }
}

static void test_golden(gconstpointer data)
{
    static const int64_t sizes[][2] = {{1, 1}, {7, 1}, {256, 8}, {5000, 50}};
    const golden_case   *row = data;
    g_autoptr(mt_head) head = load_golden(row->name);

    g_assert_cmpstr(mt_head_kind(head), ==, row->kind);
    g_assert_cmpint(mt_head_dim(head), ==, DIM);
    g_assert_cmpint(strlen(mt_head_sha256(head)), ==, 64);
    g_assert_false(mt_head_get_card(head)->has_card);
    g_assert_cmpint(g_strv_length(mt_head_get_card(head)->labels), ==, row->n_classes);
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
        check_bag_of(row, head, sizes[i][0], sizes[i][1]);
}

typedef struct reader {
    const float *x;
    int64_t      next, largest;
} reader;

static bool read_in_order(void *user, int64_t first, int64_t count, float *out, GError **error)
{
    reader *self = user;
    (void)error;
    g_assert_cmpint(first, ==, self->next);
    self->next += count;
    self->largest = MAX(self->largest, count);
    memcpy(out, self->x + first * DIM, (size_t)count * DIM * sizeof(float));
    return true;
}

static void assert_same(const mt_head_output *a, const mt_head_output *b)
{
    size_t c = (size_t)a->n_classes, nk = (size_t)(a->n * a->n_attention);

    g_assert_cmpmem(a->logits, c * 4, b->logits, c * 4);
    g_assert_cmpmem(a->attention, nk * 4, b->attention, nk * 4);
    g_assert_cmpmem(a->embedding, (size_t)a->dim * 4, b->embedding, (size_t)b->dim * 4);
    g_assert_cmpmem(a->tile_scores, (size_t)a->n * c * 4, b->tile_scores, (size_t)b->n * c * 4);
}

/* The bag is read once, in order, in blocks. */
static void test_streams(void)
{
    const int64_t     n = 3 * 1024 + 5;
    g_autofree float *x = make_features(n, DIM);
    g_autoptr(mt_head) head = load_golden("clam_mb");
    reader self = {.x = x};
    mt_bag bag = {.n = n, .dim = DIM, .read = read_in_order, .user = &self};
    g_autoptr(GError) error = NULL;

    g_autoptr(mt_head_output) streamed = mt_head_predict(head, &bag, NULL, &error), whole = predict(head, x, n, DIM);
    g_assert_no_error(error);
    g_assert_cmpint(self.next, ==, n);
    g_assert_cmpint(self.largest, <=, 4096);
    assert_same(streamed, whole);
}

/* Blocks of rows are the same whoever computes them, and are summed in their order. */
static void test_threads_of_a_bag(void)
{
    const int64_t     n = 5 * 1024 + 3;
    g_autofree float *x = make_features(n, DIM);
    mt_bag            bag = mt_bag_from_memory(x, n, DIM);

    for (int i = 0; i < 2; i++) {
        g_autoptr(mt_head) head = load_golden(i == 0 ? "clam_mb" : "ilse_gated");
        g_autoptr(mt_head_output) alone = predict(head, x, n, DIM);
        for (int threads = 2; threads <= 8; threads *= 2) {
            g_autoptr(GError) error = NULL;
            g_autoptr(mt_head_output) output = mt_head_predict(head, &bag, &(mt_head_options){.threads = threads}, &error);
            g_assert_no_error(error);
            assert_same(output, alone);
        }
    }
}

/* Tiles in another order give the same prediction up to rounding, and their attention moves with them. */
static void test_order(void)
{
    const int64_t     n = 2500;
    g_autofree float *x = make_features(n, DIM), *y = g_new(float, (gsize)(n * DIM));
    g_autoptr(mt_head) head = load_golden("clam_sb");
    g_autoptr(mt_head_output) a = predict(head, x, n, DIM);

    for (int64_t i = 0; i < n; i++)
        memcpy(y + i * DIM, x + (n - 1 - i) * DIM, DIM * sizeof(float));
    g_autoptr(mt_head_output) b = predict(head, y, n, DIM);
    for (int64_t c = 0; c < a->n_classes; c++)
        g_assert_cmpfloat_with_epsilon(a->logits[c], b->logits[c], 1e-5);
    for (int64_t i = 0; i < n; i++)
        g_assert_cmpfloat_with_epsilon(a->attention[i], b->attention[n - 1 - i], 1e-6);
}

typedef struct shared_head {
    const mt_head *head;
    const float   *x;
    int64_t        n;
} shared_head;

static gpointer predict_in_thread(gpointer data)
{
    const shared_head *self = data;

    return predict(self->head, self->x, self->n, DIM);
}

static void test_threads_share_a_head(void)
{
    const int64_t     n = 1500;
    g_autofree float *x = make_features(n, DIM);
    g_autoptr(mt_head) head = load_golden("millab_gated");
    shared_head shared = {head, x, n};
    g_autoptr(mt_head_output) alone = predict(head, x, n, DIM);
    GThread *threads[4];

    for (int i = 0; i < 4; i++)
        threads[i] = g_thread_new("predict", predict_in_thread, &shared);
    for (int i = 0; i < 4; i++) {
        g_autoptr(mt_head_output) output = g_thread_join(threads[i]);
        assert_same(output, alone);
    }
}

static void test_mean_max(void)
{
    const int64_t     n = 2049;
    g_autofree float *x = make_features(n, 3);
    g_autoptr(mt_head) mean = load("mean"), max = load("max");
    g_autoptr(mt_head_output) a = predict(mean, x, n, 3), b = predict(max, x, n, 3);

    g_assert_cmpstr(mt_head_kind(mean), ==, "mean");
    g_assert_cmpstr(mt_head_kind(max), ==, "max");
    g_assert_cmpstr(mt_head_sha256(max), ==, "");
    g_assert_cmpint(mt_head_dim(mean), ==, -1);
    g_assert_true(a->dim == 3 && b->dim == 3 && a->n_classes == 0 && a->n_attention == 0 && a->attention == NULL && a->scores == NULL);
    g_assert_nonnull(mt_head_get_card(mean)->labels);
    for (int j = 0; j < 3; j++) {
        double sum = 0, top = -1;
        for (int64_t i = 0; i < n; i++) {
            sum += x[i * 3 + j];
            top = fmax(top, x[i * 3 + j]);
        }
        g_assert_cmpfloat(a->embedding[j], ==, (float)(sum / (double)n));
        g_assert_cmpfloat(b->embedding[j], ==, (float)top);
    }
}

static void assert_predict_fails(const char *name, float *x, int64_t n, int64_t dim, int code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *file = g_strconcat(name, ".safetensors", NULL), *path = strlen(name) > 4 ? golden(file) : g_strdup(name);
    g_autofree char *whole = g_strdup_printf("head %s%s", path, message);
    g_autoptr(mt_head) head = load(path);
    mt_bag bag = mt_bag_from_memory(x, n, dim);
    g_autoptr(mt_head_output) output = mt_head_predict(head, &bag, NULL, &error);

    g_assert_null(output);
    g_assert_error(error, MT_ERROR, code);
    g_assert_cmpstr(error->message, ==, whole);
}

static void test_bad_bags(void)
{
    g_autofree float *x = make_features(9, DIM);

    assert_predict_fails("clam_sb", x, 0, DIM, MT_ERROR_INPUT, ": the bag is empty, there is no tile to aggregate");
    assert_predict_fails("mean", x, 0, DIM, MT_ERROR_INPUT, ": the bag is empty, there is no tile to aggregate");
    assert_predict_fails("clam_sb", x, 2, 64, MT_ERROR_MODEL, " takes 32 features per tile, these have 64: use the head's own encoder");
    x[5 * DIM + 3] = NAN;
    assert_predict_fails("clam_sb", x, 9, DIM, MT_ERROR_MODEL, ": feature 3 of tile 5 is not finite");
    assert_predict_fails("mean", x, 9, DIM, MT_ERROR_MODEL, ": feature 3 of tile 5 is not finite");
    assert_predict_fails("max", x, 9, DIM, MT_ERROR_MODEL, ": feature 3 of tile 5 is not finite");
    x[5 * DIM + 3] = INFINITY;
    assert_predict_fails("max", x, 9, DIM, MT_ERROR_MODEL, ": feature 3 of tile 5 is not finite");
}

static bool read_fails(void *user, int64_t first, int64_t count, float *out, GError **error)
{
    (void)user;
    (void)count;
    (void)out;
    g_set_error(error, MT_ERROR, MT_ERROR_IO, "row %d is gone", (int)first);
    return false;
}

static void test_reader_fails(void)
{
    const char *names[] = {"mean", "max", "clam_mb"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(mt_head) head = i < 2 ? load(names[i]) : load_golden(names[i]);
        g_autoptr(GError) error = NULL;
        mt_bag bag = {.n = 5000, .dim = DIM, .read = read_fails};
        g_autoptr(mt_head_output) output = mt_head_predict(head, &bag, NULL, &error);
        g_assert_null(output);
        g_assert_error(error, MT_ERROR, MT_ERROR_IO);
        g_assert_true(g_str_has_suffix(error->message, "row 0 is gone"));
    }
}

/* Each allocation of a load and a prediction fails once: one clear error, nothing lost; done when all succeed. */
static void test_out_of_memory(gconstpointer data)
{
    g_autofree char  *file = g_strconcat(data, ".safetensors", NULL), *path = strlen(data) > 4 ? golden(file) : g_strdup(data);
    g_autofree float *x = make_features(1030, DIM);
    mt_bag            bag = mt_bag_from_memory(x, 1030, DIM);

    for (int64_t k = 1, done = 0; !done; k++) {
        g_autoptr(GError) error = NULL;
        g_assert_cmpint(k, <, 1000);
        mt_alloc_fail_at(k);
        g_autoptr(mt_head) head = mt_head_load(path, &error);
        g_autoptr(mt_head_output) output = head != NULL ? mt_head_predict(head, &bag, NULL, &error) : NULL;
        mt_alloc_fail_at(0);
        if (output == NULL)
            g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
        else
            done = 1;
        g_assert_true(k > 1 || output == NULL);
    }
}

static void test_bag(void)
{
    const float x[] = {0, 1, 2, 3, 4, 5};
    float       out[4] = {0};
    mt_bag      bag = mt_bag_from_memory(x, 3, 2);
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_bag_read(&bag, 1, 2, out, &error));
    g_assert_cmpmem(out, 16, x + 2, 16);
    g_assert_true(mt_bag_read(&bag, 3, 0, NULL, &error));
    g_assert_false(mt_bag_read(&bag, 2, 2, out, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_assert_cmpstr(error->message, ==, "read rows 2 to 3 of a bag: it has 3 rows");
}

/* A checkpoint of zeros from "key rows columns, key rows" (columns 0: a vector). */
static char *write_head(const char *keys)
{
    g_autoptr(GString) header = g_string_new("{");
    g_autoptr(GByteArray) file = g_byte_array_new();
    g_auto(GStrv) list = g_strsplit(keys, ", ", -1);
    int64_t at = 0;

    for (char **item = list; *item != NULL; item++) {
        char key[128];
        int  rows = 0, columns = 0;
        g_assert_cmpint(sscanf(*item, "%127s %d %d", key, &rows, &columns), >=, 2);
        int64_t          end = at + (int64_t)rows * (columns > 0 ? columns : 1) * 4;
        g_autofree char *shape = columns > 0 ? g_strdup_printf("%d,%d", rows, columns) : g_strdup_printf("%d", rows);
        g_string_append_printf(header, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%d,%d]}", at > 0 ? "," : "", key,
                               shape, (int)at, (int)end);
        at = end;
    }
    g_string_append_c(header, '}');
    uint64_t length = GUINT64_TO_LE(header->len);
    g_byte_array_append(file, (const guint8 *)&length, 8);
    g_byte_array_append(file, (const guint8 *)header->str, (guint)header->len);
    g_byte_array_set_size(file, file->len + (guint)at);
    memset(file->data + file->len - at, 0, (size_t)at);
    char *path = g_build_filename(folder, "head.safetensors", NULL);
    g_assert_true(g_file_set_contents(path, (const char *)file->data, (gssize)file->len, NULL));
    return path;
}

#define LINEAR(key, out, in) key ".weight " #out " " #in ", " key ".bias " #out
#define CLAM_FIRST LINEAR("attention_net.0", 16, 32) ", " LINEAR("attention_net.3.attention_a.0", 8, 16)
#define CLAM(k) CLAM_FIRST ", " LINEAR("attention_net.3.attention_b.0", 8, 16) ", " LINEAR("attention_net.3.attention_c", k, 8)

static const struct {
    const char *name, *keys, *message;
} contradictions[] = {
    {"nothing-known", LINEAR("encoder.0", 4, 4) ", " LINEAR("head", 2, 4) ", x 1",
     "no aggregator knows its keys (encoder.0.weight, encoder.0.bias, head.weight, head.bias and 1 more); known are: AGGREGATORS"},
    {"tanh-branch-width",
     LINEAR("attention_net.0", 16, 32) ", " LINEAR("attention_net.3.attention_a.0", 8, 15) ", " LINEAR("attention_net.3.attention_c", 1, 8),
     "key 'attention_net.3.attention_a.0.weight' has shape 8x15: 16 columns are wanted ('attention_net.0.weight' has shape 16x32)"},
    {"gate-missing", CLAM_FIRST ", " LINEAR("attention_net.3.attention_c", 1, 8), "key 'attention_net.3.attention_b.0.weight' is missing"},
    {"gate-rows", CLAM_FIRST ", " LINEAR("attention_net.3.attention_b.0", 9, 16) ", " LINEAR("attention_net.3.attention_c", 1, 8),
     "key 'attention_net.3.attention_b.0.weight' has shape 9x16: 8 rows are wanted ('attention_net.3.attention_a.0.weight' has shape "
     "8x16)"},
    {"logits-width", CLAM_FIRST ", " LINEAR("attention_net.3.attention_b.0", 8, 16) ", " LINEAR("attention_net.3.attention_c", 1, 7),
     "key 'attention_net.3.attention_c.weight' has shape 1x7: 8 columns are wanted ('attention_net.3.attention_a.0.weight' has shape "
     "8x16)"},
    {"classifier-missing", CLAM(1), "key 'classifiers.weight' is missing"},
    {"classifier-width", CLAM(1) ", " LINEAR("classifiers", 2, 17),
     "key 'classifiers.weight' has shape 2x17: 16 columns are wanted ('attention_net.3.attention_a.0.weight' has shape 8x16)"},
    {"bias-missing", CLAM(1) ", classifiers.weight 2 16", "key 'classifiers.bias' is missing"},
    {"bias-length", CLAM(1) ", classifiers.weight 2 16, classifiers.bias 3",
     "key 'classifiers.bias' has 3 values, 'classifiers.weight' has 2 rows"},
    {"bias-a-matrix", CLAM(1) ", classifiers.weight 2 16, classifiers.bias 2 1",
     "key 'classifiers.bias' has shape 2x1: a vector with values is wanted"},
    {"weight-a-vector", CLAM(1) ", classifiers.weight 32, classifiers.bias 2",
     "key 'classifiers.weight' has shape 32: a matrix with values is wanted"},
    {"weight-empty", CLAM(1) ", classifiers.weight 0 16, classifiers.bias 0",
     "key 'classifiers.weight' has shape 0x16: a matrix with values is wanted"},
    {"branch-without-class", CLAM(3) ", " LINEAR("classifiers.0", 1, 16) ", " LINEAR("classifiers.1", 1, 16),
     "key 'classifiers.2.weight' is missing"},
    {"class-without-branch",
     CLAM(2) ", " LINEAR("classifiers.0", 1, 16) ", " LINEAR("classifiers.1", 1, 16) ", " LINEAR("classifiers.2", 1, 16),
     "key 'classifiers.2.weight' has no place in clam_mb: its weights would be ignored"},
    {"class-of-two-rows", CLAM(2) ", " LINEAR("classifiers.0", 1, 16) ", " LINEAR("classifiers.1", 2, 16),
     "key 'classifiers.1.weight' has shape 2x16: 1 rows are wanted ('attention_net.3.attention_a.0.weight' has shape 8x16)"},
    {"single-linear-of-other-classes", CLAM(2) ", " LINEAR("classifiers", 3, 16),
     "key 'classifiers.weight' has shape 3x16: 2 rows are wanted ('attention_net.3.attention_c.weight' has shape 2x8)"},
    {"two-branches-in-abmil", LINEAR("attention.0", 8, 32) ", " LINEAR("attention.2", 2, 8) ", " LINEAR("classifier.0", 1, 32),
     "key 'attention.2.weight' has shape 2x8: abmil has one attention branch"},
    {"weights-left-over", LINEAR("attention.0", 8, 32) ", " LINEAR("attention.2", 1, 8) ", " LINEAR("feature_extractor_part2.0", 32, 800),
     "key 'feature_extractor_part2.0.weight' has no place in abmil: its weights would be ignored"},
    {"one-key-twice", LINEAR("model.attention.0", 8, 32) ", " LINEAR("attention.0", 8, 32),
     "keys 'model.attention.0.weight' and 'attention.0.weight' are both 'attention.0.weight'"},
};

static void test_contradiction(gconstpointer data)
{
    guint            i = GPOINTER_TO_UINT(data);
    g_autofree char *path = write_head(contradictions[i].keys);
    g_autofree char *known = mt_aggregator_names();
    g_auto(GStrv) parts = g_strsplit(contradictions[i].message, "AGGREGATORS", -1);
    g_autofree char *text = g_strjoinv(known, parts), *message = g_strdup_printf("head %s: %s", path, text);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_head) head = mt_head_load(path, &error);

    g_assert_null(head);
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, message);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autofree char *path = golden("expected.safetensors");
    folder = g_dir_make_tmp("mt-aggregators-XXXXXX", NULL);
    expected = mt_safetensors_open(path, NULL);
    g_assert_nonnull(expected);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strdup_printf("/aggregators/golden/%s", cases[i].name);
        g_test_add_data_func(name, &cases[i], test_golden);
    }
    for (guint i = 0; i < G_N_ELEMENTS(contradictions); i++) {
        g_autofree char *name = g_strdup_printf("/aggregators/contradiction/%s", contradictions[i].name);
        g_test_add_data_func(name, GUINT_TO_POINTER(i), test_contradiction);
    }
    g_test_add_func("/aggregators/streams", test_streams);
    g_test_add_func("/aggregators/order", test_order);
    g_test_add_func("/aggregators/threads-share-a-head", test_threads_share_a_head);
    g_test_add_func("/aggregators/threads-of-a-bag", test_threads_of_a_bag);
    g_test_add_func("/aggregators/mean-max", test_mean_max);
    g_test_add_func("/aggregators/bad-bags", test_bad_bags);
    g_test_add_func("/aggregators/reader-fails", test_reader_fails);
    g_test_add_data_func("/aggregators/out-of-memory/clam_mb", "clam_mb", test_out_of_memory);
    g_test_add_data_func("/aggregators/out-of-memory/ilse_gated", "ilse_gated", test_out_of_memory);
    g_test_add_data_func("/aggregators/out-of-memory/mean", "mean", test_out_of_memory);
    g_test_add_data_func("/aggregators/out-of-memory/max", "max", test_out_of_memory);
    g_test_add_func("/bag/read", test_bag);
    int result = g_test_run();
    mt_safetensors_free(expected);
    g_rmdir(folder);
    g_free(folder);
    return result;
}

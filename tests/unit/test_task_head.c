/* Heads of tasks, against NumPy and PyTorch (task_reference.py), and what does not fit together. */
#include "mil/safetensors_writer.h"

#include <microtome/head.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "tests/unit/task_expected.h"

#define TILES 7
#define CLASSES 3
#define DIM 16

static char *folder;

/* The same numbers as values() of the reference. */
static void made(float *x, int64_t n, double scale, double shift)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t h = (uint32_t)(i + 1) * 2654435761U;
        h ^= h >> 15;
        h *= 2246822519U;
        h ^= h >> 13;
        x[i] = (float)(((double)(h >> 8) * 0x1p-23 - 1) * scale + shift);
    }
}

static mt_head *load(const char *name, int64_t dim, const char *card)
{
    const mt_head_task task = {.name = name, .dim = dim, .card = card};
    g_autoptr(GError) error = NULL;
    mt_head *head = mt_head_load_task("model.onnx", &task, &error);

    g_assert_no_error(error);
    return head;
}

static mt_head_output *predict(const mt_head *head, const float *x, int64_t n, int64_t dim)
{
    mt_bag bag = mt_bag_from_memory(x, n, dim);
    g_autoptr(GError) error = NULL;
    mt_head_output *output = mt_head_predict(head, &bag, NULL, &error);

    g_assert_no_error(error);
    return output;
}

static void near(const float *got, const double *wanted, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        g_assert_cmpfloat_with_epsilon(got[i], wanted[i], 1e-5);
}

static void test_rules(void)
{
    static const struct {
        const char   *card;
        const double *scores;
    } cases[] = {
        {"[head]\nlabels=a;b;c\n", soft_mean},
        {"[head]\nlabels=a;b;c\npositive=c\ncombine=max\n", soft_max_positive_2},
        {"[head]\ncombine=max\nactivation=softmax\n", soft_max_any},
        {"[head]\ncombine=top-k\nk=3\nactivation=softmax\n", soft_topk_3},
        {"[head]\nactivation=softmax\ntemperature=1.7\n", soft_temperature},
        {"[head]\nactivation=sigmoid\n", sig_max},
        {"[head]\nactivation=sigmoid\ncombine=mean\n", sig_mean},
        {"[head]\nactivation=sigmoid\ncombine=noisy-or\n", sig_noisy_or},
        {"[head]\nactivation=sigmoid\ncombine=top-k\nk=3\n", sig_topk_3},
        {"[head]\nactivation=sigmoid\nop_norm=0.07;0.97;-\n", sig_op_norm},
    };
    float x[TILES * CLASSES];

    made(x, TILES * CLASSES, 3, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(mt_head) head = load("classify", CLASSES, cases[i].card);
        g_autoptr(mt_head_output) output = predict(head, x, TILES, CLASSES);
        near(output->scores, cases[i].scores, CLASSES);
        g_assert_cmpint(output->n_attention, ==, 0);
        g_assert_nonnull(output->tile_scores);
        g_assert_cmpint(strlen(mt_head_sha256(head)), ==, 64);
    }
    g_autoptr(mt_head) head = load("tiles", CLASSES, cases[0].card);
    g_autoptr(mt_head_output) output = predict(head, x, TILES, CLASSES);
    g_assert_cmpstr(mt_head_kind(head), ==, "tiles");
    near(output->tile_scores, soft_tiles, TILES * CLASSES);
}

/* One picture: its own scores, whatever the rule; grades; outputs that are probabilities already. */
static void test_forms(void)
{
    float x[TILES * CLASSES], one[] = {2, 0.5F, -1};
    g_autoptr(mt_head) grades = load("classify", 3, "[head]\nactivation=ordinal\nlabels=0;1;2;3\npositive=3\nthreshold=0.2\n");
    g_autoptr(mt_head_output) grade = predict(grades, one, 1, 3);
    g_autoptr(mt_head) soft = load("classify", 3, "[head]\nactivation=softmax\nprobabilities=true\n");
    g_autoptr(mt_head) none = load("classify", 3, "[head]\nactivation=none\n");

    g_assert_cmpint(grade->n_classes, ==, 4);
    near(grade->scores, ordinal_one, 4);
    for (int i = 0; i < TILES * CLASSES; i++)
        x[i] = (float)soft_tiles[i];
    g_autoptr(mt_head_output) mean = predict(soft, x, TILES, CLASSES), single = predict(none, x, 1, CLASSES);
    near(mean->scores, soft_probabilities_mean, CLASSES);
    near(mean->tile_scores, soft_tiles, TILES * CLASSES);
    near(single->scores, soft_tiles, CLASSES);
    g_assert_cmpstr(mt_head_get_card(none)->labels[2], ==, "class_2");
}

static void test_thresholds(void)
{
    g_autoptr(mt_head) head = load("classify", 3, "[head]\nlabels=a;b;c\nactivation=sigmoid\npositive=b\nthresholds=0.2;0.3;-\n");
    const mt_head_card *card = mt_head_get_card(head);

    g_assert_cmpfloat(card->threshold, ==, 0.3);
    g_assert_cmpint(card->n_thresholds, ==, 3);
    g_assert_true(isnan(card->thresholds[2]));
    g_assert_cmpstr(card->combine, ==, "max");
}

/* The card beside a model speaks of both: what it takes, and what its outputs are. */
static void test_model_card(void)
{
    g_autofree char *model = g_build_filename(folder, "chest.onnx", NULL), *card = g_build_filename(folder, "chest.card", NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(card, "[encoder]\nvalue=rgb8\nmean=0\nstd=1\n[head]\nlabels=a;b\nactivation=sigmoid\n", -1, NULL);
    g_autoptr(mt_head) head = mt_head_load_task(model, &(mt_head_task){.name = "classify", .dim = 2, .combine = "noisy-or"}, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(mt_head_get_card(head)->labels[1], ==, "b");
    g_assert_cmpstr(mt_head_get_card(head)->combine, ==, "noisy-or");
    g_remove(card);
}

static void refuse(const char *path, mt_head_task task, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_head_load_task(path, &task, &error));
    g_auto(GStrv) parts = g_strsplit(error->message, folder, -1);
    g_autofree char *told = g_strjoinv("@", parts);
    g_assert_cmpstr(told, ==, message);
}

static void test_refusals(void)
{
    static const struct {
        const char *card, *message;
    } cases[] = {
        {"[head]\nlabels=a;b\n", "the card names 2 labels, the head has 3 classes"},
        {"[head]\nactivation=softmax\ncombine=noisy-or\n",
         "combine=noisy-or: noisy-or is of findings, each by itself: activation=sigmoid is wanted"},
        {"[head]\nk=3\n", "combine=mean: k is of top-k alone"},
        {"[head]\ncombine=vote\n", "combine=vote: max, mean, noisy-or or top-k is wanted"},
        {"[head]\nop_norm=0.5;0.5;0.5\n", "op_norm is of findings, each by itself: activation=sigmoid or none is wanted"},
        {"[head]\nactivation=sigmoid\nop_norm=0.5\n", "the card gives 1 numbers for op_norm, it has 3 labels"},
        {"[head]\nactivation=sigmoid\nthresholds=0.5;1;0.5\n",
         "read model.onnx: [head] thresholds=..1..: a number between 0 and 1 for each label is wanted, - for none"},
        {"[head]\nactivation=ordinal\nprobabilities=true\n", "probabilities=true with activation=ordinal: softmax or sigmoid is wanted"},
        {"[head]\nkind=clam_sb\n", "the card says kind=clam_sb, the head is classify"},
        {"[head]\nreference=r.safetensors\n", "the card names a reference, which is of features: task embed has one"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *message = g_strconcat("task classify of model.onnx: ", cases[i].message, NULL);
        refuse("model.onnx", (mt_head_task){.name = "classify", .dim = 3, .card = cases[i].card}, message);
    }
    refuse("model.onnx", (mt_head_task){.name = "segment", .dim = 3},
           "prepare the task segment: classify, tiles, zero-shot or embed is wanted");
    refuse("model.onnx", (mt_head_task){.name = "embed", .dim = 3},
           "task embed of model.onnx: no reference is named: give [head] reference=, a folder of normal cases' features or FILE.safetensors");
    g_autoptr(mt_head) none = load("classify", 3, "[head]\nactivation=none\n");
    mt_bag bag = mt_bag_from_memory((const float[]){0.5F, 1.5F, 0}, 1, 3);
    g_autoptr(GError) error = NULL;
    g_assert_null(mt_head_predict(none, &bag, NULL, &error));
    g_assert_cmpstr(error->message, ==,
                    "head model.onnx: output 1 of a tile is 1.5 and the card says that outputs are probabilities: name the activation");
}

static char *write_text(const char *name, const float *values, int rank, const int64_t *shape, const char *const *metadata)
{
    char *path = g_build_filename(folder, name, NULL);
    g_autoptr(mt_tensor) text = mt_tensor_new_view(MT_F32, rank, shape, (void *)(uintptr_t)values, NULL);
    g_autoptr(GError) error = NULL;

    if (g_str_has_suffix(name, ".npy"))
        mt_tensor_write_npy(text, path, &error);
    else
        mt_safetensors_write(path, &(mt_named_tensor){"embeddings", text}, 1, metadata, &error);
    g_assert_no_error(error);
    return path;
}

static void test_zero_shot(void)
{
    float x[TILES * DIM], text[4 * CLASSES * DIM];
    const char *const metadata[] = {"labels", "normal;tumour;other", "logit_scale", "20", NULL};
    g_autoptr(GError) error = NULL;

    made(x, TILES * DIM, 1, 0);
    made(text, 4 * CLASSES * DIM, 1, 0.25);
    g_autofree char *prompts = write_text("prompts.safetensors", text, 3, (int64_t[]){4, CLASSES, DIM}, metadata);
    g_autoptr(mt_head) ensemble = mt_head_load_task(prompts, &(mt_head_task){.name = "zero-shot", .dim = DIM}, &error);
    g_assert_no_error(error);
    g_autoptr(mt_head_output) output = predict(ensemble, x, TILES, DIM);
    near(output->tile_scores, zero_tiles, TILES * CLASSES);
    near(output->scores, zero_mean, CLASSES);
    g_assert_cmpstr(mt_head_get_card(ensemble)->labels[1], ==, "tumour");
    g_autoptr(mt_head) pooled =
        mt_head_load_task(prompts, &(mt_head_task){.name = "zero-shot", .dim = DIM, .combine = "top-k", .k = 2}, &error);
    g_assert_no_error(error);
    g_autoptr(mt_head_output) top = predict(pooled, x, TILES, DIM);
    near(top->scores, zero_topj_2, CLASSES);
    g_assert_cmpstr(mt_head_sha256(pooled), !=, mt_head_sha256(ensemble));

    g_autofree char *npy = write_text("single.npy", text, 2, (int64_t[]){CLASSES, DIM}, NULL);
    g_autofree char *card = g_build_filename(folder, "single.card", NULL);
    refuse(npy, (mt_head_task){.name = "zero-shot", .dim = DIM},
           "head @/single.npy: neither metadata nor card says logit_scale (of CLIP 100, the exponential of its parameter) or temperature");
    g_file_set_contents(card, "[head]\ntemperature=0.05\nlabels=a;b;c\n", -1, NULL);
    g_autoptr(mt_head) single = mt_head_load_task(npy, &(mt_head_task){.name = "zero-shot", .dim = DIM}, &error);
    g_assert_no_error(error);
    g_autoptr(mt_head_output) plain = predict(single, x, TILES, DIM);
    near(plain->scores, zero_single, CLASSES);
    refuse(npy, (mt_head_task){.name = "zero-shot", .dim = 8},
           "head @/single.npy: text embeddings of 16 numbers, the encoder gives 8: text and image tower must be of one model");
    memset(text + DIM, 0, DIM * sizeof(float));
    g_autofree char *empty = write_text("empty.safetensors", text, 2, (int64_t[]){CLASSES, DIM}, metadata);
    refuse(empty, (mt_head_task){.name = "zero-shot", .dim = DIM},
           "head @/empty.safetensors: the text embedding of class 1 has no direction");
    refuse("words.txt", (mt_head_task){.name = "zero-shot", .dim = DIM},
           "head words.txt: text embeddings are FILE.safetensors or FILE.npy");
    g_autofree char *flat = write_text("flat.npy", text, 1, (int64_t[]){DIM}, NULL);
    refuse(flat, (mt_head_task){.name = "zero-shot", .dim = DIM},
           "head @/flat.npy: text embeddings of float32 16: float32 (C,D), or (P,C,D) of P prompts, is wanted");
    char *const files[] = {prompts, npy, card, empty, flat};
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
        g_remove(files[i]);
}

static int rising(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static void test_embed(void)
{
    float            mean[4] = {0}, inverse[4] = {1, 1, 1, 1}, quantile = 1, distances[20];
    const float      tested[] = {0, 0.01F, 0.5F, 0.999F, 2};
    g_autofree char *path = g_build_filename(folder, "normal.safetensors", NULL);
    g_autoptr(GError) error = NULL;

    made(distances, 20, 1, 0);
    for (int i = 0; i < 20; i++)
        distances[i] = fabsf(distances[i]);
    qsort(distances, 20, sizeof(float), rising);
    g_autoptr(mt_tensor) m = mt_tensor_new_view(MT_F32, 1, (int64_t[]){4}, mean, NULL);
    g_autoptr(mt_tensor) i = mt_tensor_new_view(MT_F32, 1, (int64_t[]){4}, inverse, NULL);
    g_autoptr(mt_tensor) q = mt_tensor_new_view(MT_F32, 1, (int64_t[]){1}, &quantile, NULL);
    g_autoptr(mt_tensor) d = mt_tensor_new_view(MT_F32, 1, (int64_t[]){20}, distances, NULL);
    const mt_named_tensor tensors[] = {{"mean", m}, {"inverse", i}, {"quantile", q}, {"distances", d}};
    g_assert_true(mt_safetensors_write(path, tensors, 3, NULL, NULL));
    refuse("model.onnx", (mt_head_task){.name = "embed", .dim = 4, .reference = path},
           "task embed of model.onnx: reference @/normal.safetensors holds no 'distances' of its cases, which percentiles are of: make it "
           "again");
    g_assert_true(mt_safetensors_write(path, tensors, 4, NULL, NULL));
    g_autoptr(mt_head) head = mt_head_load_task("model.onnx", &(mt_head_task){.name = "embed", .dim = 4, .reference = path}, &error);
    g_assert_no_error(error);
    for (size_t k = 0; k < G_N_ELEMENTS(tested); k++) {
        const float x[] = {tested[k], tested[k], -tested[k], tested[k]};
        g_autoptr(mt_head_output) output = predict(head, x, 1, 4);
        near(output->scores, percentiles + k, 1);
        g_assert_cmpint(output->dim, ==, 4);
    }
    g_assert_cmpstr(mt_head_get_card(head)->positive, ==, "unlike_normal");
    distances[3] = 5;
    g_assert_true(mt_safetensors_write(path, tensors, 4, NULL, NULL));
    refuse("model.onnx", (mt_head_task){.name = "embed", .dim = 4, .reference = path},
           "task embed of model.onnx: read reference @/normal.safetensors: 'distances' must rise from 0 or more");
    g_remove(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("microtome-task-XXXXXX", NULL);
    g_test_add_func("/task_head/rules", test_rules);
    g_test_add_func("/task_head/forms", test_forms);
    g_test_add_func("/task_head/thresholds", test_thresholds);
    g_test_add_func("/task_head/model_card", test_model_card);
    g_test_add_func("/task_head/refusals", test_refusals);
    g_test_add_func("/task_head/zero_shot", test_zero_shot);
    g_test_add_func("/task_head/embed", test_embed);
    int code = g_test_run();
    g_rmdir(folder);
    g_free(folder);
    return code;
}

/* Quantised files: the initialisers that make_quantize_data.py works out in NumPy, features near the float model's, refusals. */
#include "kernels/onnx/model_private.h"
#include "kernels/onnx/write_model.h"
#include "tests/kernels/graph_maker.h"

#include <glib/gstdio.h>
#include <math.h>
#include <microtome/quantize.h>
#include <onnx.pb-c.h>
#include <string.h>

typedef struct {
    char      *folder;
    mt_model  *model;
    GPtrArray *samples; /* one item each */
} fixture;

static char *data(const char *name, const char *suffix)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);

    return g_test_build_filename(G_TEST_DIST, "kernels", "data", file, NULL);
}

static void open_fixture(fixture *f, const char *name)
{
    g_autofree char *model = data(name, ".onnx"), *npy = data(name, ".npy");
    g_autoptr(GError) error = NULL;

    f->folder = g_dir_make_tmp("quantize-XXXXXX", NULL);
    f->model = mt_model_load(model, &error);
    g_assert_no_error(error);
    f->samples = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);
    if (!g_file_test(npy, G_FILE_TEST_EXISTS))
        return;
    g_autoptr(mt_tensor) all = mt_tensor_read_npy(npy, &error);
    g_assert_no_error(error);
    for (int64_t i = 0; i < all->shape[0]; i++) {
        int64_t shape[MT_MAX_RANK];
        size_t  bytes = mt_tensor_bytes(all) / (size_t)all->shape[0];

        memcpy(shape, all->shape, sizeof shape);
        shape[0] = 1;
        mt_tensor *one = mt_tensor_new(MT_F32, all->rank, shape, NULL);
        memcpy(one->data, (char *)all->data + (size_t)i * bytes, bytes);
        g_ptr_array_add(f->samples, one);
    }
}

static void close_fixture(fixture *f)
{
    g_autoptr(GDir) dir = g_dir_open(f->folder, 0, NULL);

    for (const char *name; (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *path = g_build_filename(f->folder, name, NULL);
        g_unlink(path);
    }
    g_rmdir(f->folder);
    g_free(f->folder);
    mt_model_unref(f->model);
    g_ptr_array_unref(f->samples);
}

static bool quantize(const fixture *f, const mt_quantize_params *params, const char *name, mt_quantize_report **report, GError **error)
{
    g_autofree char *target = g_build_filename(f->folder, name, NULL);

    return mt_model_quantize(f->model, params, (mt_tensor *const *)f->samples->pdata, (int)f->samples->len, target, report, error);
}

static Onnx__ModelProto *unpack(const char *path)
{
    g_autofree char *bytes = NULL;
    gsize            size;

    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    Onnx__ModelProto *proto = onnx__model_proto__unpack(NULL, size, (const uint8_t *)bytes);
    g_assert_nonnull(proto);
    return proto;
}

static const Onnx__TensorProto *find(const Onnx__ModelProto *model, const char *name)
{
    for (size_t i = 0; i < model->graph->n_initializer; i++)
        if (strcmp(model->graph->initializer[i]->name, name) == 0)
            return model->graph->initializer[i];
    return NULL;
}

/* Integers are equal, but for a bias's last digit; floats within a few roundings. */
static void check_tensor(const Onnx__TensorProto *given, const Onnx__TensorProto *wanted)
{
    g_assert_cmpint(given->data_type, ==, wanted->data_type);
    g_assert_cmpuint(given->n_dims, ==, wanted->n_dims);
    for (size_t i = 0; i < given->n_dims; i++)
        g_assert_cmpint(given->dims[i], ==, wanted->dims[i]);
    g_assert_cmpuint(given->raw_data.len, ==, wanted->raw_data.len);
    if (given->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT && given->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__INT32) {
        g_assert_cmpmem(given->raw_data.data, given->raw_data.len, wanted->raw_data.data, wanted->raw_data.len);
        return;
    }
    for (size_t i = 0; i < given->raw_data.len; i += 4) {
        float   a, b;
        int32_t k, l;

        memcpy(&a, given->raw_data.data + i, 4);
        memcpy(&b, wanted->raw_data.data + i, 4);
        memcpy(&k, &a, 4);
        memcpy(&l, &b, 4);
        if (given->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT32)
            g_assert_cmpint(abs(k - l), <=, 1);
        else
            g_assert_cmpfloat_with_epsilon(a, b, 2e-6 * fabs((double)b) + 1e-7);
    }
}

static bool is_made(const char *name)
{
    return g_str_has_suffix(name, "_scale") || g_str_has_suffix(name, "_quantized") || g_str_has_suffix(name, "_zero_point");
}

/* What is expected is there, and nothing else that quantisation makes. */
static void check_initialisers(const char *path, const char *expected_name)
{
    g_autofree char  *expected_path = data(expected_name, ".expected.onnx");
    Onnx__ModelProto *given = unpack(path), *expected = unpack(expected_path);

    for (size_t i = 0; i < expected->graph->n_initializer; i++) {
        const Onnx__TensorProto *wanted = expected->graph->initializer[i], *found = find(given, wanted->name);

        g_test_message("%s", wanted->name);
        g_assert_nonnull(found);
        check_tensor(found, wanted);
    }
    for (size_t i = 0; i < given->graph->n_initializer; i++) {
        g_test_message("%s", given->graph->initializer[i]->name);
        g_assert_true(!is_made(given->graph->initializer[i]->name) || find(expected, given->graph->initializer[i]->name) != NULL);
    }
    onnx__model_proto__free_unpacked(given, NULL);
    onnx__model_proto__free_unpacked(expected, NULL);
}

/* The file loads, says what it is, and gives what the float model gives on either backend, nearly. */
static void check_runs(const fixture *f, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_model) model = mt_model_load(path, &error);
    g_autoptr(GPtrArray) input = g_ptr_array_new();

    g_assert_no_error(error);
    g_assert_true(mt_model_is_quantized(model));
    g_assert_cmpstr(mt_model_output(model, 0)->name, ==, "y");
    g_assert_cmpint(mt_model_input(model, 0)->shape[0], ==, -1);
    g_ptr_array_add(input, f->samples->pdata[0]);
    g_autoptr(GPtrArray) wanted = maker_run(f->model, MT_BACKEND_REFERENCE, 1, input, &error);
    g_assert_no_error(error);
    for (int backend = 0; backend < 2; backend++) {
        g_autoptr(GPtrArray) given = maker_run(model, backend == 0 ? MT_BACKEND_REFERENCE : MT_BACKEND_AUTO, 1, input, &error);
        g_assert_no_error(error);
        g_assert_cmpfloat(maker_error(given->pdata[0], wanted->pdata[0]), <, 0.05);
        g_assert_cmpfloat(maker_error(given->pdata[0], wanted->pdata[0]), >, 0);
    }
}

static void check_file(const char *name, const char *expected, double balance, int layers, int balanced)
{
    fixture f;
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_quantize_report) report = NULL;
    mt_quantize_params params = {.method = MT_RANGE_MINMAX, .balance = balance, .min_cosine = 0.99, .output = -1, .threads = 1};

    open_fixture(&f, name);
    quantize(&f, &params, "out.onnx", &report, &error);
    g_assert_no_error(error);
    g_assert_cmpint(report->n_layers, ==, layers);
    g_assert_cmpint(report->n_quantized, ==, layers);
    g_assert_cmpint(report->n_balanced, ==, balanced);
    g_assert_cmpfloat(report->cosine, >, 0.99);
    g_autofree char *path = g_build_filename(f.folder, "out.onnx", NULL);
    check_initialisers(path, expected);
    check_runs(&f, path);
    close_fixture(&f);
}

static void test_convolutional(void)
{
    check_file("quantize_conv", "quantize_conv", MT_BALANCE_OFF, 3, 0);
}

static void test_transformer(void)
{
    check_file("quantize_transformer", "quantize_transformer", MT_BALANCE_OFF, 4, 0);
}

static void test_balanced(void)
{
    check_file("quantize_transformer", "quantize_transformer_balanced", 0.5, 4, 1);
}

/* The same bytes again, whatever the threads. */
static void test_deterministic(void)
{
    fixture f;
    char   *bytes[2] = {NULL, NULL};
    gsize   sizes[2];

    open_fixture(&f, "quantize_conv");
    for (int i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        mt_quantize_params params = {.balance = MT_BALANCE_SEARCH, .min_cosine = 0.9, .output = 0, .threads = 1 + i, .replace = true};
        g_autofree char   *path = g_build_filename(f.folder, "out.onnx", NULL);

        quantize(&f, &params, "out.onnx", NULL, &error);
        g_assert_no_error(error);
        g_assert_true(g_file_get_contents(path, &bytes[i], &sizes[i], NULL));
    }
    g_assert_cmpmem(bytes[0], sizes[0], bytes[1], sizes[1]);
    g_free(bytes[0]);
    g_free(bytes[1]);
    close_fixture(&f);
}

/* A layer named by the caller stays, and so does what a high cosine asks for; both are said. */
static void test_kept(void)
{
    static const char *const keep[] = {"gemm", NULL};
    fixture                  f;
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_quantize_report) report = NULL;
    mt_quantize_params params = {.balance = MT_BALANCE_OFF, .keep = keep, .output = -1, .threads = 1};

    open_fixture(&f, "quantize_conv");
    quantize(&f, &params, "kept.onnx", &report, &error);
    g_assert_no_error(error);
    g_assert_cmpint(report->n_quantized, ==, 2);
    g_assert_false(report->layers[2].quantized);
    g_assert_false(report->layers[2].by_measure);
    g_assert_true(isnan(report->cosine));
    close_fixture(&f);

    g_autoptr(mt_quantize_report) strict = NULL;
    params.keep = NULL;
    params.balance = MT_BALANCE_OFF;
    open_fixture(&f, "quantize_transformer");
    params.min_cosine = 0.99;
    quantize(&f, &params, "plain.onnx", &strict, &error);
    g_assert_no_error(error);
    double plain = strict->cosine;
    g_clear_pointer(&strict, mt_quantize_report_free);
    params.min_cosine = plain + 0.2 * (1 - plain);
    quantize(&f, &params, "strict.onnx", &strict, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(strict->cosine, >=, params.min_cosine);
    g_assert_cmpint(strict->n_quantized, <, 4);
    g_assert_cmpint(strict->n_quantized, >, 0);
    for (int i = 0; i < 4; i++)
        g_assert_true(isfinite(strict->layers[i].snr_db) && strict->layers[i].by_measure == !strict->layers[i].quantized);
    close_fixture(&f);
}

/* A model in half precision: float32 samples are narrowed for it, its ports stay, and the cosine is measured before the last cast. */
static void test_half(void)
{
    fixture f, samples;
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_quantize_report) report = NULL;
    mt_quantize_params params = {.balance = MT_BALANCE_SEARCH, .min_cosine = 0.99, .output = -1, .threads = 1};

    open_fixture(&samples, "quantize_transformer");
    open_fixture(&f, "quantize_half");
    for (guint i = 0; i < samples.samples->len; i++)
        g_ptr_array_add(f.samples, mt_tensor_ref(samples.samples->pdata[i]));
    quantize(&f, &params, "half.onnx", &report, &error);
    g_assert_no_error(error);
    g_assert_cmpint(report->n_quantized, ==, 4);
    g_assert_cmpfloat(report->cosine, >, 0.99);
    g_assert_cmpfloat(report->cosine, <, 1);
    g_autofree char *path = g_build_filename(f.folder, "half.onnx", NULL);
    g_autoptr(mt_model) model = mt_model_load(path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(mt_model_input(model, 0)->dtype, ==, MT_F16);
    g_assert_cmpint(mt_model_output(model, 0)->dtype, ==, MT_F16);
    close_fixture(&f);
    close_fixture(&samples);
}

/* Weights beside the model once it is larger than asked, and read back from there. */
static void test_external(void)
{
    fixture f;
    g_autoptr(GError) error = NULL;

    open_fixture(&f, "quantize_transformer");
    maker     m = maker_new(3, 13);
    mt_value *x = maker_input(&m, 2, (int64_t[]){2, 32}), *w = maker_constant(&m, 1, 0, 2, (int64_t[]){32, 32});
    mt_value *y = OP(&m, "MatMul", x, w), *v = maker_constant(&m, 1, 0, 2, (int64_t[]){32, 32});
    mt_graph_mark_output(m.graph, OP(&m, "MatMul", y, v));
    g_assert_true(mt_graph_infer(m.graph, &error));
    g_autofree char *path = g_build_filename(f.folder, "out.onnx", NULL), *weights = g_build_filename(f.folder, "out.onnx.data", NULL);
    mt_onnx_file     file = {.graph = m.graph, .external = 4096};
    g_assert_true(mt_onnx_file_write(&file, path, &error));
    g_assert_no_error(error);
    g_assert_true(g_file_test(weights, G_FILE_TEST_EXISTS));
    g_autoptr(mt_model) model = mt_model_load(path, &error);
    g_assert_no_error(error);
    g_autoptr(mt_model) whole = maker_model(g_steal_pointer(&m.graph));
    g_autoptr(GPtrArray) inputs = maker_inputs(whole, 5);
    g_autoptr(GPtrArray) a = maker_run(model, MT_BACKEND_REFERENCE, 1, inputs, &error),
                         b = maker_run(whole, MT_BACKEND_REFERENCE, 1, inputs, &error);
    g_assert_cmpfloat(maker_error(a->pdata[0], b->pdata[0]), ==, 0);
    maker_clear(&m);
    close_fixture(&f);
}

static void refused(const fixture *f, const mt_quantize_params *params, int code, const char *what)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *wanted = g_strdup_printf("quantise %s: %s", f->model->name, what);
    g_autofree char *path = g_build_filename(f->folder, "refused.onnx", NULL);

    g_assert_false(quantize(f, params, "refused.onnx", NULL, &error));
    g_assert_error(error, MT_ERROR, code);
    g_assert_cmpstr(error->message, ==, wanted);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

#define GOOD .balance = MT_BALANCE_OFF, .output = -1, .threads = 1

static void test_refused_models(void)
{
    fixture            f;
    mt_quantize_params params = {GOOD};
    g_autoptr(GError) error = NULL;

    open_fixture(&f, "quantize_no_weights");
    int64_t shape[] = {1, 5, 8};
    g_ptr_array_add(f.samples, mt_tensor_new(MT_F32, 3, shape, NULL));
    refused(&f, &params, MT_ERROR_MODEL, "nothing to quantise: no Conv, MatMul or Gemm with constant float32 weights");
    close_fixture(&f);
    open_fixture(&f, "quantize_opset12");
    refused(&f, &params, MT_ERROR_MODEL, "opset 12 has no scales per channel; export the model again with opset 13 or later");
    close_fixture(&f);
    open_fixture(&f, "quantize_conv");
    quantize(&f, &params, "out.onnx", NULL, &error);
    g_assert_no_error(error);
    g_autofree char *path = g_build_filename(f.folder, "out.onnx", NULL);
    mt_model_unref(f.model);
    f.model = mt_model_load(path, &error);
    g_assert_no_error(error);
    refused(&f, &params, MT_ERROR_MODEL, "it is quantised already: it has QuantizeLinear nodes; start from the float model");
    close_fixture(&f);
}

static void test_refused_samples(void)
{
    fixture            f;
    mt_quantize_params params = {GOOD};

    open_fixture(&f, "quantize_conv");
    ((float *)((mt_tensor *)f.samples->pdata[3])->data)[7] = NAN;
    refused(&f, &params, MT_ERROR_INPUT, "calibration sample 3: input 'x' is not finite");
    ((float *)((mt_tensor *)f.samples->pdata[3])->data)[7] = 3e38f;
    refused(&f, &params, MT_ERROR_INPUT, "value 'r2' is not finite for a calibration sample");
    int64_t shape[] = {1, 2, 6, 6};
    mt_tensor_unref(f.samples->pdata[3]);
    f.samples->pdata[3] = mt_tensor_new(MT_F64, 4, shape, NULL);
    refused(&f, &params, MT_ERROR_INPUT, "calibration sample 3 holds float64, input 'x' is float32");
    g_ptr_array_set_size(f.samples, 0);
    refused(&f, &params, MT_ERROR_USAGE, "no calibration samples: the ranges of activations come from them");
    close_fixture(&f);
}

static void test_refused_params(void)
{
    static const char *const keep[] = {"conv9", NULL}, *const all[] = {"conv1", "conv2", "gemm", NULL};
    fixture f;

    open_fixture(&f, "quantize_conv");
    mt_quantize_params unknown = {GOOD, .keep = keep}, nothing = {GOOD, .keep = all}, percentile = {GOOD, .percentile = 50},
                       balance = {.balance = 1.5, .output = -1, .threads = 1}, cosine = {GOOD, .min_cosine = 1},
                       output = {.balance = MT_BALANCE_OFF, .output = 1, .threads = 1}, strict = {GOOD, .min_cosine = 0.9999999999999};
    refused(&f, &unknown, MT_ERROR_USAGE, "keep 'conv9': no convolution or product with constant weights has this name");
    refused(&f, &nothing, MT_ERROR_MODEL, "nothing to quantise: no Conv, MatMul or Gemm with constant float32 weights is left");
    refused(&f, &percentile, MT_ERROR_RANGE, "a percentile of 50: above 50, at most 100");
    refused(&f, &balance, MT_ERROR_RANGE, "a balance of 1.5: 0 to 1");
    refused(&f, &cosine, MT_ERROR_RANGE, "a cosine of 1: at least 0, below 1");
    refused(&f, &output, MT_ERROR_RANGE, "1 threads, output 1: at least 1, and one of 1 or -1");
    g_autoptr(GError) error = NULL;
    g_assert_false(quantize(&f, &strict, "refused.onnx", NULL, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_nonnull(strstr(error->message, "no layer can be in int8 for 1: ask for less with --cosine, or keep the model float"));
    close_fixture(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/quantize/convolutional", test_convolutional);
    g_test_add_func("/quantize/transformer", test_transformer);
    g_test_add_func("/quantize/balanced", test_balanced);
    g_test_add_func("/quantize/deterministic", test_deterministic);
    g_test_add_func("/quantize/kept", test_kept);
    g_test_add_func("/quantize/half", test_half);
    g_test_add_func("/quantize/external", test_external);
    g_test_add_func("/quantize/refused/models", test_refused_models);
    g_test_add_func("/quantize/refused/samples", test_refused_samples);
    g_test_add_func("/quantize/refused/params", test_refused_params);
    return g_test_run();
}

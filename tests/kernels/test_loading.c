/* Weights that stay in the file's mapping: at odd addresses too, and packed without a second copy of them in memory. */
#include "kernels/onnx/model_private.h"
#include "kernels/tensor/mapped.h"
#include "src/base/hash.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>

/* --- ONNX files, written field by field --- */

static void put_varint(GByteArray *out, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 127) | (value > 127 ? 128 : 0));

        g_byte_array_append(out, &byte, 1);
        value >>= 7;
    } while (value > 0);
}

static void put_number(GByteArray *out, int field, int64_t value)
{
    put_varint(out, (uint64_t)field << 3);
    put_varint(out, (uint64_t)value);
}

static void put_bytes(GByteArray *out, int field, const void *data, size_t bytes)
{
    put_varint(out, (uint64_t)field << 3 | 2);
    put_varint(out, bytes);
    g_byte_array_append(out, data, (guint)bytes);
}

static void put_text(GByteArray *out, int field, const char *text)
{
    put_bytes(out, field, text, strlen(text));
}

/* Frees `message`. */
static void put_message(GByteArray *out, int field, GByteArray *message)
{
    put_bytes(out, field, message->data, message->len);
    g_byte_array_unref(message);
}

static void put_node(GByteArray *graph, const char *op, const char *a, const char *b, const char *y)
{
    GByteArray *node = g_byte_array_new();

    put_text(node, 1, a);
    if (b != NULL)
        put_text(node, 1, b);
    put_text(node, 2, y);
    put_text(node, 3, y);
    put_text(node, 4, op);
    put_message(graph, 1, node);
}

#define ONNX_FLOAT 1
#define ONNX_FLOAT16 10

/* rows x columns of half precision: 0, 1 and -1 in turn. */
static void put_halves(GByteArray *graph, const char *name, int64_t rows, int64_t columns)
{
    static const uint16_t numbers[] = {0, 0x3c00, 0xbc00};
    GByteArray           *tensor = g_byte_array_new();
    g_autofree uint16_t  *data = g_new(uint16_t, rows * columns);

    for (int64_t i = 0; i < rows * columns; i++)
        data[i] = numbers[i * 7 / 5 % 3];
    put_text(tensor, 8, name);
    put_number(tensor, 1, rows);
    put_number(tensor, 1, columns);
    put_number(tensor, 2, ONNX_FLOAT16);
    put_bytes(tensor, 9, data, (size_t)(rows * columns) * sizeof *data);
    put_message(graph, 5, tensor);
}

/* rows x columns float32; the length of the name moves the data behind it to any address. */
static void put_weights(GByteArray *graph, const char *name, int64_t rows, int64_t columns)
{
    GByteArray       *tensor = g_byte_array_new();
    g_autofree float *data = g_new(float, rows *columns);

    for (int64_t i = 0; i < rows * columns; i++)
        data[i] = (float)((i * 2654435761u >> 7) % 1001 - 500.0) / (500.0f * (float)rows);
    put_text(tensor, 8, name);
    put_number(tensor, 1, rows);
    put_number(tensor, 1, columns);
    put_number(tensor, 2, ONNX_FLOAT);
    put_bytes(tensor, 9, data, (size_t)(rows * columns) * sizeof(float));
    put_message(graph, 5, tensor);
}

static void put_port(GByteArray *graph, int field, const char *name, int type_number, int64_t rows, int64_t columns)
{
    GByteArray *shape = g_byte_array_new(), *tensor = g_byte_array_new(), *type = g_byte_array_new(), *port = g_byte_array_new();

    for (int i = 0; i < 2; i++) {
        GByteArray *dim = g_byte_array_new();
        put_number(dim, 1, i == 0 ? rows : columns);
        put_message(shape, 1, dim);
    }
    put_number(tensor, 1, type_number);
    put_message(tensor, 2, shape);
    put_message(type, 1, tensor);
    put_text(port, 1, name);
    put_message(port, 2, type);
    put_message(graph, field, port);
}

/* Frees `graph`; the path is to be freed and the file to be removed. */
static char *write_model(GByteArray *graph)
{
    g_autoptr(GByteArray) model = g_byte_array_new();
    GByteArray *opset = g_byte_array_new();
    char       *folder = g_dir_make_tmp("mt-loading-XXXXXX", NULL), *path = g_build_filename(folder, "model.onnx", NULL);

    put_number(opset, 2, 13);
    put_number(model, 1, 8);
    put_message(model, 8, opset);
    put_message(model, 7, graph);
    g_assert_true(g_file_set_contents(path, (const char *)model->data, model->len, NULL));
    g_free(folder);
    return path;
}

static void remove_model(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);

    g_remove(path);
    g_rmdir(folder);
}

/* --- sessions --- */

static mt_session *open_session(mt_model *model, mt_backend backend, mt_precision precision)
{
    mt_session_params params = {
        .backend = backend, .precision = precision, .threads = 1, .inputs = mt_model_input(model, 0), .n_inputs = 1};
    GError     *error = NULL;
    mt_session *session = mt_session_new(model, &params, &error);

    g_assert_no_error(error);
    return session;
}

static float *run_session(mt_session *session, const float *x)
{
    const mt_port *port = mt_session_output(session, 0);
    float         *y = g_new(float, port->shape[0] * port->shape[1]);
    GError        *error = NULL;

    g_assert_true(mt_session_run(session, (const void *const[]){x}, (void *const[]){y}, &error));
    g_assert_no_error(error);
    return y;
}

static void fill(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(i % 17) / 17 - 0.4f;
}

#define ROWS 160
#define COLUMNS 128

/* x (128, 160); every operand that can be constant: a packed one, one that is added where it lies, one that is folded. */
static char *write_odd(int shift)
{
    GByteArray      *graph = g_byte_array_new();
    g_autofree char *w = g_strnfill((gsize)shift + 1, 'w');

    put_node(graph, "Transpose", w, NULL, "t");
    put_node(graph, "MatMul", "x", w, "a");
    put_node(graph, "MatMul", "a", "t", "b");
    put_node(graph, "Add", "b", "other", "y");
    put_weights(graph, w, ROWS, COLUMNS);
    put_weights(graph, "other", COLUMNS, ROWS);
    put_port(graph, 11, "x", ONNX_FLOAT, COLUMNS, ROWS);
    put_port(graph, 12, "y", ONNX_FLOAT, COLUMNS, ROWS);
    return write_model(graph);
}

static void compare(mt_model *model, const float *x)
{
    g_autoptr(mt_session) reference = open_session(model, MT_BACKEND_REFERENCE, MT_PRECISION_FP32);
    g_autoptr(mt_session) session = open_session(model, MT_BACKEND_AUTO, MT_PRECISION_FP32);
    g_autofree float *wanted = run_session(reference, x), *y = run_session(session, x);

    for (int i = 0; i < COLUMNS * ROWS; i++)
        g_assert_cmpfloat_with_epsilon(y[i], wanted[i], 1e-5);
}

/* The same weights at four addresses modulo 4, in a file and in memory, give the same results. */
static void test_odd_addresses(void)
{
    float x[COLUMNS * ROWS];
    bool  odd = false;

    fill(x, COLUMNS * ROWS);
    for (int shift = 0; shift < 4; shift++) {
        g_autofree char *path = write_odd(shift), *bytes = NULL;
        g_autoptr(mt_model) model = mt_model_load(path, NULL);
        gsize n;

        g_assert_nonnull(model);
        for (guint i = 0; i < model->graph->values->len; i++) {
            const mt_value *value = model->graph->values->pdata[i];
            odd = odd || (value->constant != NULL && value->constant->mapped && !mt_tensor_is_aligned(value->constant));
        }
        compare(model, x);
        g_assert_true(g_file_get_contents(path, &bytes, &n, NULL));
        g_autoptr(GBytes) memory = g_bytes_new_take(g_steal_pointer(&bytes), n);
        g_autoptr(mt_model) copy = mt_model_load_bytes(memory, "memory", NULL);
        compare(copy, x);
        remove_model(path);
    }
    g_assert_true(odd);
}

#define HALF_EDGE 200

/* Half precision at even and odd addresses: x W, both halves. */
static void test_odd_halves(void)
{
    uint16_t x[HALF_EDGE];

    for (int i = 0; i < HALF_EDGE; i++)
        x[i] = 0x3c00;
    for (int shift = 0; shift < 2; shift++) {
        GByteArray      *graph = g_byte_array_new();
        g_autofree char *w = g_strnfill((gsize)shift + 1, 'w');

        put_node(graph, "MatMul", "x", w, "y");
        put_halves(graph, w, HALF_EDGE, HALF_EDGE);
        put_port(graph, 11, "x", ONNX_FLOAT16, 1, HALF_EDGE);
        put_port(graph, 12, "y", ONNX_FLOAT16, 1, HALF_EDGE);
        g_autofree char *path = write_model(graph);
        g_autoptr(mt_model) model = mt_model_load(path, NULL);
        uint16_t y[2][HALF_EDGE];
        for (int backend = 0; backend < 2; backend++) {
            g_autoptr(mt_session) session = open_session(model, backend ? MT_BACKEND_AUTO : MT_BACKEND_REFERENCE, MT_PRECISION_FP32);
            g_assert_true(mt_session_run(session, (const void *const[]){x}, (void *const[]){y[backend]}, NULL));
        }
        g_assert_cmpmem(y[0], sizeof y[0], y[1], sizeof y[1]); /* whole numbers below 201: exact */
        remove_model(path);
    }
}

/* The hash belongs to the file whatever was given back meanwhile, and a model may go before it is known. */
static void test_hash(void)
{
    g_autofree char *path = write_odd(0), *wanted = mt_hash_file(path, NULL);
    g_autoptr(mt_model) model = mt_model_load(path, NULL), unasked = mt_model_load(path, NULL);
    g_autoptr(mt_session) session = open_session(model, MT_BACKEND_AUTO, MT_PRECISION_FP32);

    g_assert_nonnull(unasked);
    g_assert_nonnull(session);
    g_assert_cmpstr(mt_model_sha256(model), ==, wanted);
    g_assert_cmpstr(mt_model_sha256(model), ==, wanted);
    remove_model(path);
}

static void test_aligned(void)
{
    union {
        float floats[8];
        char  bytes[32];
    } memory = {{1, 2, 3, 4}};
    int64_t shape[] = {3};

    memmove(memory.bytes + 1, memory.bytes, 16);
    g_autoptr(mt_tensor) odd = mt_tensor_new_mapped(MT_F32, 1, shape, memory.bytes + 1, NULL);
    g_autoptr(mt_tensor) copy = mt_tensor_aligned(odd, NULL), same = mt_tensor_aligned(copy, NULL);
    g_assert_false(mt_tensor_is_aligned(odd));
    g_assert_true(mt_tensor_is_aligned(copy));
    g_assert_true(same == copy);
    g_assert_cmpfloat(((float *)copy->data)[2], ==, 3);
    mt_tensor_give_back(odd); /* less than a page: nothing to give */
    g_assert_cmpint(memory.bytes[1], ==, ((char *)copy->data)[0]);
}

/* --- memory --- */

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
#define EDGE 1280
#define LAYERS 16

static char *write_large(void)
{
    GByteArray *graph = g_byte_array_new();
    char        from[16] = "x", to[16], w[16];

    for (int i = 0; i < LAYERS; i++, memcpy(from, to, sizeof from)) {
        g_snprintf(w, sizeof w, "w%d", i);
        g_snprintf(to, sizeof to, "%s%.0d", i < LAYERS - 1 ? "a" : "y", i < LAYERS - 1 ? i + 1 : 0);
        put_node(graph, "MatMul", from, w, to);
        put_weights(graph, w, EDGE, EDGE);
    }
    put_port(graph, 11, "x", ONNX_FLOAT, 64, EDGE);
    put_port(graph, 12, "y", ONNX_FLOAT, 64, EDGE);
    return write_model(graph);
}

static int64_t status_bytes(const char *key)
{
    g_autofree char *status = NULL;
    const char      *line;

    g_assert_true(g_file_get_contents("/proc/self/status", &status, NULL, NULL));
    line = strstr(status, key);
    g_assert_nonnull(line);
    return g_ascii_strtoll(line + strlen(key), NULL, 10) * 1024;
}

/* In a process of its own: the path is in the environment. */
static void measure(mt_precision precision, double peak, double held)
{
    const char *path = g_getenv("MT_TEST_MODEL");
    GStatBuf    status;
    float      *x = g_new(float, 64 * EDGE);

    fill(x, 64 * EDGE);
    g_assert_cmpint(g_stat(path, &status), ==, 0);
    int64_t before = status_bytes("VmRSS:");
    g_autoptr(mt_model) model = mt_model_load(path, NULL);
    g_autoptr(mt_session) session = open_session(model, MT_BACKEND_ONEDNN, precision);
    g_free(run_session(session, x));
    g_assert_cmpint(strlen(mt_model_sha256(model)), ==, 64);
    g_free(x);
    double size = (double)status.st_size;
    g_assert_cmpfloat((double)(status_bytes("VmHWM:") - before) / size, <, peak);
    g_assert_cmpfloat((double)(status_bytes("VmRSS:") - before) / size, <, held);
}

static void test_peak_fp32(void)
{
    measure(MT_PRECISION_FP32, 1.4, 1.3);
}

/* Nothing of the float32 weights stays. */
static void test_peak_bf16(void)
{
    measure(MT_PRECISION_BF16, 0.9, 0.8);
}

static bool has_bf16_primitives(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bw");
#else
    return false;
#endif
}

static void test_memory(void)
{
    g_autofree char *path = NULL;

    if (SANITIZED) {
        g_test_skip("memory is not measured under AddressSanitizer");
        return;
    }
    path = write_large();
    g_setenv("MT_TEST_MODEL", path, TRUE);
    g_test_trap_subprocess("/loading/memory/subprocess/fp32", 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
    g_test_trap_assert_passed();
    if (has_bf16_primitives()) {
        g_test_trap_subprocess("/loading/memory/subprocess/bf16", 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed();
    }
    remove_model(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loading/odd-addresses", test_odd_addresses);
    g_test_add_func("/loading/odd-halves", test_odd_halves);
    g_test_add_func("/loading/hash", test_hash);
    g_test_add_func("/loading/aligned", test_aligned);
    g_test_add_func("/loading/memory", test_memory);
    g_test_add_func("/loading/memory/subprocess/fp32", test_peak_fp32);
    g_test_add_func("/loading/memory/subprocess/bf16", test_peak_bf16);
    return g_test_run();
}

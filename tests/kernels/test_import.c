/* Import of ONNX files: every storage kind, every refusal with its message, and damaged files.  data/make_import_models.py
 * makes the files. */
#include "kernels/onnx/model_private.h"
#include "kernels/reference/element.h"
#include "src/base/alloc.h"
#include "src/base/hash.h"

#include <microtome/error.h>

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *data_path(const char *name)
{
    return g_test_build_filename(G_TEST_DIST, "kernels", "data", name, NULL);
}

static mt_model *load(const char *name)
{
    g_autofree char *path = data_path(name);
    GError          *error = NULL;
    mt_model        *model = mt_model_load(path, &error);

    g_assert_no_error(error);
    return model;
}

static void test_storage(void)
{
    g_autoptr(mt_model) model = load("import_storage.onnx");

    g_assert_cmpint(mt_model_n_outputs(model), ==, 18);
    for (int i = 1; i < mt_model_n_outputs(model); i++) {
        const mt_value *value = model->graph->outputs->pdata[i];

        g_assert_nonnull(value->constant);
        g_assert_cmpint(value->dtype, ==, mt_model_output(model, i)->dtype);
        for (int k = 0; k < 3; k++)
            g_assert_cmpfloat(mt_element_double(value->constant, k), ==, k + 1);
    }
}

static void test_queries(void)
{
    g_autoptr(mt_model) model = load("import_storage.onnx");
    g_autofree char *operators = mt_model_operators(model), *path = data_path("import_storage.onnx"), *hash = mt_hash_file(path, NULL);
    const mt_port   *x = mt_model_input(model, 0);

    g_assert_cmpstr(operators, ==, "Constant 3, Relu 1");
    g_assert_cmpint(mt_model_n_nodes(model), ==, 4);
    g_assert_cmpint(mt_model_n_parameters(model), ==, 14 * 3);
    g_assert_cmpint(mt_model_opset(model), ==, 13);
    g_assert_cmpstr(mt_model_metadata(model, "author"), ==, "nobody");
    g_assert_null(mt_model_metadata(model, "absent"));
    g_assert_cmpstr(mt_model_sha256(model), ==, hash);
    g_assert_cmpstr(x->name, ==, "x");
    g_assert_cmpint(x->dtype, ==, MT_F32);
    g_assert_cmpint(x->rank, ==, 2);
    g_assert_cmpint(x->shape[0], ==, -1);
    g_assert_cmpint(x->shape[1], ==, 2);
    g_assert_cmpint(mt_model_find_input(model, "x"), ==, 0);
    g_assert_cmpint(mt_model_find_output(model, "y"), ==, 0);
    g_assert_cmpint(mt_model_find_output(model, "z"), ==, -1);
    g_assert_null(mt_model_input(model, 1));
    g_assert_null(mt_model_output(model, -1));
}

/* Raw data past the threshold is cut from the message and read from the file. */
static void test_large_raw_data(void)
{
    g_autoptr(mt_model) model = load("import_raw_large.onnx");
    const mt_node  *node = model->graph->nodes->pdata[0];
    const mt_value *w = mt_node_input(node, 1);

    g_assert_cmpint(w->shape[0], ==, 2);
    g_assert_cmpint(w->shape[1], ==, 300);
    for (int i = 0; i < 600; i++)
        g_assert_cmpfloat(((const float *)w->constant->data)[i], ==, i);
    g_assert_cmpint(mt_node_output(node, 0)->shape[1], ==, 300);
}

/* Files of IR version 3 list their initialisers among the inputs; a dimension of 0 is an open one. */
static void test_ir3(void)
{
    g_autoptr(mt_model) model = load("import_ir3.onnx");

    g_assert_cmpint(mt_model_n_inputs(model), ==, 1);
    g_assert_cmpint(mt_model_input(model, 0)->shape[0], ==, -1);
}

static void test_optional_input(void)
{
    g_autoptr(mt_model) model = load("import_optional.onnx");
    const mt_node *node = model->graph->nodes->pdata[0];

    g_assert_null(mt_node_input(node, 1));
    g_assert_nonnull(mt_node_input(node, 2)->constant);
    g_assert_cmpstr(node->name, ==, "Clip_0");
}

static void test_external(void)
{
    g_autoptr(mt_model) model = load("external_ok.onnx");
    const mt_node   *node = model->graph->nodes->pdata[0];
    g_autofree char *path = data_path("external_ok.onnx"), *weights = data_path("import_weights.bin"), *file = NULL, *more = NULL;
    gsize            n_file, n_more;

    for (int i = 0; i < 4; i++)
        g_assert_cmpfloat(((const float *)mt_node_input(node, 1)->constant->data)[i], ==, 4 + i);
    g_assert_true(g_file_get_contents(path, &file, &n_file, NULL));
    g_assert_true(g_file_get_contents(weights, &more, &n_more, NULL));
    mt_hasher *hasher = mt_hasher_new();
    mt_hasher_update(hasher, file, n_file);
    mt_hasher_update(hasher, more, n_more);
    g_autofree char *hash = mt_hasher_finish(hasher);
    g_assert_cmpstr(mt_model_sha256(model), ==, hash);
}

static void check_refused(const char *path, int code, const char *what)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *message = g_strdup_printf("load %s: %s", path, what);

    g_assert_null(mt_model_load(path, &error));
    g_assert_error(error, MT_ERROR, code);
    g_assert_cmpstr(error->message, ==, message);
}

#define NOT_EARLIER "is not an input, an initialiser or the output of an earlier node"
#define BELOW_ONLY "only files below the model's own folder are followed"

static void test_refused(void)
{
    static const struct {
        const char *name, *what;
        int         code;
    } files[] = {
        {"refuse_unknown_op", "node 'mystery': operator 'FooBar' (domain '', opset 13) is not supported", MT_ERROR_MODEL},
        {"refuse_domain", "node 'act': operator 'Relu' (domain 'com.example', opset 13) is not supported", MT_ERROR_MODEL},
        {"refuse_newer_op", "node 'ln': operator 'LayerNormalization' (domain '', opset 13) is not supported", MT_ERROR_MODEL},
        {"refuse_old_op", "node 'sum': operator 'Add' (domain '', opset 5) is not supported", MT_ERROR_MODEL},
        {"refuse_opset_high", "opset 22 is not supported, only 1 to 21; export the model again", MT_ERROR_MODEL},
        {"refuse_no_opset", "no opset is declared (IR version 1); export the model again with an opset from 1 to 21", MT_ERROR_MODEL},
        {"refuse_no_ir", "the file does not say its IR version: it is not an ONNX model, or it is damaged", MT_ERROR_MODEL},
        {"refuse_type", "input 'x' of type string is not supported", MT_ERROR_MODEL},
        {"refuse_weight_type", "initialiser 'w': tensors of type complex64 are not supported", MT_ERROR_MODEL},
        {"refuse_cycle", "node 'first' (Add, opset 13): its input 'b' " NOT_EARLIER, MT_ERROR_MODEL},
        {"refuse_unknown_input", "node 'act' (Relu, opset 13): its input 'z' " NOT_EARLIER, MT_ERROR_MODEL},
        {"refuse_duplicate", "node 'again' (Abs, opset 13): the name 'y' is given to two values", MT_ERROR_MODEL},
        {"refuse_no_producer", "output 'y' is produced by no node", MT_ERROR_MODEL},
        {"refuse_short_weight", "initialiser 'w': it holds 12 bytes, its shape asks for 16", MT_ERROR_MODEL},
        {"refuse_giant_weight", "initialiser 'w': its shape 1099511627776x1099511627776 is out of range", MT_ERROR_LIMIT},
        {"refuse_bomb",
         "node bomb (ConstantOfShape, opset 13): its output would be 1073741824x1073741824, more than the limit of 68719476736 bytes",
         MT_ERROR_MODEL},
        {"refuse_shapes", "node conv (Conv, opset 13): data 1x3x8x8, weights 2x4x1x1 and group 1 do not fit", MT_ERROR_MODEL},
        {"refuse_subgraph", "node 'If_0': operator 'If' (domain '', opset 13) is not supported", MT_ERROR_MODEL},
        {"refuse_deep", "graphs or types nest deeper than 16", MT_ERROR_LIMIT},
        {"external_missing", "initialiser 'w': external data 'nowhere.bin': No such file or directory", MT_ERROR_MODEL},
        {"external_parent", "initialiser 'w': external data '../import_weights.bin': " BELOW_ONLY, MT_ERROR_MODEL},
        {"external_inner_parent", "initialiser 'w': external data 'sub/../../import_weights.bin': " BELOW_ONLY, MT_ERROR_MODEL},
        {"external_absolute", "initialiser 'w': external data '/etc/hostname': " BELOW_ONLY, MT_ERROR_MODEL},
        {"external_beyond", "initialiser 'w': external data 'import_weights.bin': 16 bytes at 24 are wanted, the file has 32",
         MT_ERROR_MODEL},
        {"external_negative", "initialiser 'w': external data: offset '-8' is not a number of bytes", MT_ERROR_MODEL},
        {"external_length", "initialiser 'w': it holds 12 bytes, its shape asks for 16", MT_ERROR_MODEL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *name = g_strconcat(files[i].name, ".onnx", NULL), *path = data_path(name);
        check_refused(path, files[i].code, files[i].what);
    }
}

static void test_not_a_file(void)
{
    g_autofree char *missing = data_path("nowhere.onnx"), *folder = data_path("");

    check_refused(missing, MT_ERROR_MISSING, "No such file or directory");
    check_refused(folder, MT_ERROR_MODEL, "not a regular file");
}

static void test_from_memory(void)
{
    g_autofree char *path = data_path("external_ok.onnx"), *data = NULL;
    g_autoptr(GError) error = NULL, empty_error = NULL;
    gsize size;

    g_assert_true(g_file_get_contents(path, &data, &size, NULL));
    g_autoptr(GBytes) bytes = g_bytes_new(data, size), empty = g_bytes_new(NULL, 0);
    g_assert_null(mt_model_load_bytes(bytes, "built-in", &error));
    g_assert_cmpstr(error->message, ==,
                    "load built-in: initialiser 'w': external data 'import_weights.bin': a model in memory has no folder to look in; load "
                    "it from its file");
    g_assert_null(mt_model_load_bytes(empty, "built-in", &empty_error));
    g_assert_cmpstr(empty_error->message, ==, "load built-in: the file is not an ONNX model, or it is damaged or cut short");
}

static void copy_file(const char *name, const char *target)
{
    g_autofree char *path = data_path(name), *data = NULL;
    gsize            size;

    g_assert_true(g_file_get_contents(path, &data, &size, NULL));
    g_assert_true(g_file_set_contents(target, data, (gssize)size, NULL));
}

/* Links, pipes and folders in the place of the weights. */
static void test_external_links(void)
{
    g_autofree char *folder = g_dir_make_tmp("import-XXXXXX", NULL), *model = g_build_filename(folder, "m.onnx", NULL);
    g_autofree char *weights = g_build_filename(folder, "import_weights.bin", NULL), *other = g_build_filename(folder, "other", NULL);

    copy_file("external_ok.onnx", model);
    copy_file("import_weights.bin", other);
    g_assert_cmpint(symlink(other, weights), ==, 0);
    check_refused(model, MT_ERROR_MODEL, "initialiser 'w': external data 'import_weights.bin': symbolic links are not followed");
    g_unlink(weights);
    g_assert_cmpint(link(other, weights), ==, 0);
    check_refused(model, MT_ERROR_MODEL,
                  "initialiser 'w': external data 'import_weights.bin': a file with hard links may belong to another folder; copy it");
    g_unlink(weights);
    g_assert_cmpint(mkfifo(weights, 0600), ==, 0);
    check_refused(model, MT_ERROR_MODEL, "initialiser 'w': external data 'import_weights.bin': not a regular file");
    g_unlink(weights);
    g_assert_cmpint(g_mkdir(weights, 0700), ==, 0);
    check_refused(model, MT_ERROR_MODEL, "initialiser 'w': external data 'import_weights.bin': not a regular file");
    g_rmdir(weights);
    g_unlink(other);
    g_unlink(model);
    g_rmdir(folder);
}

/* A file of weights beyond 4 GiB, with nothing but holes between the elements that are looked at. */
static void test_external_giant(void)
{
    g_autofree char *folder = g_dir_make_tmp("import-XXXXXX", NULL), *path = g_build_filename(folder, "m.onnx", NULL);
    g_autofree char *weights = g_build_filename(folder, "giant.bin", NULL);
    const float      four[] = {1, 2, 3, 4}, last = 7;
    int              fd = open(weights, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool             made = fd >= 0 && pwrite(fd, four, sizeof four, (INT64_C(4) << 30) + 64) == sizeof four &&
                pwrite(fd, &last, sizeof last, INT64_C(4096) + INT64_C(2400000000) - 4) == sizeof last;

    close(fd);
    copy_file("external_giant.onnx", path);
    if (made) {
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_model) model = mt_model_load(path, &error);

        g_assert_no_error(error);
        g_assert_cmpint(mt_model_n_parameters(model), ==, INT64_C(600000000) + 4 + 4);
        const mt_value *w = mt_node_input(model->graph->nodes->pdata[0], 1), *y = model->graph->outputs->pdata[1];
        g_assert_cmpmem(w->constant->data, sizeof four, four, sizeof four);
        g_assert_cmpfloat(*(const float *)y->constant->data, ==, 7);
    } else {
        g_test_skip("the file system has no sparse file of 4 GiB");
    }
    g_unlink(weights);
    g_unlink(path);
    g_rmdir(folder);
}

static void try_bytes(const uint8_t *data, gsize size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_model) model = mt_model_load_bytes(bytes, "damaged", &error);

    g_assert_true((model == NULL) == (error != NULL));
}

static const char *const samples[] = {"import_storage.onnx", "import_raw_large.onnx", "import_optional.onnx", "refuse_shapes.onnx",
                                      "refuse_bomb.onnx",    "refuse_deep.onnx",      "import_ir3.onnx"};

/* Every prefix, and many single bytes changed: an answer each time, no crash. */
static void test_damaged(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(20);

    for (size_t s = 0; s < G_N_ELEMENTS(samples); s++) {
        g_autofree char *path = data_path(samples[s]), *data = NULL;
        gsize            size;

        g_assert_true(g_file_get_contents(path, &data, &size, NULL));
        for (gsize n = 0; n < size; n += 1 + n / 200)
            try_bytes((const uint8_t *)data, n);
        for (int round = 0; round < 1500; round++) {
            g_autofree uint8_t *copy = g_memdup2(data, size);
            int                 changes = g_rand_int_range(random, 1, 5);

            for (int k = 0; k < changes; k++)
                copy[g_rand_int_range(random, 0, (gint32)size)] = (uint8_t)g_rand_int_range(random, 0, 256);
            try_bytes(copy, size);
        }
    }
}

/* The k-th allocation refused, for every k, until one load comes through whole. */
static void test_refused_memory(void)
{
    for (size_t s = 0; s < 3; s++) {
        g_autofree char *path = data_path(samples[s]);
        bool             done = false;

        for (int k = 1; !done && k < 10000; k++) {
            g_autoptr(GError) error = NULL;

            mt_alloc_fail_at(k);
            g_autoptr(mt_model) model = mt_model_load(path, &error);
            mt_alloc_fail_at(0);
            done = model != NULL;
            if (!done)
                g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
        }
        g_assert_true(done);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/import/storage", test_storage);
    g_test_add_func("/import/queries", test_queries);
    g_test_add_func("/import/large-raw-data", test_large_raw_data);
    g_test_add_func("/import/ir3", test_ir3);
    g_test_add_func("/import/optional-input", test_optional_input);
    g_test_add_func("/import/external", test_external);
    g_test_add_func("/import/refused", test_refused);
    g_test_add_func("/import/not-a-file", test_not_a_file);
    g_test_add_func("/import/from-memory", test_from_memory);
    g_test_add_func("/import/external-links", test_external_links);
    g_test_add_func("/import/external-giant", test_external_giant);
    g_test_add_func("/import/damaged", test_damaged);
    g_test_add_func("/import/refused-memory", test_refused_memory);
    return g_test_run();
}

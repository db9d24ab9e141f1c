/* The official vectors of ONNX (node tests of 1.16.2, light models of 1.17) through both backends.  Every case passes or is
 * refused by name for a reason listed here; a refusal that is not listed fails.  The counts are part of docs/operators.md; with
 * MICROTOME_OPERATORS_PAGE set to a page they are written there instead. */
#include "tests/kernels/graph_maker.h"
#include "tests/kernels/onnx_vectors.h"
#include "tests/kernels/operators_page.h"

#include <glib/gstdio.h>
#include <string.h>

#define RELATIVE 1e-3
#define ABSOLUTE 1e-5

typedef struct {
    const char *reason;
    const char *names[40]; /* operators, or types */
} refusal;

static const refusal operators[] = {
    {"control flow", {"If", "Loop", "Scan"}},
    {"recurrent networks", {"RNN", "LSTM", "GRU"}},
    {"sequences",
     {"SequenceMap", "SequenceEmpty", "SequenceLength", "SequenceInsert", "SequenceAt", "SequenceErase", "SequenceConstruct",
      "SplitToSequence", "ConcatFromSequence"}},
    {"optional types", {"OptionalHasElement", "OptionalGetElement"}},
    {"strings and text", {"StringNormalizer", "StringSplit", "StringConcat", "RegexFullMatch", "TfIdfVectorizer"}},
    {"random numbers", {"Bernoulli", "RandomUniformLike", "RandomNormalLike", "RandomUniform", "RandomNormal", "Multinomial"}},
    {"training", {"Gradient"}},
    {"image files", {"ImageDecoder"}},
    {"audio", {"STFT", "MelWeightMatrix"}},
};

static const refusal others[] = {
    {"other domains", {"no opset is declared"}},
    {"training", {"training mode is not supported"}},
    {"strings and text", {"of type string is not supported"}},
    {"sequences", {"is not a tensor"}},
};

/* Vectors that contradict the written definition of their operator; other engines miss them, too. */
static const struct {
    const char *folder, *reason;
} wrong[] = {
    {"test_qlinearmatmul_2D_int8_float16", "vector wraps around where the definition saturates"},
    {"test_qlinearmatmul_2D_int8_float32", "vector wraps around where the definition saturates"},
    {"test_qlinearmatmul_3D_int8_float16", "vector wraps around where the definition saturates"},
    {"test_qlinearmatmul_3D_int8_float32", "vector wraps around where the definition saturates"},
    {"test_resize_downsample_scales_cubic_align_corners", "vector aligns to a fraction of an element, the definition to the last one"},
    {"test_resize_downsample_scales_linear_align_corners", "vector aligns to a fraction of an element, the definition to the last one"},
};

typedef struct {
    int         cases, passed;
    int         failed;
    GHashTable *reasons; /* reason -> count */
} tally;

/* The reason for a refusal, NULL when it is not a listed one. */
static const char *reason_for(const char *message)
{
    for (size_t i = 0; i < G_N_ELEMENTS(operators); i++)
        for (int k = 0; k < 40 && operators[i].names[k] != NULL; k++) {
            g_autofree char *part = g_strdup_printf("operator '%s' (domain '", operators[i].names[k]);
            if (strstr(message, part) != NULL && strstr(message, ") is not supported") != NULL)
                return operators[i].reason;
        }
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
        for (int k = 0; k < 40 && others[i].names[k] != NULL; k++)
            if (strstr(message, others[i].names[k]) != NULL)
                return others[i].reason;
    return NULL;
}

static void count_reason(tally *t, const char *reason)
{
    int count = GPOINTER_TO_INT(g_hash_table_lookup(t->reasons, reason));

    g_hash_table_insert(t->reasons, (gpointer)reason, GINT_TO_POINTER(count + 1));
}

static void count_refusal(tally *t, const char *name, const GError *error)
{
    const char *reason = reason_for(error->message);

    if (reason == NULL || !g_error_matches(error, MT_ERROR, MT_ERROR_MODEL)) {
        t->failed++;
        g_test_message("%s: unexpected refusal: %s", name, error->message);
        return;
    }
    count_reason(t, reason);
}

/* Files of bfloat16 say uint16: the bits are right. */
static mt_tensor *as_stated(mt_tensor *tensor, mt_dtype dtype)
{
    if (tensor != NULL && tensor->dtype == MT_U16 && dtype == MT_BF16)
        tensor->dtype = MT_BF16;
    return tensor;
}

static GPtrArray *read_inputs(const char *folder, int set, const mt_model *model)
{
    GPtrArray *tensors = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);

    for (int i = 0; i < mt_model_n_inputs(model); i++) {
        mt_tensor *tensor = as_stated(mt_vectors_read(folder, set, "input", i), mt_model_input(model, i)->dtype);
        if (tensor == NULL)
            break;
        g_ptr_array_add(tensors, tensor);
    }
    return tensors;
}

/* Every element right, in the type's own rounding. */
static bool is_right(const char *what, const mt_tensor *given, const mt_tensor *wanted)
{
    g_autofree char *difference = NULL;
    bool             half = wanted->dtype == MT_F16 || wanted->dtype == MT_BF16;

    if (mt_vectors_equal(given, wanted, half ? 1e-2 : RELATIVE, half ? 1e-3 : ABSOLUTE, &difference))
        return true;
    g_test_message("%s: %s", what, difference);
    return false;
}

static bool check_set(const char *folder, int set, mt_model *model, GPtrArray *inputs, mt_backend backend)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) outputs = maker_run(model, backend, 1, inputs, &error);
    g_autofree char *base = g_path_get_basename(folder);
    const char      *where = backend == MT_BACKEND_REFERENCE ? "reference" : "oneDNN";

    if (outputs == NULL) {
        g_test_message("%s, %s: %s", base, where, error->message);
        return false;
    }
    for (guint i = 0; i < outputs->len; i++) {
        const mt_tensor *given = outputs->pdata[i];
        g_autoptr(mt_tensor) wanted = as_stated(mt_vectors_read(folder, set, "output", (int)i), given->dtype);
        g_autofree char *what = g_strdup_printf("%s, %s, output %u", base, where, i);

        if (wanted != NULL && !is_right(what, given, wanted))
            return false;
    }
    return true;
}

static const char *wrong_for(const char *folder)
{
    g_autofree char *base = g_path_get_basename(folder);

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
        if (strcmp(wrong[i].folder, base) == 0)
            return wrong[i].reason;
    return NULL;
}

static void check_case(const char *folder, tally *t)
{
    g_autofree char *path = g_build_filename(folder, "model.onnx", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_model) model = mt_model_load(path, &error);
    bool right = true;
    int  set = 0;

    t->cases++;
    if (model == NULL) {
        count_refusal(t, folder, error);
        return;
    }
    for (; right; set++) {
        g_autoptr(GPtrArray) inputs = read_inputs(folder, set, model);

        if (inputs->len != (guint)mt_model_n_inputs(model) || (set > 0 && inputs->len == 0))
            break;
        right = check_set(folder, set, model, inputs, MT_BACKEND_REFERENCE) && check_set(folder, set, model, inputs, MT_BACKEND_AUTO);
    }
    if (set == 0)
        g_test_message("%s: no input was read", folder);
    if (!right && wrong_for(folder) != NULL)
        count_reason(t, wrong_for(folder));
    else
        *(right && set > 0 && wrong_for(folder) == NULL ? &t->passed : &t->failed) += 1;
}

/* What the whole run found, for the page. */
static tally    everything;
static GString *page_rows;

static void add_row(const char *name, int cases, int passed)
{
    g_string_append_printf(page_rows, "| %s | %d | %d | %d |\n", name, cases, passed, cases - passed);
}

static void report(const tally *t, const char *name)
{
    GHashTableIter iter;
    gpointer       reason, count;

    g_hash_table_iter_init(&iter, t->reasons);
    while (g_hash_table_iter_next(&iter, &reason, &count)) {
        int sum = GPOINTER_TO_INT(g_hash_table_lookup(everything.reasons, reason)) + GPOINTER_TO_INT(count);

        g_test_message("%s: left out, %s: %d", name, (const char *)reason, GPOINTER_TO_INT(count));
        g_hash_table_insert(everything.reasons, reason, GINT_TO_POINTER(sum));
    }
    g_test_message("%s: %d cases: %d passed in both backends, %d left out, %d failed", name, t->cases, t->passed,
                   t->cases - t->passed - t->failed, t->failed);
    everything.cases += t->cases;
    everything.passed += t->passed;
    add_row(name, t->cases, t->passed);
    g_assert_cmpint(t->failed, ==, 0);
    g_assert_cmpint(t->passed, >, 0);
}

/* The archives unpacked once, removed at the end. */
static char *unpacked;

static bool unpack(const char *archive)
{
    const char *argv[] = {"tar", "-xJf", archive, "-C", unpacked, NULL};
    int         status = 0;
    g_autoptr(GError) error = NULL;

    if (g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, &error) && status == 0)
        return true;
    g_test_message("tar %s: %s", archive, error != NULL ? error->message : "failed");
    return false;
}

static const char *unpacked_folder(void)
{
    static const char *const archives[] = {"onnx-1.16.2-node-simple-operator.tar.xz", "onnx-1.17.0-light.tar.xz"};
    g_autofree char         *root = mt_vectors_folder("onnx-conformance");

    if (root == NULL || unpacked != NULL)
        return unpacked;
    unpacked = g_dir_make_tmp("conformance-XXXXXX", NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(archives); i++) {
        g_autofree char *archive = g_build_filename(root, archives[i], NULL);
        g_assert_true(unpack(archive));
    }
    return unpacked;
}

static void test_cases(gconstpointer name)
{
    const char *root = unpacked_folder();
    g_autoptr(GHashTable) reasons = g_hash_table_new(g_str_hash, g_str_equal);
    tally t = {.reasons = reasons};

    if (root == NULL)
        return;
    g_autofree char *folder = g_build_filename(root, name, NULL);
    g_autoptr(GPtrArray) cases = mt_vectors_list(folder);
    for (guint i = 0; i < cases->len; i++) {
        g_autofree char *path = g_build_filename(folder, cases->pdata[i], NULL);
        check_case(path, &t);
    }
    report(&t, name);
}

/* The light models are fed what the ONNX backend runner feeds them: 0, 1, .. over the number of elements. */
static GPtrArray *ramp_inputs(const mt_model *model)
{
    GPtrArray *inputs = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);

    for (int i = 0; i < mt_model_n_inputs(model); i++) {
        const mt_port *port = mt_model_input(model, i);
        mt_tensor     *tensor = mt_tensor_new(port->dtype, port->rank, port->shape, NULL);
        int64_t        count = mt_tensor_count(tensor);

        g_assert_cmpint(tensor->dtype, ==, MT_F32);
        for (int64_t k = 0; k < count; k++)
            ((float *)tensor->data)[k] = (float)((double)k / (double)count);
        g_ptr_array_add(inputs, tensor);
    }
    return inputs;
}

static int n_light;

/* Under sanitizers the reference's plain loops take minutes for VGG: there it runs two small models, and each operator in the node
 * tests as ever. */
static bool in_reference(const char *name)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return g_strcmp0(name, "squeezenet") == 0 || g_strcmp0(name, "shufflenet") == 0;
#else
    return name != NULL;
#endif
}

static void test_light(gconstpointer name)
{
    const char *root = unpacked_folder();
    g_autoptr(GError) error = NULL;

    if (root == NULL)
        return;
    g_autofree char *path = g_strdup_printf("%s/light/light_%s.onnx", root, (const char *)name);
    g_autofree char *output = g_strdup_printf("%s/light/light_%s_output_0.pb", root, (const char *)name);
    g_autoptr(mt_model) model = mt_model_load(path, &error);
    g_assert_no_error(error);
    g_autoptr(GPtrArray) inputs = ramp_inputs(model);
    g_autoptr(mt_tensor) wanted = mt_vectors_read_file(output);
    static const mt_backend backends[] = {MT_BACKEND_REFERENCE, MT_BACKEND_AUTO};
    for (int b = in_reference(name) ? 0 : 1; b < 2; b++) {
        g_autoptr(GPtrArray) outputs = maker_run(model, backends[b], 1, inputs, &error);
        g_assert_no_error(error);
        g_assert_true(is_right(b == 0 ? "reference" : "oneDNN", outputs->pdata[0], wanted));
    }
    n_light++;
    everything.cases++;
    everything.passed++;
}

/* "If, Loop, Scan" of a reason; nothing where it is not one of operators. */
static char *names_of(const char *reason)
{
    for (size_t i = 0; i < G_N_ELEMENTS(operators); i++)
        if (strcmp(operators[i].reason, reason) == 0)
            return g_strjoinv(", ", (char **)operators[i].names);
    return g_strdup("");
}

static char *describe_counts(void)
{
    g_autoptr(GList) reasons = g_list_sort(g_hash_table_get_keys(everything.reasons), (GCompareFunc)strcmp);
    GString *text =
        g_string_new("## Official vectors\n\nThe node tests of ONNX 1.16.2 and the light models of 1.17, each through the reference "
                     "and through oneDNN (`kernels/conformance`).\n\n| vectors | cases | passed in both | left out |\n|---|---|---|---|\n");

    g_string_append(text, page_rows->str);
    g_string_append_printf(text, "| all | %d | %d | %d |\n\n| left out for | cases | operators |\n|---|---|---|\n", everything.cases,
                           everything.passed, everything.cases - everything.passed);
    for (GList *l = reasons; l != NULL; l = l->next) {
        g_autofree char *names = names_of(l->data);
        g_string_append_printf(text, "| %s | %d | %s |\n", (const char *)l->data,
                               GPOINTER_TO_INT(g_hash_table_lookup(everything.reasons, l->data)), names);
    }
    return g_string_free(text, FALSE);
}

/* Last, when all others ran. */
static void test_page(void)
{
    if (everything.cases < 1349) {
        g_test_skip("not all vectors were run");
        return;
    }
    add_row("light", n_light, n_light);
    g_autofree char *text = describe_counts();
    const char      *target = g_getenv("MICROTOME_OPERATORS_PAGE");
    if (target != NULL)
        page_write(target, PAGE_COUNTS, text);
    else
        page_check(PAGE_COUNTS, text);
}

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *inner = g_build_filename(path, name, NULL);
        remove_tree(inner);
    }
    g_remove(path);
}

int main(int argc, char **argv)
{
    static const char *const light[] = {"bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50",
                                        "shufflenet",   "squeezenet",  "vgg19",        "zfnet512"};

    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/conformance/node", "node", test_cases);
    g_test_add_data_func("/conformance/simple", "simple", test_cases);
    g_test_add_data_func("/conformance/pytorch-operator", "pytorch-operator", test_cases);
    for (size_t i = 0; i < G_N_ELEMENTS(light); i++) {
        g_autofree char *path = g_strconcat("/conformance/light/", light[i], NULL);
        g_test_add_data_func(path, light[i], test_light);
    }
    g_test_add_func("/conformance/page/counts", test_page);
    everything.reasons = g_hash_table_new(g_str_hash, g_str_equal);
    page_rows = g_string_new(NULL);
    int result = g_test_run();
    g_hash_table_unref(everything.reasons);
    g_string_free(page_rows, TRUE);
    if (unpacked != NULL)
        remove_tree(unpacked);
    g_free(unpacked);
    return result;
}

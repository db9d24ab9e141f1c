#include "tools/cmd_model.h"

#include <microtome/quantize.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    char   **inputs, **keep, **cases;
    char    *out, *method, *balance;
    double   percentile, cosine;
    int      tiles, threads;
    gboolean force;
} options;

/* Items first .. first + n - 1 of the leading axis: a view, kept alive by the tensor's memory. */
static mt_tensor *slice(const mt_tensor *tensor, int64_t first, int64_t n)
{
    int64_t shape[MT_MAX_RANK];
    size_t  item = mt_tensor_bytes(tensor) / (size_t)MAX(tensor->shape[0], 1);

    memcpy(shape, tensor->shape, sizeof shape);
    shape[0] = n;
    return mt_tensor_new_view(tensor->dtype, tensor->rank, shape, (char *)tensor->data + (size_t)first * item, tensor->owner);
}

/* An array of many items becomes samples of one, or of the batch that the model fixes. */
static void add_items(GPtrArray *samples, const mt_tensor *tensor, const mt_port *port)
{
    int64_t batch = port->rank > 0 && port->shape[0] > 0 ? port->shape[0] : 1;

    if (tensor->rank == 0 || tensor->rank != port->rank)
        g_ptr_array_add(samples, mt_tensor_ref((mt_tensor *)tensor));
    for (int64_t i = 0; tensor->rank > 0 && tensor->rank == port->rank && i + batch <= tensor->shape[0]; i += batch)
        g_ptr_array_add(samples, slice(tensor, i, batch));
}

/* NAME=x.npy; with one input NAME= may be left out, and several files add up. */
static bool read_arrays(const mt_model *model, char **specs, GPtrArray *samples, GError **error)
{
    int n = mt_model_n_inputs(model);
    g_autoptr(GPtrArray) whole = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);

    g_ptr_array_set_size(whole, n);
    for (char **spec = specs; *spec != NULL; spec++) {
        const char      *equals = strchr(*spec, '=');
        g_autofree char *name = equals != NULL ? g_strndup(*spec, (gsize)(equals - *spec)) : g_strdup(mt_model_input(model, 0)->name);
        int              i = mt_model_find_input(model, name);
        g_autoptr(mt_tensor) tensor = NULL;

        if (i < 0 || (n > 1 && whole->pdata[i] != NULL)) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--input %s: the model has no such input, or it was given twice", *spec);
            return false;
        }
        tensor = mt_tensor_read_npy(equals != NULL ? equals + 1 : *spec, error);
        if (tensor == NULL)
            return false;
        if (n == 1)
            add_items(samples, tensor, mt_model_input(model, 0));
        else
            whole->pdata[i] = g_steal_pointer(&tensor);
    }
    for (int i = 0; n > 1 && i < n; i++) {
        if (whole->pdata[i] == NULL) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "give --input %s=x.npy", mt_model_input(model, i)->name);
            return false;
        }
        g_ptr_array_add(samples, g_steal_pointer(&whole->pdata[i]));
    }
    return true;
}

static bool parse_method(const char *text, mt_range_method *method)
{
    static const char *const names[] = {[MT_RANGE_MSE] = "mse", [MT_RANGE_PERCENTILE] = "percentile", [MT_RANGE_MINMAX] = "minmax"};

    for (size_t i = 0; text != NULL && i < G_N_ELEMENTS(names); i++)
        if (strcmp(names[i], text) == 0) {
            *method = (mt_range_method)i;
            return true;
        }
    return text == NULL;
}

/* "off", "auto" or an exponent. */
static bool parse_balance(const char *text, double *balance)
{
    char *end;

    *balance = MT_BALANCE_SEARCH;
    if (text == NULL || strcmp(text, "auto") == 0)
        return true;
    if (strcmp(text, "off") == 0) {
        *balance = MT_BALANCE_OFF;
        return true;
    }
    *balance = g_ascii_strtod(text, &end);
    return end != text && *end == '\0' && *balance >= 0 && *balance <= 1;
}

static void print_report(const mt_quantize_report *report, const char *path)
{
    printf("%s\n  layers     %d of %d in int8\n", path, report->n_quantized, report->n_layers);
    if (report->n_balanced > 0)
        printf("  balanced   %d layer norms\n", report->n_balanced);
    if (!isnan(report->cosine))
        printf("  cosine     %.6f (smallest over the calibration samples)\n", report->cosine);
    for (int i = 0; i < report->n_layers; i++) {
        const mt_quantized_layer *layer = &report->layers[i];

        if (layer->quantized)
            continue;
        printf("  float      %s %s", layer->op, layer->node);
        if (!isnan(layer->snr_db))
            printf(" (%.1f dB in int8)", layer->snr_db);
        putchar('\n');
    }
}

static int quantize(const options *o, const mt_quantize_params *params, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_quantize_report) report = NULL;
    g_autoptr(mt_model) model = mt_model_load(path, &error);
    g_autoptr(GPtrArray) samples = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);

    if (model == NULL)
        return mt_command_fail(&mt_command_model_quantize, error);
    if (o->inputs != NULL && !read_arrays(model, o->inputs, samples, &error))
        return mt_command_fail(&mt_command_model_quantize, error);
    int n = (int)samples->len / MAX(mt_model_n_inputs(model), 1);
    if (!mt_model_quantize(model, params, (mt_tensor *const *)samples->pdata, n, o->out, &report, &error))
        return mt_command_fail(&mt_command_model_quantize, error);
    print_report(report, o->out);
    return 0;
}

static int run_quantize(int argc, char **argv)
{
    options            o = {.tiles = 64, .cosine = 0.99};
    mt_quantize_params params = {0};
    GOptionEntry       entries[] = {
              {"out", 'o', 0, G_OPTION_ARG_FILENAME, &o.out, "the model that is written", "OUT.onnx"},
              {"input", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.inputs, "samples as a .npy file; repeat for more", "[NAME=]x.npy"},
              {"method", 0, 0, G_OPTION_ARG_STRING, &o.method, "ranges of activations: mse, percentile or minmax (default mse)", "M"},
              {"percentile", 0, 0, G_OPTION_ARG_DOUBLE, &o.percentile, "of --method percentile (default 99.99)", "P"},
              {"balance", 0, 0, G_OPTION_ARG_STRING, &o.balance, "range from activations to weights: auto, off or 0 to 1 (default auto)", "A"},
              {"keep", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.keep, "a node that stays float; repeat for more", "NODE"},
              {"cosine", 0, 0, G_OPTION_ARG_DOUBLE, &o.cosine, "layers stay float until outputs reach it; 0: none (default 0.99)", "C"},
              {"threads", 0, 0, G_OPTION_ARG_INT, &o.threads, "threads (default: the CPUs)", "N"},
              {"force", 0, 0, G_OPTION_ARG_NONE, &o.force, "OUT.onnx may exist", NULL},
              {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    int status = 64;

    if (!mt_command_parse(&mt_command_model_quantize, entries, &argc, &argv))
        return 64;
    params.percentile = o.percentile;
    params.min_cosine = o.cosine;
    params.output = -1;
    params.keep = (const char *const *)o.keep;
    params.threads = mt_command_threads(o.threads);
    params.replace = o.force;
    if (argc != 2 || o.out == NULL)
        mt_command_usage(&mt_command_model_quantize, "name one model and give -o OUT.onnx");
    else if (!parse_method(o.method, &params.method))
        mt_command_usage(&mt_command_model_quantize, "--method %s: mse, percentile or minmax is wanted", o.method);
    else if (!parse_balance(o.balance, &params.balance))
        mt_command_usage(&mt_command_model_quantize, "--balance %s: auto, off or a number from 0 to 1 is wanted", o.balance);
    else
        status = quantize(&o, &params, argv[1]);
    g_strfreev(o.inputs);
    g_strfreev(o.keep);
    g_strfreev(o.cases);
    g_free(o.out);
    g_free(o.method);
    g_free(o.balance);
    return status;
}

const mt_command mt_command_model_quantize = {
    .name = "model quantize",
    .arguments = "MODEL.onnx",
    .summary = "Write a model of 8-bit weights and activations: --calibrate CASE -o OUT.onnx.",
    .run = run_quantize,
};

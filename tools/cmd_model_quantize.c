#include "tools/cmd_model.h"

#include <microtome/batch.h>
#include <microtome/quantize.h>

#include "src/base/publish.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    char   **inputs, **keep, **cases;
    char    *out, *method, *balance, *slide_mpp;
    double   percentile, cosine, mpp, mpp_x, mpp_y;
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

static void print_report(const options *o, const mt_quantize_report *report)
{
    int gates = 0;

    printf("%s\n  layers     %d of %d in int8\n", o->out, report->n_quantized, report->n_layers);
    if (report->n_balanced > 0)
        printf("  balanced   %d layer norms\n", report->n_balanced);
    if (!isnan(report->cosine))
        printf("  cosine     %.6f (smallest over the calibration samples)\n", report->cosine);
    for (int i = 0; i < report->n_layers; i++) {
        const mt_quantized_layer *layer = &report->layers[i];
        bool                      named = o->keep != NULL && g_strv_contains((const char *const *)o->keep, layer->node);

        gates += !layer->quantized && !layer->by_measure && !named;
        if (layer->by_measure)
            printf("  float      %s %s (%.1f dB in int8)\n", layer->op, layer->node, layer->snr_db);
        else if (!layer->quantized && named)
            printf("  float      %s %s (--keep)\n", layer->op, layer->node);
    }
    if (gates > 0)
        printf("  float      %d convolutions over one pixel\n", gates);
}

static void on_progress(void *user, const char *stage, int64_t done, int64_t total)
{
    (void)user;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%s, sample %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT, stage, done + 1, total);
}

static void end_progress(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* Tiles of real cases as the encoder gets them. */
static bool read_tiles(const options *o, mt_encoder *encoder, GPtrArray *samples, GError **error)
{
    g_autoptr(mt_recipe) recipe = mt_recipe_new();
    g_autoptr(GPtrArray) named = mt_batch_cases((const char *const *)o->cases, o->mpp_x, o->mpp_y, error);

    if (named == NULL)
        return false;
    recipe->mpp = isnan(o->mpp) ? recipe->mpp : o->mpp;
    g_autofree mt_job *jobs = g_new0(mt_job, named->len + 1);
    for (guint i = 0; i < named->len; i++) {
        const mt_batch_case *c = named->pdata[i];
        jobs[i] = (mt_job){.path = c->path, .id = c->id, .mpp_x = c->mpp_x, .mpp_y = c->mpp_y, .mpp_source = c->mpp_source};
    }
    g_autoptr(mt_tensor) tiles = mt_pipeline_sample(encoder, recipe, jobs, (int)named->len, o->tiles, error);
    if (tiles == NULL)
        return false;
    add_items(samples, tiles, mt_model_input(mt_encoder_model(encoder), 0));
    return true;
}

static char *card_path(const char *model_path)
{
    g_autofree char *stem =
        g_str_has_suffix(model_path, ".onnx") ? g_strndup(model_path, strlen(model_path) - strlen(".onnx")) : g_strdup(model_path);

    return g_strconcat(stem, ".card", NULL);
}

/* The card comes first: a model that can be seen has its contract. */
static bool write_card(const options *o, const mt_card *card, GError **error)
{
    g_autofree char *path = card_path(o->out), *name = g_strconcat(card->name, "-int8", NULL), *text = mt_card_to_text(card, name);

    return mt_publish_text(path, text, o->force, error);
}

static bool run_job(const options *o, mt_quantize_params *params, mt_model *model, mt_encoder *encoder, GError **error)
{
    g_autoptr(mt_quantize_report) report = NULL;
    g_autoptr(GPtrArray) samples = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);

    if (o->inputs != NULL && !read_arrays(model, o->inputs, samples, error))
        return false;
    if (o->cases != NULL && !read_tiles(o, encoder, samples, error))
        return false;
    if (encoder != NULL && mt_encoder_card(encoder)->output != NULL)
        params->output = mt_model_find_output(model, mt_encoder_card(encoder)->output);
    int  n = (int)samples->len / MAX(mt_model_n_inputs(model), 1);
    bool done = mt_model_quantize(model, params, (mt_tensor *const *)samples->pdata, n, o->out, &report, error);
    end_progress();
    if (!done || (encoder != NULL && !write_card(o, mt_encoder_card(encoder), error)))
        return false;
    print_report(o, report);
    return true;
}

/* An encoder where there is a card; with arrays alone, any model. */
static int quantize(const options *o, mt_quantize_params *params, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_encoder) encoder = NULL;
    g_autoptr(mt_model) model = NULL;
    g_autofree char *card = card_path(path);

    if (o->cases != NULL || g_file_test(card, G_FILE_TEST_EXISTS)) {
        encoder = mt_encoder_load(path, &error);
        model = encoder == NULL ? NULL : mt_model_ref(mt_encoder_model(encoder));
    } else
        model = mt_model_load(path, &error);
    if (model == NULL || !run_job(o, params, model, encoder, &error))
        return mt_command_fail(&mt_command_model_quantize, error);
    return 0;
}

/* CASEs behind the model belong to --calibrate. */
static void take_cases(options *o, int argc, char **argv)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();

    for (char **name = o->cases; name != NULL && *name != NULL; name++)
        g_ptr_array_add(all, *name);
    for (int i = 2; i < argc; i++)
        g_ptr_array_add(all, g_strdup(argv[i]));
    g_ptr_array_add(all, NULL);
    g_free(o->cases);
    o->cases = (char **)g_ptr_array_steal(all, NULL);
}

static bool check(const options *o, int argc)
{
    const mt_command *self = &mt_command_model_quantize;

    if (argc < 2 || o->out == NULL || (argc > 2 && o->cases == NULL))
        mt_command_usage(self, "name one model and give -o OUT.onnx");
    else if (o->inputs == NULL && o->cases == NULL)
        mt_command_usage(self, "give --calibrate CASE or --input x.npy: the ranges of activations come from real data");
    else if (o->tiles < 1 || o->tiles > 4096 || (!isnan(o->mpp) && !(o->mpp >= 0 && o->mpp <= 1000)))
        mt_command_usage(self, "--tiles is 1 to 4096, --mpp 0 to 1000");
    else
        return true;
    return false;
}

static int run_quantize(int argc, char **argv)
{
    options            o = {.tiles = 64, .cosine = 0.99, .mpp = NAN};
    mt_quantize_params params = {0};
    GOptionEntry       entries[] = {
              {"out", 'o', 0, G_OPTION_ARG_FILENAME, &o.out, "the model that is written", "OUT.onnx"},
              {"calibrate", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o.cases, "a case whose tiles show the ranges; more may follow", "CASE"},
              {"tiles", 0, 0, G_OPTION_ARG_INT, &o.tiles, "tiles, spread over the cases (default 64)", "N"},
              {"mpp", 0, 0, G_OPTION_ARG_DOUBLE, &o.mpp, "wanted µm per pixel, where the card names none; 0: level 0 as it is", "F"},
              {"slide-mpp", 0, 0, G_OPTION_ARG_STRING, &o.slide_mpp, "the cases' own µm per pixel, where their files lack it", "X[,Y]"},
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
    params.progress = on_progress;
    if (!check(&o, argc))
        ;
    else if (o.slide_mpp != NULL && !mt_command_mpp(&mt_command_model_quantize, o.slide_mpp, &o.mpp_x, &o.mpp_y))
        ;
    else if (!parse_method(o.method, &params.method))
        mt_command_usage(&mt_command_model_quantize, "--method %s: mse, percentile or minmax is wanted", o.method);
    else if (!parse_balance(o.balance, &params.balance))
        mt_command_usage(&mt_command_model_quantize, "--balance %s: auto, off or a number from 0 to 1 is wanted", o.balance);
    else {
        if (o.cases != NULL)
            take_cases(&o, argc, argv);
        status = quantize(&o, &params, argv[1]);
    }
    g_strfreev(o.inputs);
    g_strfreev(o.keep);
    g_strfreev(o.cases);
    g_free(o.out);
    g_free(o.slide_mpp);
    g_free(o.method);
    g_free(o.balance);
    return status;
}

const mt_command mt_command_model_quantize = {
    .name = "model quantize",
    .arguments = "MODEL.onnx",
    .summary = "Write a model of 8-bit weights and activations: --calibrate CASE -o OUT.onnx.",
    .help = "OUT.onnx is standard ONNX with QuantizeLinear and DequantizeLinear nodes; OUT.card is the model's card under NAME-int8.\n"
            "Then hold it against the float model, which lets `run` use it:\n"
            "  microtome model verify OUT.onnx CASE... --against MODEL.onnx",
    .run = run_quantize,
};

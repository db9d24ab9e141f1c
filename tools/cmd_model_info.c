#include "tools/cmd_model.h"
#include "tools/model_check.h"

#include "src/base/decimal.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What the model and its card say, and what loading it took. */
typedef struct model_info {
    const char *path;
    mt_model   *model;
    mt_encoder *encoder; /* NULL: no encoder, and why not */
    char       *why_not, *operators;
    double      load_s, gflop; /* gflop of one item; NAN: unknown */
} model_info;

static void model_info_clear(model_info *info)
{
    g_clear_pointer(&info->encoder, mt_encoder_unref);
    g_clear_pointer(&info->model, mt_model_unref);
    g_free(info->why_not);
    g_free(info->operators);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(model_info, model_info_clear)

/* Open dimensions are 1, but for the pixels of pictures: the card's size, or the usual 224. */
static void bind_one_item(const model_info *info, mt_port *ports)
{
    int size_px = info->encoder != NULL ? mt_encoder_card(info->encoder)->size_px : 224;

    for (int i = 0; i < mt_model_n_inputs(info->model); i++) {
        ports[i] = *mt_model_input(info->model, i);
        for (int k = 0; k < ports[i].rank; k++)
            if (ports[i].shape[k] < 0)
                ports[i].shape[k] = ports[i].rank == 4 && k >= 2 ? size_px : ports[i].rank == 4 && k == 1 ? 3 : 1;
    }
}

/* On the plain loops: they pack no weights. */
static double item_gflop(const model_info *info)
{
    int                 n = mt_model_n_inputs(info->model);
    g_autofree mt_port *ports = g_new0(mt_port, n + 1);
    mt_session_params   params = {.backend = MT_BACKEND_REFERENCE, .threads = 1, .inputs = ports, .n_inputs = n};

    bind_one_item(info, ports);
    g_autoptr(mt_session) session = mt_session_new(info->model, &params, NULL);
    return session != NULL ? mt_session_flop(session) / 1e9 / (double)MAX(1, ports[0].rank > 0 ? ports[0].shape[0] : 1) : (double)NAN;
}

static bool load(const char *path, model_info *info, GError **error)
{
    g_autoptr(GError) no_encoder = NULL;
    gint64 start = g_get_monotonic_time();

    info->path = path;
    info->encoder = mt_encoder_load(path, &no_encoder);
    info->why_not = no_encoder != NULL ? g_strdup(no_encoder->message) : NULL;
    info->model = info->encoder != NULL ? mt_model_ref(mt_encoder_model(info->encoder)) : mt_model_load(path, error);
    if (info->model == NULL)
        return false;
    info->load_s = (double)(g_get_monotonic_time() - start) / 1e6;
    info->operators = mt_model_operators(info->model);
    info->gflop = item_gflop(info);
    return true;
}

static void print_ports(const mt_model *model)
{
    for (int i = 0; i < mt_model_n_inputs(model) + mt_model_n_outputs(model); i++) {
        bool             input = i < mt_model_n_inputs(model);
        const mt_port   *port = input ? mt_model_input(model, i) : mt_model_output(model, i - mt_model_n_inputs(model));
        g_autofree char *shape = port->rank < 0 ? g_strdup("any shape") : mt_shape_to_string(port->rank, port->shape);
        printf("  %-10s %s  %s %s\n", input ? "input" : "output", port->name, mt_dtype_name(port->dtype), shape);
    }
}

/* "0.485, 0.456, 0.406" */
static char *join_numbers(const double *values, int n)
{
    GString *text = g_string_new(NULL);
    char     digits[MT_DECIMAL_BYTES];

    for (int i = 0; i < n; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", mt_decimal_text(values[i], digits));
    return g_string_free(text, FALSE);
}

static void print_reading(const mt_card *card)
{
    static const char *const fits[] = {[MT_FIT_STRETCH] = "stretched", [MT_FIT_PAD] = "padded", [MT_FIT_CROP] = "cropped"};
    static const char *const filters[] = {[MT_FILTER_BILINEAR] = "bilinear",
                                          [MT_FILTER_BICUBIC] = "bicubic",
                                          [MT_FILTER_LANCZOS] = "Lanczos",
                                          [MT_FILTER_NEAREST] = "nearest"};
    char                     digits[MT_DECIMAL_BYTES];

    if (card->fit != MT_FIT_TILES)
        printf("  reads      whole planes, %s to %d px (%s)\n", fits[card->fit], card->size_px, filters[card->interpolation]);
    else if (card->mpp > 0)
        printf("  reads      tiles of %d px at %s µm/px (%s)\n", card->tile_px, mt_decimal_text(card->mpp, digits),
               filters[card->interpolation]);
    else
        printf("  reads      tiles of %d px; it names no µm/px: run wants --mpp (%s)\n", card->tile_px, filters[card->interpolation]);
    if (card->fit == MT_FIT_TILES && (card->resize_px != card->tile_px || card->crop_px != card->resize_px))
        printf("  then       resized to %d px, of which the middle %d\n", card->resize_px, card->crop_px);
}

static void print_pixels(const mt_card *card)
{
    static const char *const channels[] = {[MT_CHANNELS_RGB] = "RGB", [MT_CHANNELS_BGR] = "BGR", [MT_CHANNELS_GRAY] = "gray"};
    static const char *const values[] = {[MT_VALUE_RGB8] = "8-bit values over 255",
                                         [MT_VALUE_HU] = "CT numbers as they are",
                                         [MT_VALUE_PERCENTILE] = "the case's 0.5th to 99.5th percentile as 0 to 1",
                                         [MT_VALUE_ZSCORE] = "values minus the case's mean, over its deviation",
                                         [MT_VALUE_RANGE] = "values of a fixed range as 0 to 1"};
    g_autofree char         *mean = join_numbers(card->mean, card->n_mean), *std = join_numbers(card->std, card->n_mean);
    g_autofree char         *range = join_numbers(card->range, 2);

    printf("  pixels     %s, %s%s%s%s; minus %s, over %s\n", channels[card->channels], values[card->value],
           card->value == MT_VALUE_RANGE ? " (" : "", card->value == MT_VALUE_RANGE ? range : "", card->value == MT_VALUE_RANGE ? ")" : "",
           mean, std);
}

static void print_precisions(const model_info *info)
{
    const mt_card   *card = mt_encoder_card(info->encoder);
    g_autofree char *why = NULL;
    mt_precision     chosen = mt_encoder_auto_precision(info->encoder, &why);
    char             digits[MT_DECIMAL_BYTES];

    printf("  verified   fp32");
    for (mt_precision p = MT_PRECISION_BF16; p <= MT_PRECISION_INT8; p++) {
        if (!mt_encoder_is_verified(info->encoder, p))
            continue;
        printf(", %s", mt_precision_name(p));
        if (!isnan(card->verified_cosine[p]))
            printf(" (cosine %s)", mt_decimal_text(card->verified_cosine[p], digits));
    }
    printf("\n  auto       %s%s%s\n", mt_precision_name(chosen), *why != '\0' ? "; " : "", why);
}

static void print_contract(const model_info *info)
{
    static const char *const pools[] = {[MT_POOL_NONE] = "as the graph gives it",
                                        [MT_POOL_CLS] = "the class token",
                                        [MT_POOL_MEAN] = "the mean over tokens or map",
                                        [MT_POOL_CLS_MEAN] = "the class token, then the mean of the others"};

    if (info->encoder == NULL) {
        printf("  encoder    no: %s\n", info->why_not);
        return;
    }
    const mt_card *card = mt_encoder_card(info->encoder);
    printf("  card       %s\n  name       %s\n", card->source, card->name);
    print_reading(card);
    print_pixels(card);
    printf("  feature    %" G_GINT64_FORMAT " numbers, %s\n", mt_encoder_dim(info->encoder), pools[card->pool]);
    print_precisions(info);
    if (card->licence != NULL)
        printf("  licence    %s\n", card->licence);
    if (card->demonstration)
        puts("  DEMONSTRATION: its features mean nothing for a patient");
}

static void print_info(const model_info *info)
{
    printf("%s\n  sha256     %s\n  opset      %" G_GINT64_FORMAT "\n  nodes      %d\n  parameters %" G_GINT64_FORMAT "\n", info->path,
           mt_model_sha256(info->model), mt_model_opset(info->model), mt_model_n_nodes(info->model), mt_model_n_parameters(info->model));
    if (!isnan(info->gflop))
        printf("  work       %.3g GFLOP an item\n", info->gflop);
    printf("  quantised  %s\n  loaded in  %.2f s\n", mt_model_is_quantized(info->model) ? "yes" : "no", info->load_s);
    print_ports(info->model);
    printf("  operators  %s\n", info->operators);
    print_contract(info);
}

static json_t *port_to_json(const mt_port *port)
{
    json_t *shape = json_array();

    for (int i = 0; i < port->rank; i++)
        json_array_append_new(shape, port->shape[i] < 0 ? json_null() : json_integer(port->shape[i]));
    return json_pack("{s:s s:s s:o}", "name", port->name, "dtype", mt_dtype_name(port->dtype), "shape", shape);
}

/* The card's keys as text, with the values in force. */
static json_t *contract_to_json(const mt_encoder *encoder)
{
    g_autofree char *text = mt_encoder_card_text(encoder);
    g_autoptr(GKeyFile) file = g_key_file_new();
    json_t *object = json_object();

    g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, NULL);
    g_auto(GStrv) keys = g_key_file_get_keys(file, "encoder", NULL, NULL);
    for (char **key = keys; key != NULL && *key != NULL; key++) {
        g_autofree char *value = g_key_file_get_string(file, "encoder", *key, NULL);
        json_object_set_new(object, *key, json_string(value));
    }
    return object;
}

static json_t *encoder_to_json(const model_info *info)
{
    g_autofree char *why = NULL;
    json_t          *verified = json_array();

    if (info->encoder == NULL)
        return json_null();
    mt_precision chosen = mt_encoder_auto_precision(info->encoder, &why);
    for (mt_precision p = MT_PRECISION_FP32; p <= MT_PRECISION_INT8; p++)
        if (mt_encoder_is_verified(info->encoder, p))
            json_array_append_new(verified, json_string(mt_precision_name(p)));
    return json_pack("{s:s s:I s:o s:s s:s s:o}", "source", mt_encoder_card(info->encoder)->source, "dim",
                     (json_int_t)mt_encoder_dim(info->encoder), "verified", verified, "auto", mt_precision_name(chosen), "auto_why", why,
                     "card", contract_to_json(info->encoder));
}

static void print_json(const model_info *info)
{
    const mt_model *model = info->model;
    json_t         *inputs = json_array(), *outputs = json_array();

    for (int i = 0; i < mt_model_n_inputs(model); i++)
        json_array_append_new(inputs, port_to_json(mt_model_input(model, i)));
    for (int i = 0; i < mt_model_n_outputs(model); i++)
        json_array_append_new(outputs, port_to_json(mt_model_output(model, i)));
    json_t *root = json_pack(
        "{s:s s:I s:i s:I s:s s:o s:o s:b s:o s:f s:o}", "sha256", mt_model_sha256(model), "opset", (json_int_t)mt_model_opset(model),
        "nodes", mt_model_n_nodes(model), "parameters", (json_int_t)mt_model_n_parameters(model), "operators", info->operators, "inputs",
        inputs, "outputs", outputs, "quantized", (int)mt_model_is_quantized(model), "gflop_per_item",
        isnan(info->gflop) ? json_null() : json_real(info->gflop), "load_seconds", info->load_s, "encoder", encoder_to_json(info));
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(root);
}

static int check(const model_info *info, const char *file, bool json)
{
    mt_verify_figures figures;
    g_autoptr(GError) error = NULL;

    if (info->encoder == NULL) {
        fprintf(stderr, "microtome model info: %s\n", info->why_not);
        return 78;
    }
    if (!mt_model_check(info->encoder, info->path, file, mt_command_threads(0), &figures, &error))
        return mt_command_fail(&mt_command_model_info, error);
    bool passes = mt_model_check_passes(&figures);
    if (json)
        printf("{\"items\": %" G_GINT64_FORMAT ", \"min_cosine\": %.9g, \"relative_error\": %.6g, \"passes\": %s}\n", figures.tiles,
               figures.min_cosine, MIN(figures.relative_error, G_MAXFLOAT), passes ? "true" : "false");
    else
        printf("%s: %" G_GINT64_FORMAT " items, smallest cosine %.7f, relative error %.2e: %s\n", info->path, figures.tiles,
               figures.min_cosine, figures.relative_error, passes ? "as exported" : "NOT as exported");
    if (!passes)
        fprintf(stderr,
                "microtome model info: check %s: the features are not those that were exported: cosine %.7f (%g is wanted), relative error "
                "%.2e (%g)\n",
                info->path, figures.min_cosine, MT_MODEL_CHECK_COSINE, figures.relative_error, MT_MODEL_CHECK_ERROR);
    return passes ? 0 : 78;
}

static int run_info(int argc, char **argv)
{
    gboolean json = FALSE, wants_check = FALSE;
    g_auto(model_info) info = {0};
    g_autoptr(GError) error = NULL;
    GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "machine output", NULL},
        {"check", 0, 0, G_OPTION_ARG_NONE, &wants_check,
         "compare with the features the exporter wrote: MODEL.check.input.npy, or the FILE named, X.input.npy beside X.output.npy", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_model_info, entries, &argc, &argv))
        return 64;
    if (argc != 2 && !(wants_check && argc == 3))
        return mt_command_usage(&mt_command_model_info, "name one model");
    if (!load(argv[1], &info, &error))
        return mt_command_fail(&mt_command_model_info, error);
    if (wants_check)
        return check(&info, argc == 3 ? argv[2] : NULL, json);
    if (json)
        print_json(&info);
    else
        print_info(&info);
    return 0;
}

const mt_command mt_command_model_info = {
    .name = "model info",
    .arguments = "MODEL.onnx [FILE]",
    .summary = "Operators, parameters, work, inputs and outputs; as an encoder: its contract and precisions; --check it.",
    .help = "--check passes when the smallest cosine between the engine's features and the exporter's is 0.99999 or more and the "
            "relative error 1e-4\n"
            "or less; else the exit code is 78.",
    .run = run_info,
};

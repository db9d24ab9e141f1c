#include "tools/cmd_model.h"

#include <microtome/batch.h>
#include <microtome/verify.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FEW_TILES 32 /* fewer say little of the worst tile */
#define PRECISIONS 2 /* bf16, int8 */

typedef struct verify_options {
    char    *precisions, *against, *input, *slide_mpp, *mask;
    double   mpp, overlap;
    int      tiles, threads;
    gboolean json;
} verify_options;

typedef struct verification {
    mt_encoder      *encoder, *against; /* against: whose features in fp32 are right; the encoder itself, or its float original */
    mt_tensor       *inputs;
    mt_verify_result results[PRECISIONS];
    int              n;
    char            *card; /* written; NULL: nothing was to be */
} verification;

static void verification_clear(verification *v)
{
    g_clear_pointer(&v->encoder, mt_encoder_unref);
    g_clear_pointer(&v->against, mt_encoder_unref);
    g_clear_pointer(&v->inputs, mt_tensor_unref);
    g_free(v->card);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(verification, verification_clear)

/* "bf16,int8"; NULL: what the model is for. */
static bool parse_precisions(const char *text, verification *v, GError **error)
{
    bool quantised = mt_model_is_quantized(mt_encoder_model(v->encoder));
    g_auto(GStrv) words = g_strsplit(text != NULL ? text : quantised ? "int8" : "bf16", ",", -1);

    for (char **word = words; *word != NULL; word++) {
        mt_precision precision = MT_PRECISION_FP32;
        if (!mt_precision_parse(*word, &precision) || precision == MT_PRECISION_FP32 || v->n == PRECISIONS ||
            (v->n > 0 && v->results[0].precision == precision)) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                        "--precision %s: a list of bf16 and int8 is wanted; fp32 is what they are compared with", text);
            return false;
        }
        if (precision == MT_PRECISION_INT8 && !quantised) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                        "verify int8: the model is not quantised: make one that is with microtome model quantize");
            return false;
        }
        v->results[v->n++].precision = precision;
    }
    return true;
}

static bool load_models(const char *path, const verify_options *o, verification *v, GError **error)
{
    v->encoder = mt_encoder_load(path, error);
    if (v->encoder == NULL || !parse_precisions(o->precisions, v, error))
        return false;
    if (o->against == NULL && mt_model_is_quantized(mt_encoder_model(v->encoder))) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "%s is quantised: name the float model that it was made of with --against FLOAT.onnx",
                    path);
        return false;
    }
    v->against = o->against != NULL ? mt_encoder_load(o->against, error) : mt_encoder_ref(v->encoder);
    return v->against != NULL && mt_verify_agree(v->encoder, v->against, error);
}

static mt_recipe *recipe_of(const verify_options *o)
{
    mt_recipe *recipe = mt_recipe_new();

    recipe->mpp = isnan(o->mpp) ? recipe->mpp : o->mpp;
    recipe->overlap = o->overlap;
    recipe->mask_method = g_strdup(o->mask);
    return recipe;
}

static mt_tensor *sample(const verify_options *o, const verification *v, char **cases, double mpp_x, double mpp_y, GError **error)
{
    g_autoptr(mt_recipe) recipe = recipe_of(o);
    g_autoptr(GPtrArray) named = mt_batch_cases((const char *const *)cases, mpp_x, mpp_y, error);

    if (named == NULL)
        return NULL;
    g_autofree mt_job *jobs = g_new0(mt_job, named->len + 1);
    for (guint i = 0; i < named->len; i++) {
        const mt_batch_case *c = named->pdata[i];
        jobs[i] = (mt_job){.path = c->path, .id = c->id, .mpp_x = c->mpp_x, .mpp_y = c->mpp_y, .mpp_source = c->mpp_source};
    }
    return mt_pipeline_sample(v->encoder, recipe, jobs, (int)named->len, o->tiles, error);
}

static bool compare(const verify_options *o, verification *v, GError **error)
{
    int            threads = mt_command_threads(o->threads);
    mt_verify_side right = {v->against, MT_BACKEND_AUTO, MT_PRECISION_FP32};

    fprintf(stderr, "%" G_GINT64_FORMAT " tiles: fp32", v->inputs->shape[0]);
    g_autoptr(mt_tensor) reference = mt_verify_encode(&right, v->inputs, threads, error);
    for (int i = 0; i < v->n && reference != NULL; i++) {
        mt_verify_side side = {v->encoder, MT_BACKEND_AUTO, v->results[i].precision};
        fprintf(stderr, ", %s", mt_precision_name(side.precision));
        g_autoptr(mt_tensor) features = mt_verify_encode(&side, v->inputs, threads, error);
        if (features == NULL || !mt_verify_compare(features, reference, &v->results[i].figures, error))
            g_clear_pointer(&reference, mt_tensor_unref);
    }
    fputc('\n', stderr);
    return reference != NULL && mt_verify_write_card(v->encoder, v->results, v->n, &v->card, error);
}

static void print_table(const verification *v)
{
    printf("%-9s %6s %12s %12s %15s %8s\n", "precision", "tiles", "min cosine", "mean cosine", "relative error", "limit");
    for (int i = 0; i < v->n; i++) {
        const mt_verify_figures *f = &v->results[i].figures;
        printf("%-9s %6" G_GINT64_FORMAT " %12.7f %12.7f %15.3e %8g  %s\n", mt_precision_name(v->results[i].precision), f->tiles,
               f->min_cosine, f->mean_cosine, f->relative_error, mt_verify_limit(v->results[i].precision),
               mt_verify_holds(&v->results[i]) ? "holds" : "FAILS");
    }
    if (v->card != NULL)
        printf("written to %s\n", v->card);
}

static void print_json(const verification *v)
{
    json_t *list = json_array();

    for (int i = 0; i < v->n; i++) {
        const mt_verify_figures *f = &v->results[i].figures;
        json_t                  *error = isfinite(f->relative_error) ? json_real(f->relative_error) : json_null();
        json_array_append_new(list, json_pack("{s:s s:I s:f s:f s:o s:I s:f s:b}", "precision", mt_precision_name(v->results[i].precision),
                                              "tiles", (json_int_t)f->tiles, "min_cosine", f->min_cosine, "mean_cosine", f->mean_cosine,
                                              "relative_error", error, "worst_tile", (json_int_t)f->worst, "limit",
                                              mt_verify_limit(v->results[i].precision), "holds", (int)mt_verify_holds(&v->results[i])));
    }
    json_t *root = json_pack("{s:s s:o s:o}", "sha256", mt_model_sha256(mt_encoder_model(v->encoder)), "results", list, "card",
                             v->card != NULL ? json_string(v->card) : json_null());
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(root);
}

static int finish(const verification *v, bool json)
{
    int code = 0;

    if (json)
        print_json(v);
    else
        print_table(v);
    if (v->inputs->shape[0] < FEW_TILES)
        fprintf(stderr, "microtome model verify: warning: %" G_GINT64_FORMAT " tiles say little: name more cases, or give --overlap\n",
                v->inputs->shape[0]);
    for (int i = 0; i < v->n; i++)
        if (!mt_verify_holds(&v->results[i])) {
            const mt_verify_result *r = &v->results[i];
            fprintf(stderr,
                    "microtome model verify: %s does not hold: the features of tile %" G_GINT64_FORMAT
                    " have cosine %.7f to float32's, and %g is wanted: the card does not list it\n",
                    mt_precision_name(r->precision), r->figures.worst, r->figures.min_cosine, mt_verify_limit(r->precision));
            code = 78;
        }
    return code;
}

static int verify(const verify_options *o, int argc, char **argv)
{
    g_auto(verification) v = {0};
    g_autoptr(GError) error = NULL;
    double mpp_x = 0, mpp_y = 0;

    if (argc < 2)
        return mt_command_usage(&mt_command_model_verify, "name one model, then cases or --input x.npy");
    if ((o->input != NULL) == (argc > 2))
        return mt_command_usage(&mt_command_model_verify, "name cases to take tiles from, or give --input x.npy, and not both");
    if (o->tiles < 1 || !(o->overlap >= 0 && o->overlap <= 0.99) || (!isnan(o->mpp) && !(o->mpp >= 0 && o->mpp <= 1000)))
        return mt_command_usage(&mt_command_model_verify, "--tiles is 1 or more, --overlap 0 to 0.99, --mpp 0 to 1000");
    if (o->slide_mpp != NULL && !mt_command_mpp(&mt_command_model_verify, o->slide_mpp, &mpp_x, &mpp_y))
        return 64;
    if (!load_models(argv[1], o, &v, &error))
        return mt_command_fail(&mt_command_model_verify, error);
    v.inputs = o->input != NULL ? mt_tensor_read_npy(o->input, &error) : sample(o, &v, argv + 2, mpp_x, mpp_y, &error);
    if (v.inputs == NULL || !compare(o, &v, &error))
        return mt_command_fail(&mt_command_model_verify, error);
    return finish(&v, o->json);
}

static int run(int argc, char **argv)
{
    verify_options o = {.mpp = NAN, .tiles = 200};
    GOptionEntry   entries[] = {
          {"precision", 0, 0, G_OPTION_ARG_STRING, &o.precisions, "bf16, int8 or both (default: int8 of a quantised model, else bf16)",
           "P,..."},
          {"against", 0, 0, G_OPTION_ARG_FILENAME, &o.against, "the float model that a quantised one was made of", "FLOAT.onnx"},
          {"tiles", 0, 0, G_OPTION_ARG_INT, &o.tiles, "tiles to take from the cases (default 200)", "N"},
          {"input", 0, 0, G_OPTION_ARG_FILENAME, &o.input, "float32 N x planes x size x size, normalised, in place of cases", "x.npy"},
          {"overlap", 0, 0, G_OPTION_ARG_DOUBLE, &o.overlap, "share of an edge by which tiles overlap: more tiles of a small case", "F"},
          {"mask", 0, 0, G_OPTION_ARG_STRING, &o.mask, "as run's (default: by the kind of case)", "METHOD"},
          {"mpp", 0, 0, G_OPTION_ARG_DOUBLE, &o.mpp, "wanted µm per pixel (default: the card's)", "F"},
          {"slide-mpp", 0, 0, G_OPTION_ARG_STRING, &o.slide_mpp, "the cases' own µm per pixel, where their files lack it", "X[,Y]"},
          {"threads", 0, 0, G_OPTION_ARG_INT, &o.threads, "threads (default: the CPUs)", "N"},
          {"json", 0, 0, G_OPTION_ARG_NONE, &o.json, "machine output", NULL},
          {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    int code = mt_command_parse(&mt_command_model_verify, entries, &argc, &argv) ? verify(&o, argc, argv) : 64;

    char *const strings[] = {o.precisions, o.against, o.input, o.slide_mpp, o.mask};
    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
        g_free(strings[i]);
    return code;
}

const mt_command mt_command_model_verify = {
    .name = "model verify",
    .arguments = "MODEL.onnx CASE...",
    .summary = "Compare an encoder's features in bf16 or int8 with fp32 on real tiles; write what holds into its card.",
    .help = "Tiles are found and read as run does, evenly over the cases.  A precision holds when the smallest cosine between the two "
            "features of\n"
            "a tile is at least 0.9995 (bf16) or 0.99 (int8); MODEL.card then lists it in verified=, and run --precision auto may choose "
            "it.  What\n"
            "does not hold is struck from the card and the exit code is 78.\n\n"
            "Examples:\n"
            "  microtome model verify uni.onnx slides/*.svs\n"
            "  microtome model verify --against uni.onnx uni-int8.onnx slides/*.svs",
    .run = run,
};

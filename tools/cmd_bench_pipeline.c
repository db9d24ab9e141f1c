#include "tools/cmd_bench.h"
#include "tools/model_bench.h"

#include <microtome/pipeline.h>

#include <glib/gstdio.h>
#include <jansson.h>
#include <stdio.h>

typedef struct bench {
    mt_recipe     *recipe;
    mt_model_bench encoder; /* of the second measurement; its items_per_second is the mean of both */
    mt_timings     timings;
    double         tiles_per_second;
    bool           json;
} bench;

/* The encoder alone, as `model bench` does: before and after the case, for the machine may change its pace. */
static bool measure_encoder(bench *b, GError **error)
{
    double         before = b->encoder.items_per_second;
    mt_model_bench fresh = {
        .batch = b->encoder.batch, .threads = b->encoder.threads, .precision = b->encoder.precision, .seconds = b->encoder.seconds};

    mt_model_bench_clear(&b->encoder);
    b->encoder = fresh;
    if (!mt_model_bench_run(&b->encoder, b->recipe->encoder, error))
        return false;
    if (before > 0)
        b->encoder.items_per_second = (before + b->encoder.items_per_second) / 2;
    return true;
}

static bool measure_case(bench *b, const char *path, GError **error)
{
    g_autoptr(mt_pipeline) pipeline = mt_pipeline_new(b->recipe, b->encoder.threads, error);
    g_autofree char *folder = pipeline != NULL ? g_dir_make_tmp("microtome-bench-XXXXXX", error) : NULL;
    g_autofree char *target = folder != NULL ? g_build_filename(folder, "case.h5", NULL) : NULL;
    mt_job           job = {.path = path, .id = "case"};

    if (target == NULL)
        return false;
    bool ok = mt_pipeline_run(pipeline, &job, target, NULL, NULL, &b->timings, error);
    g_unlink(target);
    g_rmdir(folder);
    if (ok && b->timings.tiles == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "measure %s: it has no tile with foreground", path);
        return false;
    }
    b->tiles_per_second = ok ? (double)b->timings.tiles / b->timings.tiles_s : 0;
    return ok;
}

static void print(const bench *b)
{
    const mt_timings *t = &b->timings;
    double            busy = t->decode_s + t->resample_s + t->normalise_s + t->encode_s + t->write_s;
    double            ratio = b->tiles_per_second / b->encoder.items_per_second;

    if (b->json) {
        json_t *root = json_pack("{s:f s:f s:f s:I s:i s:f s:f s:f s:{s:f s:f s:f s:f s:f} s:I s:I}", "tiles_per_second",
                                 b->tiles_per_second, "encoder_items_per_second", b->encoder.items_per_second, "of_encoder", ratio, "tiles",
                                 (json_int_t)t->tiles, "threads", b->encoder.threads, "tiles_s", t->tiles_s, "mask_s", t->mask_s, "total_s",
                                 t->total_s, "share", "decode", t->decode_s / busy, "resample", t->resample_s / busy, "normalise",
                                 t->normalise_s / busy, "encode", t->encode_s / busy, "write", t->write_s / busy, "stored_tiles_decoded",
                                 (json_int_t)t->reading.tiles_decoded, "stored_tiles_reused", (json_int_t)t->reading.tiles_reused);
        json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
        json_decref(root);
        return;
    }
    printf("case          %8.2f tiles/s  (%" G_GINT64_FORMAT " tiles, %d threads, mask %.2f s, in all %.1f s)\n", b->tiles_per_second,
           t->tiles, b->encoder.threads, t->mask_s, t->total_s);
    printf("encoder alone %8.2f items/s  the case reaches %.3f of it\n", b->encoder.items_per_second, ratio);
    printf("thread time: decode %.1f %%, resample %.1f %%, normalise %.1f %%, encode %.1f %%, write %.1f %%\n", 100 * t->decode_s / busy,
           100 * t->resample_s / busy, 100 * t->normalise_s / busy, 100 * t->encode_s / busy, 100 * t->write_s / busy);
}

static bool measure(bench *b, const char *path, GError **error)
{
    return measure_encoder(b, error) && measure_case(b, path, error) && measure_encoder(b, error);
}

static int run(int argc, char **argv)
{
    g_autoptr(mt_recipe) recipe = mt_recipe_new();
    bench            b = {.recipe = recipe, .encoder = {.seconds = 10}};
    gboolean         json = FALSE;
    g_autofree char *precision = NULL;
    g_autoptr(GError) error = NULL;
    GOptionEntry entries[] = {
        {"encoder", 'e', 0, G_OPTION_ARG_FILENAME, &recipe->encoder, "model with its card beside it", "ENCODER.onnx"},
        {"mpp", 0, 0, G_OPTION_ARG_DOUBLE, &recipe->mpp, "wanted µm per pixel (default: the card's)", "F"},
        {"tile", 0, 0, G_OPTION_ARG_INT, &recipe->tile_px, "edge of a tile (default: the card's)", "PX"},
        {"mask", 0, 0, G_OPTION_ARG_STRING, &recipe->mask_method, "method of the foreground", "METHOD"},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &precision, "fp32, bf16 or int8 (default fp32)", "P"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &b.encoder.threads, "threads (default: the CPUs)", "N"},
        {"backend", 0, 0, G_OPTION_ARG_STRING, &recipe->backend, "direct, openslide or vips (default: what fits the file)", "NAME"},
        {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &b.encoder.seconds, "how long to measure the encoder, twice (default 10)", "S"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "machine output", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_bench_pipeline, entries, &argc, &argv))
        return 64;
    if (argc != 2 || recipe->encoder == NULL || !(b.encoder.seconds > 0))
        return mt_command_usage(&mt_command_bench_pipeline, "name one case and give an encoder with -e");
    if (!mt_command_precision(&mt_command_bench_pipeline, precision, &b.encoder.precision))
        return 64;
    recipe->precision = g_strdup(mt_precision_name(b.encoder.precision));
    recipe->off_contract = true; /* a measurement gives no result */
    b.json = json;
    b.encoder.threads = mt_command_threads(b.encoder.threads);
    g_autoptr(mt_encoder) encoder = mt_encoder_load(recipe->encoder, &error);
    if (encoder == NULL)
        return mt_command_fail(&mt_command_bench_pipeline, error);
    b.encoder.batch = mt_encoder_card(encoder)->batch;
    g_clear_pointer(&encoder, mt_encoder_unref);
    bool ok = measure(&b, argv[1], &error);
    if (ok)
        print(&b);
    mt_model_bench_clear(&b.encoder);
    return ok ? 0 : mt_command_fail(&mt_command_bench_pipeline, error);
}

const mt_command mt_command_bench_pipeline = {
    .name = "bench pipeline",
    .arguments = "CASE",
    .summary = "Tiles per second of a whole case, beside the encoder alone.",
    .help =
        "The encoder is measured before and after the case with the same precision and threads; the result of the case is thrown away.\n\n"
        "Example:\n"
        "  microtome bench pipeline -e resnet50.onnx slide.svs --threads 2",
    .run = run,
};

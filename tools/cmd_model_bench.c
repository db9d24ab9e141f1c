#include "tools/cmd_model.h"
#include "tools/model_report.h"

#include <stdio.h>

static void print_text(const mt_model_bench *bench)
{
    printf("%.2f items/s, %.1f GFLOP/s", bench->items_per_second, bench->gflops);
    if (bench->peak_gflops > 0)
        printf(" (%.0f %% of the primitives' %.0f)", 100 * bench->gflops / bench->peak_gflops, bench->peak_gflops);
    printf(", peak %.0f MB (batch %d, %d threads, %.1f s)\n", bench->peak_rss_mb, bench->batch, bench->threads, bench->measured_s);
    printf("loaded in %.2f s: import %.2f s, sessions %.2f s, the rest waiting for the hash\n", bench->load_s, bench->import_s,
           bench->sessions_s);
}

static int run(int argc, char **argv)
{
    mt_model_bench   bench = {.batch = 16, .seconds = 10};
    gboolean         json = FALSE, profile = FALSE, verbose = FALSE;
    g_autofree char *precision = NULL, *size = NULL;
    g_autoptr(GError) error = NULL;
    GOptionEntry entries[] = {
        {"batch", 0, 0, G_OPTION_ARG_INT, &bench.batch, "items per batch (default 16)", "N"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &bench.threads, "threads, one batch each (default: the CPUs)", "N"},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &precision, "fp32, bf16 or int8 (default fp32)", "P"},
        {"size", 0, 0, G_OPTION_ARG_STRING, &size, "of the input where the graph leaves it open (default: the card's)", "WxH[xD]"},
        {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &bench.seconds, "how long to measure (default 10)", "S"},
        {"profile", 0, 0, G_OPTION_ARG_NONE, &profile, "time of each layer, operator and implementation", NULL},
        {"verbose", 0, 0, G_OPTION_ARG_NONE, &verbose, "what runs each node, and why nothing faster does", NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "machine output", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_model_bench, entries, &argc, &argv))
        return 64;
    if (argc != 2 || bench.batch < 1 || !(bench.seconds > 0))
        return mt_command_usage(&mt_command_model_bench, "name one model; --batch and --seconds are positive");
    if (!mt_command_precision(&mt_command_model_bench, precision, &bench.precision))
        return 64;
    if (size != NULL && !mt_model_bench_parse_size(size, bench.size))
        return mt_command_usage(&mt_command_model_bench, "--size is WxH or WxHxD, each 1 to 4096");
    bench.threads = mt_command_threads(bench.threads);
    bench.profile = profile;
    if (!mt_model_bench_run(&bench, argv[1], &error))
        return mt_command_fail(&mt_command_model_bench, error);
    if (verbose)
        mt_print_steps(bench.steps, stderr);
    if (json)
        mt_print_bench_json(&bench, stdout);
    else
        print_text(&bench);
    if (profile && !json)
        mt_print_profile(&bench, stdout);
    mt_model_bench_clear(&bench);
    return 0;
}

const mt_command mt_command_model_bench = {
    .name = "model bench",
    .arguments = "MODEL.onnx",
    .summary = "Items per second with the team of run: one batch per thread.",
    .run = run,
};

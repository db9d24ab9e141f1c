#include "tools/cmd_bench.h"

#include <microtome/bench.h>

#include <jansson.h>
#include <stdio.h>

static void print_json(const mt_bench_tiles *a, int threads, int tile_px)
{
    const mt_case_counts *r = &a->reading;
    json_t               *root = json_pack("{s:f s:f s:I s:i s:i s:s s:f}", "tiles_per_second", a->tiles_per_second, "mpx_per_second",
                                           a->reader.mpx_per_second, "tiles", (json_int_t)a->tiles, "tile_px", tile_px, "threads", threads, "backend",
                                           a->backend, "seconds", a->reader.seconds);

    if (a->of_codec > 0)
        json_object_update_new(root, json_pack("{s:f s:f s:f}", "codec_mpx_per_second", a->codec.mpx_per_second, "of_codec", a->of_codec,
                                               "decoded_per_stored_tile", (double)r->tiles_decoded / (double)a->stored_tiles));
    if (a->of_openslide > 0)
        json_object_update_new(
            root, json_pack("{s:f s:f}", "openslide_mpx_per_second", a->openslide.mpx_per_second, "of_openslide", a->of_openslide));
    json_object_update_new(root, json_pack("{s:I s:I s:I s:I}", "stored_tiles_decoded", (json_int_t)r->tiles_decoded, "stored_tiles_reused",
                                           (json_int_t)r->tiles_reused, "decoded_bytes", (json_int_t)r->decoded_bytes, "read_bytes",
                                           (json_int_t)r->read_bytes));
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(root);
}

static void print_text(const mt_bench_tiles *a, int threads, int tile_px)
{
    printf("microtome (%s)   %8.1f Mpx/s  %.0f tiles/s (%" G_GINT64_FORMAT " tiles of %d px, %d threads, %.2f s)\n", a->backend,
           a->reader.mpx_per_second, a->tiles_per_second, a->tiles, tile_px, threads, a->reader.seconds);
    if (a->of_codec > 0)
        printf("libjpeg-turbo alone  %8.1f Mpx/s  microtome reaches %.2f of it; each stored tile decoded %.2f times\n",
               a->codec.mpx_per_second, a->of_codec, (double)a->reading.tiles_decoded / (double)a->stored_tiles);
    if (a->of_openslide > 0)
        printf("OpenSlide            %8.1f Mpx/s  microtome is %.2f times as fast\n", a->openslide.mpx_per_second, a->of_openslide);
}

static int run(int argc, char **argv)
{
    mt_bench_tiles_params p = {.tile_px = 256, .rounds = 3, .max_tiles = 8192};
    mt_bench_tiles        answer;
    gboolean              json = FALSE;
    gint64                max_tiles = p.max_tiles;
    g_autofree char      *backend = NULL, *mask = NULL;
    g_autoptr(GError) error = NULL;
    GOptionEntry entries[] = {
        {"tile", 0, 0, G_OPTION_ARG_INT, &p.tile_px, "edge of a tile of level 0 (default 256)", "PX"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &p.threads, "threads (default: the CPUs)", "N"},
        {"backend", 0, 0, G_OPTION_ARG_STRING, &backend, "direct, openslide or vips (default: what fits the file)", "NAME"},
        {"mask", 0, 0, G_OPTION_ARG_STRING, &mask, "method of the foreground, or none for every tile", "METHOD"},
        {"tiles", 0, 0, G_OPTION_ARG_INT64, &max_tiles, "at most so many, from the middle of the grid (default 8192)", "N"},
        {"rounds", 0, 0, G_OPTION_ARG_INT, &p.rounds, "each measures all in turn; the median counts (default 3)", "N"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "machine output", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_bench_tiles, entries, &argc, &argv))
        return 64;
    if (argc != 2)
        return mt_command_usage(&mt_command_bench_tiles, "name one case");
    if (p.tile_px < 16 || p.tile_px > 4096 || max_tiles < 1 || p.rounds < 1 || p.rounds > 99)
        return mt_command_usage(&mt_command_bench_tiles, "--tile is 16 to 4096, --tiles positive, --rounds 1 to 99");
    if (backend != NULL && !mt_case_backend_known(backend))
        return mt_command_usage(&mt_command_bench_tiles, "--backend %s: direct, openslide, vips, nifti, metaimage, nrrd or dicom is wanted", backend);
    p.path = argv[1];
    p.backend = backend;
    p.mask_method = mask;
    p.max_tiles = max_tiles;
    p.threads = mt_command_threads(p.threads);
    if (!mt_bench_tiles_run(&p, &answer, &error))
        return mt_command_fail(&mt_command_bench_tiles, error);
    (json ? print_json : print_text)(&answer, p.threads, p.tile_px);
    return 0;
}

const mt_command mt_command_bench_tiles = {
    .name = "bench tiles",
    .arguments = "CASE",
    .summary = "Tiles per second as a run reads them, beside libjpeg-turbo alone and OpenSlide.",
    .help = "Reads tiles of level 0 with foreground, in the order of a run.  libjpeg-turbo decodes the same stored tiles from memory, "
            "OpenSlide "
            "reads\nthe same rectangles; each round measures all three, and ratios are medians over rounds.\n\n"
            "Examples:\n"
            "  microtome bench tiles slide.svs --tile 256\n"
            "  microtome bench tiles slide.tif --tile 224 --threads 2 --json",
    .run = run,
};

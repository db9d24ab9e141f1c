#include "tools/command.h"
#include "tools/progress_bar.h"
#include "tools/tile_report.h"

#include "src/base/size.h"

#include <microtome/batch.h>
#include <microtome/cut.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_QUALITY 90

typedef struct tile_options {
    mt_recipe     *recipe;
    mt_cut_options cut;
    char          *folder, *slide_mpp, *stain, *exclude, *compat, *format, *shard_size;
    double         mpp_x, mpp_y; /* the cases' own */
    int            quality, threads;
    gint64         shards;
    gboolean       json, off_contract;
} tile_options;

/* The cases of one command line on their way. */
typedef struct tile_run {
    tile_options        *o;
    GPtrArray           *cases;
    bool                 folder_each;
    const mt_batch_case *c;
    int                  done, failed;
    gint64               start_us;
    mt_progress_bar     *bar;
    mt_tile_report      *report;
} tile_run;

static volatile sig_atomic_t stop_asked;

static void on_stop(int signal_number)
{
    (void)signal_number;
    if (stop_asked)
        _exit(75);
    stop_asked = 1;
}

static void tell(tile_run *r, mt_batch_event_kind kind, int64_t done, int64_t total, const char *message)
{
    bool alone = r->cases->len == 1 && kind != MT_BATCH_PROGRESS; /* its end is told as any verb tells it */

    if (alone)
        return;
    const mt_batch_event event = {.kind = kind,
                                  .c = r->c,
                                  .tiles_done = done,
                                  .tiles_total = total,
                                  .cases_done = r->done,
                                  .cases_total = (int)r->cases->len,
                                  .seconds = (double)(g_get_monotonic_time() - r->start_us) / 1e6,
                                  .message = message};

    mt_progress_bar_event(r->bar, &event);
}

static bool on_progress(void *user, int64_t done, int64_t total)
{
    tell(user, MT_BATCH_PROGRESS, done, total, NULL);
    return !stop_asked;
}

static bool parse(tile_options *o, int *argc, char ***argv)
{
    mt_recipe   *recipe = o->recipe;
    GOptionEntry entries[] = {
        {"out", 'o', 0, G_OPTION_ARG_FILENAME, &o->folder, "folder for the tiles; with several cases DIR/<id>/ each", "DIR"},
        {"mpp", 0, 0, G_OPTION_ARG_DOUBLE, &recipe->mpp, "wanted µm per pixel; 0 reads level 0 as it is", "F"},
        {"slide-mpp", 0, 0, G_OPTION_ARG_STRING, &o->slide_mpp, "the cases' own µm per pixel, where their files lack it", "X[,Y]"},
        {"tile", 0, 0, G_OPTION_ARG_INT, &recipe->tile_px, "edge of a tile (default 256)", "PX"},
        {"overlap", 0, 0, G_OPTION_ARG_DOUBLE, &recipe->overlap, "share of an edge by which tiles overlap", "F"},
        {"mask", 0, 0, G_OPTION_ARG_STRING, &recipe->mask_method, "otsu, clam:PRESET, field, body, none, file:PATH or model:FILE.onnx",
         "METHOD"},
        {"min-share", 0, 0, G_OPTION_ARG_DOUBLE, &recipe->min_share,
         "smallest share of mask in a tile (default 0.5; with --compat trident 0)", "F"},
        {"exclude", 0, 0, G_OPTION_ARG_STRING, &o->exclude, "artefacts to take out of the mask: pen,folds,blur,bubbles", "LIST"},
        {"stain", 0, 0, G_OPTION_ARG_FILENAME, &o->stain, "normalise stains: macenko or reinhard, to a default or the colours of IMAGE",
         "METHOD[:IMAGE]"},
        {"compat", 0, 0, G_OPTION_ARG_STRING, &o->compat, "trident or clam: that tool's tiles, coordinate for coordinate", "TOOL"},
        {"patch-level", 0, 0, G_OPTION_ARG_INT, &recipe->patch_level, "with --compat clam: level to read (default: by µm/px)", "N"},
        {"off-contract", 0, 0, G_OPTION_ARG_NONE, &o->off_contract, "with --compat: read although tiles are off the wanted µm/px", NULL},
        {"format", 0, 0, G_OPTION_ARG_STRING, &o->format, "png, jpeg or webp (default png)", "FORMAT"},
        {"quality", 0, 0, G_OPTION_ARG_INT, &o->quality, "of jpeg and webp, 1 to 100 (default 90); webp 100 is lossless", "N"},
        {"shards", 0, 0, G_OPTION_ARG_INT64, &o->shards, "WebDataset tar shards: N of about equal count", "N"},
        {"shard-size", 0, 0, G_OPTION_ARG_STRING, &o->shard_size, "WebDataset tar shards of at most SIZE bytes, as 500M or 2G", "SIZE"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &o->threads, "threads (default: the CPUs); the files do not depend on it", "N"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &o->json, "print tiles, bytes, seconds and invalid tiles as JSON", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    return mt_command_parse(&mt_command_tile, entries, argc, argv);
}

static bool check_grid(const mt_recipe *recipe)
{
    bool by_level = recipe->compat == MT_COMPAT_CLAM && recipe->patch_level >= 0;

    if (!(recipe->mpp >= 0) && !by_level)
        mt_command_usage(&mt_command_tile, "give the wanted µm per pixel with --mpp (0 = level 0 as it is)");
    else if (recipe->tile_px < 16 || recipe->tile_px > 4096)
        mt_command_usage(&mt_command_tile, "--tile %d: 16 to 4096 is wanted", recipe->tile_px);
    else if (!(recipe->overlap >= 0 && recipe->overlap <= 0.99) ||
             !(recipe->min_share == -1 || (recipe->min_share >= 0 && recipe->min_share <= 1)))
        mt_command_usage(&mt_command_tile, "--overlap is 0 to 0.99, --min-share 0 to 1");
    else
        return true;
    return false;
}

static bool check_output(tile_options *o)
{
    mt_picture_params *picture = &o->cut.picture;

    if (o->format != NULL && !mt_picture_format_parse(o->format, &picture->format))
        mt_command_usage(&mt_command_tile, "--format %s: png, jpeg or webp is wanted", o->format);
    else if (o->quality != -1 && picture->format == MT_PICTURE_PNG)
        mt_command_usage(&mt_command_tile, "--quality is for jpeg and webp: png keeps every pixel as it is");
    else if (o->quality != -1 && (o->quality < 1 || o->quality > 100))
        mt_command_usage(&mt_command_tile, "--quality %d: 1 to 100 is wanted", o->quality);
    else if (o->shards != -1 && o->shard_size != NULL)
        mt_command_usage(&mt_command_tile, "--shards and --shard-size are two ways to say the same: give one");
    else if (o->shards != -1 && (o->shards < 1 || o->shards > 999999))
        mt_command_usage(&mt_command_tile, "--shards %" G_GINT64_FORMAT ": 1 to 999999 is wanted", o->shards);
    else if (o->shard_size != NULL && !mt_size_parse(o->shard_size, &o->cut.shard_bytes))
        mt_command_usage(&mt_command_tile, "--shard-size %s: a number of bytes is wanted, as 500M or 2G", o->shard_size);
    else if (o->threads < 0)
        mt_command_usage(&mt_command_tile, "--threads %d: 1 or more is wanted, or 0 for all CPUs", o->threads);
    else {
        picture->quality = o->quality != -1 ? o->quality : DEFAULT_QUALITY;
        o->cut.shards = MAX(o->shards, 0);
        o->cut.threads = mt_command_threads(o->threads);
        return true;
    }
    return false;
}

/* One case; *stopped when the user wants no more.  Returns its exit code. */
static int cut_one(tile_run *r, bool *stopped)
{
    g_autoptr(GError) error = NULL;
    mt_cut_summary   summary = {0};
    g_autofree char *own = r->folder_each ? g_build_filename(r->o->folder, r->c->id, NULL) : NULL;
    const char      *folder = own != NULL ? own : r->o->folder;
    const mt_job     job = {r->c->path, r->c->id, r->c->mpp_x, r->c->mpp_y, r->c->mpp_source};

    r->start_us = g_get_monotonic_time();
    tell(r, MT_BATCH_STARTED, 0, 0, NULL);
    bool ok = mt_cut_run(r->o->recipe, &job, folder, &r->o->cut, &summary, &error);
    *stopped = g_error_matches(error, MT_ERROR, MT_ERROR_STOPPED);
    r->done += !*stopped;
    if (ok && summary.unusable)
        g_set_error(&error, MT_ERROR, MT_ERROR_INPUT,
                    "%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " tiles could not be decoded: the file is damaged; the others are in %s",
                    summary.invalid_tiles, summary.tiles, folder);
    tell(r,
         error != NULL      ? MT_BATCH_FAILED
         : summary.finished ? MT_BATCH_SKIPPED
                            : MT_BATCH_DONE,
         summary.written, summary.written, error != NULL ? error->message : NULL);
    mt_tile_report_add(r->report, &job, folder, &summary, ok ? NULL : error);
    mt_cut_summary_clear(&summary);
    r->failed += error != NULL && !*stopped;
    if (r->cases->len == 1) {
        g_clear_pointer(&r->bar, mt_progress_bar_free);
        return error != NULL ? mt_command_fail(&mt_command_tile, error) : 0;
    }
    return mt_error_exit_code(error);
}

static int cut_all(tile_run *r)
{
    bool stopped = false;
    int  code = 0;

    r->bar = mt_progress_bar_new("tile");
    r->report = mt_tile_report_new(r->o->json);
    for (guint i = 0; i < r->cases->len && !stopped; i++) {
        r->c = r->cases->pdata[i];
        code = cut_one(r, &stopped);
        stopped |= stop_asked != 0;
    }
    g_clear_pointer(&r->bar, mt_progress_bar_free);
    mt_tile_report_end(r->report);
    if (r->cases->len != 1)
        fprintf(stderr, "%d done, %d failed%s\n", r->done - r->failed, r->failed,
                stopped ? ", stopped: run the same command again to complete it" : "");
    return stopped ? 75 : r->cases->len == 1 ? code : r->failed > 0 ? 65 : 0;
}

static bool is_manifest(const char *argument)
{
    size_t n = strlen(argument);

    return n > 4 && g_ascii_strcasecmp(argument + n - 4, ".csv") == 0;
}

static int run_with(tile_options *o, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (!parse(o, &argc, &argv))
        return 64;
    if (argc < 2 || o->folder == NULL)
        return mt_command_usage(&mt_command_tile, "name one case or more and give -o DIR");
    o->recipe->off_contract = o->off_contract;
    if (!mt_artefacts_parse(o->exclude, &o->recipe->exclude))
        return mt_command_usage(&mt_command_tile, "--exclude %s: a list of pen, folds, blur and bubbles is wanted", o->exclude);
    if (!mt_command_stain(&mt_command_tile, o->stain, o->recipe) || !mt_command_compat(&mt_command_tile, o->compat, &o->recipe->compat) ||
        !check_grid(o->recipe) || !check_output(o) ||
        (o->slide_mpp != NULL && !mt_command_mpp(&mt_command_tile, o->slide_mpp, &o->mpp_x, &o->mpp_y)))
        return 64;
    g_autoptr(GPtrArray) cases = mt_batch_cases((const char *const *)(argv + 1), o->mpp_x, o->mpp_y, &error);
    if (cases == NULL)
        return mt_command_fail(&mt_command_tile, error);
    g_autoptr(mt_masker) masker = mt_masker_new(mt_recipe_mask_method(o->recipe), &error);
    if (masker == NULL)
        return mt_command_fail(&mt_command_tile, error);
    mt_masker_exclude(masker, o->recipe->exclude);
    o->cut.masker = masker;
    tile_run r = {.o = o, .cases = cases, .folder_each = argc > 2 || is_manifest(argv[1])};
    o->cut.progress = on_progress;
    o->cut.progress_user = &r;
    const struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return cut_all(&r);
}

static int run(int argc, char **argv)
{
    g_autoptr(mt_recipe) recipe = mt_recipe_new();
    tile_options o = {.recipe = recipe, .quality = -1, .shards = -1};

    recipe->tile_px = 256;
    int code = run_with(&o, argc, argv);
    g_free(o.folder);
    g_free(o.slide_mpp);
    g_free(o.stain);
    g_free(o.compat);
    g_free(o.exclude);
    g_free(o.format);
    g_free(o.shard_size);
    return code;
}

const mt_command mt_command_tile = {
    .name = "tile",
    .arguments = "CASE... | MANIFEST.csv",
    .summary = "Cut cases into tile images at an exact µm per pixel: files or WebDataset shards, with coordinates.",
    .help = "The tiles are those that `microtome run` reads, bit for bit as Pillow's resize gives them.  DIR holds for each case\n"
            "  <x>_<y>.png     a tile, named by its top left in level-0 pixels (of volumes <x>_<y>_<plane>.png), or\n"
            "  <id>-000000.tar ... shards with <id>_<x>_<y>.png and .json (case, index, x, y, plane, level, mpp, tile_px, tissue_share)\n"
            "  tiles.csv       every tile: name, x, y, plane, tissue_share, valid, bytes, shard, reason; there once all is there\n"
            "  coords.h5       coordinates and tile size as CLAM and TRIDENT read them\n"
            "  tile.ini        what the tiles were cut with: other settings in the same folder are refused\n\n"
            "Run the same command again to complete what was stopped or killed.  A tile that cannot be decoded is left out, listed with\n"
            "valid=0 and its reason, and warned of; above 10 % of a case's tiles the exit status is 65.\n"
            "png keeps every pixel (16-bit cases give 16-bit png); jpeg keeps full colour (4:4:4) from quality 90 on.\n\n"
            "Examples:\n"
            "  microtome tile slide.svs -o tiles --mpp 0.5\n"
            "  microtome tile slides/*.svs -o tiles --mpp 1 --tile 512 --format jpeg --quality 95\n"
            "  microtome tile slides.csv -o shards --mpp 0.5 --format webp --shard-size 1G\n"
            "  microtome tile slide.svs -o tiles --mpp 0 --mask none --json",
    .run = run,
};

#include "tools/cmd_bench.h"

#include <microtome/head.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL_ROWS INT64_C(4096)
#define TILES_MAX INT64_C(100000000)
#define DIM_MAX INT64_C(1 << 16)

/* Features that cost no more than copying: rows of a pool, begun at another place each time round. */
typedef struct made_bag {
    int64_t dim;
    float  *pool;         /* POOL_ROWS x dim */
    int64_t side;         /* tiles in a row of the square */
    int     coords_width; /* 2, or 3 for heads of volumes */
} made_bag;

static bool read_rows(void *user, int64_t first, int64_t count, float *out, GError **error)
{
    const made_bag *made = user;

    (void)error;
    for (int64_t i = first; i < first + count; i++, out += made->dim)
        memcpy(out, made->pool + ((i * 7 + i / POOL_ROWS) % POOL_ROWS) * made->dim, (size_t)made->dim * sizeof *out);
    return true;
}

static void fill_pool(const made_bag *made)
{
    uint32_t state = 1;

    for (int64_t i = 0; i < POOL_ROWS * made->dim; i++) {
        state = state * 1664525 + 1013904223;
        made->pool[i] = (float)(int32_t)state * 0x1p-31F;
    }
}

/* Tiles of 224 px at 0.5 µm/px, side by side in a square, for heads that take places; the planes of a volume that wants them are all 0. */
#define EDGE 224
#define MPP 0.5

static bool read_places(void *user, int64_t first, int64_t count, int64_t *xy, GError **error)
{
    const made_bag *made = user;

    (void)error;
    for (int64_t i = first; i < first + count; i++) {
        *xy++ = i % made->side * EDGE;
        *xy++ = i / made->side * EDGE;
        if (made->coords_width == 3)
            *xy++ = 0;
    }
    return true;
}

/* VmHWM of this process; 0 where /proc has none. */
static double peak_rss_mb(void)
{
    g_autofree char *status = NULL;

    if (!g_file_get_contents("/proc/self/status", &status, NULL, NULL))
        return 0;
    const char *line = strstr(status, "VmHWM:");
    return line != NULL ? g_ascii_strtod(line + strlen("VmHWM:"), NULL) / 1024 : 0;
}

static void print(const mt_head *head, const mt_bag *bag, const mt_head_options *options, double seconds, bool json)
{
    if (!json) {
        printf("%s: %" G_GINT64_FORMAT " tiles of %" G_GINT64_FORMAT " features in %.2f s, %d threads, peak memory %.0f MiB\n",
               mt_head_kind(head), bag->n, bag->dim, seconds, options->threads, peak_rss_mb());
        return;
    }
    json_t *root = json_pack("{s:s s:I s:I s:i s:f s:f s:f}", "head", mt_head_kind(head), "tiles", (json_int_t)bag->n, "dim",
                             (json_int_t)bag->dim, "threads", options->threads, "seconds", seconds, "tiles_per_second",
                             (double)bag->n / seconds, "peak_rss_mb", peak_rss_mb());
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(root);
}

static bool run_bag(const mt_head *head, made_bag *made, int64_t tiles, const mt_head_options *options, bool json, GError **error)
{
    g_autoptr(GError) unplaced = NULL;
    g_autoptr(mt_head_output) output = NULL;
    mt_bag bag = {
        .n = tiles, .dim = made->dim, .read = read_rows, .user = made, .read_coords = read_places, .tile_level0 = EDGE, .mpp = {MPP, MPP}};
    gint64 start = 0;

    made->side = (int64_t)ceil(sqrt((double)tiles));
    for (made->coords_width = 2; output == NULL && made->coords_width <= 3; made->coords_width++) {
        /* a head of volumes says so before it reads a tile */
        if (unplaced != NULL && !g_error_matches(unplaced, MT_ERROR, MT_ERROR_INPUT))
            break;
        g_clear_error(&unplaced);
        bag.coords_width = made->coords_width;
        start = g_get_monotonic_time();
        output = mt_head_predict(head, &bag, options, &unplaced);
    }
    if (output == NULL) {
        g_propagate_error(error, g_steal_pointer(&unplaced));
        return false;
    }
    print(head, &bag, options, (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC, json);
    return true;
}

static bool measure(const char *path, int64_t tiles, int64_t dim, const mt_head_options *options, bool json, GError **error)
{
    g_autoptr(mt_head) head = mt_head_load(path, error);

    if (head == NULL)
        return false;
    made_bag          made = {.dim = mt_head_dim(head) > 0 ? mt_head_dim(head) : dim};
    g_autofree float *pool = made.pool = g_try_new(float, (gsize)(POOL_ROWS * made.dim));
    if (pool == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MEMORY, "bench bag: no memory for rows of %" G_GINT64_FORMAT " features", made.dim);
        return false;
    }
    fill_pool(&made);
    return run_bag(head, &made, tiles, options, json, error);
}

static int run(int argc, char **argv)
{
    gint64           tiles = 200000, dim = 1536;
    mt_head_options  options = {0};
    gboolean         json = FALSE;
    g_autofree char *head = NULL, *memory = NULL;
    g_autoptr(GError) error = NULL;
    GOptionEntry entries[] = {
        {"head", 'm', 0, G_OPTION_ARG_FILENAME, &head, "mean, max, a checkpoint or an ONNX graph", "HEAD"},
        {"tiles", 0, 0, G_OPTION_ARG_INT64, &tiles, "of the bag (default 200000)", "N"},
        {"dim", 0, 0, G_OPTION_ARG_INT64, &dim, "features per tile, for a head that takes any (default 1536)", "D"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &options.threads, "threads (default: the CPUs)", "N"},
        {"memory", 0, 0, G_OPTION_ARG_STRING, &memory, "what a head may use that needs the whole bag (default 4G)", "SIZE"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "machine output", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_bench_bag, entries, &argc, &argv))
        return 64;
    if (argc != 1 || head == NULL)
        return mt_command_usage(&mt_command_bench_bag, "name one head with -m");
    if (tiles < 1 || tiles > TILES_MAX || dim < 1 || dim > DIM_MAX)
        return mt_command_usage(&mt_command_bench_bag, "--tiles is 1 to 100000000, --dim 1 to 65536");
    if (memory != NULL && !mt_command_size(&mt_command_bench_bag, "--memory", memory, 1, &options.memory_bytes))
        return 64;
    options.threads = mt_command_threads(options.threads);
    return measure(head, tiles, dim, &options, json, &error) ? 0 : mt_command_fail(&mt_command_bench_bag, error);
}

const mt_command mt_command_bench_bag = {
    .name = "bench bag",
    .arguments = "-m HEAD",
    .summary = "Seconds and peak memory of one bag through a head, features from memory.",
    .run = run,
};

/* What a batch will cost, from the grids of its cases and the pace of a few tiles. */
#include "tools/command.h"

#include <microtome/batch.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#define SAMPLE_TILES 32
#define USED_SHARE 0.9     /* of the wall time of a job: it also starts, waits and ends */
#define MEMORY_MARGIN 1.25 /* on what was seen here */

typedef struct plan_options {
    char  *recipe, *encoder, *head, *out, *slide_mpp, *mask, *precision;
    double mpp, overlap, min_share, hours;
    int    tile, threads, workers, cases;
    bool   off_contract, json;
} plan_options;

typedef struct plan {
    GPtrArray    *cases;
    mt_case_look *looks;
    char        **reasons; /* why a case cannot be run; NULL: it can */
    int           n_failed, n_sampled;
    int64_t       tiles, bytes, peak_bytes; /* peak: of all workers */
    double        before_s, seconds, tiles_per_second, slides_per_hour;
    int           tasks; /* jobs of --hours each; 0: not asked */
} plan;

static void plan_clear(plan *p)
{
    for (guint i = 0; p->cases != NULL && i < p->cases->len; i++)
        g_free(p->reasons[i]);
    g_free(p->reasons);
    g_free(p->looks);
    g_clear_pointer(&p->cases, g_ptr_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(plan, plan_clear)

static int64_t peak_bytes(void)
{
    g_autofree char *status = NULL;
    const char      *line = g_file_get_contents("/proc/self/status", &status, NULL, NULL) ? strstr(status, "VmHWM:") : NULL;

    return line != NULL ? g_ascii_strtoll(line + strlen("VmHWM:"), NULL, 10) * 1024 : 0;
}

static bool look_at(plan *p, mt_pipeline *pipeline, guint i, int64_t sample)
{
    const mt_batch_case *c = p->cases->pdata[i];
    mt_job               job = {.path = c->path, .id = c->id, .mpp_x = c->mpp_x, .mpp_y = c->mpp_y, .mpp_source = c->mpp_source};
    g_autoptr(GError) error = NULL;

    if (c->refused == NULL && mt_pipeline_look(pipeline, &job, sample, &p->looks[i], &error))
        return true;
    p->reasons[i] = g_strdup(c->refused != NULL ? c->refused : error->message);
    p->n_failed++;
    return false;
}

/* Tiles of up to `n` cases, spread over those that have some, are encoded. */
static void sample_cases(plan *p, mt_pipeline *pipeline, int n)
{
    g_autoptr(GArray) with_tiles = g_array_new(FALSE, FALSE, sizeof(guint));
    double seconds_per_tile = 0;

    for (guint i = 0; i < p->cases->len; i++)
        if (p->reasons[i] == NULL && p->looks[i].tiles > 0)
            g_array_append_val(with_tiles, i);
    n = MIN(n, (int)with_tiles->len);
    for (int k = 0; k < n; k++) {
        guint i = g_array_index(with_tiles, guint, (guint)((2 * k + 1) * (int)with_tiles->len / (2 * n)));
        if (!look_at(p, pipeline, i, SAMPLE_TILES) || !(p->looks[i].tiles_per_second > 0))
            continue;
        seconds_per_tile += 1 / p->looks[i].tiles_per_second;
        p->n_sampled++;
    }
    p->tiles_per_second = p->n_sampled > 0 ? p->n_sampled / seconds_per_tile : 0;
}

static void add_up(plan *p, const plan_options *o)
{
    int good = (int)p->cases->len - p->n_failed;

    for (guint i = 0; i < p->cases->len; i++) {
        if (p->reasons[i] != NULL)
            continue;
        p->tiles += p->looks[i].tiles;
        p->bytes += p->looks[i].bytes;
        p->before_s += p->looks[i].before_s;
    }
    p->seconds = p->before_s + (p->tiles > 0 && p->tiles_per_second > 0 ? (double)p->tiles / p->tiles_per_second : 0);
    p->slides_per_hour = p->seconds > 0 ? good * 3600 / p->seconds : 0;
    p->peak_bytes = peak_bytes() * MAX(1, o->workers);
    if (o->hours > 0)
        p->tasks = (int)CLAMP(ceil(p->seconds / (o->hours * 3600 * USED_SHARE)), 1, MAX(1, good));
}

static int memory_gib(const plan *p)
{
    return (int)ceil((double)p->peak_bytes * MEMORY_MARGIN / 1073741824.0);
}

static char *sbatch_line(const plan *p, const plan_options *o)
{
    int minutes = (int)ceil(o->hours * 60);

    return g_strdup_printf("sbatch --array=1-%d --cpus-per-task=%d --mem=%dG --time=%02d:%02d:00", p->tasks, mt_command_threads(o->threads),
                           memory_gib(p), minutes / 60, minutes % 60);
}

static void print_json(const plan *p, const plan_options *o)
{
    json_t *list = json_array();

    for (guint i = 0; i < p->cases->len; i++) {
        const mt_batch_case *c = p->cases->pdata[i];
        const mt_case_look  *l = &p->looks[i];
        if (p->reasons[i] != NULL)
            json_array_append_new(list, json_pack("{s:s s:s}", "id", c->id, "error", p->reasons[i]));
        else
            json_array_append_new(list, json_pack("{s:s s:I s:f s:I}", "id", c->id, "tiles", (json_int_t)l->tiles, "before_s", l->before_s,
                                                  "bytes", (json_int_t)l->bytes));
    }
    json_t *root =
        json_pack("{s:i s:i s:i s:I s:f s:f s:f s:I s:I s:o}", "cases", (int)p->cases->len, "failed", p->n_failed, "sampled", p->n_sampled,
                  "tiles", (json_int_t)p->tiles, "tiles_per_second", p->tiles_per_second, "seconds", p->seconds, "slides_per_hour",
                  p->slides_per_hour, "output_bytes", (json_int_t)p->bytes, "peak_bytes", (json_int_t)p->peak_bytes, "list", list);
    if (p->tasks > 0) {
        g_autofree char *line = sbatch_line(p, o);
        json_object_set_new(root, "array", json_integer(p->tasks));
        json_object_set_new(root, "sbatch", json_string(line));
    }
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(root);
}

static void print_table(const plan *p, const plan_options *o)
{
    printf("%-28s%12s%12s\n", "id", "tiles", "MB");
    for (guint i = 0; i < p->cases->len; i++) {
        const mt_batch_case *c = p->cases->pdata[i];
        if (p->reasons[i] != NULL)
            printf("%-28s%s\n", c->id, p->reasons[i]);
        else
            printf("%-28s%12" G_GINT64_FORMAT "%12.1f\n", c->id, p->looks[i].tiles, (double)p->looks[i].bytes / 1e6);
    }
    printf("\n%d of %u cases can be run: %" G_GINT64_FORMAT " tiles, %.2f tiles/s here (%d cases measured)\n",
           (int)p->cases->len - p->n_failed, p->cases->len, p->tiles, p->tiles_per_second, p->n_sampled);
    printf("%.1f slides an hour, %.2f hours in all; about %.2f GB of memory and %.2f GB of results\n", p->slides_per_hour,
           p->seconds / 3600, (double)p->peak_bytes / 1e9, (double)p->bytes / 1e9);
    if (p->tasks > 0) {
        g_autofree char *line = sbatch_line(p, o);
        printf("In %g hours: %d such machines at once\n%s\n", o->hours, p->tasks, line);
    }
}

/* The folder, or its nearest parent that is there, is too small: told, not refused, as others may make room. */
static void check_room(const plan *p, const char *out)
{
    g_autofree char *folder = g_strdup(out);
    struct statvfs   fs;

    while (statvfs(folder, &fs) != 0 && strcmp(folder, ".") != 0 && strcmp(folder, "/") != 0) {
        char *parent = g_path_get_dirname(folder);
        g_free(folder);
        folder = parent;
    }
    if (statvfs(folder, &fs) != 0 || (double)fs.f_bavail * (double)fs.f_frsize >= (double)p->bytes)
        return;
    fprintf(stderr,
            "microtome plan: warning: the results need about %.2f GB, and %s has %.2f GB free: make room, take another folder, or run in "
            "parts and store features as float16 between them (microtome prune --features f16)\n",
            (double)p->bytes / 1e9, out, (double)fs.f_bavail * (double)fs.f_frsize / 1e9);
}

static bool parse(plan_options *o, int *argc, char ***argv)
{
    gboolean     off_contract = FALSE, json = FALSE;
    GOptionEntry entries[] = {
        {"recipe", 'r', 0, G_OPTION_ARG_FILENAME, &o->recipe, "as in run", "RECIPE"},
        {"encoder", 'e', 0, G_OPTION_ARG_FILENAME, &o->encoder, "as in run", "ENCODER.onnx"},
        {"head", 'm', 0, G_OPTION_ARG_FILENAME, &o->head, "as in run", "HEAD"},
        {"out", 'o', 0, G_OPTION_ARG_FILENAME, &o->out, "folder whose free space the results are held against; nothing is written", "OUT"},
        {"hours", 0, 0, G_OPTION_ARG_DOUBLE, &o->hours, "wall time of a job: how many of them at once", "H"},
        {"mpp", 0, 0, G_OPTION_ARG_DOUBLE, &o->mpp, "as in run", "F"},
        {"slide-mpp", 0, 0, G_OPTION_ARG_STRING, &o->slide_mpp, "as in run", "X[,Y]"},
        {"tile", 0, 0, G_OPTION_ARG_INT, &o->tile, "as in run", "PX"},
        {"overlap", 0, 0, G_OPTION_ARG_DOUBLE, &o->overlap, "as in run", "F"},
        {"mask", 0, 0, G_OPTION_ARG_STRING, &o->mask, "as in run", "METHOD"},
        {"min-share", 0, 0, G_OPTION_ARG_DOUBLE, &o->min_share, "as in run", "F"},
        {"off-contract", 0, 0, G_OPTION_ARG_NONE, &off_contract, "as in run", NULL},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &o->precision, "as in run", "P"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &o->threads, "threads in all (default: the CPUs)", "N"},
        {"workers", 0, 0, G_OPTION_ARG_INT, &o->workers, "worker processes, for the memory (default 1)", "N"},
        {"cases", 0, 0, G_OPTION_ARG_INT, &o->cases, "cases of which tiles are encoded (default 3)", "N"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "JSON on standard output", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_plan, entries, argc, argv))
        return false;
    o->off_contract = off_contract;
    o->json = json;
    if (*argc >= 2 && o->hours >= 0 && o->hours <= 8760 && o->threads >= 0 && o->workers >= 0 && o->cases >= 1)
        return true;
    mt_command_usage(&mt_command_plan, *argc < 2
                                           ? "name at least one case or a manifest"
                                           : "--hours is a number to 8760, --threads and --workers are positive, --cases is 1 or more");
    return false;
}

static void replace_string(char **field, char **value)
{
    if (*value == NULL)
        return;
    g_free(*field);
    *field = g_steal_pointer(value);
}

static void apply(plan_options *o, mt_recipe *recipe)
{
    replace_string(&recipe->encoder, &o->encoder);
    replace_string(&recipe->head, &o->head);
    replace_string(&recipe->mask_method, &o->mask);
    replace_string(&recipe->precision, &o->precision);
    recipe->mpp = isnan(o->mpp) ? recipe->mpp : o->mpp;
    recipe->overlap = isnan(o->overlap) ? recipe->overlap : o->overlap;
    recipe->min_share = isnan(o->min_share) ? recipe->min_share : o->min_share;
    recipe->tile_px = o->tile == -1 ? recipe->tile_px : o->tile;
    recipe->off_contract |= o->off_contract;
}

static int make_plan(plan_options *o, char **arguments)
{
    g_autoptr(GError) error = NULL;
    g_auto(plan) p = {0};
    double mpp_x = 0, mpp_y = 0;
    g_autoptr(mt_recipe) recipe = o->recipe != NULL ? mt_recipe_load(o->recipe, &error) : mt_recipe_new();

    if (recipe == NULL)
        return mt_command_fail(&mt_command_plan, error);
    if (o->slide_mpp != NULL && !mt_command_mpp(&mt_command_plan, o->slide_mpp, &mpp_x, &mpp_y))
        return 64;
    apply(o, recipe);
    g_autoptr(GPtrArray) cases = mt_batch_cases_warned((const char *const *)arguments, mpp_x, mpp_y, recipe->n_series > 0, NULL, &error);
    if (cases == NULL || !mt_batch_check_recipe(cases, o->recipe, &error))
        return mt_command_fail(&mt_command_plan, error);
    g_autoptr(mt_pipeline) pipeline = mt_pipeline_new(recipe, mt_command_threads(o->threads), &error);
    if (pipeline == NULL)
        return mt_command_fail(&mt_command_plan, error);
    p.looks = g_new0(mt_case_look, cases->len + 1);
    p.reasons = g_new0(char *, cases->len + 1);
    p.cases = g_ptr_array_ref(cases);
    for (guint i = 0; i < cases->len; i++)
        look_at(&p, pipeline, i, 0);
    sample_cases(&p, pipeline, o->cases);
    add_up(&p, o);
    if (o->json)
        print_json(&p, o);
    else
        print_table(&p, o);
    if (o->out != NULL)
        check_room(&p, o->out);
    return p.n_failed > 0 ? 65 : 0;
}

static int run(int argc, char **argv)
{
    plan_options o = {.mpp = NAN, .overlap = NAN, .min_share = NAN, .tile = -1, .cases = 3};
    int          code = parse(&o, &argc, &argv) ? make_plan(&o, argv + 1) : 64;
    char *const  strings[] = {o.recipe, o.encoder, o.head, o.out, o.slide_mpp, o.mask, o.precision};

    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
        g_free(strings[i]);
    return code;
}

const mt_command mt_command_plan = {
    .name = "plan",
    .arguments = "CASE... | MANIFEST.csv",
    .summary = "What a batch will cost: slides per hour, memory, size of the results, jobs for a wall time.",
    .help = "Opens every case, finds its tissue and counts its tiles as run does; encodes some tiles of a few cases with all threads, and\n"
            "reckons.  Nothing is written.  Exit code 65 where cases cannot be run: each is listed with its reason.\n\n"
            "Examples:\n"
            "  microtome plan -e uni.onnx slides.csv\n"
            "  microtome plan -r night.ini --hours 8 --threads 16 -o OUT slides/",
    .run = run,
};

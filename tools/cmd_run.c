#include "tools/hook_options.h"
#include "tools/patient_report.h"
#include "tools/progress_bar.h"

#include <microtome/batch.h>
#include <microtome/mask.h>
#include <microtome/result.h>

#include "src/base/csv.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MIN_MEMORY (INT64_C(64) << 20)

typedef struct run_options {
    mt_hook_options hooks;
    char           *identifiers, *identifiers_key;
    char *recipe, *encoder, *head, *out, *slide_mpp, *backend, *mask, *exclude, *stain, *precision, *compat, *copy_to, *copy_folder,
        *memory, *patients, *language, *shard, *until, *watch, *task, *combine, *explain;
    uint64_t copy_bytes;
    gint64   until_us;
    double   mpp, overlap, min_share, lease, settle, stall;
    int      tile, patch_level, threads, workers;
    bool     off_contract, json, approximate, force;
} run_options;

static volatile int stop_asked; /* set by the signal handler */

/* Once: stop soon.  Twice: kill the workers, clear up and leave.  Three times: leave. */
static void on_stop(int signal_number)
{
    (void)signal_number;
    if (stop_asked >= 2)
        _exit(75);
    stop_asked++;
}

static bool parse(run_options *o, int *argc, char ***argv)
{
    gboolean     off_contract = FALSE, json = FALSE, approximate = FALSE, force = FALSE;
    GOptionEntry entries[] = {
        {"recipe", 'r', 0, G_OPTION_ARG_FILENAME, &o->recipe, "key file that names encoder, head, grid and thresholds", "RECIPE"},
        {"encoder", 'e', 0, G_OPTION_ARG_FILENAME, &o->encoder, "model with its card beside it, or builtin:demo", "ENCODER.onnx"},
        {"head", 'm', 0, G_OPTION_ARG_FILENAME, &o->head, "HEAD.safetensors, HEAD.onnx, mean or max; without one: features only", "HEAD"},
        {"task", 0, 0, G_OPTION_ARG_STRING, &o->task, "instead of a head: classify, tiles, zero-shot or embed (docs/tasks.md)", "TASK"},
        {"explain", 0, 0, G_OPTION_ARG_STRING, &o->explain,
         "where in a case its score comes from: auto, cam, gradcam, saliency, rollout or occlusion (docs/explanations.md)", "METHOD"},
        {"combine", 0, 0, G_OPTION_ARG_STRING, &o->combine, "with --task: max, mean, noisy-or or top-k of a case's tiles", "RULE"},
        {"out", 'o', 0, G_OPTION_ARG_FILENAME, &o->out, "output folder: results, failures, summary.csv", "OUT"},
        {"language", 0, 0, G_OPTION_ARG_STRING, &o->language, "of the reasons behind a decision (default en)", "en|ko"},
        {"mpp", 0, 0, G_OPTION_ARG_DOUBLE, &o->mpp, "wanted µm per pixel; 0 reads level 0 as it is (default: the card's)", "F"},
        {"slide-mpp", 0, 0, G_OPTION_ARG_STRING, &o->slide_mpp, "the slides' own µm per pixel, where their files lack it", "X[,Y]"},
        {"tile", 0, 0, G_OPTION_ARG_INT, &o->tile, "edge of a tile (default: the card's)", "PX"},
        {"overlap", 0, 0, G_OPTION_ARG_DOUBLE, &o->overlap, "share of an edge by which tiles overlap (default 0)", "F"},
        {"mask", 0, 0, G_OPTION_ARG_STRING, &o->mask,
         "otsu, clam:PRESET, field, body, none, file:PATH or model:FILE.onnx (default: by the kind of case)", "METHOD"},
        {"exclude", 0, 0, G_OPTION_ARG_STRING, &o->exclude, "artefacts to take out of the mask: pen,folds,blur,bubbles (default: none)",
         "LIST"},
        {"stain", 0, 0, G_OPTION_ARG_FILENAME, &o->stain,
         "normalise stains: macenko, reinhard or none, to a default or the colours of IMAGE", "METHOD[:IMAGE]"},
        {"min-share", 0, 0, G_OPTION_ARG_DOUBLE, &o->min_share, "smallest share of mask in a tile (default 0.5; with --compat trident 0)",
         "F"},
        {"compat", 0, 0, G_OPTION_ARG_STRING, &o->compat, "trident or clam: that tool's tiles, coordinate for coordinate", "TOOL"},
        {"patch-level", 0, 0, G_OPTION_ARG_INT, &o->patch_level, "with --compat clam: level to read (default: by µm/px)", "N"},
        {"approximate", 0, 0, G_OPTION_ARG_NONE, &approximate,
         "read coarse µm/px of JPEG slides by cutting in the DCT domain: faster, not exact", NULL},
        {"off-contract", 0, 0, G_OPTION_ARG_NONE, &off_contract,
         "read although µm/px, tile or precision leave the card; results are degraded", NULL},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &o->precision, "fp32, bf16, int8 or auto: the fastest verified one (default auto)", "P"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &o->threads, "threads in all (default: the CPUs)", "N"},
        {"workers", 0, 0, G_OPTION_ARG_INT, &o->workers, "worker processes that share the threads (default 1)", "N"},
        {"copy-to", 0, 0, G_OPTION_ARG_FILENAME, &o->copy_to,
         "copy each case to a local folder before it is opened, the copies holding SIZE at most (as 20G; default half of what is free)",
         "DIR[:SIZE]"},
        {"patients", 0, 0, G_OPTION_ARG_STRING, &o->patients,
         "how the scored cases of one patient (manifest column) become one score (default bag)", "bag|max|mean|noisy_or"},
        {"memory", 0, 0, G_OPTION_ARG_STRING, &o->memory, "what all workers may use for tiles in memory, as 4G or 800M", "SIZE"},
        {"identifiers", 0, 0, G_OPTION_ARG_STRING, &o->identifiers,
         "ids, patients and manifest columns as they are, or keyed hashes everywhere (default clear)", "clear|hash"},
        {"identifiers-key", 0, 0, G_OPTION_ARG_FILENAME, &o->identifiers_key,
         "key of --identifiers hash; FILE.ids.csv keeps which is which", "FILE"},
        {"metrics", 0, 0, G_OPTION_ARG_FILENAME, &o->hooks.metrics,
         "write the metrics (Prometheus) here, too; OUT/metrics.prom has them anyway", "FILE.prom"},
        {"on-finish", 0, 0, G_OPTION_ARG_STRING, &o->hooks.on_finish, "command at the end of the batch", "COMMAND"},
        {"on-fail", 0, 0, G_OPTION_ARG_STRING, &o->hooks.on_fail, "command for each case that fails", "COMMAND"},
        {"backend", 0, 0, G_OPTION_ARG_STRING, &o->backend,
         "direct, openslide, vips, nifti, metaimage, nrrd or dicom (default: what fits the file)", "NAME"},
        {"shard", 0, 0, G_OPTION_ARG_STRING, &o->shard,
         "every N-th case from the I-th on, for one of N processes; auto: as the job array of Slurm, PBS or Kubernetes says", "I/N|auto"},
        {"until", 0, 0, G_OPTION_ARG_STRING, &o->until,
         "local time by which to be done: no case begins that would end later, and what still runs is stopped (exit 75)", "HH:MM"},
        {"watch", 0, 0, G_OPTION_ARG_FILENAME, &o->watch,
         "also take what a scanner drops into DIR, each case once it is whole, until stopped", "DIR"},
        {"settle", 0, 0, G_OPTION_ARG_DOUBLE, &o->settle,
         "seconds for which the files of a dropped case have to stay the same (default 30)", "SECONDS"},
        {"lease", 0, 0, G_OPTION_ARG_DOUBLE, &o->lease,
         "seconds without a sign of life after which another run's case is taken over (default 60)", "SECONDS"},
        {"stall-limit", 0, 0, G_OPTION_ARG_DOUBLE, &o->stall,
         "seconds without progress after which a worker is killed and its case tried again (default 600)", "SECONDS"},
        {"force", 0, 0, G_OPTION_ARG_NONE, &force,
         "use this recipe although the folder has another; its results move to superseded/ as their cases are done again", NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print totals, time per stage and each case as JSON", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
    };

    if (!mt_hook_options_take(&mt_command_run, &o->hooks, argc, *argv) || !mt_command_parse(&mt_command_run, entries, argc, argv))
        return false;
    o->off_contract = off_contract;
    o->approximate = approximate;
    o->force = force;
    o->json = json;
    return true;
}

static bool in_range(double value, double min, double max, const char *option)
{
    if (value >= min && value <= max)
        return true;
    mt_command_usage(&mt_command_run, "%s %g: a number from %g to %g is wanted", option, value, min, max);
    return false;
}

static void replace_string(char **field, char **value)
{
    if (*value == NULL)
        return;
    g_free(*field);
    *field = g_steal_pointer(value);
}

/* The command line beats the recipe. */
static bool apply_language(const run_options *o, mt_recipe *recipe)
{
    if (o->language == NULL)
        return true;
    if (strcmp(o->language, "en") != 0 && strcmp(o->language, "ko") != 0) {
        mt_command_usage(&mt_command_run, "--language %s: en or ko is wanted", o->language);
        return false;
    }
    g_free(recipe->language);
    recipe->language = g_strdup(o->language);
    return true;
}

static bool apply_options(run_options *o, mt_recipe *recipe)
{
    mt_patient_rule rule;
    if (!mt_command_patient_rule(&mt_command_run, o->patients, &rule))
        return false;
    if (o->threads < 0 || o->workers < 0) {
        mt_command_usage(&mt_command_run, "--threads and --workers are positive");
        return false;
    }
    if ((!isnan(o->mpp) && !in_range(o->mpp, 0, 1000, "--mpp")) || (!isnan(o->overlap) && !in_range(o->overlap, 0, 0.99, "--overlap")) ||
        (!isnan(o->min_share) && !in_range(o->min_share, 0, 1, "--min-share")) ||
        (o->tile != -1 && !in_range(o->tile, 16, 4096, "--tile")) || (o->lease != 0 && !in_range(o->lease, 1, 86400, "--lease")) ||
        !in_range(o->settle, 0, 86400, "--settle") || (o->stall != 0 && !in_range(o->stall, 1, 86400, "--stall-limit")))
        return false;
    if (o->backend != NULL && !mt_case_backend_known(o->backend)) {
        mt_command_usage(&mt_command_run, "--backend %s: direct, openslide, vips, nifti, metaimage, nrrd or dicom is wanted", o->backend);
        return false;
    }
    if (o->exclude != NULL && !mt_artefacts_parse(o->exclude, &recipe->exclude)) {
        mt_command_usage(&mt_command_run, "--exclude %s: a list of pen, folds, blur and bubbles is wanted", o->exclude);
        return false;
    }
    if ((o->patch_level != -1 && !in_range(o->patch_level, 0, 63, "--patch-level")) ||
        !mt_command_compat(&mt_command_run, o->compat, &recipe->compat) || !mt_command_stain(&mt_command_run, o->stain, recipe))
        return false;
    mt_precision parsed;
    if (o->precision != NULL && strcmp(o->precision, "auto") != 0 && !mt_precision_parse(o->precision, &parsed)) {
        mt_command_usage(&mt_command_run, "--precision %s: fp32, bf16, int8 or auto is wanted", o->precision);
        return false;
    }
    if (o->task != NULL && !mt_recipe_task_parse(o->task, &recipe->task)) {
        mt_command_usage(&mt_command_run,
                         "--task %s: mil, classify, tiles, zero-shot, embed, multi, segment, detect or reconstruct is wanted", o->task);
        return false;
    }
    if (o->combine != NULL && !g_strv_contains(mt_recipe_rules(), o->combine)) {
        mt_command_usage(&mt_command_run, "--combine %s: max, mean, noisy-or or top-k is wanted", o->combine);
        return false;
    }
    g_autoptr(GError) error = NULL;
    if (o->explain != NULL && !mt_recipe_set_explain(recipe, o->explain, &error)) {
        mt_command_usage(&mt_command_run, "%s", error->message);
        return false;
    }
    replace_string(&recipe->encoder, &o->encoder);
    replace_string(&recipe->precision, &o->precision);
    replace_string(&recipe->head, &o->head);
    replace_string(&recipe->combine, &o->combine);
    replace_string(&recipe->backend, &o->backend);
    replace_string(&recipe->mask_method, &o->mask);
    recipe->mpp = isnan(o->mpp) ? recipe->mpp : o->mpp;
    recipe->overlap = isnan(o->overlap) ? recipe->overlap : o->overlap;
    recipe->min_share = isnan(o->min_share) ? recipe->min_share : o->min_share;
    recipe->tile_px = o->tile == -1 ? recipe->tile_px : o->tile;
    recipe->patch_level = o->patch_level == -1 ? recipe->patch_level : o->patch_level;
    recipe->off_contract = o->off_contract;
    recipe->approximate |= o->approximate;
    if (o->memory != NULL && !mt_command_size(&mt_command_run, "--memory", o->memory, MIN_MEMORY, &recipe->memory_bytes))
        return false;
    recipe->memory_bytes /= MAX(1, o->workers);
    return true;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_stop};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
}

static json_t *timings_json(const mt_timings *sum)
{
    double           busy = sum->decode_s + sum->resample_s + sum->normalise_s + sum->encode_s + sum->write_s;
    g_autofree char *text = mt_timings_json(sum);
    json_t          *object = json_loads(text, 0, NULL);

    busy = busy > 0 ? busy : 1;
    json_object_set_new(object, "share",
                        json_pack("{s:f s:f s:f s:f s:f}", "decode", sum->decode_s / busy, "resample", sum->resample_s / busy, "normalise",
                                  sum->normalise_s / busy, "encode", sum->encode_s / busy, "write", sum->write_s / busy));
    return object;
}

/* A case without a result: recorded as failed, or not run yet. */
static json_t *unfinished_json(const run_options *o, const mt_batch_case *c)
{
    g_autofree char *name = g_strconcat(c->id, ".json", NULL), *record = g_build_filename(o->out, "failed", name, NULL);

    return json_pack("{s:s s:s}", "id", c->id, "status", g_file_test(record, G_FILE_TEST_EXISTS) ? "failed" : "pending");
}

static void print_json(const run_options *o, const mt_batch_totals *totals, GPtrArray *cases)
{
    mt_timings sum = {0};
    json_t    *list = json_array();

    for (guint i = 0; i < totals->timings->len; i++)
        mt_timings_add(&sum, &g_array_index(totals->timings, mt_timings, i));
    for (guint i = 0; i < cases->len; i++) {
        const mt_batch_case *c = cases->pdata[i];
        g_autofree char     *headline = mt_batch_headline(o->out, c->id);
        json_t              *item = headline != NULL ? json_loads(headline, 0, NULL) : NULL;
        json_array_append_new(list, item != NULL ? item : unfinished_json(o, c));
    }
    json_t *root = json_pack("{s:i s:i s:i s:b s:b s:I s:f s:o s:o}", "done", totals->done, "skipped", totals->skipped, "failed",
                             totals->failed, "stopped", (int)totals->stopped, "demonstration", (int)totals->demonstration, "tiles",
                             (json_int_t)totals->tiles, "tiles_per_second", sum.tiles_s > 0 ? (double)totals->tiles / sum.tiles_s : 0.0,
                             "timings", timings_json(&sum), "cases", list);
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(root);
}

/* A cell as people read it: three decimals are enough on a terminal, the file keeps all. */
static void print_cell(const char *cell, int width)
{
    char  *end;
    double value = cell != NULL ? g_ascii_strtod(cell, &end) : 0;

    if (cell == NULL || *cell == '\0')
        printf("%-*s", width, "-");
    else if (*end == '\0' && strchr(cell, '.') != NULL)
        printf("%-*.3f", width, value);
    else
        printf("%-*s", width, cell);
}

static void print_row(const mt_csv *csv, int row)
{
    static const char *const columns[] = {"status", "decision", "score", "tiles", "tissue_mm2", "seconds"};

    printf("%-28s", row < 0 ? "id" : mt_csv_cell(csv, (guint)row, mt_csv_column(csv, "id")));
    for (size_t k = 0; k < G_N_ELEMENTS(columns); k++)
        print_cell(row < 0 ? columns[k] : mt_csv_cell(csv, (guint)row, mt_csv_column(csv, columns[k])), 14);
    putchar('\n');
}

/* The rows of this command's cases in summary.csv, which has all of the folder. */
static void print_table(const mt_batch_totals *totals, GPtrArray *cases)
{
    g_autoptr(GHashTable) ours = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(mt_csv) csv = totals->summary != NULL ? mt_csv_read(totals->summary, NULL) : NULL;

    if (csv == NULL)
        return;
    if (totals->demonstration)
        puts("DEMONSTRATION: encoder or head are samples; these scores mean nothing for a patient.");
    for (guint i = 0; i < cases->len; i++)
        g_hash_table_add(ours, ((mt_batch_case *)cases->pdata[i])->id);
    for (int row = -1; row < (int)csv->rows->len; row++)
        if (row < 0 || g_hash_table_contains(ours, mt_csv_cell(csv, (guint)row, mt_csv_column(csv, "id"))))
            print_row(csv, row);
}

static int finish(const run_options *o, const mt_batch_totals *totals, GPtrArray *cases)
{
    if (o->json)
        print_json(o, totals, cases);
    else
        print_table(totals, cases);
    fprintf(stderr, "%d done, %d skipped, %d failed%s: %s\n", totals->done, totals->skipped, totals->failed,
            totals->stopped ? ", stopped (run the same command again to resume)" : "", totals->summary);
    if (totals->failed > 0)
        fprintf(stderr, "What failed and why: %s/failed/\n", o->out);
    for (guint i = 0; i < totals->withheld->len; i++)
        fprintf(stderr, "%s\n", (char *)totals->withheld->pdata[i]);
    if (totals->withheld->len > 0)
        fprintf(stderr,
                "The scores made since this run began are withheld (%s/withheld/). Look at stain, scanner and machine; the scores are "
                "given once a "
                "new scan of the control case, of the same id, is as expected.\n",
                o->out);
    return totals->stopped ? 75 : totals->failed > 0 || totals->withheld->len > 0 ? 65 : 0;
}

/* Where cases name their patient and are scored: after the last of them, when no worker runs any more. */
static int report_patients(const run_options *o, const mt_recipe *recipe, GPtrArray *cases, int code)
{
    g_autoptr(GError) error = NULL;
    bool            named = false;
    mt_patient_rule rule;

    for (guint i = 0; i < cases->len; i++)
        named |= ((mt_batch_case *)cases->pdata[i])->patient != NULL;
    if (!named || !mt_recipe_has_head(recipe) || !mt_patient_rule_parse(o->patients != NULL ? o->patients : "bag", &rule))
        return code;
    g_autoptr(mt_head) head = mt_recipe_load_head(recipe, NULL, &error);
    mt_scorer scorer = {.head = head, .path = recipe->head, .language = recipe->language};
    if (head == NULL || !mt_recipe_head_card(recipe, head, &scorer.card, &error))
        return mt_command_fail(&mt_command_run, error);
    return mt_patient_report(&mt_command_run, cases, &scorer, rule, o->out, code);
}

/* The cases in the order of the command line; what was left out is told. */
static GPtrArray *find_cases(const run_options *o, const mt_recipe *recipe, char **arguments, double mpp_x, double mpp_y, GError **error)
{
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) cases = mt_batch_cases_warned((const char *const *)arguments, mpp_x, mpp_y, recipe->n_series > 0, warnings, error);

    for (guint i = 0; o->identifiers_key == NULL && i < warnings->len; i++) /* they name files */
        fprintf(stderr, "microtome run: warning: %s\n", (char *)warnings->pdata[i]);
    if (cases == NULL || !mt_batch_check_recipe(cases, o->recipe, error) ||
        (o->identifiers_key != NULL && !mt_batch_hash_identifiers(cases, o->identifiers_key, o->out, error)))
        return NULL;
    return g_steal_pointer(&cases);
}

/* Not again for a command that found all done; but a control case changes what may be told of what was done before. */
static void write_report(const char *out, const char *language, const mt_batch_totals *totals, GPtrArray *cases)
{
    g_autofree char *page = g_build_filename(out, "report.html", NULL);
    bool             controls = false;

    for (guint i = 0; i < cases->len; i++)
        controls |= ((mt_batch_case *)cases->pdata[i])->control != NULL;
    if ((totals->done + totals->failed == 0 && !controls && access(page, F_OK) == 0) || stop_asked > 1)
        return;
    mt_command_report_folder(&mt_command_run, out, language, totals->stopped || stop_asked > 0, &stop_asked);
}

static int run_cases(run_options *o, mt_recipe *recipe, char **arguments)
{
    g_autoptr(GError) error = NULL;
    double          mpp_x = 0, mpp_y = 0;
    mt_batch_totals totals = {0};

    if (o->slide_mpp != NULL && !mt_command_mpp(&mt_command_run, o->slide_mpp, &mpp_x, &mpp_y))
        return 64;
    g_autoptr(GPtrArray) cases = find_cases(o, recipe, arguments, mpp_x, mpp_y, &error);
    if (cases == NULL)
        return mt_command_fail(&mt_command_run, error);
    if (cases->len == 0 && o->watch == NULL)
        return mt_command_usage(&mt_command_run, "name at least one case or a manifest");
    if (o->shard != NULL && !mt_batch_shard(cases, o->shard, &error))
        return mt_command_fail(&mt_command_run, error);
    if (cases->len == 1 && access(((mt_batch_case *)cases->pdata[0])->path, F_OK) != 0) {
        fprintf(stderr, "microtome run: open %s: no such file\n", ((mt_batch_case *)cases->pdata[0])->path);
        return 66;
    }
    mt_progress_bar *bar = mt_progress_bar_new("run");
    mt_batch_options options = {.recipe = recipe,
                                .out = o->out,
                                .threads = mt_command_threads(o->threads),
                                .workers = MAX(1, o->workers),
                                .copy_to = o->copy_folder,
                                .copy_bytes = o->copy_bytes,
                                .program = "/proc/self/exe",
                                .event = mt_progress_bar_event,
                                .user = bar,
                                .stop = &stop_asked,
                                .force = o->force,
                                .lease_us = (gint64)(o->lease * 1e6),
                                .stall_us = (gint64)(o->stall * 1e6),
                                .watch = o->watch,
                                .identifiers_key = o->identifiers_key,
                                .settle_us = (gint64)(o->settle * 1e6),
                                .mpp_x = mpp_x,
                                .mpp_y = mpp_y,
                                .until_us = o->until_us,
                                .metrics = o->hooks.metrics,
                                .on_fail = o->hooks.on_fail,
                                .on = (const char *const *)o->hooks.on->pdata};
    bool             ok = mt_batch_run(cases, &options, &totals, &error);
    mt_progress_bar_free(bar);
    int code = ok ? finish(o, &totals, cases) : mt_command_fail(&mt_command_run, error);
    if (ok && !totals.stopped && totals.withheld->len == 0)
        code = report_patients(o, recipe, cases, code);
    if (ok)
        write_report(o->out, recipe->language, &totals, cases);
    if (ok)
        mt_hook_options_finish(&mt_command_run, &o->hooks, o->out, &totals, code);
    mt_batch_totals_clear(&totals);
    return code;
}

static int run_with(run_options *o, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (!parse(o, &argc, &argv))
        return 64;
    const char *const paths[] = {o->recipe, o->encoder, o->head, o->stain, o->out, o->copy_to, o->watch};
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++)
        if (paths[i] != NULL && !g_utf8_validate(paths[i], -1, NULL))
            return mt_command_usage(
                &mt_command_run,
                "the path of recipe, encoder, head, stain target, output, copies or watched folder is not UTF-8: rename it");
    if (o->out == NULL)
        return mt_command_usage(&mt_command_run, "give an output folder with -o");
    bool hash = g_strcmp0(o->identifiers, "hash") == 0;
    if (o->identifiers != NULL && !hash && strcmp(o->identifiers, "clear") != 0)
        return mt_command_usage(&mt_command_run, "--identifiers %s: clear or hash is wanted", o->identifiers);
    if (hash != (o->identifiers_key != NULL))
        return mt_command_usage(&mt_command_run, "--identifiers hash and --identifiers-key FILE belong together");
    if (o->copy_to != NULL && !mt_batch_parse_copy_to(o->copy_to, &o->copy_folder, &o->copy_bytes, &error))
        return mt_command_fail(&mt_command_run, error);
    if (o->until != NULL && !mt_batch_parse_until(o->until, g_get_real_time(), &o->until_us, &error))
        return mt_command_fail(&mt_command_run, error);
    g_autoptr(mt_recipe) recipe = o->recipe != NULL ? mt_recipe_load(o->recipe, &error) : mt_recipe_new();
    if (recipe == NULL)
        return mt_command_fail(&mt_command_run, error);
    if (!apply_options(o, recipe) || !apply_language(o, recipe))
        return 64;
    if (recipe->encoder == NULL)
        return mt_command_usage(
            &mt_command_run, "give an encoder with -e or a recipe with -r; to try the program: -r samples/demo.ini (demonstration only)");
    return run_cases(o, recipe, argv + 1);
}

static int run(int argc, char **argv)
{
    run_options o = {.mpp = NAN, .overlap = NAN, .min_share = NAN, .tile = -1, .patch_level = -1, .settle = 30};

    catch_signals();
    int code = run_with(&o, argc, argv);

    mt_hook_options_clear(&o.hooks);
    g_free(o.identifiers);
    g_free(o.identifiers_key);
    char *const strings[] = {o.recipe,    o.encoder, o.head,        o.out,    o.slide_mpp, o.backend, o.mask,     o.stain,
                             o.precision, o.copy_to, o.copy_folder, o.compat, o.memory,    o.exclude, o.patients, o.language,
                             o.shard,     o.until,   o.watch,       o.task,   o.combine,   o.explain};
    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
        g_free(strings[i]);
    return code;
}

const mt_command mt_command_run = {
    .name = "run",
    .arguments = "CASE... | MANIFEST.csv",
    .summary = "Encode and score cases; every one is accounted for in the output folder.",
    .help = "OUT/cases/<id>.h5 holds coordinates, features, attention and prediction; OUT/failed/<id>.json says why a case failed; "
            "OUT/summary.csv\n"
            "lists all.  Run the same command again to resume or to retry what failed; finished cases are skipped.  A folder keeps one "
            "recipe:\n"
            "another encoder, head or setting is refused.\n\n"
            "The manifest is CSV with a header: path (or case, wsi), and optionally id, mpp (the case's own µm/px) and patient.\n\n"
            "Examples:\n"
            "  microtome run -e resnet50.onnx -o OUT slides/*.svs\n"
            "  microtome run -e uni.onnx -m clam.safetensors -o OUT --slide-mpp 0.25 slides.csv\n"
            "  microtome run -e densenet.onnx --task classify -o OUT chest/*.dcm\n"
            "  microtome run -r samples/demo.ini -o OUT slides/*.tif",
    .run = run,
};

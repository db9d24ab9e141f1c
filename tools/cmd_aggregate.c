#include "tools/patient_report.h"
#include "tools/progress_bar.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MIN_MEMORY (INT64_C(64) << 20)

typedef struct aggregate_options {
    char   *head, *out, *labels, *rule, *memory, *language, *coords;
    int     threads;
    int64_t memory_bytes;
} aggregate_options;

static volatile int stop_asked;

static void on_stop(int number)
{
    (void)number;
    stop_asked = 1;
}

static GPtrArray *find_cases(char **arguments, GError **error)
{
    g_autoptr(GPtrArray) paths = mt_command_results((const char *const *)arguments);

    return mt_batch_cases((const char *const *)paths->pdata, 0, 0, error);
}

static void print_summary(const char *path)
{
    g_autofree char *text = NULL;

    if (path != NULL && g_file_get_contents(path, &text, NULL, NULL))
        fputs(text, stdout);
}

static int aggregate(aggregate_options *o, char **arguments)
{
    g_autoptr(GError) error = NULL;
    mt_patient_rule rule;

    if (!mt_command_patient_rule(&mt_command_aggregate, o->rule, &rule) ||
        (o->memory != NULL && !mt_command_size(&mt_command_aggregate, "--memory", o->memory, MIN_MEMORY, &o->memory_bytes)))
        return 64;
    if (o->language != NULL && strcmp(o->language, "en") != 0 && strcmp(o->language, "ko") != 0)
        return mt_command_usage(&mt_command_aggregate, "--language %s: en or ko is wanted", o->language);
    if (o->threads < 0)
        return mt_command_usage(&mt_command_aggregate, "--threads %d: 1 or more is wanted, or 0 for all CPUs", o->threads);
    g_autoptr(GPtrArray) cases = find_cases(arguments, &error);
    if (cases == NULL)
        return mt_command_fail(&mt_command_aggregate, error);
    if (cases->len == 0)
        return mt_command_usage(&mt_command_aggregate, "the folders named hold no *.h5");
    if (cases->len == 1 && access(((mt_batch_case *)cases->pdata[0])->path, F_OK) != 0) {
        fprintf(stderr, "microtome aggregate: open %s: no such file\n", ((mt_batch_case *)cases->pdata[0])->path);
        return 66;
    }
    if (o->labels != NULL && !mt_batch_assign_patients(cases, o->labels, &error))
        return mt_command_fail(&mt_command_aggregate, error);
    g_autoptr(mt_head) head = mt_head_load(o->head, &error);
    if (head == NULL)
        return mt_command_fail(&mt_command_aggregate, error);
    mt_scorer        scorer = {.head = head,
                               .card = *mt_head_get_card(head),
                               .path = o->head,
                               .language = o->language,
                               .coords_folder = o->coords,
                               .options = {.memory_bytes = o->memory_bytes, .threads = mt_command_threads(o->threads)}};
    mt_progress_bar *bar = mt_progress_bar_new("aggregate");
    mt_batch_options options = {.out = o->out, .event = mt_progress_bar_event, .user = bar, .stop = &stop_asked};
    mt_batch_totals  totals = {0};
    bool             ok = mt_batch_aggregate(cases, &scorer, &options, &totals, &error);
    mt_progress_bar_free(bar);
    int code = ok ? (totals.stopped ? 75 : totals.failed > 0 ? 65 : 0) : mt_command_fail(&mt_command_aggregate, error);
    if (ok) {
        print_summary(totals.summary);
        fprintf(stderr, "%d done, %d skipped, %d failed%s: %s\n", totals.done, totals.skipped, totals.failed,
                totals.stopped ? ", stopped (run the same command again to resume)" : "", totals.summary);
        if (!totals.stopped)
            code = mt_patient_report(&mt_command_aggregate, cases, &scorer, rule, o->out, code);
        if (totals.done + totals.failed > 0)
            mt_command_report_folder(&mt_command_aggregate, o->out, scorer.language, totals.stopped, NULL);
    }
    mt_batch_totals_clear(&totals);
    return code;
}

static int run(int argc, char **argv)
{
    aggregate_options o = {0};
    GOptionEntry      entries[] = {
             {"head", 'm', 0, G_OPTION_ARG_FILENAME, &o.head, "aggregator: mean, max, or a head's file", "HEAD"},
             {"out", 'o', 0, G_OPTION_ARG_FILENAME, &o.out, "folder for cases/<id>.h5 and summary.csv", "OUT"},
             {"coords", 0, 0, G_OPTION_ARG_FILENAME, &o.coords,
              "folder of CLAM's patches: how large the tiles of its features are, to draw them", "DIR"},
             {"labels", 0, 0, G_OPTION_ARG_FILENAME, &o.labels, "CSV whose column patient says whose cases belong together", "CSV"},
             {"patients", 0, 0, G_OPTION_ARG_STRING, &o.rule, "how a patient's cases become one score (default bag)", "bag|max|mean|noisy_or"},
             {"language", 0, 0, G_OPTION_ARG_STRING, &o.language, "of the reasons behind a decision (default en)", "en|ko"},
             {"threads", 0, 0, G_OPTION_ARG_INT, &o.threads, "threads (default: the CPUs); the scores are the same for any number", "N"},
             {"memory", 0, 0, G_OPTION_ARG_STRING, &o.memory, "refuse a case that a head needs more for, as 4G (the default)", "SIZE"},
             {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    int code = 64;

    if (mt_command_parse(&mt_command_aggregate, entries, &argc, &argv)) {
        if (argc < 2 || o.head == NULL || o.out == NULL)
            code = mt_command_usage(&mt_command_aggregate, "name feature files or folders of them and give -m HEAD and -o OUT");
        else {
            struct sigaction action = {.sa_handler = on_stop};
            sigaction(SIGINT, &action, NULL);
            sigaction(SIGTERM, &action, NULL);
            code = aggregate(&o, argv + 1);
        }
    }
    char *const strings[] = {o.head, o.out, o.labels, o.rule, o.memory, o.language, o.coords};
    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
        g_free(strings[i]);
    return code;
}

const mt_command mt_command_aggregate = {
    .name = "aggregate",
    .arguments = "FEATURES.h5... | DIR...",
    .summary = "Score stored features with a head: ours, CLAM's or TRIDENT's; no slide is needed.",
    .help = "A folder stands for its *.h5, the output folder of a run for its cases.  OUT/cases/<id>.h5 is what the first result holds "
            "with this\n"
            "head's prediction.  Features of another encoder or µm/px than the head was made for are refused, where the file says which.\n"
            "With --labels the cases of a patient are one answer more, in OUT/patients: of all their tiles (bag), or of their scores.\n\n"
            "Examples:\n"
            "  microtome aggregate -m clam.safetensors -o scored out\n"
            "  microtome aggregate -m head.safetensors -o scored --labels cohort.csv --patients noisy_or trident/features_uni_v1\n"
            "  microtome aggregate -m clam.safetensors -o scored --coords clam/patches clam/h5_files",
    .run = run,
};

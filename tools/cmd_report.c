#include "tools/command.h"

#include <microtome/folder.h>
#include <microtome/impression.h>

#include "src/base/publish.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_US INT64_C(900000000)
#define HURRY_US INT64_C(5000000) /* a stopped batch has 20 s in all */
#define POLL_US 10000

/* What stops the run reaches its whole group: how long the page may take is the run's to say. */
static void keep_on(void *user)
{
    (void)user;
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
}

static int wait_in_time(GPid pid, bool hurry, const volatile int *stop)
{
    gint64 until = g_get_monotonic_time() + (hurry ? HURRY_US : LIMIT_US);
    int    status = 0;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (!hurry && stop != NULL && *stop > 0) {
            hurry = true;
            until = g_get_monotonic_time() + HURRY_US;
        }
        if (g_get_monotonic_time() > until || (stop != NULL && *stop > 1))
            kill(pid, SIGKILL);
        g_usleep(POLL_US);
    }
    return status;
}

static bool write_page(const char *out, const char *language, bool hurry, const volatile int *stop)
{
    const char *arguments[] = {
        "/proc/self/exe", "report", out, "--language", language != NULL ? language : "en", hurry ? "--pictures" : NULL, "0", NULL};
    GPid pid;

    if (!g_spawn_async(NULL, (char **)arguments, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL, keep_on, NULL, &pid, NULL))
        return false;
    int status = wait_in_time(pid, hurry, stop);
    if (!WIFEXITED(status)) {
        g_autofree char *page = g_build_filename(out, "report.html", NULL), *unfinished = mt_publish_temporary_of(page, pid);
        unlink(unfinished);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The host of a run that still works on the folder; NULL: none does.  Free with g_free. */
static char *host_at_work(const char *out)
{
    g_autoptr(mt_folder) folder = mt_folder_read(out, NULL);

    for (guint i = 0; folder != NULL && i < folder->runs->len; i++) {
        const mt_folder_run *other = folder->runs->pdata[i];
        if (other->alive)
            return g_strdup(other->host);
    }
    return NULL;
}

void mt_command_report_folder(const mt_command *command, const char *out, const char *language, bool hurry, const volatile int *stop)
{
    g_autofree char *host = host_at_work(out);

    if (host != NULL)
        fprintf(stderr, "Report: left to the run on %s that still works on %s\n", host, out);
    else if (write_page(out, language, hurry, stop))
        fprintf(stderr, "Report: %s/report.html\n", out);
    else if (stop == NULL || *stop < 2)
        fprintf(stderr, "microtome %s: warning: %s/report.html was not written: microtome report %s tells why\n", command->name, out, out);
}

/* One case in words, on stdout. */
static int say_case(const mt_folder *folder, const char *id, const char *language, int like, const char *past, bool json)
{
    g_autoptr(GError) error = NULL;
    const mt_folder_case *c = NULL;

    for (guint i = 0; i < folder->cases->len && c == NULL; i++)
        if (strcmp(((const mt_folder_case *)folder->cases->pdata[i])->id, id) == 0)
            c = folder->cases->pdata[i];
    if (c == NULL || c->state != MT_STATE_DONE) {
        fprintf(stderr, "microtome report: --case %s: %s of %s; microtome status %s lists its cases\n", id,
                c == NULL ? "no case" : "not a finished case", folder->out, folder->out);
        return 66;
    }
    g_autofree char       *name = g_strconcat(id, ".h5", NULL), *path = g_build_filename(folder->out, "cases", name, NULL);
    const mt_search_params nearest = {.case_id = id, .from = past != NULL ? path : NULL, .tile = -1, .k = like};
    g_autoptr(mt_search) search = like > 0 ? mt_search_new(past != NULL ? past : folder->out, &nearest, &error) : NULL;
    g_autoptr(mt_result) result = error == NULL ? mt_result_open(path, &error) : NULL;
    const mt_impression_params params = {.language = language, .withheld = c->withheld, .like = search};
    g_autoptr(mt_impression) impression = result != NULL ? mt_impression_new(result, &params, &error) : NULL;
    if (impression == NULL)
        return mt_command_fail(&mt_command_report, error);
    g_autofree char *text = json ? mt_impression_json(impression) : mt_impression_text(impression);
    fputs(text, stdout);
    fputs(json ? "\n" : "", stdout);
    return 0;
}

static int run(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL, *language = NULL, *findings = NULL, *id = NULL, *past = NULL;
    int              pictures = -1, like = 0;
    gboolean         json = FALSE;
    GOptionEntry     entries[] = {
            {"out", 'o', 0, G_OPTION_ARG_FILENAME, &path, "the page (default: OUT/report.html)", "REPORT.html"},
            {"language", 0, 0, G_OPTION_ARG_STRING, &language, "of the page (default en)", "en|ko"},
            {"findings", 0, 0, G_OPTION_ARG_FILENAME, &findings, "what was found in each case, as JSON or CSV", "FILE"},
            {"pictures", 0, 0, G_OPTION_ARG_INT, &pictures,
             "up to so many finished cases all have their pictures, of more the urgent ones (default 300; 0: none)", "N"},
            {"case", 0, 0, G_OPTION_ARG_STRING, &id, "no page: this case in words, on stdout", "ID"},
            {"like", 0, 0, G_OPTION_ARG_INT, &like, "with --case: so many stored cases that are most like it (default 0)", "N"},
            {"past", 0, 0, G_OPTION_ARG_FILENAME, &past, "with --like: among the cases of this folder (default: OUT)", "DIR"},
            {"json", 0, 0, G_OPTION_ARG_NONE, &json, "with --case: as JSON", NULL},
            {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_report, entries, &argc, &argv))
        return 64;
    if (argc != 2)
        return mt_command_usage(&mt_command_report, "name one output folder");
    if (language != NULL && strcmp(language, "en") != 0 && strcmp(language, "ko") != 0)
        return mt_command_usage(&mt_command_report, "--language %s: en or ko is wanted", language);
    if (findings != NULL && !g_str_has_suffix(findings, ".csv") && !g_str_has_suffix(findings, ".json"))
        return mt_command_usage(&mt_command_report, "--findings %s: a name that ends in .json or .csv is wanted", findings);
    if (past != NULL && like == 0)
        return mt_command_usage(&mt_command_report, "--past belongs to --like");
    if (id == NULL && (json || like != 0))
        return mt_command_usage(&mt_command_report, "%s belongs to --case", json ? "--json" : "--like");
    if (id != NULL && (path != NULL || findings != NULL || pictures != -1))
        return mt_command_usage(&mt_command_report, "--case writes to stdout: it goes without -o, --findings and --pictures");
    if (like < 0 || like > MT_SEARCH_MAX)
        return mt_command_usage(&mt_command_report, "--like %d: 0 to %d is wanted", like, MT_SEARCH_MAX);
    g_autoptr(mt_folder) folder = mt_folder_read(argv[1], &error);
    if (folder != NULL && id != NULL)
        return say_case(folder, id, language, like, past, json);
    if (folder == NULL || (findings != NULL && !mt_folder_findings(folder, findings, language, &error)) ||
        !mt_folder_report(folder, path, language, pictures, &error))
        return mt_command_fail(&mt_command_report, error);
    return 0;
}

const mt_command mt_command_report = {
    .name = "report",
    .arguments = "OUT",
    .summary = "One page about an output folder: what failed and what to do, and every case with its pictures, score and decision.",
    .help = "The page stands for itself (nothing beside it, nothing fetched) and prints well.  run and aggregate write it at their end.\n\n"
            "Examples:\n"
            "  microtome report OUT\n"
            "  microtome report OUT --language ko -o night.html\n"
            "  microtome report OUT --case S-017 --like 3         what, where, how large, how sure, what would change it, next step\n"
            "  microtome report OUT --findings found.csv          every object and measure with its sentence, beside the page",
    .run = run,
};

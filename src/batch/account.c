#include "src/batch/account.h"

#include "src/base/hash.h"
#include "src/base/publish.h"
#include "src/batch/announce.h"
#include "src/batch/case_table.h"
#include "src/batch/summary.h"
#include "src/batch/supersede.h"
#include "src/pipeline/resolved.h"
#include "src/result/headline.h"

#include <microtome/result.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* No case takes this long between two writes: an unfinished file older than this has lost its writer. */
#define STALE_AFTER_S 3600
#define PROGRESS_EVERY_US INT64_C(5000000)

struct mt_account {
    char        *out;
    char        *recipe_sha256;
    int          log_fd;
    mt_announce *announce;
    GHashTable  *progress_us; /* id -> gint64 *: when its progress was last told */
};

static bool make_folder(const char *path, GError **error)
{
    if (g_mkdir_with_parents(path, 0755) == 0 && access(path, W_OK) == 0)
        return true;
    if (errno == ENOSPC || errno == EDQUOT)
        mt_publish_io_error(error, "create folder", path, errno);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "open the output folder %s: %s: choose a folder that can be written", path,
                    g_strerror(errno));
    return false;
}

static int open_log(const char *out, GError **error)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format(now, "%Y%m%dT%H%M%SZ"),
                    *name = g_strdup_printf("%s-%s-%d.jsonl", time, g_get_host_name(), (int)getpid());
    g_autofree char *path = g_build_filename(out, "runs", name, NULL);
    int              fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (fd < 0)
        mt_publish_io_error(error, "begin the log", path, errno);
    return fd;
}

/* What a killed process left of an unfinished file.  Age is the only rule: the name says nothing of the writer, which may be
 * another run on another machine. */
static void remove_stale(const char *out, const char *name_of_folder)
{
    g_autofree char *folder = g_build_filename(out, name_of_folder, NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        struct stat      status;
        bool             unfinished = g_str_has_prefix(name, ".tmp-") && lstat(path, &status) == 0 && S_ISREG(status.st_mode);
        if (unfinished && time(NULL) - status.st_mtime > STALE_AFTER_S)
            unlink(path); /* one that stays costs space alone */
    }
}

static void log_event(void *user, json_t *event)
{
    mt_account_log(user, event);
}

mt_account *mt_account_open(const mt_batch_options *options, GError **error)
{
    const char              *out = options->out;
    static const char *const folders[] = {"cases", "failed", "runs"};

    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = g_build_filename(out, folders[i], NULL);
        if (!make_folder(path, error))
            return NULL;
    }
    int fd = open_log(out, error);
    if (fd < 0)
        return NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++)
        remove_stale(out, folders[i]);
    remove_stale(out, ".");
    remove_stale(out, "patients");
    mt_account *account = g_new0(mt_account, 1);
    account->out = g_strdup(out);
    account->log_fd = fd;
    account->progress_us = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    account->announce = mt_announce_new(options, log_event, account);
    return account;
}

void mt_account_close(mt_account *account)
{
    if (account == NULL)
        return;
    mt_announce_free(account->announce);
    close(account->log_fd);
    g_hash_table_unref(account->progress_us);
    g_free(account->recipe_sha256);
    g_free(account->out);
    g_free(account);
}

bool mt_account_cases(mt_account *account, GPtrArray *cases, GError **error)
{
    return mt_case_table_record(account->out, cases, error);
}

/* The first line of `ours` that `theirs` does not have at the same place. */
static char *first_difference(const char *theirs, const char *ours)
{
    g_auto(GStrv) a = g_strsplit(theirs, "\n", -1), b = g_strsplit(ours, "\n", -1);
    guint i = 0;

    while (a[i] != NULL && b[i] != NULL && strcmp(a[i], b[i]) == 0)
        i++;
    return g_strdup_printf("the folder has '%s', this run '%s'", a[i] != NULL ? a[i] : "", b[i] != NULL ? b[i] : "");
}

static bool hold_recipe(mt_account *account, const char *resolved, bool force, GError **error)
{
    g_autofree char *path = g_build_filename(account->out, "recipe.ini", NULL), *theirs = NULL;
    g_autoptr(GError) cause = NULL;

    if (mt_publish_text(path, resolved, false, &cause))
        return true;
    if (!g_error_matches(cause, MT_ERROR, MT_ERROR_USAGE)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    if (!g_file_get_contents(path, &theirs, NULL, NULL)) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "read %s: it cannot be read", path);
        return false;
    }
    if (strcmp(theirs, resolved) == 0)
        return true;
    if (force)
        return mt_publish_text(path, resolved, true, error);
    g_autofree char *difference = first_difference(theirs, resolved);
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                "use output folder %s: it holds results of another recipe (%s): choose another folder, or --force to do its cases again",
                account->out, difference);
    return false;
}

bool mt_account_recipe(mt_account *account, const char *resolved, bool force, GError **error)
{
    if (!hold_recipe(account, resolved, force, error))
        return false;
    g_free(account->recipe_sha256);
    account->recipe_sha256 = mt_hash_bytes(resolved, strlen(resolved));
    return true;
}

char *mt_account_precision(const mt_account *account)
{
    g_autofree char *path = g_build_filename(account->out, "recipe.ini", NULL), *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? mt_resolved_precision(text) : NULL;
}

static char *case_path(const mt_account *account, const char *folder, const mt_batch_case *c, const char *ending)
{
    g_autofree char *name = g_strdup_printf("%s%s", c->id, ending);

    return g_build_filename(account->out, folder, name, NULL);
}

char *mt_account_target(const mt_account *account, const mt_batch_case *c)
{
    return case_path(account, "cases", c, ".h5");
}

bool mt_account_is_done(const mt_account *account, const mt_batch_case *c)
{
    g_autofree char *path = mt_account_target(account, c);

    return access(path, F_OK) == 0; /* a final name means a complete file */
}

static char *replace_all(const char *text, const char *part, const char *by)
{
    g_auto(GStrv) parts = g_strsplit(text, part, -1);

    return g_strjoinv(by, parts);
}

/* A file's own name, and that without its ending, which files beside it share. */
static char *without_name(const char *text, const mt_batch_case *c)
{
    g_autofree char *name = g_path_get_basename(c->path), *stem = g_strdup(name);
    char            *dot = strrchr(stem, '.');

    if (dot != NULL && dot != stem)
        *dot = '\0';
    g_autofree char *first = replace_all(text, name, c->shown);
    return strlen(stem) > 2 ? replace_all(first, stem, c->shown) : g_strdup(first);
}

char *mt_account_told(const mt_account *account, const char *reason, const mt_batch_case *c)
{
    g_autofree char *name = c->shown != NULL ? g_strdup(c->shown) : g_path_get_basename(c->path), *folder = g_path_get_dirname(c->path);
    g_autofree char *inside = g_strconcat(folder, "/", NULL), *out = g_strconcat(account->out, "/", NULL);
    g_autofree char *valid = g_utf8_make_valid(reason, -1), *a = replace_all(valid, c->path, name);
    g_autofree char *b = strcmp(folder, ".") == 0 || strcmp(folder, "/") == 0 ? g_strdup(a) : replace_all(a, inside, "");
    g_autofree char *told = replace_all(b, out, "");

    return c->shown != NULL ? without_name(told, c) : g_steal_pointer(&told);
}

mt_standing mt_account_standing(const mt_account *account, const mt_batch_case *c)
{
    g_autofree char *target = mt_account_target(account, c);

    if (access(target, F_OK) != 0)
        return MT_STANDING_NONE;
    g_autofree char *line = mt_result_headline(target, NULL), *now = mt_case_identity(c->path, NULL); /* reads bytes, decodes nothing */
    g_autoptr(mt_headline) then = line != NULL ? mt_headline_parse(line, target, NULL) : NULL;
    if (then != NULL && now != NULL && then->input_sha256 != NULL && strcmp(now, then->input_sha256) != 0)
        return MT_STANDING_OTHER_INPUT;
    if (then != NULL && account->recipe_sha256 != NULL && then->recipe_sha256 != NULL &&
        strcmp(account->recipe_sha256, then->recipe_sha256) != 0)
        return MT_STANDING_OTHER_RECIPE;
    return MT_STANDING_DONE;
}

bool mt_account_same_input(const mt_account *account, const mt_batch_case *c)
{
    return mt_account_standing(account, c) != MT_STANDING_OTHER_INPUT;
}

char *mt_account_supersede(mt_account *account, const mt_batch_case *c, GError **error)
{
    g_autofree char *target = mt_account_target(account, c);

    return mt_supersede(account->out, c->id, target, error);
}

/* What kind of trouble, for those who sort failures by what to do. */
static const char *error_kind(int code)
{
    static const char *const kinds[] = {
        [MT_ERROR_USAGE] = "usage", [MT_ERROR_RANGE] = "range",     [MT_ERROR_INPUT] = "input",       [MT_ERROR_SPACING] = "spacing",
        [MT_ERROR_LIMIT] = "limit", [MT_ERROR_MISSING] = "missing", [MT_ERROR_INTERNAL] = "internal", [MT_ERROR_MEMORY] = "memory",
        [MT_ERROR_IO] = "io",       [MT_ERROR_STOPPED] = "stopped", [MT_ERROR_MODEL] = "model"};

    return code >= 0 && code < (int)G_N_ELEMENTS(kinds) ? kinds[code] : "internal";
}

bool mt_account_failed(mt_account *account, const mt_batch_case *c, const char *reason, const char *stage, int code, int signal_number,
                       int attempts, const json_t *record, GError **error)
{
    g_autofree char *path = case_path(account, "failed", c, ".json"), *clean = mt_account_told(account, reason, c);
    GError           as_error = {.domain = MT_ERROR, .code = code};
    json_t          *object =
        json_pack("{s:s s:s s:i s:i}", "id", c->id, "reason", clean, "exit_code", mt_error_exit_code(&as_error), "attempts", attempts);

    json_object_set_new(object, "kind", json_string(error_kind(code)));
    if (stage != NULL)
        json_object_set_new(object, "stage", json_string(stage));
    if (signal_number != 0)
        json_object_set_new(object, "signal", json_integer(signal_number));
    if (record != NULL)
        json_object_update(object, (json_t *)record);
    mt_account_log(account, json_pack("{s:s s:O}", "event", "failed", "case", object));
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_SORT_KEYS);
    bool  ok = mt_publish_text(path, text, true, error);
    free(text);
    json_decref(object);
    mt_announce_failed(account->announce, c, clean, stage, mt_error_exit_code(&as_error));
    return ok;
}

void mt_account_clear_failed(mt_account *account, const mt_batch_case *c)
{
    g_autofree char *path = case_path(account, "failed", c, ".json");

    unlink(path);
}

void mt_account_log(mt_account *account, json_t *event)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S.%fZ");

    json_object_set_new(event, "time", json_string(time));
    char            *text = json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(6));
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    free(text);
    json_decref(event);
    ssize_t written = write(account->log_fd, line, strlen(line)); /* a log that cannot be written does not stop the batch */
    (void)written;
}

/* What the headline says, for those who read logs: `status` opens no result whose run has told of it. */
static json_t *told_headline(const char *target)
{
    static const char *const names[] = {"status", "decision", "score", "tiles", "invalid_tiles"};
    g_autofree char         *line = mt_result_headline(target, NULL);
    json_t                  *headline = line != NULL ? json_loads(line, 0, NULL) : NULL, *told = json_object();

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (json_object_get(headline, names[i]) != NULL)
            json_object_set(told, names[i], json_object_get(headline, names[i]));
    json_decref(headline);
    return told;
}

void mt_account_done(mt_account *account, const mt_batch_case *c, double seconds, const json_t *timings)
{
    g_autofree char *target = mt_account_target(account, c);
    json_t          *result = told_headline(target);
    json_t          *event = json_pack("{s:s s:s s:f s:O}", "event", "done", "id", c->id, "seconds", seconds, "result", result);

    if (timings != NULL)
        json_object_set_new(event, "timings", json_deep_copy(timings));
    mt_account_clear_failed(account, c);
    mt_account_log(account, event);
    mt_announce_done(account->announce, c, result);
    json_decref(result);
}

void mt_account_tick(mt_account *account)
{
    mt_announce_tick(account->announce);
}

void mt_account_end(mt_account *account, const mt_batch_totals *totals)
{
    mt_account_log(account, json_pack("{s:s s:i s:i s:i s:b}", "event", "ended", "done", totals->done, "skipped", totals->skipped, "failed",
                                      totals->failed, "stopped", (int)totals->stopped));
    mt_announce_finish(account->announce, totals->stopped);
}

void mt_account_progress(mt_account *account, const mt_batch_case *c, int64_t tiles_done, int64_t tiles_total)
{
    gint64  now = g_get_monotonic_time();
    gint64 *last = g_hash_table_lookup(account->progress_us, c->id);

    if (last != NULL && now - *last < PROGRESS_EVERY_US)
        return;
    g_hash_table_insert(account->progress_us, g_strdup(c->id), g_memdup2(&now, sizeof now));
    mt_account_log(account, json_pack("{s:s s:s s:I s:I}", "event", "progress", "id", c->id, "done", (json_int_t)tiles_done, "total",
                                      (json_int_t)tiles_total));
}

char *mt_account_failure(const mt_account *account, const mt_batch_case *c)
{
    g_autofree char *path = case_path(account, "failed", c, ".json");
    char            *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

char *mt_account_failed_reason(const mt_account *account, const mt_batch_case *c)
{
    g_autofree char *text = mt_account_failure(account, c);
    json_t          *object = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    char            *reason = g_strdup(json_string_value(json_object_get(object, "reason")));

    json_decref(object);
    return reason;
}

char *mt_account_summary(mt_account *account, GError **error)
{
    g_autoptr(mt_folder) folder = mt_case_table_refresh(account->out, error) ? mt_folder_read(account->out, error) : NULL;

    return folder != NULL ? mt_folder_summary(folder, error) : NULL;
}

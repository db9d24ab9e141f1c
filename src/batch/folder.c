#include <microtome/folder.h>

#include "src/batch/case_table.h"
#include "src/batch/run_log.h"
#include "src/result/headline.h"
#include "src/result/withheld.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

typedef struct gathering {
    mt_folder  *folder;
    GHashTable *by_id;
    guint       n_listed; /* cases of the manifest */
} gathering;

static const char *const STATES[MT_STATES] = {"done", "failed", "running", "pending"};

const char *mt_case_state_name(mt_case_state state)
{
    return STATES[state];
}

static void free_case(void *data)
{
    mt_folder_case *c = data;

    g_free(c->id);
    g_free(c->patient);
    g_free(c->status);
    g_free(c->decision);
    g_free(c->withheld);
    g_free(c->reason);
    g_free(c->stage);
    g_free(c->kind);
    g_free(c);
}

static void free_run(void *run)
{
    mt_folder_run_free(run);
}

void mt_folder_free(mt_folder *folder)
{
    if (folder == NULL)
        return;
    g_ptr_array_unref(folder->cases);
    g_ptr_array_unref(folder->runs);
    mt_case_table_free(folder->table);
    g_free(folder->out);
    g_free(folder);
}

static mt_folder_case *find_case(void *user, const char *id)
{
    gathering      *g = user;
    mt_folder_case *c = g_hash_table_lookup(g->by_id, id);

    if (c != NULL)
        return c;
    c = g_new0(mt_folder_case, 1);
    c->id = g_strdup(id);
    c->state = MT_STATE_PENDING;
    c->score = NAN;
    c->seconds = c->tiles = c->invalid_tiles = -1;
    c->row = mt_case_table_row(g->folder->table, id);
    g_hash_table_insert(g->by_id, c->id, c);
    g_ptr_array_add(g->folder->cases, c);
    return c;
}

static void take_manifest(gathering *g)
{
    int patient = mt_case_table_column(g->folder->table, "patient");

    for (guint i = 0; i < g->folder->table->rows->len; i++) {
        mt_folder_case *c = find_case(g, mt_case_table_cell(g->folder->table, i, 0));
        c->patient = g_strdup(mt_case_table_cell(g->folder->table, i, patient));
    }
    g->n_listed = g->folder->cases->len;
}

typedef void (*on_name)(gathering *g, const char *folder, const char *stem);

/* Names of a folder of OUT with that ending. */
static void list_names(gathering *g, const char *folder, const char *ending, on_name call)
{
    g_autofree char *path = g_build_filename(g->folder->out, folder, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        if (*name == '.' || !g_str_has_suffix(name, ending))
            continue;
        g_autofree char *stem = g_strndup(name, strlen(name) - strlen(ending));
        call(g, path, stem);
    }
}

static void on_result(gathering *g, const char *folder, const char *stem)
{
    (void)folder;
    find_case(g, stem)->state = MT_STATE_DONE;
}

static gint64 changed_ns(const char *out, const char *folder, const char *id, const char *ending)
{
    g_autofree char *name = g_strconcat(id, ending, NULL), *path = g_build_filename(out, folder, name, NULL);
    struct stat      status;

    return stat(path, &status) == 0 ? (gint64)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec : 0;
}

static void on_failure(gathering *g, const char *folder, const char *stem)
{
    mt_folder_case  *c = find_case(g, stem);
    const char      *out = g->folder->out;
    g_autofree char *name = g_strconcat(stem, ".json", NULL), *path = g_build_filename(folder, name, NULL);

    /* a result published later, by a run that was killed before it took the failure away */
    if (c->state == MT_STATE_DONE && changed_ns(out, "cases", stem, ".h5") >= changed_ns(out, "failed", stem, ".json"))
        return;
    json_t *object = json_load_file(path, 0, NULL);
    c->state = MT_STATE_FAILED;
    c->reason = g_strdup(json_string_value(json_object_get(object, "reason")));
    c->stage = g_strdup(json_string_value(json_object_get(object, "stage")));
    c->kind = g_strdup(json_string_value(json_object_get(object, "kind")));
    c->exit_code = (int)json_integer_value(json_object_get(object, "exit_code"));
    c->signal_number = (int)json_integer_value(json_object_get(object, "signal"));
    c->attempts = (int)json_integer_value(json_object_get(object, "attempts"));
    json_decref(object);
}

/* <id>.<n>.h5; those of patients have no case. */
static void on_superseded(gathering *g, const char *folder, const char *stem)
{
    const char *dot = strrchr(stem, '.');
    (void)folder;
    if (dot == NULL)
        return;
    g_autofree char *id = g_strndup(stem, (gsize)(dot - stem));
    mt_folder_case  *c = g_hash_table_lookup(g->by_id, id);
    if (c != NULL) {
        c->superseded++;
        g->folder->superseded++;
    }
}

/* What its run did not tell: an older run's log, or one that was killed between the result and the line. */
static void ask_headline(const mt_folder *folder, mt_folder_case *c)
{
    g_autofree char *name = g_strconcat(c->id, ".h5", NULL), *path = g_build_filename(folder->out, "cases", name, NULL);
    g_autofree char *line = mt_result_headline(path, NULL);
    g_autoptr(mt_headline) headline = line != NULL ? mt_headline_parse(line, path, NULL) : NULL;

    if (headline == NULL)
        return;
    c->status = g_steal_pointer(&headline->status);
    c->decision = g_steal_pointer(&headline->decision);
    c->score = headline->score;
    c->tiles = headline->tiles;
    c->invalid_tiles = headline->invalid_tiles;
}

/* A control case forbids to tell it. */
static void withhold(const mt_folder *folder, const mt_withheld *withheld, mt_folder_case *c)
{
    g_autofree char *name = g_strconcat(c->id, ".h5", NULL), *path = g_build_filename(folder->out, "cases", name, NULL);
    const char      *why = mt_withheld_why(withheld, path);

    if (why == NULL)
        return;
    g_free(c->status);
    g_free(c->decision);
    c->status = g_strdup("withheld");
    c->decision = g_strdup("none");
    c->withheld = g_strdup(why);
    c->score = NAN;
}

static void count_decision(mt_folder *folder, const mt_folder_case *c)
{
    folder->withheld += g_strcmp0(c->status, "withheld") == 0;
    folder->urgent += g_strcmp0(c->decision, "urgent") == 0;
    folder->review += g_strcmp0(c->decision, "review") == 0;
    folder->clear += g_strcmp0(c->decision, "clear") == 0;
    folder->tiles += MAX(c->tiles, 0);
}

static void settle_states(mt_folder *folder)
{
    g_autoptr(mt_withheld) withheld = mt_withheld_read(folder->out);

    for (guint i = 0; i < folder->cases->len; i++) {
        mt_folder_case *c = folder->cases->pdata[i];
        if (c->state != MT_STATE_DONE && c->run != NULL && c->run->alive)
            c->state = MT_STATE_RUNNING; /* a failed one that is tried again, too */
        if (c->state == MT_STATE_DONE && c->status == NULL)
            ask_headline(folder, c);
        if (c->state == MT_STATE_DONE && withheld != NULL)
            withhold(folder, withheld, c);
        if (c->state == MT_STATE_DONE)
            count_decision(folder, c);
        folder->n[c->state]++;
    }
}

/* Cases per second of the runs that live, a running case counting by its tiles; each run by its own clock. */
static void estimate_time(mt_folder *folder)
{
    double rate = 0, remaining = folder->n[MT_STATE_PENDING];

    for (guint i = 0; i < folder->cases->len; i++) {
        const mt_folder_case *c = folder->cases->pdata[i];
        if (c->state == MT_STATE_RUNNING)
            remaining += c->tiles_total > 0 ? 1 - (double)c->tiles_done / (double)c->tiles_total : 1;
    }
    for (guint i = 0; i < folder->runs->len; i++) {
        const mt_folder_run *run = folder->runs->pdata[i];
        double               finished = run->done + run->failed;
        for (guint k = 0; run->alive && k < folder->cases->len; k++) {
            const mt_folder_case *c = folder->cases->pdata[k];
            if (c->state == MT_STATE_RUNNING && c->run == run && c->tiles_total > 0)
                finished += (double)c->tiles_done / (double)c->tiles_total;
        }
        if (run->alive && run->seen_us > run->began_us)
            rate += finished / ((double)(run->seen_us - run->began_us) / 1e6);
    }
    folder->seconds_left = remaining == 0 ? 0 : rate > 0 ? remaining / rate : (double)NAN;
}

static gint compare_ids(gconstpointer a, gconstpointer b)
{
    const mt_folder_case *const *first = a, *const *second = b;

    return strcmp((*first)->id, (*second)->id);
}

static void gather(gathering *g)
{
    mt_folder *folder = g->folder;

    take_manifest(g);
    list_names(g, "cases", ".h5", on_result);
    mt_run_log_read_all(folder, find_case, g);
    list_names(g, "failed", ".json", on_failure);
    list_names(g, "superseded", ".h5", on_superseded);
    if (folder->cases->len > g->n_listed)
        qsort(folder->cases->pdata + g->n_listed, folder->cases->len - g->n_listed, sizeof(void *), compare_ids);
    settle_states(folder);
    estimate_time(folder);
}

mt_folder *mt_folder_read(const char *out, GError **error)
{
    g_autofree char *runs = g_build_filename(out, "runs", NULL), *cases = g_build_filename(out, "cases", NULL);

    if (!g_file_test(runs, G_FILE_TEST_IS_DIR) && !g_file_test(cases, G_FILE_TEST_IS_DIR)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "read %s: it is not an output folder of microtome: give the -o of a run", out);
        return NULL;
    }
    mt_folder *folder = g_new0(mt_folder, 1);
    gathering  g = {.folder = folder, .by_id = g_hash_table_new(g_str_hash, g_str_equal)};
    folder->out = g_strdup(out);
    folder->cases = g_ptr_array_new_with_free_func(free_case);
    folder->runs = g_ptr_array_new_with_free_func(free_run);
    folder->table = mt_case_table_of_folder(out);
    gather(&g);
    g_hash_table_unref(g.by_id);
    return folder;
}

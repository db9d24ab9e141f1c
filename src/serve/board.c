#include "src/serve/board.h"

#include "src/base/csv.h"
#include "src/base/hash.h"
#include "src/base/refuse.h"
#include "src/batch/case_table.h"
#include "src/result/headline.h"
#include "src/serve/opinions.h"

#include <microtome/result.h>

#include <glib/gstdio.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_S 2
#define KEY_DIGITS 32

/* A headline that was read, by the file it was read from. */
typedef struct known_headline {
    gint64  mtime_ns;
    goffset size;
    json_t *facts;
} known_headline;

struct mt_board {
    char           *out;
    uint8_t        *key;
    gsize           key_bytes;
    GPtrArray      *cases; /* mt_board_case *, as the worklist has them */
    GHashTable     *by_key, *by_id;
    GHashTable     *headlines; /* path -> known_headline; the thread's alone */
    GHashTable     *diagnoses; /* id -> text */
    mt_opinions    *opinions;
    bool            live;
    uint64_t        generation;
    gint64          looked; /* newest change of the folder that was seen, µs */
    int64_t         n[MT_STATES];
    pthread_mutex_t lock;
    pthread_cond_t  wake;
    bool            ends;
    pthread_t       thread;
    void (*changed)(void *user);
    void *user;
};

void mt_board_case_free(mt_board_case *c)
{
    if (c == NULL)
        return;
    g_free(c->key);
    g_free(c->id);
    g_free(c->patient);
    g_free(c->result);
    g_free(c->content_sha256);
    g_free(c->study_uid);
    g_free(c->accession);
    g_free(c->decision);
    json_decref(c->row);
    g_free(c);
}

static void free_case(gpointer c)
{
    mt_board_case_free(c);
}

static void free_headline(gpointer pointer)
{
    known_headline *k = pointer;

    json_decref(k->facts);
    g_free(k);
}

static json_t *headline_of(mt_board *b, const char *path)
{
    GStatBuf        about;
    known_headline *k = g_hash_table_lookup(b->headlines, path);

    if (g_stat(path, &about) != 0)
        return NULL;
    gint64 mtime = (gint64)about.st_mtim.tv_sec * 1000000000 + about.st_mtim.tv_nsec;
    if (k != NULL && k->mtime_ns == mtime && k->size == about.st_size)
        return k->facts;
    g_autofree char *line = mt_result_headline(path, NULL);
    json_t          *facts = line != NULL ? json_loads(line, 0, NULL) : NULL;
    if (facts == NULL) {
        g_hash_table_remove(b->headlines, path);
        return NULL;
    }
    k = g_new(known_headline, 1);
    *k = (known_headline){mtime, about.st_size, facts};
    g_hash_table_insert(b->headlines, g_strdup(path), k);
    return facts;
}

static void put_text(json_t *row, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0')
        json_object_set_new(row, name, json_string(text));
}

static void put_number(json_t *row, const char *name, double value)
{
    if (isfinite(value))
        json_object_set_new(row, name, json_real(value));
}

/* What the worklist takes from a headline. */
static void put_headline(json_t *row, const json_t *facts, bool withheld)
{
    static const char *const all[] = {"threshold", "positive", "audit", "tissue_mm2", "demonstration"};

    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        json_t *value = json_object_get(facts, all[i]);
        if (value != NULL && !json_is_null(value) && !(withheld && i < 3))
            json_object_set_new(row, all[i], json_deep_copy(value));
    }
}

static json_t *columns_of(const mt_folder *folder, const mt_folder_case *c)
{
    json_t *columns = json_object();

    for (guint k = 1; k < folder->table->columns->len; k++) {
        const char *cell = mt_case_table_cell(folder->table, c->row, (int)k);
        if (cell != NULL && cell[0] != '\0')
            json_object_set_new(columns, folder->table->columns->pdata[k], json_string(cell));
    }
    return columns;
}

static void put_state(json_t *row, const mt_folder_case *c)
{
    json_object_set_new(row, "state", json_string(mt_case_state_name(c->state)));
    put_text(row, "patient", c->patient);
    put_text(row, "status", c->withheld != NULL ? "withheld" : c->status);
    put_text(row, "withheld", c->withheld);
    if (c->state == MT_STATE_DONE && c->withheld == NULL) {
        put_text(row, "decision", c->decision);
        put_number(row, "score", c->score);
    }
    if (c->state == MT_STATE_FAILED) {
        put_text(row, "reason", c->reason);
        put_text(row, "stage", c->stage);
    }
    if (c->tiles >= 0)
        json_object_set_new(row, "tiles", json_integer((json_int_t)c->tiles));
    if (c->invalid_tiles > 0)
        json_object_set_new(row, "invalid_tiles", json_integer((json_int_t)c->invalid_tiles));
    if (c->state == MT_STATE_RUNNING && c->tiles_total > 0)
        put_number(row, "share", (double)c->tiles_done / (double)c->tiles_total);
}

/* A diagnosis that says something else than the decision does; absent where either is not known. */
static void put_diagnosis(json_t *row, const char *diagnosis, const json_t *facts)
{
    const char *decision = json_string_value(json_object_get(row, "decision")),
               *positive = json_string_value(json_object_get(facts, "positive"));

    put_text(row, "diagnosis", diagnosis);
    if (diagnosis == NULL || decision == NULL || positive == NULL || strcmp(decision, "none") == 0)
        return;
    bool called = strcmp(decision, "clear") != 0, diagnosed = g_ascii_strcasecmp(diagnosis, positive) == 0;
    json_object_set_new(row, "discordant", json_boolean(called != diagnosed));
}

static mt_board_case *make_case(mt_board *b, const mt_folder *folder, const mt_folder_case *c)
{
    mt_board_case   *one = g_new0(mt_board_case, 1);
    g_autofree char *hash = NULL, *file = g_strconcat(c->id, ".h5", NULL);
    json_t          *facts = NULL;

    hash = mt_hash_keyed(b->key, b->key_bytes, c->id, strlen(c->id));
    one->key = g_strndup(hash, KEY_DIGITS);
    one->id = g_strdup(c->id);
    one->patient = g_strdup(c->patient);
    one->score = c->withheld == NULL ? c->score : NAN;
    one->decision = g_strdup(c->withheld == NULL ? c->decision : NULL);
    one->study_uid = g_strdup(mt_case_table_cell(folder->table, c->row, mt_case_table_column(folder->table, "study_uid")));
    one->accession = g_strdup(mt_case_table_cell(folder->table, c->row, mt_case_table_column(folder->table, "accession")));
    one->row = json_pack("{s:s s:s}", "case", one->key, "id", c->id);
    put_state(one->row, c);
    if (c->state == MT_STATE_DONE) {
        one->result = g_build_filename(b->out, "cases", file, NULL);
        facts = headline_of(b, one->result);
        put_headline(one->row, facts, c->withheld != NULL);
        one->content_sha256 = g_strdup(json_string_value(json_object_get(facts, "content_sha256")));
    }
    put_diagnosis(one->row, g_hash_table_lookup(b->diagnoses, c->id), facts);
    json_object_set_new(one->row, "columns", columns_of(folder, c));
    return one;
}

static int urgency(const mt_board_case *c)
{
    const char *state = json_string_value(json_object_get(c->row, "state"));

    if (g_strcmp0(c->decision, "urgent") == 0)
        return 0;
    if (g_strcmp0(c->decision, "review") == 0)
        return 1;
    if (g_strcmp0(state, "failed") == 0)
        return 2; /* a slide that nobody read is looked at before what is clear */
    if (json_is_true(json_object_get(c->row, "audit")))
        return 3;
    if (g_strcmp0(c->decision, "clear") == 0)
        return 5;
    return g_strcmp0(state, "done") == 0 ? 4 : 6;
}

static gint by_urgency(gconstpointer a, gconstpointer b)
{
    const mt_board_case *x = *(const mt_board_case *const *)a, *y = *(const mt_board_case *const *)b;
    int                  difference = urgency(x) - urgency(y);

    if (difference != 0)
        return difference;
    if (isfinite(x->score) && isfinite(y->score) && x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (isfinite(x->score) != isfinite(y->score))
        return isfinite(x->score) ? -1 : 1;
    return strcmp(x->id, y->id);
}

static void read_folder(mt_board *b)
{
    g_autoptr(mt_folder) folder = mt_folder_read(b->out, NULL);
    GPtrArray  *cases = g_ptr_array_new_with_free_func(free_case);
    GHashTable *by_key = g_hash_table_new(g_str_hash, g_str_equal), *by_id = g_hash_table_new(g_str_hash, g_str_equal);
    bool        live = false;

    for (guint i = 0; folder != NULL && i < folder->cases->len; i++)
        g_ptr_array_add(cases, make_case(b, folder, folder->cases->pdata[i]));
    for (guint i = 0; folder != NULL && i < folder->runs->len; i++)
        live |= ((const mt_folder_run *)folder->runs->pdata[i])->alive;
    g_ptr_array_sort(cases, by_urgency);
    for (guint i = 0; i < cases->len; i++) {
        g_hash_table_insert(by_key, ((mt_board_case *)cases->pdata[i])->key, cases->pdata[i]);
        g_hash_table_insert(by_id, ((mt_board_case *)cases->pdata[i])->id, cases->pdata[i]);
    }
    pthread_mutex_lock(&b->lock);
    g_clear_pointer(&b->by_key, g_hash_table_unref);
    g_clear_pointer(&b->by_id, g_hash_table_unref);
    g_clear_pointer(&b->cases, g_ptr_array_unref);
    b->cases = cases, b->by_key = by_key, b->by_id = by_id;
    b->live = live;
    for (int s = 0; s < MT_STATES; s++)
        b->n[s] = folder != NULL ? folder->n[s] : 0;
    b->generation++;
    pthread_mutex_unlock(&b->lock);
}

/* The newest change in the places that tell of cases. */
static gint64 newest_change(const mt_board *b)
{
    static const char *const folders[] = {"cases", "failed", "runs", "withheld", "claims", "superseded"};
    gint64                   newest = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = g_build_filename(b->out, folders[i], NULL);
        g_autoptr(GDir) dir = strcmp(folders[i], "runs") == 0 ? g_dir_open(path, 0, NULL) : NULL;
        const char *name;
        GStatBuf    about;
        if (g_stat(path, &about) == 0)
            newest = MAX(newest, (gint64)about.st_mtim.tv_sec * 1000000 + about.st_mtim.tv_nsec / 1000);
        while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
            g_autofree char *file = g_build_filename(path, name, NULL);
            if (g_stat(file, &about) == 0)
                newest = MAX(newest, (gint64)about.st_mtim.tv_sec * 1000000 + about.st_mtim.tv_nsec / 1000);
        }
    }
    return newest;
}

static void *keep_up(void *pointer)
{
    mt_board *b = pointer;

    pthread_mutex_lock(&b->lock);
    while (!b->ends) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += LOOK_S;
        pthread_cond_timedwait(&b->wake, &b->lock, &until);
        bool ends = b->ends;
        pthread_mutex_unlock(&b->lock);
        gint64 newest = ends ? b->looked : newest_change(b);
        if (newest != b->looked) {
            b->looked = newest;
            read_folder(b);
            b->changed(b->user);
        }
        pthread_mutex_lock(&b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* id,diagnosis with a header. */
static bool read_diagnoses(mt_board *b, const char *path, GError **error)
{
    g_autoptr(mt_case_table) table = path != NULL ? mt_case_table_new() : NULL;

    if (path == NULL)
        return true;
    if (!mt_case_table_merge(table, path, error))
        return false;
    int column = mt_case_table_column(table, "diagnosis");
    if (column < 0)
        column = mt_case_table_column(table, "label");
    if (column < 0)
        return mt_refuse(error, MT_ERROR_USAGE, "read diagnoses %s: it has no column diagnosis (or label) beside id", path);
    for (guint row = 0; row < table->rows->len; row++) {
        const char *id = mt_case_table_cell(table, row, 0), *text = mt_case_table_cell(table, row, column);
        if (id != NULL && text != NULL && text[0] != '\0')
            g_hash_table_insert(b->diagnoses, g_strdup(id), g_strdup(text));
    }
    return true;
}

mt_board *mt_board_new(const char *out, const char *diagnoses, const uint8_t *key, gsize key_bytes, mt_review_store *store,
                       void (*changed)(void *user), void *user, GError **error)
{
    mt_board *b = g_new0(mt_board, 1);

    b->out = g_strdup(out);
    b->key = g_memdup2(key, key_bytes);
    b->key_bytes = key_bytes;
    b->changed = changed;
    b->user = user;
    b->headlines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_headline);
    b->diagnoses = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    b->opinions = mt_opinions_new(store, error);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->wake, NULL);
    g_autoptr(mt_folder) folder = b->opinions != NULL ? mt_folder_read(out, error) : NULL;
    bool ok = folder != NULL && read_diagnoses(b, diagnoses, error);
    if (ok) {
        b->looked = newest_change(b);
        read_folder(b);
    }
    if (ok && pthread_create(&b->thread, NULL, keep_up, b) != 0)
        ok = mt_refuse(error, MT_ERROR_INTERNAL, "start the worklist: there is no thread for it");
    if (!ok) {
        b->ends = true;
        mt_board_free(b);
        return NULL;
    }
    return b;
}

void mt_board_free(mt_board *b)
{
    if (b == NULL)
        return;
    if (!b->ends) {
        pthread_mutex_lock(&b->lock);
        b->ends = true;
        pthread_cond_signal(&b->wake);
        pthread_mutex_unlock(&b->lock);
        pthread_join(b->thread, NULL);
    }
    g_clear_pointer(&b->by_key, g_hash_table_unref);
    g_clear_pointer(&b->by_id, g_hash_table_unref);
    g_clear_pointer(&b->cases, g_ptr_array_unref);
    g_hash_table_unref(b->headlines);
    g_hash_table_unref(b->diagnoses);
    mt_opinions_free(b->opinions);
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->wake);
    g_free(b->key);
    g_free(b->out);
    g_free(b);
}

static mt_board_case *copy_case(const mt_board_case *c)
{
    mt_board_case *copy = g_new(mt_board_case, 1);

    *copy = *c;
    copy->key = g_strdup(c->key), copy->id = g_strdup(c->id), copy->patient = g_strdup(c->patient);
    copy->result = g_strdup(c->result), copy->content_sha256 = g_strdup(c->content_sha256);
    copy->study_uid = g_strdup(c->study_uid), copy->accession = g_strdup(c->accession), copy->decision = g_strdup(c->decision);
    copy->row = json_deep_copy(c->row);
    return copy;
}

static mt_board_case *find(mt_board *b, bool by_key, const char *name)
{
    pthread_mutex_lock(&b->lock);
    const mt_board_case *c = g_hash_table_lookup(by_key ? b->by_key : b->by_id, name);
    mt_board_case       *copy = c != NULL ? copy_case(c) : NULL;
    pthread_mutex_unlock(&b->lock);
    return copy;
}

mt_board_case *mt_board_find(mt_board *b, const char *key)
{
    return find(b, true, key);
}

mt_board_case *mt_board_find_id(mt_board *b, const char *id)
{
    return find(b, false, id);
}

json_t *mt_board_patient(mt_board *b, const char *patient, bool plain)
{
    json_t *list = json_array();

    pthread_mutex_lock(&b->lock);
    for (guint i = 0; patient != NULL && i < b->cases->len; i++) {
        const mt_board_case *c = b->cases->pdata[i];
        if (g_strcmp0(c->patient, patient) != 0)
            continue;
        json_t *one = json_pack("{s:s s:s}", "case", c->key, "id", c->id);
        if (!plain) {
            put_text(one, "decision", c->decision);
            put_number(one, "score", c->score);
        }
        json_array_append_new(list, one);
    }
    pthread_mutex_unlock(&b->lock);
    return list;
}

void mt_board_said(mt_board *b, const mt_review_event *event)
{
    pthread_mutex_lock(&b->lock);
    mt_opinions_add(b->opinions, event);
    b->generation++;
    pthread_mutex_unlock(&b->lock);
}

bool mt_board_gave_opinion(mt_board *b, const char *id, const char *user)
{
    pthread_mutex_lock(&b->lock);
    bool gave = mt_opinions_has(b->opinions, id, user);
    pthread_mutex_unlock(&b->lock);
    return gave;
}

/* A row as this user may see it. */
static json_t *row_of(const mt_board *b, const mt_board_case *c, const char *user, bool read_first)
{
    static const char *const telling[] = {"score", "decision", "threshold", "audit", "status", "discordant"};
    json_t                  *row = json_copy(c->row), *said = mt_opinions_json(b->opinions, c->id);

    if (said != NULL)
        json_object_set_new(row, "review", said);
    if (!read_first || mt_opinions_has(b->opinions, c->id, user))
        return row;
    for (size_t i = 0; i < G_N_ELEMENTS(telling); i++)
        json_object_del(row, telling[i]);
    json_object_set_new(row, "hidden", json_true());
    return row;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const mt_board_case *const *)a)->id, (*(const mt_board_case *const *)b)->id);
}

char *mt_board_text(mt_board *b, const char *user, bool read_first)
{
    pthread_mutex_lock(&b->lock);
    json_t *rows = json_array();
    g_autoptr(GPtrArray) order = g_ptr_array_copy(b->cases, NULL, NULL);
    g_ptr_array_set_free_func(order, NULL);
    if (read_first) /* the order would tell */
        g_ptr_array_sort(order, by_name);
    for (guint i = 0; i < order->len; i++)
        json_array_append_new(rows, row_of(b, order->pdata[i], user, read_first));
    json_t *all = json_pack("{s:I s:b s:o}", "generation", (json_int_t)b->generation, "live", b->live, "rows", rows);
    char   *text = json_dumps(all, JSON_COMPACT);
    json_decref(all); /* rows share values with the cases: under the lock */
    pthread_mutex_unlock(&b->lock);
    return text;
}

uint64_t mt_board_generation(mt_board *b)
{
    pthread_mutex_lock(&b->lock);
    uint64_t generation = b->generation;
    pthread_mutex_unlock(&b->lock);
    return generation;
}

void mt_board_counts(mt_board *b, int64_t *cases, int64_t *done, int64_t *failed)
{
    pthread_mutex_lock(&b->lock);
    *cases = b->cases->len;
    *done = b->n[MT_STATE_DONE];
    *failed = b->n[MT_STATE_FAILED];
    pthread_mutex_unlock(&b->lock);
}

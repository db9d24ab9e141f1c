#include "src/serve/review_store.h"

#include "src/base/hash.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define STORE_VERSION 1
#define APPLICATION_ID 0x4d545256 /* "MTRV" */
#define BUSY_MS 5000
#define FIRST_CHAIN "microtome review 1"

static const char SCHEMA[] =
    "CREATE TABLE event(id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, user TEXT NOT NULL, case_id TEXT NOT NULL,"
    " result_sha256 TEXT NOT NULL, kind TEXT NOT NULL, slot TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL, before TEXT NOT "
    "NULL,"
    " chain TEXT NOT NULL) STRICT;"
    "CREATE INDEX event_of_case ON event(case_id, id);"
    "CREATE TRIGGER no_update BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;"
    "CREATE TRIGGER no_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;";

static const char *const kinds[MT_REVIEW_KINDS] = {"opened",  "revealed", "opinion", "decision", "region",
                                                   "comment", "mask",     "sign",    "reopen"};

struct mt_review_store {
    sqlite3 *db;
    char    *path;
    GMutex   lock;
};

const char *mt_review_kind_name(mt_review_kind kind)
{
    return kinds[kind];
}

mt_review_kind mt_review_kind_parse(const char *name)
{
    int k = 0;

    while (k < MT_REVIEW_KINDS && g_strcmp0(name, kinds[k]) != 0)
        k++;
    return (mt_review_kind)k;
}

void mt_review_event_clear(mt_review_event *e)
{
    g_clear_pointer(&e->at, g_free);
    g_clear_pointer(&e->user, g_free);
    g_clear_pointer(&e->case_id, g_free);
    g_clear_pointer(&e->result_sha256, g_free);
    g_clear_pointer(&e->region, g_free);
    g_clear_pointer(&e->body, g_free);
    g_clear_pointer(&e->before, g_free);
}

static void event_free(gpointer event)
{
    mt_review_event_clear(event);
    g_free(event);
}

static bool fail(const mt_review_store *s, const char *doing, GError **error)
{
    int code = sqlite3_errcode(s->db) & 0xff;

    g_set_error(error, MT_ERROR, code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? MT_ERROR_INPUT : MT_ERROR_IO, "%s %s: %s", doing,
                s->path, sqlite3_errmsg(s->db));
    return false;
}

static bool run(const mt_review_store *s, const char *sql, const char *doing, GError **error)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail(s, doing, error);
}

static bool read_number(const mt_review_store *s, const char *sql, int64_t *number, GError **error)
{
    sqlite3_stmt *statement = NULL;
    bool          ok = sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW;

    if (ok)
        *number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return ok || fail(s, "open review store", error);
}

static bool make_schema(const mt_review_store *s, GError **error)
{
    g_autofree char *sql = g_strdup_printf("BEGIN IMMEDIATE; %s PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT", SCHEMA,
                                           APPLICATION_ID, STORE_VERSION);

    return run(s, sql, "make review store", error);
}

static bool check_version(const mt_review_store *s, GError **error)
{
    int64_t application = 0, version = 0, tables = 0;

    if (!read_number(s, "PRAGMA application_id", &application, error) || !read_number(s, "PRAGMA user_version", &version, error) ||
        !read_number(s, "SELECT count(*) FROM sqlite_master", &tables, error))
        return false;
    if (tables == 0 && version == 0)
        return make_schema(s, error);
    if (application == APPLICATION_ID && version == STORE_VERSION)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "open review store %s: %s", s->path,
                application != APPLICATION_ID ? "it is a database of something else" : "it was written by a newer version");
    return false;
}

mt_review_store *mt_review_store_open(const char *path, GError **error)
{
    mt_review_store *s = g_new0(mt_review_store, 1);

    g_mutex_init(&s->lock);
    s->path = g_strdup(path);
    bool ok = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_FULLMUTEX,
                              NULL) == SQLITE_OK ||
              fail(s, "open review store", error);
    if (ok)
        sqlite3_busy_timeout(s->db, BUSY_MS);
    ok = ok && sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) == SQLITE_OK &&
         run(s, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA mmap_size=0; PRAGMA trusted_schema=OFF", "open review store",
             error) &&
         check_version(s, error);
    if (!ok)
        g_clear_pointer(&s, mt_review_store_free);
    return s;
}

void mt_review_store_free(mt_review_store *s)
{
    if (s == NULL)
        return;
    sqlite3_close(s->db);
    g_mutex_clear(&s->lock);
    g_free(s->path);
    g_free(s);
}

/* Opening and seeing change nothing. */
static bool changes(mt_review_kind kind)
{
    return kind != MT_REVIEW_OPENED && kind != MT_REVIEW_REVEALED;
}

/* What an event replaces: the last of its slot.  Regions have one each ("region ID"), comments replace nothing. */
static char *slot_of(const mt_review_event *e)
{
    if (e->kind == MT_REVIEW_REOPEN || e->kind == MT_REVIEW_SIGN)
        return g_strdup("sign");
    return e->kind == MT_REVIEW_REGION ? g_strconcat("region ", e->region, NULL) : g_strdup(kinds[e->kind]);
}

static char *now_text(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *seconds = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");

    return g_strdup_printf("%s.%03dZ", seconds, g_date_time_get_microsecond(now) / 1000);
}

/* The length of each part stands before it: no two events have one text. */
static char *chain_of(const char *before, const mt_review_event *e)
{
    const char *parts[] = {before,  e->at,    e->user, e->case_id, e->result_sha256, kinds[e->kind], e->region != NULL ? e->region : "",
                           e->body, e->before};
    g_autoptr(GString) text = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
        g_string_append_printf(text, "%zu:%s", strlen(parts[i]), parts[i]);
    g_string_append_printf(text, "%" G_GINT64_FORMAT, e->version);
    return mt_hash_bytes(text->str, text->len);
}

static char *text_at(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);

    return g_strdup(text != NULL ? (const char *)text : "");
}

static sqlite3_stmt *prepare(const mt_review_store *s, const char *sql, const char *const *texts, GError **error)
{
    sqlite3_stmt *statement = NULL;
    bool          ok = sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) == SQLITE_OK;

    for (int i = 0; ok && texts[i] != NULL; i++)
        ok = sqlite3_bind_text(statement, i + 1, texts[i], -1, SQLITE_TRANSIENT) == SQLITE_OK;
    if (ok)
        return statement;
    fail(s, "read review store", error);
    sqlite3_finalize(statement);
    return NULL;
}

/* The first column of the first row; `none` where there is no row.  NULL with an error. */
static char *find_text(const mt_review_store *s, const char *sql, const char *const *texts, const char *none, GError **error)
{
    sqlite3_stmt *statement = prepare(s, sql, texts, error);
    int           step = statement != NULL ? sqlite3_step(statement) : SQLITE_ERROR;
    char         *found = step == SQLITE_ROW ? text_at(statement, 0) : step == SQLITE_DONE ? g_strdup(none) : NULL;

    if (statement != NULL && found == NULL)
        fail(s, "read review store", error);
    sqlite3_finalize(statement);
    return found;
}

static int64_t version_of(const mt_review_store *s, const char *case_id, GError **error)
{
    g_autofree char *text =
        find_text(s, "SELECT max(version) FROM event WHERE case_id=?1", (const char *const[]){case_id, NULL}, "0", error);

    return text != NULL ? g_ascii_strtoll(text, NULL, 10) : -1;
}

static bool insert(const mt_review_store *s, const mt_review_event *e, const char *slot, const char *chain, GError **error)
{
    const char *const texts[] = {e->at, e->user, e->case_id, e->result_sha256, kinds[e->kind], slot, e->body, e->before, chain, NULL};
    sqlite3_stmt     *statement = prepare(s,
                                          "INSERT INTO event(at,user,case_id,result_sha256,kind,slot,body,before,chain,version)"
                                              " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
                                          texts, error);
    bool ok = statement != NULL && sqlite3_bind_int64(statement, 10, e->version) == SQLITE_OK && sqlite3_step(statement) == SQLITE_DONE;

    if (statement != NULL && !ok)
        fail(s, "write review store", error);
    sqlite3_finalize(statement);
    return ok;
}

static mt_review_outcome append(mt_review_store *s, mt_review_event *e, int64_t expected, GError **error)
{
    g_autofree char *slot = slot_of(e), *closed = NULL, *last = NULL;
    int64_t          version = version_of(s, e->case_id, error);

    if (version < 0)
        return MT_REVIEW_FAILED;
    if (changes(e->kind) && expected >= 0 && expected != version)
        return MT_REVIEW_CONFLICT;
    closed = find_text(s, "SELECT kind FROM event WHERE case_id=?1 AND slot='sign' ORDER BY id DESC LIMIT 1",
                       (const char *const[]){e->case_id, NULL}, "reopen", error);
    if (closed == NULL)
        return MT_REVIEW_FAILED;
    if (changes(e->kind) && (strcmp(closed, "sign") == 0) != (e->kind == MT_REVIEW_REOPEN))
        return MT_REVIEW_CLOSED;
    e->before = find_text(s, "SELECT body FROM event WHERE case_id=?1 AND slot=?2 ORDER BY id DESC LIMIT 1",
                          (const char *const[]){e->case_id, slot, NULL}, "null", error);
    last = e->before != NULL
               ? find_text(s, "SELECT chain FROM event ORDER BY id DESC LIMIT 1", (const char *const[]){NULL}, FIRST_CHAIN, error)
               : NULL;
    if (last == NULL)
        return MT_REVIEW_FAILED;
    e->at = now_text();
    e->version = version + (changes(e->kind) ? 1 : 0);
    g_autofree char *chain = chain_of(last, e);
    return insert(s, e, slot, chain, error) ? MT_REVIEW_STORED : MT_REVIEW_FAILED;
}

mt_review_outcome mt_review_store_append(mt_review_store *s, mt_review_event *e, int64_t expected, GError **error)
{
    mt_review_outcome outcome = MT_REVIEW_FAILED;

    g_mutex_lock(&s->lock);
    if (run(s, "BEGIN IMMEDIATE", "write review store", error)) {
        outcome = append(s, e, expected, error);
        if (outcome == MT_REVIEW_STORED) {
            e->id = sqlite3_last_insert_rowid(s->db);
            outcome = run(s, "COMMIT", "write review store", error) ? MT_REVIEW_STORED : MT_REVIEW_FAILED;
        }
        if (outcome != MT_REVIEW_STORED)
            sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    }
    g_mutex_unlock(&s->lock);
    return outcome;
}

int64_t mt_review_store_version(mt_review_store *s, const char *case_id, GError **error)
{
    g_mutex_lock(&s->lock);
    int64_t version = version_of(s, case_id, error);
    g_mutex_unlock(&s->lock);
    return version;
}

static mt_review_event *read_event(sqlite3_stmt *row)
{
    mt_review_event *e = g_new0(mt_review_event, 1);
    g_autofree char *kind = text_at(row, 5);

    *e = (mt_review_event){.id = sqlite3_column_int64(row, 0),
                           .at = text_at(row, 1),
                           .user = text_at(row, 2),
                           .case_id = text_at(row, 3),
                           .result_sha256 = text_at(row, 4),
                           .kind = mt_review_kind_parse(kind),
                           .version = sqlite3_column_int64(row, 6),
                           .body = text_at(row, 7),
                           .before = text_at(row, 8)};
    g_autofree char *slot = text_at(row, 10);
    if (e->kind == MT_REVIEW_REGION && g_str_has_prefix(slot, "region "))
        e->region = g_strdup(slot + 7);
    return e;
}

#define COLUMNS "SELECT id,at,user,case_id,result_sha256,kind,version,body,before,chain,slot FROM event "

/* Call `take` for each row; it ends with the first that is not taken. */
static bool each(mt_review_store *s, const char                                                            *case_id,
                 bool (*take)(void *user, mt_review_event *event, const char *chain, GError **error), void *user, GError **error)
{
    sqlite3_stmt *statement = prepare(s, case_id != NULL ? COLUMNS "WHERE case_id=?1 ORDER BY id" : COLUMNS "ORDER BY id",
                                      (const char *const[]){case_id, NULL}, error);
    int           step = SQLITE_DONE;
    bool          ok = statement != NULL;

    while (ok && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        mt_review_event *e = read_event(statement);
        g_autofree char *chain = text_at(statement, 9);
        if (e->kind == MT_REVIEW_KINDS) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read review store %s: event %" G_GINT64_FORMAT " is of an unknown kind", s->path,
                        e->id);
            event_free(e);
            ok = false;
        } else
            ok = take(user, e, chain, error);
    }
    if (ok && step != SQLITE_DONE)
        ok = fail(s, "read review store", error);
    sqlite3_finalize(statement);
    return ok;
}

static bool collect(void *user, mt_review_event *event, const char *chain, GError **error)
{
    (void)chain;
    (void)error;
    g_ptr_array_add(user, event);
    return true;
}

GPtrArray *mt_review_store_events(mt_review_store *s, const char *case_id, GError **error)
{
    g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func(event_free);

    g_mutex_lock(&s->lock);
    bool ok = each(s, case_id, collect, events, error);
    g_mutex_unlock(&s->lock);
    return ok ? g_steal_pointer(&events) : NULL;
}

typedef struct links {
    const mt_review_store *store;
    char                  *last;
    int64_t                id;
} links;

static bool follow(void *user, mt_review_event *event, const char *chain, GError **error)
{
    links *l = user;
    char  *wanted = chain_of(l->last, event);
    bool   right = strcmp(wanted, chain) == 0 && event->id == l->id + 1;

    if (!right)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "check review store %s: event %" G_GINT64_FORMAT " is not as it was written",
                    l->store->path, event->id);
    l->id = event->id;
    g_free(l->last);
    l->last = wanted;
    event_free(event);
    return right;
}

bool mt_review_store_check(mt_review_store *s, GError **error)
{
    links l = {s, g_strdup(FIRST_CHAIN), 0};

    g_mutex_lock(&s->lock);
    bool ok = each(s, NULL, follow, &l, error);
    g_mutex_unlock(&s->lock);
    g_free(l.last);
    return ok;
}

#include "src/serve/review_store.h"
#include "src/serve/users.h"

#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder;

static char *path_of(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static mt_review_outcome say(mt_review_store *s, const char *id, mt_review_kind kind, const char *body, int64_t expected, int64_t *version)
{
    g_autoptr(GError) error = NULL;
    mt_review_event   e = {.user = g_strdup("kim"),
                           .case_id = g_strdup(id),
                           .result_sha256 = g_strdup("ab"),
                           .kind = kind,
                           .body = g_strdup(body),
                           .region = kind == MT_REVIEW_REGION ? g_strdup("r1") : NULL};
    mt_review_outcome outcome = mt_review_store_append(s, &e, expected, &error);

    g_assert_no_error(error);
    if (version != NULL)
        *version = e.version;
    mt_review_event_clear(&e);
    return outcome;
}

static void test_trail(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = path_of("trail.db");
    g_autoptr(mt_review_store) s = mt_review_store_open(path, &error);
    int64_t version = -1;

    g_assert_no_error(error);
    g_assert_cmpint(mt_review_store_version(s, "a", &error), ==, 0);
    g_assert_cmpint(say(s, "a", MT_REVIEW_OPENED, "{}", -1, &version), ==, MT_REVIEW_STORED);
    g_assert_cmpint(version, ==, 0); /* reading changes nothing */
    g_assert_cmpint(say(s, "a", MT_REVIEW_DECISION, "{\"agree\":true}", 0, &version), ==, MT_REVIEW_STORED);
    g_assert_cmpint(say(s, "a", MT_REVIEW_DECISION, "{\"agree\":false}", 0, NULL), ==, MT_REVIEW_CONFLICT);
    g_assert_cmpint(say(s, "a", MT_REVIEW_DECISION, "{\"agree\":false}", version, &version), ==, MT_REVIEW_STORED);
    g_assert_cmpint(say(s, "a", MT_REVIEW_REGION, "{\"points\":[]}", version, &version), ==, MT_REVIEW_STORED);
    g_assert_cmpint(say(s, "b", MT_REVIEW_COMMENT, "{}", 0, NULL), ==, MT_REVIEW_STORED);
    g_assert_cmpint(say(s, "a", MT_REVIEW_SIGN, "{}", version, &version), ==, MT_REVIEW_STORED);
    g_assert_cmpint(say(s, "a", MT_REVIEW_COMMENT, "{}", version, NULL), ==, MT_REVIEW_CLOSED);
    g_assert_cmpint(say(s, "a", MT_REVIEW_OPENED, "{}", -1, NULL), ==, MT_REVIEW_STORED);
    g_assert_cmpint(say(s, "a", MT_REVIEW_REOPEN, "{}", version, &version), ==, MT_REVIEW_STORED);
    g_assert_cmpint(say(s, "a", MT_REVIEW_REOPEN, "{}", version, NULL), ==, MT_REVIEW_CLOSED);
    g_assert_cmpint(version, ==, 5);
    g_autoptr(GPtrArray) events = mt_review_store_events(s, "a", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(events->len, ==, 7);
    const mt_review_event *second = events->pdata[2];
    g_assert_cmpstr(second->before, ==, "{\"agree\":true}");
    g_assert_cmpstr(((const mt_review_event *)events->pdata[3])->region, ==, "r1");
    g_assert_true(mt_review_store_check(s, &error));
    g_assert_no_error(error);
}

/* A row changed by other hands, past the triggers, is found. */
static void test_tampering(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = path_of("tamper.db");
    sqlite3         *db = NULL;
    mt_review_store *s = mt_review_store_open(path, &error);

    for (int i = 0; i < 3; i++)
        g_assert_cmpint(say(s, "a", MT_REVIEW_COMMENT, "{}", i, NULL), ==, MT_REVIEW_STORED);
    mt_review_store_free(s);
    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, "UPDATE event SET user='lee' WHERE id=2", NULL, NULL, NULL), ==, SQLITE_CONSTRAINT);
    g_assert_cmpint(sqlite3_exec(db, "DELETE FROM event", NULL, NULL, NULL), ==, SQLITE_CONSTRAINT);
    g_assert_cmpint(sqlite3_exec(db, "DROP TRIGGER no_update; UPDATE event SET user='lee' WHERE id=2", NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);
    s = mt_review_store_open(path, &error);
    g_assert_no_error(error);
    g_assert_false(mt_review_store_check(s, &error));
    g_assert_nonnull(strstr(error->message, "event 2"));
    mt_review_store_free(s);
}

static void test_foreign(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = path_of("foreign.db"), *noise = path_of("noise.db");
    sqlite3         *db = NULL;

    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, "CREATE TABLE x(y)", NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);
    g_assert_null(mt_review_store_open(path, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_clear_error(&error);
    g_assert_true(g_file_set_contents(noise, "this is no database, but long enough to be read as one, surely so", -1, NULL));
    g_assert_null(mt_review_store_open(noise, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
}

static gpointer write_many(gpointer store)
{
    for (int i = 0; i < 25; i++)
        g_assert_cmpint(say(store, "c", MT_REVIEW_COMMENT, "{}", -1, NULL), ==, MT_REVIEW_STORED);
    return NULL;
}

static void test_threads(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = path_of("threads.db");
    g_autoptr(mt_review_store) s = mt_review_store_open(path, &error);
    GThread *threads[4];

    for (int i = 0; i < 4; i++)
        threads[i] = g_thread_new("writer", write_many, s);
    for (int i = 0; i < 4; i++)
        g_thread_join(threads[i]);
    g_assert_cmpint(mt_review_store_version(s, "c", &error), ==, 100);
    g_assert_true(mt_review_store_check(s, &error));
}

static void test_users(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = path_of("users");
    struct stat      status;

    g_assert_true(mt_users_add(path, "kim", MT_ROLE_REVIEWER, "a long password", &error));
    g_assert_true(mt_users_add(path, "lee", MT_ROLE_ADMIN, "another password", &error));
    g_assert_true(mt_users_add(path, "kim", MT_ROLE_VIEWER, "비밀번호는열두글자이상입니다", &error));
    g_assert_no_error(error);
    g_assert_cmpint(stat(path, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 0777, ==, 0600);
    g_autoptr(mt_users) users = mt_users_read(path, &error);
    g_assert_cmpint(mt_users_count(users), ==, 2);
    g_assert_cmpint(mt_users_check(users, "kim", "비밀번호는열두글자이상입니다"), ==, MT_ROLE_VIEWER);
    g_assert_cmpint(mt_users_check(users, "kim", "a long password"), ==, MT_ROLE_NONE);
    g_assert_cmpint(mt_users_check(users, "nobody", "nobody has this"), ==, MT_ROLE_NONE);
    g_assert_cmpint(mt_users_check(users, "lee", "another password"), ==, MT_ROLE_ADMIN);
    g_assert_false(mt_users_add(path, "a b", MT_ROLE_VIEWER, "a long password", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
    g_clear_error(&error);
    g_assert_false(mt_users_add(path, "cho", MT_ROLE_VIEWER, "short", &error));
    g_clear_error(&error);
    g_assert_false(mt_users_remove(path, "cho", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MISSING);
    g_clear_error(&error);
    g_assert_true(mt_users_remove(path, "kim", &error));
    g_assert_cmpint(chmod(path, 0644), ==, 0);
    g_assert_null(mt_users_read(path, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("microtome-review-XXXXXX", NULL);
    g_test_add_func("/review_store/trail", test_trail);
    g_test_add_func("/review_store/tampering", test_tampering);
    g_test_add_func("/review_store/foreign", test_foreign);
    g_test_add_func("/review_store/threads", test_threads);
    g_test_add_func("/users", test_users);
    int              status = g_test_run();
    g_autofree char *remove = g_strdup_printf("rm -rf '%s'", folder);
    return system(remove) == 0 ? status : 1;
}

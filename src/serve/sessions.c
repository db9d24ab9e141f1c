#include "src/serve/sessions.h"

#include "src/base/hash.h"

#include <glib/gstdio.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#define TOKEN_BYTES 32
#define WHOLE_S (12 * 3600)
#define IDLE_S 3600
#define FAILURES 5
#define FAILURES_S (15 * 60)
#define AT_ONCE 4 /* half a second and 64 MiB each */

typedef struct session {
    char   *user;
    int64_t began, used; /* s since boot */
} session;

typedef struct failures {
    int     n;
    int64_t first;
} failures;

struct mt_sessions {
    char           *path;
    GStatBuf        about; /* of the users file when it was read */
    mt_users       *users;
    GHashTable     *sessions; /* hash of token -> session */
    GHashTable     *failed;   /* "address name" -> failures */
    int             checking;
    pthread_mutex_t lock, check; /* check: one Argon2id at a time */
};

static int64_t now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec;
}

static void session_free(gpointer pointer)
{
    session *s = pointer;

    g_free(s->user);
    g_free(s);
}

mt_sessions *mt_sessions_new(const char *users_path)
{
    mt_sessions *s = g_new0(mt_sessions, 1);

    s->path = g_strdup(users_path);
    s->sessions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, session_free);
    s->failed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->check, NULL);
    return s;
}

void mt_sessions_free(mt_sessions *s)
{
    if (s == NULL)
        return;
    g_hash_table_unref(s->sessions);
    g_hash_table_unref(s->failed);
    mt_users_free(s->users);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->check);
    g_free(s->path);
    g_free(s);
}

/* With the lock held.  A file that is damaged or gone lets nobody in. */
static void read_users(mt_sessions *s)
{
    GStatBuf about = {0};
    bool     there = g_stat(s->path, &about) == 0;

    if (there && s->users != NULL && about.st_ino == s->about.st_ino && about.st_size == s->about.st_size &&
        about.st_mtim.tv_sec == s->about.st_mtim.tv_sec && about.st_mtim.tv_nsec == s->about.st_mtim.tv_nsec)
        return;
    g_clear_pointer(&s->users, mt_users_free);
    s->users = there ? mt_users_read(s->path, NULL) : NULL;
    s->about = about;
}

/* A user's hash is a state of the file: a copy of it is what a long check works on. */
static mt_role check(mt_sessions *s, const char *name, const char *password)
{
    g_autoptr(mt_users) users = mt_users_read(s->path, NULL);

    pthread_mutex_lock(&s->check);
    mt_role role = users != NULL ? mt_users_check(users, name, password) : MT_ROLE_NONE;
    pthread_mutex_unlock(&s->check);
    return role;
}

static bool may_try(mt_sessions *s, const char *who)
{
    failures *f = g_hash_table_lookup(s->failed, who);

    if (f != NULL && now_s() - f->first > FAILURES_S)
        g_hash_table_remove(s->failed, who);
    else if (f != NULL && f->n >= FAILURES)
        return false;
    return s->checking < AT_ONCE;
}

static void note_failure(mt_sessions *s, const char *who)
{
    failures *f = g_hash_table_lookup(s->failed, who);

    if (f == NULL && g_hash_table_size(s->failed) > 10000)
        g_hash_table_remove_all(s->failed);
    if (f == NULL) {
        f = g_new0(failures, 1);
        f->first = now_s();
        g_hash_table_insert(s->failed, g_strdup(who), f);
    }
    f->n++;
}

static bool is_over(gpointer key, gpointer value, gpointer now)
{
    const session *s = value;
    int64_t        t = *(int64_t *)now;

    (void)key;
    return t - s->began > WHOLE_S || t - s->used > IDLE_S;
}

static gboolean drop_over(gpointer key, gpointer value, gpointer now)
{
    return is_over(key, value, now);
}

static char *new_session(mt_sessions *s, const char *name)
{
    unsigned char random[TOKEN_BYTES];
    char          token[2 * TOKEN_BYTES + 1];
    session      *one = g_new0(session, 1);
    int64_t       now = now_s();

    g_hash_table_foreach_remove(s->sessions, drop_over, &now);
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(token, sizeof token, random, sizeof random);
    *one = (session){g_strdup(name), now, now};
    g_hash_table_insert(s->sessions, mt_hash_bytes(token, strlen(token)), one);
    return g_strdup(token);
}

mt_login mt_sessions_login(mt_sessions *s, const char *address, const char *name, const char *password, char **token)
{
    g_autofree char *who = g_strconcat(address, " ", name, NULL);

    pthread_mutex_lock(&s->lock);
    bool may = may_try(s, who);
    s->checking += may;
    pthread_mutex_unlock(&s->lock);
    if (!may)
        return MT_LOGIN_LATER;
    mt_role role = check(s, name, password);
    pthread_mutex_lock(&s->lock);
    s->checking--;
    if (role == MT_ROLE_NONE)
        note_failure(s, who);
    else {
        g_hash_table_remove(s->failed, who);
        *token = new_session(s, name);
    }
    pthread_mutex_unlock(&s->lock);
    return role != MT_ROLE_NONE ? MT_LOGIN_DONE : MT_LOGIN_WRONG;
}

mt_role mt_sessions_find(mt_sessions *s, const char *token, char **user)
{
    g_autofree char *key = mt_hash_bytes(token, strlen(token));
    mt_role          role = MT_ROLE_NONE;
    int64_t          now = now_s();

    pthread_mutex_lock(&s->lock);
    session *one = g_hash_table_lookup(s->sessions, key);
    if (one != NULL && is_over(NULL, one, &now)) {
        g_hash_table_remove(s->sessions, key);
        one = NULL;
    }
    if (one != NULL) {
        read_users(s);
        role = s->users != NULL ? mt_users_role(s->users, one->user) : MT_ROLE_NONE;
        one->used = now;
        *user = role != MT_ROLE_NONE ? g_strdup(one->user) : NULL;
    }
    pthread_mutex_unlock(&s->lock);
    return role;
}

void mt_sessions_logout(mt_sessions *s, const char *token)
{
    g_autofree char *key = mt_hash_bytes(token, strlen(token));

    pthread_mutex_lock(&s->lock);
    g_hash_table_remove(s->sessions, key);
    pthread_mutex_unlock(&s->lock);
}

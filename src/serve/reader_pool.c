#include "src/serve/reader_pool.h"

#include "src/base/refuse.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MS 30000
#define WAITING_MOST 96
#define LENGTH_DIGITS 8
#define LINE_BYTES 65536
#define ANSWER_BYTES (INT64_C(512) << 20)

typedef struct reader {
    pid_t pid; /* 0: not running */
    int   to, from;
    char *folder; /* its own */
    char *last;   /* result of its last question */
    bool  busy;
} reader;

struct mt_reader_pool {
    char            *program;
    reader          *readers;
    int              n, waiting;
    pthread_mutex_t  lock;
    pthread_cond_t   freed;
    mt_reader_counts counts;
};

mt_reader_pool *mt_reader_pool_new(const char *program, int n)
{
    mt_reader_pool *pool = g_new0(mt_reader_pool, 1);

    pool->program = g_strdup(program);
    pool->n = n;
    pool->readers = g_new0(reader, (gsize)n);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->freed, NULL);
    return pool;
}

/* What it holds are plain files. */
static void remove_folder(char *folder)
{
    g_autoptr(GDir) dir = folder != NULL ? g_dir_open(folder, 0, NULL) : NULL;
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        unlink(path);
    }
    if (folder != NULL)
        rmdir(folder);
    g_free(folder);
}

static void end(reader *r)
{
    if (r->pid == 0)
        return;
    close(r->to);
    close(r->from);
    kill(r->pid, SIGKILL); /* it keeps nothing that would be lost */
    while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    remove_folder(g_steal_pointer(&r->folder));
    g_clear_pointer(&r->last, g_free);
    r->pid = 0;
}

void mt_reader_pool_free(mt_reader_pool *pool)
{
    if (pool == NULL)
        return;
    for (int i = 0; i < pool->n; i++)
        end(&pool->readers[i]);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->freed);
    g_free(pool->readers);
    g_free(pool->program);
    g_free(pool);
}

static bool start(mt_reader_pool *pool, reader *r, GError **error)
{
    g_autoptr(GError) cause = NULL;
    int  answers[2];
    GPid pid;

    r->folder = g_dir_make_tmp("microtome-reader-XXXXXX", &cause);
    if (r->folder == NULL || !g_unix_open_pipe(answers, FD_CLOEXEC, &cause)) {
        remove_folder(g_steal_pointer(&r->folder));
        return mt_refuse(error, MT_ERROR_IO, "start a reader: %s", cause->message);
    }
    const char *const argv[] = {pool->program, "reader", r->folder, NULL};
    const int         targets[] = {3};
    bool ok = g_spawn_async_with_pipes_and_fds(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, -1, -1, -1, &answers[1], targets, 1,
                                               &pid, &r->to, NULL, NULL, &cause);
    close(answers[1]);
    if (!ok) {
        close(answers[0]);
        remove_folder(g_steal_pointer(&r->folder));
        return mt_refuse(error, MT_ERROR_INTERNAL, "start a reader (%s): %s", pool->program, cause->message);
    }
    fcntl(r->to, F_SETFD, FD_CLOEXEC);
    r->pid = pid;
    r->from = answers[0];
    return true;
}

/* n bytes before the deadline (monotonic µs); false: it is gone, or silent. */
static bool take(const reader *r, char *to, size_t n, gint64 deadline)
{
    while (n > 0) {
        gint64        left = (deadline - g_get_monotonic_time()) / 1000;
        struct pollfd p = {.fd = r->from, .events = POLLIN};
        int           ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        ssize_t       got = ready > 0 ? read(r->from, to, n) : ready;
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        to += got;
        n -= (size_t)got;
    }
    return true;
}

static json_t *take_line(const reader *r, gint64 deadline)
{
    char digits[LENGTH_DIGITS + 1] = "";

    if (!take(r, digits, LENGTH_DIGITS, deadline))
        return NULL;
    guint64          n = g_ascii_strtoull(digits, NULL, 16);
    g_autofree char *line = n <= LINE_BYTES ? g_malloc(n + 1) : NULL;
    return line != NULL && take(r, line, n, deadline) ? json_loadb(line, n, 0, NULL) : NULL;
}

typedef enum outcome { ANSWERED, REFUSED, DEAD } outcome;

static outcome ask_one(reader *r, const char *line, GBytes **answer, char **type, GError **error)
{
    gint64  deadline = g_get_monotonic_time() + ANSWER_MS * 1000;
    size_t  n = strlen(line), sent = 0;
    ssize_t wrote = 0;

    while (sent < n && ((wrote = write(r->to, line + sent, n - sent)) > 0 || errno == EINTR))
        sent += wrote > 0 ? (size_t)wrote : 0;
    json_t     *head = sent == n ? take_line(r, deadline) : NULL;
    const char *message = json_string_value(json_object_get(head, "error"));
    json_int_t  bytes = json_integer_value(json_object_get(head, "bytes"));
    outcome     out = DEAD;
    if (message != NULL) {
        g_set_error_literal(error, MT_ERROR, (int)json_integer_value(json_object_get(head, "code")), message);
        out = REFUSED;
    } else if (head != NULL && bytes >= 0 && bytes <= ANSWER_BYTES) {
        char *data = g_try_malloc((gsize)bytes + 1);
        if (data != NULL && take(r, data, (size_t)bytes, deadline)) {
            *answer = g_bytes_new_take(data, (gsize)bytes);
            *type = g_strdup(json_string_value(json_object_get(head, "type")));
            out = ANSWERED;
        } else
            g_free(data);
    }
    json_decref(head);
    return out;
}

/* The free reader that knows the result, else one that runs, else any; NULL: all are busy. */
static reader *choose(mt_reader_pool *pool, const char *result)
{
    reader *best = NULL;
    int     most = -1;

    for (int i = 0; i < pool->n; i++) {
        reader *r = &pool->readers[i];
        int     worth = r->pid == 0 ? 0 : g_strcmp0(r->last, result) == 0 ? 2 : 1;
        if (!r->busy && worth > most) {
            best = r;
            most = worth;
        }
    }
    return best;
}

static reader *borrow(mt_reader_pool *pool, const char *result)
{
    reader *r = NULL;

    pthread_mutex_lock(&pool->lock);
    pool->counts.asked++;
    if (pool->waiting >= WAITING_MOST)
        pool->counts.refused++;
    else {
        pool->waiting++;
        while ((r = choose(pool, result)) == NULL)
            pthread_cond_wait(&pool->freed, &pool->lock);
        pool->waiting--;
        r->busy = true;
    }
    pthread_mutex_unlock(&pool->lock);
    return r;
}

static void give_back(mt_reader_pool *pool, reader *r, int deaths, bool failed)
{
    pthread_mutex_lock(&pool->lock);
    r->busy = false;
    pool->counts.died += deaths;
    pool->counts.failed += failed;
    pthread_cond_signal(&pool->freed);
    pthread_mutex_unlock(&pool->lock);
}

GBytes *mt_reader_pool_ask(mt_reader_pool *pool, json_t *ask, char **type, GError **error)
{
    g_autofree char *result = g_strdup(json_string_value(json_object_get(ask, "result")));
    char            *text = json_dumps(ask, JSON_COMPACT);
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    reader          *r = borrow(pool, result);
    GBytes          *answer = NULL;
    outcome          out = DEAD;
    int              deaths = 0;
    bool             started = true;

    free(text);
    json_decref(ask);
    if (r == NULL) {
        mt_refuse(error, MT_ERROR_STOPPED, "the desk has more to read than it can: try again in a moment");
        return NULL;
    }
    while (out == DEAD && deaths < 2 && started) {
        started = r->pid != 0 || start(pool, r, error);
        if (!started)
            break;
        g_free(r->last);
        r->last = g_strdup(result);
        out = ask_one(r, line, &answer, type, error);
        if (out == DEAD) {
            end(r);
            deaths++;
        }
    }
    give_back(pool, r, deaths, out != ANSWERED);
    if (out == DEAD && started)
        mt_refuse(error, MT_ERROR_INTERNAL, "reading this case ended two readers: its file or its slide is damaged");
    return answer;
}

void mt_reader_pool_count(mt_reader_pool *pool, mt_reader_counts *counts)
{
    pthread_mutex_lock(&pool->lock);
    *counts = pool->counts;
    pthread_mutex_unlock(&pool->lock);
}

#include "src/batch/hooks.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE 4
#define LIMIT_US INT64_C(60000000)
#define POLL_US 20000

typedef struct hook {
    char  *what, *id, *command;
    char **environment;
    pid_t  pid;
    gint64 started_us;
    bool   killed;
} hook;

struct mt_hooks {
    mt_hook_ended ended;
    void         *user;
    GQueue        waiting, running;
};

static void free_hook(hook *h)
{
    g_free(h->what);
    g_free(h->id);
    g_free(h->command);
    g_strfreev(h->environment);
    g_free(h);
}

mt_hooks *mt_hooks_new(mt_hook_ended ended, void *user)
{
    mt_hooks *hooks = g_new0(mt_hooks, 1);

    hooks->ended = ended;
    hooks->user = user;
    return hooks;
}

/* In the child, before sh: what we ignore is not ignored there, and Ctrl-C is for the batch. */
static void prepare_child(void *unused)
{
    (void)unused;
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
}

static void tell(const mt_hooks *hooks, const hook *h, bool ok, const char *how)
{
    if (hooks->ended != NULL)
        hooks->ended(hooks->user, h->what, h->id, ok, how);
}

static void start(mt_hooks *hooks, hook *h)
{
    const char *arguments[] = {"/bin/sh", "-c", h->command, NULL};
    g_autoptr(GError) error = NULL;

    h->started_us = g_get_monotonic_time();
    if (g_spawn_async(NULL, (char **)arguments, h->environment, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL, prepare_child, NULL,
                      &h->pid, &error)) {
        g_queue_push_tail(&hooks->running, h);
        return;
    }
    tell(hooks, h, false, error->message);
    free_hook(h);
}

void mt_hooks_start(mt_hooks *hooks, const char *command, const char *what, const char *id, const char *const *variables)
{
    hook *h = g_new0(hook, 1);

    h->what = g_strdup(what);
    h->id = g_strdup(id);
    h->command = g_strdup(command);
    h->environment = g_get_environ();
    for (int i = 0; variables[i] != NULL; i += 2)
        if (variables[i + 1] != NULL)
            h->environment = g_environ_setenv(h->environment, variables[i], variables[i + 1], TRUE);
    g_queue_push_tail(&hooks->waiting, h);
    mt_hooks_tick(hooks);
}

static void kill_group(hook *h)
{
    h->killed = true;
    if (kill(-h->pid, SIGKILL) != 0) /* not in its group yet */
        kill(h->pid, SIGKILL);
}

/* True when it has ended and was told. */
static bool reap(const mt_hooks *hooks, hook *h)
{
    int status = 0;

    if (waitpid(h->pid, &status, WNOHANG) == 0)
        return false;
    g_autofree char *how = h->killed ? g_strdup_printf("killed after %.0f s", (double)(g_get_monotonic_time() - h->started_us) / 1e6)
                           : WIFSIGNALED(status) ? g_strdup_printf("signal %d", WTERMSIG(status))
                                                 : g_strdup_printf("exit %d", WEXITSTATUS(status));
    tell(hooks, h, !h->killed && WIFEXITED(status) && WEXITSTATUS(status) == 0, how);
    return true;
}

void mt_hooks_tick(mt_hooks *hooks)
{
    for (GList *at = hooks->running.head, *next; at != NULL; at = next) {
        hook *h = at->data;
        next = at->next;
        if (!h->killed && g_get_monotonic_time() - h->started_us > LIMIT_US)
            kill_group(h);
        if (reap(hooks, h)) {
            free_hook(h);
            g_queue_delete_link(&hooks->running, at);
        }
    }
    while (hooks->running.length < AT_ONCE && hooks->waiting.length > 0)
        start(hooks, g_queue_pop_head(&hooks->waiting));
}

void mt_hooks_finish(mt_hooks *hooks, gint64 limit_us)
{
    gint64 until = g_get_monotonic_time() + limit_us;

    mt_hooks_tick(hooks);
    while ((hooks->running.length > 0 || hooks->waiting.length > 0) && g_get_monotonic_time() < until) {
        g_usleep(POLL_US);
        mt_hooks_tick(hooks);
    }
    for (hook *h; (h = g_queue_pop_head(&hooks->waiting)) != NULL; free_hook(h))
        tell(hooks, h, false, "not run: the batch has ended");
    for (GList *at = hooks->running.head; at != NULL; at = at->next)
        kill_group(at->data);
    while (hooks->running.length > 0) {
        mt_hooks_tick(hooks);
        g_usleep(POLL_US / 10);
    }
}

void mt_hooks_free(mt_hooks *hooks)
{
    if (hooks == NULL)
        return;
    mt_hooks_finish(hooks, 0);
    g_free(hooks);
}

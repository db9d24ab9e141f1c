#include "src/batch/worker_process.h"

#include "src/batch/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_MS 10000

bool mt_worker_process_start(mt_worker_process *w, const char *program, int weights_fd, GError **error)
{
    const char *const argv[] = {program, "worker", NULL};
    int               events[2], targets[] = {3, MT_WORKER_WEIGHTS_FD};
    GPid              pid;
    g_autoptr(GError) cause = NULL;

    *w = (mt_worker_process){.command_fd = -1, .event_fd = -1};
    if (!g_unix_open_pipe(events, FD_CLOEXEC, &cause)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "start a worker: %s", cause->message);
        return false;
    }
    const int sources[] = {events[1], weights_fd};
    bool      ok = g_spawn_async_with_pipes_and_fds(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, -1, -1, -1, sources, targets,
                                               weights_fd >= 0 ? 2 : 1, &pid, &w->command_fd, NULL, NULL, &cause);
    close(events[1]);
    if (!ok) {
        close(events[0]);
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "start a worker (%s): %s", program, cause->message);
        return false;
    }
    w->pid = pid;
    w->event_fd = events[0];
    w->buffer = g_string_new(NULL);
    w->temporary = g_dir_make_tmp("microtome-worker-XXXXXX", NULL); /* few cases need one: those fail by themselves */
    return true;
}

bool mt_worker_process_send(mt_worker_process *w, json_t *command)
{
    return mt_protocol_write(w->command_fd, command); /* to a retiring one: EBADF */
}

bool mt_worker_process_receive(mt_worker_process *w)
{
    char    block[4096];
    ssize_t n = read(w->event_fd, block, sizeof block);

    if (n > 0)
        g_string_append_len(w->buffer, block, n);
    return n > 0 || (n < 0 && errno == EINTR);
}

json_t *mt_worker_process_next(mt_worker_process *w)
{
    char *end = memchr(w->buffer->str, '\n', w->buffer->len);

    if (end == NULL)
        return NULL;
    json_t *event = json_loadb(w->buffer->str, (size_t)(end - w->buffer->str), JSON_REJECT_DUPLICATES, NULL);
    g_string_erase(w->buffer, 0, end - w->buffer->str + 1);
    return event != NULL ? event : json_object();
}

void mt_worker_process_retire(mt_worker_process *w)
{
    if (w->command_fd >= 0)
        close(w->command_fd);
    w->command_fd = -1;
    w->retiring = true;
}

/* What it holds are plain files: a worker may make nothing else there. */
static void remove_temporary(char *folder)
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

/* One that does not end when its pipes are closed is killed. */
static void wait_or_kill(pid_t pid)
{
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    int           ready = 0;

    while (end.fd >= 0 && (ready = poll(&end, 1, END_MS)) < 0 && errno == EINTR)
        ;
    if (end.fd >= 0 && ready == 0)
        kill(pid, SIGKILL);
    if (end.fd >= 0)
        close(end.fd);
}

int mt_worker_process_end(mt_worker_process *w)
{
    int status = 0;

    if (w->pid == 0)
        return 0;
    if (w->command_fd >= 0)
        close(w->command_fd);
    close(w->event_fd);
    g_string_free(w->buffer, TRUE);
    wait_or_kill(w->pid);
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
        ;
    g_spawn_close_pid(w->pid);
    remove_temporary(g_steal_pointer(&w->temporary));
    w->pid = 0;
    return status;
}

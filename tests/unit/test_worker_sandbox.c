/* A child shuts itself in and tries what it must not do any more.  Where the kernel lacks one of the two halves, its part is skipped. */
#include "src/batch/worker_limits.h"
#include "src/batch/worker_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GIB (INT64_C(1) << 30)

typedef struct place {
    char *inside, *outside, *kept; /* kept: a file outside */
    pid_t parent;
} place;

static char *below(const char *folder, const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static int try_write(const char *folder)
{
    g_autofree char *path = below(folder, "written");
    int              fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

    return fd < 0 ? -1 : close(fd);
}

static int try_program(const place *p)
{
    char *const argv[] = {(char *)"true", NULL};

    (void)p;
    return execv("/bin/true", argv);
}

static int try_inet(const place *p)
{
    (void)p;
    return socket(AF_INET, SOCK_STREAM, 0);
}

static int try_unix(const place *p)
{
    (void)p;
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

#if !defined(__SANITIZE_ADDRESS__)
static int try_fork(const place *p)
{
    pid_t pid = fork();

    (void)p;
    if (pid == 0)
        _exit(0);
    return pid;
}

static int try_trace(const place *p)
{
    return (int)ptrace(PTRACE_ATTACH, p->parent, NULL, NULL);
}
#endif

static int try_mount(const place *p)
{
    return mount("none", p->inside, "tmpfs", 0, NULL);
}

static int try_kill(const place *p)
{
    return kill(p->parent, 0);
}

static int try_chmod(const place *p)
{
    return chmod(p->kept, 0777);
}

static int try_terminal(const place *p)
{
    (void)p;
    return ioctl(STDIN_FILENO, TIOCSTI, "x");
}

static int try_symlink(const place *p)
{
    g_autofree char *path = below(p->inside, "link");

    return symlink(p->kept, path);
}

static int try_create(const place *p)
{
    return try_write(p->outside);
}

static int try_overwrite(const place *p)
{
    return open(p->kept, O_WRONLY);
}

static int try_remove(const place *p)
{
    return unlink(p->kept);
}

static int try_move(const place *p)
{
    g_autofree char *path = below(p->inside, "moved");

    return rename(p->kept, path);
}

static int try_folder(const place *p)
{
    g_autofree char *path = below(p->inside, "folder");

    return mkdir(path, 0755);
}

static const struct attempt {
    const char *what;
    int (*call)(const place *p);
    bool of_calls; /* seccomp's; else Landlock's */
} ATTEMPTS[] = {
    {"start a program", try_program, true},
    {"open a socket", try_inet, true},
    {"open a local socket", try_unix, true},
#if !defined(__SANITIZE_ADDRESS__) /* its leak checker does both */
    {"fork", try_fork, true},
    {"trace its parent", try_trace, true},
#endif
    {"mount", try_mount, true},
    {"signal its parent", try_kill, true},
    {"change a mode elsewhere", try_chmod, true},
    {"type into the terminal", try_terminal, true},
    {"make a link", try_symlink, true},
    {"create a file elsewhere", try_create, false},
    {"write to a file elsewhere", try_overwrite, false},
    {"remove a file elsewhere", try_remove, false},
    {"move a file in", try_move, false},
    {"make a folder", try_folder, false},
};

static void *add_one(void *user)
{
    ++*(int *)user;
    return user;
}

/* What a worker has to be able to do.  NULL, or what it cannot. */
static const char *still_works(const place *p)
{
    pthread_t thread;
    int       sum = 0;
    void     *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (map == MAP_FAILED)
        return "map memory to run code from";
    if (pthread_create(&thread, NULL, add_one, &sum) != 0 || pthread_join(thread, NULL) != 0 || sum != 1)
        return "start a thread";
    if (try_write(p->inside) != 0)
        return "write into its folder";
    g_autofree char *path = below(p->inside, "written"), *other = below(p->inside, "renamed"), *text = NULL;
    if (rename(path, other) != 0 || unlink(other) != 0)
        return "rename and remove in its folder";
    if (!g_file_get_contents(p->kept, &text, NULL, NULL) || strcmp(text, "kept") != 0)
        return "read elsewhere";
    int fd = open("/dev/null", O_WRONLY);
    if (fd < 0)
        return "write to /dev/null";
    close(fd);
    return kill(getpid(), 0) == 0 ? NULL : "signal itself";
}

/* In the child: what went wrong, a line each, into the pipe; it ends without the exit handlers of the test. */
static void G_GNUC_NORETURN be_shut_in(const place *p, int report)
{
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    const char *const folders[] = {p->inside, NULL};
    FILE             *out = fdopen(report, "w");

    if (!mt_worker_sandbox_enter(folders, warnings, NULL))
        fputs("not shut in\n", out);
    bool calls = true, paths = true;
    for (guint i = 0; i < warnings->len; i++) {
        calls &= strstr(warnings->pdata[i], "system call") == NULL;
        paths &= strstr(warnings->pdata[i], "may write") == NULL;
    }
    const char *cannot = still_works(p);
    if (cannot != NULL)
        fprintf(out, "it cannot %s: %s\n", cannot, g_strerror(errno));
    for (size_t i = 0; i < G_N_ELEMENTS(ATTEMPTS); i++) {
        const struct attempt *a = &ATTEMPTS[i];
        if (!(a->of_calls ? calls : paths))
            continue;
        errno = 0;
        int result = a->call(p);
        if (result >= 0 || (errno != EPERM && errno != EACCES && errno != ENOSYS && errno != EXDEV))
            fprintf(out, "it may %s: %d, %s\n", a->what, result, g_strerror(errno));
    }
    fprintf(out, "%s%s", calls ? "" : "# no seccomp\n", paths ? "" : "# no Landlock\n");
    fclose(out);
    _exit(0);
}

static char *read_all(int fd)
{
    GString *text = g_string_new(NULL);
    char     block[512];

    for (ssize_t n; (n = read(fd, block, sizeof block)) > 0;)
        g_string_append_len(text, block, n);
    return g_string_free(text, FALSE);
}

static void test_forbidden(void)
{
    g_autofree char *folder = g_dir_make_tmp("microtome-XXXXXX", NULL);
    place            p = {below(folder, "inside"), below(folder, "outside"), below(folder, "outside/kept"), getpid()};
    int              report[2], status;

    g_assert_cmpint(mkdir(p.inside, 0755), ==, 0);
    g_assert_cmpint(mkdir(p.outside, 0755), ==, 0);
    g_assert_true(g_file_set_contents(p.kept, "kept", -1, NULL));
    g_assert_cmpint(pipe(report), ==, 0);
    pid_t child = fork();
    if (child == 0)
        be_shut_in(&p, report[1]);
    close(report[1]);
    g_autofree char *said = read_all(report[0]);
    close(report[0]);
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
    g_auto(GStrv) lines = g_strsplit(said, "\n", -1);
    for (char **line = lines; *line != NULL && **line != '\0'; line++) {
        if (**line != '#')
            g_error("%s", *line);
        g_test_message("%s", *line + 2);
    }
    g_assert_cmpint(unlink(p.kept), ==, 0);
    g_assert_cmpint(rmdir(p.outside), ==, 0);
    g_assert_cmpint(rmdir(p.inside), ==, 0);
    g_assert_cmpint(rmdir(folder), ==, 0);
    g_free(p.inside);
    g_free(p.outside);
    g_free(p.kept);
}

static void test_no_folder(void)
{
    int   status;
    pid_t child = fork();

    if (child == 0) { /* where Landlock is there, it is said; where not, nothing needs the folder */
        g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GError) error = NULL;
        const char *const folders[] = {"/no/such/folder", NULL};
        bool              ok = mt_worker_paths_shut(folders, warnings, &error);
        bool told = error != NULL && strcmp(error->message, "confine a worker to /no/such/folder: No such file or directory") == 0;
        _exit(ok ? warnings->len == 0 : !told);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
}

static void test_address_space(void)
{
    const mt_worker_budget given = {.memory_bytes = 2 * GIB, .threads = 4, .workers = 2}, none = {.threads = 4, .workers = 2};

    g_assert_cmpint(mt_worker_address_space(&given, GIB, 64 * GIB), ==, 3 * GIB + 8 * GIB + 4 * GIB + 4 * (GIB * 3 / 16));
    g_assert_cmpint(mt_worker_address_space(&none, GIB, 64 * GIB), ==, 3 * GIB + 32 * GIB + 4 * GIB + 4 * (GIB * 3 / 16));
}

static void test_limits(void)
{
    int   status;
    pid_t child = fork();

    if (child == 0) {
        const mt_worker_budget budget = {.memory_bytes = GIB, .threads = 1, .workers = 1};
        struct rlimit          core, files;
        mt_worker_limits_begin();
        int64_t bytes = mt_worker_limits_settle(&budget);
        bool    ok =
            getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 && getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur <= 4096;
        void *too_much = bytes > 0 ? mmap(NULL, (size_t)bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) : MAP_FAILED;
        _exit(ok && too_much == MAP_FAILED && (bytes == 0 || errno == ENOMEM) ? 0 : 1);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/worker-sandbox/forbidden", test_forbidden);
    g_test_add_func("/worker-sandbox/no-folder", test_no_folder);
    g_test_add_func("/worker-sandbox/address-space", test_address_space);
    g_test_add_func("/worker-sandbox/limits", test_limits);
    return g_test_run();
}

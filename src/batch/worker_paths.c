/* Landlock by its system calls: the C library of today's distributions has no functions for them, and their headers know less than the
 * kernels that run. */
#include "src/batch/worker_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if MT_SANDBOX

#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446
#define WANT_VERSION 1U
#define BELOW_PATH 1

enum { /* rights on files, by the version of the kernel's interface that brought them */
       EXECUTE = 1 << 0,
       WRITE_FILE = 1 << 1,
       REMOVE_DIR = 1 << 4,
       REMOVE_FILE = 1 << 5,
       MAKE_FIRST = 1 << 6,
       MAKE_REG = 1 << 8,
       MAKE_LAST = 1 << 12,
       REFER = 1 << 13,   /* 2 */
       TRUNCATE = 1 << 14 /* 3 */
};

#define TCP_BIND_CONNECT 3U /* 4 */
#define ABSTRACT_SOCKET 1U  /* 6 */

typedef struct ruleset {
    uint64_t files, net, scoped;
} ruleset;

typedef struct __attribute__((packed)) below_path {
    uint64_t allowed;
    int32_t  fd;
} below_path;

static uint64_t writing(long version)
{
    uint64_t rights = EXECUTE | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | (version >= 2 ? REFER : 0) | (version >= 3 ? TRUNCATE : 0);

    for (uint64_t make = MAKE_FIRST; make <= MAKE_LAST; make <<= 1)
        rights |= make;
    return rights;
}

static bool allow(int rules, const char *path, uint64_t rights, GError **error)
{
    below_path below = {.allowed = rights, .fd = open(path, O_PATH | O_CLOEXEC)};
    bool       ok = below.fd >= 0 && syscall(ADD_RULE, rules, BELOW_PATH, &below, 0) == 0;

    if (!ok)
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "confine a worker to %s: %s", path, g_strerror(errno));
    if (below.fd >= 0)
        close(below.fd);
    return ok;
}

static size_t ruleset_bytes(long version)
{
    return version >= 6 ? sizeof(ruleset) : version >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

bool mt_worker_paths_shut(const char *const *writable, GPtrArray *warnings, GError **error)
{
    long    version = syscall(CREATE_RULESET, NULL, 0, WANT_VERSION);
    ruleset what = {.files = writing(version), .net = TCP_BIND_CONNECT, .scoped = ABSTRACT_SOCKET};
    int     rules = version > 0 ? (int)syscall(CREATE_RULESET, &what, ruleset_bytes(version), 0) : -1;

    if (rules < 0) {
        g_ptr_array_add(warnings,
                        g_strdup_printf("workers may write wherever you may: this kernel has no Landlock (%s)", g_strerror(errno)));
        return true;
    }
    bool ok = allow(rules, "/dev/null", WRITE_FILE, NULL) || access("/dev/null", F_OK) != 0;
    /* files alone: neither folders nor devices nor links, and nothing to run */
    for (; ok && *writable != NULL; writable++)
        ok = allow(rules, *writable, WRITE_FILE | REMOVE_FILE | MAKE_REG | (version >= 3 ? TRUNCATE : 0), error);
    if (ok && syscall(RESTRICT_SELF, rules, 0) != 0)
        g_ptr_array_add(warnings, g_strdup_printf("workers may write wherever you may: Landlock: %s", g_strerror(errno)));
    close(rules);
    return ok;
}

#else

bool mt_worker_paths_shut(const char *const *writable, GPtrArray *warnings, GError **error)
{
    (void)writable;
    (void)error;
    g_ptr_array_add(warnings, g_strdup("workers may write wherever you may: this build has no sandbox (-Dsandbox=disabled)"));
    return true;
}

#endif

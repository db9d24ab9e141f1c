/* The system calls of a worker.  What is not listed gives ENOSYS, as on an older kernel: libraries know another way then. */
#include "src/batch/worker_sandbox.h"

#include <errno.h>
#include <unistd.h>

#if MT_SANDBOX && MT_HAVE_SECCOMP

#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>

/* Whoever is built with a sanitizer is not meant for foreign slides: its leak checker, a process by clone() that traces this one, is let
 * through. */
#if defined(__SANITIZE_ADDRESS__)
#define LEAK_CHECKER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LEAK_CHECKER 1
#endif
#endif
#ifndef LEAK_CHECKER
#define LEAK_CHECKER 0
#endif

static const char *const ALLOWED[] = {
    /* files; where writing ends, Landlock says */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "lseek", "close", "close_range",
    "open", "openat", "openat2", "creat", "dup", "dup2", "dup3", "fcntl", "flock", "ftruncate", "fallocate", "fsync", "fdatasync", "syncfs",
    "sync_file_range", "fadvise64", "readahead", "copy_file_range", "sendfile", "pipe", "pipe2", "stat", "fstat", "lstat", "newfstatat",
    "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents", "getdents64", "getcwd",
    "chdir", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "umask", "getxattr",
    "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr", "memfd_create",
    /* waiting */
    "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
    "eventfd", "eventfd2", "timerfd_create", "timerfd_settime", "timerfd_gettime", "signalfd", "signalfd4", "inotify_init1",
    "inotify_add_watch", "inotify_rm_watch", "wait4", "waitid",
    /* memory */
    "mmap", "mprotect", "munmap", "mremap", "madvise", "msync", "mincore", "mlock", "mlock2", "munlock", "brk", "membarrier",
    "get_mempolicy", "set_mempolicy", "mbind",
    /* threads */
    "futex", "futex_waitv", "set_robust_list", "get_robust_list", "rseq", "set_tid_address", "gettid", "getpid", "getppid", "getpgid",
    "getpgrp", "getsid", "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_getscheduler",
    "sched_get_priority_max", "sched_get_priority_min", "sched_rr_get_interval", "sched_getattr", "getcpu", "getpriority", "setpriority",
    "exit", "exit_group", "arch_prctl", "prctl", "capget",
    /* signals to itself, clocks, facts */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait", "rt_sigsuspend", "sigaltstack", "pause",
    "restart_syscall", "alarm", "setitimer", "getitimer", "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday",
    "time", "times", "timer_create", "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete", "getrusage", "sysinfo", "uname",
    "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "getrandom", "getrlimit", "setrlimit"};

static const char *const FORBIDDEN[] = {
    "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg",
    "execve", "execveat", "fork", "vfork", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsmount",
    "fsconfig", "fspick", "mount_setattr", "unshare", "setns", "bpf", "perf_event_open", "keyctl", "add_key", "request_key", "kexec_load",
    "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon", "swapoff", "sethostname", "setdomainname",
    "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "acct", "quotactl", "iopl", "ioperm", "setuid", "setgid", "setreuid",
    "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid", "capset", "personality", "userfaultfd", "io_uring_setup",
    "io_uring_enter", "io_uring_register", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "tkill", "rt_sigqueueinfo",
    "rt_tgsigqueueinfo", "symlink", "symlinkat", "mknod", "mknodat", "open_by_handle_at", "name_to_handle_at", "kcmp", "modify_ldt",
    "setsid", "setpgid", "msgget", "semget", "shmget", "shmat", "mq_open", "fanotify_init", "syslog", "process_madvise", "move_pages",
    "migrate_pages", "landlock_create_ruleset", "seccomp",
    /* Landlock does not know these: names elsewhere must keep their owner, mode, times and attributes; truncate came late to it */
    "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "utime", "utimes", "utimensat", "futimesat", "setxattr",
    "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr", "truncate"};

static const char *const TRACING[] = {"ptrace", "process_vm_readv", "process_vm_writev"};

static bool add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t n)
{
    bool ok = true;

    for (size_t i = 0; ok && i < n; i++) {
        int number = seccomp_syscall_resolve_name(names[i]); /* of this architecture, known to this library */
        ok = number == __NR_SCMP_ERROR || seccomp_rule_add(filter, action, number, 0) == 0 || number < 0;
    }
    return ok;
}

#define LOW_32 0xffffffffU /* what an int argument is; the rest of the register is anything */

/* Threads, but no processes.  clone3 hides its flags behind a pointer: it is unknown here, and the C library falls back to clone. */
static bool add_clone(scmp_filter_ctx filter)
{
    if (LEAK_CHECKER)
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 0) == 0;
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)) == 0;
}

/* Signals to itself and its own process group; limits of its own. */
static bool add_own(scmp_filter_ctx filter)
{
    const scmp_datum_t        self = (scmp_datum_t)getpid();
    const struct scmp_arg_cmp is_self = SCMP_A0(SCMP_CMP_MASKED_EQ, LOW_32, self), is_0 = SCMP_A0(SCMP_CMP_MASKED_EQ, LOW_32, 0);

    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, is_self) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, is_self) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, is_0) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, is_self) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, is_0) == 0;
}

/* What libraries ask; not what types into the terminal behind stderr. */
static bool add_ioctl(scmp_filter_ctx filter)
{
    static const unsigned allowed[] = {TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX};
    bool                  ok = true;

    for (size_t i = 0; ok && i < G_N_ELEMENTS(allowed); i++)
        ok = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_32, allowed[i])) == 0;
    return ok;
}

static bool add_rules(scmp_filter_ctx filter)
{
    return add_names(filter, SCMP_ACT_ALLOW, ALLOWED, G_N_ELEMENTS(ALLOWED)) &&
           add_names(filter, SCMP_ACT_ERRNO(EPERM), FORBIDDEN, G_N_ELEMENTS(FORBIDDEN)) &&
           add_names(filter, LEAK_CHECKER ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM), TRACING, G_N_ELEMENTS(TRACING)) && add_clone(filter) &&
           add_own(filter) && add_ioctl(filter);
}

void mt_worker_calls_shut(GPtrArray *warnings)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));

    if (filter == NULL || !add_rules(filter))
        g_ptr_array_add(warnings, g_strdup("workers may use every system call: libseccomp refuses the rules"));
    else {
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1); /* an old kernel has no such log */
        int result = seccomp_load(filter);
        if (result != 0)
            g_ptr_array_add(warnings, g_strdup_printf("workers may use every system call: seccomp: %s", g_strerror(-result)));
    }
    if (filter != NULL)
        seccomp_release(filter);
}

#else

void mt_worker_calls_shut(GPtrArray *warnings)
{
    g_ptr_array_add(warnings, g_strdup("workers may use every system call: this build has no libseccomp"));
}

#endif

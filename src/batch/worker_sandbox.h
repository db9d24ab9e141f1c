/* A worker shut in: it may read, compute, and write below the folders it was given; it opens no socket, starts no program, looks into no
 * other process.  What a damaged or hostile slide or model makes of it ends there. */
#ifndef MT_WORKER_SANDBOX_H
#define MT_WORKER_SANDBOX_H

#include <microtome/error.h>

/* For good, of the calling thread and those it will start: call it before there are others.  `writable` (NULL at its end) are folders.
 * What this machine or this build lacks is told in `warnings` (char *), and the rest is done.  MT_ERROR_IO for a folder that cannot be
 * opened. */
bool mt_worker_sandbox_enter(const char *const *writable, GPtrArray *warnings, GError **error);

/* The two halves; each adds to `warnings` where it is not available. */
/* Landlock: files.  Writing elsewhere gives EACCES, TCP too. */
bool mt_worker_paths_shut(const char *const *writable, GPtrArray *warnings, GError **error);
/* seccomp: system calls.  The forbidden ones give EPERM and are told to the kernel's audit log, unknown ones ENOSYS. */
void mt_worker_calls_shut(GPtrArray *warnings);

#endif

#include "src/batch/worker_limits.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define GIB (INT64_C(1) << 30)
#define FILE_BYTES (256 * GIB) /* features of the largest slide that the limits allow */
#define OPEN_FILES 4096
#define ALWAYS_BYTES (4 * GIB) /* decoders, the head's bag, volumes */
#define THREAD_BYTES (INT64_C(192) << 20)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHADOW_MEMORY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SHADOW_MEMORY 1
#endif
#endif
#ifndef SHADOW_MEMORY
#define SHADOW_MEMORY 0
#endif

/* Never above what it was. */
static bool lower(int resource, int64_t most)
{
    struct rlimit limit;

    if (getrlimit((__rlimit_resource_t)resource, &limit) != 0)
        return false;
    limit.rlim_max = MIN(limit.rlim_max, (rlim_t)most);
    limit.rlim_cur = MIN(limit.rlim_cur, limit.rlim_max);
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0;
}

static int64_t machine_bytes(void)
{
    return (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

static int64_t mapped_bytes(void)
{
    long  pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file != NULL && fscanf(file, "%ld", &pages) != 1)
        pages = 0;
    if (file != NULL)
        fclose(file);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

int64_t mt_worker_address_space(const mt_worker_budget *budget, int64_t mapped, int64_t machine)
{
    int64_t share = budget->memory_bytes > 0 ? 4 * budget->memory_bytes : machine / MAX(1, budget->workers);

    return 3 * mapped + share + ALWAYS_BYTES + THREAD_BYTES * MAX(1, budget->threads);
}

void mt_worker_limits_begin(void)
{
    lower(RLIMIT_CORE, 0);
    lower(RLIMIT_FSIZE, FILE_BYTES);
    signal(SIGXFSZ, SIG_IGN); /* EFBIG is an error like others */
    lower(RLIMIT_NOFILE, OPEN_FILES);
    if (!SHADOW_MEMORY)
        lower(RLIMIT_AS, 2 * machine_bytes() + 16 * GIB);
}

int64_t mt_worker_limits_settle(const mt_worker_budget *budget)
{
    int64_t mapped = mapped_bytes(), bytes = mt_worker_address_space(budget, mapped, machine_bytes());

    return !SHADOW_MEMORY && mapped > 0 && lower(RLIMIT_AS, bytes) ? bytes : 0;
}

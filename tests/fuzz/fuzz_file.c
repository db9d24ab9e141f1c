#include "tests/fuzz/fuzz_target.h"

#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <unistd.h>

static char fuzz_path[4096]; /* of the one file; a target runs one input at a time */

/* A failed assertion of GLib's own is a finding, too; libFuzzer keeps the input of an abort. */
static void stop_at_critical(const char *domain, GLogLevelFlags level, const char *message, gpointer user)
{
    g_log_default_handler(domain, level & ~(guint)G_LOG_FLAG_FATAL, message, user);
    if (level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR))
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    g_log_set_default_handler(stop_at_critical, NULL);
    return 0;
}

const char *fuzz_file_write(const uint8_t *data, size_t size, const char *ending)
{
    /* in memory where the system offers it: a fuzzer writes thousands of files a second */
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : g_get_tmp_dir();

    g_snprintf(fuzz_path, sizeof fuzz_path, "%s/microtome-fuzz-%d%s", folder, (int)getpid(), ending);
    int fd = open(fuzz_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        g_error("write %s: the fuzzer cannot go on", fuzz_path);
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, data + done, size - done);
        if (n <= 0)
            g_error("write %s: the fuzzer cannot go on", fuzz_path);
        done += (size_t)n;
    }
    close(fd);
    return fuzz_path;
}

void fuzz_file_remove(void)
{
    unlink(fuzz_path);
}

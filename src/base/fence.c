#include "src/base/fence.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

char *mt_fence_claim(const mt_fence *fence)
{
    g_autofree char *name = g_strdup_printf("%s.%d", fence->id, fence->epoch);

    return g_build_filename(fence->folder, name, NULL);
}

char *mt_fence_temporary(const mt_fence *fence, const char *target)
{
    g_autofree char *folder = g_path_get_dirname(target);
    g_autofree char *name = g_strdup_printf(".tmp-%s.%d-%s", fence->run, fence->epoch, fence->id);

    return g_build_filename(folder, name, NULL);
}

bool mt_fence_holds(const mt_fence *fence)
{
    const mt_fence   next = {.folder = fence->folder, .id = fence->id, .run = fence->run, .epoch = fence->epoch + 1};
    g_autofree char *ours = mt_fence_claim(fence), *outdone = mt_fence_claim(&next);
    char             run[MT_RUN_DIGITS];
    int              fd = open(ours, O_RDONLY | O_CLOEXEC);
    bool             mine = fd >= 0 && read(fd, run, sizeof run) == (ssize_t)sizeof run && memcmp(run, fence->run, sizeof run) == 0;

    if (fd >= 0)
        close(fd);
    return mine && access(outdone, F_OK) != 0;
}

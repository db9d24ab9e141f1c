#include "src/batch/worker_sandbox.h"

#include <sys/prctl.h>

bool mt_worker_sandbox_enter(const char *const *writable, GPtrArray *warnings, GError **error)
{
    /* without it neither half is given to a process that is not root; and no set-uid program helps out */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        g_ptr_array_add(warnings, g_strdup("workers are not confined: this kernel has no no_new_privs"));
    if (!mt_worker_paths_shut(writable, warnings, error))
        return false;
    mt_worker_calls_shut(warnings); /* last: it takes away what the others need */
    return true;
}

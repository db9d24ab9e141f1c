#include "kernels/onednn/onednn_version.h"

#include <glib.h>
#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>

static char text[32]; /* written once, by format_version() */

static void format_version(void)
{
    const dnnl_version_t *version = dnnl_version();

    g_snprintf(text, sizeof text, "%d.%d.%d", version->major, version->minor, version->patch);
}

const char *mt_onednn_version(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, format_version);
    return text;
}

char *mt_onednn_identity(void)
{
    const dnnl_version_t *version = dnnl_version();

    return g_strdup_printf("%s %s runtime %u isa %#x", mt_onednn_version(), version->hash, version->cpu_runtime,
                           (unsigned)dnnl_get_effective_cpu_isa());
}

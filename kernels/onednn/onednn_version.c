#include "kernels/onednn/onednn_version.h"

#include <glib.h>
#include <oneapi/dnnl/dnnl.h>

static gpointer format_version(gpointer unused)
{
    const dnnl_version_t *version = dnnl_version();

    (void)unused;
    return g_strdup_printf("%d.%d.%d", version->major, version->minor, version->patch);
}

const char *mt_onednn_version(void)
{
    static GOnce once = G_ONCE_INIT;

    return g_once(&once, format_version, NULL);
}

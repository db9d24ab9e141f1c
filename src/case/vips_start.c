#include "src/case/vips_start.h"

#include <tiffio.h>
#include <vips/vips.h>

/* Libraries warn through GLib; a warning about a file is no news for standard error. */
static void drop_message(const char *domain, GLogLevelFlags level, const char *message, void *data)
{
    (void)domain, (void)level, (void)message, (void)data;
}

static void *start(void *data)
{
    (void)data;
    const GLogLevelFlags soft = G_LOG_LEVEL_MASK & ~(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
    const GLogLevelFlags flags = G_LOG_FLAG_FATAL | G_LOG_FLAG_RECURSION;

    g_log_set_handler("VIPS", soft | flags, drop_message, NULL);
    g_log_set_handler("Openslide", soft | flags, drop_message, NULL);
    if (vips_init("microtome") != 0)
        return GINT_TO_POINTER(FALSE);
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_block_untrusted_set(TRUE);
    TIFFSetWarningHandler(NULL);
    TIFFSetErrorHandler(NULL);
    return GINT_TO_POINTER(TRUE);
}

bool mt_vips_start(GError **error)
{
    static GOnce once = G_ONCE_INIT;

    if (g_once(&once, start, NULL) == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "start libvips: it refused; is its installation complete?");
        return false;
    }
    return true;
}

char *mt_vips_take_error(void)
{
    char    *text = vips_error_buffer_copy();
    GString *line = g_string_new(g_strstrip(text));

    g_string_replace(line, "\n", "; ", 0);
    g_free(text);
    return g_string_free(line, FALSE);
}

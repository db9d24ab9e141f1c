#include "src/case/vips_start.h"

#include <pthread.h>
#include <tiffio.h>
#include <vips/vips.h>

#define KEPT_MESSAGES 2

/* Libraries warn through GLib; a warning about a file is no news for standard error. */
static void drop_message(const char *domain, GLogLevelFlags level, const char *message, void *data)
{
    (void)domain, (void)level, (void)message, (void)data;
}

static bool started; /* written once, by start() */

static void start(void)
{
    const GLogLevelFlags soft = G_LOG_LEVEL_MASK & ~(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
    const GLogLevelFlags flags = G_LOG_FLAG_FATAL | G_LOG_FLAG_RECURSION;

    g_log_set_handler("VIPS", soft | flags, drop_message, NULL);
    g_log_set_handler("Openslide", soft | flags, drop_message, NULL);
    if (vips_init("microtome") != 0)
        return;
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_block_untrusted_set(TRUE);
    TIFFSetWarningHandler(NULL);
    TIFFSetErrorHandler(NULL);
    started = true;
}

bool mt_vips_start(GError **error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, start);
    if (!started) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "start libvips: it refused; is its installation complete?");
        return false;
    }
    return true;
}

/* libtiff alone may have left dozens; the last say what stopped it. */
char *mt_vips_take_error(void)
{
    g_autofree char *text = vips_error_buffer_copy();
    g_auto(GStrv) lines = g_strsplit(g_strstrip(text), "\n", -1);
    guint n = g_strv_length(lines);

    return g_strjoinv("; ", lines + (n > KEPT_MESSAGES ? n - KEPT_MESSAGES : 0));
}

#include "src/export/vips_target.h"

#include <errno.h>
#include <unistd.h>

static gint64 write_all(VipsTargetCustom *unused, const void *data, gint64 bytes, mt_vips_target *target)
{
    const char *at = data;

    (void)unused;
    for (gint64 left = bytes; left > 0 && mt_vips_target_failed(target) == 0;) {
        ssize_t n = write(target->fd, at, (size_t)left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            g_atomic_int_set(&target->failed, n < 0 ? errno : EIO);
            break;
        }
        at += n;
        left -= n;
    }
    return bytes;
}

void mt_vips_target_begin(mt_vips_target *target, int fd)
{
    *target = (mt_vips_target){.target = vips_target_custom_new(), .fd = fd};
    g_signal_connect(target->target, "write", G_CALLBACK(write_all), target);
}

int mt_vips_target_failed(mt_vips_target *target)
{
    return g_atomic_int_get(&target->failed);
}

void mt_vips_target_clear(mt_vips_target *target)
{
    g_clear_object(&target->target);
}

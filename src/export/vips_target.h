/* Where libvips writes to: a file descriptor of ours, so that what the disk said is known.
 *
 * libvips is never told of a failed write: 8.14.1 forgets the reason, and waits for ever in a zip (its writer holds the lock that its messages
 * take).  It writes on into nothing; who makes the pixels asks mt_vips_target_failed and stops. */
#ifndef MT_VIPS_TARGET_H
#define MT_VIPS_TARGET_H

#include <microtome/error.h>
#include <vips/vips.h>

typedef struct mt_vips_target {
    VipsTargetCustom *target;
    int               fd;     /* not closed */
    gint              failed; /* errno of the first write that failed */
} mt_vips_target;

/* `target` stays where it is until it is cleared. */
void mt_vips_target_begin(mt_vips_target *target, int fd);
/* Any thread. */
int  mt_vips_target_failed(mt_vips_target *target);
void mt_vips_target_clear(mt_vips_target *target);

#endif

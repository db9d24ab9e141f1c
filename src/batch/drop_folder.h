/* A scanner's drop folder: files appear, grow for minutes, and are cases once they are whole.
 * The time is the caller's (CLOCK_BOOTTIME, µs): nothing sleeps, nothing is asked of the kernel but listings, sizes and times, so network
 * shares do as well as disks.  One thread. */
#ifndef MT_DROP_FOLDER_H
#define MT_DROP_FOLDER_H

#include <microtome/batch.h>

typedef struct mt_drop_folder mt_drop_folder;

typedef struct mt_drop_folder_params {
    const char *folder;
    gint64      settle_us;    /* how long size and time of every file have to stay the same */
    double      mpp_x, mpp_y; /* of cases whose files lack it; 0: none */
    guint       position;     /* of the first case */
} mt_drop_folder_params;

/* MT_ERROR_MISSING where there is no such folder. */
mt_drop_folder *mt_drop_folder_new(const mt_drop_folder_params *params, GError **error);
void            mt_drop_folder_free(mt_drop_folder *watch);
/* Append the cases (mt_batch_case *, the caller's) that have become whole since the last look: all files of the case there (MIRAX: what its
 * Slidedat.ini names), none empty, none changed for the settling time.  Each is given once, and again when its files have changed and settled
 * again: a rescan, or one that failed and was put right.  A second file of a name that another case has is given as one that is refused.
 * `warnings` (char *, or NULL) takes what is left out, and why, once.  Looks that come too early do nothing. */
void mt_drop_folder_look(mt_drop_folder *watch, gint64 now_us, GPtrArray *ready, GPtrArray *warnings);
/* Cases that are seen but not whole yet. */
guint mt_drop_folder_growing(const mt_drop_folder *watch);

#endif

/* Cases copied from slow storage to a local folder, by a thread, one ahead of those that are computed. */
#ifndef MT_LOCAL_COPIES_H
#define MT_LOCAL_COPIES_H

#include <microtome/error.h>

typedef struct mt_local_copies mt_local_copies;

typedef enum mt_copy_state { MT_COPY_UNDER_WAY, MT_COPY_READY, MT_COPY_DECLINED } mt_copy_state;

/* `bytes` bounds what all copies hold at once; 0: half of what is free now.  MT_ERROR_IO. */
mt_local_copies *mt_local_copies_new(const char *folder, uint64_t bytes, GError **error);
/* Stops and deletes all copies; one that hangs in a read is left to the next run. */
void mt_local_copies_free(mt_local_copies *self);
/* Copy the case of this id when there is room; asked for again, it is not copied again. */
void mt_local_copies_ask(mt_local_copies *self, const char *id, const char *path);
/* *copy: where the case is to be opened when it is ready; *why: why it is to be read in place.  Both live until the drop. */
mt_copy_state mt_local_copies_get(mt_local_copies *self, const char *id, const char **copy, const char **why);
void          mt_local_copies_drop(mt_local_copies *self, const char *id);

#endif

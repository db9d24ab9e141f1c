/* One pass over a bag in blocks of rows: read by the caller's thread, computed by a team, merged in the order of the blocks.  What
 * comes out does not depend on the number of threads, and the bag is never held. */
#ifndef MT_BAG_STREAM_H
#define MT_BAG_STREAM_H

#include <microtome/bag.h>
#include <microtome/model.h>

typedef struct mt_bag_stream {
    mt_model *model; /* features (-1, dim) -> whatever `block` wants */
    /* Rows x of tiles tile .. tile+rows-1.  Called from several threads at once, each with a slot of its own. */
    bool (*block)(void *user, mt_session *session, int64_t slot, int64_t tile, int64_t rows, const float *x, GError **error);
    void (*merge)(void *user, int64_t slot); /* after `block`, one slot after the other; NULL: nothing to merge */
    void *user;
} mt_bag_stream;

/* Rows of a block, the last one may be shorter. */
#define MT_BAG_STREAM_ROWS INT64_C(1024)

/* How many slots `block` will see. */
int64_t mt_bag_stream_slots(int64_t n, int threads);
bool    mt_bag_stream_run(const mt_bag_stream *stream, const mt_bag *bag, int threads, GError **error);

#endif

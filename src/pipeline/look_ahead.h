/* Telling the case which tiles of its grid come next, so that slow storage is asked for them while others are worked on.
 * Shared by a team; the case bounds the bytes on their way. */
#ifndef MT_LOOK_AHEAD_H
#define MT_LOOK_AHEAD_H

#include <microtome/tile_reader.h>

#include <pthread.h>

typedef struct mt_look_ahead {
    pthread_mutex_t lock;
    int64_t         n_tiles, next; /* tiles before `next` were told */
} mt_look_ahead;

void mt_look_ahead_init(mt_look_ahead *self, int64_t n_tiles);
void mt_look_ahead_clear(mt_look_ahead *self);
/* Tiles up to `done` are about to be read: tell of those behind them. */
void mt_look_ahead_from(mt_look_ahead *self, const mt_tile_reader *reader, int64_t done);

#endif

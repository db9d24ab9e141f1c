#include "src/pipeline/look_ahead.h"

#define AHEAD_TILES 2048

void mt_look_ahead_init(mt_look_ahead *self, int64_t n_tiles)
{
    pthread_mutex_init(&self->lock, NULL);
    self->n_tiles = n_tiles;
    self->next = 0;
}

void mt_look_ahead_clear(mt_look_ahead *self)
{
    pthread_mutex_destroy(&self->lock);
}

void mt_look_ahead_from(mt_look_ahead *self, const mt_tile_reader *reader, int64_t done)
{
    int64_t end = MIN(self->n_tiles, done + AHEAD_TILES);

    pthread_mutex_lock(&self->lock);
    while (self->next < end && mt_tile_reader_ahead(reader, self->next))
        self->next++;
    pthread_mutex_unlock(&self->lock);
}

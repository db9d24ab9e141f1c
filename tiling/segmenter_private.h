/* What loading a segmentation network and running it share. */
#ifndef MT_SEGMENTER_PRIVATE_H
#define MT_SEGMENTER_PRIVATE_H

#include "src/encoder/preprocess.h"
#include "tiling/segmenter.h"

#include <microtome/model.h>

/* One thread's session; kept from case to case. */
typedef struct mt_segmenter_worker {
    mt_session    *session;
    mt_preprocess *preprocess;
    float         *input, *output;
    uint16_t      *half_input, *half_output; /* where the graph wants halves */
    void         **outputs;                  /* NULL but for the chosen one */
} mt_segmenter_worker;

struct mt_segmenter {
    char              *path;
    mt_model          *model;
    mt_segmenter_card *card;
    int                output;
    int64_t            out_width, out_height; /* of the output for one tile */
    GPtrArray         *workers;
};

/* MT_ERROR_MODEL, beginning with the model's path. */
void                 mt_segmenter_refuse(const mt_segmenter *s, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);
mt_session          *mt_segmenter_bind(const mt_segmenter *s, mt_backend backend, GError **error);
mt_segmenter_worker *mt_segmenter_worker_new(const mt_segmenter *s, GError **error);
void                 mt_segmenter_worker_free(mt_segmenter_worker *worker);
/* One tile to the output's channels, s->card->n_classes planes of out_height x out_width, in worker->output; all finite. */
bool mt_segmenter_worker_run(const mt_segmenter *s, mt_segmenter_worker *worker, const mt_tile_pixels *pixels, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_segmenter_worker, mt_segmenter_worker_free)

#endif

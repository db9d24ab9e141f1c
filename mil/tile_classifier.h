/* Heads that classify each tile by itself and make one answer of the tiles' logits: max-pooled (MIL_fc), top-k, noisy-or. */
#ifndef MT_TILE_CLASSIFIER_H
#define MT_TILE_CLASSIFIER_H

#include "mil/aggregator.h"

#include <microtome/model.h>

typedef struct mt_tile_classifier {
    mt_model *model;          /* features -> logits */
    mt_linear hidden, output; /* logits = output(relu(hidden x)); hidden.weight NULL: output x */
} mt_tile_classifier;

/* Takes the layers: `hidden` NULL for none. */
bool mt_tile_classifier_take(mt_state_dict *dict, const char *hidden, const char *output, const char *kind, mt_tile_classifier *self,
                             mt_aggregator_shape *shape, GError **error);
void mt_tile_classifier_clear(mt_tile_classifier *self);
/* The logits of all tiles into raw->tile_logits, and room for raw's logits, attention logits and attention (n x n_attention). */
bool mt_tile_classifier_run(const mt_tile_classifier *self, const mt_bag *bag, int threads, int64_t n_attention, mt_raw_output *raw,
                            GError **error);
/* The key of a linear head, alone in its file: classifier, fc, linear or head; classifier where there is none. */
const char *mt_tile_classifier_linear_key(const mt_state_dict *dict);

#endif

/* A head that is an ONNX graph over the whole bag: an input (N, D) or (1, N, D) with N open and D fixed, and, where it wants them,
 * the tiles' places and their edge (mil/onnx_inputs.h).
 * What its outputs mean is found once, at load, by binding it to a number of tiles that no other dimension has.
 *   logits     the card's name; else "logits"; else the only one-vector output with "logit" in its name; else the only one-vector
 *              output at all.  Names with "embed" or "feature" are the slide embedding.  An output named like
 *              probabilities ("prob", "score") is taken only when the card names it: it is then turned back into logits, so that
 *              the card's activation gives the same numbers again at temperature 1.
 *   attention  the card's name; else "attention"; else the only per-tile output with "att" in its name; else the only (N, 1) that
 *              is not named like logits, probabilities or features.  (N,), (N,K), (K,N) with any ones around; K = 1 or C.  Values
 *              that are a distribution over the tiles already stay as they are (their logarithm is the attention logit), others get
 *              the softmax.
 * More than one candidate, or none, is refused with the names: a card settles it. */
#ifndef MT_ONNX_HEAD_H
#define MT_ONNX_HEAD_H

#include "mil/aggregator.h"

#include <microtome/head.h>

/* "onnx": not in the table, it has no keys. */
extern const mt_aggregator mt_aggregator_onnx;

/* Its state for mt_aggregator_onnx.predict; takes a reference on `model`. */
void *mt_onnx_head_new(mt_model *model, const mt_head_card *card, mt_aggregator_shape *shape, GError **error);

#endif

/* A head from the inside: card, aggregator and its state. */
#ifndef MT_HEAD_PRIVATE_H
#define MT_HEAD_PRIVATE_H

#include "mil/aggregator.h"
#include "mil/feature_reference.h"

#include <microtome/head.h>

struct mt_head {
    gint                  ref_count;
    char                 *path; /* as given; for messages */
    char                 *sha256;
    mt_head_card         *card;
    const mt_aggregator  *aggregator;
    void                 *state;
    mt_aggregator_shape   shape;
    mt_feature_reference *reference; /* NULL: not known */
};

/* Scores, attention and tile scores from what an aggregator gave (head_output.c); takes its arrays. */
mt_head_output *mt_head_output_finish(const mt_head *head, mt_raw_output *raw, GError **error);

#endif

/* From score to decision, and why: thresholds, limits, audit, and the sentences that explain them. */
#ifndef MT_TRIAGE_H
#define MT_TRIAGE_H

#include "src/result/prediction.h"

/* Thumbnails worse than these are insufficient whatever a card says. */
#define MT_TRIAGE_CLIPPED_SHARE 0.5 /* of the foreground black or white */
#define MT_TRIAGE_CONTRAST 8.0      /* grey values */

/* Urgent at score >= high (where there is one, > 0), review at score >= low, else clear when the status is ok, else none.  A higher score is
 * never less urgent, and no status but ok is ever clear.  Compared as float32, the precision of a score. */
mt_decision mt_triage_decide(mt_status status, double score, double low, double high);
/* Whether the case of this hash belongs to the share that is audited: the same for the same hash; of many cases, that share. */
bool mt_triage_drawn(const char *identity, double share);
/* Why the case is insufficient (too little tissue, bad picture, far from training); none: nothing makes it so.  mt_reason *, owned.
 * `card` NULL: none. */
GPtrArray *mt_triage_limits(const mt_head_card *card, const mt_head_output *output, const mt_prediction_facts *facts);
/* Fill decision, audit, evidence, reasons and reason of a prediction whose status, score and scores stand.  `limits`, of mt_triage_limits, are
 * taken. */
void mt_triage_apply(mt_prediction *prediction, const mt_head_output *output, const mt_head_card *card, const mt_prediction_facts *facts,
                     GPtrArray *limits);

#endif

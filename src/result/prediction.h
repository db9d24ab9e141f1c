/* What is said about one case: a status, a decision, and the scores behind it. */
#ifndef MT_PREDICTION_H
#define MT_PREDICTION_H

#include <microtome/error.h>
#include <microtome/head.h>

#include "src/result/image_quality.h"
#include "src/result/messages.h"
#include "src/store/store.h"

typedef enum mt_status {
    MT_STATUS_OK,
    MT_STATUS_DEGRADED,     /* off the contract, or more than degraded_invalid of the tiles could not be read */
    MT_STATUS_WITHHELD,     /* more than withheld_invalid of the tiles could not be read: no score */
    MT_STATUS_INSUFFICIENT, /* no tissue or too little of it, a bad picture, or unlike what the head was trained on */
    MT_STATUS_EMBEDDED,     /* no head, or one that predicts nothing */
    MT_STATUS_UNCALIBRATED, /* the head's card names no positive label or no threshold */
} mt_status;

typedef enum mt_decision { MT_DECISION_CLEAR, MT_DECISION_REVIEW, MT_DECISION_URGENT, MT_DECISION_NONE } mt_decision;

typedef struct mt_prediction_facts {
    int64_t     tiles, invalid_tiles; /* of the grid; of those, not decoded */
    bool        off_contract;
    double      degraded_invalid, withheld_invalid; /* shares of the tiles, the recipe's [quality] */
    const char *invalid_reason;                     /* why most of those could not be decoded; NULL: not known */
    /* what a decision is held against; zeros: not known */
    double                  tissue_mm2, tile_mm2; /* of all tissue; what one tile stands for */
    const char             *identity;             /* hash that the audit is drawn from; NULL: nothing is drawn */
    const mt_image_quality *quality;
    mt_language             language;
    bool                    incomplete; /* degraded for a reason that the caller tells */
} mt_prediction_facts;

typedef struct mt_prediction {
    mt_status   status;
    mt_decision decision;
    double      score;     /* of the positive label, [0, 1]; NAN: none */
    double      threshold; /* NAN: none */
    char       *positive;  /* NULL: none */
    int         n_labels;  /* 0: nothing is predicted */
    char      **labels;    /* NULL-terminated */
    float      *scores;    /* n_labels; NULL when withheld or nothing is predicted */
    int64_t     tiles, invalid_tiles;
    double      threshold_high; /* 0: none */
    GPtrArray  *reasons;        /* mt_reason *: what was found, where, how sure, what limits it */
    char       *reason;         /* all of them in `language`; NULL: none */
    mt_language language;
    bool        audit;                    /* clear, and drawn for a second look */
    int64_t     high_tiles;               /* that reach the threshold by themselves; -1: not known */
    double      high_mm2;                 /* NAN: not known */
    double      disagreement;             /* standard deviation of the members' scores; NAN: no ensemble */
    double      distance, distance_limit; /* limit 0: not known */
    char      **conformal_set;            /* NULL: none promised */
} mt_prediction;

/* `output` NULL: no head ran (none wanted, or no tile to run it on); `card` NULL: no head wanted.
 * The first that applies: no tiles -> insufficient; more than withheld_invalid of them invalid, or all -> withheld, without score;
 * a card with
 * threshold and a limit that the case breaks -> insufficient; off contract or more than degraded_invalid -> degraded; no head or no scores -> embedded; no threshold or positive label -> uncalibrated; else ok.
 * ok decides urgent at score >= threshold_high, review at score >= threshold, else clear; degraded and insufficient decide likewise, but never
 * clear (none).
 * MT_ERROR_MODEL for NaN, for labels that do not fit the scores, for a positive label that is none of them. */
mt_prediction *mt_prediction_new(const mt_head_output *output, const mt_head_card *card, const mt_prediction_facts *facts, GError **error);
void           mt_prediction_free(mt_prediction *prediction);
/* Of grades: that one or a worse, so that the worst case is never below a milder one's. */
double      mt_prediction_label_score(const mt_prediction *prediction, const mt_head_card *card, int label);
const char *mt_status_name(mt_status status);
const char *mt_decision_name(mt_decision decision);

/* Write /triage/reasons where there are any, and /prediction, /attention, /attention_logits, /tile_scores and /embedding, as far as `output` (NULL: nothing) has them; the scores
 * only when they are not withheld.  `valid` has one byte for each of prediction->tiles tiles (NULL: all are valid), the
 * rows of `output` are those of the valid ones. */
bool mt_prediction_store(const mt_prediction *prediction, const mt_head_output *output, const mt_head_card *card, const uint8_t *valid,
                         mt_store *store, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_prediction, mt_prediction_free)

#endif

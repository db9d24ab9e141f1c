/* The table of aggregators: one file each, found by name (a card's kind) or by the keys of a checkpoint.
 * To add one: write its file, declare its table entry here, add it to aggregator.c and to meson.build. */
#ifndef MT_AGGREGATOR_H
#define MT_AGGREGATOR_H

#include "mil/state_dict.h"

#include <microtome/head.h>

/* What a built aggregator takes and gives. */
typedef struct mt_aggregator_shape {
    int64_t dim;      /* features per tile; -1: any */
    int64_t n_logits; /* 0: a slide embedding */
} mt_aggregator_shape;

/* One prediction before temperature and activation.  Arrays from mt_alloc; NULL where the aggregator has no such thing. */
typedef struct mt_raw_output {
    int64_t n, n_logits, n_attention, dim;
    float  *logits;           /* n_logits */
    float  *attention_logits; /* n x n_attention; the softmax over tiles is taken by the caller */
    float  *attention;        /* n x n_attention, only where the aggregator gives it itself; 0 or more, columns sum to 1 */
    float  *tile_logits;      /* n x n_logits: each tile as a bag of one */
    float  *embedding;        /* dim */
    int64_t n_members;        /* of an ensemble */
    double  distance;         /* largest of an ensemble's members that know one; 0: none */
    float  *member_scores;    /* n_members x n_logits: calibrated scores of each */
    bool    heads;            /* a column of the attention per head, not per class */
    bool    probabilities;    /* `logits` holds probabilities: the card says so */
} mt_raw_output;

typedef struct mt_aggregator {
    const char *name;
    /* Whether these keys are a checkpoint of it; NULL: never found by keys. */
    bool (*recognise)(const mt_state_dict *dict);
    /* NULL and MT_ERROR_MODEL naming the key or shape that does not fit.  `dict` is NULL for heads without weights. */
    void *(*build)(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error);
    /* `raw` comes zeroed; what it holds is freed by the caller, after a failure too.  The bag is not empty and fits `dim`;
     * the options are complete: memory_bytes > 0, threads >= 1. */
    bool (*predict)(const void *self, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error);
    void (*free)(void *self);
    /* What the card says of this kind alone, after `build`; may suggest an activation.  NULL: nothing. */
    bool (*configure)(void *self, mt_head_card *card, GError **error);
    const char *card_keys; /* of them, those that `configure` knows: "k,seed"; NULL: none */
} mt_aggregator;

extern const mt_aggregator mt_aggregator_dsmil;
extern const mt_aggregator mt_aggregator_dtfd;
extern const mt_aggregator mt_aggregator_multi_head;
extern const mt_aggregator mt_aggregator_marugoto;
extern const mt_aggregator mt_aggregator_mil_fc;
extern const mt_aggregator mt_aggregator_topk;
extern const mt_aggregator mt_aggregator_noisy_or;

extern const mt_aggregator mt_aggregator_transmil, mt_aggregator_stamp_vit, mt_aggregator_monai_mil, mt_aggregator_monai_mean,
    mt_aggregator_monai_max;
extern const mt_aggregator mt_aggregator_abmil, mt_aggregator_clam_sb, mt_aggregator_clam_mb, mt_aggregator_mean, mt_aggregator_max;
extern const mt_aggregator mt_aggregator_knn, mt_aggregator_linear;

/* NULL when unknown. */
const mt_aggregator *mt_aggregator_find(const char *name);
/* The first whose keys these are. */
const mt_aggregator *mt_aggregator_recognise(const mt_state_dict *dict);
/* "abmil, clam_sb, ..."; free with g_free. */
char *mt_aggregator_names(void);

void mt_raw_output_clear(mt_raw_output *raw);

/* For an aggregator that needs all of a bag at once: MT_ERROR_MEMORY where `bytes` (bag, activations and outputs together) are
 * more than the options give.  `what` begins the message: "transmil". */
bool mt_aggregator_check_memory(const char *what, int64_t tiles, double bytes, const mt_head_options *options, GError **error);

#endif

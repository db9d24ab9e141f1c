/* Heads of tasks: the encoder's rows are the logits of tiles, or are held against what is in a file.  One builder a task. */
#ifndef MT_TASK_HEAD_H
#define MT_TASK_HEAD_H

#include "mil/head_private.h"
#include "mil/tile_combination.h"

/* What mt_head_load_task has settled for a builder: card complete but for what the builder knows, rule said or not. */
typedef struct mt_task_settings {
    int64_t                     dim;
    int64_t                     first, width; /* columns of classify */
    const char                 *combine;      /* NULL: the activation's default */
    int64_t                     k;            /* of top-k */
    const char                 *reference;
    const mt_feature_reference *normal;
} mt_task_settings;

/* Each fills head->state, aggregator, shape and sha256 ("" where no file is read).  Messages are without the head's path. */
bool mt_classify_build(mt_head *head, const mt_task_settings *settings, GError **error);
bool mt_zero_shot_build(mt_head *head, const mt_task_settings *settings, GError **error);
bool mt_embed_build(mt_head *head, const mt_task_settings *settings, GError **error);

/* The rule in force for `activation`, also into the card: said, or the activation's default.  MT_ERROR_MODEL where they do not go together. */
bool mt_task_combination(mt_head *head, const mt_task_settings *settings, mt_activation activation, mt_combination *combination,
                         GError **error);

/* Logits of all tiles, a block at a time, and of the case: rows of the bag into `logits`. */
typedef bool (*mt_tile_logits)(const void *self, const float *rows, int64_t n, int64_t dim, float *logits, GError **error);
bool mt_task_run(const void *self, mt_tile_logits tile_logits, const mt_combination *combination, const mt_bag *bag, int64_t n_logits,
                 mt_raw_output *raw, GError **error);

extern const mt_aggregator mt_aggregator_classify, mt_aggregator_tiles, mt_aggregator_zero_shot, mt_aggregator_embed;

#endif

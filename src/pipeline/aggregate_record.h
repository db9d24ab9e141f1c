/* What an aggregated result says of where it came from. */
#ifndef MT_AGGREGATE_RECORD_H
#define MT_AGGREGATE_RECORD_H

#include "mil/feature_file.h"
#include "src/result/prediction.h"

#include <microtome/aggregate.h>

/* One case or all of a patient's. */
typedef struct mt_aggregate_facts {
    const char *id;
    const char *input_sha256;                         /* of what was read now */
    const char *source_sha256;                        /* of what the features were made from; NULL: not known */
    const char *encoder, *encoder_sha256, *precision; /* NULL: not said */
    const char *mpp_source;                           /* NULL: unknown */
    double      tissue_mm2, mpp_x, mpp_y;             /* < 0 and 0: unknown */
    const char *rule;                                 /* of a patient; NULL: a case */
    bool        demonstration, off_contract;
} mt_aggregate_facts;

/* Store prediction and provenance, then publish. */
bool mt_aggregate_publish(const mt_scorer *scorer, const mt_aggregate_facts *facts, const mt_prediction *prediction,
                          const mt_head_output *output, const uint8_t *valid, mt_store *store, GError **error);

#endif

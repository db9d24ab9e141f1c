/* What the encoder and its sessions share. */
#ifndef MT_ENCODER_PRIVATE_H
#define MT_ENCODER_PRIVATE_H

#include "src/encoder/kept_sessions.h"

#include <microtome/encoder.h>
#include <microtome/error.h>

/* How a feature row comes out of the graph's output. */
typedef struct mt_feature_form {
    mt_pool pool;
    int64_t rows, columns; /* of one tile: tokens x width; 1 x width; map: width x pixels */
    bool    is_map;
    int64_t dim; /* of the feature */
} mt_feature_form;

struct mt_encoder {
    gint              ref_count;
    mt_model         *model;
    mt_card          *card;
    char             *path; /* or "builtin:demo", for messages */
    int               n_outputs;
    int              *outputs;  /* n_outputs, of the graph; their features stand one behind the other */
    int64_t          *dims;     /* n_outputs */
    int               raw_rank; /* of one tile's output, pool=raw; 0: another pool */
    int64_t           raw_shape[MT_MAX_RANK];
    int64_t           fixed_batch; /* 0: the graph takes any */
    int64_t           dim;         /* of all */
    mt_kept_sessions *sessions;
};

/* The form of output `port` with a bound shape; MT_ERROR_MODEL when the card's pool does not fit it. */
bool mt_feature_form_init(mt_feature_form *form, const mt_encoder *encoder, const mt_port *port, GError **error);
/* One tile's output to its feature row. */
void mt_feature_form_pool(const mt_feature_form *form, int prefix_tokens, const float *output, float *feature);

/* A session of the graph alone, every dimension bound. */
mt_session *mt_encoder_bind(const mt_encoder *encoder, mt_backend backend, mt_precision precision, int64_t batch, int threads,
                            GError **error);
/* The same, or one that an earlier case left; back with mt_kept_sessions_give(encoder->sessions). */
mt_session *mt_encoder_take_session(const mt_encoder *encoder, mt_backend backend, mt_precision precision, int64_t batch, int threads,
                                    GError **error);

#endif

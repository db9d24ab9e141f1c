/* What the dense network and its sessions share. */
#ifndef MT_DENSE_PRIVATE_H
#define MT_DENSE_PRIVATE_H

#include "src/encoder/dense.h"
#include "src/encoder/kept_sessions.h"

struct mt_dense {
    gint              ref_count;
    mt_dense_card    *card;
    int               n_folds;
    mt_model         *models[MT_DENSE_MAX_FOLDS];
    char             *paths[MT_DENSE_MAX_FOLDS];
    int               output[MT_DENSE_MAX_FOLDS];
    mt_kept_sessions *sessions;
};

/* A session of one fold for one patch; goes back to dense->sessions. */
mt_session *mt_dense_take_session(const mt_dense *dense, int fold, mt_backend backend, mt_precision precision, int threads, GError **error);
/* Rank 5, or 4 for a network of two dimensions. */
int mt_dense_rank(const mt_dense *dense, int fold);
/* How many voxels of the patch one of the output spans along each axis (x, y, z).  MT_ERROR_MODEL for an output that is no map of the
 * patch or has other channels than the card has labels. */
bool mt_dense_scale(const mt_dense *dense, int fold, const mt_port *port, int64_t scale[3], GError **error);

#endif

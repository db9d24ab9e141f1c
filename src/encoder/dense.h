/* A dense network: one or several models (folds) of one contract, which answer with K channels for every voxel of a patch.
 * Immutable once loaded: share it between threads freely.  A session belongs to one thread at a time; sessions share packed weights. */
#ifndef MT_DENSE_H
#define MT_DENSE_H

#include "src/encoder/dense_card.h"

typedef struct mt_dense         mt_dense;
typedef struct mt_dense_session mt_dense_session;

#define MT_DENSE_MAX_FOLDS 32

/* MODEL.onnx and MODEL.card beside it. */
mt_dense *mt_dense_load(const char *model_path, GError **error);
/* Models of one contract, whose answers are averaged.  Takes the card, also when it fails.  MT_ERROR_MODEL naming the file whose graph does
 * not fit the card: inputs, rank, channels, patch, outputs. */
mt_dense *mt_dense_load_folds(const char *const *paths, int n, mt_dense_card *card, GError **error);
mt_dense *mt_dense_ref(mt_dense *dense);
void      mt_dense_unref(mt_dense *dense);

const mt_dense_card *mt_dense_get_card(const mt_dense *dense);
int                  mt_dense_n_folds(const mt_dense *dense);
mt_model            *mt_dense_model(const mt_dense *dense, int fold);
const char          *mt_dense_path(const mt_dense *dense, int fold);
/* Channels of the input: those of the case by the slices that stand as channels. */
int     mt_dense_inputs(const mt_dense *dense);
int64_t mt_dense_patch_voxels(const mt_dense *dense);
/* Listed in the card, or fp32. */
bool mt_dense_is_verified(const mt_dense *dense, mt_precision precision);

/* `threads` work inside one run. */
mt_dense_session *mt_dense_session_new(mt_dense *dense, mt_precision precision, int threads, GError **error);
void              mt_dense_session_free(mt_dense_session *session);
/* The mean over folds of the mean over the patch and its mirror images: input is inputs x D x H x W, logits labels x D x H x W, at the
 * patch's own grid: a coarser output is brought there linearly.  MT_ERROR_MODEL where an output is not finite. */
bool mt_dense_session_run(mt_dense_session *session, const float *input, const bool mirror[3], float *logits, GError **error);
/* Bytes this session holds, packed weights apart. */
int64_t mt_dense_session_bytes(const mt_dense_session *session);
/* Multiplications and additions of one pass over all folds. */
double mt_dense_session_flop(const mt_dense_session *session);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_dense, mt_dense_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_dense_session, mt_dense_session_free)

#endif

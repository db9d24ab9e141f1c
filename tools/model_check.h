/* model info --check: the features of the engine against those that the exporter computed when it wrote the model. */
#ifndef MT_MODEL_CHECK_H
#define MT_MODEL_CHECK_H

#include <microtome/verify.h>

/* The smallest cosine and the largest relative error at which a model is what was exported. */
#define MT_MODEL_CHECK_COSINE 0.99999
#define MT_MODEL_CHECK_ERROR 1e-4

/* `input`: X.input.npy, whose features are in X.output.npy; NULL: MODEL.check.input.npy beside the model.  MT_ERROR_MISSING names
 * the file that is not there. */
bool mt_model_check(mt_encoder *encoder, const char *model_path, const char *input, int threads, mt_verify_figures *figures,
                    GError **error);
bool mt_model_check_passes(const mt_verify_figures *figures);

#endif

/* Attention and pooling heads. */
#include "src/train/fit.h"

mt_fitted *mt_fit_network(const mt_fit_job *job, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--model %s: not yet; linear and knn are there", job->options->model);
    return NULL;
}

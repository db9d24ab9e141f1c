/* Which layers lose most by integers, and how many of them have to stay float. */
#ifndef MT_LAYER_NOISE_H
#define MT_LAYER_NOISE_H

#include "kernels/quantize/calibration_run.h"
#include "kernels/quantize/insert_qdq.h"

/* Fills snr_db of every layer that is quantised: signal over noise of its output when it alone is, over the samples. */
bool mt_layer_noise_measure(const mt_insert_qdq *insert, const mt_samples *samples, GError **error);
/* Indices of the quantised layers, the noisiest first; free with g_array_unref. */
GArray *mt_layer_noise_order(const mt_quantize_plan *plan);

#endif

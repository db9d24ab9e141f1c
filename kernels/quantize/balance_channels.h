/* Range moved from activations to weights, as SmoothQuant does:
 *
 *   u -> Mul(gamma) -> Add(beta) -> [Transpose] -> MatMul(W)
 *   u -> Mul(gamma / s) -> Add(beta / s) -> [Transpose] -> MatMul(s W)        s: one number for each channel
 *
 * also behind LayerNormalization and into Gemm, where nobody but layers reads the channels.  The model's numbers stay. */
#ifndef MT_BALANCE_CHANNELS_H
#define MT_BALANCE_CHANNELS_H

#include "kernels/quantize/calibration_run.h"

typedef struct mt_balance mt_balance;

/* Finds the places. */
mt_balance *mt_balance_new(const mt_quantize_plan *plan);
void        mt_balance_free(mt_balance *balance);
/* The values whose channels have to be observed (a set). */
GHashTable *mt_balance_values(const mt_balance *balance);
/* Rewrites gamma, beta and W, and what `run` saw of the values between.  s = max|x|^a / max|w|^(1 - a) with a = exponent, or with the
 * a of least expected error (or no balance) for MT_BALANCE_SEARCH.  Returns how many places changed; -1 with the error set. */
int mt_balance_apply(mt_balance *balance, const mt_calibration_run *run, double exponent, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_balance, mt_balance_free)

#endif

/* Constant weights and biases as integers. */
#ifndef MT_QUANTIZE_WEIGHTS_H
#define MT_QUANTIZE_WEIGHTS_H

#include <microtome/tensor.h>

typedef struct mt_int_weights {
    mt_tensor *weights; /* int8, of the shape given */
    mt_tensor *scale;   /* float32, one for each output channel */
    mt_tensor *bias;    /* int32 in steps of bias_scale; NULL without one */
    mt_tensor *bias_scale;
} mt_int_weights;

/* Symmetric, -127 .. 127, one scale for each entry of `axis`; of a bias (may be NULL) steps of x_scale times the weights'.  Where a
 * bias would not fit 31 bits the channel's scale grows until it does. */
bool mt_int_weights_init(mt_int_weights *made, const mt_tensor *weights, int axis, const mt_tensor *bias, float x_scale, GError **error);
void mt_int_weights_clear(mt_int_weights *made);
/* Back to float32: integer x scale along `axis`. */
mt_tensor *mt_int_weights_widen(const mt_tensor *integers, const mt_tensor *scale, int axis, GError **error);

#endif

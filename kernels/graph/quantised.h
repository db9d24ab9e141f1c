/* Values that are stored as bytes: number = (stored - zero) * scale. */
#ifndef MT_QUANTISED_H
#define MT_QUANTISED_H

#include "kernels/graph/graph.h"

typedef struct mt_quant {
    mt_dtype type; /* MT_U8 or MT_I8 */
    float    scale;
    int32_t  zero;
} mt_quant;

/* How mt.Requantize, or a post that stands for one, has left `value`, also seen through what only moves or compares numbers.
 * False for other values. */
bool mt_value_quant(const mt_value *value, mt_quant *quant);

#endif

/* The four 8-bit floats of ONNX: decoded and encoded by their definitions. */
#ifndef MT_FLOAT8_H
#define MT_FLOAT8_H

#include <microtome/tensor.h>

bool   mt_dtype_is_float8(mt_dtype dtype);
double mt_float8_decode(mt_dtype dtype, uint8_t code);
/* Round to nearest even.  Past the largest number that one where it saturates, else infinity or, where the type has none, NaN. */
uint8_t mt_float8_encode(mt_dtype dtype, double value, bool saturate);

#endif

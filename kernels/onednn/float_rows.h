/* Rows of stored numbers as floats and back: bfloat16 (rounded to the nearest, ties to even) and quantised bytes. */
#ifndef MT_FLOAT_ROWS_H
#define MT_FLOAT_ROWS_H

#include <microtome/tensor.h>

/* n numbers of MT_F32 or MT_BF16, `stride` apart. */
void mt_to_float(mt_dtype type, int64_t n, const void *from, int64_t stride, float *to);
void mt_from_float(mt_dtype type, int64_t n, const float *from, void *to);
/* round(x / scale) + zero, ties to even, held within the type: MT_U8 or MT_I8. */
void mt_quantise_row(mt_dtype type, int64_t n, const float *from, float scale, int32_t zero, void *to);
void mt_dequantise_row(mt_dtype type, int64_t n, const void *from, float scale, int32_t zero, float *to);

#endif

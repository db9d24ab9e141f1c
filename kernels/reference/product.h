/* The matrix product under MatMul, Gemm and the convolutions: float32 operands, sums in double in the order of k. */
#ifndef MT_PRODUCT_H
#define MT_PRODUCT_H

#include <stdint.h>

#define MT_PRODUCT_ROWS 32
#define MT_PRODUCT_COLUMNS 256

/* c[i * MT_PRODUCT_COLUMNS + j] = sum over k of a[i * a_row + k * a_column] * b[k * b_row + j], for i < rows <=
 * MT_PRODUCT_ROWS and j < columns <= MT_PRODUCT_COLUMNS. */
void mt_product_tile(const float *a, int64_t a_row, int64_t a_column, const float *b, int64_t b_row, int rows, int64_t depth, int columns,
                     double *c);

#endif

#include "kernels/reference/product.h"

#include <string.h>

/* Wider vectors change no result: every lane is one element's own sum, and products are not contracted.  Sanitizers run before
 * the choice between clones is possible. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

/* Four rows share each load of b. */
WIDE static void four_rows(const float *a, int64_t a_row, int64_t a_column, const float *b, int64_t b_row, int64_t depth, int columns,
                           double *c)
{
    double *c0 = c, *c1 = c + MT_PRODUCT_COLUMNS, *c2 = c + 2 * MT_PRODUCT_COLUMNS, *c3 = c + 3 * MT_PRODUCT_COLUMNS;

    for (int64_t k = 0; k < depth; k++, a += a_column, b += b_row) {
        const double a0 = a[0], a1 = a[a_row], a2 = a[2 * a_row], a3 = a[3 * a_row];

        for (int j = 0; j < columns; j++) {
            const double x = b[j];

            c0[j] += a0 * x;
            c1[j] += a1 * x;
            c2[j] += a2 * x;
            c3[j] += a3 * x;
        }
    }
}

WIDE static void one_row(const float *a, int64_t a_column, const float *b, int64_t b_row, int64_t depth, int columns, double *c)
{
    for (int64_t k = 0; k < depth; k++, a += a_column, b += b_row) {
        const double x = a[0];

        for (int j = 0; j < columns; j++)
            c[j] += x * b[j];
    }
}

void mt_product_tile(const float *a, int64_t a_row, int64_t a_column, const float *b, int64_t b_row, int rows, int64_t depth, int columns,
                     double *c)
{
    int i = 0;

    memset(c, 0, (size_t)rows * MT_PRODUCT_COLUMNS * sizeof *c);
    for (; i + 4 <= rows; i += 4)
        four_rows(a + i * a_row, a_row, a_column, b, b_row, depth, columns, c + i * MT_PRODUCT_COLUMNS);
    for (; i < rows; i++)
        one_row(a + i * a_row, a_column, b, b_row, depth, columns, c + i * MT_PRODUCT_COLUMNS);
}

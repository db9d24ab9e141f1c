#include "src/case/volume_affine.h"

#include <math.h>
#include <string.h>

#define TOLERANCE_MM 1e-3
#define TOLERANCE_DIRECTION 1e-3
#define SINGULAR 1e-12 /* of the product of the columns' lengths */

void mt_affine_apply(const double a[16], const double in[3], double out[3])
{
    double x = in[0], y = in[1], z = in[2];

    for (int row = 0; row < 3; row++)
        out[row] = a[4 * row] * x + a[4 * row + 1] * y + a[4 * row + 2] * z + a[4 * row + 3];
}

void mt_affine_multiply(const double a[16], const double b[16], double out[16])
{
    for (int row = 0; row < 4; row++)
        for (int column = 0; column < 4; column++) {
            double sum = 0;

            for (int k = 0; k < 4; k++)
                sum += a[4 * row + k] * b[4 * k + column];
            out[4 * row + column] = sum;
        }
}

/* Of the 3 x 3 part, without row r and column c, signed. */
static double cofactor(const double a[16], int r, int c)
{
    int r1 = (r + 1) % 3, r2 = (r + 2) % 3, c1 = (c + 1) % 3, c2 = (c + 2) % 3;

    return a[4 * r1 + c1] * a[4 * r2 + c2] - a[4 * r1 + c2] * a[4 * r2 + c1];
}

bool mt_affine_inverse(const double a[16], double out[16])
{
    double determinant = 0, spacing[3];

    mt_affine_spacing(a, spacing);
    for (int c = 0; c < 3; c++)
        determinant += a[c] * cofactor(a, 0, c);
    if (!(fabs(determinant) > SINGULAR * spacing[0] * spacing[1] * spacing[2]) || !isfinite(determinant))
        return false;
    memset(out, 0, 16 * sizeof *out);
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++) {
            out[4 * r + c] = cofactor(a, c, r) / determinant;
            out[4 * r + 3] -= out[4 * r + c] * a[4 * c + 3];
        }
    out[15] = 1;
    return true;
}

void mt_affine_spacing(const double a[16], double spacing_mm[3])
{
    for (int d = 0; d < 3; d++)
        spacing_mm[d] = sqrt(a[d] * a[d] + a[4 + d] * a[4 + d] + a[8 + d] * a[8 + d]);
}

double mt_affine_distance(const double a[16], const int64_t size_a[3], const double b[16], const int64_t size_b[3])
{
    double largest = 0;

    for (int corner = 0; corner < 8; corner++) {
        double first[3], second[3], squares = 0;

        for (int d = 0; d < 3; d++) {
            bool end = (corner >> d & 1) != 0;
            first[d] = end ? (double)(size_a[d] - 1) : 0;
            second[d] = end ? (double)(size_b[d] - 1) : 0;
        }
        mt_affine_apply(a, first, first);
        mt_affine_apply(b, second, second);
        for (int d = 0; d < 3; d++)
            squares += (first[d] - second[d]) * (first[d] - second[d]);
        largest = MAX(largest, sqrt(squares));
    }
    return largest;
}

bool mt_affine_equal(const double a[16], const double b[16])
{
    double mm_a[3], mm_b[3];

    mt_affine_spacing(a, mm_a);
    mt_affine_spacing(b, mm_b);
    for (int row = 0; row < 3; row++) {
        if (!(fabs(a[4 * row + 3] - b[4 * row + 3]) <= TOLERANCE_MM) || !(fabs(mm_a[row] - mm_b[row]) <= TOLERANCE_MM))
            return false;
        for (int d = 0; d < 3; d++)
            if (!(fabs(a[4 * row + d] / mm_a[d] - b[4 * row + d] / mm_b[d]) <= TOLERANCE_DIRECTION))
                return false;
    }
    return true;
}

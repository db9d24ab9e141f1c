#include "src/evaluate/curve.h"
#include "src/base/alloc.h"

bool mt_curve_init(mt_curve *curve, int64_t n, GError **error)
{
    double *numbers = n <= INT64_MAX / 3 ? mt_alloc(3 * n, sizeof *numbers, error) : mt_alloc(n, SIZE_MAX, error);

    *curve = (mt_curve){.n = 0};
    if (numbers == NULL)
        return false;
    *curve = (mt_curve){.n = n, .x = numbers, .y = numbers + n, .threshold = numbers + 2 * n};
    return true;
}

void mt_curve_clear(mt_curve *curve)
{
    mt_free(curve->x);
    *curve = (mt_curve){.n = 0};
}

#include "tiling/percentile.h"

#include <math.h>

static void swap(double *a, double *b)
{
    double t = *a;

    *a = *b;
    *b = t;
}

/* The middle of three: no worse than linear on sorted values. */
static double choose_pivot(const double *values, int64_t low, int64_t high)
{
    double a = values[low], b = values[low + (high - low) / 2], c = values[high];

    return fmax(fmin(a, b), fmin(fmax(a, b), c));
}

/* Hoare's selection: what is left of k is no larger than values[k], what is right of it no smaller. */
static void select_kth(double *values, int64_t n, int64_t k)
{
    int64_t low = 0, high = n - 1;

    while (low < high) {
        double  pivot = choose_pivot(values, low, high);
        int64_t i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i <= j)
                swap(&values[i++], &values[j--]);
        }
        if (k <= j)
            high = j;
        else if (k >= i)
            low = i;
        else
            return;
    }
}

double mt_percentile(double *values, int64_t n, double percent)
{
    double  position = percent / 100 * (double)(n - 1);
    int64_t k = (int64_t)floor(position);
    double  next = INFINITY;

    select_kth(values, n, k);
    if (k + 1 >= n)
        return values[k];
    for (int64_t i = k + 1; i < n; i++)
        next = fmin(next, values[i]);
    return values[k] + (position - (double)k) * (next - values[k]);
}

#include "mil/tile_distances.h"

#include <math.h>
#include <string.h>

#define PLACES INT64_C(256) /* read at once */

bool mt_tile_places_read(const mt_bag *bag, float *x, float *y, GError **error)
{
    double um[2 * PLACES];

    for (int64_t done = 0; done < bag->n; done += PLACES) {
        int64_t n = MIN(PLACES, bag->n - done);
        if (!mt_bag_read_um(bag, done, n, um, error))
            return false;
        for (int64_t i = 0; i < n; i++) {
            x[done + i] = (float)um[2 * i];
            y[done + i] = (float)um[2 * i + 1];
        }
    }
    return true;
}

void mt_tile_distances(const float *x, const float *y, int64_t n, int64_t first, int64_t rows, float *out)
{
    for (int64_t i = first; i < first + rows; i++, out += n) {
        const float x0 = x[i], y0 = y[i];
        for (int64_t j = 0; j < n; j++)
            out[j] = sqrtf((x[j] - x0) * (x[j] - x0) + (y[j] - y0) * (y[j] - y0));
    }
}

/* The features come without gaps; from the last row on they move to where they belong. */
static bool read_rows(void *user, int64_t first, int64_t count, float *out, GError **error)
{
    const mt_cornered_bag *self = user;
    int64_t                dim = self->bag->dim;

    if (!mt_bag_read(self->bag, first, count, out, error))
        return false;
    for (int64_t i = count - 1; i >= 0; i--) {
        const float x = self->x[first + i], y = self->y[first + i];
        memmove(out + i * (dim + 1), out + i * dim, (size_t)dim * sizeof *out);
        out[i * (dim + 1) + dim] = sqrtf(x * x + y * y);
    }
    return true;
}

mt_bag mt_cornered_bag_new(mt_cornered_bag *self)
{
    return (mt_bag){.n = self->bag->n, .dim = self->bag->dim + 1, .read = read_rows, .user = self};
}

#include <microtome/bag.h>

#include <math.h>
#include <microtome/error.h>
#include <string.h>

mt_bag mt_bag_from_memory(const float *features, int64_t n, int64_t dim)
{
    /* The only writer of `user` would be a read function, and there is none. */
    return (mt_bag){.n = n, .dim = dim, .read = NULL, .user = (void *)(uintptr_t)features};
}

/* Here, once for every aggregator: oneDNN's ReLU turns NaN into 0, and NaN never passes. */
static bool check_finite(const float *rows, int64_t count, int64_t dim, int64_t first, GError **error)
{
    for (int64_t i = 0; i < count * dim; i++)
        if (!isfinite(rows[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "feature %" G_GINT64_FORMAT " of tile %" G_GINT64_FORMAT " is not finite", i % dim,
                        first + i / dim);
            return false;
        }
    return true;
}

bool mt_bag_read(const mt_bag *bag, int64_t first, int64_t count, float *out, GError **error)
{
    if (first < 0 || count < 0 || count > bag->n - first) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                    "read rows %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " of a bag: it has %" G_GINT64_FORMAT " rows", first,
                    first + count - 1, bag->n);
        return false;
    }
    if (bag->read != NULL) {
        if (!bag->read(bag->user, first, count, out, error))
            return false;
    } else if (count > 0)
        memcpy(out, (const float *)bag->user + first * bag->dim, (size_t)count * (size_t)bag->dim * sizeof(float));
    return check_finite(out, count, bag->dim, first, error);
}

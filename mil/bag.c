#include <microtome/bag.h>

#include <math.h>
#include <microtome/error.h>
#include <string.h>

#define MOST_COORDS 3
#define PLACES 256 /* read at once */

mt_bag mt_bag_from_memory(const float *features, int64_t n, int64_t dim)
{
    /* The only writer of `user` would be a read function, and there is none. */
    return (mt_bag){.n = n, .dim = dim, .read = NULL, .user = (void *)(uintptr_t)features};
}

/* Without a way out of the loop, so that it is one of vectors. */
static bool all_finite(const float *row, int64_t n)
{
    uint32_t bad = 0, bits;

    for (int64_t i = 0; i < n; i++) {
        memcpy(&bits, row + i, sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return bad == 0;
}

/* Here, once for every aggregator: oneDNN's ReLU turns NaN into 0, and NaN never passes. */
static bool check_finite(const float *rows, int64_t count, int64_t dim, int64_t first, GError **error)
{
    if (all_finite(rows, count * dim))
        return true;
    for (int64_t i = 0; i < count * dim; i++)
        if (!isfinite(rows[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "feature %" G_GINT64_FORMAT " of tile %" G_GINT64_FORMAT " is not finite", i % dim,
                        first + i / dim);
            return false;
        }
    return true;
}

static bool check_range(const mt_bag *bag, int64_t first, int64_t count, GError **error)
{
    if (first >= 0 && count >= 0 && count <= bag->n - first)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                "read rows %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " of a bag: it has %" G_GINT64_FORMAT " rows", first,
                first + count - 1, bag->n);
    return false;
}

bool mt_bag_read(const mt_bag *bag, int64_t first, int64_t count, float *out, GError **error)
{
    if (!check_range(bag, first, count, error))
        return false;
    if (bag->read != NULL) {
        if (!bag->read(bag->user, first, count, out, error))
            return false;
    } else if (count > 0)
        memcpy(out, (const float *)bag->user + first * bag->dim, (size_t)count * (size_t)bag->dim * sizeof(float));
    return check_finite(out, count, bag->dim, first, error);
}

const float *mt_bag_rows(const mt_bag *bag, int64_t first, int64_t count, float *scratch, GError **error)
{
    if (bag->read != NULL)
        return mt_bag_read(bag, first, count, scratch, error) ? scratch : NULL;
    if (!check_range(bag, first, count, error))
        return NULL;
    const float *rows = (const float *)bag->user + first * bag->dim;
    return check_finite(rows, count, bag->dim, first, error) ? rows : NULL;
}

static bool check_places(const mt_bag *bag, int width, GError **error)
{
    if (bag->read_coords != NULL && bag->coords_width >= width)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                bag->read_coords == NULL ? "the place of each tile is wanted, these features come without: use a file with /coords"
                                         : "x, y and plane of each tile are wanted, these features have x and y: use those of a volume");
    return false;
}

bool mt_bag_read_coords(const mt_bag *bag, int64_t first, int64_t count, int width, int64_t *out, GError **error)
{
    int64_t block[PLACES * MOST_COORDS];

    if (!check_range(bag, first, count, error) || !check_places(bag, width, error))
        return false;
    if (bag->coords_width == width)
        return bag->read_coords(bag->user, first, count, out, error);
    for (int64_t done = 0; done < count; done += PLACES) { /* without the planes */
        int64_t rows = MIN(PLACES, count - done);
        if (!bag->read_coords(bag->user, first + done, rows, block, error))
            return false;
        for (int64_t i = 0; i < rows; i++)
            memcpy(out + (done + i) * width, block + i * bag->coords_width, (size_t)width * sizeof *out);
    }
    return true;
}

/* A volume's planes have their own distance, which no place says. */
static bool check_um(const mt_bag *bag, GError **error)
{
    if (!check_places(bag, 2, error))
        return false;
    if (bag->coords_width != 2) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "places on a slide are wanted, these features are of a volume");
        return false;
    }
    if (bag->read_um != NULL || (bag->mpp[0] > 0 && bag->mpp[1] > 0))
        return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_SPACING,
                        "the place of each tile in µm is wanted, these features do not say the µm/px of level 0: give it with --slide-mpp "
                        "when the case is run");
    return false;
}

bool mt_bag_read_um(const mt_bag *bag, int64_t first, int64_t count, double *out, GError **error)
{
    int64_t block[PLACES * 2];

    if (!check_range(bag, first, count, error) || !check_um(bag, error))
        return false;
    if (bag->read_um != NULL)
        return bag->read_um(bag->user, first, count, out, error);
    for (int64_t done = 0; done < count; done += PLACES) {
        int64_t rows = MIN(PLACES, count - done);
        if (!bag->read_coords(bag->user, first + done, rows, block, error))
            return false;
        for (int64_t i = 0; i < 2 * rows; i++)
            out[2 * done + i] = (double)block[i] * bag->mpp[i % 2];
    }
    return true;
}

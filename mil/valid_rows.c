#include "mil/valid_rows.h"

#include <microtome/error.h>

mt_valid_rows mt_valid_rows_new(const uint8_t *valid, int64_t n)
{
    return (mt_valid_rows){.valid = valid, .n = n};
}

int64_t mt_valid_rows_count(const mt_valid_rows *rows)
{
    int64_t count = 0;

    for (int64_t i = 0; i < rows->n; i++)
        count += rows->valid[i] != 0;
    return count;
}

/* Forward from where the last run ended, from the start otherwise. */
static void seek(mt_valid_rows *rows, int64_t row)
{
    if (row < rows->row)
        rows->row = rows->tile = 0;
    while (rows->tile < rows->n && (rows->row < row || rows->valid[rows->tile] == 0))
        rows->row += rows->valid[rows->tile++] != 0;
}

int64_t mt_valid_rows_run(mt_valid_rows *rows, int64_t row, int64_t most, int64_t *tile, GError **error)
{
    int64_t run = 0;

    seek(rows, row);
    *tile = rows->tile;
    while (run < most && rows->tile < rows->n && rows->valid[rows->tile] != 0) {
        run++;
        rows->row++;
        rows->tile++;
    }
    if (run == 0)
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "read the bag: row %" G_GINT64_FORMAT " is past its end", row);
    return run;
}

static bool read_rows(void *user, int64_t first, int64_t count, float *out, GError **error)
{
    mt_valid_tiles *tiles = user;

    for (int64_t done = 0, tile, run; done < count; done += run) {
        run = mt_valid_rows_run(&tiles->rows, first + done, count - done, &tile, error);
        if (run == 0 || !tiles->read(tiles->user, tile, run, out + done * tiles->dim, error))
            return false;
    }
    return true;
}

static bool read_places(void *user, int64_t first, int64_t count, int64_t *xy, GError **error)
{
    mt_valid_tiles *tiles = user;

    for (int64_t done = 0, tile, run; done < count; done += run) {
        run = mt_valid_rows_run(&tiles->rows, first + done, count - done, &tile, error);
        if (run == 0 || !tiles->read_places(tiles->user, tile, run, xy + done * tiles->coords_width, error))
            return false;
    }
    return true;
}

mt_bag mt_valid_tiles_bag(mt_valid_tiles *tiles)
{
    return (mt_bag){.n = mt_valid_rows_count(&tiles->rows),
                    .dim = tiles->dim,
                    .read = read_rows,
                    .user = tiles,
                    .read_coords = tiles->coords_width > 0 ? read_places : NULL,
                    .coords_width = tiles->coords_width};
}

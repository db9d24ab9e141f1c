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

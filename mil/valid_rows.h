/* The rows of a bag are the valid ones among the tiles of a file: which tile a row is, found without counting them again for each
 * block. */
#ifndef MT_VALID_ROWS_H
#define MT_VALID_ROWS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct mt_valid_rows {
    const uint8_t *valid; /* of every tile; the caller keeps it alive */
    int64_t        n;
    int64_t        row, tile; /* row `row` is tile `tile`: where the last run ended */
} mt_valid_rows;

mt_valid_rows mt_valid_rows_new(const uint8_t *valid, int64_t n);
int64_t       mt_valid_rows_count(const mt_valid_rows *rows);
/* Rows row, row + 1, .. that are neighbouring tiles, `most` at the most: how many, the first in *tile.  0 with MT_ERROR_INTERNAL
 * past the end. */
int64_t mt_valid_rows_run(mt_valid_rows *rows, int64_t row, int64_t most, int64_t *tile, GError **error);

#endif

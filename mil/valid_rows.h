/* The rows of a bag are the valid ones among the tiles of a file: which tile a row is, found without counting them again for each
 * block. */
#ifndef MT_VALID_ROWS_H
#define MT_VALID_ROWS_H

#include <microtome/bag.h>

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

/* Where features and places of all tiles are had: `n` neighbours from `tile` on.  The bag is of the valid ones. */
typedef struct mt_valid_tiles {
    mt_valid_rows rows;
    int64_t       dim;
    int           coords_width; /* 0: no places */
    bool (*read)(void *user, int64_t tile, int64_t n, float *out, GError **error);
    bool (*read_places)(void *user, int64_t tile, int64_t n, int64_t *xy, GError **error);
    void *user;
} mt_valid_tiles;

/* `tiles` must outlive the bag, which knows neither edge nor spacing yet.  Bags of the same tiles are not read at the same time. */
mt_bag mt_valid_tiles_bag(mt_valid_tiles *tiles);

#endif

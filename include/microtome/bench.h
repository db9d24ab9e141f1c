/* <microtome/bench.h>  How fast tiles are read, beside what else could read them, in one run. */
#ifndef MICROTOME_BENCH_H
#define MICROTOME_BENCH_H

#include <microtome/case.h>

G_BEGIN_DECLS

typedef struct mt_bench_tiles_params {
    const char *path;
    const char *backend;     /* NULL: choose */
    const char *mask_method; /* NULL: the default of the case's kind */
    int         tile_px;     /* edge of a tile of level 0; at the stored tile's edge the grid is the stored one */
    int         threads;
    int64_t     max_tiles; /* in a row, from the middle of the grid */
    int         rounds;    /* each measures all rivals in turn; the median counts */
    int64_t     cache_bytes;
} mt_bench_tiles_params;

typedef struct mt_bench_speed {
    double mpx_per_second; /* 0: not measured */
    double seconds;        /* of the median round */
} mt_bench_speed;

typedef struct mt_bench_tiles {
    int64_t        tiles;
    double         tiles_per_second;
    char           backend[16];
    mt_bench_speed reader;                 /* tiles as a run gets them: 8-bit RGB */
    mt_bench_speed codec;                  /* libjpeg-turbo alone, the same stored tiles in memory */
    mt_bench_speed openslide;              /* openslide_read_region, ARGB */
    double         of_codec, of_openslide; /* medians of the rounds' ratios; 0: not measured */
    mt_case_counts reading;                /* of one round */
    int64_t        stored_tiles;           /* under the tiles, each counted once; 0: not known */
} mt_bench_tiles;

/* Reads level-0 tiles with foreground.  MT_ERROR_INPUT when there are none. */
MT_PUBLIC bool mt_bench_tiles_run(const mt_bench_tiles_params *params, mt_bench_tiles *answer, GError **error);

G_END_DECLS

#endif

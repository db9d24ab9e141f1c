/* What the parts of a cut share. */
#ifndef MT_CUT_PRIVATE_H
#define MT_CUT_PRIVATE_H

#include "src/pipeline/case_tiles.h"

#include <microtome/cut.h>

typedef struct mt_cut {
    const mt_recipe      *recipe;
    const mt_job         *job;
    const mt_cut_options *options;
    const char           *folder;
    mt_case_tiles         tiles;
    mt_stain_target      *stain; /* NULL: colours as they are */
} mt_cut;

#define MT_CUT_FILTER MT_FILTER_BILINEAR

/* A tile that was read and encoded, or the reason why it could not be. */
typedef struct mt_cut_tile {
    GBytes *picture; /* NULL: invalid */
    char   *reason;  /* of an invalid tile, one line */
} mt_cut_tile;

static inline bool mt_cut_is_sharded(const mt_cut *cut)
{
    return cut->options->shards > 0 || cut->options->shard_bytes > 0;
}

/* cut_row.c: the words about a tile. */

/* "<x>_<y>[_<plane>]", in shards behind "<case>_": unlike in any other case, and without a dot. */
char *mt_cut_key(const mt_cut *cut, int64_t i);
/* The key and the ending of the picture. */
char *mt_cut_name(const mt_cut *cut, int64_t i);
/* Share of mask in tile i. */
double mt_cut_share(const mt_cut *cut, int64_t i);
/* What stands beside a tile in a shard: one JSON object. */
char *mt_cut_sidecar(const mt_cut *cut, int64_t i);
/* A line of tiles.csv with its end; shard "" for a tile of its own file. */
void mt_cut_row(const mt_cut *cut, int64_t i, const mt_cut_tile *tile, const char *shard, GString *line);

#define MT_CUT_ROW_HEADER "name,x,y,plane,tissue_share,valid,bytes,shard,reason\n"

/* cut_settings.c: what the folder was cut with, as the text of tile.ini. */
char *mt_cut_settings(const mt_cut *cut, GError **error);

#endif

/* The account of a folder of tiles: what it was cut with (tile.ini), and a row for each tile that is settled, written or invalid.
 * Rows stand in grid order in tiles.csv.part; tiles.csv is the same file once all of them are there.  They are the memory of a cut
 * that was stopped: tiles behind the last good row are cut again. */
#ifndef MT_CUT_LEDGER_H
#define MT_CUT_LEDGER_H

#include "src/pipeline/cut_private.h"

typedef struct mt_cut_ledger mt_cut_ledger;

/* Make the folder or go on with it.  MT_ERROR_USAGE when it was cut with other settings, holds tiles of unknown origin, or another
 * process is cutting into it.  What the rows say is added to `summary`. */
mt_cut_ledger *mt_cut_ledger_open(const mt_cut *cut, mt_cut_summary *summary, GError **error);
/* Lets other processes into the folder; rows that were not flushed are lost. */
void mt_cut_ledger_close(mt_cut_ledger *ledger);
/* Tiles that are settled, and shards that hold them: those before the first that is missing. */
int64_t mt_cut_ledger_settled(const mt_cut_ledger *ledger);
int64_t mt_cut_ledger_shards(const mt_cut_ledger *ledger);
/* True when tiles.csv stands and nothing is missing. */
bool mt_cut_ledger_finished(const mt_cut_ledger *ledger);
/* The next tile in order is settled; it is written with the next flush. */
void mt_cut_ledger_add(mt_cut_ledger *ledger, const mt_cut_tile *tile, const char *shard);
/* What was added so far stands in files: remember it. */
bool mt_cut_ledger_flush(mt_cut_ledger *ledger, GError **error);
/* All tiles are settled and on the disk: tiles.csv. */
bool mt_cut_ledger_finish(mt_cut_ledger *ledger, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_cut_ledger, mt_cut_ledger_close)

#endif

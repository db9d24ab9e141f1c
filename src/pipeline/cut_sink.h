/* Where tiles go: a file each, or members of tar shards.  In grid order, from one thread at a time. */
#ifndef MT_CUT_SINK_H
#define MT_CUT_SINK_H

#include "src/pipeline/cut_ledger.h"

typedef struct mt_cut_sink mt_cut_sink;

mt_cut_sink *mt_cut_sink_new(const mt_cut *cut, mt_cut_ledger *ledger);
/* A shard that is not whole goes without a trace. */
void mt_cut_sink_free(mt_cut_sink *sink);
/* Tile i, the next in order, which is written or invalid. */
bool mt_cut_sink_put(mt_cut_sink *sink, int64_t i, const mt_cut_tile *tile, GError **error);
/* What was put last is in the folder and the ledger; a shard is published only when all its tiles were put (`whole`). */
bool mt_cut_sink_settle(mt_cut_sink *sink, bool whole, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_cut_sink, mt_cut_sink_free)

#endif

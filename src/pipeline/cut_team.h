/* The threads of a cut: each reads and encodes tiles; they reach the sink in grid order. */
#ifndef MT_CUT_TEAM_H
#define MT_CUT_TEAM_H

#include "src/pipeline/cut_sink.h"

/* Tiles from `first` on to the end of the grid. */
bool mt_cut_team_run(const mt_cut *cut, int64_t first, mt_cut_sink *sink, GError **error);

#endif

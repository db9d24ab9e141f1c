/* How DTFD-MIL cuts a bag into pseudo-bags.  The original shuffles anew for every prediction; here the cut is fixed: strided (tile i
 * in group i mod G) or from a seed that the card names.  Group sizes are those of numpy's array_split. */
#ifndef MT_DTFD_GROUPS_H
#define MT_DTFD_GROUPS_H

#include <microtome/error.h>

#include <stdbool.h>
#include <stdint.h>

/* group[i] in 0 .. groups-1 for each of n tiles, no group empty (groups <= n).  Seeded: a shuffle of the tiles (Fisher and Yates, numbers
 * of splitmix64 from seed + repeat), then runs of it. */
void mt_dtfd_groups_strided(int64_t n, int64_t groups, int32_t *group);
bool mt_dtfd_groups_seeded(int64_t n, int64_t groups, uint64_t seed, uint64_t repeat, int32_t *group, GError **error);

#endif

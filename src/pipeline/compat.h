/* Another tool's tiles: which settings go with them, and what they are to the encoder. */
#ifndef MT_COMPAT_H
#define MT_COMPAT_H

#include "src/pipeline/contract.h"

/* MT_ERROR_USAGE for settings that the tool has not. */
bool mt_compat_check(const mt_recipe *recipe, GError **error);
/* The tool's tiles of this case against the wanted µm/px: MT_ERROR_SPACING when they are more than 2 % off, or the case is more than
 * 10 % coarser; with off_allowed *degraded is set instead.
 * *on_pixels: every tile starts on a pixel of its level. */
bool mt_compat_check_case(const mt_contract *contract, const mt_case *c, bool *degraded, bool *on_pixels, GError **error);

#endif

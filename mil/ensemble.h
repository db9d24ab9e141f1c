/* Several heads as one: ENSEMBLE.card names them and how their calibrated scores become one (docs/triage.md). */
#ifndef MT_ENSEMBLE_H
#define MT_ENSEMBLE_H

#include "mil/head_private.h"

/* Card, members and their agreement of the head at `head->path`, a card of kind=ensemble.  MT_ERROR_MISSING: there is no such
 * file; MT_ERROR_MODEL: members that do not fit together, naming both. */
bool mt_ensemble_load(mt_head *head, GError **error);

#endif

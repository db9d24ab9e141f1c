/* The sequences of an exam, each a case of its own, read as channels of one volume. */
#ifndef MT_VOLUME_SEQUENCES_H
#define MT_VOLUME_SEQUENCES_H

#include "src/case/volume_align.h"
#include "src/case/volume_turn.h"

/* `cases` in the order of the model's channels, with the role of each; NULL where the exam has none.  They are compared in the patient's
 * directions, so that files which store their axes in different ways fit; the result is in `order` of the first, which is the grid that
 * label maps go back to.  limit_bytes: of all together, 0 for MT_VOLUME_LIMIT_BYTES.  Errors of mt_volume_read and mt_volume_align. */
mt_volume *mt_volume_read_sequences(mt_case *const *cases, const char *const *roles, int n, mt_volume_order order, mt_registering how,
                                    int64_t limit_bytes, int threads, GError **error);

#endif

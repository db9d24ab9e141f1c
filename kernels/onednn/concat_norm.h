/* A concatenation that only the next node, a batch norm, reads: one loop reads the parts and writes the normalised whole.  The
 * joined tensor itself never exists.  The dense blocks of DenseNet spend their memory traffic here. */
#ifndef MT_CONCAT_NORM_H
#define MT_CONCAT_NORM_H

#include "kernels/onednn/lower.h"

/* Is `concat` to be left to the batch norm behind it?  Asked when it is lowered. */
bool mt_concat_waits(mt_lowering *l, const mt_node *concat, GError **error);
/* The batch norm behind such a concatenation. */
bool mt_lower_concat_norm(mt_lowering *l, const mt_node *norm, GError **error);

#endif

/* A bound and inferred graph run node by node with the reference operators. */
#ifndef MT_EXECUTE_H
#define MT_EXECUTE_H

#include "kernels/graph/graph.h"

/* inputs: one tensor per graph input, of the bound type and shape.  outputs: one slot per graph output, filled with a new
 * reference each, or all NULL on failure.  Intermediates go after their last use. */
bool mt_reference_execute(mt_graph *bound, const mt_tensor *const *inputs, mt_tensor **outputs, GError **error);

#endif

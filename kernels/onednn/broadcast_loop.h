/* Arithmetic with a broadcast operand as a loop of our own: oneDNN 2.6 does most broadcasts element by element. */
#ifndef MT_BROADCAST_LOOP_H
#define MT_BROADCAST_LOOP_H

#include "kernels/onednn/lower.h"

/* Appends to = a op b (swapped: b op a); `to` lies like `a`, which is dense, `b` is broadcast to its shape. */
bool mt_lower_loop(mt_lowering *l, const char *name, dnnl_alg_kind_t alg, const mt_place *a, const mt_value *b, bool swapped,
                   const mt_place *to, GError **error);

#endif

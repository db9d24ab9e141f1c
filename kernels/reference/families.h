/* The families of operators; each array ends with an entry without a name. */
#ifndef MT_FAMILIES_H
#define MT_FAMILIES_H

#include "kernels/reference/operator.h"

extern const mt_operator mt_family_fused[];
extern const mt_operator mt_family_unary[];

#endif

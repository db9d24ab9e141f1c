/* TransMIL's positions: tokens after the first, in the order of the file, are a square picture of `dim` channels;
 * y = x + conv7(x) + conv5(x) + conv3(x), each channel by itself, zero outside; the first token stays. */
#ifndef MT_PPEG_H
#define MT_PPEG_H

#include "mil/state_dict.h"

typedef struct mt_ppeg mt_ppeg;

/* KEY.proj (dim,1,7,7), KEY.proj1 (5,5), KEY.proj2 (3,3) with biases. */
mt_ppeg *mt_ppeg_new(mt_state_dict *dict, const char *key, int64_t dim, GError **error);
void     mt_ppeg_free(mt_ppeg *self);
/* x and y: (1 + side^2) x dim, apart from each other. */
bool mt_ppeg_run(const mt_ppeg *self, const float *x, int64_t side, int threads, float *y, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_ppeg, mt_ppeg_free)

#endif

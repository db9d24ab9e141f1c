/* AdamW (Loshchilov and Hutter 2019): Adam with weight decay apart from the gradient.
 *   m = b1 m + (1 - b1) g     v = b2 v + (1 - b2) g g     w -= lr (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + decay w)
 * with b1 = 0.9, b2 = 0.999, eps = 1e-8, as PyTorch has it. */
#ifndef MT_ADAMW_H
#define MT_ADAMW_H

#include <microtome/error.h>

typedef struct mt_adamw {
    float  *m, *v;
    int64_t n, step;
} mt_adamw;

/* n weights; MT_ERROR_MEMORY. */
bool mt_adamw_init(mt_adamw *adamw, int64_t n, GError **error);
void mt_adamw_clear(mt_adamw *adamw);
/* One step; each weight by itself, so the threads do not show. */
void mt_adamw_step(mt_adamw *adamw, float *weights, const float *gradient, double lr, double decay, int threads);

#endif

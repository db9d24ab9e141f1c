#include "src/train/adamw.h"

#include "src/base/alloc.h"

#include <math.h>

#define B1 0.9
#define B2 0.999
#define EPSILON 1e-8
#define FEW 65536 /* weights that threads are not woken for */

bool mt_adamw_init(mt_adamw *adamw, int64_t n, GError **error)
{
    adamw->m = mt_alloc(n, 2 * sizeof(float), error); /* zeroed */
    adamw->v = adamw->m != NULL ? adamw->m + n : NULL;
    adamw->n = n;
    adamw->step = 0;
    return adamw->m != NULL;
}

void mt_adamw_clear(mt_adamw *adamw)
{
    mt_free(adamw->m);
    adamw->m = adamw->v = NULL;
}

void mt_adamw_step(mt_adamw *adamw, float *weights, const float *gradient, double lr, double decay, int threads)
{
    adamw->step++;
    float  keep = (float)(1 - lr * decay), rate = (float)(lr / (1 - pow(B1, (double)adamw->step)));
    float  scale = (float)(1 / sqrt(1 - pow(B2, (double)adamw->step)));
    float *m = adamw->m, *v = adamw->v;

#pragma omp parallel for simd num_threads(threads) schedule(static) if (adamw->n > FEW)
    for (int64_t i = 0; i < adamw->n; i++) {
        float g = gradient[i];
        m[i] = (float)B1 * m[i] + (float)(1 - B1) * g;
        v[i] = (float)B2 * v[i] + (float)(1 - B2) * g * g;
        weights[i] = weights[i] * keep - rate * m[i] / (sqrtf(v[i]) * scale + (float)EPSILON);
    }
}

#include "src/train/lbfgs.h"

#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

#define MEMORY 10
#define ARMIJO 1e-4
#define MAX_HALVINGS 40

typedef struct search {
    const mt_lbfgs_params *params;
    int64_t                n;
    double                *x, *g, *next_x, *next_g, *direction;
    double                *s, *y; /* MEMORY x n: steps and what they did to the gradient */
    double                 rho[MEMORY];
    int                    n_pairs, newest;
    double                 value;
} search;

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double largest(const double *g, int64_t n)
{
    double top = 0;

    for (int64_t i = 0; i < n; i++)
        top = fmax(top, fabs(g[i]));
    return top;
}

/* The two-loop recursion: direction = -H g. */
static void find_direction(search *s)
{
    double alpha[MEMORY];

    for (int64_t i = 0; i < s->n; i++)
        s->direction[i] = -s->g[i];
    for (int k = 0; k < s->n_pairs; k++) {
        int at = (s->newest - k + MEMORY) % MEMORY;
        alpha[at] = s->rho[at] * dot(s->s + at * s->n, s->direction, s->n);
        for (int64_t i = 0; i < s->n; i++)
            s->direction[i] -= alpha[at] * s->y[at * s->n + i];
    }
    if (s->n_pairs > 0) {
        const double *y = s->y + s->newest * s->n;
        double        scale = 1 / (s->rho[s->newest] * dot(y, y, s->n));
        for (int64_t i = 0; i < s->n; i++)
            s->direction[i] *= scale;
    }
    for (int k = s->n_pairs - 1; k >= 0; k--) {
        int    at = (s->newest - k + MEMORY) % MEMORY;
        double beta = s->rho[at] * dot(s->y + at * s->n, s->direction, s->n);
        for (int64_t i = 0; i < s->n; i++)
            s->direction[i] += (alpha[at] - beta) * s->s[at * s->n + i];
    }
}

/* A step along the direction that lowers the value enough; false where none does. */
static bool find_step(search *s, double *next_value)
{
    double slope = dot(s->direction, s->g, s->n);
    double step = s->n_pairs > 0 ? 1 : fmin(1, 1 / fmax(sqrt(dot(s->g, s->g, s->n)), 1e-12));

    for (int k = 0; slope < 0 && k < MAX_HALVINGS; k++, step /= 2) {
        for (int64_t i = 0; i < s->n; i++)
            s->next_x[i] = s->x[i] + step * s->direction[i];
        *next_value = s->params->function(s->params->user, s->next_x, s->next_g);
        if (isfinite(*next_value) && *next_value <= s->value + ARMIJO * step * slope)
            return true;
    }
    return false;
}

static void remember(search *s)
{
    int     at = (s->newest + 1) % MEMORY;
    double *step = s->s + at * s->n, *change = s->y + at * s->n;

    for (int64_t i = 0; i < s->n; i++) {
        step[i] = s->next_x[i] - s->x[i];
        change[i] = s->next_g[i] - s->g[i];
    }
    double curvature = dot(step, change, s->n);
    if (curvature <= 1e-10 * dot(change, change, s->n) || !(curvature > 0))
        return; /* it would make the next direction rise */
    s->rho[at] = 1 / curvature;
    s->newest = at;
    s->n_pairs = MIN(s->n_pairs + 1, MEMORY);
}

static bool walk(search *s, GError **error)
{
    s->value = s->params->function(s->params->user, s->x, s->g);
    if (!isfinite(s->value)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INTERNAL, "minimise: the value is not finite where it starts");
        return false;
    }
    for (int k = 0; k < s->params->max_steps && largest(s->g, s->n) > s->params->tolerance; k++) {
        double next;
        find_direction(s);
        if (!find_step(s, &next))
            break;
        remember(s);
        memcpy(s->x, s->next_x, (gsize)s->n * sizeof(double));
        memcpy(s->g, s->next_g, (gsize)s->n * sizeof(double));
        s->value = next;
        if (s->params->step != NULL && !s->params->step(s->params->user, k + 1, next))
            break;
    }
    return true;
}

bool mt_lbfgs_minimise(const mt_lbfgs_params *params, double *x, int64_t n, GError **error)
{
    double *memory = mt_alloc(n, (4 + 2 * MEMORY) * sizeof(double), error);
    search  s = {.params = params, .n = n, .x = x, .newest = MEMORY - 1};

    if (memory == NULL)
        return false;
    s.g = memory;
    s.next_x = memory + n;
    s.next_g = memory + 2 * n;
    s.direction = memory + 3 * n;
    s.s = memory + 4 * n;
    s.y = memory + (4 + MEMORY) * n;
    bool ok = walk(&s, error);
    mt_free(memory);
    return ok;
}

#include "mil/softmax_sums.h"

#include "src/base/alloc.h"

#include <math.h>

static double *top_of(const mt_softmax_sums *sums, int64_t part)
{
    return sums->values + part * sums->branches * (2 + sums->width);
}

static double *total_of(const mt_softmax_sums *sums, int64_t part)
{
    return top_of(sums, part) + sums->branches;
}

static double *pooled_of(const mt_softmax_sums *sums, int64_t part, int64_t branch)
{
    return top_of(sums, part) + 2 * sums->branches + branch * sums->width;
}

void mt_softmax_sums_empty(mt_softmax_sums *sums, int64_t part)
{
    double *top = top_of(sums, part);

    for (int64_t i = 0; i < sums->branches * (2 + sums->width); i++)
        top[i] = i < sums->branches ? -INFINITY : 0;
}

bool mt_softmax_sums_new(mt_softmax_sums *sums, int64_t branches, int64_t width, int64_t parts, GError **error)
{
    *sums = (mt_softmax_sums){.branches = branches, .width = width, .parts = parts};
    sums->values = mt_alloc(parts * branches * (2 + width), sizeof(double), error);
    for (int64_t i = 0; sums->values != NULL && i < parts; i++)
        mt_softmax_sums_empty(sums, i);
    return sums->values != NULL;
}

void mt_softmax_sums_clear(mt_softmax_sums *sums)
{
    mt_free(sums->values);
    sums->values = NULL;
}

/* Everything so far is scaled down when a larger logit comes; the first one finds nothing to scale. */
static void raise_top(mt_softmax_sums *sums, int64_t part, int64_t branch, double top)
{
    double *old = top_of(sums, part) + branch, *total = total_of(sums, part) + branch, *pooled = pooled_of(sums, part, branch);

    if (!(top > *old))
        return;
    double shrink = exp(*old - top);
    *old = top;
    *total *= shrink;
    for (int64_t j = 0; j < sums->width; j++)
        pooled[j] *= shrink;
}

static void add_row(mt_softmax_sums *sums, int64_t part, int64_t branch, double logit, const float *row)
{
    double *pooled = pooled_of(sums, part, branch), weight = exp(logit - top_of(sums, part)[branch]);

    total_of(sums, part)[branch] += weight;
    for (int64_t j = 0; j < sums->width; j++)
        pooled[j] += weight * row[j];
}

void mt_softmax_sums_add(mt_softmax_sums *sums, int64_t part, int64_t branch, double logit, const float *row)
{
    raise_top(sums, part, branch, logit);
    add_row(sums, part, branch, logit, row);
}

void mt_softmax_sums_add_block(mt_softmax_sums *sums, int64_t part, int64_t branch, const float *logits, int64_t stride,
                               const float *values, int64_t rows)
{
    double top = -INFINITY;

    for (int64_t i = 0; i < rows; i++)
        top = fmax(top, logits[i * stride]);
    raise_top(sums, part, branch, top);
    for (int64_t i = 0; i < rows; i++)
        add_row(sums, part, branch, logits[i * stride], values + i * sums->width);
}

void mt_softmax_sums_merge(mt_softmax_sums *sums, int64_t into, int64_t part)
{
    for (int64_t k = 0; k < sums->branches; k++) {
        double *pooled = pooled_of(sums, into, k), *more = pooled_of(sums, part, k), top = top_of(sums, part)[k];
        if (total_of(sums, part)[k] <= 0)
            continue;
        raise_top(sums, into, k, top);
        double scale = exp(top - top_of(sums, into)[k]);
        total_of(sums, into)[k] += total_of(sums, part)[k] * scale;
        for (int64_t j = 0; j < sums->width; j++)
            pooled[j] += more[j] * scale;
    }
}

double mt_softmax_sums_top(const mt_softmax_sums *sums, int64_t part, int64_t branch)
{
    return top_of(sums, part)[branch];
}

double mt_softmax_sums_total(const mt_softmax_sums *sums, int64_t part, int64_t branch)
{
    return total_of(sums, part)[branch];
}

void mt_softmax_sums_mean(const mt_softmax_sums *sums, int64_t part, int64_t branch, double *out)
{
    const double *pooled = pooled_of(sums, part, branch);

    for (int64_t j = 0; j < sums->width; j++)
        out[j] = pooled[j] / total_of(sums, part)[branch];
}

#include "mil/tile_combination.h"

#include "mil/score_activation.h"
#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

static const char *const words[] = {
    [MT_COMBINE_MAX] = "max", [MT_COMBINE_MEAN] = "mean", [MT_COMBINE_NOISY_OR] = "noisy-or", [MT_COMBINE_TOP_K] = "top-k"};

bool mt_combine_parse(const char *word, mt_combine *rule)
{
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        if (strcmp(words[i], word) == 0) {
            *rule = (mt_combine)i;
            return true;
        }
    return false;
}

const char *mt_combine_name(mt_combine rule)
{
    return words[rule];
}

mt_combine mt_combine_default(mt_activation activation)
{
    return activation == MT_ACTIVATION_SIGMOID || activation == MT_ACTIVATION_ORDINAL ? MT_COMBINE_MAX : MT_COMBINE_MEAN;
}

const char *mt_combine_refusal(mt_combine rule, mt_activation activation)
{
    if (rule == MT_COMBINE_NOISY_OR && activation != MT_ACTIVATION_SIGMOID)
        return "noisy-or is of findings, each by itself: activation=sigmoid is wanted";
    return NULL;
}

/* log(1 + exp(x)) */
static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

/* As in noisy_or.c: a sum of -log(1 - p), so that nothing is lost where the product is small. */
static double noisy_or(const float *tiles, int64_t n, int64_t c)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += softplus(tiles[i * c]);
    return sum > 0 ? sum + log(-expm1(-sum)) : -1e4; /* no tile's p can be told from 0 */
}

static double largest(const float *tiles, int64_t n, int64_t c)
{
    double top = tiles[0];

    for (int64_t i = 1; i < n; i++)
        top = fmax(top, tiles[i * c]);
    return top;
}

static double mean(const float *tiles, int64_t n, int64_t c)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += tiles[i * c];
    return sum / (double)n;
}

/* The k largest of a column into `top`, falling; k <= n. */
static void take_largest(const float *tiles, int64_t n, int64_t c, int64_t k, double *top)
{
    int64_t held = 0;

    for (int64_t i = 0; i < n; i++) {
        int64_t at = held;
        while (at > 0 && tiles[i * c] > top[at - 1])
            at--;
        if (at >= k)
            continue;
        held = MIN(held + 1, k);
        memmove(top + at + 1, top + at, (size_t)(held - 1 - at) * sizeof *top);
        top[at] = tiles[i * c];
    }
}

static double mean_of_largest(const mt_combination *combination, const double *top, int64_t k)
{
    double sum = 0, yes = 0, no = 0;

    for (int64_t i = 0; i < k; i++) {
        sum += top[i];
        yes += 1 / (1 + exp(-top[i]));
        no += 1 / (1 + exp(top[i]));
    }
    return combination->activation == MT_ACTIVATION_SOFTMAX ? sum / (double)k : log(yes) - log(no);
}

/* The tile of the highest p; the first of equal ones. */
static bool take_best_tile(const mt_combination *combination, const float *tiles, int64_t n, int64_t c, float *logits, GError **error)
{
    float  *scores = mt_alloc(c, sizeof(float), error);
    float   best = -1;
    int64_t at = 0;

    for (int64_t i = 0; scores != NULL && i < n; i++) {
        mt_activation_scores(MT_ACTIVATION_SOFTMAX, 1, tiles + i * c, c, scores);
        for (int64_t j = 0; j < c; j++)
            if ((combination->positive < 0 || j == combination->positive) && scores[j] > best) {
                best = scores[j];
                at = i;
            }
    }
    memcpy(logits, tiles + at * c, (size_t)c * sizeof(float));
    bool ok = scores != NULL;
    mt_free(scores);
    return ok;
}

static bool take_top_k(const mt_combination *combination, const float *tiles, int64_t n, int64_t c, float *logits, GError **error)
{
    int64_t k = MIN(combination->k, n);
    double *top = mt_alloc(k, sizeof(double), error);

    for (int64_t j = 0; top != NULL && j < c; j++) {
        take_largest(tiles + j, n, c, k, top);
        logits[j] = (float)mean_of_largest(combination, top, k);
    }
    bool ok = top != NULL;
    mt_free(top);
    return ok;
}

bool mt_combine_logits(const mt_combination *combination, const float *tiles, int64_t n, int64_t c, float *logits, GError **error)
{
    if (n == 1) { /* one picture speaks for itself, to the last bit */
        memcpy(logits, tiles, (size_t)c * sizeof(float));
        return true;
    }
    if (combination->rule == MT_COMBINE_TOP_K)
        return take_top_k(combination, tiles, n, c, logits, error);
    if (combination->rule == MT_COMBINE_MAX && combination->activation == MT_ACTIVATION_SOFTMAX)
        return take_best_tile(combination, tiles, n, c, logits, error);
    for (int64_t j = 0; j < c; j++)
        logits[j] = (float)(combination->rule == MT_COMBINE_MAX    ? largest(tiles + j, n, c)
                            : combination->rule == MT_COMBINE_MEAN ? mean(tiles + j, n, c)
                                                                   : noisy_or(tiles + j, n, c));
    return true;
}

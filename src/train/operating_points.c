#include "src/train/operating_points.h"

#include <math.h>
#include <stdlib.h>

static const char *const names[] = {"sensitivity", "specificity", "npv", "ppv"};
static const char *const titles[] = {"a sensitivity", "a specificity", "an NPV", "a PPV"};

const char *mt_operating_goal_name(mt_operating_goal goal)
{
    return names[goal];
}

/* Scores of one class, ascending. */
typedef struct ranks {
    float  *scores;
    int64_t n;
} ranks;

typedef struct cohort {
    ranks                     positive, negative;
    const mt_operating_claim *claim;
} cohort;

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* How many lie below `threshold`. */
static int64_t below(const ranks *r, float threshold)
{
    int64_t low = 0, high = r->n;

    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (r->scores[middle] < threshold)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static double at_prevalence(mt_operating_goal goal, double sensitivity, double specificity, double prevalence)
{
    double sick = prevalence, well = 1 - prevalence;
    double right = goal == MT_GOAL_NPV ? specificity * well : sensitivity * sick;
    double wrong = goal == MT_GOAL_NPV ? (1 - sensitivity) * sick : (1 - specificity) * well;

    return right + wrong > 0 ? right / (right + wrong) : 0;
}

static double pick(mt_operating_goal goal, double sensitivity, double specificity, double prevalence)
{
    if (goal == MT_GOAL_SENSITIVITY)
        return sensitivity;
    return goal == MT_GOAL_SPECIFICITY ? specificity : at_prevalence(goal, sensitivity, specificity, prevalence);
}

static bool measure(const cohort *c, float threshold, mt_operating_point *p, GError **error)
{
    const mt_operating_claim *claim = c->claim;

    *p = (mt_operating_point){.claim = *claim, .threshold = threshold};
    p->fn = below(&c->positive, threshold);
    p->tp = c->positive.n - p->fn;
    p->tn = below(&c->negative, threshold);
    p->fp = c->negative.n - p->tn;
    if (!mt_proportion(p->tp, c->positive.n, claim->level, claim->interval, &p->sensitivity, error) ||
        !mt_proportion(p->tn, c->negative.n, claim->level, claim->interval, &p->specificity, error))
        return false;
    p->value = pick(claim->goal, p->sensitivity.value, p->specificity.value, claim->prevalence);
    p->low = pick(claim->goal, p->sensitivity.low, p->specificity.low, claim->prevalence);
    return true;
}

/* The best a class can show: without a miss, or without a false alarm. */
static float extreme(const cohort *c)
{
    bool negative = c->claim->goal == MT_GOAL_SPECIFICITY || c->claim->goal == MT_GOAL_PPV;

    return negative ? nextafterf(c->negative.scores[c->negative.n - 1], 2) : c->positive.scores[0];
}

/* The share of the one class that the claim asks for, as the other class is at `best`. */
static double share_needed(const cohort *c, const mt_operating_point *best)
{
    const mt_operating_claim *claim = c->claim;
    double                    p = claim->prevalence, odds = (1 - claim->wanted) / claim->wanted;

    if (claim->goal == MT_GOAL_NPV)
        return 1 - best->specificity.low * (1 - p) * odds / p;
    if (claim->goal == MT_GOAL_PPV)
        return 1 - best->sensitivity.low * p * odds / (1 - p);
    return claim->wanted;
}

static bool refuse(const cohort *c, const mt_operating_point *best, GError **error)
{
    const mt_operating_claim *claim = c->claim;
    bool                      negative = claim->goal == MT_GOAL_SPECIFICITY || claim->goal == MT_GOAL_PPV;
    bool                      predictive = claim->goal == MT_GOAL_NPV || claim->goal == MT_GOAL_PPV;
    const char *class = negative ? "negative" : "positive", *slip = negative ? "false alarm" : "miss";
    const char *bound = claim->interval == MT_PROPORTION_WILSON ? "Wilson" : "Clopper-Pearson";
    int64_t     n = negative ? c->negative.n : c->positive.n, needed = 0;
    double      share = share_needed(c, best);
    char        other[96] = "";

    if (!(share < 1) || !mt_proportion_needed(fmax(share, 1e-9), 0, claim->level, claim->interval, &needed, NULL)) {
        g_set_error(
            error, MT_ERROR, MT_ERROR_INPUT,
            "%s of at least %g at a prevalence of %g: a threshold without a single %s leaves nothing on its other side: no number of "
            "cases with such scores is enough",
            titles[claim->goal], claim->wanted, claim->prevalence, slip);
        return false;
    }
    if (predictive)
        g_snprintf(other, sizeof other, " at a prevalence of %g and a %s of %.4f", claim->prevalence,
                   negative ? "sensitivity" : "specificity", negative ? best->sensitivity.low : best->specificity.low);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "%s of at least %g%s: %" G_GINT64_FORMAT
                " %s cases are too few: without a single %s the lower %g %% bound (%s) is %.4f; %" G_GINT64_FORMAT " %s cases are needed",
                titles[claim->goal], claim->wanted, other, n, class, slip, 100 * claim->level, bound, best->low, needed, class);
    return false;
}

/* Every threshold that tells cases apart, in ascending order: each score, and just above the highest of the negative ones. */
static GArray *candidates(const cohort *c)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(float));
    float   above = nextafterf(c->negative.scores[c->negative.n - 1], 2);

    g_array_append_vals(all, c->positive.scores, (guint)c->positive.n);
    for (int64_t i = 0; i < c->negative.n; i++) { /* a threshold that just passes a negative case */
        float next = nextafterf(c->negative.scores[i], 2);
        g_array_append_val(all, next);
    }
    g_array_append_val(all, above);
    qsort(all->data, all->len, sizeof(float), compare_floats);
    return all;
}

/* The threshold furthest from calling everything (NPV, sensitivity) or nothing (PPV, specificity) positive that keeps the promise. */
static bool choose(const cohort *c, mt_operating_point *point, GError **error)
{
    bool upward = c->claim->goal == MT_GOAL_SPECIFICITY || c->claim->goal == MT_GOAL_PPV;
    g_autoptr(GArray) all = candidates(c);

    for (guint i = 0; i < all->len; i++) {
        float threshold = g_array_index(all, float, upward ? i : all->len - 1 - i);
        if (threshold > 1)
            continue;
        if (!measure(c, threshold, point, error))
            return false;
        if (point->low >= c->claim->wanted)
            return true;
    }
    float best = extreme(c);
    if (best > 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s of at least %g: a negative case has a score of 1, no threshold is above it",
                    titles[c->claim->goal], c->claim->wanted);
        return false;
    }
    return measure(c, best, point, error) && refuse(c, point, error);
}

static bool share_ok(double value)
{
    return value > 0 && value < 1;
}

static bool check_claim(const mt_operating_claim *claim, GError **error)
{
    bool predictive = claim->goal == MT_GOAL_NPV || claim->goal == MT_GOAL_PPV;

    if (share_ok(claim->wanted) && share_ok(claim->level) && (!predictive || share_ok(claim->prevalence)))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                "choose a threshold for %s: wanted %g, level %g, prevalence %g: numbers between 0 and 1 are wanted", names[claim->goal],
                claim->wanted, claim->level, claim->prevalence);
    return false;
}

static bool sort_scores(cohort *c, const double *scores, const int *truth, int64_t n, GError **error)
{
    for (int64_t i = 0; i < n; i++) {
        if (!(scores[i] >= 0 && scores[i] <= 1) || (truth[i] != 0 && truth[i] != 1)) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "choose a threshold: row %" G_GINT64_FORMAT ": score %g, truth %d", i, scores[i],
                        truth[i]);
            return false;
        }
        ranks *r = truth[i] == 1 ? &c->positive : &c->negative;
        r->scores[r->n++] = (float)scores[i];
    }
    if (c->positive.n == 0 || c->negative.n == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "choose a threshold: %" G_GINT64_FORMAT " positive and %" G_GINT64_FORMAT " negative cases: both are wanted",
                    c->positive.n, c->negative.n);
        return false;
    }
    qsort(c->positive.scores, (size_t)c->positive.n, sizeof(float), compare_floats);
    qsort(c->negative.scores, (size_t)c->negative.n, sizeof(float), compare_floats);
    return true;
}

bool mt_operating_point_choose(const double *scores, const int *truth, int64_t n, const mt_operating_claim *claim,
                               mt_operating_point *point, GError **error)
{
    g_autofree float *positive = g_new(float, (gsize)n + 1), *negative = g_new(float, (gsize)n + 1);
    cohort            c = {{positive, 0}, {negative, 0}, claim};

    return check_claim(claim, error) && sort_scores(&c, scores, truth, n, error) && choose(&c, point, error);
}

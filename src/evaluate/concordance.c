#include "src/evaluate/concordance.h"
#include "src/base/alloc.h"
#include "src/evaluate/score_order.h"

#include <math.h>
#include <string.h>

static bool check_times(const char *what, const double *times, const int *events, int64_t n, GError **error)
{
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(times[i]) || times[i] < 0)
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s: the time of row %" G_GINT64_FORMAT " is %g: it must be 0 or more", what, i,
                        times[i]);
        else if (events[i] != 0 && events[i] != 1)
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s: the event of row %" G_GINT64_FORMAT " is %d: it must be 0 or 1", what, i,
                        events[i]);
        else
            continue;
        return false;
    }
    return true;
}

/* How many of the added ranks lie at or below one: a Fenwick tree. */
typedef struct rank_tree {
    int64_t  n, added;
    int64_t *sums; /* [n + 1], from 1 */
} rank_tree;

static void tree_add(rank_tree *tree, int64_t rank)
{
    tree->added++;
    for (int64_t i = rank + 1; i <= tree->n; i += i & -i)
        tree->sums[i]++;
}

static int64_t tree_upto(const rank_tree *tree, int64_t rank)
{
    int64_t sum = 0;

    for (int64_t i = rank + 1; i > 0; i -= i & -i)
        sum += tree->sums[i];
    return sum;
}

/* Against all that are known to outlive row `rank`: they were added before. */
static void count_pairs(mt_concordance *c, const rank_tree *tree, int64_t rank)
{
    int64_t lower = tree_upto(tree, rank - 1), equal = tree_upto(tree, rank) - lower;

    c->concordant += lower; /* the longer lived have the lower risk */
    c->tied += equal;
    c->discordant += tree->added - lower - equal;
}

/* From the latest time down: censored rows of one time outlive its events, its events do not outlive each other. */
static void walk_times(mt_concordance *c, rank_tree *tree, const int64_t *by_time, const int64_t *rank, const double *times,
                       const int *events, int64_t n)
{
    for (int64_t end = n; end > 0;) {
        int64_t start = end - 1;

        while (start > 0 && times[by_time[start - 1]] == times[by_time[end - 1]])
            start--;
        for (int64_t i = start; i < end; i++) {
            if (!events[by_time[i]])
                tree_add(tree, rank[by_time[i]]);
        }
        for (int64_t i = start; i < end; i++) {
            if (events[by_time[i]])
                count_pairs(c, tree, rank[by_time[i]]);
        }
        for (int64_t i = start; i < end; i++) {
            if (events[by_time[i]])
                tree_add(tree, rank[by_time[i]]);
        }
        end = start;
    }
}

/* Equal risks share a rank. */
static void rank_risks(const double *risks, const int64_t *by_risk, int64_t n, int64_t *rank)
{
    for (int64_t i = 0; i < n; i++)
        rank[by_risk[i]] = i > 0 && risks[by_risk[i]] == risks[by_risk[i - 1]] ? rank[by_risk[i - 1]] : i;
}

bool mt_concordance_index(const double *risks, const double *times, const int *events, int64_t n, mt_concordance *concordance,
                          GError **error)
{
    int64_t  *by_time = NULL, *by_risk = NULL, *rank = NULL;
    rank_tree tree = {.n = n};
    bool      ok;

    *concordance = (mt_concordance){.tied = 0};
    if (!check_times("C-index", times, events, n, error) || !mt_scores_check("C-index", risks, events, n, error))
        return false;
    ok = (by_time = mt_rows_ascending(times, n, error)) != NULL && (by_risk = mt_rows_ascending(risks, n, error)) != NULL &&
         (rank = mt_alloc(n, sizeof *rank, error)) != NULL && (tree.sums = mt_alloc(n + 1, sizeof *tree.sums, error)) != NULL;
    if (ok) {
        rank_risks(risks, by_risk, n, rank);
        walk_times(concordance, &tree, by_time, rank, times, events, n);
        concordance->index = mt_estimate_ratio((double)concordance->concordant + 0.5 * (double)concordance->tied,
                                               (double)(concordance->concordant + concordance->tied + concordance->discordant));
    }
    mt_free(by_time);
    mt_free(by_risk);
    mt_free(rank);
    mt_free(tree.sums);
    return ok;
}

static void fill_survival(mt_curve *curve, const int64_t *by_time, const double *times, const int *events, int64_t n)
{
    double  share = 1, greenwood = 0;
    int64_t point = 1;

    curve->y[0] = 1;
    for (int64_t start = 0, end; start < n; start = end) {
        int64_t seen = 0, at_risk = n - start;

        for (end = start; end < n && times[by_time[end]] == times[by_time[start]]; end++)
            seen += events[by_time[end]];
        if (seen == 0)
            continue;
        share *= 1 - (double)seen / (double)at_risk;
        greenwood += seen < at_risk ? (double)seen / ((double)at_risk * (double)(at_risk - seen)) : 0;
        curve->x[point] = times[by_time[start]];
        curve->y[point] = share;
        curve->threshold[point++] = share * sqrt(greenwood);
    }
    curve->n = point;
}

bool mt_kaplan_meier(const double *times, const int *events, int64_t n, mt_curve *curve, GError **error)
{
    int64_t *by_time;
    bool     ok;

    *curve = (mt_curve){.n = 0};
    if (!check_times("Kaplan-Meier curve", times, events, n, error))
        return false;
    by_time = mt_rows_ascending(times, n, error);
    ok = by_time != NULL && mt_curve_init(curve, n + 1, error);
    if (ok)
        fill_survival(curve, by_time, times, events, n);
    mt_free(by_time);
    return ok;
}

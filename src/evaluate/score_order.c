#include "src/evaluate/score_order.h"
#include "src/base/alloc.h"

#include <math.h>
#include <stdlib.h>

bool mt_scores_check(const char *what, const double *scores, const int *truth, int64_t n, GError **error)
{
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(scores[i]))
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s: the score of row %" G_GINT64_FORMAT " is %g: leave out cases without a score",
                        what, i, scores[i]);
        else if (truth[i] != 0 && truth[i] != 1)
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s: the truth of row %" G_GINT64_FORMAT " is %d: it must be 0 or 1", what, i,
                        truth[i]);
        else
            continue;
        return false;
    }
    return true;
}

bool mt_probabilities_check(const char *what, const double *scores, const int *truth, int64_t n, GError **error)
{
    if (!mt_scores_check(what, scores, truth, n, error))
        return false;
    for (int64_t i = 0; i < n; i++) {
        if (scores[i] < 0 || scores[i] > 1) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s: the score of row %" G_GINT64_FORMAT " is %g: probabilities lie in 0..1", what,
                        i, scores[i]);
            return false;
        }
    }
    return true;
}

static int compare_rows(const void *a, const void *b, void *data)
{
    const double *values = data;
    int64_t       i = *(const int64_t *)a, j = *(const int64_t *)b;

    if (values[i] != values[j])
        return values[i] < values[j] ? -1 : 1;
    return i < j ? -1 : i > j;
}

static int compare_rows_down(const void *a, const void *b, void *data)
{
    const double *values = data;
    int64_t       i = *(const int64_t *)a, j = *(const int64_t *)b;

    if (values[i] != values[j])
        return values[i] > values[j] ? -1 : 1;
    return i < j ? -1 : i > j;
}

static int64_t *sorted_rows(const double *values, int64_t n, GCompareDataFunc compare, GError **error)
{
    int64_t *rows = mt_alloc(n, sizeof *rows, error);

    if (rows == NULL)
        return NULL;
    for (int64_t i = 0; i < n; i++)
        rows[i] = i;
    qsort_r(rows, (size_t)n, sizeof *rows, compare, (void *)(uintptr_t)values);
    return rows;
}

int64_t *mt_rows_ascending(const double *values, int64_t n, GError **error)
{
    return sorted_rows(values, n, compare_rows, error);
}

static int compare_groups(const void *a, const void *b)
{
    const mt_row_group *x = a, *y = b;

    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

mt_row_group *mt_rows_by_group(const char *what, const int64_t *group, int64_t n, GError **error)
{
    mt_row_group *rows = mt_alloc(n, sizeof *rows, error);

    for (int64_t i = 0; rows != NULL && i < n; i++) {
        rows[i] = (mt_row_group){group[i], i};
        if (group[i] >= 0)
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "%s: the patient of row %" G_GINT64_FORMAT " is %" G_GINT64_FORMAT ": number them from 0", what, i, group[i]);
        mt_free(rows);
        return NULL;
    }
    if (rows != NULL)
        qsort(rows, (size_t)n, sizeof *rows, compare_groups);
    return rows;
}

bool mt_score_order_init(mt_score_order *order, const char *what, const double *scores, const int *truth, int64_t n, GError **error)
{
    *order = (mt_score_order){.n = n};
    if (!mt_scores_check(what, scores, truth, n, error))
        return false;
    for (int64_t i = 0; i < n; i++)
        order->positives += truth[i];
    order->negatives = n - order->positives;
    order->rows = sorted_rows(scores, n, compare_rows_down, error);
    return order->rows != NULL;
}

void mt_score_order_clear(mt_score_order *order)
{
    mt_free(order->rows);
    order->rows = NULL;
}

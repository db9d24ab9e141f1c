/* The box's left and its upper edge may be moved until each meets a point, so those places are tried alone.  The left edge goes from point to
 * point; a tree over all upper edges counts, for each, the points that are in the box now: one that comes in or goes out changes a range. */
#include "src/result/densest_square.h"

#include <string.h>

typedef struct edges {
    double *tops; /* sorted */
    gsize   n, leaves;
    gint64 *most; /* of a node's leaves, without what its ancestors add */
    gint64 *added;
} edges;

static int by_x(const void *a, const void *b)
{
    const mt_plane_point *p = a, *q = b;

    return (p->x > q->x) - (p->x < q->x);
}

static int by_value(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;

    return (p > q) - (p < q);
}

static void add(edges *e, gsize node, gsize from, gsize to, gsize first, gsize end, gint64 by)
{
    if (first >= to || end <= from)
        return;
    if (first <= from && to <= end) {
        e->most[node] += by;
        e->added[node] += by;
        return;
    }
    gsize middle = from + (to - from) / 2;
    add(e, 2 * node, from, middle, first, end, by);
    add(e, 2 * node + 1, middle, to, first, end, by);
    e->most[node] = MAX(e->most[2 * node], e->most[2 * node + 1]) + e->added[node];
}

/* The first upper edge for which `y` is inside (past = FALSE), and the first below y (past = TRUE): by the same difference that a check of
 * every pair would take, so that no rounding tells the two apart. */
static gsize first_edge(const edges *e, double y, double height, gboolean past)
{
    gsize low = 0, high = e->n;

    while (low < high) {
        gsize    middle = low + (high - low) / 2;
        gboolean before = past ? e->tops[middle] <= y : y - e->tops[middle] > height;
        if (before)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void change(edges *e, const mt_plane_point *p, double height, gint64 by)
{
    add(e, 1, 0, e->leaves, first_edge(e, p->y, height, FALSE), first_edge(e, p->y, height, TRUE), by);
}

gint64 mt_densest_square(mt_plane_point *points, gsize n, double width, double height)
{
    edges  e = {.tops = g_new(double, n + 1), .n = n, .leaves = 1};
    gint64 best = 0;

    while (e.leaves < n)
        e.leaves *= 2;
    e.most = g_new0(gint64, 2 * e.leaves);
    e.added = g_new0(gint64, 2 * e.leaves);
    if (n > 0)
        qsort(points, n, sizeof *points, by_x);
    for (gsize i = 0; i < n; i++)
        e.tops[i] = points[i].y;
    if (n > 0)
        qsort(e.tops, n, sizeof *e.tops, by_value);
    for (gsize left = 0, right = 0; left < n; left++) {
        for (; right < n && points[right].x - points[left].x <= width; right++)
            change(&e, &points[right], height, 1);
        best = MAX(best, e.most[1]);
        change(&e, &points[left], height, -1);
    }
    g_free(e.tops);
    g_free(e.most);
    g_free(e.added);
    return best;
}

/* The Hungarian method (Kuhn 1955, in Jonker and Volgenant's form of shortest augmenting paths), for each group of points that hang together
 * through pairs nearer than the limit: what lies apart costs nothing. */
#include "src/result/object_pairs.h"

#include <math.h>

#define MOST_TOGETHER 1000

typedef struct problem {
    const double *a, *b;
    const int    *class_a, *class_b;
    int           n, m;
    double        most;
} problem;

static double distance(const problem *p, int i, int j)
{
    double squared = 0;

    for (int d = 0; d < 3; d++)
        squared += (p->a[3 * i + d] - p->b[3 * j + d]) * (p->a[3 * i + d] - p->b[3 * j + d]);
    return p->class_a[i] == p->class_b[j] ? fmin(sqrt(squared), p->most) : p->most;
}

/* Rows and columns of one group; the fewer of both are the rows. */
typedef struct group {
    GArray *of_a, *of_b; /* int */
    bool    turned;
} group;

static double cost(const problem *p, const group *g, int row, int column)
{
    int i = g_array_index(g->of_a, int, g->turned ? column : row), j = g_array_index(g->of_b, int, g->turned ? row : column);

    return distance(p, i, j);
}

/* State of the method: potentials, the row of each column (1-based, 0: free), the way back. */
typedef struct duals {
    double *u, *v, *least;
    int    *row_of, *way;
    bool   *seen;
} duals;

/* One more row is given a column. */
static void add_row(const problem *p, const group *g, int row, int columns, duals *d)
{
    int column = 0;

    d->row_of[0] = row;
    for (int j = 0; j <= columns; j++) {
        d->least[j] = INFINITY;
        d->seen[j] = false;
    }
    do {
        int    from = d->row_of[column], next = 0;
        double step = INFINITY;
        d->seen[column] = true;
        for (int j = 1; j <= columns; j++) {
            if (d->seen[j])
                continue;
            double reduced = cost(p, g, from - 1, j - 1) - d->u[from] - d->v[j];
            if (reduced < d->least[j]) {
                d->least[j] = reduced;
                d->way[j] = column;
            }
            if (d->least[j] < step) {
                step = d->least[j];
                next = j;
            }
        }
        for (int j = 0; j <= columns; j++) {
            if (d->seen[j]) {
                d->u[d->row_of[j]] += step;
                d->v[j] -= step;
            } else
                d->least[j] -= step;
        }
        column = next;
    } while (d->row_of[column] != 0);
    for (; column != 0; column = d->way[column])
        d->row_of[column] = d->row_of[d->way[column]];
}

static void solve(const problem *p, const group *g, int *pair)
{
    int                rows = (int)(g->turned ? g->of_b : g->of_a)->len, columns = (int)(g->turned ? g->of_a : g->of_b)->len;
    g_autofree double *u = g_new0(double, rows + 1), *v = g_new0(double, columns + 1), *least = g_new0(double, columns + 1);
    g_autofree int    *row_of = g_new0(int, columns + 1), *way = g_new0(int, columns + 1);
    g_autofree bool   *seen = g_new0(bool, columns + 1);
    duals              d = {u, v, least, row_of, way, seen};

    for (int row = 1; row <= rows; row++)
        add_row(p, g, row, columns, &d);
    for (int column = 1; column <= columns; column++) {
        int row = row_of[column] - 1;
        if (row < 0 || cost(p, g, row, column - 1) >= p->most)
            continue;
        int i = g_array_index(g->of_a, int, g->turned ? column - 1 : row), j = g_array_index(g->of_b, int, g->turned ? row : column - 1);
        pair[i] = j;
    }
}

/* All that hangs together with point `first` of a. */
static bool gather(const problem *p, int first, bool *seen_a, bool *seen_b, group *g, GError **error)
{
    guint done_a = 0, done_b = 0;

    g_array_append_val(g->of_a, first);
    seen_a[first] = true;
    while (done_a < g->of_a->len || done_b < g->of_b->len) {
        bool from_a = done_a < g->of_a->len;
        int  at = from_a ? g_array_index(g->of_a, int, done_a++) : g_array_index(g->of_b, int, done_b++);
        for (int other = 0; other < (from_a ? p->m : p->n); other++) {
            bool *seen = from_a ? seen_b : seen_a;
            if (seen[other] || distance(p, from_a ? at : other, from_a ? other : at) >= p->most)
                continue;
            seen[other] = true;
            g_array_append_val(from_a ? g->of_b : g->of_a, other);
        }
        if (g->of_a->len > MOST_TOGETHER || g->of_b->len > MOST_TOGETHER) {
            g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                        "match objects: more than %d of one class lie within %g mm of each other: give a smaller distance", MOST_TOGETHER,
                        p->most);
            return false;
        }
    }
    return true;
}

static gint ascending(gconstpointer a, gconstpointer b)
{
    return *(const int *)a - *(const int *)b;
}

bool mt_object_pairs(const double *a, const int *class_a, int n, const double *b, const int *class_b, int m, double most, int *pair,
                     GError **error)
{
    problem          p = {a, b, class_a, class_b, n, m, most};
    g_autofree bool *seen_a = g_new0(bool, n + 1), *seen_b = g_new0(bool, m + 1);

    for (int i = 0; i < n; i++)
        pair[i] = -1;
    for (int i = 0; i < n; i++) {
        if (seen_a[i])
            continue;
        g_autoptr(GArray) of_a = g_array_new(FALSE, FALSE, sizeof(int)), of_b = g_array_new(FALSE, FALSE, sizeof(int));
        group g = {of_a, of_b, false};
        if (!gather(&p, i, seen_a, seen_b, &g, error))
            return false;
        g_array_sort(of_a, ascending);
        g_array_sort(of_b, ascending);
        g.turned = of_b->len < of_a->len;
        if (of_b->len > 0)
            solve(&p, &g, pair);
    }
    return true;
}

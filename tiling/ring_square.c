/* Squares against polygons. */
#include "tiling/ring_tree.h"

#include <math.h>

typedef struct square {
    int64_t x0, y0, x1, y1;
    bool    met;
} square;

static int turn(const mt_ring_edge *e, int64_t x, int64_t y)
{
    mt_wide cross = (mt_wide)((int64_t)e->x1 - e->x0) * (y - e->y0) - (mt_wide)((int64_t)e->y1 - e->y0) * (x - e->x0);

    return (cross > 0) - (cross < 0);
}

/* The boxes meet already: the edge misses the square only when all corners lie on one side of its line. */
static bool check_edge(void *user, const mt_ring_tree *tree, int64_t k)
{
    square             *s = user;
    const mt_ring_edge *e = &tree->edges[k];
    int                 sides = turn(e, s->x0, s->y0) + turn(e, s->x1, s->y0) + turn(e, s->x0, s->y1) + turn(e, s->x1, s->y1);

    s->met = sides != 4 && sides != -4;
    return !s->met;
}

typedef struct corner {
    int64_t x, y;
    int32_t polygon; /* whose edges are being counted */
    bool    inside;  /* of that one */
    bool    found;
} corner;

/* Edges come polygon by polygon; the corner is on none of them. */
static bool count_edge(void *user, const mt_ring_tree *tree, int64_t k)
{
    corner             *c = user;
    const mt_ring_edge *e = &tree->edges[k];

    if (e->polygon != c->polygon && c->inside) {
        c->found = true;
        return false;
    }
    c->polygon = e->polygon;
    if ((e->y0 > c->y) != (e->y1 > c->y) && (turn(e, c->x, c->y) > 0) == (e->y1 > e->y0))
        c->inside = !c->inside;
    return true;
}

bool mt_ring_tree_meets_square(const mt_ring_tree *tree, int64_t x, int64_t y, int64_t edge)
{
    square         s = {x, y, x + edge, y + edge, false};
    mt_ring_window window = {(double)s.x0, (double)s.y0, (double)s.x1, (double)s.y1};
    corner         c = {.x = x, .y = y, .polygon = -1};
    mt_ring_window half_line = {(double)x, (double)y, INT32_MAX, (double)y};

    mt_ring_tree_visit(tree, 0, tree->n_edges, &window, check_edge, &s);
    if (s.met)
        return true;
    mt_ring_tree_visit(tree, 0, tree->n_edges, &half_line, count_edge, &c);
    return c.found || c.inside;
}

/* Signed area between the square's left side and the outline, within the square: the sum over a closed ring is what it encloses. */
typedef struct sweep {
    double  x0, y0, x1, y1;
    int64_t ring_end; /* edges below it belong to the ring being summed */
    int64_t ring;
    double  ring_area, area;
} sweep;

/* Integral of clamp(x(y), x0, x1) - x0 along the edge from y = a to y = b, a < b, both within the edge. */
static double area_left_of(const sweep *s, const mt_ring_edge *e, double a, double b)
{
    double slope = ((double)e->x1 - e->x0) / ((double)e->y1 - e->y0);
    double from = e->x0 + (a - e->y0) * slope, to = e->x0 + (b - e->y0) * slope, sum = 0;
    double lo = MIN(from, to), hi = MAX(from, to), height = b - a, width = s->x1 - s->x0;

    if (hi <= s->x0)
        return 0;
    if (lo >= s->x1)
        return height * width;
    if (hi == lo)
        return height * (lo - s->x0);
    double right = MAX(hi - s->x1, 0), inner_lo = MAX(lo, s->x0), inner_hi = MIN(hi, s->x1);
    sum += right / (hi - lo) * height * width;
    sum += (inner_hi - inner_lo) / (hi - lo) * height * ((inner_lo + inner_hi) / 2 - s->x0);
    return sum;
}

static void close_ring(const mt_ring_tree *tree, sweep *s)
{
    if (s->ring < 0)
        return;
    bool hole = tree->polygon_first[tree->edges[tree->ring_first[s->ring]].polygon] != s->ring;
    s->area += hole ? -fabs(s->ring_area) : fabs(s->ring_area);
    s->ring_area = 0;
}

static bool sum_edge(void *user, const mt_ring_tree *tree, int64_t k)
{
    sweep              *s = user;
    const mt_ring_edge *e = &tree->edges[k];

    if (k >= s->ring_end) {
        close_ring(tree, s);
        while (k >= tree->ring_first[s->ring + 1])
            s->ring++;
        s->ring_end = tree->ring_first[s->ring + 1];
    }
    double low = MAX(MIN(e->y0, e->y1), s->y0), high = MIN(MAX(e->y0, e->y1), s->y1);
    if (low < high)
        s->ring_area += e->y1 > e->y0 ? area_left_of(s, e, low, high) : -area_left_of(s, e, low, high);
    return true;
}

double mt_ring_tree_area_in_square(const mt_ring_tree *tree, int64_t x, int64_t y, int64_t edge)
{
    sweep          s = {(double)x, (double)y, (double)(x + edge), (double)(y + edge), 0, -1, 0, 0};
    mt_ring_window window = {s.x0, s.y0, INT32_MAX, s.y1};

    mt_ring_tree_visit(tree, 0, tree->n_edges, &window, sum_edge, &s);
    close_ring(tree, &s);
    return MIN(s.area, (double)edge * (double)edge);
}

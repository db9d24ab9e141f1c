/* Douglas-Peucker that keeps a polygon's rings from crossing (JTS and GEOS call it topology preserving).
 *
 * A ring of n points is the line p0, p1, .., pn = p0.  A stretch i..j of it becomes one edge when no point between lies farther than
 * the tolerance from the edge, when the ring keeps four points even if all the rest were flattened, and when the edge meets no other
 * edge of the polygon, as it is by then, in the inside of either; else it is split at the farthest point, left part first. */
#include "tiling/ring_tree.h"

#include <math.h>

#define MIN_POINTS 4 /* of a closed ring, the first counted twice */

typedef struct stretch {
    int64_t from, to; /* points, which are edges' starts; to may be the ring's end */
    int     depth;
} stretch;

typedef struct simplifier {
    mt_ring_tree *tree;
    double        tolerance;
    int64_t       first, end;             /* edges of the ring */
    int64_t       whole_first, whole_end; /* of the polygon */
    int64_t       result_edges;
    GArray       *waiting; /* stretches, the next one last */
} simplifier;

typedef struct xy {
    int64_t x, y;
} xy;

static xy point_at(const simplifier *s, int64_t i)
{
    const mt_ring_edge *e = &s->tree->edges[i == s->end ? s->first : i];

    return (xy){e->x0, e->y0};
}

/* Distance of c from the segment a b; the order of the operations is GEOS's, for equal doubles. */
static double distance(xy c, xy a, xy b)
{
    double dx = (double)(b.x - a.x), dy = (double)(b.y - a.y), length2 = dx * dx + dy * dy;

    if (a.x == b.x && a.y == b.y)
        return sqrt((double)(c.x - a.x) * (double)(c.x - a.x) + (double)(c.y - a.y) * (double)(c.y - a.y));
    double along = ((double)(c.x - a.x) * dx + (double)(c.y - a.y) * dy) / length2;
    if (along <= 0)
        return sqrt((double)(c.x - a.x) * (double)(c.x - a.x) + (double)(c.y - a.y) * (double)(c.y - a.y));
    if (along >= 1)
        return sqrt((double)(c.x - b.x) * (double)(c.x - b.x) + (double)(c.y - b.y) * (double)(c.y - b.y));
    double across = ((double)(a.y - c.y) * dx - (double)(a.x - c.x) * dy) / length2;
    return fabs(across) * sqrt(length2);
}

/* The farthest point between, the first of equals. */
static int64_t farthest(const simplifier *s, int64_t from, int64_t to, double *most)
{
    xy      a = point_at(s, from), b = point_at(s, to);
    int64_t best = from;

    *most = -1;
    for (int64_t k = from + 1; k < to; k++) {
        double d = distance(point_at(s, k), a, b);
        if (d > *most) {
            *most = d;
            best = k;
        }
    }
    return best;
}

static int turn(xy a, xy b, xy c)
{
    mt_wide cross = (mt_wide)(b.x - a.x) * (c.y - a.y) - (mt_wide)(b.y - a.y) * (c.x - a.x);

    return (cross > 0) - (cross < 0);
}

static bool equal(xy a, xy b)
{
    return a.x == b.x && a.y == b.y;
}

static bool in_box(xy p, xy a, xy b)
{
    return p.x >= MIN(a.x, b.x) && p.x <= MAX(a.x, b.x) && p.y >= MIN(a.y, b.y) && p.y <= MAX(a.y, b.y);
}

/* p, an end of the other segment, lies on a b but is not one of its ends. */
static bool is_inside(xy p, xy a, xy b)
{
    return !equal(p, a) && !equal(p, b) && turn(a, b, p) == 0 && in_box(p, a, b);
}

/* They have a point in common that is no end of one of them. */
static bool meet_inside(xy a, xy b, xy c, xy d)
{
    if (is_inside(c, a, b) || is_inside(d, a, b) || is_inside(a, c, d) || is_inside(b, c, d))
        return true;
    return turn(a, b, c) * turn(a, b, d) < 0 && turn(c, d, a) * turn(c, d, b) < 0;
}

typedef struct candidate {
    xy      a, b;
    int64_t from, to; /* edges that it would replace */
    bool    bad;
} candidate;

static bool check_edge(void *user, const mt_ring_tree *tree, int64_t k)
{
    candidate          *c = user;
    const mt_ring_edge *e = &tree->edges[k];

    c->bad = (k < c->from || k >= c->to) && meet_inside(c->a, c->b, (xy){e->x0, e->y0}, (xy){e->x1, e->y1});
    return !c->bad;
}

static bool may_flatten(const simplifier *s, const stretch *t, double most)
{
    candidate      c = {point_at(s, t->from), point_at(s, t->to), t->from, t->to, false};
    mt_ring_window window = {(double)MIN(c.a.x, c.b.x), (double)MIN(c.a.y, c.b.y), (double)MAX(c.a.x, c.b.x), (double)MAX(c.a.y, c.b.y)};
    int64_t        points = s->result_edges > 0 ? s->result_edges + 1 : 0;

    if ((points < MIN_POINTS && t->depth + 1 < MIN_POINTS) || most > s->tolerance)
        return false;
    mt_ring_tree_visit(s->tree, s->whole_first, s->whole_end, &window, check_edge, &c);
    return !c.bad;
}

/* The new edge takes the place of the first. */
static void flatten(simplifier *s, const stretch *t)
{
    xy b = point_at(s, t->to);

    mt_ring_tree_stretch(s->tree, t->from, (int32_t)b.x, (int32_t)b.y);
    for (int64_t k = t->from + 1; k < t->to; k++)
        s->tree->edges[k].gone = true;
}

static void simplify_ring(simplifier *s)
{
    stretch whole = {s->first, s->end, 1};

    s->result_edges = 0;
    g_array_append_val(s->waiting, whole);
    while (s->waiting->len > 0) {
        stretch t = g_array_index(s->waiting, stretch, s->waiting->len - 1);
        double  most;
        g_array_set_size(s->waiting, s->waiting->len - 1);
        if (t.from + 1 == t.to) {
            s->result_edges++;
            continue;
        }
        int64_t split = farthest(s, t.from, t.to, &most);
        if (may_flatten(s, &t, most)) {
            flatten(s, &t);
            s->result_edges++;
            continue;
        }
        stretch left = {t.from, split, t.depth + 1}, right = {split, t.to, t.depth + 1};
        g_array_append_val(s->waiting, right);
        g_array_append_val(s->waiting, left);
    }
}

static void drop_ring(mt_ring_tree *tree, int64_t ring)
{
    for (int64_t k = tree->ring_first[ring]; k < tree->ring_first[ring + 1]; k++)
        tree->edges[k].gone = true;
}

void mt_ring_tree_simplify(mt_ring_tree *tree, double tolerance)
{
    simplifier s = {.tree = tree, .tolerance = tolerance, .waiting = g_array_new(FALSE, FALSE, sizeof(stretch))};

    for (int64_t i = 0; i < tree->n_rings; i++)
        if (tree->ring_first[i + 1] - tree->ring_first[i] < MIN_POINTS - 1)
            drop_ring(tree, i);
    for (int64_t p = 0; p < tree->n_polygons; p++) {
        s.whole_first = tree->ring_first[tree->polygon_first[p]];
        s.whole_end = tree->ring_first[tree->polygon_first[p + 1]];
        for (int64_t i = tree->polygon_first[p]; i < tree->polygon_first[p + 1]; i++) {
            s.first = tree->ring_first[i];
            s.end = tree->ring_first[i + 1];
            if (s.end - s.first >= MIN_POINTS - 1)
                simplify_ring(&s);
        }
    }
    g_array_free(s.waiting, TRUE);
}

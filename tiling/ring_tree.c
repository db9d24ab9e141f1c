#include "tiling/ring_tree.h"

#include "src/base/alloc.h"

#define EDGES_A_LEAF 8

typedef struct mt_ring_box {
    int32_t x0, y0, x1, y1;
} box;

static const box EMPTY = {INT32_MAX, INT32_MAX, INT32_MIN, INT32_MIN};

static box join(const box *a, const box *b)
{
    return (box){MIN(a->x0, b->x0), MIN(a->y0, b->y0), MAX(a->x1, b->x1), MAX(a->y1, b->y1)};
}

static box edge_box(const mt_ring_edge *e)
{
    return (box){MIN(e->x0, e->x1), MIN(e->y0, e->y1), MAX(e->x0, e->x1), MAX(e->y0, e->y1)};
}

static bool meets(const box *b, const mt_ring_window *w)
{
    return b->x0 <= w->x1 && b->x1 >= w->x0 && b->y0 <= w->y1 && b->y1 >= w->y0;
}

static void count(mt_ring_tree *tree, const mt_mask *mask)
{
    tree->n_rings = mt_mask_n_rings(mask);
    for (int i = 0; i < mt_mask_n_rings(mask); i++) {
        mt_ring ring = mt_mask_ring(mask, i);
        tree->n_edges += ring.n;
        tree->n_polygons += !ring.hole;
    }
}

static bool allocate(mt_ring_tree *tree, GError **error)
{
    for (tree->n_leaves = 1; tree->n_leaves * EDGES_A_LEAF < tree->n_edges;)
        tree->n_leaves *= 2;
    return (tree->edges = mt_alloc(tree->n_edges, sizeof(mt_ring_edge), error)) != NULL &&
           (tree->ring_first = mt_alloc(tree->n_rings + 1, sizeof(int64_t), error)) != NULL &&
           (tree->polygon_first = mt_alloc(tree->n_polygons + 1, sizeof(int64_t), error)) != NULL &&
           (tree->boxes = mt_alloc(2 * tree->n_leaves, sizeof(box), error)) != NULL;
}

static void fill_edges(mt_ring_tree *tree, const mt_mask *mask)
{
    int64_t to = 0, polygon = -1;

    for (int64_t i = 0; i < tree->n_rings; i++) {
        mt_ring ring = mt_mask_ring(mask, (int)i);
        tree->ring_first[i] = to;
        if (!ring.hole)
            tree->polygon_first[++polygon] = i;
        for (int64_t k = 0; k < ring.n; k++) {
            const int32_t *p = ring.points + 2 * k, *q = ring.points + 2 * ((k + 1) % ring.n);
            tree->edges[to++] = (mt_ring_edge){p[0], p[1], q[0], q[1], (int32_t)polygon, false};
        }
    }
    tree->ring_first[tree->n_rings] = to;
    tree->polygon_first[tree->n_polygons] = tree->n_rings;
}

static void fill_boxes(mt_ring_tree *tree)
{
    for (int64_t leaf = 0; leaf < tree->n_leaves; leaf++) {
        box b = EMPTY;
        for (int64_t k = leaf * EDGES_A_LEAF; k < MIN((leaf + 1) * EDGES_A_LEAF, tree->n_edges); k++) {
            box own = edge_box(&tree->edges[k]);
            b = join(&b, &own);
        }
        tree->boxes[tree->n_leaves + leaf] = b;
    }
    for (int64_t node = tree->n_leaves - 1; node >= 1; node--)
        tree->boxes[node] = join(&tree->boxes[2 * node], &tree->boxes[2 * node + 1]);
}

mt_ring_tree *mt_ring_tree_new(const mt_mask *mask, GError **error)
{
    g_autoptr(mt_ring_tree) tree = g_new0(mt_ring_tree, 1);

    count(tree, mask);
    if (!allocate(tree, error))
        return NULL;
    fill_edges(tree, mask);
    fill_boxes(tree);
    return g_steal_pointer(&tree);
}

void mt_ring_tree_free(mt_ring_tree *tree)
{
    if (tree == NULL)
        return;
    mt_free(tree->edges);
    mt_free(tree->ring_first);
    mt_free(tree->polygon_first);
    mt_free(tree->boxes);
    g_free(tree);
}

typedef struct query {
    const mt_ring_tree   *tree;
    int64_t               first, end;
    const mt_ring_window *window;
    mt_edge_visit         visit;
    void                 *user;
} query;

static bool visit_leaf(const query *q, int64_t leaf)
{
    int64_t end = MIN(MIN((leaf + 1) * EDGES_A_LEAF, q->end), q->tree->n_edges);

    for (int64_t k = MAX(leaf * EDGES_A_LEAF, q->first); k < end; k++) {
        box own = edge_box(&q->tree->edges[k]);
        if (!q->tree->edges[k].gone && meets(&own, q->window) && !q->visit(q->user, q->tree, k))
            return false;
    }
    return true;
}

/* Node `node` holds the leaves from `leaf` on, `leaves` of them. */
static bool visit_node(const query *q, int64_t node, int64_t leaf, int64_t leaves)
{
    if (leaf * EDGES_A_LEAF >= q->end || (leaf + leaves) * EDGES_A_LEAF <= q->first || !meets(&q->tree->boxes[node], q->window))
        return true;
    if (leaves == 1)
        return visit_leaf(q, leaf);
    return visit_node(q, 2 * node, leaf, leaves / 2) && visit_node(q, 2 * node + 1, leaf + leaves / 2, leaves / 2);
}

void mt_ring_tree_visit(const mt_ring_tree *tree, int64_t first, int64_t end, const mt_ring_window *window, mt_edge_visit visit, void *user)
{
    query q = {tree, first, end, window, visit, user};

    visit_node(&q, 1, 0, tree->n_leaves);
}

void mt_ring_tree_stretch(mt_ring_tree *tree, int64_t edge, int32_t x1, int32_t y1)
{
    tree->edges[edge].x1 = x1;
    tree->edges[edge].y1 = y1;
    box own = edge_box(&tree->edges[edge]);
    for (int64_t node = tree->n_leaves + edge / EDGES_A_LEAF; node >= 1; node /= 2)
        tree->boxes[node] = join(&tree->boxes[node], &own);
}

typedef struct point {
    int64_t x2, y2;
    bool    on, inside;
} point;

/* An edge that the half line from the point to the right may cross. */
static bool cross_edge(void *user, const mt_ring_tree *tree, int64_t k)
{
    point              *p = user;
    const mt_ring_edge *e = &tree->edges[k];
    int64_t             ax = 2 * (int64_t)e->x0, ay = 2 * (int64_t)e->y0, bx = 2 * (int64_t)e->x1, by = 2 * (int64_t)e->y1;
    mt_wide             cross = (mt_wide)(bx - ax) * (p->y2 - ay) - (mt_wide)(by - ay) * (p->x2 - ax);

    if (cross == 0 && p->x2 >= MIN(ax, bx) && p->x2 <= MAX(ax, bx) && p->y2 >= MIN(ay, by) && p->y2 <= MAX(ay, by)) {
        p->on = true;
        return false;
    }
    if ((ay > p->y2) != (by > p->y2) && (cross > 0) == (by > ay))
        p->inside = !p->inside;
    return true;
}

int mt_ring_tree_side(const mt_ring_tree *tree, int64_t ring, int64_t x2, int64_t y2)
{
    point          p = {x2, y2, false, false};
    mt_ring_window half_line = {(double)x2 / 2, (double)y2 / 2, INT32_MAX, (double)y2 / 2};

    mt_ring_tree_visit(tree, tree->ring_first[ring], tree->ring_first[ring + 1], &half_line, cross_edge, &p);
    return p.on ? 0 : p.inside ? 1 : -1;
}

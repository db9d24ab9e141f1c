/* Edges of a mask's rings under a tree of boxes.  Edges that follow each other lie near each other, so the tree stands over their
 * order alone.  Positions in exact integer arithmetic; queries by box cost the logarithm of the edges plus what they meet. */
#ifndef MT_RING_TREE_H
#define MT_RING_TREE_H

#include <microtome/mask.h>

__extension__ typedef __int128 mt_wide; /* products of coordinates, exact */

typedef struct mt_ring_edge {
    int32_t x0, y0, x1, y1;
    int32_t polygon; /* number of its outer ring among the outer ones */
    bool    gone;    /* simplified away */
} mt_ring_edge;

typedef struct mt_ring_tree {
    int64_t             n_edges, n_rings, n_polygons;
    mt_ring_edge       *edges;         /* ring after ring, in their order */
    int64_t            *ring_first;    /* n_rings + 1: edges of ring i are ring_first[i] .. ring_first[i + 1] - 1 */
    int64_t            *polygon_first; /* n_polygons + 1, in rings: an outer ring, then its holes */
    int64_t             n_leaves;      /* a power of two */
    struct mt_ring_box *boxes;         /* 2 n_leaves: node i has children 2 i and 2 i + 1 */
} mt_ring_tree;

mt_ring_tree *mt_ring_tree_new(const mt_mask *mask, GError **error);
void          mt_ring_tree_free(mt_ring_tree *tree);

/* Closed: x0 <= x <= x1, y0 <= y <= y1. */
typedef struct mt_ring_window {
    double x0, y0, x1, y1;
} mt_ring_window;

/* False ends the visit. */
typedef bool (*mt_edge_visit)(void *user, const mt_ring_tree *tree, int64_t edge);

/* Call `visit` for the edges first .. end - 1 whose box meets the window, in their order, those that are gone left out. */
void mt_ring_tree_visit(const mt_ring_tree *tree, int64_t first, int64_t end, const mt_ring_window *window, mt_edge_visit visit,
                        void *user);

/* Let the edge end elsewhere. */
void mt_ring_tree_stretch(mt_ring_tree *tree, int64_t edge, int32_t x1, int32_t y1);

/* Where point (x2 / 2, y2 / 2) lies to ring i, even-odd: 1 inside, 0 on the line, -1 outside. */
int mt_ring_tree_side(const mt_ring_tree *tree, int64_t ring, int64_t x2, int64_t y2);

/* Simplify every polygon alone, keeping its rings from crossing: GEOS 3.11's TopologyPreserveSimplify, which Shapely's
 * simplify(tolerance) calls.  Douglas-Peucker over each ring from its first point on (which stays, with at least three others); a
 * stretch is only replaced where the new edge meets no other of the polygon inside.  Rings of fewer than three points go. */
void mt_ring_tree_simplify(mt_ring_tree *tree, double tolerance);

/* True when the polygons and the closed square have a point in common. */
bool mt_ring_tree_meets_square(const mt_ring_tree *tree, int64_t x, int64_t y, int64_t edge);
/* Area of the square that polygons cover. */
double mt_ring_tree_area_in_square(const mt_ring_tree *tree, int64_t x, int64_t y, int64_t edge);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_ring_tree, mt_ring_tree_free)

#endif

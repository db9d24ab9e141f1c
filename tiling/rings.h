/* A growing list of closed rings: outer ones, each with its holes. */
#ifndef MT_RINGS_H
#define MT_RINGS_H

#include <microtome/error.h>

typedef struct mt_ring_span {
    int64_t first, n; /* points first .. first + n - 1 */
    int64_t outer;    /* index of the outer ring; its own for an outer ring */
    bool    hole;
} mt_ring_span;

typedef struct mt_rings {
    int64_t       n, room;
    mt_ring_span *spans;
    int64_t       n_points, points_room;
    int32_t      *points; /* pairs x, y */
} mt_rings;

mt_rings *mt_rings_new(void);
void      mt_rings_free(mt_rings *rings);

/* Start a ring at the next point; outer < 0: it is an outer ring.  False and MT_ERROR_MEMORY. */
bool mt_rings_begin(mt_rings *rings, int64_t outer, bool hole, GError **error);
/* Append a point to the last ring. */
bool mt_rings_add(mt_rings *rings, int32_t x, int32_t y, GError **error);

/* Reorder so that every outer ring is followed by its holes; `newest_first`: the latest outer ring first, the latest hole first
 * (the order of OpenCV's RETR_CCOMP).  `outer` is renumbered. */
bool mt_rings_group(mt_rings *rings, bool newest_first, GError **error);

static inline const int32_t *mt_rings_points(const mt_rings *rings, int64_t i)
{
    return rings->points + 2 * rings->spans[i].first;
}

/* Twice the signed area (shoelace): positive when x turns towards y.  Exact. */
int64_t mt_ring_area2(const int32_t *points, int64_t n);
/* 1 inside, 0 on the outline, -1 outside. */
int mt_ring_contains(const int32_t *points, int64_t n, double x, double y);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_rings, mt_rings_free)

#endif

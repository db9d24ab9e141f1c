#include "tiling/rings.h"

#include "src/base/alloc.h"

#include <string.h>

mt_rings *mt_rings_new(void)
{
    return g_new0(mt_rings, 1);
}

void mt_rings_free(mt_rings *rings)
{
    if (rings == NULL)
        return;
    mt_free(rings->spans);
    mt_free(rings->points);
    g_free(rings);
}

static bool grow(void **memory, int64_t used, int64_t *room, size_t size, GError **error)
{
    int64_t wanted = MAX(64, *room * 2);
    void   *bigger = mt_alloc(wanted, size, error);

    if (bigger == NULL)
        return false;
    if (used > 0)
        memcpy(bigger, *memory, (size_t)used * size);
    mt_free(*memory);
    *memory = bigger;
    *room = wanted;
    return true;
}

bool mt_rings_begin(mt_rings *rings, int64_t outer, bool hole, GError **error)
{
    if (rings->n == rings->room && !grow((void **)&rings->spans, rings->n, &rings->room, sizeof *rings->spans, error))
        return false;
    rings->spans[rings->n] = (mt_ring_span){rings->n_points, 0, outer < 0 ? rings->n : outer, hole};
    rings->n++;
    return true;
}

bool mt_rings_add(mt_rings *rings, int32_t x, int32_t y, GError **error)
{
    if (rings->n_points == rings->points_room &&
        !grow((void **)&rings->points, rings->n_points, &rings->points_room, 2 * sizeof *rings->points, error))
        return false;
    rings->points[2 * rings->n_points] = x;
    rings->points[2 * rings->n_points + 1] = y;
    rings->n_points++;
    rings->spans[rings->n - 1].n++;
    return true;
}

/* next[i]: the hole after i of the same outer ring; next[n + i]: the first hole of outer ring i.  -1 ends a list. */
static void chain_holes(const mt_rings *rings, bool newest_first, int64_t *next)
{
    int64_t n = rings->n;

    for (int64_t i = 0; i < 2 * n; i++)
        next[i] = -1;
    for (int64_t k = 0; k < n; k++) { /* pushing to the front reverses */
        int64_t             i = newest_first ? k : n - 1 - k;
        const mt_ring_span *span = &rings->spans[i];
        if (!span->hole)
            continue;
        next[i] = next[n + span->outer];
        next[n + span->outer] = i;
    }
}

bool mt_rings_group(mt_rings *rings, bool newest_first, GError **error)
{
    int64_t       n = rings->n, to = 0;
    int64_t      *next = mt_alloc(2 * n, sizeof(int64_t), error);
    mt_ring_span *spans = next ? mt_alloc(MAX(n, 1), sizeof(mt_ring_span), error) : NULL;

    if (spans == NULL) {
        mt_free(next);
        return false;
    }
    chain_holes(rings, newest_first, next);
    for (int64_t k = 0; k < n; k++) {
        int64_t i = newest_first ? n - 1 - k : k;
        if (rings->spans[i].hole)
            continue;
        int64_t outer = to;
        spans[to++] = rings->spans[i];
        for (int64_t hole = next[n + i]; hole >= 0; hole = next[hole])
            spans[to++] = rings->spans[hole];
        for (int64_t j = outer; j < to; j++)
            spans[j].outer = outer;
    }
    mt_free(next);
    mt_free(rings->spans);
    rings->spans = spans;
    rings->room = MAX(n, 1);
    return true;
}

int64_t mt_ring_area2(const int32_t *points, int64_t n)
{
    int64_t sum = 0;

    for (int64_t i = 0; i < n; i++) {
        const int32_t *p = points + 2 * i, *q = points + 2 * ((i + 1) % n);
        sum += (int64_t)p[0] * q[1] - (int64_t)q[0] * p[1];
    }
    return sum;
}

int mt_ring_contains(const int32_t *points, int64_t n, double x, double y)
{
    bool inside = false;

    for (int64_t i = 0; i < n; i++) {
        const int32_t *p = points + 2 * i, *q = points + 2 * ((i + 1) % n);
        double         cross = ((double)q[0] - p[0]) * (y - p[1]) - ((double)q[1] - p[1]) * (x - p[0]);
        if (cross == 0 && x >= MIN(p[0], q[0]) && x <= MAX(p[0], q[0]) && y >= MIN(p[1], q[1]) && y <= MAX(p[1], q[1]))
            return 0;
        if ((p[1] > y) != (q[1] > y) && (cross > 0) == (q[1] > p[1]))
            inside = !inside;
    }
    return inside ? 1 : -1;
}

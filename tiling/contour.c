#include "tiling/contour.h"

#include "src/base/alloc.h"
#include "tiling/components.h"

#include <stdlib.h>
#include <string.h>

/* What a cell of the padded copy holds.  A border pixel whose right neighbour was seen empty (CLOSED) cannot start a hole again. */
enum { EMPTY = 0, FRESH = 1, SEEN = 2, CLOSED = -1 };

/* Eight directions, counter-clockwise on the screen from +x. */
static const int STEP_X[8] = {1, 1, 0, -1, -1, -1, 0, 1};
static const int STEP_Y[8] = {0, -1, -1, -1, 0, 1, 1, 1};

typedef struct tracer {
    int64_t        stride; /* width + 2: one empty pixel all around */
    int8_t        *cells;
    int64_t        offset[8];
    mt_components *components;
    int64_t       *outer_of; /* outer ring of every component */
    mt_rings      *rings;
} tracer;

/* First filled neighbour clockwise from direction `from` (excluded); -1 for a lone pixel. */
static int first_neighbour(const tracer *t, const int8_t *cell, int from)
{
    for (int k = 1; k < 8; k++) {
        int d = (from - k) & 7;
        if (cell[t->offset[d]] != EMPTY)
            return d;
    }
    return -1;
}

/* Follow one border from `start`, marking it; `from` is the direction of the empty pixel that gave it away. */
static bool follow(tracer *t, int8_t *start, int32_t x, int32_t y, int from, GError **error)
{
    int d = first_neighbour(t, start, from);

    if (d < 0) {
        *start = CLOSED;
        return mt_rings_add(t->rings, x, y, error);
    }
    const int8_t *last = start + t->offset[d];
    for (int8_t *cell = start;;) {
        int turn = d + 1;
        while (cell[t->offset[turn & 7]] == EMPTY)
            turn++;
        if (turn > 8) /* direction 0, the right neighbour, was passed over: it is empty */
            *cell = CLOSED;
        else if (*cell == FRESH)
            *cell = SEEN;
        if (!mt_rings_add(t->rings, x, y, error))
            return false;
        int8_t *next = cell + t->offset[turn & 7];
        if (next == start && cell == last)
            return true;
        x += STEP_X[turn & 7];
        y += STEP_Y[turn & 7];
        cell = next;
        d = (turn + 4) & 7;
    }
}

static bool begin(tracer *t, int64_t x, int64_t y, bool hole, GError **error)
{
    int32_t label = mt_components_label(t->components, x, y);

    if (!hole)
        t->outer_of[label] = t->rings->n;
    return mt_rings_begin(t->rings, hole ? t->outer_of[label] : -1, hole, error);
}

static bool trace_row(tracer *t, int64_t y, int64_t width, GError **error)
{
    int8_t *row = t->cells + (y + 1) * t->stride + 1;

    for (int64_t x = 0; x <= width; x++) {
        bool outer = row[x] == FRESH && row[x - 1] == EMPTY;
        bool hole = row[x] == EMPTY && row[x - 1] > 0;
        if (!outer && !hole)
            continue;
        int64_t at = hole ? x - 1 : x;
        if (!begin(t, at, y, hole, error) || !follow(t, row + at, (int32_t)at, (int32_t)y, hole ? 0 : 4, error))
            return false;
    }
    return true;
}

static bool prepare(tracer *t, const uint8_t *pixels, int64_t width, int64_t height, GError **error)
{
    t->stride = width + 2;
    t->components = mt_components_new(pixels, width, height, true, 8, error);
    t->outer_of = t->components ? mt_alloc(t->components->n, sizeof(int64_t), error) : NULL;
    t->cells = t->outer_of ? mt_alloc(t->stride * (height + 2), 1, error) : NULL;
    if (t->cells == NULL)
        return false;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++)
            t->cells[(y + 1) * t->stride + x + 1] = pixels[y * width + x] != 0;
    for (int d = 0; d < 8; d++)
        t->offset[d] = STEP_Y[d] * t->stride + STEP_X[d];
    return true;
}

mt_rings *mt_contour_trace(const uint8_t *pixels, int64_t width, int64_t height, GError **error)
{
    g_autoptr(mt_rings) rings = mt_rings_new();
    tracer t = {.rings = rings};
    bool   ok = prepare(&t, pixels, width, height, error);

    for (int64_t y = 0; ok && y < height; y++)
        ok = trace_row(&t, y, width, error);
    ok = ok && mt_rings_group(rings, true, error);
    mt_components_free(t.components);
    mt_free(t.outer_of);
    mt_free(t.cells);
    return ok ? g_steal_pointer(&rings) : NULL;
}

/* Where an outline crosses from one row to the next, at the end on the upper row (its half-open share of the edge). */
typedef struct crossing {
    int32_t y, x;
} crossing;

static int compare_crossings(const void *a, const void *b)
{
    const crossing *p = a, *q = b;

    return p->y != q->y ? (p->y < q->y ? -1 : 1) : (p->x > q->x) - (p->x < q->x);
}

static int64_t cross_rows(const int32_t *points, int64_t n, crossing *out)
{
    int64_t k = 0;

    for (int64_t i = 0; i < n; i++) {
        const int32_t *p = points + 2 * i, *q = points + 2 * ((i + 1) % n);
        if (p[1] != q[1])
            out[k++] = p[1] < q[1] ? (crossing){p[1], p[0]} : (crossing){q[1], q[0]};
    }
    return k;
}

static void set_points(const int32_t *points, int64_t n, uint8_t *pixels, int64_t width)
{
    for (int64_t i = 0; i < n; i++)
        pixels[(int64_t)points[2 * i + 1] * width + points[2 * i]] = 255;
}

/* Steps between neighbouring pixels cross a row at a pixel of the outline, so off the outline the parity of the crossings to the
 * left decides, and the outline itself is set point by point. */
bool mt_contour_fill(const mt_rings *rings, int64_t outer, const bool *keep, uint8_t *pixels, int64_t width, int64_t height, GError **error)
{
    int64_t   points = 0, n = 0;
    crossing *crossings;

    for (int64_t i = outer; i < rings->n && rings->spans[i].outer == outer; i++)
        points += rings->spans[i].n;
    crossings = mt_alloc(points, sizeof(crossing), error);
    if (crossings == NULL)
        return false;
    for (int64_t i = outer; i < rings->n && rings->spans[i].outer == outer; i++) {
        if (i != outer && keep && !keep[i])
            continue;
        n += cross_rows(mt_rings_points(rings, i), rings->spans[i].n, crossings + n);
        set_points(mt_rings_points(rings, i), rings->spans[i].n, pixels, width);
    }
    qsort(crossings, (size_t)n, sizeof(crossing), compare_crossings);
    for (int64_t i = 0; i + 1 < n; i += 2) {
        g_assert(crossings[i].y == crossings[i + 1].y && crossings[i].y < height);
        memset(pixels + crossings[i].y * width + crossings[i].x, 255, (size_t)(crossings[i + 1].x - crossings[i].x + 1));
    }
    mt_free(crossings);
    return true;
}

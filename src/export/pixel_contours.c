#include "src/export/pixel_contours.h"

#include <string.h>

/* Directions: right, down, left, up.  Bit d of an edge's start: an edge leaves there in direction d, the mask on its right. */
static const int DX[4] = {1, 0, -1, 0}, DY[4] = {0, 1, 0, -1};

static int is_in(const uint8_t *mask, int64_t columns, int64_t rows, int64_t c, int64_t r)
{
    return c >= 0 && r >= 0 && c < columns && r < rows && mask[r * columns + c] != 0;
}

static uint8_t *find_edges(const uint8_t *mask, int64_t columns, int64_t rows)
{
    uint8_t *edges = g_malloc0((gsize)((columns + 1) * (rows + 1)));

    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) {
            if (mask[r * columns + c] == 0)
                continue;
            if (!is_in(mask, columns, rows, c, r - 1))
                edges[r * (columns + 1) + c] |= 1 << 0;
            if (!is_in(mask, columns, rows, c + 1, r))
                edges[r * (columns + 1) + c + 1] |= 1 << 1;
            if (!is_in(mask, columns, rows, c, r + 1))
                edges[(r + 1) * (columns + 1) + c + 1] |= 1 << 2;
            if (!is_in(mask, columns, rows, c - 1, r))
                edges[(r + 1) * (columns + 1) + c] |= 1 << 3;
        }
    return edges;
}

/* Follow the edges from a corner on, each once; where two ways go on the one to the right, which keeps pixels that touch at a corner apart. */
static GArray *follow(uint8_t *edges, int64_t columns, int64_t x, int64_t y)
{
    GArray *ring = g_array_new(FALSE, FALSE, 2 * sizeof(int32_t));
    int     d = 0, last = -1, first = -1;

    while ((edges[y * (columns + 1) + x] & (1 << d)) == 0)
        d++;
    first = d;
    for (int64_t at_x = x, at_y = y;;) {
        uint8_t *here = &edges[at_y * (columns + 1) + at_x];
        if (last >= 0) {
            static const int turns[3] = {1, 0, 3}; /* right, straight, left */
            int              next = -1;
            for (int i = 0; i < 3 && next < 0; i++)
                if (*here & (1 << ((last + turns[i]) % 4)))
                    next = (last + turns[i]) % 4;
            if (next < 0)
                break;
            d = next;
        }
        if (d != last) {
            int32_t corner[2] = {(int32_t)at_x, (int32_t)at_y};
            g_array_append_vals(ring, corner, 1);
        }
        *here = (uint8_t)(*here & ~(1 << d));
        at_x += DX[d];
        at_y += DY[d];
        last = d;
        if (at_x == x && at_y == y && (edges[y * (columns + 1) + x] & (1 << ((d + 1) % 4))) == 0)
            break;
    }
    if (ring->len > 0 && last == first) /* the start lies on a straight line */
        g_array_remove_index(ring, 0);
    return ring;
}

GPtrArray *mt_pixel_contours(const uint8_t *mask, int64_t columns, int64_t rows)
{
    GPtrArray          *rings = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    g_autofree uint8_t *edges = find_edges(mask, columns, rows);

    for (int64_t y = 0; y <= rows; y++)
        for (int64_t x = 0; x <= columns; x++)
            while (edges[y * (columns + 1) + x] != 0)
                g_ptr_array_add(rings, follow(edges, columns, x, y));
    return rings;
}

#include "tiling/polygon_fill.h"

#include "src/base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CROSSINGS (INT64_C(1) << 26) /* 512 MiB while one polygon is filled */

/* The rows y with centres y + 0.5 in [low, high), clipped to the raster. */
typedef struct span {
    int64_t first, end;
} span;

static span rows_between(double low, double high, int64_t height)
{
    double first = ceil(low - 0.5), end = ceil(high - 0.5);

    return (span){(int64_t)CLAMP(first, 0, (double)height), (int64_t)CLAMP(end, 0, (double)height)};
}

/* Edge a-b: its crossings with the centre lines of the rows are summed up (cursor NULL), counted by row, or stored from cursor[row] on. */
static int64_t cross_rows(const int32_t *a, const int32_t *b, const mt_polygon_frame *frame, int64_t *cursor, double *crossings)
{
    double left = (double)frame->first_x, top = (double)frame->first_y;
    double ax = a[0] * frame->scale_x - left, ay = a[1] * frame->scale_y - top;
    double bx = b[0] * frame->scale_x - left, by = b[1] * frame->scale_y - top;
    span   rows = rows_between(MIN(ay, by), MAX(ay, by), frame->height);

    if (cursor == NULL)
        return MAX(0, rows.end - rows.first);
    for (int64_t y = rows.first; y < rows.end; y++) {
        if (crossings != NULL)
            crossings[cursor[y]] = ax + ((double)y + 0.5 - ay) * (bx - ax) / (by - ay);
        cursor[y]++;
    }
    return MAX(0, rows.end - rows.first);
}

static int64_t cross_all(const int32_t *points, const int64_t *offsets, int64_t n_rings, const mt_polygon_frame *frame, int64_t *cursor,
                         double *crossings)
{
    int64_t n = 0;

    for (int64_t r = 0; r < n_rings; r++)
        for (int64_t i = offsets[r]; i < offsets[r + 1]; i++) {
            int64_t next = i + 1 < offsets[r + 1] ? i + 1 : offsets[r];
            n += cross_rows(points + 2 * i, points + 2 * next, frame, cursor, crossings);
        }
    return n;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void fill_row(uint8_t *row, int64_t width, double *crossings, int64_t n)
{
    memset(row, 0, (size_t)width);
    qsort(crossings, (size_t)n, sizeof *crossings, compare_doubles);
    for (int64_t i = 0; i + 1 < n; i += 2) {
        span inside = rows_between(crossings[i], crossings[i + 1], width);
        if (inside.end > inside.first)
            memset(row + inside.first, 1, (size_t)(inside.end - inside.first));
    }
}

bool mt_polygon_fill(const int32_t *points, const int64_t *offsets, int64_t n_rings, const mt_polygon_frame *frame, uint8_t *raster,
                     GError **error)
{
    if (cross_all(points, offsets, n_rings, frame, NULL, NULL) > MAX_CROSSINGS) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                    "fill an outline: its edges cross the rows of the mask more than %" G_GINT64_FORMAT " times", MAX_CROSSINGS);
        return false;
    }
    int64_t *cursor = mt_alloc(frame->height + 1, sizeof *cursor, error);
    double  *crossings = NULL;
    int64_t  total = 0;

    if (cursor == NULL)
        return false;
    cross_all(points, offsets, n_rings, frame, cursor, NULL);
    for (int64_t y = 0; y <= frame->height; y++) { /* counts become places */
        int64_t count = cursor[y];
        cursor[y] = total;
        total += count;
    }
    crossings = mt_alloc(total, sizeof *crossings, error);
    if (crossings != NULL)
        cross_all(points, offsets, n_rings, frame, cursor, crossings); /* moves each place to the row's end */
    for (int64_t y = 0; y < frame->height && crossings != NULL; y++) {
        int64_t first = y > 0 ? cursor[y - 1] : 0;
        fill_row(raster + y * frame->width, frame->width, crossings + first, cursor[y] - first);
    }
    mt_free(crossings);
    mt_free(cursor);
    return crossings != NULL;
}

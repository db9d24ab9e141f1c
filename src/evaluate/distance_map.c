#include "src/evaluate/distance_map.h"
#include "src/base/alloc.h"

#include <math.h>

/* Room for one line of the longest axis. */
typedef struct line_room {
    double  *values, *starts; /* the line, and where each parabola begins to be the lowest */
    int64_t *centres;         /* of the parabolas */
} line_room;

/* Where the parabola of q falls below that of p < q; values are in steps of the line, heights divided by the squared spacing. */
static double crossing(const double *heights, int64_t p, int64_t q)
{
    return ((heights[q] + (double)q * (double)q) - (heights[p] + (double)p * (double)p)) / (2 * (double)(q - p));
}

/* The lower envelope of the parabolas of finite height, in place; a line without one stays as it is. */
static void transform_line(double *line, int64_t n, int64_t stride, double spacing, line_room *room)
{
    const double unit = spacing * spacing;
    int64_t      k = -1;

    for (int64_t q = 0; q < n; q++)
        room->values[q] = line[q * stride] / unit;
    for (int64_t q = 0; q < n; q++) {
        double start = -INFINITY;

        if (isinf(room->values[q]))
            continue;
        while (k >= 0 && (start = crossing(room->values, room->centres[k], q)) <= room->starts[k])
            k--;
        k++;
        room->centres[k] = q;
        room->starts[k] = k == 0 ? -INFINITY : start;
    }
    for (int64_t q = 0, p = 0; k >= 0 && q < n; q++) {
        while (p < k && room->starts[p + 1] < (double)q)
            p++;
        double gap = (double)(q - room->centres[p]) * spacing;

        line[q * stride] = gap * gap + room->values[room->centres[p]] * unit;
    }
}

bool mt_distance_map(double *squared, int64_t width, int64_t height, int64_t depth, const double spacing[3], GError **error)
{
    const int64_t longest = MAX(width, MAX(height, depth)), plane = width * height;
    line_room     room = {.values = mt_alloc(longest, sizeof(double), error)};
    bool          ok;

    ok = room.values != NULL && (room.starts = mt_alloc(longest, sizeof(double), error)) != NULL &&
         (room.centres = mt_alloc(longest, sizeof(int64_t), error)) != NULL;
    for (int64_t i = 0; ok && i < height * depth; i++)
        transform_line(squared + i * width, width, 1, spacing[0], &room);
    for (int64_t i = 0; ok && i < width * depth; i++)
        transform_line(squared + i / width * plane + i % width, height, width, spacing[1], &room);
    for (int64_t i = 0; ok && depth > 1 && i < plane; i++)
        transform_line(squared + i, depth, plane, spacing[2], &room);
    mt_free(room.values);
    mt_free(room.starts);
    mt_free(room.centres);
    return ok;
}

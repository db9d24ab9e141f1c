/* Convex hull of a plane's run ends (Andrew's monotone chain), the farthest pair of its corners, the extent across. */
#include "src/result/object_size.h"

#include <math.h>

typedef struct point {
    double x, y;
} point;

static double cross(point o, point a, point b)
{
    return (a.x - o.x) * (b.y - o.y) - (a.y - o.y) * (b.x - o.x);
}

static gint by_place(gconstpointer a, gconstpointer b)
{
    const point *p = a, *q = b;

    return p->x != q->x ? (p->x < q->x ? -1 : 1) : p->y < q->y ? -1 : p->y > q->y;
}

/* `hull` has room for 2 n; the number of corners. */
static guint find_hull(const point *points, guint n, point *hull)
{
    guint k = 0;

    for (guint i = 0; i < n; i++) {
        while (k >= 2 && cross(hull[k - 2], hull[k - 1], points[i]) <= 0)
            k--;
        hull[k++] = points[i];
    }
    for (guint i = n - 1, lower = k + 1; i-- > 0;) {
        while (k >= lower && cross(hull[k - 2], hull[k - 1], points[i]) <= 0)
            k--;
        hull[k++] = points[i];
    }
    return n > 1 ? k - 1 : 1;
}

/* What a voxel adds to a distance between centres, in the direction of it: half of it, for the longest of all distances in a round thing
 * that is sampled by voxels is nearly its diameter already, in a box it is a voxel short.  Of a single voxel all. */
static double width_of_voxel(double dx, double dy, const double mm[2])
{
    double length = hypot(dx, dy);

    return length > 0 ? (fabs(dx) * mm[0] + fabs(dy) * mm[1]) / (fabs(dx) + fabs(dy)) / 2 : fmax(mm[0], mm[1]);
}

static void measure(const point *hull, guint n, const double mm[2], double *longest, double *across)
{
    guint  a = 0, b = 0;
    double far = -1;

    for (guint i = 0; i < n; i++)
        for (guint j = i; j < n; j++) {
            double d = hypot(hull[i].x - hull[j].x, hull[i].y - hull[j].y);
            if (d > far) {
                far = d;
                a = i;
                b = j;
            }
        }
    double dx = hull[b].x - hull[a].x, dy = hull[b].y - hull[a].y, low = 0, high = 0;
    for (guint i = 0; i < n && far > 0; i++) {
        double side = ((hull[i].x - hull[a].x) * -dy + (hull[i].y - hull[a].y) * dx) / far;
        low = fmin(low, side);
        high = fmax(high, side);
    }
    *longest = far + width_of_voxel(dx, dy, mm);
    *across = far > 0 ? high - low + width_of_voxel(-dy, dx, mm) : fmin(mm[0], mm[1]);
}

static void measure_plane(GArray *points, const double mm[2], double *longest, double *across)
{
    g_autofree point *hull = g_new(point, 2 * points->len + 2);

    g_array_sort(points, by_place);
    measure(hull, find_hull((const point *)(const void *)points->data, points->len, hull), mm, longest, across);
}

void mt_object_diameters(const mt_voxel_run *runs, int64_t n, const double spacing_mm[2], double *longest_mm, double *perpendicular_mm)
{
    g_autoptr(GArray) points = g_array_new(FALSE, FALSE, sizeof(point));

    *longest_mm = *perpendicular_mm = 0;
    for (int64_t i = 0; i < n; i++) {
        double longest, across, y = runs[i].y * spacing_mm[1];
        g_array_append_vals(points, &(point){runs[i].x0 * spacing_mm[0], y}, 1);
        if (runs[i].x1 - runs[i].x0 > 1)
            g_array_append_vals(points, &(point){(runs[i].x1 - 1) * spacing_mm[0], y}, 1);
        if (i + 1 < n && runs[i + 1].z == runs[i].z)
            continue;
        measure_plane(points, spacing_mm, &longest, &across);
        g_array_set_size(points, 0);
        if (longest > *longest_mm) {
            *longest_mm = longest;
            *perpendicular_mm = across;
        }
    }
}

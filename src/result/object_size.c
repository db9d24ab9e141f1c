/* Convex hull of the ends of a plane's rows (Andrew's monotone chain), the farthest pair of its corners, the extent across. */
#include "src/result/object_size.h"

#include "src/base/alloc.h"

#include <math.h>

#define NEARLY_ISOTROPIC 1.5 /* the largest spacing over the smallest: other planes are then as good as the acquired ones */

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

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void column_of(const double *affine, int d, double column[3])
{
    for (int row = 0; row < 3; row++)
        column[row] = affine[4 * row + d];
}

/* The voxel axis that runs nearest to the patient's head. */
static int axis_to_head(const double *affine)
{
    double share[3];
    int    best = 2;

    for (int d = 2; d >= 0; d--) {
        double step[3];
        column_of(affine, d, step);
        share[d] = fabs(step[2]) / sqrt(dot(step, step));
        best = share[d] > share[best] ? d : best;
    }
    return best;
}

mt_measuring_plane mt_measuring_plane_of(const double spacing_mm[3], const double *affine, int64_t size_z)
{
    double least = fmin(spacing_mm[0], fmin(spacing_mm[1], spacing_mm[2])), most = fmax(spacing_mm[0], fmax(spacing_mm[1], spacing_mm[2]));
    bool   any = size_z > 1 && affine != NULL && most <= NEARLY_ISOTROPIC * least;
    mt_measuring_plane p = {.normal = any ? axis_to_head(affine) : 2};

    p.column = p.normal == 0 ? 1 : 0;
    p.row = p.normal == 2 ? 1 : 2;
    p.step = spacing_mm[p.column];
    p.height = spacing_mm[p.row];
    if (size_z > 1 && affine != NULL) { /* the third spacing may be the distance across a tilted series' planes: less than its step */
        double u[3], v[3];
        column_of(affine, p.column, u);
        column_of(affine, p.row, v);
        p.shear = dot(u, v) / p.step;
        p.height = sqrt(fmax(dot(v, v) - p.shear * p.shear, 0));
    }
    return p;
}

/* First and last column of each row of each plane within the box; first behind last: none. */
static int32_t *find_ends(const mt_voxel_run *runs, int64_t n, const int64_t box[6], const mt_measuring_plane *plane)
{
    int64_t  rows = box[3 + plane->row] - box[plane->row], planes = box[3 + plane->normal] - box[plane->normal];
    int32_t *ends = mt_alloc(2 * rows * planes, sizeof *ends, NULL);

    for (int64_t i = 0; ends != NULL && i < rows * planes; i++) {
        ends[2 * i] = INT32_MAX;
        ends[2 * i + 1] = INT32_MIN;
    }
    for (int64_t i = 0; ends != NULL && i < n; i++) {
        const mt_voxel_run *r = &runs[i];
        for (int32_t x = r->x0; x < r->x1; x += plane->normal == 0 || r->x1 - r->x0 == 1 ? 1 : r->x1 - 1 - r->x0) {
            const int32_t at[3] = {x, r->y, r->z};
            int32_t      *end = ends + 2 * ((at[plane->normal] - box[plane->normal]) * rows + at[plane->row] - box[plane->row]);
            end[0] = MIN(end[0], at[plane->column]);
            end[1] = MAX(end[1], at[plane->column]);
        }
    }
    return ends;
}

void mt_object_diameters(const mt_voxel_run *runs, int64_t n, const int64_t box[6], const mt_measuring_plane *plane, double *longest_mm,
                         double *perpendicular_mm)
{
    g_autoptr(GArray) points = g_array_new(FALSE, FALSE, sizeof(point));
    int64_t  rows = box[3 + plane->row] - box[plane->row], planes = box[3 + plane->normal] - box[plane->normal];
    int32_t *ends = find_ends(runs, n, box, plane);

    *longest_mm = *perpendicular_mm = ends != NULL ? 0 : (double)NAN;
    for (int64_t k = 0; ends != NULL && k < planes; k++) {
        double longest = 0, across = 0;
        g_array_set_size(points, 0);
        for (int64_t row = 0; row < rows; row++) {
            const int32_t *end = ends + 2 * (k * rows + row);
            for (int i = 0; end[0] <= end[1] && i < (end[0] < end[1] ? 2 : 1); i++)
                g_array_append_vals(points, &(point){end[i] * plane->step + (double)row * plane->shear, (double)row * plane->height}, 1);
        }
        if (points->len > 0)
            measure_plane(points, (const double[]){plane->step, plane->height}, &longest, &across);
        if (longest > *longest_mm) {
            *longest_mm = longest;
            *perpendicular_mm = across;
        }
    }
    mt_free(ends);
}

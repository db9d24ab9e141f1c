/* Components, places and sizes of objects one by one against SciPy and scikit-image (objects_expected.py), and where there are none. */
#include "src/result/densest_square.h"
#include "src/result/objects.h"
#include "src/result/volume_components.h"
#include "tests/unit/objects_expected.h"

#include <math.h>
#include <string.h>

#define X 23
#define Y 17
#define Z 11

static const uint8_t ones[32] = {2};

static uint32_t hashed(uint32_t k, uint32_t salt)
{
    uint32_t h = k * 2654435761u + salt * 40503u;

    h = (h ^ (h >> 15)) * 2246822519u;
    return h ^ (h >> 13);
}

static void fill(uint8_t *map, uint32_t share)
{
    for (uint32_t i = 0; i < X * Y * Z; i++)
        map[i] = hashed(i, 1) % 256 < share;
}

static void test_components(void)
{
    static const int64_t deep[3] = {X, Y, Z}, flat[3] = {X, (int64_t)Y * Z, 1};
    uint8_t              map[X * Y * Z];
    g_autoptr(GError) error = NULL;

    for (guint k = 0; k < G_N_ELEMENTS(expected_counts); k++) {
        fill(map, 16 * k);
        g_autoptr(mt_volume_components) volume = mt_volume_components_new(map, deep, ones, &error);
        g_assert_no_error(error);
        g_autoptr(mt_volume_components) picture = mt_volume_components_new(map, flat, ones, &error);
        g_assert_no_error(error);
        g_assert_cmpint(volume->n, ==, expected_counts[k]);
        g_assert_cmpint(picture->n, ==, expected_flat_counts[k]);
    }
}

static mt_objects *find(const int64_t size[3], const double *spacing, const double *affine, const uint8_t *map, int64_t least)
{
    static char           *labels[] = {"nodule", "organ", NULL};
    const mt_objects_frame frame = {{size[0], size[1], size[2]}, {spacing[0], spacing[1], spacing[2]}, affine};
    g_autoptr(GError) error = NULL;
    mt_objects *objects = mt_objects_new(&frame, labels);

    g_assert_true(mt_objects_add_labels(objects, 0, map, ones, NULL, least, &error));
    g_assert_no_error(error);
    return objects;
}

static void affine_of(const double steps[9], double affine[16], double spacing[3])
{
    static const double origin[3] = {10, -20, 30};

    memset(affine, 0, 16 * sizeof *affine);
    affine[15] = 1;
    for (int d = 0; d < 3; d++) {
        for (int row = 0; row < 3; row++)
            affine[4 * row + d] = steps[3 * row + d];
        affine[4 * d + 3] = origin[d];
        spacing[d] = sqrt(steps[d] * steps[d] + steps[3 + d] * steps[3 + d] + steps[6 + d] * steps[6 + d]);
    }
    /* as cases have it: from plane to plane, across them */
    spacing[2] = mt_objects_voxel_size(&(mt_objects_frame){{2, 2, 2}, {1, 1, 1}, affine}) / (spacing[0] * spacing[1]);
}

static void check_near(double value, double expected)
{
    if (!isnan(expected))
        g_assert_cmpfloat_with_epsilon(value, expected, 1e-9 * fmax(fabs(expected), 1));
}

static void check_object(const mt_object *o, const struct expected_object *e, const double grid[6])
{
    g_assert_cmpint(o->voxels, ==, e->voxels);
    g_assert_true(isnan(o->area_mm2) && isnan(o->score));
    for (int d = 0; d < 6; d++)
        g_assert_cmpint(o->box[d], ==, e->box[d]);
    for (int d = 0; d < 3; d++) {
        check_near(o->centre[d], e->centre[d]);
        check_near(o->centre_mm[d], grid[d]);
    }
    check_near(o->volume_mm3, grid[3]);
    check_near(o->longest_mm, grid[4]);
    check_near(o->perpendicular_mm, grid[5]);
}

static void test_grids(void)
{
    static const int64_t size[3] = {X, Y, Z};
    uint8_t              map[X * Y * Z];
    double               affine[16], spacing[3];

    fill(map, 12);
    for (guint g = 0; g < G_N_ELEMENTS(expected_grids); g++) {
        affine_of(expected_grids[g], affine, spacing);
        g_autoptr(mt_objects) every = find(size, spacing, affine, map, 1);
        g_autoptr(mt_objects) objects = find(size, spacing, affine, map, 3);
        g_assert_cmpint(every->list->len, ==, N_COMPONENTS_OF_ONE);
        g_assert_cmpint(objects->list->len, ==, G_N_ELEMENTS(expected_objects));
        for (guint i = 0; i < objects->list->len; i++)
            check_object(objects->list->pdata[i], &expected_objects[i], expected_objects[i].grids[g]);
    }
}

static void test_none_one_all(void)
{
    static const int64_t size[3] = {5, 4, 3};
    static const double  mm[3] = {0.5, 2, 3}, unknown[3] = {0};
    uint8_t              map[60] = {0};

    g_autoptr(mt_objects) none = find(size, mm, NULL, map, 1);
    g_assert_cmpint(none->list->len, ==, 0);
    g_assert_cmpfloat(mt_objects_max_score(none, 0), ==, 0);
    map[27] = 1; /* (2, 1, 1) */
    g_autoptr(mt_objects) one = find(size, mm, NULL, map, 1);
    const mt_object *o = one->list->pdata[0];
    g_assert_cmpfloat(o->volume_mm3, ==, 3);
    g_assert_cmpfloat(o->longest_mm, ==, 2);
    g_assert_cmpfloat(o->perpendicular_mm, ==, 0.5);
    g_assert_true(isnan(o->centre_mm[0]) && o->location == NULL && isnan(mt_objects_max_score(one, 0)));
    memset(map, 1, sizeof map);
    g_autoptr(mt_objects) all = find(size, mm, NULL, map, 1);
    o = all->list->pdata[0];
    g_assert_cmpint(all->list->len, ==, 1);
    g_assert_cmpfloat(o->volume_mm3, ==, 180);
    g_assert_cmpfloat_with_epsilon(o->longest_mm, sqrt(40) + (2 * 0.5 + 6 * 2) / 8.0 / 2, 1e-12);
    g_autoptr(mt_objects) blind = find(size, unknown, NULL, map, 1);
    o = blind->list->pdata[0];
    g_assert_true(isnan(o->volume_mm3) && isnan(o->longest_mm) && isnan(o->perpendicular_mm));
    mt_objects_drop(blind, 100, 0); /* of unknown size: kept */
    mt_objects_drop(all, 7.9, 0);
    g_assert_cmpint(blind->list->len, ==, 1);
    g_assert_cmpint(all->list->len, ==, 1 - (sqrt(40) + 13.0 / 16 < 7.9));
}

/* A detector's box in a sheared grid has the volume of its voxels. */
static void test_boxes(void)
{
    static char *labels[] = {"nodule", NULL};
    double       affine[16], spacing[3];

    affine_of(expected_grids[2], affine, spacing);
    const mt_objects_frame frame = {{X, Y, Z}, {spacing[0], spacing[1], spacing[2]}, affine};
    g_autoptr(mt_objects) objects = mt_objects_new(&frame, labels);
    const mt_object *o = mt_objects_add_box(objects, 0, (const double[]){1, 2, 3, 5, 8, 6}, 0.5);
    g_assert_cmpfloat_with_epsilon(o->volume_mm3, 4 * 6 * 3 * 0.5, 1e-12);
    g_assert_cmpfloat(o->longest_mm, ==, 3);
    g_assert_cmpfloat(o->perpendicular_mm, ==, 2);
}

/* Every pair of a left and an upper edge. */
static gint64 densest_of_all(const mt_plane_point *p, int n, double width, double height)
{
    gint64 best = 0;

    for (int l = 0; l < n; l++)
        for (int t = 0; t < n; t++) {
            gint64 inside = 0;
            for (int i = 0; i < n; i++)
                inside += p[i].x >= p[l].x && p[i].x - p[l].x <= width && p[i].y >= p[t].y && p[i].y - p[t].y <= height;
            best = MAX(best, inside);
        }
    return best;
}

static void test_densest(void)
{
    mt_plane_point points[400];

    for (uint32_t k = 0; k < G_N_ELEMENTS(expected_densest); k++) {
        for (uint32_t i = 0; i < 400; i++)
            points[i] = (mt_plane_point){hashed(i, 2) % 97, hashed(i, 3) % 89};
        g_assert_cmpint(mt_densest_square(points, 400, k, 2 * k), ==, expected_densest[k]);
    }
    for (uint32_t n = 0; n < 60; n++) { /* odd numbers of points, places that rounding makes hard */
        for (uint32_t i = 0; i < n; i++)
            points[i] = (mt_plane_point){hashed(i, n) % 31 * 0.1, hashed(i, n + 99) % 29 * 0.1};
        gint64 wanted = densest_of_all(points, (int)n, 0.3, 0.7);
        g_assert_cmpint(mt_densest_square(points, n, 0.3, 0.7), ==, wanted);
    }
}

static void test_densest_of_many(void)
{
    enum { N = 60000 };
    g_autofree mt_plane_point *points = g_new(mt_plane_point, N);

    for (uint32_t i = 0; i < N; i++)
        points[i] = (mt_plane_point){i % 300, i / 300}; /* a lattice of 300 x 200 */
    g_assert_cmpint(mt_densest_square(points, N, 149, 99), ==, 150 * 100);
    g_assert_cmpint(mt_densest_square(points, N, 1000, 1000), ==, N);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/objects/components", test_components);
    g_test_add_func("/objects/grids", test_grids);
    g_test_add_func("/objects/none_one_all", test_none_one_all);
    g_test_add_func("/objects/boxes", test_boxes);
    g_test_add_func("/objects/densest", test_densest);
    g_test_add_func("/objects/densest_of_many", test_densest_of_many);
    return g_test_run();
}

/* Windows of a patch-wise network: positions and weights against nnU-Net's and MONAI's formulas in NumPy (make_sliding_data.py). */
#include "tiling/window_plan.h"

#include <microtome/tensor.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static char *data_path(const char *file)
{
    return g_build_filename(g_getenv("G_TEST_SRCDIR"), "unit", "data", "sliding", file, NULL);
}

/* "nnunet 17 16 0.5: 0 1" */
static void check_row(const char *row)
{
    char   rule[16];
    int    image, patch;
    double step;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) halves = g_strsplit(row, ": ", 2), wanted = NULL;

    g_assert_cmpint(sscanf(row, "%15s %d %d %lf", rule, &image, &patch, &step), ==, 4);
    wanted = g_strsplit(halves[1], " ", -1);
    for (int axis = 0; axis < 2; axis++) {
        mt_window_params params = {{3, 3, 3}, step, strcmp(rule, "monai") == 0 ? MT_WINDOWS_MONAI : MT_WINDOWS_NNUNET, MT_WEIGHT_CONSTANT};
        int64_t          size[3] = {3, 3, 3};

        params.patch[axis] = patch;
        size[axis] = image;
        g_autoptr(mt_window_plan) plan = mt_window_plan_new(size, &params, &error);
        g_assert_no_error(error);
        g_assert_cmpint(plan->n[axis], ==, g_strv_length(wanted));
        g_assert_cmpint(mt_window_plan_count(plan), ==, plan->n[axis]);
        for (int i = 0; i < plan->n[axis]; i++) {
            int64_t at[3];
            mt_window_plan_at(plan, i, at);
            g_assert_cmpint(at[axis], ==, g_ascii_strtoll(wanted[i], NULL, 10));
        }
    }
}

static void test_positions(void)
{
    g_autofree char *path = data_path("plans.txt"), *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_auto(GStrv) rows = g_strsplit(g_strchomp(text), "\n", -1);
    g_assert_cmpint(g_strv_length(rows), ==, 528);
    for (char **row = rows; *row != NULL; row++)
        check_row(*row);
}

static void check_weight(const char *name, mt_window_rule rule, int64_t x, int64_t y, int64_t z)
{
    g_autofree char *file = g_strdup_printf("weight_%s_%s.npy", rule == MT_WINDOWS_MONAI ? "monai" : "nnunet", name);
    g_autofree char *path = data_path(file);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_tensor) wanted = mt_tensor_read_npy(path, &error);
    const mt_window_params params = {{x, y, z}, 0.5, rule, MT_WEIGHT_GAUSSIAN};
    const int64_t          size[3] = {40, 40, 3};
    g_autoptr(mt_window_plan) plan = mt_window_plan_new(size, &params, &error);

    g_assert_no_error(error);
    g_assert_cmpint(mt_tensor_count(wanted), ==, x * y * z);
    for (int64_t i = 0; i < x * y * z; i++) {
        float w = ((const float *)wanted->data)[i];
        g_assert_cmpfloat(fabsf(plan->weight[i] - w), <=, 2e-6F * w);
    }
}

static void test_weights(void)
{
    for (int rule = MT_WINDOWS_NNUNET; rule <= MT_WINDOWS_MONAI; rule++) {
        check_weight("even", (mt_window_rule)rule, 12, 10, 8);
        check_weight("odd", (mt_window_rule)rule, 9, 7, 5);
        check_weight("flat", (mt_window_rule)rule, 12, 16, 1);
    }
}

/* Every voxel of the volume stands in a window, and no window leaves the padded volume. */
static void test_cover(void)
{
    for (int64_t size = 1; size < 60; size++)
        for (int64_t patch = 1; patch < 20; patch += 3)
            for (int rule = MT_WINDOWS_NNUNET; rule <= MT_WINDOWS_MONAI; rule++) {
                const mt_window_params params = {{patch, patch, patch}, 0.6, (mt_window_rule)rule, MT_WEIGHT_CONSTANT};
                const int64_t          sizes[3] = {size, size, size};
                g_autoptr(mt_window_plan) plan = mt_window_plan_new(sizes, &params, NULL);

                for (int a = 0; a < 3; a++) {
                    g_assert_cmpint(plan->at[a][0], ==, 0);
                    g_assert_cmpint(plan->at[a][plan->n[a] - 1] + patch, ==, plan->padded[a]);
                    for (int i = 1; i < plan->n[a]; i++)
                        g_assert_true(plan->at[a][i] >= plan->at[a][i - 1] && plan->at[a][i] <= plan->at[a][i - 1] + patch);
                }
            }
}

/* A window of one slice reads every slice, whatever the step; a small picture is padded in its plane only. */
static void test_slices(void)
{
    const mt_window_params params = {{32, 32, 1}, 0.5, MT_WINDOWS_NNUNET, MT_WEIGHT_GAUSSIAN};
    const int64_t          size[3] = {21, 40, 5};
    g_autoptr(mt_window_plan) plan = mt_window_plan_new(size, &params, NULL);

    g_assert_cmpint(plan->n[2], ==, 5);
    g_assert_cmpint(plan->padded[0], ==, 32);
    g_assert_cmpint(plan->before[0], ==, 5);
    g_assert_cmpint(plan->padded[2], ==, 5);
    g_assert_cmpint(plan->before[2], ==, 0);
    for (int i = 0; i < 5; i++)
        g_assert_cmpint(plan->at[2][i], ==, i);
}

static void check_refused(int64_t size, int64_t patch, double step, const char *words)
{
    const mt_window_params params = {{patch, 8, 8}, step, MT_WINDOWS_NNUNET, MT_WEIGHT_CONSTANT};
    const int64_t          sizes[3] = {size, 9, 9};
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_window_plan_new(sizes, &params, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_assert_cmpstr(error->message, ==, words);
}

static void test_refusals(void)
{
    check_refused(0, 8, 0.5, "lay windows of 8 x 8 x 8 over 0 x 9 x 9 voxels: 1 to 4096 and 1 to 1048576 are possible");
    check_refused(9, 0, 0.5, "lay windows of 0 x 8 x 8 over 9 x 9 x 9 voxels: 1 to 4096 and 1 to 1048576 are possible");
    check_refused(9, 4097, 0.5, "lay windows of 4097 x 8 x 8 over 9 x 9 x 9 voxels: 1 to 4096 and 1 to 1048576 are possible");
    check_refused(1048577, 8, 0.5, "lay windows of 8 x 8 x 8 over 1048577 x 9 x 9 voxels: 1 to 4096 and 1 to 1048576 are possible");
    check_refused(9, 8, 0, "lay windows at a step of 0 of the patch: from 0.05 to 1 is possible");
    check_refused(9, 8, 1.01, "lay windows at a step of 1.01 of the patch: from 0.05 to 1 is possible");
    check_refused(9, 8, NAN, "lay windows at a step of nan of the patch: from 0.05 to 1 is possible");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/window_plan/positions", test_positions);
    g_test_add_func("/window_plan/weights", test_weights);
    g_test_add_func("/window_plan/cover", test_cover);
    g_test_add_func("/window_plan/slices", test_slices);
    g_test_add_func("/window_plan/refusals", test_refusals);
    return g_test_run();
}

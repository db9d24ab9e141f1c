/* Views against index arithmetic, and memory plans against their one law, on random cases. */
#include "kernels/graph/memory_plan.h"
#include "kernels/graph/view.h"

/* Where element `index` of the row-major order of the value lies. */
static int64_t place_of(const mt_view *view, int64_t index)
{
    int64_t place = 0;

    for (int i = view->n - 1; i >= 0; i--) {
        place += index % view->dims[i] * view->strides[i];
        index /= view->dims[i];
    }
    return place;
}

static void test_attention_chain(void)
{
    /* (L, N, 3 H D) lying as (N, L, ..): the middle third, cut into heads, transposed to (N H, D, L), is still a view */
    int64_t memory[] = {2, 5, 36}, heads[] = {5, 6, 4}, offset, count, stride;
    mt_view v;

    mt_view_init(&v, 3, memory);
    g_assert_true(mt_view_permute(&v, (int64_t[]){1, 0, 2}));
    g_assert_true(mt_view_slice(&v, 2, 12, 12, 1, &offset));
    g_assert_cmpint(offset, ==, 12);
    g_assert_true(mt_view_reshape(&v, 3, heads));
    g_assert_cmpint(v.n, ==, 4);
    g_assert_true(mt_view_permute(&v, (int64_t[]){1, 2, 0}));
    g_assert_cmpint(mt_view_dim(&v, 0), ==, 6);
    g_assert_false(mt_view_join(&v)); /* samples lie 180 apart, heads 4 */
    /* sample 1, head 2, d 3, l 4: memory (1, 4, 2 * 4 + 3) of the middle third */
    g_assert_cmpint(place_of(&v, ((1 * 3 + 2) * 4 + 3) * 5 + 4), ==, 1 * 180 + 4 * 36 + 2 * 4 + 3);
    g_assert_false(mt_view_rows(&v, 2, &count, &stride));
    g_assert_false(mt_view_is_dense(&v));
    mt_view_densify(&v);
    g_assert_true(mt_view_is_dense(&v));
    g_assert_cmpint(place_of(&v, ((1 * 3 + 2) * 4 + 3) * 5 + 4), ==, ((1 * 5 + 4) * 3 + 2) * 4 + 3);
}

static void test_rows(void)
{
    int64_t memory[] = {4, 3, 8}, count, stride;
    mt_view v, w;

    mt_view_init(&v, 3, memory);
    g_assert_true(mt_view_permute(&v, (int64_t[]){1, 0, 2}));
    g_assert_true(mt_view_rows(&v, 2, &count, &stride));
    g_assert_cmpint(count, ==, 12);
    g_assert_cmpint(stride, ==, 8);
    g_assert_true(mt_view_like_rows(&w, &v, 2, 1, (int64_t[]){5}));
    g_assert_cmpint(w.strides[0], ==, 5);
    g_assert_cmpint(w.strides[1], ==, 15);
    g_assert_true(mt_view_is_dense(&w));
    g_assert_false(mt_view_is_contiguous(&w));
}

/* Reshape there and back, permute there and back, for shapes of random factors. */
static void test_random_round_trips(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    int views = 0;

    for (int round = 0; round < 2000; round++) {
        int64_t from[4], to[4], perm[4] = {0, 1, 2, 3}, moved[4];
        mt_view v, w;

        for (int i = 0; i < 4; i++)
            from[i] = g_rand_int_range(rand, 1, 5);
        for (int i = 3; i > 0; i--) {
            int     k = g_rand_int_range(rand, 0, i + 1);
            int64_t t = perm[i];
            perm[i] = perm[k];
            perm[k] = t;
        }
        mt_view_init(&v, 4, from);
        g_assert_true(mt_view_permute(&v, perm));
        for (int i = 0; i < 4; i++)
            moved[i] = mt_view_dim(&v, i);
        w = v;
        to[0] = moved[0] * moved[1];
        to[1] = moved[2] * moved[3];
        if (round % 2 == 0) {
            g_assert_true(mt_view_reshape(&w, 2, to)); /* joining is always a view */
        } else {
            int64_t regroup[3] = {moved[1], moved[0] * moved[2], moved[3]};
            if (!mt_view_reshape(&w, 3, regroup))
                continue;
        }
        views++;
        for (int64_t i = 0; i < mt_view_count(&v); i++)
            g_assert_cmpint(place_of(&w, i), ==, place_of(&v, i));
        mt_view_join(&w);
        for (int64_t i = 0; i < mt_view_count(&v); i++)
            g_assert_cmpint(place_of(&w, i), ==, place_of(&v, i));
    }
    g_assert_cmpint(views, >, 1000);
}

static void test_slices(void)
{
    int64_t shape[] = {6, 4}, offset;
    mt_view v;

    mt_view_init(&v, 2, shape);
    g_assert_true(mt_view_slice(&v, 0, 1, 3, 2, &offset));
    g_assert_cmpint(offset, ==, 4);
    g_assert_cmpint(place_of(&v, 4), ==, 8);
    mt_view_init(&v, 2, shape);
    g_assert_true(mt_view_permute(&v, (int64_t[]){1, 0}));
    g_assert_true(mt_view_reshape(&v, 1, (int64_t[]){24}));
    g_assert_false(mt_view_slice(&v, 0, 3, 8, 1, &offset)); /* cuts through a column */
    g_assert_true(mt_view_slice(&v, 0, 6, 12, 1, &offset));
    g_assert_cmpint(offset, ==, 1);
    g_assert_cmpint(mt_view_count(&v), ==, 12);
}

static bool live_together(const mt_extent *a, const mt_extent *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static void test_plan(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);

    for (int round = 0; round < 200; round++) {
        mt_extent e[40];
        int       n = g_rand_int_range(rand, 0, 41);
        size_t    total, most = 0;

        for (int i = 0; i < n; i++) {
            int first = g_rand_int_range(rand, 0, 50);
            e[i] = (mt_extent){
                .bytes = (size_t)g_rand_int_range(rand, 0, 5000), .first = first, .last = first + g_rand_int_range(rand, 0, 10)};
        }
        total = mt_memory_plan(e, n);
        for (int i = 0; i < n; i++) {
            g_assert_cmpint(e[i].offset % 64, ==, 0);
            g_assert_cmpuint(e[i].offset + e[i].bytes, <=, total);
            for (int k = 0; k < i; k++)
                g_assert_true(!live_together(&e[i], &e[k]) || e[i].offset + e[i].bytes <= e[k].offset ||
                              e[k].offset + e[k].bytes <= e[i].offset);
        }
        for (int t = 0; t < 60; t++) {
            size_t live = 0;
            for (int i = 0; i < n; i++)
                live += e[i].first <= t && t <= e[i].last ? (e[i].bytes + 63) / 64 * 64 : 0;
            most = MAX(most, live);
        }
        g_assert_cmpuint(total, >=, most);
        g_assert_cmpuint(total, <=, most * 2);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/view/attention-chain", test_attention_chain);
    g_test_add_func("/view/rows", test_rows);
    g_test_add_func("/view/random-round-trips", test_random_round_trips);
    g_test_add_func("/view/slices", test_slices);
    g_test_add_func("/memory-plan/no-overlap", test_plan);
    return g_test_run();
}

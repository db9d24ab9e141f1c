/* Candidates of scenes whose connected tiles are known: drawn as letters, and found by flooding a random field. */
#include "src/result/tile_candidates.h"

#include <math.h>
#include <string.h>

#define WIDE 24

/* Tiles of a picture of letters: '.' 0.1, '1'..'9' a score of a tenth each, ' ' no tile. */
static GArray *find(const char *const *rows, double step, double tile, double threshold)
{
    g_autofree int64_t *coords = g_new(int64_t, 2 * WIDE * WIDE);
    g_autofree float   *scores = g_new0(float, 2 * WIDE * WIDE);
    int64_t             n = 0;

    for (int y = 0; rows[y] != NULL; y++)
        for (int x = 0; rows[y][x] != '\0'; x++)
            if (rows[y][x] != ' ') {
                coords[2 * n] = llround(x * step);
                coords[2 * n + 1] = llround(y * step);
                scores[2 * n++ + 1] = rows[y][x] == '.' ? 0.1F : (float)(rows[y][x] - '0') / 10;
            }
    const mt_tile_scene scene = {
        .n = n, .coords = coords, .coords_width = 2, .tile = {tile, tile}, .tile_mm2 = 0.25, .scores = scores, .n_labels = 2};
    return mt_tile_candidates(&scene, 1, threshold);
}

static void test_drawn(void)
{
    const char *const rows[] = {"66....7", "68....7", "..6....", ".......", "5 9....", NULL};
    g_autoptr(GArray) list = find(rows, 100.3, 100.3, 0.55); /* edges that are no whole px */
    const mt_tile_candidate *c = (const mt_tile_candidate *)(const void *)list->data;

    g_assert_cmpuint(list->len, ==, 3);
    g_assert_cmpfloat_with_epsilon(c[0].score, 0.9, 1e-6);
    g_assert_cmpint(c[0].tiles, ==, 1);
    g_assert_cmpfloat_with_epsilon(c[1].score, 0.8, 1e-6);
    g_assert_cmpint(c[1].tiles, ==, 5);
    g_assert_cmpfloat(c[1].area_mm2, ==, 1.25);
    g_assert_cmpfloat_with_epsilon(c[1].centre[0], 150.15, 0.01);
    g_assert_cmpint(c[1].box[0], ==, 0);
    g_assert_cmpint(c[1].box[3], ==, 301);
    g_assert_cmpint(c[2].tiles, ==, 2);
    g_assert_cmpint(c[2].label, ==, 1);
    g_assert_cmpint(c[2].peak, ==, 6);                  /* the first of equal ones */
    g_autoptr(GArray) half = find(rows, 50, 100, 0.55); /* half overlapping: tiles two apart touch */
    g_assert_cmpuint(half->len, ==, 2);
    g_autoptr(GArray) none = find(rows, 100, 100, 0.95);
    g_assert_cmpuint(none->len, ==, 0);
}

static void flood(const float *field, int *mark, int x, int y, int of)
{
    if (x < 0 || y < 0 || x >= WIDE || y >= WIDE || mark[y * WIDE + x] != 0 || field[y * WIDE + x] < 0.6F)
        return;
    mark[y * WIDE + x] = of;
    for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++)
            flood(field, mark, x + dx, y + dy, of);
}

/* As many as flooding finds, of the same tiles, whatever the order of the tiles. */
static void test_flooded(void)
{
    float   field[WIDE * WIDE], shuffled[WIDE * WIDE];
    int     mark[WIDE * WIDE] = {0}, n = 0, tiles = 0;
    int64_t coords[2 * WIDE * WIDE];

    for (int i = 0; i < WIDE * WIDE; i++)
        field[i] = (float)g_test_rand_double();
    for (int i = 0; i < WIDE * WIDE; i++)
        if (mark[i] == 0 && field[i] >= 0.6F)
            flood(field, mark, i % WIDE, i / WIDE, ++n);
    for (int i = 0; i < WIDE * WIDE; i++) {
        int from = (i * 7 + 5) % (WIDE * WIDE);
        shuffled[i] = field[from];
        coords[2 * i] = from % WIDE * 64 - 300;
        coords[2 * i + 1] = from / WIDE * 64 - 300;
    }
    const mt_tile_scene scene = {
        .n = WIDE * WIDE, .coords = coords, .coords_width = 2, .tile = {64, 64}, .scores = shuffled, .n_labels = 1};
    g_autoptr(GArray) list = mt_tile_candidates(&scene, 0, 0.6F);
    g_assert_cmpint(list->len, ==, n);
    for (guint i = 0; i < list->len; i++) {
        const mt_tile_candidate *c = &g_array_index(list, mt_tile_candidate, i);
        int                      of = mark[(c->peak * 7 + 5) % (WIDE * WIDE)], count = 0;
        for (int k = 0; k < WIDE * WIDE; k++) {
            count += mark[k] == of;
            g_assert_true(mark[k] != of || field[k] <= (float)c->score);
        }
        g_assert_cmpint(c->tiles, ==, count);
        tiles += count;
        g_assert_true(i == 0 || c->score <= c[-1].score);
    }
    g_assert_cmpint(tiles, >, 0);
}

/* Neighbouring slices join where tiles lie over each other; unread tiles part. */
static void test_planes(void)
{
    const int64_t coords[] = {0, 0, 0, 0, 0, 1, 0, 0, 3, 10, 10, 2, 100, 100, 3, 200, 100, 3};
    const float   scores[] = {0.9F, 0.8F, 0.7F, 0.1F, 0.9F, 0.9F};
    const uint8_t valid[] = {1, 1, 1, 1, 0, 1};
    mt_tile_scene scene = {
        .n = 6, .coords = coords, .coords_width = 3, .tile = {100, 100}, .valid = valid, .scores = scores, .n_labels = 1};
    g_autoptr(GArray) list = mt_tile_candidates(&scene, 0, 0.5);
    const mt_tile_candidate *c = (const mt_tile_candidate *)(const void *)list->data;

    g_assert_cmpuint(list->len, ==, 3);
    g_assert_cmpint(c[0].tiles, ==, 2);
    g_assert_cmpint(c[0].box[5], ==, 2);
    g_assert_cmpint(c[1].peak, ==, 5);
    g_assert_cmpint(c[2].peak, ==, 2);
    scene.valid = NULL;
    g_autoptr(GArray) all = mt_tile_candidates(&scene, 0, 0.05);
    g_assert_cmpuint(all->len, ==, 1);
    scene.n = 0;
    g_autoptr(GArray) none = mt_tile_candidates(&scene, 0, 0.5);
    g_assert_cmpuint(none->len, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tile_candidates/drawn", test_drawn);
    g_test_add_func("/tile_candidates/flooded", test_flooded);
    g_test_add_func("/tile_candidates/planes", test_planes);
    return g_test_run();
}

#include "src/result/tile_candidates.h"

#include <math.h>
#include <string.h>

/* Rounding of a tile's edge to whole px must not part neighbours. */
#define SLACK_PX 1.5

typedef struct joining {
    const mt_tile_scene *s;
    int                  label;
    double               threshold;
    GHashTable          *cells; /* cell of a tile's size -> GArray of tiles */
    int64_t             *root;  /* union-find; -1: not above the threshold */
} joining;

static const int64_t *place(const mt_tile_scene *s, int64_t tile)
{
    return s->coords + tile * s->coords_width;
}

static int64_t plane(const mt_tile_scene *s, int64_t tile)
{
    return s->coords_width == 3 ? place(s, tile)[2] : 0;
}

static double score_of(const joining *j, int64_t tile)
{
    return j->s->scores[tile * j->s->n_labels + j->label];
}

/* Two cells of one key would cost time, nothing else. */
static gint64 cell_key(const mt_tile_scene *s, int64_t tile, int dx, int dy, int dz)
{
    gint64 x = (gint64)floor((double)place(s, tile)[0] / s->tile[0]) + dx, y = (gint64)floor((double)place(s, tile)[1] / s->tile[1]) + dy;

    return (gint64)(((guint64)x * G_GUINT64_CONSTANT(0x9E3779B97F4A7C15) + (guint64)y) * G_GUINT64_CONSTANT(0xBF58476D1CE4E5B9) +
                    (guint64)(plane(s, tile) + dz));
}

static bool touch(const mt_tile_scene *s, int64_t a, int64_t b)
{
    double  dx = fabs((double)(place(s, a)[0] - place(s, b)[0])), dy = fabs((double)(place(s, a)[1] - place(s, b)[1]));
    int64_t dz = plane(s, a) - plane(s, b);

    if (dz == 0)
        return dx <= s->tile[0] + SLACK_PX && dy <= s->tile[1] + SLACK_PX;
    return (dz == 1 || dz == -1) && dx < s->tile[0] && dy < s->tile[1];
}

static int64_t find_root(const joining *j, int64_t tile)
{
    while (j->root[tile] != tile)
        tile = j->root[tile] = j->root[j->root[tile]];
    return tile;
}

/* The smaller number leads, so that roots are the first tiles of their candidates. */
static void join(const joining *j, int64_t a, int64_t b)
{
    int64_t x = find_root(j, a), y = find_root(j, b);

    j->root[MAX(x, y)] = MIN(x, y);
}

static void join_neighbours(const joining *j, int64_t tile)
{
    int planes = j->s->coords_width == 3 ? 1 : 0;

    for (int dz = -planes; dz <= planes; dz++)
        for (int dy = -2; dy <= 2; dy++)
            for (int dx = -2; dx <= 2; dx++) {
                gint64        key = cell_key(j->s, tile, dx, dy, dz);
                const GArray *others = g_hash_table_lookup(j->cells, &key);
                for (guint i = 0; others != NULL && i < others->len; i++)
                    if (touch(j->s, tile, g_array_index(others, int64_t, i)))
                        join(j, tile, g_array_index(others, int64_t, i));
            }
}

static void free_cell(gpointer cell)
{
    g_array_unref(cell);
}

/* Each tile is joined with those before it, then waits for those behind it. */
static void join_all(joining *j)
{
    for (int64_t i = 0; i < j->s->n; i++) {
        j->root[i] = -1;
        if ((j->s->valid != NULL && j->s->valid[i] == 0) || !(score_of(j, i) >= j->threshold))
            continue;
        j->root[i] = i;
        join_neighbours(j, i);
        gint64  key = cell_key(j->s, i, 0, 0, 0);
        GArray *cell = g_hash_table_lookup(j->cells, &key);
        if (cell == NULL) {
            cell = g_array_new(FALSE, FALSE, sizeof(int64_t));
            g_hash_table_insert(j->cells, g_memdup2(&key, sizeof key), cell);
        }
        g_array_append_val(cell, i);
    }
}

static void take_peak(const joining *j, mt_tile_candidate *c, int64_t tile)
{
    const mt_tile_scene *s = j->s;

    c->score = score_of(j, tile);
    c->peak = tile;
    c->centre[0] = (double)place(s, tile)[0] + s->tile[0] / 2;
    c->centre[1] = (double)place(s, tile)[1] + s->tile[1] / 2;
    c->centre[2] = (double)plane(s, tile);
}

static void add_tile(const joining *j, mt_tile_candidate *c, int64_t tile)
{
    const mt_tile_scene *s = j->s;
    const int64_t        low[3] = {place(s, tile)[0], place(s, tile)[1], plane(s, tile)};
    const int64_t        high[3] = {low[0] + llround(s->tile[0]), low[1] + llround(s->tile[1]), low[2] + 1};

    for (int axis = 0; axis < 3; axis++) {
        c->box[axis] = c->tiles == 0 ? low[axis] : MIN(c->box[axis], low[axis]);
        c->box[axis + 3] = c->tiles == 0 ? high[axis] : MAX(c->box[axis + 3], high[axis]);
    }
    if (c->tiles == 0 || score_of(j, tile) > c->score)
        take_peak(j, c, tile);
    c->tiles++;
    c->area_mm2 = (double)c->tiles * s->tile_mm2;
}

static int by_score(gconstpointer a, gconstpointer b)
{
    const mt_tile_candidate *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->peak > y->peak) - (x->peak < y->peak);
}

GArray *mt_tile_candidates(const mt_tile_scene *scene, int label, double threshold)
{
    g_autofree int64_t *root = g_new(int64_t, scene->n + 1), *of_root = g_new(int64_t, scene->n + 1);
    joining             j = {.s = scene, .label = label, .threshold = threshold, .root = root};
    GArray             *list = g_array_new(FALSE, TRUE, sizeof(mt_tile_candidate));

    j.cells = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, free_cell);
    join_all(&j);
    g_hash_table_unref(j.cells);
    for (int64_t i = 0; i < scene->n; i++) {
        if (root[i] < 0)
            continue;
        int64_t r = find_root(&j, i);
        if (r == i) {
            of_root[i] = list->len;
            g_array_append_val(list, ((mt_tile_candidate){.label = label}));
        }
        add_tile(&j, &g_array_index(list, mt_tile_candidate, of_root[r]), i);
    }
    g_array_sort(list, by_score);
    return list;
}

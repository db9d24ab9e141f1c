/* Runs are found plane by plane and joined with those of the rows before by union and find; the root of a set is its first run. */
#include "src/result/volume_components.h"

#include "src/base/alloc.h"

#include <string.h>

#define MAX_RUNS (INT64_C(1) << 27)

typedef struct finding {
    const uint8_t *labels;
    const int64_t *size;
    bool           member[256];
    mt_voxel_run  *runs; /* component: index of another run of its set, or its own */
    int64_t        n, room;
    int64_t       *row_first; /* of each row of the plane before and of this one: first run; one more at the end */
} finding;

static int32_t root_of(mt_voxel_run *runs, int32_t i)
{
    while (runs[i].component != i) {
        runs[i].component = runs[runs[i].component].component;
        i = runs[i].component;
    }
    return i;
}

static void join(mt_voxel_run *runs, int32_t a, int32_t b)
{
    a = root_of(runs, a);
    b = root_of(runs, b);
    if (a < b)
        runs[b].component = a;
    else
        runs[a].component = b;
}

static bool more_room(finding *f, GError **error)
{
    int64_t room = MAX(f->room * 2, 4096);

    if (f->n >= MAX_RUNS) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                    "find objects: the label map has over %" G_GINT64_FORMAT " runs: it is noise, not objects", MAX_RUNS);
        return false;
    }
    mt_voxel_run *runs = mt_alloc(room, sizeof *runs, error);
    if (runs == NULL)
        return false;
    if (f->n > 0)
        memcpy(runs, f->runs, (size_t)f->n * sizeof *runs);
    mt_free(f->runs);
    f->runs = runs;
    f->room = room;
    return true;
}

/* Runs a .. b - 1 against those of a neighbouring row, which may touch at corners. */
static void join_rows(mt_voxel_run *runs, int64_t first, int64_t end, int64_t other, int64_t other_end)
{
    for (int64_t i = first; i < end; i++) {
        while (other < other_end && runs[other].x1 < runs[i].x0)
            other++;
        for (int64_t j = other; j < other_end && runs[j].x0 <= runs[i].x1; j++)
            join(runs, (int32_t)i, (int32_t)j);
    }
}

static bool find_row(finding *f, int64_t y, int64_t z, GError **error)
{
    const uint8_t *row = f->labels + (z * f->size[1] + y) * f->size[0];

    for (int64_t x = 0; x < f->size[0]; x++) {
        if (!f->member[row[x]])
            continue;
        int64_t x0 = x;
        while (x < f->size[0] && f->member[row[x]])
            x++;
        if (f->n == f->room && !more_room(f, error))
            return false;
        f->runs[f->n] = (mt_voxel_run){.x0 = (int32_t)x0, .x1 = (int32_t)x, .y = (int32_t)y, .z = (int32_t)z, .component = (int32_t)f->n};
        f->n++;
    }
    return true;
}

/* row_first holds height + 1 entries of the plane before, then height + 1 of this one. */
static bool find_plane(finding *f, int64_t z, GError **error)
{
    int64_t  height = f->size[1];
    int64_t *before = f->row_first, *now = f->row_first + height + 1;

    memcpy(before, now, (size_t)(height + 1) * sizeof *now);
    for (int64_t y = 0; y < height; y++) {
        now[y] = f->n;
        if (!find_row(f, y, z, error))
            return false;
        if (y > 0)
            join_rows(f->runs, now[y], f->n, now[y - 1], now[y]);
        for (int64_t dy = -1; z > 0 && dy <= 1; dy++)
            if (y + dy >= 0 && y + dy < height)
                join_rows(f->runs, now[y], f->n, before[y + dy], before[y + dy + 1]);
    }
    now[height] = f->n;
    return true;
}

/* A root is the first run of its set, so sets are met in the order of their first voxels. */
static int64_t number(mt_voxel_run *runs, int64_t n)
{
    int64_t components = 0;

    for (int64_t i = 0; i < n; i++) /* every run to its root, before roots lose their own index */
        runs[i].component = root_of(runs, (int32_t)i);
    for (int64_t i = 0; i < n; i++) {
        int32_t root = runs[i].component;
        runs[i].component = root == i ? (int32_t)components++ : runs[root].component;
    }
    return components;
}

mt_volume_components *mt_volume_components_new(const uint8_t *labels, const int64_t size[3], const uint8_t members[32], GError **error)
{
    finding f = {.labels = labels, .size = size};

    for (int v = 0; v < 256; v++)
        f.member[v] = members[v / 8] >> (v % 8) & 1;
    f.row_first = mt_alloc(2 * (size[1] + 1), sizeof *f.row_first, error);
    bool ok = f.row_first != NULL;
    for (int64_t z = 0; ok && z < size[2]; z++)
        ok = find_plane(&f, z, error);
    mt_free(f.row_first);
    if (!ok) {
        mt_free(f.runs);
        return NULL;
    }
    mt_volume_components *components = g_new0(mt_volume_components, 1);
    components->runs = f.runs;
    components->n_runs = f.n;
    components->n = number(f.runs, f.n);
    return components;
}

void mt_volume_components_free(mt_volume_components *components)
{
    if (components == NULL)
        return;
    mt_free(components->runs);
    g_free(components);
}

#include "tiling/components.h"

#include "src/base/alloc.h"

#include <string.h>

/* From x on, the first pixel that is foreground (or not); eight at a time where eight are alike. */
static int64_t find_pixel(const uint8_t *row, int64_t x, int64_t width, bool foreground)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    uint64_t       eight;

    for (; x + 8 <= width; x += 8) {
        memcpy(&eight, row + x, sizeof eight);
        bool some_zero = ((eight - ones) & ~eight & highs) != 0;
        if (foreground ? eight != 0 : some_zero)
            break;
    }
    while (x < width && (row[x] != 0) != foreground)
        x++;
    return x;
}

/* Next run of row `row` from x on; false at its end. */
static bool next_run(const uint8_t *row, int64_t width, bool foreground, int64_t *x, mt_run *run)
{
    *x = find_pixel(row, *x, width, foreground);
    if (*x == width)
        return false;
    run->x0 = (int32_t)*x;
    *x = find_pixel(row, *x, width, !foreground);
    run->x1 = (int32_t)*x;
    return true;
}

static int64_t count_runs(const uint8_t *pixels, int64_t width, int64_t height, bool foreground)
{
    int64_t n = 0;

    for (int64_t y = 0; y < height; y++) {
        mt_run  run;
        int64_t x = 0;
        while (next_run(pixels + y * width, width, foreground, &x, &run))
            n++;
    }
    return n;
}

static void find_runs(mt_components *c, const uint8_t *pixels, bool foreground)
{
    int64_t n = 0;

    for (int64_t y = 0; y < c->height; y++) {
        mt_run  run = {0};
        int64_t x = 0;
        c->row_first[y] = n;
        while (next_run(pixels + y * c->width, c->width, foreground, &x, &run)) {
            run.label = (int32_t)n;
            c->runs[n++] = run;
        }
    }
    c->row_first[c->height] = n;
}

/* Root of run i; a run's label is its parent, always at or before it. */
static int32_t root_of(mt_run *runs, int32_t i)
{
    while (runs[i].label != i) {
        runs[i].label = runs[runs[i].label].label;
        i = runs[i].label;
    }
    return i;
}

static void join(mt_run *runs, int64_t i, int64_t j)
{
    int32_t a = root_of(runs, (int32_t)i), b = root_of(runs, (int32_t)j);

    runs[MAX(a, b)].label = MIN(a, b);
}

static void join_rows(mt_components *c, int64_t y, int reach)
{
    int64_t i = c->row_first[y - 1], j = c->row_first[y];

    while (i < c->row_first[y] && j < c->row_first[y + 1]) {
        const mt_run *above = &c->runs[i], *here = &c->runs[j];
        if (above->x0 < here->x1 + reach && here->x0 < above->x1 + reach)
            join(c->runs, i, j);
        if (above->x1 < here->x1)
            i++;
        else
            j++;
    }
}

/* A root comes before every other run of its component, so one pass replaces roots by numbers in order. */
static void number_components(mt_components *c)
{
    int64_t n_runs = c->row_first[c->height];

    for (int64_t i = 0; i < n_runs; i++) {
        int32_t parent = c->runs[i].label;
        c->runs[i].label = parent == i ? (int32_t)c->n++ : c->runs[parent].label;
    }
}

mt_components *mt_components_new(const uint8_t *pixels, int64_t width, int64_t height, bool foreground, int connectivity, GError **error)
{
    g_autoptr(mt_components) c = g_new0(mt_components, 1);
    int64_t n_runs = count_runs(pixels, width, height, foreground);

    c->width = width;
    c->height = height;
    if (n_runs > INT32_MAX) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "outline a mask of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT ": more than 2^31 runs",
                    width, height);
        return NULL;
    }
    c->runs = mt_alloc(n_runs, sizeof(mt_run), error);
    c->row_first = c->runs ? mt_alloc(height + 1, sizeof(int64_t), error) : NULL;
    if (c->row_first == NULL)
        return NULL;
    find_runs(c, pixels, foreground);
    for (int64_t y = 1; y < height; y++)
        join_rows(c, y, connectivity == 8 ? 1 : 0);
    for (int64_t i = 0; i < n_runs; i++)
        c->runs[i].label = root_of(c->runs, (int32_t)i);
    number_components(c);
    return g_steal_pointer(&c);
}

void mt_components_free(mt_components *components)
{
    if (components == NULL)
        return;
    mt_free(components->runs);
    mt_free(components->row_first);
    g_free(components);
}

int32_t mt_components_label(const mt_components *components, int64_t x, int64_t y)
{
    if (y < 0 || y >= components->height)
        return -1;
    int64_t low = components->row_first[y], high = components->row_first[y + 1];
    while (low < high) {
        int64_t       middle = low + (high - low) / 2;
        const mt_run *run = &components->runs[middle];
        if (x < run->x0)
            high = middle;
        else if (x >= run->x1)
            low = middle + 1;
        else
            return run->label;
    }
    return -1;
}

void mt_components_paint(const mt_components *c, const uint8_t *wanted, uint8_t *pixels, uint8_t value)
{
    for (int64_t y = 0; y < c->height; y++)
        for (int64_t i = c->row_first[y]; i < c->row_first[y + 1]; i++)
            if (wanted[c->runs[i].label])
                memset(pixels + y * c->width + c->runs[i].x0, value, (size_t)(c->runs[i].x1 - c->runs[i].x0));
}

static bool keep_largest(uint8_t *pixels, int64_t width, int64_t height, GError **error)
{
    g_autoptr(mt_components) c = mt_components_new(pixels, width, height, true, 8, error);
    int64_t *areas = c ? mt_alloc(c->n, sizeof(int64_t), error) : NULL;
    uint8_t *others = areas ? mt_alloc(c->n, 1, error) : NULL;
    int64_t  largest = 0;

    if (others != NULL) {
        for (int64_t i = 0; i < c->row_first[height]; i++)
            areas[c->runs[i].label] += c->runs[i].x1 - c->runs[i].x0;
        for (int64_t k = 1; k < c->n; k++)
            if (areas[k] > areas[largest])
                largest = k;
        for (int64_t k = 0; k < c->n; k++)
            others[k] = k != largest;
        mt_components_paint(c, others, pixels, 0);
    }
    bool ok = others != NULL;
    mt_free(others);
    mt_free(areas);
    return ok;
}

/* Background that does not reach the edge of the raster is a hole. */
static bool fill_holes(uint8_t *pixels, int64_t width, int64_t height, GError **error)
{
    g_autoptr(mt_components) c = mt_components_new(pixels, width, height, false, 4, error);
    uint8_t *holes = c ? mt_alloc(c->n, 1, error) : NULL;

    if (holes == NULL)
        return false;
    memset(holes, 1, (size_t)c->n);
    for (int64_t y = 0; y < height; y++)
        for (int64_t i = c->row_first[y]; i < c->row_first[y + 1]; i++)
            if (y == 0 || y == height - 1 || c->runs[i].x0 == 0 || c->runs[i].x1 == width)
                holes[c->runs[i].label] = 0;
    mt_components_paint(c, holes, pixels, 255);
    mt_free(holes);
    return true;
}

bool mt_components_keep_largest_filled(uint8_t *pixels, int64_t width, int64_t height, GError **error)
{
    return keep_largest(pixels, width, height, error) && fill_holes(pixels, width, height, error);
}

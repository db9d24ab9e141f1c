#include "tiling/outline.h"

#include "src/base/alloc.h"
#include "tiling/components.h"

/* Walking along pixel edges with the foreground on the right: up, right, down, left on the screen. */
enum { UP, RIGHT, DOWN, LEFT };
static const int STEP_X[4] = {0, 1, 0, -1};
static const int STEP_Y[4] = {-1, 0, 1, 0};
/* The pixel ahead on the left of a corner, per direction, as an offset from the corner; ahead on the right is the next one's. */
static const int AHEAD_X[4] = {-1, 0, 0, -1};
static const int AHEAD_Y[4] = {-1, -1, 0, 0};

typedef struct walker {
    const uint8_t *pixels;
    int64_t        width, height;
    mt_components *components; /* 4-connected */
    int64_t       *outer_of;
    uint8_t       *walked; /* bit per pixel: its left edge belongs to a ring */
    mt_rings      *rings;
} walker;

static bool is_filled(const walker *w, int64_t x, int64_t y)
{
    return x >= 0 && y >= 0 && x < w->width && y < w->height && w->pixels[y * w->width + x] != 0;
}

static bool is_walked(const walker *w, int64_t x, int64_t y)
{
    int64_t at = y * w->width + x;

    return w->walked[at >> 3] >> (at & 7) & 1;
}

static void set_walked(walker *w, int64_t x, int64_t y)
{
    int64_t at = y * w->width + x;

    w->walked[at >> 3] = (uint8_t)(w->walked[at >> 3] | 1u << (at & 7));
}

/* The direction in which the ring leaves corner (x, y), reached in direction d.  Where two foreground pixels meet only in the
 * corner, the ring stays with its own pixel, unless both are of one component: then it crosses over, which leaves the empty pixel
 * it goes around to this ring alone.  Either way no ring comes through the corner twice. */
static int turn(const walker *w, int64_t x, int64_t y, int d)
{
    int     right = (d + 1) & 3, left = (d + 3) & 3, behind = (d + 2) & 3;
    int64_t left_x = x + AHEAD_X[d], left_y = y + AHEAD_Y[d];
    bool    ahead_left = is_filled(w, left_x, left_y);
    bool    ahead_right = is_filled(w, x + AHEAD_X[right], y + AHEAD_Y[right]);

    if (ahead_right)
        return ahead_left ? left : d;
    if (!ahead_left)
        return right;
    int32_t own = mt_components_label(w->components, x + AHEAD_X[behind], y + AHEAD_Y[behind]);
    return own == mt_components_label(w->components, left_x, left_y) ? left : right;
}

/* The ring that has the left edge of pixel (x, y), upwards. */
static bool walk(walker *w, int64_t x, int64_t y, GError **error)
{
    int64_t at_x = x, at_y = y + 1;
    int     d = UP;

    do {
        if (d == UP)
            set_walked(w, at_x, at_y - 1);
        at_x += STEP_X[d];
        at_y += STEP_Y[d];
        int next = turn(w, at_x, at_y, d);
        if (next != d && !mt_rings_add(w->rings, (int32_t)at_x, (int32_t)at_y, error))
            return false;
        d = next;
    } while (at_x != x || at_y != y + 1 || d != UP);
    return true;
}

/* A component's first pixel in row-major order lies on its outer ring, so that ring is the first one found. */
static bool walk_row(walker *w, int64_t y, GError **error)
{
    for (int64_t i = w->components->row_first[y]; i < w->components->row_first[y + 1]; i++) {
        const mt_run *run = &w->components->runs[i];
        if (is_walked(w, run->x0, y))
            continue;
        int64_t outer = w->outer_of[run->label] - 1;
        if (outer < 0)
            w->outer_of[run->label] = w->rings->n + 1;
        if (!mt_rings_begin(w->rings, outer, outer >= 0, error) || !walk(w, run->x0, y, error))
            return false;
    }
    return true;
}

mt_rings *mt_outline_trace(const uint8_t *pixels, int64_t width, int64_t height, GError **error)
{
    g_autoptr(mt_rings) rings = mt_rings_new();
    g_autoptr(mt_components) components = mt_components_new(pixels, width, height, true, 4, error);
    walker w = {.pixels = pixels, .width = width, .height = height, .components = components, .rings = rings};

    w.outer_of = components ? mt_alloc(components->n, sizeof(int64_t), error) : NULL;
    w.walked = w.outer_of ? mt_alloc((width * height + 7) / 8, 1, error) : NULL;
    bool ok = w.walked != NULL;
    for (int64_t y = 0; ok && y < height; y++)
        ok = walk_row(&w, y, error);
    ok = ok && mt_rings_group(rings, false, error);
    mt_free(w.walked);
    mt_free(w.outer_of);
    return ok ? g_steal_pointer(&rings) : NULL;
}

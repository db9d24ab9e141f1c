#include "src/evaluate/case_places.h"

#include "src/base/alloc.h"

#include <math.h>

static void free_place(void *pointer)
{
    mt_place *p = pointer;

    g_clear_pointer(&p->ring, g_array_unref);
    g_free(p);
}

static void free_ring(void *ring)
{
    g_array_unref(ring);
}

mt_places *mt_places_new(void)
{
    mt_places *p = g_new0(mt_places, 1);

    p->places = g_ptr_array_new_with_free_func(free_place);
    p->cuts = g_ptr_array_new_with_free_func(free_ring);
    p->scale = 1;
    return p;
}

void mt_places_free(void *pointer)
{
    mt_places *p = pointer;

    if (p == NULL)
        return;
    g_ptr_array_unref(p->places);
    g_ptr_array_unref(p->cuts);
    mt_free(p->labels);
    g_free(p);
}

mt_place *mt_places_add(mt_places *places)
{
    mt_place *p = g_new0(mt_place, 1);

    p->score = p->radius = NAN;
    g_ptr_array_add(places->places, p);
    return p;
}

void mt_place_set_box(mt_place *place, const mt_box *box)
{
    place->boxed = true;
    place->box = *box;
    place->at[0] = (box->x0 + box->x1) / 2;
    place->at[1] = (box->y0 + box->y1) / 2;
}

/* The centre of mass of the area; of a ring without one the middle of its box. */
void mt_place_set_ring(mt_place *place, GArray *ring)
{
    const mt_point *p = &g_array_index(ring, mt_point, 0);
    mt_box          box = {p->x, p->y, p->x, p->y};
    double          area = 0, x = 0, y = 0;

    for (guint i = 0; i < ring->len; i++) {
        const mt_point *a = p + i, *b = p + (i + 1) % ring->len;
        double          cross = (a->x - p->x) * (b->y - p->y) - (b->x - p->x) * (a->y - p->y);
        area += cross;
        x += cross * (a->x + b->x - 2 * p->x);
        y += cross * (a->y + b->y - 2 * p->y);
        box = (mt_box){fmin(box.x0, a->x), fmin(box.y0, a->y), fmax(box.x1, a->x), fmax(box.y1, a->y)};
    }
    place->ring = ring;
    mt_place_set_box(place, &box);
    if (area != 0) {
        place->at[0] = p->x + x / (3 * area);
        place->at[1] = p->y + y / (3 * area);
    }
}

/* Even-odd; a point of the outline may count either way. */
bool mt_ring_holds(const GArray *ring, double x, double y)
{
    bool inside = false;

    for (guint i = 0, before = ring->len - 1; i < ring->len; before = i++) {
        const mt_point *a = &g_array_index(ring, mt_point, i), *b = &g_array_index(ring, mt_point, before);
        if ((a->y > y) != (b->y > y) && x < (b->x - a->x) * (y - a->y) / (b->y - a->y) + a->x)
            inside = !inside;
    }
    return inside;
}
